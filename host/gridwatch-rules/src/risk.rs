//! Risk: what different rules have said of one actor within a day (or another span), added up.
//!
//! Each of several small findings may be ordinary; that they are all about one person on one day is not. Distinct rules
//! count, not events, and they must stand for different tactics of ATT&CK, so that one noisy habit never adds up to an
//! alarm. After Splunk's risk-based alerting and Elastic's roll-ups by entity, with a threshold that takes both breadth and weight.

use crate::alert::Alert;
use crate::state::{Forgotten, RISK, StateOp, StateRow};
use crate::stub::Stub;
use crate::subject::Subjects;
use crate::windows::LATE_S;
use gridwatch_event::time::UnixSeconds;
use gridwatch_manifest::Severity;
use gridwatch_names::attack;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// What has to come together. All of it may be set under `[detect.risk]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RiskThreshold {
    /// Within this time …
    pub span_s: u64,
    /// … so many rules, Informational findings left aside, or so many points …
    pub rules: u64,
    pub points: u64,
    /// … and in either case so many tactics, each by a rule of its own.
    pub tactics: u64,
}

impl Default for RiskThreshold {
    fn default() -> Self {
        Self { span_s: 86_400, rules: 5, points: 100, tactics: 3 }
    }
}

/// Actors remembered. The ones that were heard of longest ago go first.
const MAX_ACTORS: usize = 50_000;

/// What a rule's finding weighs.
const fn points(severity: Severity) -> u64 {
    match severity {
        Severity::Informational => 1,
        Severity::Low => 10,
        Severity::Medium => 25,
        Severity::High => 50,
        Severity::Critical => 100,
    }
}

#[derive(Debug, Default)]
pub struct Risk {
    threshold: RiskThreshold,
    actors: HashMap<String, Marks>,
    dirty: BTreeSet<String>,
}

/// By rule.
type Marks = BTreeMap<String, Mark>;

/// The newest finding of a rule about an actor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    time: UnixSeconds,
    severity: Severity,
    attack: Vec<String>,
    stub: Arc<Stub>,
    /// The app that did it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    app: Option<String>,
    #[serde(default, skip_serializing_if = "Subjects::is_empty")]
    subjects: Subjects,
}

/// Enough of it to tell someone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    pub rules: Vec<String>,
    /// How many of them found something that is worth more than a note: an admin's day is full of what is expected.
    pub serious: u64,
    pub points: u64,
    pub span_s: u64,
    pub tactics: Vec<&'static str>,
    pub attack: Vec<String>,
    /// The event of each rule's newest finding, oldest first.
    pub evidence: Vec<Arc<Stub>>,
    /// Apps that did some of it.
    pub apps: BTreeSet<String>,
    /// Rules that an app set off.
    pub by_apps: usize,
    /// What a response would act on, of all of it: of what an app did, the app.
    pub subjects: Subjects,
}

impl RiskThreshold {
    fn is_over(&self, time: UnixSeconds, newest: UnixSeconds) -> bool {
        time.plus(self.span_s + LATE_S) < newest
    }

    fn is_reached(&self, sum: &Sum) -> bool {
        sum.tactics.len() as u64 >= self.tactics && (sum.serious >= self.rules || sum.points >= self.points)
    }
}

impl Risk {
    pub fn new(threshold: RiskThreshold) -> Self {
        Self { threshold, ..Self::default() }
    }

    /// Takes in an alert that one finding made; says what it adds up to if that is enough. `newest` is the newest event time
    /// as of the event: what is past the late allowance by it doesn't count, so that it doesn't matter when it is swept out.
    /// `app` did it, if one did.
    pub fn learn(&mut self, alert: &Alert, app: Option<String>, newest: UnixSeconds) -> Option<Sum> {
        let stub = alert.evidence.last().filter(|_| !alert.actor.id.is_empty())?;
        if alert.suppressed_by.is_some() || self.threshold.is_over(alert.last, newest) {
            return None;
        }
        self.make_room(&alert.actor.id);
        let marks = self.actors.entry(alert.actor.id.clone()).or_default();
        let (time, severity) = (alert.last, alert.severity);
        let mark = Mark {
            time,
            severity,
            attack: alert.attack.clone(),
            stub: stub.clone(),
            app,
            subjects: alert.subjects.clone(),
        };
        let known = marks.get(&alert.rule).is_some_and(|known| known.time > time && known.severity >= severity);
        if !known {
            marks.insert(alert.rule.clone(), mark);
            self.dirty.insert(alert.actor.id.clone());
        }
        let sum = Sum::of(marks, time, newest, &self.threshold);
        self.threshold.is_reached(&sum).then_some(sum)
    }

