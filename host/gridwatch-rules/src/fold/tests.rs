//! When an alert is told again, in event time alone. What modules find is made up here; `tests/tests/folding.rs` has real ones.

use super::*;
use crate::alert::{Actor, MAX_EVIDENCE, ModuleRef, Source};
use crate::handling::Handling;
use crate::stub::Stub;
use gridwatch_manifest::{Playbook, Severity};
use std::sync::Arc;

const PERIOD_S: u64 = 86_400;
/// A midnight.
const DAY: u64 = 20_000 * PERIOD_S;

fn alert(at: u64, severity: Severity, event: u64) -> Alert {
    let (uid, period_start) = Alert::identity("m.r", "W1", UnixSeconds(at), PERIOD_S);
    let stub = Stub {
        seq: event,
        id: format!("e{event}"),
        time: UnixSeconds(at),
        action: "a".into(),
        actor_id: "W1".into(),
        ip_address: String::new(),
        ua: String::new(),
        object: String::new(),
        object_name: String::new(),
    };
    Alert {
        uid,
        org: gridwatch_event::org::OrgId::default(),
        revision: 1,
        source: Source::Fold,
        severity,
        reason: String::new(),
        title: format!("{severity:?} {event}"),
        rule: "m.r".into(),
        rule_title: "R".into(),
        condition: String::new(),
        module: ModuleRef { name: "m".into(), version: "1.0.0".into(), digest: "d".into() },
        dedup_key: "W1".into(),
        period_start,
        period_s: PERIOD_S,
        findings: 1,
        counts: Counts::default(),
        days: 0,
        news: vec![],
        first: UnixSeconds(at),
        last: UnixSeconds(at),
        opened: UnixMillis(0),
        seen: UnixMillis(0),
        actor: Actor::default(),
        others: vec![],
        recent: vec![],
        evidence: vec![Arc::new(stub)],
        evidence_total: 1,
        labels: BTreeMap::new(),
        subjects: Subjects::default(),
        attack: vec![],
        playbook: Playbook::default(),
        basis: Basis { event: format!("e{event}"), ..Basis::default() },
        organization: None,
        suppressed_by: None,
        handling: Handling::default(),
        over: None,
        about: Box::default(),
    }
}

/// A finding by somebody about something.
fn sight(at: u64, doer: &str, object: &str) -> Sight {
    Sight {
        at: UnixSeconds(at),
        newest: UnixSeconds(at),
        doer: Some(Doer { id: doer.into(), ..Doer::default() }),
        objects: vec![object.into()],
        ..Sight::default()
    }
}

/// As the pipeline does: first what time brings, then the finding.
fn step(folder: &mut Folder, alert: Alert, sight: &Sight) -> Vec<Sent> {
    let mut sent = folder.rest(sight.newest, UnixMillis(0));
    sent.extend(folder.fold(alert, sight));
    sent
}

/// Objects one after the other by one person; when each revision was sent, and how many objects it had.
fn objects_every(seconds: u64, objects: u64) -> Vec<(u64, u64)> {
    let mut folder = Folder::default();
    let mut told = Vec::new();
    for i in 0..objects {
        let at = DAY + i * seconds;
        for sent in step(&mut folder, alert(at, Severity::Low, i), &sight(at, "W1", &format!("F{i}"))) {
            told.push((i * seconds, sent.alert.counts.objects));
        }
    }
    let end = DAY + objects * seconds + 100_000;
    told.extend(folder.rest(UnixSeconds(end), UnixMillis(0)).into_iter().map(|sent| (0, sent.alert.counts.objects)));
    told
}

#[test]
fn more_of_the_same_is_told_at_rungs_a_quarter_of_an_hour_apart_and_at_rest() {
    let counts = |every| objects_every(every, 60).into_iter().map(|(_, objects)| objects).collect::<Vec<_>>();
    assert_eq!(counts(1), [1, 60], "within a minute: the first, and all of it when it is over");
    assert_eq!(counts(60), [1, 16, 31, 50, 60]);
    assert_eq!(counts(1_200), [1, 2, 5, 10, 20, 50, 60]);
    for every in [1, 10, 60, 300, 600, 900, 1_200] {
        let told = objects_every(every, 60);
        assert!(told.len() <= 8 && told.last().unwrap().1 == 60, "every {every} s: {told:?}");
        let spaced = told.windows(2).all(|pair| pair[1].0 == 0 || pair[1].0 >= pair[0].0 + SPACING_S);
        assert!(spaced, "every {every} s: {told:?}");
    }
}

