//! Windows by property: each kind beside a naive model, over events that come late, out of order and at the same time;
//! restarts, sweeps and batches that must not show.

use super::tests::{Watched, manifest};
use super::*;
use gridwatch_event::entry::Entry;
use gridwatch_event::network::{Networks, Place};
use gridwatch_event::time::UnixMillis;
use gridwatch_manifest::Manifest;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const SPAN_S: u64 = 60;
const MIN_KM: f64 = 500.0;
const ACTIONS: [&str; 3] = ["user_login_failed", "user_login", "file_downloaded"];
const PLACES: [Option<(f64, f64)>; 4] =
    [Some((52.52, 13.405)), Some((48.8566, 2.3522)), Some((-33.8688, 151.2093)), None];

const TABLES: &str = r#"
    [[window]]
    name = "count"
    kind = "count"
    actions = ["user_login_failed"]
    not = { "context.ip_address" = ["10.0.0.1"] }
    key = ["actor.id"]
    span = "60s"
    [[window]]
    name = "distinct"
    kind = "distinct"
    of = "entity.id"
    actions = ["file_downloaded"]
    key = ["actor.id"]
    span = "60s"
    [[window]]
    name = "sequence"
    kind = "sequence"
    steps = [
      { actions = ["user_login_failed"], at_least = 2, key = ["entity.id"] },
      { actions = ["user_login"], key = ["actor.id"] },
      { actions = ["file_downloaded"], distinct = "context.ip_address", at_least = 2, key = ["actor.id"] },
    ]
    span = "60s"
    [[window]]
    name = "travel"
    kind = "travel"
    actions = ["user_login"]
    key = ["actor.id"]
    span = "60s"
    [[window]]
    name = "first"
    kind = "first_seen"
    actions = ["user_login"]
    key = ["actor.id"]
    span = "60s"
    learn = "30s"
    [[window]]
    name = "last"
    kind = "last_seen"
    actions = ["user_login"]
    key = ["actor.id"]
    span = "60s"
    [[window]]
    name = "busy"
    kind = "count"
    actions = ["file_downloaded"]
    when = [{ window = "distinct", at_least = 2 }]
    key = ["actor.id"]
    span = "60s"
    [[window]]
    name = "turns"
    kind = "turns"
    of = "entity.id"
    actions = ["file_downloaded"]
    key = ["actor.id"]
    span = "60s"
"#;

const BASELINE: &str = r#"
    [[window]]
    name = "w"
    kind = "baseline"
    bucket = "1h"
    percentile = 75
    actions = ["file_downloaded"]
    key = ["actor.id"]
    span = "2d"
    learn = "6h"
    [[window]]
    name = "files"
    kind = "baseline"
    of = "entity.id"
    bucket = "1h"
    percentile = 75
    actions = ["file_downloaded"]
    key = ["actor.id"]
    span = "2d"
    learn = "6h"
"#;

/// What a period of three hours holds, what is usual, and of how many periods that is made: of events, then of files.
const PERIODS: &str = r#"
    [[window]]
    name = "now"
    kind = "baseline"
    says = "now"
    bucket = "1h"
    period = "3h"
    actions = ["file_downloaded"]
    key = ["actor.id"]
    span = "24h"
    [[window]]
    name = "usual"
    kind = "baseline"
    bucket = "1h"
    period = "3h"
    actions = ["file_downloaded"]
    key = ["actor.id"]
    span = "24h"
    learn = "8h"
    [[window]]
    name = "periods"
    kind = "baseline"
    says = "periods"
    bucket = "1h"
    period = "3h"
    actions = ["file_downloaded"]
    key = ["actor.id"]
    span = "24h"
    [[window]]
    name = "files_now"
    kind = "baseline"
    says = "now"
    of = "entity.id"
    bucket = "1h"
    period = "3h"
    actions = ["file_downloaded"]
    key = ["actor.id"]
    span = "24h"
    [[window]]
    name = "files_usual"
    kind = "baseline"
    of = "entity.id"
    bucket = "1h"
    period = "3h"
    actions = ["file_downloaded"]
    key = ["actor.id"]
    span = "24h"
    learn = "8h"
    [[window]]
    name = "files_periods"
    kind = "baseline"
    says = "periods"
    of = "entity.id"
    bucket = "1h"
    period = "3h"
    actions = ["file_downloaded"]
    key = ["actor.id"]
    span = "24h"
    [[window]]
    name = "hours"
    kind = "baseline"
    bucket = "1h"
    period = "1h"
    not_above = 2
    actions = ["file_downloaded"]
    key = ["actor.id"]
    span = "24h"
    learn = "8h"
