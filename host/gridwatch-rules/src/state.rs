//! Rule state as rows: what detection remembers between batches, as key and value bytes.
//!
//! Detection changes state in memory and says which rows changed; the shell saves those rows in the same atomic batch as
//! the alerts and the position, and hands all rows back at start. Every part has a prefix of its own.

/// One changed row: `None` deletes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateOp {
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

/// Prefix of what modules have declared. Its rows come before those of the windows.
pub const DECLARED: u8 = b'm';
/// Prefix of window rows.
pub const WINDOWS: u8 = b'w';
/// Prefix of directory rows.
pub const DIRECTORY: u8 = b'd';
/// The row of what is the organization's own.
pub const HOME: u8 = b'o';
/// Prefix of what people and apps usually do, for telling about them in alerts.
pub const ABOUT: u8 = b'b';
/// Prefix of what `users.info` said of people: the host's own, and no input of any rule.
pub const ACCOUNTS: u8 = b'u';
/// Prefix of what `conversations.info` said of channels.
pub const CONVERSATIONS: u8 = b'c';
/// Prefix of open alerts.
pub const ALERTS: u8 = b'a';
/// Prefix of the modules' own key-value rows.
pub const KV: u8 = b'k';
/// Prefix of names that the catalogue doesn't have.
pub const DRIFT: u8 = b'n';
/// Prefix of what rules have said of an actor.
pub const RISK: u8 = b'r';
/// Prefix of what is known of apps.
pub const APPS: u8 = b's';
/// The row of the enterprise that the log belongs to.
pub const ORGANIZATION: u8 = b'e';
/// Prefix of the pipeline's own row.
pub const PIPELINE: u8 = b'p';

impl StateOp {
    pub fn put<T: serde::Serialize>(key: Vec<u8>, value: &T) -> Self {
        // The rows' types are ours: strings, numbers and lists, which always serialise.
        let value = serde_json::to_vec(value).unwrap_or_default();
        Self { key, value: Some(value) }
    }

    pub fn delete(key: Vec<u8>) -> Self {
        Self { key, value: None }
    }
}