#[test]
fn what_comes_and_goes_has_its_final_numbers_told_more_and_more_rarely() {
    let told = objects_every(4_000, 20);
    assert_eq!(told.iter().map(|(_, objects)| *objects).collect::<Vec<_>>(), [1, 2, 3, 5, 10, 20]);
}

#[test]
fn somebody_else_a_graver_act_and_a_new_reason_are_told_at_once() {
    let mut folder = Folder::default();
    let told = |sent: Vec<Sent>| {
        let tell = |sent: Sent| (sent.alert.revision, sent.alert.severity, sent.alert.title, sent.alert.news);
        sent.into_iter().map(tell).collect::<Vec<_>>()
    };
    let (low, high) = (Severity::Low, Severity::High);
    assert_eq!(step(&mut folder, alert(DAY, low, 1), &sight(DAY, "W1", "F1")).len(), 1);
    assert_eq!(step(&mut folder, alert(DAY + 1, low, 2), &sight(DAY + 1, "W1", "F1")), []);
    let other = told(step(&mut folder, alert(DAY + 2, low, 3), &sight(DAY + 2, "W2", "F1")));
    assert_eq!((other[0].0, &*other[0].2, &*other[0].3[0]), (2, "Low 3", "somebody else: W2: Low 3"));
    let graver = told(step(&mut folder, alert(DAY + 3, high, 4), &sight(DAY + 3, "W2", "F1")));
    assert_eq!((graver[0].0, graver[0].1, &*graver[0].3[0]), (3, high, "severity High instead of Low"));
    let third = told(step(&mut folder, alert(DAY + 4, low, 5), &sight(DAY + 4, "W3", "F1")));
    assert_eq!((third[0].1, &*third[0].2), (high, "High 4"), "a routine act leaves severity and title alone");
    assert_eq!(third[0].3[0], "somebody else: W3: Low 5");
    let with = |values: &[(&str, &str)], at: u64| Sight {
        values: values.iter().map(|(label, value)| ((*label).into(), (*value).into())).collect(),
        ..sight(at, "W1", "F1")
    };
    for (values, news) in [
        (&[("scope", "workspace"), ("reason", "tor")][..], vec!["scope: workspace", "reason: tor"]),
        (&[("scope", "channel"), ("reason", "tor")], vec![]),
        (&[("scope", "organization"), ("reason", "asn")], vec!["scope: organization", "reason: asn"]),
        (&[("scope", "organization"), ("tier", "2")], vec!["tier: 2"]),
        (&[("tier", "1")], vec![]),
        (&[("tier", "3")], vec!["tier: 3"]),
    ] {
        let sent = step(&mut folder, alert(DAY + 5, low, 6), &with(values, DAY + 5));
        let told: Vec<String> = sent.into_iter().flat_map(|sent| sent.alert.news).collect();
        let told: Vec<&String> = told.iter().filter(|line| !line.contains(" instead of ")).collect();
        assert_eq!(told, news, "{values:?}");
    }
}

#[test]
fn the_title_is_of_what_was_done_last_and_not_of_what_came_last() {
    let mut folder = Folder::default();
    let mut titles = Vec::new();
    for (at, event) in [(DAY + 100, 1), (DAY + 50, 2), (DAY + 100, 3), (DAY + 2_000, 4), (DAY + 1_999, 5)] {
        step(&mut folder, alert(at, Severity::High, event), &sight(at, "W1", &format!("F{event}")));
        titles.push(folder.open.values().map(|open| open.alert.title.clone()).collect::<String>());
    }
    assert_eq!(titles, ["High 1", "High 1", "High 3", "High 4", "High 4"]);
}

