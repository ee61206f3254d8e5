//! Which records a sink gets. What it doesn't want is never rendered for it, and of kinds that it doesn't want at all nothing is read.

use super::Takes;
use crate::reader::Section;
use crate::record::Record;
use gridwatch_event::entry::Entry;
use gridwatch_event::event::Event;
use gridwatch_event::org::OrgId;
use gridwatch_event::time::UnixSeconds;
use gridwatch_event::zone::Zone;
use gridwatch_manifest::Severity;
use gridwatch_rules::alert::{Alert, Source};
use gridwatch_rules::handling::What;

/// At least one kind of records, and what narrows it down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include {
    pub events: bool,
    pub alerts: bool,
    /// Alerts that an exception holds back.
    pub suppressed: bool,
    /// What gridwatch says of itself at an interval. Whoever takes events gets it too, of whatever organization.
    pub heartbeats: bool,
    /// What people did to gridwatch itself. Whoever takes events gets it too, of whatever organization.
    pub audit: bool,
    /// Of these organizations; `None`: of all.
    pub orgs: Option<Vec<OrgId>>,
    /// Alerts of these modules or rules; `None`: of all.
    pub modules: Option<Vec<String>>,
    /// `module.rule`, or `module.*`.
    pub rules: Option<Vec<String>>,
    /// Alerts at least as grave.
    pub severity: Severity,
    pub updates: Updates,
    /// Events of these actions; one that ends in `*` stands for all that begin so.
    pub actions: Option<Vec<String>>,
    /// When gridwatch first saw it; `None`: at any time.
    pub hours: Option<Hours>,
}

/// Which records of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Updates {
    /// Also what Slack answers.
    All,
    /// The opening, what is news, and what people do about it.
    Revisions,
    /// The opening, and the end.
    None,
}

impl Include {
    /// Events and alerts.
    #[cfg(test)]
    pub const USUAL: Self = Self {
        events: true,
        alerts: true,
        suppressed: false,
        heartbeats: true,
        audit: true,
        orgs: None,
        modules: None,
        rules: None,
        severity: Severity::Informational,
        updates: Updates::All,
        actions: None,
        hours: None,
    };

    pub fn read(section: &mut Section<'_>, takes: Takes) -> Self {
        #[derive(Clone, Copy, PartialEq)]
        enum What {
            Events,
            Alerts,
            Suppressed,
            Heartbeats,
            Audit,
        }
        let is_for_people = takes == Takes::Messages;
        let usual = if is_for_people { vec![What::Alerts] } else { vec![What::Events, What::Alerts] };
        let words = [
            ("events", What::Events),
            ("alerts", What::Alerts),
            ("suppressed", What::Suppressed),
            ("heartbeat", What::Heartbeats),
            ("audit", What::Audit),
        ];
        let chosen = section.choices("include", &words).unwrap_or(usual);
        if chosen.is_empty() {
            section.problem("include", "names nothing", "leave it out for what is usual".to_owned());
        }
        let has = |what| chosen.contains(&what);
        if is_for_people && (has(What::Events) || has(What::Heartbeats) || has(What::Audit)) {
            section.problem(
                "include",
                "names events, heartbeats or the audit trail, and this type of sink sends messages about alerts",
                None,
            );
        }
        let orgs = list(section, "orgs").map(|names| {
            let named = |name: &String| {
                let org = OrgId::try_from(name.clone());
                org.map_err(|problem| section.problem("orgs", format!("`{name}` {problem}"), None)).ok()
            };
            names.iter().filter_map(named).collect::<Vec<_>>()
        });
        let (modules, rules, actions) = (list(section, "modules"), list(section, "rules"), list(section, "actions"));
        for rule in rules.iter().flatten().filter(|rule| !rule.contains('.')) {
            let hint = format!("write `{rule}.*` for all of a module, or use `modules`");
            section.problem("rules", format!("`{rule}` is no rule: these are module.rule"), hint);
        }
        let severities = Severity::ALL.map(|severity| (LOW_NAMES[usize::from(severity.id()) - 1], severity));
        let severity = section.choice("severity", &severities, Severity::Informational);
        let words = [("all", Updates::All), ("revisions", Updates::Revisions), ("none", Updates::None)];
        let updates = section.choice("updates", &words, if is_for_people { Updates::Revisions } else { Updates::All });
        let hours = Hours::read(section);
        let (events, alerts, suppressed) = (has(What::Events), has(What::Alerts), has(What::Suppressed));
        for (key, is_there, of) in [
            ("actions", actions.is_some() && !events, "events"),
            ("modules", modules.is_some() && !alerts && !suppressed, "alerts"),
            ("rules", rules.is_some() && !alerts && !suppressed, "alerts"),
        ] {
            if is_there {
                section.problem(key, format!("is about {of}, which `include` leaves out"), None);
            }
        }
        let (heartbeats, audit) = (has(What::Heartbeats) || events, has(What::Audit) || events);
        Self { events, alerts, suppressed, heartbeats, audit, orgs, modules, rules, severity, updates, actions, hours }
    }