"#;

/// One event in small numbers.
#[derive(Clone, Copy, Debug)]
struct Act {
    time: u64,
    action: usize,
    actor: u8,
    entity: u8,
    ip: usize,
}

impl Act {
    fn event(&self, seq: usize) -> Event {
        let Self { time, action, actor, entity, ip } = *self;
        let raw = format!(
            r#"{{"id":"id-{seq}","date_create":{time},"action":"{}","actor":{{"type":"user","user":{{"id":"W{actor}"}}}},
                "entity":{{"type":"file","file":{{"id":"W{entity}"}}}},"context":{{"ip_address":"10.0.0.{ip}"}}}}"#,
            ACTIONS[action]
        );
        Event::new(seq as u64, UnixMillis(0), &Entry::from_json(&raw))
    }

    fn place(&self) -> Option<Place> {
        PLACES[self.ip].map(|(latitude, longitude)| Place { latitude, longitude })
    }
}

fn networks() -> Networks {
    let place = |at: Option<(f64, f64)>| at.map_or(",".into(), |(north, east)| format!("{north},{east}"));
    let lines = PLACES.iter().enumerate().map(|(i, at)| format!("10.0.0.{i}/32,AS1,,{}", place(*at)));
    Networks::parse(&lines.collect::<Vec<_>>().join("\n")).unwrap()
}

/// Mostly within two spans; now and then so much later that what came before is forgotten.
fn acts(times: impl Strategy<Value = u64>) -> impl Strategy<Value = Vec<Act>> {
    let act = (times, 0..3_usize, 0..2_u8, 0..3_u8, 0..4_usize);
    prop::collection::vec(
        act.prop_map(|(time, action, actor, entity, ip)| Act { time, action, actor, entity, ip }),
        1..40,
    )
}

/// Mostly downloads, in the usual order as often as not.
fn busy(times: impl Strategy<Value = u64>) -> impl Strategy<Value = Vec<Act>> {
    let act = (times, prop::sample::select(vec![2, 2, 2, 2, 0]), prop::sample::select(vec![0, 0, 1]), 0..5_u8);
    let act = act.prop_map(|(time, action, actor, entity)| Act { time, action, actor, entity, ip: 0 });
    (prop::collection::vec(act, 1..60), any::<bool>()).prop_map(|(mut acts, is_in_order)| {
        if is_in_order {
            acts.sort_by_key(|act| act.time);
        }
        acts
    })
}

fn seconds() -> impl Strategy<Value = u64> {
    (0..150_u64, prop::sample::select(vec![0, 0, 0, LATE_S + SPAN_S])).prop_map(|(near, far)| 1_000 + near + far)
}

fn hours() -> impl Strategy<Value = u64> {
    (0..120_u64, 0..3_600_u64).prop_map(|(hour, second)| 1_000 * 3_600 + hour * 3_600 + second)
}

/// Which bounds are so narrow that keys are dropped all the time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Narrow {
    None,
    EachKind,
    All,
}

impl Narrow {
    const EVERY: [Self; 3] = [Self::None, Self::EachKind, Self::All];
    const BYTES: usize = 6_000;
}

fn watched(manifest: &Manifest, narrow: Narrow) -> Watched {
    let mut watched = Watched::of(manifest);
    watched.networks = networks();
    watched.windows.counted.many = 2;
    match narrow {
        Narrow::None => {}
        Narrow::EachKind => {
            (watched.windows.table.max_keys, watched.windows.table.max_hits) = (2, 5);
        }
        Narrow::All => watched.windows.keep_at_most(Narrow::BYTES),
    }
    watched
}

