//! Which of the organizations that one gridwatch watches something belongs to, by the name that the configuration gives it.
//!
//! Slack's own id of an enterprise is another thing: it stands in the entries (see `gridwatch-rules`, `organization`), is learned
//! from the first that names it, and can't tell two organizations apart before that.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The longest name, in bytes. Names stand in keys of the store, names of folders, and every record.
const MAX_BYTES: usize = 32;

/// The name of an organization; the only one of a configuration needs none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrgId(Option<Arc<str>>);

/// A text that can't be the name of an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is no name of an organization: 1 to {MAX_BYTES} of a-z, 0-9 and -, the first of them a letter, and not `default`"
)]
pub struct NotAnOrgId;

impl OrgId {
    /// What the only organization is called where a word is needed.
    pub const DEFAULT: &str = "default";

    /// # Errors
    ///
    /// When the text is no name: see [`NotAnOrgId`].
    pub fn named(name: &str) -> Result<Self, NotAnOrgId> {
        let is_letter = |byte: u8| byte.is_ascii_lowercase();
        let is_allowed = |byte: u8| is_letter(byte) || byte.is_ascii_digit() || byte == b'-';
        let is_name = name.bytes().next().is_some_and(is_letter)
            && name.len() <= MAX_BYTES
            && name.bytes().all(is_allowed)
            && name != Self::DEFAULT;
        is_name.then(|| Self(Some(name.into()))).ok_or(NotAnOrgId)
    }

    /// `None` for the only organization of a configuration that names none.
    pub fn name(&self) -> Option<&str> {
        self.0.as_deref()
    }

    pub fn is_unnamed(&self) -> bool {
        self.0.is_none()
    }
}

impl fmt::Display for OrgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name().unwrap_or(Self::DEFAULT))
    }
}

impl TryFrom<String> for OrgId {
    type Error = NotAnOrgId;

    fn try_from(text: String) -> Result<Self, NotAnOrgId> {
        match text.as_str() {
            Self::DEFAULT => Ok(Self::default()),
            name => Self::named(name),
        }
    }
}

impl From<OrgId> for String {
    fn from(org: OrgId) -> Self {
        org.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_plain_words() {
        for name in ["acme", "a", "acme-eu-2", &"a".repeat(MAX_BYTES)] {
            assert_eq!(OrgId::named(name).unwrap().name(), Some(name));
        }
        for name in ["", "Acme", "2acme", "-a", "a b", "a/b", "ä", "default", &"a".repeat(MAX_BYTES + 1)] {
            assert_eq!(OrgId::named(name), Err(NotAnOrgId), "{name}");
        }
    }

    #[test]
    fn both_kinds_come_back_as_they_were_written() {
        for org in [OrgId::default(), OrgId::named("acme").unwrap()] {
            let text = serde_json::to_string(&org).unwrap();
            assert_eq!(serde_json::from_str::<OrgId>(&text).unwrap(), org, "{text}");
        }
    }
}
