//! Lowered: a rule that a team has decided to rate lower, or not to be told of, for everybody and until a date.
//!
//! An exception is for a subject; this is for none, so it hides more, and needs the same: a reason, an owner, a ticket and an end. What
//! it silences is stored all the same, and what it lowers says by whom.

use gridwatch_event::time::UnixSeconds;
use gridwatch_manifest::Severity;
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lowered {
    pub id: String,
    /// `files.archives`; one, and no pattern.
    pub rule: String,
    /// The most that its findings are; `None`: nobody is told of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most: Option<Severity>,
    pub reason: String,
    pub owner: String,
    pub ticket: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added: Option<UnixSeconds>,
    pub expires: UnixSeconds,
    /// Where it stands in the file, from 1.
    pub line: usize,
}

impl Lowered {
    pub fn holds_at(&self, time: UnixSeconds) -> bool {
        time < self.expires && self.added.is_none_or(|added| added <= time)
    }

    /// What an alert that it lowers or silences says of it.
    pub fn text(&self) -> String {
        format!("{} ({}, {}, until {}): {}", self.id, self.owner, self.ticket, self.expires, self.reason)
    }
}
