//! What people do about an alert: they acknowledge it, note something, or close it with a reason.
//!
//! An act is a record of the alert ([`Source::Act`]), and every later record of that alert carries all of it, so that whoever has the newest
//! record knows where the alert stands. Folding knows nothing of it: a replay makes the same revisions whatever people did.
//!
//! - The same act by the same person, since the status is what it is, changes nothing ([`Alert::acted`]).
//! - Who closes an alert has seen so many findings. One more, or a graver one, opens it again, and the revision says so ([`Alert::handled`]): an
//!   intruder who goes on can't hide behind an alert that somebody closed. What is to stay quiet needs an exception.
//! - Acknowledging a closed alert opens it again too.

use crate::alert::{Alert, Source};
use gridwatch_event::text::clean;
use gridwatch_event::time::UnixMillis;
use gridwatch_manifest::Severity;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Acts that a record carries, the newest ones. Those before are in records of their own.
const MAX_ACTS: usize = 50;
/// Characters of who, and of what they have to say.
const MAX_NAME: usize = 128;
const MAX_TEXT: usize = 1_000;
/// Who opens again what was closed, in the place of a person's name.
const ITSELF: &str = "gridwatch";

/// Where an alert stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "status", content = "reason", rename_all = "snake_case")]
pub enum Status {
    #[default]
    Open,
    /// Somebody is at it.
    Acknowledged,
    Closed(Reason),
}

/// What it turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// What the rule looks for did happen, and was not wanted.
    True,
    /// It did not happen: the rule is wrong.
    False,
    /// It happened, and is known and wanted.
    Expected,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "what", content = "reason", rename_all = "snake_case")]
pub enum What {
    Acknowledge,
    Note,
    Close(Reason),
    Reopen,
}

/// What somebody did about an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    pub at: UnixMillis,
    pub by: String,
    #[serde(flatten)]
    pub what: What,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// Why something is no act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("nobody is named who does it")]
    Nobody,
    #[error("a note without a text says nothing")]
    Empty,
    #[error(
        "the text has {0} characters, and at most {most} are kept\nhint: keep the long form in the ticket and note where that is",
        most = MAX_TEXT
    )]
    TooLong(usize),
}

/// Where an alert stands, and what brought it there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handling {
    #[serde(flatten)]
    pub status: Status,
    /// The newest ones, the oldest of them first.
    pub acts: Vec<Act>,
    /// Records that acts of people made so far.
    pub records: u32,
    /// What the alert was when somebody last did something about it.
    pub seen: Option<Seen>,
}

/// How much of an alert somebody has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub findings: u64,
    pub severity: Severity,
}

impl Reason {
    pub const ALL: [Self; 3] = [Self::True, Self::False, Self::Expected];

    pub const fn name(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::False => "false",
            Self::Expected => "expected",
        }
    }
}

impl Status {
    /// One word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Closed(_) => "closed",
        }
    }

    pub const fn reason(self) -> Option<Reason> {
        match self {
            Self::Closed(reason) => Some(reason),
            Self::Open | Self::Acknowledged => None,
        }
    }
}

/// `closed as expected`
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        self.reason().map_or(Ok(()), |reason| write!(f, " as {}", reason.name()))
    }
}

impl What {
    /// One word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::Note => "note",
            Self::Close(_) => "close",
            Self::Reopen => "reopen",
        }
    }

    pub const fn reason(self) -> Option<Reason> {
        match self {
            Self::Close(reason) => Some(reason),
            Self::Acknowledge | Self::Note | Self::Reopen => None,
        }
    }

    /// Where an alert stands after it; `None` if that is where it stood.
    const fn status(self) -> Option<Status> {
        match self {
            Self::Acknowledge => Some(Status::Acknowledged),
            Self::Note => None,
            Self::Close(reason) => Some(Status::Closed(reason)),
            Self::Reopen => Some(Status::Open),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Acknowledge => f.write_str("acknowledged"),
            Self::Note => f.write_str("noted"),
            Self::Close(reason) => write!(f, "closed as {}", reason.name()),
            Self::Reopen => f.write_str("opened again"),
        }
    }
}

impl Act {
    /// `by` and `text` are cleaned of what could repaint a terminal.
    ///
    /// # Errors
    /// Nobody is named, a note says nothing, or the text is too long.
    pub fn new(at: UnixMillis, by: &str, what: What, text: &str) -> Result<Self, Unfit> {
        let (by, said) = (clean(by.trim(), MAX_NAME), clean(text.trim(), MAX_TEXT));
        if by.trim().is_empty() {
            return Err(Unfit::Nobody);
        }
        if what == What::Note && said.trim().is_empty() {
            return Err(Unfit::Empty);
        }
        let length = text.trim().chars().count();
        if length > MAX_TEXT {
            return Err(Unfit::TooLong(length));
        }
        Ok(Self { at, by, what, text: said })
    }