fn run(manifest: &Manifest, acts: &[Act], narrow: Narrow) -> Vec<Vec<u64>> {
    let mut watched = watched(manifest, narrow);
    acts.iter().enumerate().map(|(i, act)| watched.read_all(&act.event(i + 1))).collect()
}

/// What is known when it is one event's turn.
struct Model<'a> {
    /// The event and those that came before it.
    known: &'a [Act],
}

impl Model<'_> {
    fn now(&self) -> Act {
        *self.known.last().unwrap()
    }

    fn newest(&self) -> u64 {
        self.known.iter().map(|act| act.time).max().unwrap()
    }

    /// Positions of the acts that are alive and fit, in order of time and arrival.
    fn hits(&self, fits: impl Fn(&Act) -> bool) -> Vec<usize> {
        let alive = |act: &Act| act.time + SPAN_S + LATE_S >= self.newest();
        let mut hits: Vec<usize> =
            (0..self.known.len()).filter(|i| alive(&self.known[*i]) && fits(&self.known[*i])).collect();
        hits.sort_by_key(|i| (self.known[*i].time, *i));
        hits
    }

    /// The most that `weigh` says of any stretch of a span that contains the time of the event.
    fn most(&self, hits: &[usize], weigh: impl Fn(&[usize]) -> usize) -> u64 {
        let now = self.now().time;
        let stretch = |from: u64| -> Vec<usize> {
            hits.iter().copied().filter(|i| (from..from + SPAN_S).contains(&self.known[*i].time)).collect()
        };
        (now + 1 - SPAN_S..=now).map(|from| weigh(&stretch(from))).max().unwrap() as u64
    }

    fn count(&self) -> u64 {
        let actor = self.now().actor;
        self.most(&self.hits(|a| a.action == 0 && a.ip != 1 && a.actor == actor), <[usize]>::len)
    }

    fn distinct(&self) -> u64 {
        let actor = self.now().actor;
        let values = |run: &[usize]| run.iter().map(|i| self.known[*i].entity).collect::<BTreeSet<_>>().len();
        self.most(&self.hits(|a| a.action == 2 && a.actor == actor), values)
    }

    fn turns(&self) -> u64 {
        let actor = self.now().actor;
        let turns =
            |run: &[usize]| run.windows(2).filter(|w| self.known[w[0]].entity != self.known[w[1]].entity).count();
        self.most(&self.hits(|a| a.action == 2 && a.actor == actor), turns)
    }

    /// Every start, every key that the event fed.
    fn sequence(&self) -> u64 {
        let own = self.known.len() - 1;
        let keys: BTreeSet<u8> = [if self.now().action == 0 { self.now().entity } else { self.now().actor }].into();
        let chains = keys.iter().flat_map(|key| {
            let hits = self.hits(|a| if a.action == 0 { a.entity == *key } else { a.actor == *key });
            (0..hits.len()).map(move |start| hits[start..].to_vec())
        });
        let steps = chains.map(|run| {
            let from = self.known[run[0]].time;
            let run = run.into_iter().filter(|i| self.known[*i].time < from + SPAN_S).collect::<Vec<_>>();
            let (done, chain) = self.chain(&run);
            if chain.contains(&own) { done } else { 0 }
        });
        steps.max().unwrap_or(0)
    }

    fn chain(&self, run: &[usize]) -> (u64, Vec<usize>) {
        let (mut done, mut in_step, mut ips, mut chain) = (0, 0, BTreeSet::new(), vec![]);
        for i in run {
            let act = self.known[*i];
            if done == act.action as u64 && (done < 2 || ips.insert(act.ip)) {
                chain.push(*i);
                in_step += 1;
                if in_step == [2, 1, 2][act.action] {
                    (done, in_step) = (done + 1, 0);
                }
            }
        }
        (done, chain)
    }

    fn travel(&self) -> u64 {
        let (now, own) = (self.now(), self.known.len() - 1);
        let Some(here) = now.place() else { return 0 };
        let hits = self.hits(|a| a.action == 1 && a.actor == now.actor && a.place().is_some());
        let order = |i: usize| (self.known[i].time, i);
        let near = |i: &&usize| **i != own && self.known[**i].time.abs_diff(now.time) < SPAN_S;
        let before = hits.iter().rev().filter(near).find(|i| order(**i) < order(own));
        let after = hits.iter().filter(near).find(|i| order(**i) > order(own));
        let speed = |i: &usize| {
            let km = here.km_to(self.known[*i].place().unwrap());
            let hours = self.known[*i].time.abs_diff(now.time).max(1) as f64 / 3_600.0;
            if km < MIN_KM { 0.0 } else { km / hours }
        };
        before.into_iter().chain(after).map(speed).fold(0.0, f64::max) as u64
    }

    /// What was counted in an hour when it came: its number and the file.
    fn counted(&self) -> Vec<(u64, u8)> {
        let (actor, mut newest) = (self.now().actor, 0);
        let mut counted = Vec::new();
        for act in self.known {
            newest = newest.max(act.time);
            let hour = act.time / 3_600;
            if act.action == 2 && act.actor == actor && (hour + 1) * 3_600 + LATE_S >= newest {
                counted.push((hour, act.entity));
            }
        }
        counted
    }

    fn amount(counted: &[(u64, u8)], of_files: bool, hours: std::ops::RangeInclusive<u64>) -> u64 {
        let files = counted.iter().filter(|(hour, _)| hours.contains(hour)).map(|(_, file)| file);
        (if of_files { files.collect::<BTreeSet<_>>().len() } else { files.count() }) as u64
    }

    fn period_now(&self, of_files: bool) -> u64 {
        let (own, counted) = (self.now().time / 3_600, self.counted());
        let is_too_late = (own + 1) * 3_600 + LATE_S < self.newest();
        let ends = own..own + if is_too_late { 0 } else { 3 };
        ends.map(|end| Self::amount(&counted, of_files, end - 2..=end)).max().unwrap_or(0)
    }

    /// Amounts of the periods before the event's, from the newest on.
    fn former(&self, of_files: bool, length: u64) -> Vec<u64> {
        let (own, counted) = (self.now().time / 3_600, self.counted());
        let mut until = own + 1 - length;
        let oldest = (until - 24).max(self.known[0].time.div_ceil(3_600));
        let mut amounts = Vec::new();
        while let Some(end) = counted.iter().map(|(hour, _)| *hour).filter(|hour| *hour < until).max() {
            let first = end + 1 - length;
            let dies = (first + 1 + length - 1 + 24) * 3_600 + LATE_S;
            if first < oldest || dies < self.newest() {
                break;
            }
            amounts.push(Self::amount(&counted, of_files, first..=end));
            until = first;
        }
        amounts
    }

    fn usual(&self, mut amounts: Vec<u64>) -> u64 {
        if self.now().time.saturating_sub(self.known[0].time) < 8 * 3_600 {
            return NOT_YET;
        }
        amounts.sort_unstable();
        let middle = amounts.len().div_ceil(2);
        if middle == 0 { 0 } else { amounts[middle - 1] }
    }

    /// Each amount is left out that is over twice the median of those that weren't before it: the first three in a row.
    fn without_the_unlike(former: &[u64]) -> Vec<u64> {
        let median = |of: &[u64]| {
            let mut sorted = of.to_vec();
            sorted.sort_unstable();
            sorted[sorted.len().div_ceil(2) - 1]
        };
        let (mut kept, mut out) = (vec![], vec![]);
        for amount in former.iter().rev() {
            let is_unlike = kept.len() >= 3 && *amount > 2 * median(&kept);
            match (is_unlike, out.len()) {
                (true, ..3) => out.push(*amount),
                (true, _) => {
                    kept.append(&mut out);
                    kept.push(*amount);
                }
                (false, _) => {
                    out.clear();
                    kept.push(*amount);
                }
            }
        }
        kept
    }

    fn baseline(&self, of_files: bool) -> u64 {
        let now = self.now();
        if now.time.saturating_sub(self.known[0].time) < 6 * 3_600 {
            return NOT_YET;
        }
        let (own, span) = (now.time / 3_600, 48);
        let mut counts: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        for (i, act) in self.known.iter().enumerate() {
            let (bucket, newest) = (act.time / 3_600, self.known[..=i].iter().map(|a| a.time).max().unwrap());
            let in_time = (bucket + 1) * 3_600 + LATE_S >= newest;
            let alive = (bucket + 1 + span) * 3_600 + LATE_S >= self.newest();
            if act.action == 2 && act.actor == now.actor && (own - span..own).contains(&bucket) && in_time && alive {
                counts.entry(bucket).or_default().push(act.entity);
            }
        }
        let count = |files: &Vec<u8>| if of_files { files.iter().collect::<BTreeSet<_>>().len() } else { files.len() };
        let mut counts: Vec<usize> = counts.values().map(count).collect();
        counts.sort_unstable();
        let rank = (counts.len() as f64 * 0.75).ceil() as usize;
        if rank == 0 { 0 } else { counts[rank - 1] as u64 }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn each_kind_says_what_its_naive_model_says(acts in acts(seconds())) {
        let got = run(&manifest(TABLES), &acts, Narrow::None);
        for (i, values) in got.iter().enumerate() {
            let model = Model { known: &acts[..=i] };
            prop_assert_eq!(values[0], model.count(), "count at {}", i);
            prop_assert_eq!(values[1], model.distinct(), "distinct at {}", i);
            prop_assert_eq!(values[2], model.sequence(), "sequence at {}", i);
            prop_assert_eq!(values[7], model.turns(), "turns at {}", i);
            let travel = model.travel();
            prop_assert!(values[3].abs_diff(travel) <= travel / 1_000 + 1, "travel at {}: {} {}", i, values[3], travel);
        }
    }

    #[test]
    fn a_baseline_says_what_its_naive_model_says(acts in acts(hours())) {
        let got = run(&manifest(BASELINE), &acts, Narrow::None);
        for (i, values) in got.iter().enumerate() {
            let model = Model { known: &acts[..=i] };
            prop_assert_eq!(values[0], model.baseline(false), "events at {}", i);
            prop_assert_eq!(values[1], model.baseline(true), "files at {}", i);
        }
    }

    #[test]
    fn a_period_and_those_before_it_are_what_their_naive_model_says(acts in busy(hours())) {
        let got = run(&manifest(PERIODS), &acts, Narrow::None);
        for (i, values) in got.iter().enumerate() {
            let model = Model { known: &acts[..=i] };
            for (of_files, values) in [(false, &values[..3]), (true, &values[3..6])] {
                let former = model.former(of_files, 3);
                prop_assert_eq!(values[0], model.period_now(of_files), "now at {}, files {}", i, of_files);
                prop_assert_eq!(values[1], model.usual(former.clone()), "usual at {}, files {}", i, of_files);
                prop_assert_eq!(values[2], former.len() as u64, "periods at {}, files {}", i, of_files);
            }
            let kept = Model::without_the_unlike(&model.former(false, 1));
            prop_assert_eq!(values[6], model.usual(kept), "hours at {}", i);
        }
    }

    #[test]
    fn in_order_the_seen_kinds_are_the_group_of_sightings_without_a_gap(mut acts in acts(seconds())) {
        acts.sort_by_key(|act| act.time);
        for (i, values) in run(&manifest(TABLES), &acts, Narrow::None).iter().enumerate() {
            let now = acts[i];
            let before: Vec<u64> = acts[..i].iter().filter(|a| a.action == 1 && a.actor == now.actor).map(|a| a.time).collect();
            let last = before.last().copied().filter(|last| now.time <= last + SPAN_S);
            let gap = (1..before.len()).rev().find(|at| before[*at] > before[at - 1] + SPAN_S).unwrap_or(0);
            let first = last.map(|_| before[gap]);
            let never = if now.time - acts[0].time < 30 { LEARNING } else { NEVER };
            prop_assert_eq!(values[4], first.map_or(never, |first| first * 1_000), "first at {}", i);
            prop_assert_eq!(values[5], last.map_or(NEVER, |last| last * 1_000), "last at {}", i);
        }
    }

    #[test]
    fn restarts_and_batches_show_in_no_value(
        seconds in acts(seconds()),
        hours in busy(hours()),
        does in prop::collection::vec(0..4_u8, 60),
    ) {
        let runs = Narrow::EVERY.into_iter().flat_map(|narrow| [(TABLES, &seconds, narrow), (BASELINE, &hours, narrow), (PERIODS, &hours, narrow)]);
        for (tables, acts, narrow) in runs {
            let manifest = manifest(tables);
            let want = run(&manifest, acts, narrow);
            let mut watched = watched(&manifest, narrow);
            let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
            for (i, act) in acts.iter().enumerate() {
                prop_assert_eq!(&watched.read_all(&act.event(i + 1)), &want[i], "at {}", i);
                if does[i] & 1 != 0 {
                    save(&mut watched.windows, &mut rows);
                }
                if does[i] & 2 != 0 {
                    save(&mut watched.windows, &mut rows);
                    watched = restarted(&manifest, &rows, &acts[..=i], narrow);
                }
            }
        }
    }

    #[test]
    fn what_a_bound_says_is_or_is_not_reached_is_so(
        acts in prop_oneof![acts(seconds()), busy(seconds())],
        is_read in prop::collection::vec(prop::bool::weighted(0.3), 60),
        narrow in prop::sample::select(Narrow::EVERY.to_vec()),
    ) {
        let manifest = manifest(TABLES);
        // What one says was counted lately, the other doesn't know.
        let (mut asked, mut told) = (watched(&manifest, narrow), watched(&manifest, narrow));
        for (i, act) in acts.iter().enumerate() {
            let event = act.event(i + 1);
            let values = told.read_all(&event);
            asked.directory.learn(&event);
            let reading = Reading::of(&event, &asked.directory, &asked.networks);
            asked.windows.feed(&reading);
            let seeing = asked.windows.seeing(&reading, asked.windows.clock.newest);
            for (position, value) in asked.positions.iter().zip(values) {
                let window = &asked.windows.windows[*position];
                for number in 1..9 {
                    if let Some(reaches) = kind::reaches((*position, window), number, &seeing) {
                        prop_assert_eq!(reaches, value >= number, "{} at {}: {} of {}", window.spec.name, i, number, value);
                    }
                }
                if is_read[i] {
                    prop_assert_eq!(seeing.value(*position), value);
                }
            }
        }
    }

    #[test]
    fn evidence_is_the_same_asked_at_once_and_at_the_end_of_a_batch(acts in acts(seconds()), narrow in prop::sample::select(Narrow::EVERY.to_vec())) {
        let manifest = manifest(TABLES);
        let events: Vec<Event> = acts.iter().enumerate().map(|(i, act)| act.event(i + 1)).collect();
        let ids = |watched: &Watched, event: &Event| {
            let reading = Reading::of(event, &watched.directory, &watched.networks);
            let stubs = watched.positions.iter().map(|at| watched.windows.evidence(*at, &reading, 50));
            stubs.map(|stubs| stubs.iter().map(|stub| stub.seq).collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        let mut watched = watched(&manifest, narrow);
        let mut at_once = vec![];
        for event in &events {
            let values = watched.read_all(event);
            let evidence = ids(&watched, event);
            prop_assert_eq!(values[0], evidence[0].len() as u64);
            prop_assert_eq!(values[1], evidence[1].len() as u64);
            at_once.push(evidence);
        }
        let at_the_end: Vec<_> = events.iter().map(|event| ids(&watched, event)).collect();
        prop_assert_eq!(at_once, at_the_end);
    }
}

fn save(windows: &mut Windows, rows: &mut BTreeMap<Vec<u8>, Vec<u8>>) {
    for op in windows.take_changes() {
        match op.value.unwrap() {
            Some(value) => rows.insert(op.key, value),
            None => rows.remove(&op.key),
        };
    }
}

fn restarted(manifest: &Manifest, rows: &BTreeMap<Vec<u8>, Vec<u8>>, so_far: &[Act], narrow: Narrow) -> Watched {
    let mut watched = watched(manifest, narrow);
    let page = |key, value| state::StateRow::open(key, value).unwrap();
    rows.iter().for_each(|(key, value)| watched.windows.load(page(key, value)).unwrap());
    watched.windows.resume_at(UnixSeconds(so_far.iter().map(|act| act.time).max().unwrap()));
    watched
}
