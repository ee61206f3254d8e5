//! What is told of an alert, read from its OCSF record: texts of others are cleaned of what could repaint a screen, and bounded.

use gridwatch_event::text::clean;
use gridwatch_event::time::UnixMillis;
use serde_json::Value;

/// Longest text, in characters; receivers take less of some.
const MAX_TEXT: usize = 2_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The record's id, and the alert's.
    pub id: String,
    pub uid: String,
    pub rule: String,
    pub rule_title: String,
    /// As OCSF numbers them, from 1 (informational) to 5 (critical).
    pub severity_id: u64,
    pub severity: String,
    pub title: String,
    pub who: String,
    pub organization: String,
    /// RFC 3339: when it was first seen, and the newest event of it.
    pub time: String,
    pub last: String,
    pub findings: u64,
    /// Why it is told again.
    pub news: String,
    pub condition: String,
    pub is_opening: bool,
    /// It is over, or somebody closed it.
    pub is_resolved: bool,
    /// What somebody did, where the record is about that.
    pub act: Option<Acted>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acted {
    Acknowledged,
    Noted,
    Closed,
}

impl Acted {
    fn of(word: &str) -> Option<Self> {
        match word {
            "acknowledge" => Some(Self::Acknowledged),
            "note" => Some(Self::Noted),
            "close" => Some(Self::Closed),
            _ => None,
        }
    }

    /// As a message begins.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Acknowledged => "Acknowledged",
            Self::Noted => "Note",
            Self::Closed => "Closed",
        }
    }
}

impl Told {
    /// `None` of what isn't an alert.
    pub fn of(record: &[u8]) -> Option<Self> {
        let record: Value = serde_json::from_slice(record).ok()?;
        let uid = record.pointer("/finding_info/uid")?.as_str()?.to_owned();
        let text = |path: &str| {
            let text = record.pointer(path).and_then(Value::as_str).unwrap_or_default();
            clean(text, MAX_TEXT)
        };
        let number = |path: &str| record.pointer(path).and_then(Value::as_u64).unwrap_or_default();
        let time = |path: &str| match number(path) {
            0 => String::new(),
            ms => UnixMillis(ms).to_string(),
        };
        let user = |key: &str| text(&format!("/actor/user/{key}"));
        let name = [user("email_addr"), user("name")].into_iter().find(|text| !text.is_empty());
        let who = match (name, user("uid")) {
            (Some(name), id) if !id.is_empty() => format!("{name} ({id})"),
            (Some(name), _) => name,
            (None, id) => id,
        };
        Some(Self {
            id: text("/metadata/uid"),
            rule: text("/finding_info/analytic/uid"),
            rule_title: text("/finding_info/analytic/name"),
            severity_id: number("/severity_id"),
            severity: text("/severity"),
            title: text("/finding_info/title"),
            who,
            organization: text("/metadata/tenant_uid"),
            time: time("/time"),
            last: time("/end_time"),
            findings: number("/count"),
            news: text("/status_detail"),
            condition: text("/finding_info/desc"),
            is_opening: number("/activity_id") == 1,
            // OCSF: status Resolved, or activity Close.
            is_resolved: number("/status_id") == 4 || number("/activity_id") == 3,
            act: Acted::of(&text("/status_code")),
            uid,
        })
    }
}

#[cfg(test)]
pub(in crate::sink) mod testing {
    use serde_json::{Value, json};

    /// Of the same alert, when somebody did something about it.
    pub(in crate::sink) fn acted(act: &str, status_id: u64) -> Value {
        let mut record = record();
        (record["status_code"], record["status_id"]) = (json!(act), json!(status_id));
        record["activity_id"] = json!(if act == "close" { 3 } else { 2 });
        record["status_detail"] = json!(format!("{act} by anna"));
        record
    }

    pub(in crate::sink) fn record() -> Value {
        json!({
            "activity_id": 1, "class_uid": 2004, "count": 7, "end_time": 1_790_000_000_000_u64, "severity": "High", "severity_id": 4,
            "status_id": 1, "time": 1_790_000_001_000_u64, "status_detail": "another actor",
            "actor": { "user": { "uid": "W1", "email_addr": "eve@acme.example", "name": "Eve" } },
            "finding_info": { "uid": "gw-1", "title": "<!channel> & \"friends\" \u{202e}took\n7 files", "desc": "many files",
                "analytic": { "uid": "files.bulk", "name": "Bulk download" } },
            "metadata": { "uid": "gw-1:1", "tenant_uid": "acme" },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::testing::record;
    use super::*;

    #[test]
    fn an_alert_is_read_and_an_event_is_none() {
        let told = Told::of(record().to_string().as_bytes()).unwrap();
        assert_eq!((told.who.as_str(), told.findings), ("eve@acme.example (W1)", 7));
        assert_eq!(told.time, "2026-09-21T14:13:21Z");
        assert!(!told.title.contains(['\n', '\u{202e}']), "{}", told.title);
        assert!(told.is_opening && !told.is_resolved);
        assert_eq!(Told::of(br#"{"metadata":{"uid":"x"}}"#), None);
        assert_eq!(Told::of(b"no JSON"), None);
    }
}
