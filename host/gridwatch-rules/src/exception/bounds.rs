//! Bounds: what keeps an exception as narrow as the habit that it is for, so that whoever sits behind its subject isn't hidden with it.
//!
//! An exception holds within them alone: at these hours, for so much and no more, and for these values of a finding's labels, as a
//! reason that Slack gives. What is beyond is told, and the alert says what took it out.

use crate::alert::{AND_MORE, Alert, LABEL_SEPARATOR};
use gridwatch_event::time::UnixSeconds;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

const HOUR_S: u64 = 3_600;
const DAY_S: u64 = 24 * HOUR_S;
const MINUTE_S: u64 = 60;

/// What is not given bounds nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bounds {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
    /// The most that a finding may have counted, and the most different things that may be hidden in one period of its rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u64>,
    /// By label, the values that it may have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, Vec<String>>,
}

/// Of each day, in UTC: from the first minute on, before the second one. Over midnight if the second comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    from_s: u64,
    to_s: u64,
}

/// What takes a finding out of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beyond {
    Hour(Hours),
    Volume { has: u64, at_most: u64 },
    Label(String, String),
}

/// What a finding says of itself, as far as exceptions ask.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    pub rule: &'a str,
    /// What it counted, and what was hidden with it already.
    pub volume: u64,
    /// `None`: it isn't known, and bounds of labels hold for nothing.
    pub labels: Option<&'a BTreeMap<String, String>>,
}

impl<'a> From<&'a str> for Said<'a> {
    fn from(rule: &'a str) -> Self {
        Self { rule, volume: 1, labels: None }
    }
}

impl<'a> From<&'a Alert> for Said<'a> {
    fn from(alert: &'a Alert) -> Self {
        Self { rule: &alert.rule, volume: volume(alert), labels: Some(&alert.labels) }
    }
}

/// The most that the windows counted which a finding cites; 1 of a single entry.
pub fn volume(alert: &Alert) -> u64 {
    let counted = alert.basis.windows.iter().filter(|counted| counted.cited && counted.counts());
    counted.map(|counted| counted.value).filter(|value| *value < u64::MAX).max().unwrap_or(1).max(1)
}

impl Hours {
    /// As in `22:00-05:30`.
    pub fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.split_once('-')?;
        let second = |text: &str| {
            let (hours, minutes) = text.trim().split_once(':')?;
            let (hours, minutes): (u64, u64) = (hours.parse().ok()?, minutes.parse().ok()?);
            (hours < 24 && minutes < 60 || (hours, minutes) == (24, 0)).then_some(hours * HOUR_S + minutes * MINUTE_S)
        };
        let hours = Self { from_s: second(from)?, to_s: second(to)? };
        (hours.from_s != hours.to_s && hours.from_s < DAY_S).then_some(hours)
    }

    /// Whole hours around all of these times; `None` if they are spread over half a day or more.
    pub fn around(times: impl Iterator<Item = UnixSeconds>) -> Option<Self> {
        let mut taken: Vec<u64> = times.map(|time| time.0 % DAY_S / HOUR_S).collect();
        taken.sort_unstable();
        taken.dedup();
        // The longest gap between two of them, around the clock, is what is left out.
        let gaps = (0..taken.len()).map(|i| {
            let next = taken[(i + 1) % taken.len()];
            ((next + 23 - taken[i]) % 24, i, next)
        });
        let (gap, last, first) = gaps.max()?;
        let hours = Self { from_s: first * HOUR_S, to_s: (taken[last] + 1) % 24 * HOUR_S };
        (gap >= 12 && hours.from_s != hours.to_s).then_some(hours)
    }

    fn holds(self, time: UnixSeconds) -> bool {
        let second = time.0 % DAY_S;
        match self.from_s < self.to_s {
            true => (self.from_s..self.to_s).contains(&second),
            false => second >= self.from_s || second < self.to_s,
        }
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, to] = [self.from_s, self.to_s].map(|second| (second / HOUR_S, second % HOUR_S / MINUTE_S));
        write!(f, "{:02}:{:02}-{:02}:{:02}", from.0, from.1, to.0, to.1)
    }
}