#[test]
fn a_graver_finding_keeps_its_place_and_its_evidence_among_many() {
    let mut folder = Folder::default();
    let mut last = None;
    for i in 0..200 {
        let severity = if i == 120 { Severity::High } else { Severity::Low };
        let mut new = alert(DAY + i, severity, i);
        new.labels.insert("which".into(), format!("v{i}"));
        new.actor.id = format!("W{}", i % 3);
        let sent = step(&mut folder, new, &sight(DAY + i, &format!("W{}", i % 3), "F1"));
        last = sent.into_iter().next_back().or(last);
    }
    let rest = folder.rest(UnixSeconds(DAY + 10_000), UnixMillis(7)).remove(0).alert;
    assert_eq!((rest.severity, &*rest.title, &*rest.basis.event), (Severity::High, "High 120", "e120"));
    assert_eq!((&*rest.actor.id, rest.findings, rest.seen), ("W0", 200, UnixMillis(7)));
    assert_eq!(rest.others.iter().map(|doer| &*doer.id).collect::<Vec<_>>(), ["W1", "W2"]);
    assert!(rest.evidence.len() == MAX_EVIDENCE && rest.evidence.iter().any(|stub| stub.id == "e120"));
    assert!(rest.labels["which"].starts_with("v120, "), "{}", rest.labels["which"]);
}

#[test]
fn many_people_are_told_of_one_by_one_only_up_to_a_bound() {
    let mut folder = Folder::default();
    let mut sent = Vec::new();
    for i in 0..1_000 {
        let doer = format!("W{i}");
        sent.extend(step(&mut folder, alert(DAY + i, Severity::Low, i), &sight(DAY + i, &doer, "F1")));
    }
    assert_eq!(sent.len(), MAX_DOERS + 1, "and then as more of the same");
    let rest = folder.rest(UnixSeconds(DAY + 10_000), UnixMillis(0)).remove(0).alert;
    assert!(rest.counts.doers.abs_diff(1_000) < 250 && rest.others.len() == MAX_DOERS - 1, "{}", rest.counts.doers);
}

#[test]
fn an_alert_that_goes_on_over_midnight_keeps_its_id_and_one_that_rested_does_not() {
    let ids = |times: &[u64]| {
        let mut folder = Folder::default();
        let fold = |at: &u64| folder.fold(alert(*at, Severity::High, *at), &sight(*at, &format!("W{at}"), "F1"));
        let ids: BTreeSet<String> = times.iter().flat_map(fold).map(|sent| sent.alert.uid).collect();
        ids
    };
    let of = |at| Alert::identity("m.r", "W1", UnixSeconds(at), PERIOD_S).0;
    assert_eq!(ids(&[DAY - 600, DAY + 600, DAY + 50_000]), BTreeSet::from([of(DAY - 1)]));
    assert_eq!(ids(&[DAY - 600, DAY + QUIET_S]), BTreeSet::from([of(DAY - 1), of(DAY)]));
    assert_eq!(ids(&[DAY - 90_000, DAY - 600, DAY + 600]), BTreeSet::from([of(DAY - 90_000), of(DAY - 1)]));
    let hourly: Vec<u64> = (0..24 * 20).map(|hour| DAY + hour * 3_600).collect();
    assert_eq!(ids(&hourly).len(), 3, "what never ends is told anew each week");
    let mut folder = Folder::default();
    let end = |folder: &mut Folder, at: u64| {
        let sent = folder.fold(alert(at, Severity::High, at), &sight(at, &format!("W{at}"), "F1")).remove(0).alert;
        sent.period_start.plus(sent.period_s).0
    };
    assert_eq!((end(&mut folder, DAY - 600), end(&mut folder, DAY + 600)), (DAY, DAY + PERIOD_S));
}