    pub fn takes(&self, record: &Record) -> bool {
        let is_of_its_orgs = || self.orgs.as_ref().is_none_or(|orgs| orgs.contains(record.org()));
        match record {
            Record::Heartbeat(_) => self.heartbeats,
            Record::Audited(_) => self.audit,
            Record::Event { sight, raw, .. } => {
                is_of_its_orgs()
                    && self.events
                    && self.is_in_hours(sight.first_seen.seconds())
                    && self.takes_action(record, raw)
            }
            Record::Alert(alert) => is_of_its_orgs() && self.takes_alert(alert),
        }
    }

    fn takes_alert(&self, alert: &Alert) -> bool {
        let is_kind = if alert.suppressed_by.is_some() { self.suppressed } else { self.alerts };
        let is_update = match self.updates {
            Updates::All => true,
            Updates::Revisions => !matches!(alert.source, Source::Enrichment(_)),
            Updates::None => alert.is_opening() || alert.over.is_some() || is_closing(alert),
        };
        let is_rule = |pattern: &String| match pattern.strip_suffix(".*") {
            Some(module) => alert.rule.strip_prefix(module).is_some_and(|rest| rest.starts_with('.')),
            None => *pattern == alert.rule,
        };
        // What a shadow finds is delivered to nobody.
        !alert.is_shadow()
            && is_kind
            && is_update
            && alert.severity >= self.severity
            && self.modules.as_ref().is_none_or(|modules| modules.contains(&alert.module.name))
            && self.rules.as_ref().is_none_or(|rules| rules.iter().any(is_rule))
            && (alert.over.is_some() || alert.act().is_some() || self.is_in_hours(alert.seen.seconds()))
    }

    fn takes_action(&self, record: &Record, raw: &str) -> bool {
        let Some(actions) = &self.actions else { return true };
        let Record::Event { seq, sight, .. } = record else { return true };
        let event = Event::seen(*seq, *sight, &Entry::from_json(raw));
        let is_action = |pattern: &String| match pattern.strip_suffix('*') {
            Some(beginning) => event.action().starts_with(beginning),
            None => *pattern == event.action(),
        };
        actions.iter().any(is_action)
    }

    fn is_in_hours(&self, time: UnixSeconds) -> bool {
        self.hours.as_ref().is_none_or(|hours| hours.hold(time))
    }
}

/// Whoever was told of the alert has to hear that somebody closed it.
fn is_closing(alert: &Alert) -> bool {
    alert.act().is_some_and(|act| matches!(act.what, What::Close(_)))
}

const LOW_NAMES: [&str; 5] = ["informational", "low", "medium", "high", "critical"];

fn list(section: &mut Section<'_>, key: &'static str) -> Option<Vec<String>> {
    let list = section.texts(key);
    if list.as_ref().is_some_and(Vec::is_empty) {
        section.problem(key, "names nothing", "leave it out for all".to_owned());
    }
    list
}

/// Spans of the week, in the time of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    zone: Zone,
    /// First minute of a week that begins on Monday, and how many follow.
    spans: Vec<(u32, u32)>,
}

