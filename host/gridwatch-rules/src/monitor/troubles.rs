//! Troubles: what is wrong with gridwatch now, and who has been told of it.
//!
//! A trouble is told once it has lasted, again only if it gets graver, and once more when it has been over for as long. One that comes
//! back soon isn't told before a while has passed. So what comes and goes makes two records an hour at most.

use crate::alert::Alert;
use crate::builtin;
use gridwatch_event::org::OrgId;
use gridwatch_event::time::UnixMillis;
use gridwatch_manifest::{Severity, span_text};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Troubles known at a time; of more, those named last are not told.
const MAX_TROUBLES: usize = 500;

/// Something that is wrong at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    /// Id of the built-in rule.
    pub rule: &'static str,
    /// Whose trouble it is; of the process, the only organization's id.
    pub org: OrgId,
    /// What sets it apart from others of the same rule.
    pub about: String,
    pub severity: Severity,
    pub title: String,
    pub labels: Vec<(&'static str, String)>,
    /// How long it has to last before it is told.
    pub patience_ms: u64,
    /// How long it has to be over before that is told.
    pub calm_ms: u64,
    /// How long after its end it isn't told anew.
    pub again_ms: u64,
}

/// Something of which can't be said at this moment whether it is wrong. What was told of it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    pub rule: &'static str,
    pub org: OrgId,
    /// `None`: whatever the rule is about.
    pub about: Option<String>,
}

impl Unknown {
    fn covers(&self, key: &str) -> bool {
        match &self.about {
            Some(about) => key == key_of(&self.org, self.rule, about),
            None => key.starts_with(&key_of(&self.org, self.rule, "")),
        }
    }
}

/// By which a trouble is known. No rule's name has a space in it.
fn key_of(org: &OrgId, rule: &str, about: &str) -> String {
    format!("{org}/{rule} {about}")
}

/// By whose, rule and about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Troubles {
    known: BTreeMap<String, Trouble>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Trouble {
    since: UnixMillis,
    /// Since when it doesn't show.
    gone: Option<UnixMillis>,
    calm_ms: u64,
    again_ms: u64,
    /// As it was told last.
    told: Option<Box<Alert>>,
    /// Its end was told; before that time it isn't told anew.
    rests_until: Option<UnixMillis>,
}

impl Troubles {
    /// Takes in what is wrong now and what can't be known, and gives what is to be told.
    pub fn look(&mut self, signs: Vec<Sign>, unknown: &[Unknown], now: UnixMillis) -> Vec<Alert> {
        let mut alerts = Vec::new();
        let mut shown = std::collections::BTreeSet::new();
        for sign in signs {
            let key = key_of(&sign.org, sign.rule, &sign.about);
            if self.known.len() >= MAX_TROUBLES && !self.known.contains_key(&key) {
                continue;
            }
            let trouble = self.known.entry(key.clone()).or_insert_with(|| Trouble::new(&sign, now));
            alerts.extend(trouble.shows(&sign, now));
            shown.insert(key);
        }
        self.known.retain(|key, trouble| {
            if shown.contains(key) {
                return true;
            }
            if unknown.iter().any(|unknown| unknown.covers(key)) && trouble.rests_until.is_none() {
                trouble.gone = None;
                return true;
            }
            let (alert, is_known) = trouble.is_gone(now);
            alerts.extend(alert);
            is_known
        });
        alerts
    }

    /// Those that somebody was told of and that aren't over: rule and title, the oldest first.
    pub fn told(&self) -> Vec<&Alert> {
        let mut told: Vec<&Trouble> = self.known.values().filter(|trouble| trouble.is_told()).collect();
        told.sort_by_key(|trouble| trouble.since);
        told.into_iter().filter_map(|trouble| trouble.told.as_deref()).collect()
    }

    /// Was somebody told of this one?
    pub fn is_told(&self, org: &OrgId, rule: &str, about: &str) -> bool {
        self.known.get(&key_of(org, rule, about)).is_some_and(Trouble::is_told)
    }
}

impl Trouble {
    fn new(sign: &Sign, now: UnixMillis) -> Self {
        let (calm_ms, again_ms) = (sign.calm_ms, sign.again_ms);
        Self { since: now, gone: None, calm_ms, again_ms, told: None, rests_until: None }
    }

    fn is_told(&self) -> bool {
        self.told.is_some() && self.rests_until.is_none()
    }

    fn shows(&mut self, sign: &Sign, now: UnixMillis) -> Option<Alert> {
        (self.calm_ms, self.again_ms) = (sign.calm_ms, sign.again_ms);
        self.since = self.since.min(now);
        if let Some(until) = self.rests_until {
            // It comes back. Its clock begins where it first did so.
            if self.gone.take().is_some() {
                self.since = now;
            }
            if now < until {
                return None;
            }
            (self.rests_until, self.told) = (None, None);
        }
        if self.told.is_none() && self.gone.take().is_some() {
            self.since = now;
        }
        self.gone = None;
        let alert = match self.told.as_deref() {
            None if now.since(self.since) < sign.patience_ms => return None,
            None => builtin::trouble(sign, self.since, now),
            Some(told) if sign.severity > told.severity => {
                let news = format!("it is {} now, and was {}", sign.severity.name(), told.severity.name());
                let worse = builtin::trouble(sign, self.since, now);
                let (title, labels, severity) = (worse.title, worse.labels, worse.severity);
                Alert { title, labels, severity, ..further(told, news, now) }
            }
            Some(_) => return None,
        };
        self.told = Some(Box::new(alert.clone()));
        Some(alert)
    }