#[test]
fn old_windows_that_are_read_late_fold_as_they_would_have() {
    let mut folder = Folder::default();
    let mut sent = Vec::new();
    for i in 0..60 {
        let at = DAY + i * 60;
        let late = Sight { newest: UnixSeconds(DAY + 30 * PERIOD_S), ..sight(at, "W1", &format!("F{i}")) };
        sent.extend(step(&mut folder, alert(at, Severity::Low, i), &late));
        folder.expire(late.newest);
    }
    assert_eq!(sent.iter().map(|sent| sent.alert.revision).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

/// Alerts of different keys, each an hour after the one before; what was sent, and how many are open and set aside.
fn flood(swept_every: u64) -> (Vec<(String, u32)>, usize, usize) {
    let mut folder = Folder { most: 20, ..Folder::default() };
    let mut sent = vec![];
    for i in 0..200 {
        let at: u64 = DAY + i * 900;
        // Every third joins one that came ten before.
        let key = if i % 3 == 0 { i.saturating_sub(10) } else { i };
        let mut new = alert(at, Severity::Low, i);
        new.dedup_key = format!("W{key}");
        (new.uid, _) = Alert::identity("m.r", &new.dedup_key, UnixSeconds(at), PERIOD_S);
        let news = step(&mut folder, new, &sight(at, "W1", &format!("F{i}")));
        sent.extend(news.into_iter().map(|sent| (sent.alert.uid, sent.alert.revision)));
        assert!(folder.open.len() - folder.aside.len() <= 20 && folder.aside.len() <= 180);
        if i % swept_every == 0 {
            folder.expire(UnixSeconds(at));
        }
    }
    (sent, folder.open.len(), folder.aside.len())
}

#[test]
fn open_alerts_are_bounded_and_sweeps_show_in_nothing_sent() {
    let (sent, open, aside) = flood(1_000);
    assert!(open - aside > 10, "the oldest go, and only a tenth at once: {open} - {aside}");
    let different: BTreeSet<&(String, u32)> = sent.iter().collect();
    assert_eq!(different.len(), sent.len(), "no revision number comes twice");
    for every in [1, 7] {
        assert_eq!(flood(every).0, sent, "swept every {every}");
    }
}

#[test]
fn what_is_set_aside_for_room_keeps_its_severity_and_goes_on_counting() {
    let mut folder = Folder { most: 10, ..Folder::default() };
    folder.fold(alert(DAY, Severity::High, 0), &sight(DAY, "W1", "F0"));
    folder.fold(alert(DAY + 1, Severity::Low, 1), &sight(DAY + 1, "W1", "F1"));
    let mut early = Vec::new();
    for i in 2..40 {
        let mut new = alert(DAY + i, Severity::Low, i);
        new.dedup_key = format!("W{i}");
        (new.uid, _) = Alert::identity("m.r", &new.dedup_key, UnixSeconds(DAY + i), PERIOD_S);
        early.extend(folder.fold(new, &sight(DAY + i, "W1", "F1")).into_iter().filter(|s| s.alert.dedup_key == "W1"));
    }
    assert_eq!(early.iter().map(|sent| (sent.alert.revision, sent.alert.findings)).collect::<Vec<_>>(), [(2, 2)]);
    let back = folder.fold(alert(DAY + 50, Severity::Low, 50), &sight(DAY + 50, "W9", "F1")).pop().unwrap().alert;
    assert_eq!((back.revision, back.severity, &*back.title, back.findings), (3, Severity::High, "High 0", 3));
    assert_eq!(back.counts.objects, 2);
}

#[test]
fn open_alerts_survive_a_restart_and_end_after_the_late_allowance() {
    let mut folder = Folder::default();
    folder.fold(alert(DAY, Severity::Low, 1), &sight(DAY, "W1", "F1"));
    let mut again = Folder::default();
    folder.take_changes().iter().for_each(|op| again.load(op.row().unwrap()).unwrap());
    assert!(again.take_changes().is_empty());
    assert_eq!(
        again.fold(alert(DAY + 1, Severity::Low, 2), &sight(DAY + 1, "W1", "F1")),
        [],
        "folded, not opened anew"
    );
    assert_eq!(again.rest(UnixSeconds(DAY + 1 + QUIET_S), UnixMillis(0)).len(), 1);
    again.expire(UnixSeconds(DAY + PERIOD_S + LATE_S.max(RECURS_S) + 1));
    assert!(again.open.is_empty() && again.by_key.is_empty() && again.due.is_empty());
}

#[test]
fn a_row_that_says_too_little_is_forgotten_and_says_so() {
    let alone = StateOp::put(ALERTS, b"gw-1", &alert(DAY, Severity::High, 1));
    let mut folder = Folder::default();
    let forgotten = folder.load(alone.row().unwrap()).unwrap_err();
    assert_eq!((forgotten.part, folder.open.len()), ("open alerts", 0));
}

#[test]
fn an_event_cited_twice_is_counted_once() {
    let mut folder = Folder::default();
    folder.fold(alert(DAY, Severity::Low, 7), &sight(DAY, "W1", "F1"));
    let again = folder.fold(alert(DAY, Severity::Low, 7), &sight(DAY, "W2", "F1")).remove(0).alert;
    assert_eq!((again.findings, again.evidence_total), (2, 1));
}

#[test]
fn an_alert_takes_in_the_labels_of_its_findings() {
    let mut folder = Folder::default();
    let mut labels = BTreeMap::new();
    for (i, (app, seen)) in [("A1", "3"), ("A2", "4"), ("A1", "5")].into_iter().enumerate() {
        let mut alert = alert(DAY, Severity::Low, i as u64);
        alert.labels = [("app".into(), app.into()), ("seen".into(), seen.into())].into();
        let sent = folder.fold(alert, &sight(DAY, &format!("W{i}"), "F1"));
        labels = sent.into_iter().next().unwrap().alert.labels;
    }
    assert_eq!((labels["app"].as_str(), labels["seen"].as_str()), ("A1, A2", "5"));
}

#[test]
fn rungs_are_two_five_ten() {
    let rungs: Vec<u64> = [0, 1, 2, 3, 4, 5, 9, 10, 19, 20, 50, 99, 100, 250, 1_000].map(rung).into();
    assert_eq!(rungs, [0, 0, 2, 2, 2, 5, 5, 10, 10, 20, 50, 50, 100, 200, 1_000]);
    assert_eq!([1, 9, 10, 99, 100].map(power_of_ten), [0, 0, 10, 10, 100]);
}

/// Findings each day in the same hour, as many as make a habit, each with what decides whether it is news; uids, and the news of each revision.
fn daily(days: impl Iterator<Item = (u64, Sight)>, severity: Severity) -> (BTreeSet<String>, Vec<Vec<String>>) {
    let (mut folder, mut uids, mut news) = (Folder::default(), BTreeSet::new(), Vec::new());
    for (i, (day, sight)) in days.enumerate() {
        for n in 0..HABIT {
            let at = DAY + day * PERIOD_S + n * 60;
            let sight = Sight { at: UnixSeconds(at), newest: UnixSeconds(at), ..sight.clone() };
            for sent in step(&mut folder, alert(at, severity, i as u64 * HABIT + n), &sight) {
                uids.insert(sent.alert.uid);
                news.push(sent.alert.news);
            }
        }
    }
    (uids, news)
}

#[test]
fn what_is_as_it_was_yesterday_goes_on_and_says_so_ever_more_rarely() {
    let same = || sight(0, "W1", "W1");
    let (uids, news) = daily((0..20).map(|day| (day, same())), Severity::High);
    assert_eq!(uids.len(), 1);
    let goes_on: Vec<&String> = news.iter().flatten().filter(|text| text.contains("goes on as before")).collect();
    assert_eq!(goes_on.len(), 4, "on days 2, 5, 10 and 20: {goes_on:?}");
    let over_a_weekend = daily([(0, same()), (3, same()), (6, same())].into_iter(), Severity::High);
    assert_eq!(over_a_weekend.0.len(), 1);
    assert_eq!(daily([(0, same()), (4, same())].into_iter(), Severity::High).0.len(), 2, "it had ended");
    let a_month = daily((0..40).map(|day| (day, same())), Severity::High);
    assert_eq!(a_month.0.len(), 2, "after a month it is told anew");
}

#[test]
fn what_is_new_in_any_way_is_told_as_something_new() {
    let same = || sight(0, "W1", "W1");
    let from = |address: &str| Sight { address: address.into(), ..same() };
    let with = |value: &str| Sight { values: vec![("reasons".into(), value.into())], ..same() };
    let first = [(0, from("198.51.100.7")), (1, from("198.51.100.9"))];
    assert_eq!(daily(first.into_iter(), Severity::High).0.len(), 1, "the same network");
    for (why, second) in [
        ("somebody else", sight(0, "W2", "W1")),
        ("from elsewhere", from("203.0.113.7")),
        ("for another reason", with("tor")),
        ("on something else, of a rule that counts nothing", sight(0, "W1", "A2")),
    ] {
        let days = [(0, same()), (1, second)];
        assert_eq!(daily(days.into_iter(), Severity::High).0.len(), 2, "{why}");
    }
    let graver = |severity| {
        let mut folder = Folder::default();
        for n in 0..HABIT {
            step(&mut folder, alert(DAY + n, Severity::Low, n), &sight(DAY + n, "W1", "W1"));
        }
        let at = DAY + PERIOD_S;
        step(&mut folder, alert(at, severity, 99), &sight(at, "W1", "W1")).pop().map(|sent| sent.alert.severity)
    };
    assert_eq!((graver(Severity::Low), graver(Severity::Medium)), (Some(Severity::Low), Some(Severity::Medium)));
    let mut folder = Folder::default();
    let once = |day: u64| (alert(DAY + day * PERIOD_S, Severity::High, day), sight(DAY + day * PERIOD_S, "W1", "W1"));
    let uids: BTreeSet<String> = (0..4)
        .flat_map(|day| {
            let (alert, sight) = once(day);
            step(&mut folder, alert, &sight)
        })
        .map(|sent| sent.alert.uid)
        .collect();
    assert_eq!(uids.len(), 4, "one act a day is no habit: each is told");
}

#[test]
fn what_a_rule_counts_goes_on_with_other_things_and_says_so_each_day() {
    let files = |day: u64| Sight { counted: 30, ..sight(0, "W1", &format!("F{day}")) };
    let (uids, news) = daily((0..4).map(|day| (day, files(day))), Severity::Medium);
    let goes_on = news.iter().flatten().filter(|text| text.contains("goes on as before")).count();
    assert_eq!((uids.len(), goes_on), (1, 3));
}

#[test]
fn what_is_medium_once_is_high_when_it_is_done_to_many_things() {
    let severities = |most: Option<Severity>, severity: Severity| {
        let mut folder = Folder::default();
        let mut all: Vec<Severity> = Vec::new();
        let mut reason = String::new();
        for i in 0..40 {
            let at = DAY + i * 10;
            let sight = Sight { most, ..sight(at, "W1", &format!("C{i}")) };
            for sent in step(&mut folder, alert(at, severity, i), &sight) {
                all.push(sent.alert.severity);
                reason = sent.alert.reason;
            }
        }
        (all, reason)
    };
    let (medium, high) = (Severity::Medium, Severity::High);
    let (told, reason) = severities(Some(high), medium);
    assert_eq!(told, [medium, high], "at once, and not again for each one more");
    assert!(reason.contains("20 different things"), "{reason}");
    assert_eq!(severities(Some(medium), medium).0, [medium], "never above what the rule says of itself");
    assert_eq!(severities(Some(high), Severity::Low).0, [Severity::Low]);
}

#[test]
fn what_a_rule_counts_is_graver_at_five_times_what_it_told_first() {
    let severities = |files: u64| {
        let mut folder = Folder::default();
        let told = (30..=files).flat_map(|counted| {
            let at = DAY + counted * 10;
            let sight = Sight { most: Some(Severity::High), counted, ..sight(at, "W1", &format!("F{counted}")) };
            step(&mut folder, alert(at, Severity::Medium, counted), &sight)
        });
        told.map(|sent| sent.alert.severity).max()
    };
    assert_eq!(severities(149), Some(Severity::Medium));
    assert_eq!(severities(150), Some(Severity::High));
}
