//! A setting's change: does it open something? Slack writes the same value as `true`, `"1"`, `on`, or a list of what is in.

use gridwatch_sdk::{Severity, json};
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Opened,
    Closed,
    Unclear,
}

const YES: [&str; 10] = ["true", "on", "1", "yes", "enabled", "all", "everyone", "allow", "allowed", "approved"];
const NO: [&str; 15] = [
    "false", "off", "0", "no", "disabled", "none", "nobody", "null", "deny", "denied", "block", "blocked", "removed",
    "deleted", "revoked",
];

/// Is it a word for no? "" is none.
pub(crate) fn is_no(text: &str) -> bool {
    NO.contains(&text.to_ascii_lowercase().as_str())
}

impl Change {
    pub(crate) fn between(before: &str, after: &str) -> Self {
        let (before, after) = (texts(before), texts(after));
        match (switch(&before), switch(&after)) {
            // Said in plain words, whatever stood before: also where Slack leaves the value before away.
            (Some(false) | None, Some(true)) => Self::Opened,
            (Some(true) | None, Some(false)) => Self::Closed,
            (Some(_), Some(_)) => Self::Unclear,
            _ => match (
                after.difference(&before).any(|text| is_in(text)),
                before.difference(&after).any(|text| is_in(text)),
            ) {
                (true, _) => Self::Opened,
                (false, true) => Self::Closed,
                (false, false) => Self::Unclear,
            },
        }
    }

    /// `None` if it closes something.
    pub(crate) fn severity(self) -> Option<Severity> {
        match self {
            Self::Opened => Some(Severity::Medium),
            Self::Unclear => Some(Severity::Low),
            Self::Closed => None,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Closed => "closed",
            Self::Unclear => "can't be told",
        }
    }
}

fn texts(field: &str) -> BTreeSet<String> {
    let texts = json::texts(field).into_iter();
    texts.map(|text| text.trim().trim_matches('"').to_ascii_lowercase()).filter(|text| !text.is_empty()).collect()
}

/// What a single word says, if it is one for yes or no.
fn switch(texts: &BTreeSet<String>) -> Option<bool> {
    match (texts.first(), texts.len()) {
        (Some(text), 1) if YES.contains(&text.as_str()) => Some(true),
        (Some(text), 1) if NO.contains(&text.as_str()) => Some(false),
        _ => None,
    }
}

/// Does the text stand for something that is in, not for its absence?
fn is_in(text: &str) -> bool {
    !NO.contains(&text)
}

#[cfg(test)]
mod tests {
    use super::Change::{self, Closed, Opened, Unclear};

    #[test]
    fn direction_is_read_in_every_spelling() {
        for (before, after, want) in [
            ("false", "true", Opened),
            ("\"off\"", "\"on\"", Opened),
            ("0", "1", Opened),
            ("", "true", Opened),
            ("true", "false", Closed),
            ("1", "", Closed),
            ("", "disabled", Closed),
            (r#"{"type":["none"]}"#, r#"{"type":["everyone"]}"#, Opened),
            (r#"{"type":["EVERYONE"]}"#, r#"{"type":["NONE"]}"#, Closed),
            (r#"["gdrive"]"#, r#"["gdrive","github"]"#, Opened),
            (r#"["gdrive","github"]"#, r#"["github"]"#, Closed),
            (r#"["gdrive"]"#, r#"["github"]"#, Opened),
            (r#"["gdrive"]"#, "[]", Closed),
            ("[]", r#"["gdrive"]"#, Opened),
            ("none", r#"["gdrive"]"#, Opened),
            ("", "", Unclear),
            ("true", "true", Unclear),
            ("[\"a\"]", "[\"a\"]", Unclear),
        ] {
            assert_eq!(Change::between(before, after), want, "{before} to {after}");
        }
    }
}
