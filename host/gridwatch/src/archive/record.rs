//! One archived entry, and the line of text that it was in archives of before.

use gridwatch_event::entry::Entry;
use gridwatch_event::event::{Event, Sight};
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// An entry with the place and time the store gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveRecord {
    pub seq: u64,
    pub sight: Sight,
    /// The bytes Slack sent.
    pub raw: Box<str>,
}

/// An object on one line is embedded as it is; anything else (an odd entry, a line break between tokens) as a JSON text.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    seq: u64,
    first_seen: UnixMillis,
    /// Where the entry counts as of another time than its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counts_as: Option<UnixSeconds>,
    /// From the second one on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    other_act: bool,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    raw: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl ArchiveRecord {
    /// The event that this was, as detection had it.
    pub fn event(&self) -> Event {
        Event::seen(self.seq, self.sight, &Entry::from_json(&self.raw))
    }

    /// The event's time: as in detection.
    pub fn time(&self) -> UnixSeconds {
        let own = || Entry::from_json(&self.raw).time;
        self.sight.counts_as.or_else(own).unwrap_or(self.sight.first_seen.seconds())
    }

    #[cfg(test)]
    pub(super) fn write_line(&self, lines: &mut Vec<u8>) -> serde_json::Result<()> {
        let one_line = self.raw.starts_with('{') && !self.raw.contains(['\n', '\r']);
        let raw = one_line.then(|| serde_json::from_str::<&RawValue>(&self.raw).ok()).flatten();
        // Parsing trims; what isn't the same bytes is kept as a text.
        let raw = raw.filter(|raw| raw.get() == &*self.raw);
        let Sight { first_seen, counts_as, version, other_act } = self.sight;
        let (version, text) = ((version > 1).then_some(version), raw.is_none().then(|| self.raw.to_string()));
        let line = Line { seq: self.seq, first_seen, counts_as, version, other_act, raw, text };
        serde_json::to_writer(&mut *lines, &line)?;
        lines.push(b'\n');
        Ok(())
    }

    pub(super) fn from_line(line: &[u8]) -> Option<Self> {
        let line: Line<'_> = serde_json::from_slice(line).ok()?;
        let raw = line.raw.map(|raw| raw.get().to_owned()).or(line.text)?;
        let Line { seq, first_seen, counts_as, version, other_act, .. } = line;
        Some(Self {
            seq,
            sight: Sight { first_seen, counts_as, version: version.unwrap_or(1), other_act },
            raw: raw.into(),
        })
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
            let record = ArchiveRecord { seq: 7, sight: Sight::first(UnixMillis(1_600_000_000_123)), raw: raw.into() };
            let mut line = Vec::new();
            record.write_line(&mut line).unwrap();
            assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1, "{raw}");
            assert_eq!(ArchiveRecord::from_line(&line), Some(record), "{raw}");
        }
    }

    #[test]
    fn an_entry_is_embedded_as_slack_sent_it() {
        let record = ArchiveRecord { seq: 7, sight: Sight::first(UnixMillis(5)), raw: r#"{"id": "a"}"#.into() };
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
