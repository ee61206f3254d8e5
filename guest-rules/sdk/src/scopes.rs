//! Scopes: how much each one lets an app do, and how to read lists of them. One table, so that what an app may do is rated
//! alike wherever it is asked.

use crate::json;
use std::collections::BTreeSet;

/// Tier by pattern; the highest that fits counts, [`OTHER`] if none does. `*` at either end stands for anything.
const TIERS: &[(&str, u64)] = &[
    // Rule the organization, or see all of it: users, roles, apps, retention; the audit log; eDiscovery.
    ("admin", 4),
    ("admin.*", 4),
    ("auditlogs:read", 4),
    ("discovery:*", 4),
    // Read what people wrote, shared and kept.
    ("*:history", 3),
    ("files:read", 3),
    ("search:read*", 3),
    // Addresses for phishing; messages under any name; a way to post that outlives the user.
    ("users:read.email", 2),
    ("chat:write.customize", 2),
    ("incoming-webhook", 2),
    // Who talks to whom, and a way to talk to anybody; what was said is `im:history`.
    ("im:*", 2),
    ("mpim:*", 2),
];
const OTHER: u64 = 1;
/// From here on an app can do harm: pass for somebody, or leave a way in.
pub const SOME: u64 = 2;
/// From here on an app reads what people wrote, or rules the organization.
pub const MUCH: u64 = 3;

/// In lower case.
pub type Scopes = BTreeSet<String>;

/// All scopes in some fields, whatever their shape: lists, lists in a string, `a,b`.
pub fn read(fields: &[&str]) -> Scopes {
    let texts = fields.iter().flat_map(|field| json::texts(field));
    let split = texts.flat_map(|text| {
        let parts = text.split([',', ' ']).map(|scope| scope.trim().to_ascii_lowercase());
        parts.collect::<Vec<_>>()
    });
    split.filter(|scope| !scope.is_empty()).collect()
}

/// 1 to 4.
pub fn tier(scope: &str) -> u64 {
    let fitting = TIERS.iter().filter(|(pattern, _)| fits(pattern, scope));
    fitting.map(|(_, tier)| *tier).max().unwrap_or(OTHER)
}

/// The tier of the strongest; 1 if there are none, for an app without any still is in.
pub fn highest_tier(scopes: &Scopes) -> u64 {
    scopes.iter().map(|scope| tier(scope)).max().unwrap_or(OTHER)
}

/// Strongest first, at most `max` of them.
pub fn brief(scopes: &Scopes, max: usize) -> String {
    let mut sorted: Vec<&str> = scopes.iter().map(String::as_str).collect();
    sorted.sort_by_key(|scope| std::cmp::Reverse(tier(scope)));
    let more = sorted.len().saturating_sub(max);
    sorted.truncate(max);
    match (sorted.is_empty(), more) {
        (true, _) => "no scopes given".into(),
        (false, 0) => sorted.join(", "),
        (false, more) => format!("{} and {more} more", sorted.join(", ")),
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
    use super::*;

    #[test]
    fn tiers_go_by_meaning_not_by_the_word_admin() {
        for (scope, want) in [
            ("admin", 4),
            ("admin.users:write", 4),
            ("auditlogs:read", 4),
            ("discovery:read", 4),
            ("mpim:history", 3),
            ("search:read.private", 3),
            ("im:write", 2),
            ("incoming-webhook", 2),
            // Who talks to whom, and a way to talk to anybody; what was said is `im:history`.
            ("im:*", 2),
            ("mpim:*", 2),
            ("users:read.email", 2),
            ("users:read", 1),
            ("chat:write", 1),
            ("administer-nothing", 1),
            ("files:write", 1),
        ] {
            assert_eq!(tier(scope), want, "{scope}");
        }
    }

    #[test]
    fn lists_are_read_in_every_shape() {
        let want: Scopes = ["admin", "chat:write"].map(String::from).into();
        for field in [r#"["admin","chat:write"]"#, "chat:write,admin", "Admin chat:write"] {
            assert_eq!(read(&[field, ""]), want, "{field}");
        }
        assert!(read(&["", "[]"]).is_empty());
    }

    #[test]
    fn the_strongest_scopes_are_shown_first() {
        let scopes = read(&["chat:write,admin,files:read,users:read"]);
        assert_eq!(brief(&scopes, 2), "admin, files:read and 2 more");
    }
}