    /// It doesn't show. Is it to be known any longer?
    fn is_gone(&mut self, now: UnixMillis) -> (Option<Alert>, bool) {
        let gone = self.gone.get_or_insert(now);
        *gone = (*gone).min(now);
        let for_ms = now.since(*gone);
        if let Some(until) = self.rests_until {
            return (None, now < until);
        }
        let Some(told) = &self.told else { return (None, for_ms < self.calm_ms) };
        if for_ms < self.calm_ms {
            return (None, true);
        }
        let lasted_s = gone.since(self.since) / 1_000;
        let lasted = span_text(if lasted_s < 60 { lasted_s } else { lasted_s / 60 * 60 });
        let news = format!("over since {gone}, after {lasted}");
        let title = builtin::over(&told.title);
        let alert = Alert { title, over: Some(*gone), ..further(told, news, now) };
        self.rests_until = Some(now.plus(self.again_ms));
        self.told = Some(Box::new(alert.clone()));
        (Some(alert), true)
    }
}

/// The next revision of what was told.
fn further(told: &Alert, news: String, now: UnixMillis) -> Alert {
    Alert { revision: told.revision + 1, news: vec![news], seen: now, last: now.seconds(), ..told.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    fn sign(severity: Severity) -> Sign {
        Sign {
            rule: "poll-failing",
            org: OrgId::default(),
            about: String::new(),
            severity,
            title: "No page from Slack for 5 minutes".into(),
            labels: vec![("problem", "unreachable".into())],
            patience_ms: 5 * MINUTE,
            calm_ms: 5 * MINUTE,
            again_ms: 60 * MINUTE,
        }
    }

    /// Minute by minute: is it wrong, and how grave? What is told when.
    fn told(minutes: impl IntoIterator<Item = Option<Severity>>) -> Vec<(usize, u32, Severity, bool)> {
        let mut troubles = Troubles::default();
        let mut all = Vec::new();
        for (minute, severity) in minutes.into_iter().enumerate() {
            // It outlasts a restart at any moment.
            troubles = serde_json::from_str(&serde_json::to_string(&troubles).unwrap()).unwrap();
            let now = UnixMillis(1_790_000_000_000 + minute as u64 * MINUTE);
            let alerts = troubles.look(severity.map(sign).into_iter().collect(), &[], now);
            all.extend(alerts.iter().map(|a| (minute, a.revision, a.severity, a.over.is_some())));
        }
        all
    }

    const HIGH: Option<Severity> = Some(Severity::High);
    const CRITICAL: Option<Severity> = Some(Severity::Critical);

    #[test]
    fn what_lasts_is_told_once_and_its_end_once() {
        let minutes = [vec![HIGH; 100], vec![None; 100]].concat();
        assert_eq!(told(minutes), [(5, 1, Severity::High, false), (105, 2, Severity::High, true)]);
        assert_eq!(told([vec![HIGH; 5], vec![None; 30]].concat()), [], "it passed by itself");
    }

    #[test]
    fn what_comes_and_goes_is_told_rarely() {
        let flapping = (0..600).map(|minute| if minute % 3 == 2 { None } else { HIGH });
        let all = told(flapping);
        assert!(all.len() <= 1, "{all:?}");
        let slow = (0..600).map(|minute| if minute % 20 >= 10 { None } else { HIGH });
        let all = told(slow);
        assert!((4..=20).contains(&all.len()), "{all:?}");
    }

    #[test]
    fn only_what_is_graver_is_told_again() {
        let minutes = [vec![HIGH; 10], vec![CRITICAL; 10], vec![HIGH; 10], vec![CRITICAL; 10]].concat();
        assert_eq!(told(minutes), [(5, 1, Severity::High, false), (10, 2, Severity::Critical, false)]);
    }

    #[test]
    fn two_times_of_one_trouble_are_two_alerts() {
        let mut troubles = Troubles::default();
        let mut uids = std::collections::BTreeSet::new();
        for minute in 0..1_000u64 {
            let now = UnixMillis(1_790_000_000_000 + minute * MINUTE);
            let signs = if minute % 200 < 100 { vec![sign(Severity::High)] } else { vec![] };
            uids.extend(troubles.look(signs, &[], now).into_iter().map(|alert| alert.uid));
        }
        assert_eq!(uids.len(), 5);
        assert!(troubles.told().is_empty());
    }

    #[test]
    fn what_cannot_be_known_is_not_over() {
        let mut troubles = Troubles::default();
        let at = |minute: u64| UnixMillis(1_790_000_000_000 + minute * MINUTE);
        let about = |about: &str| Sign { about: about.into(), ..sign(Severity::High) };
        let unknown = |about: Option<&str>| Unknown {
            rule: "poll-failing",
            org: OrgId::default(),
            about: about.map(str::to_owned),
        };
        let told: usize =
            (0..10).map(|minute| troubles.look(vec![about("a"), about("ab")], &[], at(minute)).len()).sum();
        assert_eq!(told, 2);
        for minute in 10..60 {
            assert_eq!(troubles.look(vec![], &[unknown(None)], at(minute)), []);
        }
        // One of them is known again, and over.
        let over: Vec<String> = (60..70)
            .flat_map(|minute| troubles.look(vec![], &[unknown(Some("a"))], at(minute)))
            .map(|alert| alert.labels.iter().map(|(_, value)| value.clone()).collect::<String>() + &alert.title)
            .collect();
        assert_eq!((over.len(), troubles.told().len()), (1, 1), "{over:?}");
        assert!(troubles.is_told(&OrgId::default(), "poll-failing", "a"));
    }

    #[test]
    fn many_are_bounded() {
        let mut troubles = Troubles::default();
        let signs = (0..2_000).map(|n| Sign { about: n.to_string(), ..sign(Severity::Low) }).collect();
        troubles.look(signs, &[], UnixMillis(1));
        assert_eq!(troubles.known.len(), MAX_TROUBLES);
    }
}
