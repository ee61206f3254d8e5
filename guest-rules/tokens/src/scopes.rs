//! Scopes: do they let an app read what people wrote, or rule the organization?

use gridwatch_sdk::json;

/// The two upper tiers of module `apps`. `*` at either end stands for anything.
const POWERFUL: [&str; 9] =
    ["admin", "admin.*", "auditlogs:read", "discovery:*", "*:history", "files:read", "search:read*", "im:*", "mpim:*"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Power {
    NotGiven,
    Little,
    Much,
}

impl Power {
    /// Of all scopes in some fields, whatever their shape: lists, lists in a string, `a,b`.
    pub(crate) fn of(fields: &[&str]) -> Self {
        let texts = fields.iter().flat_map(|field| json::texts(field));
        let scopes = texts.flat_map(|text| {
            let parts = text.split([',', ' ']).map(|scope| scope.trim().to_ascii_lowercase());
            parts.filter(|scope| !scope.is_empty()).collect::<Vec<_>>()
        });
        scopes.fold(Self::NotGiven, |power, scope| match power {
            Self::Much => power,
            _ if POWERFUL.iter().any(|pattern| fits(pattern, &scope)) => Self::Much,
            _ => Self::Little,
        })
    }
}

fn fits(pattern: &str, scope: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) => scope.ends_with(end),
        (None, Some(start)) => scope.starts_with(start),
        (None, None) => pattern == scope,
    }
}

#[cfg(test)]
mod tests {
    use super::Power::{self, Little, Much, NotGiven};

    #[test]
    fn power_is_that_of_the_strongest_scope_in_every_shape() {
        for (fields, want) in [
            (["", "[]"], NotGiven),
            (["chat:write", ""], Little),
            ([r#"["chat:write","users:read"]"#, r#"["administer:nothing"]"#], Little),
            ([r#"["chat:write"]"#, r#"["mpim:history"]"#], Much),
            (["chat:write,Admin.Users:write", ""], Much),
            (["search:read.private users:read", ""], Much),
            (["files:write", "team:read"], Little),
        ] {
            assert_eq!(Power::of(&fields), want, "{fields:?}");
        }
    }
}