    /// Does the same person say the same?
    fn is_same(&self, other: &Self) -> bool {
        (&self.by, self.what, &self.text) == (&other.by, other.what, &other.text)
    }
}

/// `closed as expected by anna: the yearly audit`
impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}", self.what, self.by)?;
        if self.text.is_empty() { Ok(()) } else { write!(f, ": {}", self.text) }
    }
}

impl Handling {
    /// Has nobody done anything yet?
    pub fn is_untouched(&self) -> bool {
        *self == Self::default()
    }

    pub const fn is_closed(&self) -> bool {
        matches!(self.status, Status::Closed(_))
    }

    /// The same with an act more.
    fn with(&self, act: Act) -> Self {
        let mut after = self.clone();
        after.status = act.what.status().unwrap_or(self.status);
        let many = (after.acts.len() + 1).saturating_sub(MAX_ACTS);
        after.acts.drain(..many);
        after.acts.push(act);
        after
    }

    /// Was that said already, since the status is what it is?
    fn has(&self, act: &Act) -> bool {
        let (mut status, mut since) = (None, 0);
        for (n, known) in self.acts.iter().enumerate() {
            let after = known.what.status();
            if after.is_some() && after != status {
                (status, since) = (after, n);
            }
        }
        let opens_what_is_open = act.what == What::Reopen && self.status == Status::Open;
        opens_what_is_open || self.acts[since..].iter().any(|known| known.is_same(act))
    }
}

impl Alert {
    /// Does it still need somebody? What is suppressed, over or closed doesn't.
    pub fn is_open(&self) -> bool {
        self.suppressed_by.is_none() && self.over.is_none() && !self.handling.is_closed()
    }

    /// What made this record of it, where somebody did.
    pub fn act(&self) -> Option<&Act> {
        matches!(self.source, Source::Act(_)).then(|| self.handling.acts.last()).flatten()
    }

    /// The record by which it is told that somebody did something about it; `None` if that was told already.
    pub fn acted(&self, act: Act) -> Option<Self> {
        if self.handling.has(&act) {
            return None;
        }
        let (at, news) = (self.seen.max(act.at), vec![act.to_string()]);
        let seen = Some(Seen { findings: self.findings, severity: self.severity });
        let handling = Handling { records: self.handling.records + 1, seen, ..self.handling.with(act) };
        Some(Self { source: Source::Act(handling.records), seen: at, news, handling, ..self.clone() })
    }

    /// A record of it that somebody else makes, with what people did about it so far. What is more than they had seen who closed it opens
    /// it again.
    pub fn handled(&self, known: &Handling) -> Self {
        let mut alert = Self { handling: known.clone(), ..self.clone() };
        if let Some(more) = known.seen.filter(|_| known.is_closed()).and_then(|seen| alert.beyond(seen)) {
            let text = format!("it was {}, and {more}", known.status);
            alert.news.push(format!("opened again: {text}"));
            let act = Act { at: alert.seen, by: ITSELF.to_owned(), what: What::Reopen, text };
            alert.handling = known.with(act);
        }
        alert
    }

