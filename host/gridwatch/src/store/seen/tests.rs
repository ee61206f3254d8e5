//! What was seen, over days, restarts and damage.

use super::*;
use crate::store::rows::SEEN;
use crate::store::{Opened, Store};
use gridwatch_event::org::OrgId;
use gridwatch_event::range::Range;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::path::Path;

const NOW: UnixMillis = UnixMillis(1_794_000_000_000);

fn store() -> (tempfile::TempDir, OrgStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir.path().join("store"));
    (dir, store)
}

fn opened(path: &std::path::Path) -> OrgStore {
    let Opened::Store(store) = Store::open(path, &[]).unwrap() else { panic!("it is of an older layout") };
    store.org(&OrgId::default()).unwrap()
}

fn see_at(store: &OrgStore, now: UnixMillis, raw: &[&str]) -> Vec<Sighting> {
    let entries: Vec<Entry> = raw.iter().map(|raw| Entry::from_json(raw)).collect();
    let arrivals = store.arrivals(&entries, now, |_| None).unwrap();
    let mut batch = Changes::default();
    let noted = arrivals.put(&mut batch, store).unwrap();
    store.rows.commit(batch).unwrap();
    store.keep_seen(noted);
    arrivals.each.iter().map(|arrival| arrival.sighting).collect()
}

fn see(store: &OrgStore, raw: &str) -> Sighting {
    see_at(store, NOW, &[raw])[0]
}

const A: &str = r#"{"id":"a","date_create":1793000000,"action":"user_login","n":1}"#;
const A_RESPELLED: &str = r#"{ "n":1.0, "action":"user\u005flogin","id":"a","date_create":1793000000,"x":null}"#;
const B: &str = r#"{"id":"a","date_create":1793000000,"action":"user_login","n":2}"#;
const OTHER_ACT: &str = r#"{"id":"a","date_create":1793000000,"action":"user_logout","n":2}"#;

#[test]
fn an_id_is_delivered_once_for_each_thing_it_says() {
    let (_dir, store) = store();
    let version = |number, other_act| Sighting::Version { number, other_act };
    for (raw, sighting) in [
        (A, Sighting::New),
        (A, Sighting::Again),
        (A_RESPELLED, Sighting::Respelled),
        (B, version(2, false)),
        (A, Sighting::Again),
        (B, Sighting::Again),
        (OTHER_ACT, version(3, true)),
        (A_RESPELLED, Sighting::Respelled),
    ] {
        assert_eq!(see(&store, raw), sighting, "{raw}");
    }
    let (_dir, store) = self::store();
    let all = [A, A_RESPELLED, B, A, B];
    let seen = see_at(&store, NOW, &all);
    let want = [Sighting::New, Sighting::Respelled, version(2, false), Sighting::Again, Sighting::Again];
    assert_eq!(seen, want, "in one page");
}