const DAY_MIN: u32 = 24 * 60;
const WEEK_MIN: u32 = 7 * DAY_MIN;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Hours {
    fn read(section: &mut Section<'_>) -> Option<Self> {
        let zone = section.text("timezone");
        let zone = zone.map_or_else(
            || Some(Zone::default()),
            |name| {
                let zone = Zone::named(&name);
                if zone.is_none() {
                    let hint = "write the name of the zone, as in Europe/Berlin".to_owned();
                    section.problem("timezone", format!("`{name}` is not a time zone"), hint);
                }
                zone
            },
        );
        let texts = section.one_or_more("hours")?;
        let mut spans = Vec::new();
        for text in &texts {
            match spans_of(text) {
                Some(of_text) => spans.extend(of_text),
                None => {
                    let hint = "write \"mon-fri 08:00-18:00\", \"sat,sun 00:00-24:00\" or \"22:00-06:00\"".to_owned();
                    section.problem("hours", format!("`{text}` is no span of the week"), hint);
                }
            }
        }
        Some(Self { zone: zone?, spans })
    }

    fn hold(&self, time: UnixSeconds) -> bool {
        let minute = self.zone.minute_of_week(time);
        self.spans.iter().any(|(from, minutes)| (minute + WEEK_MIN - from) % WEEK_MIN < *minutes)
    }
}

/// `[days ]HH:MM-HH:MM`; one that ends before it begins goes on into the next day.
fn spans_of(text: &str) -> Option<Vec<(u32, u32)>> {
    let (days, times) = text.trim().rsplit_once(' ').unwrap_or(("mon-sun", text.trim()));
    let (from, to) = times.split_once('-')?;
    let (from, to) = (minute(from)?, minute(to)?);
    let minutes = if to > from { to - from } else { to + DAY_MIN - from };
    let day = |name: &str| DAYS.iter().position(|day| *day == name.trim().to_ascii_lowercase());
    let mut spans = Vec::new();
    for part in days.split(',') {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (day(first)?, day(last)?),
            None => (day(part)?, day(part)?),
        };
        let count = (last + 7 - first) % 7 + 1;
        spans.extend((0..count).map(|n| (((first + n) % 7) as u32 * DAY_MIN + from, minutes)));
    }
    (from < DAY_MIN).then_some(spans)
}

fn minute(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let both = digits(hour) && digits(minute);
    let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
    (both && minute < 60 && hour * 60 + minute <= DAY_MIN).then_some(hour * 60 + minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(zone: &str, texts: &[&str]) -> Hours {
        let spans = texts.iter().flat_map(|text| spans_of(text).unwrap()).collect();
        Hours { zone: Zone::named(zone).unwrap(), spans }
    }

    fn at(text: &str) -> UnixSeconds {
        UnixSeconds(text.parse::<jiff::Timestamp>().unwrap().as_second() as u64)
    }

    #[test]
    fn hours_are_those_of_the_place_and_may_go_over_midnight() {
        let office = hours("Europe/Berlin", &["mon-fri 08:00-18:00"]);
        // 2026-11-30 is a Monday; Berlin is an hour ahead.
        for (time, held) in [
            ("2026-11-30T06:59:59Z", false),
            ("2026-11-30T07:00:00Z", true),
            ("2026-11-30T16:59:59Z", true),
            ("2026-11-30T17:00:00Z", false),
            ("2026-11-29T10:00:00Z", false),
        ] {
            assert_eq!(office.hold(at(time)), held, "{time}");
        }
        let night = hours("UTC", &["mon-thu 18:00-08:00", "fri-sun 18:00-08:00", "sat,sun 00:00-24:00"]);
        for (time, held) in [
            ("2026-11-30T07:59:59Z", true),
            ("2026-11-30T08:00:00Z", false),
            ("2026-11-30T18:00:00Z", true),
            ("2026-11-28T12:00:00Z", true),
        ] {
            assert_eq!(night.hold(at(time)), held, "{time}");
        }
        assert!(hours("UTC", &["00:00-24:00"]).hold(at("2026-11-30T00:00:00Z")));
    }

    #[test]
    fn what_is_no_span_of_the_week_is_none() {
        for text in [
            "",
            "mon",
            "mon-fri",
            "8:00-18:00",
            "08:00",
            "08:60-09:00",
            "mox 08:00-09:00",
            "24:30-25:00",
            "24:00-01:00",
        ] {
            assert!(spans_of(text).is_none(), "{text}");
        }
    }
}