    fn beyond(&self, seen: Seen) -> Option<String> {
        match self.findings.saturating_sub(seen.findings) {
            _ if self.over.is_some() => None,
            0 if self.severity > seen.severity => Some(format!("is {} now", self.severity.name())),
            0 => None,
            1 => Some("1 more finding came".to_owned()),
            more => Some(format!("{more} more findings came")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtin;

    const T0: UnixMillis = UnixMillis(1_790_000_000_000);

    fn alert() -> Alert {
        Alert { findings: 3, ..builtin::records_refused("siem", 1, 1, ("id", "reason"), "file", T0) }
    }

    fn act(by: &str, what: What, text: &str) -> Act {
        Act::new(T0.plus(60_000), by, what, text).unwrap()
    }

    #[test]
    fn the_same_by_the_same_person_changes_nothing_until_the_status_is_another() {
        let (acked, noted) = (act("anna", What::Acknowledge, ""), act("anna", What::Note, "asked IT"));
        let first = alert().acted(acked.clone()).unwrap();
        assert_eq!((first.source, first.handling.status), (Source::Act(1), Status::Acknowledged));
        assert_eq!((first.news.as_slice(), first.seen), (&["acknowledged by anna".to_owned()][..], T0.plus(60_000)));
        let later = Act { at: T0.plus(90_000), ..acked.clone() };
        assert_eq!(first.acted(later), None, "at another time it is still the same");
        let second = first.acted(noted.clone()).unwrap();
        assert_eq!((second.source, second.handling.status), (Source::Act(2), Status::Acknowledged));
        assert_eq!((second.acted(noted), second.acted(acked.clone())), (None, None));
        let other = second.acted(act("ben", What::Acknowledge, "")).unwrap();
        assert_eq!(other.acted(acked.clone()), None, "somebody else in between is no other status");
        let closed = other.acted(act("ben", What::Close(Reason::False), "")).unwrap();
        assert!(!closed.is_open() && closed.acted(act("ben", What::Close(Reason::True), "")).is_some());
        assert_eq!(closed.acted(act("ben", What::Close(Reason::False), "")), None);
        let again = closed.acted(acked).unwrap();
        assert!(again.is_open() && again.handling.status == Status::Acknowledged && again.handling.acts.len() == 5);
        assert_eq!(alert().acted(act("ben", What::Reopen, "")), None, "it is open");
    }

    #[test]
    fn a_finding_opens_what_was_closed_and_nothing_else_does() {
        let closed = alert().acted(act("anna", What::Close(Reason::Expected), "audit")).unwrap().handling;
        let revision = |findings| Alert { revision: 2, findings, ..alert() };
        let same = revision(3).handled(&closed);
        assert_eq!((same.is_open(), same.news.len(), &same.handling), (false, 0, &closed), "final numbers");
        let more = revision(5).handled(&closed);
        assert!(more.is_open() && more.source == Source::Fold && more.act().is_none());
        assert_eq!(more.news, ["opened again: it was closed as expected, and 2 more findings came"]);
        let last = more.handling.acts.last().unwrap();
        assert_eq!((last.by.as_str(), last.what, more.handling.records), ("gridwatch", What::Reopen, 1));
        let still = Alert { revision: 3, findings: 9, ..alert() }.handled(&more.handling);
        assert!(still.is_open() && still.news.is_empty() && still.handling.acts.len() == 2, "told once");
        let graver = Alert { severity: Severity::Critical, ..revision(3) }.handled(&closed);
        assert_eq!(graver.news, ["opened again: it was closed as expected, and is Critical now"]);
        let over = Alert { over: Some(T0), ..revision(5) }.handled(&closed);
        assert!(over.handling.is_closed(), "what is over opens nothing");
        let acked = alert().acted(act("anna", What::Acknowledge, "")).unwrap().handling;
        assert_eq!(revision(9).handled(&acked).handling, acked, "somebody is at it");
    }

    #[test]
    fn a_record_carries_the_newest_acts_and_counts_all() {
        let note = |n| act("anna", What::Note, &format!("note {n}"));
        let noted = (0..80).fold(alert(), |alert, n| alert.acted(note(n)).unwrap());
        assert_eq!((noted.handling.acts.len(), noted.source), (MAX_ACTS, Source::Act(80)));
        assert_eq!(noted.act().map(ToString::to_string).as_deref(), Some("noted by anna: note 79"));
        let json = serde_json::to_string(&noted).unwrap();
        assert_eq!(serde_json::from_str::<Alert>(&json).unwrap(), noted);
        assert!(!serde_json::to_string(&alert()).unwrap().contains("handling"));
        let closed = noted.acted(act("ben", What::Close(Reason::False), "")).unwrap();
        let json = serde_json::to_value(&closed).unwrap();
        let said = (&json["handling"]["status"], &json["handling"]["reason"], &json["handling"]["acts"][49]["what"]);
        assert_eq!(said, (&"closed".into(), &"false".into(), &"close".into()));
        assert_eq!(serde_json::from_value::<Alert>(json).unwrap(), closed);
    }

    #[test]
    fn who_and_text_are_needed_harmless_and_bounded() {
        let new = |by, what, text| Act::new(T0, by, what, text);
        assert_eq!(new(" \u{202e}", What::Acknowledge, "").unwrap_err(), Unfit::Nobody);
        assert_eq!(new("anna", What::Note, " \n").unwrap_err(), Unfit::Empty);
        let long = "é".repeat(1_001);
        assert_eq!(new("anna", What::Acknowledge, &long).unwrap_err(), Unfit::TooLong(1_001));
        let act = new("an\u{1b}[31mna", What::Close(Reason::True), "line\n\u{202e}two").unwrap();
        assert_eq!(act.to_string(), "closed as true by an [31mna: line  two");
    }
}