    pub fn expire(&mut self, newest: UnixSeconds) {
        for (actor, marks) in &mut self.actors {
            let before = marks.len();
            marks.retain(|_, mark| !self.threshold.is_over(mark.time, newest));
            if marks.len() != before {
                self.dirty.insert(actor.clone());
            }
        }
        self.actors.retain(|_, marks| !marks.is_empty());
    }

    fn make_room(&mut self, actor: &str) {
        if self.actors.len() < MAX_ACTORS || self.actors.contains_key(actor) {
            return;
        }
        let last = |marks: &Marks| marks.values().map(|mark| mark.time).max().unwrap_or_default();
        let mut by_age: Vec<(UnixSeconds, String)> =
            self.actors.iter().map(|(actor, marks)| (last(marks), actor.clone())).collect();
        by_age.sort_unstable();
        for (_, actor) in by_age.into_iter().take(MAX_ACTORS / 10) {
            self.actors.remove(&actor);
            self.dirty.insert(actor);
        }
    }

    pub fn take_changes(&mut self) -> Vec<StateOp> {
        let row = |actor: String| StateOp::save(RISK, actor.as_bytes(), self.actors.get(&actor));
        std::mem::take(&mut self.dirty).into_iter().map(row).collect()
    }

    /// Puts back what was saved of an actor.
    ///
    /// # Errors
    /// The row can't be read.
    pub fn load(&mut self, row: StateRow<'_>) -> Result<(), Forgotten> {
        self.actors.insert(row.name()?.to_owned(), row.json()?);
        Ok(())
    }
}

impl Sum {
    /// Of the marks within the span of this time, on either side: what comes late belongs to it all the same.
    fn of(marks: &Marks, at: UnixSeconds, newest: UnixSeconds, threshold: &RiskThreshold) -> Self {
        let is_near = |time: UnixSeconds| time.plus(threshold.span_s) > at && time < at.plus(threshold.span_s);
        let near: Vec<(&String, &Mark)> =
            marks.iter().filter(|(_, mark)| is_near(mark.time) && !threshold.is_over(mark.time, newest)).collect();
        let mut evidence: Vec<Arc<Stub>> = near.iter().map(|(_, mark)| mark.stub.clone()).collect();
        evidence.sort_by_key(|stub| (stub.time, stub.seq));
        evidence.dedup_by_key(|stub| stub.seq);
        let mut subjects = Subjects::default();
        near.iter().for_each(|(_, mark)| subjects.take_in(mark.subjects.clone()));
        let attack: BTreeSet<&String> = near.iter().flat_map(|(_, mark)| &mark.attack).collect();
        let tactics: Vec<BTreeSet<&str>> = near.iter().map(|(_, mark)| tactics_of(&mark.attack)).collect();
        Self {
            rules: near.iter().map(|(rule, _)| (*rule).clone()).collect(),
            serious: near.iter().filter(|(_, mark)| mark.severity >= Severity::Low).count() as u64,
            span_s: threshold.span_s,
            points: near.iter().map(|(_, mark)| points(mark.severity)).sum(),
            tactics: different(&tactics),
            attack: attack.into_iter().cloned().collect(),
            evidence,
            apps: near.iter().filter_map(|(_, mark)| mark.app.clone()).collect(),
            by_apps: near.iter().filter(|(_, mark)| mark.app.is_some()).count(),
            subjects,
        }
    }
}

fn tactics_of(attack: &[String]) -> BTreeSet<&'static str> {
    attack
        .iter()
        .filter_map(|id| attack::technique(id))
        .flat_map(|technique| technique.tactics.iter().copied())
        .collect()
}

