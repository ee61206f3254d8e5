//! A setting's change: does it open something? Slack writes the same value as `true`, `"1"`, `on`, or a list of what is in.

use gridwatch_sdk::{Severity, change};
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Opened,
    /// Closed, or as it was.
    NotOpened,
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
        if change::is_same(before, after) {
            return Self::NotOpened;
        }
        let read = |value| change::texts(value).into_iter().collect::<BTreeSet<_>>();
        let (before, after) = (read(before), read(after));
        match (switch(&before), switch(&after)) {
            // Said in plain words, whatever stood before: also where Slack leaves the value before away.
            (Some(false) | None, Some(true)) => Self::Opened,
            // Or two words for one thing.
            (_, Some(false)) | (Some(true), Some(true)) => Self::NotOpened,
            _ => match (
                after.difference(&before).any(|text| is_in(text)),
                before.difference(&after).any(|text| is_in(text)),
            ) {
                (true, _) => Self::Opened,
                (false, true) => Self::NotOpened,
                (false, false) => Self::Unclear,
            },
        }
    }

    /// `None` if it opens nothing.
    pub(crate) fn severity(self) -> Option<Severity> {
        match self {
            Self::Opened => Some(Severity::Medium),
            Self::Unclear => Some(Severity::Low),
            Self::NotOpened => None,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::NotOpened => "not opened",
            Self::Unclear => "can't be told",
        }
    }
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
    use super::Change::{self, NotOpened, Opened, Unclear};

    #[test]
    fn direction_is_read_in_every_spelling() {
        for (before, after, want) in [
            ("false", "true", Opened),
            ("\"off\"", "\"on\"", Opened),
            ("0", "1", Opened),
            ("", "true", Opened),
            ("true", "false", NotOpened),
            ("1", "", NotOpened),
            ("", "disabled", NotOpened),
            (r#"{"type":["none"]}"#, r#"{"type":["everyone"]}"#, Opened),
            (r#"{"type":["EVERYONE"]}"#, r#"{"type":["NONE"]}"#, NotOpened),
            (r#"["gdrive"]"#, r#"["gdrive","github"]"#, Opened),
            (r#"["gdrive","github"]"#, r#"["github"]"#, NotOpened),
            (r#"["gdrive"]"#, r#"["github"]"#, Opened),
            (r#"["gdrive"]"#, "[]", NotOpened),
            ("[]", r#"["gdrive"]"#, Opened),
            ("none", r#"["gdrive"]"#, Opened),
            ("", "", Unclear),
            ("", "ask_first", Opened),
            ("true", "true", NotOpened),
            ("all", "true", NotOpened),
            ("none", "denied", NotOpened),
            ("ask_first", "[\"Ask_First\"]", NotOpened),
            ("[\"a\",\"b\"]", "[\"b\",\"a\"]", NotOpened),
        ] {
            assert_eq!(Change::between(before, after), want, "{before} to {after}");
        }
    }
}