#[test]
fn without_an_id_an_entry_is_what_it_says() {
    let (_dir, store) = store();
    assert_eq!(see(&store, r#"{"action":"x","n":1}"#), Sighting::New);
    assert_eq!(see(&store, r#"{"n":1,"action":"x"}"#), Sighting::Respelled);
    assert_eq!(see(&store, r#"{"n":2,"action":"x"}"#), Sighting::New);
}

#[test]
fn versions_of_an_id_are_bounded() {
    let (_dir, store) = store();
    let seen: Vec<Sighting> = (0..40).map(|n| see(&store, &format!(r#"{{"id":"a","n":{n}}}"#))).collect();
    assert_eq!(seen.iter().filter(|sighting| sighting.is_delivered()).count(), MAX_VERSIONS);
    assert_eq!(seen[39], Sighting::TooMany);
}

fn day(n: u64) -> UnixMillis {
    UnixMillis(NOW.0 + n * DAY_MS)
}

fn sweep(store: &OrgStore, n: u64, walked: &[Range]) -> usize {
    store.forget_unseen_since(day(n).seconds().minus(14 * 86_400), walked).unwrap()
}

#[test]
fn an_id_is_forgotten_a_horizon_after_it_was_last_seen_whatever_its_date() {
    let (_dir, store) = store();
    let ancient = r#"{"id":"old","date_create":1500000000,"action":"x"}"#;
    assert_eq!(see_at(&store, day(0), &[ancient, A]), [Sighting::New, Sighting::New]);
    for n in 1..30 {
        sweep(&store, n, &[]);
        assert_eq!(see_at(&store, day(n), &[ancient])[0], Sighting::Again, "day {n}");
    }
    assert_eq!(see_at(&store, day(30), &[A])[0], Sighting::New, "not shown for a month");
    let walked = Range::new(UnixSeconds(1_499_999_999), UnixSeconds(1_500_000_001)).unwrap();
    assert_eq!(sweep(&store, 50, &[walked]), 1, "a walk may begin again");
    assert!(store.seen(&identity_of(&Entry::from_json(ancient))).unwrap().is_some());
    sweep(&store, 50, &[]);
    assert_eq!(store.scan(SEEN).count(), 0);
    assert_eq!(see_at(&store, day(50), &[ancient, A]), [Sighting::New, Sighting::New]);
}

/// Pages of a few ids that say various things, on days that go by, beside a plain map; now and then it is opened again.
#[test]
fn whatever_is_shown_when_nothing_is_new_twice_and_nothing_is_taken_for_what_it_is_not() {
    for seed in 0..12 {
        let mut dice = SmallRng::seed_from_u64(seed);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let mut store = opened(&path);
        // By id: what it said, and when it was shown last.
        let (mut model, mut today): (HashMap<u32, (Vec<u32>, u64)>, u64) = (HashMap::new(), 0);
        for _ in 0..60 {
            let ids = dice.random_range(1..600);
            let page: Vec<(u32, u32)> = (0..dice.random_range(1..400))
                .map(|_| (dice.random_range(0..ids), dice.random_range(0..20_u32).saturating_sub(17)))
                .collect();
            let raw: Vec<String> = page
                .iter()
                .map(|(id, says)| format!(r#"{{"id":"{id}","date_create":1793000000,"n":{says}}}"#))
                .collect();
            let seen = see_at(&store, day(today), &raw.iter().map(String::as_str).collect::<Vec<_>>());
            for ((id, says), sighting) in page.iter().zip(seen) {
                let (said, last) = model.entry(*id).or_default();
                // Between a horizon and some days more, it may be known or not.
                if sighting == Sighting::New && *last + 14 < today {
                    said.clear();
                }
                let want = match (said.contains(says), said.len()) {
                    (true, _) => Sighting::Again,
                    (false, 0) => Sighting::New,
                    (false, n) => Sighting::Version { number: n as u32 + 1, other_act: false },
                };
                assert_eq!(sighting, want, "seed {seed}, day {today}, {id} says {says}");
                if !said.contains(says) {
                    said.push(*says);
                }
                *last = today;
            }
            today += dice.random_range(0..4) / 2;
            sweep(&store, today, &[]);
            model.retain(|_, (_, last)| *last + 14 + u64::from(REFRESH_DAYS) >= today);
            if dice.random_range(0..6) == 0 {
                drop(store);
                store = reopened(&path);
            }
        }
    }
}

/// sled's own threads let go of a store's lock a moment after it was closed.
fn reopened(path: &Path) -> OrgStore {
    let open = || match Store::open(path, &[]) {
        Ok(Opened::Store(store)) => Some(store.org(&OrgId::default()).unwrap()),
        _ => None,
    };
    let wait = || std::thread::sleep(std::time::Duration::from_millis(5));
    (0..2_000).find_map(|_| open().or_else(|| (wait(), None).1)).unwrap()
}

#[test]
fn identities_that_look_alike_in_memory_are_told_apart() {
    let (_dir, store) = store();
    let identity = |n: u8| [&[7; 8][..], &[n; 8]].concat().try_into().unwrap();
    let note = |n: u8, time: u64| {
        let row = Row { day: 1, time: UnixSeconds(time), versions: vec![Version::of_bytes([n; 16])], ..Row::default() };
        let mut batch = Changes::default();
        let noted = store.note_seen(&mut batch, [(&identity(n), &row)].into_iter()).unwrap();
        store.rows.commit(batch).unwrap();
        store.keep_seen(noted);
    };
    (0..9).for_each(|n| note(n, 1));
    note(4, 2);
    let time = |n| store.seen(&identity(n)).unwrap().map(|row| (row.time.0, row.versions[0].bytes[0]));
    assert_eq!((time(3), time(4), time(9)), (Some((1, 3)), Some((2, 4)), None));
}

/// It is found before anything is taken for new: by the first page, or at the start after one that didn't end by itself.
#[test]
fn a_run_that_is_missing_or_cant_be_read_is_damage() {
    type Damage = fn(&sled::Db, sled::IVec, Vec<u8>);
    let damages: [Damage; 2] = [
        |db, key, _| drop(db.remove(key).unwrap()),
        |db, key, mut value| {
            value[20] ^= 4;
            drop(db.insert(key, value).unwrap());
        },
    ];
    for damage in damages {
        for is_known in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("store");
            let store = opened(&path);
            assert_eq!(see_at(&store, NOW, &[A]), [Sighting::New]);
            let store = if is_known {
                store
            } else {
                drop(store);
                reopened(&path)
            };
            let (key, value) = store.scan(SEEN).next().unwrap().unwrap();
            damage(&store.rows.db, key, value.to_vec());
            let error = store.arrivals(&[Entry::from_json(A)], NOW, |_| None).unwrap_err();
            assert!(crate::store::damage::is_damage(&error), "{error:#}");
            let other = [Entry::from_json(r#"{"id":"other"}"#)];
            let other = store.arrivals(&other, NOW, |_| None);
            assert_eq!(other.is_ok(), is_known, "whatever is asked first");
        }
    }
}

#[test]
fn of_what_cant_be_read_in_an_older_layout_the_first_that_is_shown_is_taken_for_it() {
    let (_dir, store) = store();
    let row = Row { versions: vec![UNREADABLE], ..Row::default() };
    let mut batch = Changes::default();
    let noted = store.note_seen(&mut batch, [(&identity_of(&Entry::from_json(A)), &row)].into_iter()).unwrap();
    store.rows.commit(batch).unwrap();
    store.keep_seen(noted);
    assert_eq!(
        [see(&store, A), see(&store, A), see(&store, A_RESPELLED)],
        [Sighting::Adopted, Sighting::Again, Sighting::Respelled]
    );
}