/// The most tactics that can be told apart when each rule stands for one only: a technique that serves four tactics, as valid
/// accounts do, must not count for four. A maximum matching of rules and tactics, by augmenting paths.
fn different(rules: &[BTreeSet<&'static str>]) -> Vec<&'static str> {
    let mut taken: BTreeMap<&'static str, usize> = BTreeMap::new();
    for rule in 0..rules.len() {
        find_one(rule, rules, &mut taken, &mut BTreeSet::new());
    }
    taken.into_keys().collect()
}

fn find_one(
    rule: usize,
    rules: &[BTreeSet<&'static str>],
    taken: &mut BTreeMap<&'static str, usize>,
    tried: &mut BTreeSet<&'static str>,
) -> bool {
    for tactic in &rules[rule] {
        if tried.insert(tactic) {
            let free = match taken.get(tactic).copied() {
                None => true,
                Some(other) => find_one(other, rules, taken, tried),
            };
            if free {
                taken.insert(tactic, rule);
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Actor;
    use crate::builtin;

    fn alert(actor: &str, rule: &str, at: u64, severity: Severity, attack: &[&str]) -> Alert {
        let stub = Stub {
            seq: at,
            id: format!("e{at}"),
            time: UnixSeconds(at),
            action: "a".into(),
            actor_id: actor.into(),
            ip_address: String::new(),
            ua: String::new(),
            object: String::new(),
            object_name: String::new(),
        };
        let blank = builtin::catalogue_drift(
            &gridwatch_event::drift::Drift::default(),
            gridwatch_event::time::UnixMillis(at * 1_000),
        );
        Alert {
            rule: rule.into(),
            severity,
            attack: attack.iter().map(|id| (*id).to_owned()).collect(),
            actor: Actor { id: actor.into(), ..Actor::default() },
            evidence: vec![Arc::new(stub)],
            ..blank
        }
    }

    /// Rules of three tactics that no other of them has: discovery, exfiltration, impact.
    const THREE: [&str; 3] = ["T1526", "T1567", "T1531"];
    const LOW: Severity = Severity::Low;

    fn learned(alerts: &[Alert]) -> Option<Sum> {
        let mut risk = Risk::default();
        alerts.iter().filter_map(|alert| risk.learn(alert, None, alert.last)).last()
    }

    #[test]
    fn five_rules_of_three_tactics_within_a_day_are_enough_and_four_are_not() {
        let rule = |i: usize| alert("W1", &format!("m.r{i}"), 1_000 + i as u64, LOW, &[THREE[i % 3]]);
        let five: Vec<Alert> = (0..5).map(rule).collect();
        let sum = learned(&five).expect("enough");
        assert_eq!((sum.rules.len(), sum.points, sum.tactics.len(), sum.evidence.len()), (5, 50, 3, 5));
        assert_eq!(learned(&five[..4]), None);
        let again: Vec<Alert> = (0..50).map(|i| rule(i % 4)).collect();
        assert_eq!(learned(&again), None, "rules count, not findings");
        let of_two: Vec<Alert> = (0..9).map(|i| alert("W1", &format!("m.r{i}"), 1_000, LOW, &[THREE[i % 2]])).collect();
        assert_eq!(learned(&of_two), None, "two tactics");
        let spread: Vec<Alert> =
            (0..5).map(|i| alert("W1", &format!("m.r{i}"), i as u64 * 30_000, LOW, &[THREE[i % 3]])).collect();
        assert_eq!(learned(&spread), None, "a day holds three of them");
        let of_many: Vec<Alert> =
            (0..9).map(|i| alert(&format!("W{i}"), &format!("m.r{i}"), 1_000, LOW, &[THREE[i % 3]])).collect();
        assert_eq!(learned(&of_many), None, "of different people");
    }

    #[test]
    fn what_is_only_noted_is_none_of_the_five_but_weighs() {
        let rule = |i: usize, severity| alert("W1", &format!("m.r{i}"), 1_000 + i as u64, severity, &[THREE[i % 3]]);
        let four_and = |severity| -> Vec<Alert> {
            let four = (0..4).map(|i| rule(i, LOW));
            four.chain([rule(4, severity), rule(5, severity)]).collect()
        };
        assert_eq!(learned(&four_and(Severity::Informational)), None);
        assert_eq!(learned(&four_and(LOW)).map(|sum| sum.serious), Some(6));
        let noted = four_and(Severity::Informational).into_iter().chain([rule(6, LOW)]).collect::<Vec<_>>();
        assert_eq!(learned(&noted).map(|sum| (sum.serious, sum.rules.len(), sum.points)), Some((5, 7, 52)));
    }

    #[test]
    fn fewer_rules_are_enough_if_they_weigh_more() {
        let severe = |severity| -> Vec<Alert> {
            (0..3).map(|i| alert("W1", &format!("m.r{i}"), 1_000, severity, &[THREE[i]])).collect()
        };
        assert_eq!(learned(&severe(Severity::High)).map(|sum| sum.points), Some(150));
        assert_eq!(learned(&severe(Severity::Medium)), None, "75 points");
    }

    #[test]
    fn the_bar_may_be_set() {
        let two: Vec<Alert> =
            (0..2).map(|i| alert("W1", &format!("m.r{i}"), 1_000 * i as u64, LOW, &[THREE[i]])).collect();
        let reaches = |threshold: RiskThreshold| {
            let mut risk = Risk::new(threshold);
            two.iter().filter_map(|alert| risk.learn(alert, None, alert.last)).last()
        };
        let threshold = RiskThreshold { span_s: 1_001, rules: 2, points: 1_000, tactics: 2 };
        assert_eq!(reaches(threshold).map(|sum| (sum.rules.len(), sum.span_s)), Some((2, 1_001)));
        assert_eq!(reaches(RiskThreshold { rules: 9, points: 20, ..threshold }).map(|sum| sum.points), Some(20));
        for higher in [
            RiskThreshold { span_s: 1_000, ..threshold },
            RiskThreshold { rules: 3, ..threshold },
            RiskThreshold { tactics: 3, ..threshold },
            RiskThreshold::default(),
        ] {
            assert_eq!(reaches(higher), None, "{higher:?}");
        }
    }

    #[test]
    fn what_was_suppressed_counts_for_nothing() {
        let mut alerts: Vec<Alert> =
            (0..3).map(|i| alert("W1", &format!("m.r{i}"), 1_000, Severity::High, &[THREE[i]])).collect();
        alerts[1].suppressed_by = Some("backup".into());
        assert_eq!(learned(&alerts), None);
    }

    #[test]
    fn a_technique_of_four_tactics_stands_for_one() {
        let accounts: Vec<Alert> =
            (0..6).map(|i| alert("W1", &format!("m.r{i}"), 1_000, Severity::High, &["T1078"])).collect();
        assert!(attack::technique("T1078").is_some_and(|technique| technique.tactics.len() >= 3));
        assert!(learned(&accounts[..2]).is_none(), "two rules stand for two tactics at most");
        let sets = [BTreeSet::from(["a", "b"]), BTreeSet::from(["a"]), BTreeSet::from(["a", "b"])];
        assert_eq!(different(&sets), ["a", "b"]);
        assert_eq!(different(&[BTreeSet::from(["a", "b", "c"])]).len(), 1);
    }

    #[test]
    fn marks_survive_a_restart_and_end_after_the_late_allowance() {
        let mut risk = Risk::default();
        let alerts: Vec<Alert> =
            (0..3).map(|i| alert("W1", &format!("m.r{i}"), 1_000, Severity::High, &[THREE[i]])).collect();
        alerts[..2].iter().for_each(|alert| assert_eq!(risk.learn(alert, None, alert.last), None));
        let mut again = Risk::default();
        risk.take_changes().iter().for_each(|op| again.load(op.row().unwrap()).unwrap());
        assert!(again.learn(&alerts[2], None, alerts[2].last).is_some());
        again.take_changes();
        again.expire(UnixSeconds(1_000 + RiskThreshold::default().span_s + LATE_S + 1));
        assert!(again.actors.is_empty() && again.take_changes().iter().all(|op| op.value == Ok(None)));
    }

    #[test]
    fn made_up_actors_push_out_only_the_oldest() {
        let mut risk = Risk::default();
        for i in 0..=MAX_ACTORS as u64 {
            risk.learn(&alert(&format!("W{i}"), "m.r", i, LOW, &[]), None, UnixSeconds(i));
        }
        assert!(risk.actors.len() <= MAX_ACTORS && !risk.actors.contains_key("W0"));
        assert!(risk.actors.contains_key(&format!("W{MAX_ACTORS}")));
    }
}
