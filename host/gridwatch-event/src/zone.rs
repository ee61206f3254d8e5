//! The time zone in which days and hours of the week are told to detections: where the organization works.
//!
//! Names and rules, daylight saving among them, come from the time zone database that is compiled in, never from the machine: a
//! replay elsewhere reads the same. What a government changes after a release takes another release.

use crate::time::UnixSeconds;
use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// UTC, if nothing else is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl Zone {
    /// By its name in the time zone database, as `Europe/Berlin`.
    pub fn named(name: &str) -> Option<Self> {
        TimeZoneDatabase::bundled().get(name).ok().map(Self)
    }

    /// The day, as `2026-09-21`; "" beyond what a calendar holds.
    pub fn date(&self, time: UnixSeconds) -> String {
        self.at(time).map_or_else(String::new, |local| local.date().to_string())
    }

    /// Weekday and hour, as `mon-09`. The hour that comes twice in autumn has one name.
    pub fn hour_of_week(&self, time: UnixSeconds) -> String {
        const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        match self.at(time) {
            Some(local) => {
                format!("{}-{:02}", DAYS[local.weekday().to_monday_zero_offset() as usize], local.hour())
            }
            // Beyond the calendar. 1970-01-01 was a Thursday.
            None => format!("{}-{:02}", DAYS[((time.0 / 86_400 + 3) % 7) as usize], time.0 / 3_600 % 24),
        }
    }

    /// Minutes since the week began, on Monday.
    pub fn minute_of_week(&self, time: UnixSeconds) -> u32 {
        let of = |day: u64, minutes: u64| (day * 24 * 60 + minutes) as u32;
        match self.at(time) {
            Some(local) => {
                let day = local.weekday().to_monday_zero_offset() as u64;
                of(day, local.hour() as u64 * 60 + local.minute() as u64)
            }
            None => of((time.0 / 86_400 + 3) % 7, time.0 / 60 % (24 * 60)),
        }
    }

    fn at(&self, time: UnixSeconds) -> Option<jiff::Zoned> {
        let stamp = i64::try_from(time.0).ok().and_then(|seconds| Timestamp::from_second(seconds).ok())?;
        Some(stamp.to_zoned(self.0.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UnixSeconds {
        UnixSeconds(text.parse::<Timestamp>().unwrap().as_second() as u64)
    }

    #[test]
    fn days_and_hours_are_those_of_the_place() {
        let told = |name: &str, time: &str| {
            let zone = Zone::named(name).unwrap();
            format!("{} {}", zone.date(at(time)), zone.hour_of_week(at(time)))
        };
        assert_eq!(told("Europe/Berlin", "2026-09-20T22:30:00Z"), "2026-09-21 mon-00");
        assert_eq!(told("America/Los_Angeles", "2026-09-21T06:59:59Z"), "2026-09-20 sun-23");
        assert_eq!(told("Asia/Kolkata", "2026-09-21T03:29:59Z"), "2026-09-21 mon-08");
        assert_eq!(told("Asia/Kolkata", "2026-09-21T03:30:00Z"), "2026-09-21 mon-09");
        assert_eq!(told("UTC", "2026-09-21T09:00:00Z"), "2026-09-21 mon-09");
    }

    #[test]
    fn nine_in_the_morning_stays_nine_over_the_change_of_clocks() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        // 2026-03-29 and 2026-10-25 are the days of the change, both Sundays.
        for (utc, local) in [
            ("2026-03-27T08:00:00Z", "fri-09"),
            ("2026-03-30T07:00:00Z", "mon-09"),
            ("2026-10-23T07:00:00Z", "fri-09"),
            ("2026-10-26T08:00:00Z", "mon-09"),
            ("2026-03-29T00:59:59Z", "sun-01"),
            ("2026-03-29T01:00:00Z", "sun-03"),
            ("2026-10-25T00:30:00Z", "sun-02"),
            ("2026-10-25T01:30:00Z", "sun-02"),
            ("2026-10-25T02:00:00Z", "sun-03"),
        ] {
            assert_eq!(berlin.hour_of_week(at(utc)), local, "{utc}");
        }
    }

    #[test]
    fn what_no_calendar_holds_has_an_hour_and_no_date() {
        for zone in [Zone::default(), Zone::named("Europe/Berlin").unwrap()] {
            assert_eq!(zone.date(UnixSeconds(u64::MAX)), "");
            assert_eq!(zone.hour_of_week(UnixSeconds(u64::MAX)).len(), 6);
        }
        assert_eq!(Zone::default().hour_of_week(UnixSeconds(0)), "thu-00");
        assert_eq!(Zone::named("Europe/Berlin2"), None);
    }
}
