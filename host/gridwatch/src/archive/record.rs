//! One archived entry and its line of text.

use gridwatch_core::entry::Entry;
use gridwatch_core::time::{UnixMillis, UnixSeconds};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// An entry with the place and time the store gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveRecord {
    pub seq: u64,
    pub first_seen: UnixMillis,
    /// The bytes Slack sent.
    pub raw: Box<str>,
}

/// An object on one line is embedded as it is; anything else (an odd entry, a line break between tokens) as a JSON text.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    seq: u64,
    first_seen: UnixMillis,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    raw: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl ArchiveRecord {
    /// `date_create`, or when we first saw the entry where it has none: as in detection.
    pub fn time(&self) -> UnixSeconds {
        let entry = Entry::from_json(&self.raw);
        entry.time.unwrap_or(self.first_seen.seconds())
    }

    pub(super) fn write_line(&self, lines: &mut Vec<u8>) -> serde_json::Result<()> {
        let one_line = self.raw.starts_with('{') && !self.raw.contains(['\n', '\r']);
        let raw = one_line.then(|| serde_json::from_str::<&RawValue>(&self.raw).ok()).flatten();
        // Parsing trims; what isn't the same bytes is kept as a text.
        let raw = raw.filter(|raw| raw.get() == &*self.raw);
        let line =
            Line { seq: self.seq, first_seen: self.first_seen, raw, text: raw.is_none().then(|| self.raw.to_string()) };
        serde_json::to_writer(&mut *lines, &line)?;
        lines.push(b'\n');
        Ok(())
    }

    pub(super) fn from_line(line: &[u8]) -> Option<Self> {
        let line: Line<'_> = serde_json::from_slice(line).ok()?;
        let raw = line.raw.map(|raw| raw.get().to_owned()).or(line.text)?;
        Some(Self { seq: line.seq, first_seen: line.first_seen, raw: raw.into() })
    }
}

/// The UTC day as `yyyymmdd`. Times the calendar can't express count as its last day.
pub(super) fn day(time: UnixMillis) -> String {
    let stamp = i64::try_from(time.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    stamp.unwrap_or(jiff::Timestamp::MAX).strftime("%Y%m%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_entry_comes_back_byte_for_byte() {
        for raw in [
            r#"{"id":"a","url":"https:\/\/x","n":1.10,"big":123456789012345678901234567890}"#,
            "{\"a\": 1,\n \"b\": 2}",
            "null",
            "17",
            "[1]",
            "\"text\"",
            "",
            "{not json",
            " {} ",
            "{\"u\":\"\u{2028}\u{fffd}\"}",
        ] {
            let record = ArchiveRecord { seq: 7, first_seen: UnixMillis(1_600_000_000_123), raw: raw.into() };
            let mut line = Vec::new();
            record.write_line(&mut line).unwrap();
            assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1, "{raw}");
            assert_eq!(ArchiveRecord::from_line(&line), Some(record), "{raw}");
        }
    }

    #[test]
    fn an_entry_is_embedded_as_slack_sent_it() {
        let record = ArchiveRecord { seq: 7, first_seen: UnixMillis(5), raw: r#"{"id": "a"}"#.into() };
        let mut line = Vec::new();
        record.write_line(&mut line).unwrap();
        assert_eq!(line, b"{\"seq\":7,\"first_seen\":5,\"raw\":{\"id\": \"a\"}}\n");
    }

    #[test]
    fn a_day_sorts_as_text() {
        assert_eq!(day(UnixMillis(1_595_748_462_000)), "20200726");
        assert_eq!(day(UnixMillis(u64::MAX)), "99991230");
    }
}