impl Serialize for Hours {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Bounds {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What takes a finding out of it, first of all.
    pub fn beyond(&self, said: &Said<'_>, time: UnixSeconds) -> Option<Beyond> {
        let hour = self.hours.filter(|hours| !hours.holds(time)).map(Beyond::Hour);
        let volume = self.at_most.filter(|at_most| said.volume > *at_most);
        let volume = volume.map(|at_most| Beyond::Volume { has: said.volume, at_most });
        hour.or(volume).or_else(|| self.labels.iter().find_map(|(label, allowed)| other(label, allowed, said)))
    }
}

fn other(label: &str, allowed: &[String], said: &Said<'_>) -> Option<Beyond> {
    let beyond = |value: &str| Some(Beyond::Label(label.to_owned(), value.to_owned()));
    let Some(text) = said.labels.and_then(|labels| labels.get(label)) else { return beyond("not said") };
    if text.ends_with(AND_MORE) {
        return beyond("more than are kept");
    }
    text.split(LABEL_SEPARATOR).find(|value| !allowed.iter().any(|allowed| allowed == value)).and_then(beyond)
}

impl fmt::Display for Beyond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hour(hours) => write!(f, "it is not between {hours} UTC"),
            Self::Volume { has, at_most } => write!(f, "{has} where at most {at_most} are allowed"),
            Self::Label(label, value) => write!(f, "{label}: {value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_hold_over_midnight_and_are_read_as_they_are_written() {
        for (text, inside, outside) in [
            ("08:00-18:30", vec![8 * 60, 18 * 60 + 29], vec![7 * 60 + 59, 18 * 60 + 30, 0]),
            ("22:00-05:00", vec![22 * 60, 0, 4 * 60 + 59], vec![5 * 60, 12 * 60]),
            ("00:00-24:00", vec![0, 23 * 60 + 59], vec![]),
        ] {
            let hours = Hours::parse(text).unwrap();
            assert_eq!(hours.to_string(), text);
            let holds = |minute: &u64| hours.holds(UnixSeconds(20_000 * DAY_S + minute * 60));
            assert!(inside.iter().all(holds) && !outside.iter().any(holds), "{text}");
        }
        for text in ["", "8-18", "08:00", "08:00-08:00", "25:00-26:00", "08:60-09:00", "24:00-01:00"] {
            assert_eq!(Hours::parse(text), None, "{text}");
        }
    }

    #[test]
    fn hours_around_times_are_whole_and_no_more_than_half_a_day() {
        let around = |hours: &[u64]| {
            let times = hours.iter().map(|hour| UnixSeconds(hour * HOUR_S + 61));
            Hours::around(times).map(|hours| hours.to_string())
        };
        assert_eq!(around(&[9, 34, 11]).as_deref(), Some("09:00-12:00"));
        assert_eq!(around(&[23, 24, 2]).as_deref(), Some("23:00-03:00"));
        assert_eq!(around(&[9]).as_deref(), Some("09:00-10:00"));
        assert_eq!(around(&[0, 6, 12, 18]), None);
        assert_eq!(around(&[]), None);
    }

    #[test]
    fn what_is_beyond_is_said() {
        let bounds = Bounds {
            hours: Hours::parse("08:00-18:00"),
            at_most: Some(50),
            labels: [("reasons".to_owned(), vec!["asn".to_owned(), "ip_address".to_owned()])].into(),
        };
        let beyond = |volume, reasons: Option<&str>, hour: u64| {
            let labels = reasons.map(|text| [("reasons".to_owned(), text.to_owned())].into()).unwrap_or_default();
            let said = Said { rule: "m.r", volume, labels: Some(&labels) };
            bounds.beyond(&said, UnixSeconds(hour * HOUR_S)).map(|beyond| beyond.to_string())
        };
        assert_eq!(beyond(50, Some("asn, ip_address"), 8), None);
        assert_eq!(beyond(51, Some("asn"), 8).as_deref(), Some("51 where at most 50 are allowed"));
        assert_eq!(beyond(1, Some("asn, tor"), 8).as_deref(), Some("reasons: tor"));
        assert_eq!(beyond(1, None, 8).as_deref(), Some("reasons: not said"));
        assert_eq!(beyond(1, Some("asn and more"), 8).as_deref(), Some("reasons: more than are kept"));
        assert_eq!(beyond(1, Some("asn"), 18).as_deref(), Some("it is not between 08:00-18:00 UTC"));
    }
}
