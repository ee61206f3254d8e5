//! A store that is made from its logs: what it knows of what was judged, delivered and waits.

use super::*;
use crate::record::Record;
use crate::store::{Kinds, Opened, Pending, Sighting};
use gridwatch_event::event::Event;
use gridwatch_rules::builtin;
use std::fs;

const W: u64 = 1_794_000_000;
const NOW: UnixMillis = UnixMillis((W + 600) * 1_000);

fn raw(n: u64) -> String {
    format!(r#"{{"id":"e{n}","date_create":{},"action":"user_login"}}"#, W - 1_000 + n)
}

fn places(state: &Path) -> [Place; 1] {
    [Place { segment_bytes: 2_000, ..Place::unconfigured(state, &OrgId::default()) }]
}

/// sled's own threads let go of a store a moment after it was closed.
fn opened(state: &Path) -> Result<Store> {
    for _ in 0..200 {
        match try_opened(state) {
            Err(error) if format!("{error:#}").contains("could not acquire lock") => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            opened => return opened,
        }
    }
    try_opened(state)
}

fn try_opened(state: &Path) -> Result<Store> {
    match Store::open(&state.join("store"), &places(state))? {
        Opened::Store(store) => store.take_up().map(|()| store),
        Opened::Older(_) => panic!("it is of an older layout"),
    }
}

/// Judges entries, with an alert after each fourth.
fn judge(part: &OrgStore, numbers: std::ops::Range<u64>) {
    for n in numbers {
        part.receive(&[raw(n)], NOW);
        let alert = builtin::exceptions_unusable(&format!("{n}"), UnixMillis(n * 1_000));
        let alerts: Vec<Record> = (n % 4 == 0).then(|| Record::Alert(Box::new(alert))).into_iter().collect();
        judge_next(part, &alerts);
    }
}

fn judge_next(part: &OrgStore, alerts: &[Record]) {
    let waiting = part.next_pending(1).unwrap();
    let seen = |pending: &Pending| Event::seen(part.next_seq(), pending.sight, &pending.entry);
    let events: Vec<Event> = waiting.iter().map(seen).collect();
    part.commit_detections((&waiting, &events), alerts, &[], &[], &[], &[]).unwrap();
}

/// Fifty entries judged, of which a sink has got half and another a quarter, and three that wait.
fn lived(state: &Path) -> Vec<(u64, String)> {
    let store = opened(state).unwrap();
    store.set_sinks(&["a".into(), "b".into()]).unwrap();
    let part = store.org(&OrgId::default()).unwrap();
    judge(&part, 0..50);
    for (sink, next) in [("a", 31), ("b", 16)] {
        store.commit_attempt(sink, &Position { next, delivered: next - 1, ..Position::default() }, &[]).unwrap();
    }
    part.receive(&[raw(50), raw(51), raw(52)], NOW);
    undelivered(&store)
}

fn undelivered(store: &Store) -> Vec<(u64, String)> {
    let (records, next) = store.records(16, Kinds::ALL, usize::MAX, usize::MAX).unwrap();
    assert_eq!(next, store.next_record());
    let shown = |record: &Record| match record {
        Record::Event { raw, seq, .. } => format!("{seq} {raw}"),
        Record::Alert(alert) => alert.uid.clone(),
        Record::Heartbeat(beat) => beat.record_id(),
        Record::Audited(audited) => audited.record_id(),
    };
    records.iter().map(|(number, record)| (*number, shown(record))).collect()
}

fn rebuilt(state: &Path, left: &Left, from: u64) -> (Store, Rebuilt) {
    let from = UnixSeconds(from);
    let again = Again { from, drained_from: from, ids_from: from };
    Store::rebuild(&state.join("store"), &places(state), (left, |_: &str| true), |_| Some(again), NOW).unwrap()
}

fn set_aside(state: &Path) -> Left {
    fs::rename(state.join("store"), state.join("aside")).unwrap();
    Left::read(&state.join("aside"), &places(state)).unwrap()
}

fn sightings(part: &OrgStore, numbers: &[u64]) -> Vec<Sighting> {
    let entries: Vec<Entry> = numbers.iter().map(|n| Entry::from_json(&raw(*n))).collect();
    part.arrivals(&entries, NOW, |_| None).unwrap().each.iter().map(|arrival| arrival.sighting).collect()
}

#[test]
fn a_store_made_of_its_logs_knows_what_was_judged_delivered_and_waits() {
    use Sighting::{Again, New, Relearned};
    for from in [W - 2_000, W] {
        let dir = tempfile::tempdir().unwrap();
        let before = lived(dir.path());
        fs::remove_dir_all(dir.path().join("store")).unwrap();
        assert!(crate::store::damage::is_damage(&opened(dir.path()).unwrap_err()), "an archive, and no store");
        fs::remove_dir_all(dir.path().join("store")).unwrap();
        let (store, rebuilt) = rebuilt(dir.path(), &Left::default(), from);
        let part = store.org(&OrgId::default()).unwrap();
        assert_eq!(undelivered(&store), before);
        assert_eq!((store.position("a").unwrap().next, store.position("b").unwrap().next), (31, 16));
        assert_eq!((part.next_seq(), store.next_record(), store.first_record()), (51, 64, 16));
        assert_eq!(sightings(&part, &[0, 49]), [Relearned, Relearned]);
        // What is read again comes again by itself.
        let is_read_again = from < W - 1_000;
        let waiting = if is_read_again { 0 } else { 3 };
        assert_eq!(rebuilt, Rebuilt { judged: 50, waiting, undelivered: 48, alerts_from: None });
        let want = if is_read_again { New } else { Again };
        assert_eq!(sightings(&part, &[50, 51, 52]), [want; 3]);
        assert_eq!(part.next_pending(9).unwrap().len() as u64, rebuilt.waiting);
        drop((part, store));
        assert_eq!(undelivered(&opened(dir.path()).unwrap()), before, "it is a store like any other");
    }
}

#[test]
fn with_a_log_lost_in_part_what_is_whole_counts_and_the_rest_comes_again() {
    for log in ["order", "entries"] {
        let dir = tempfile::tempdir().unwrap();
        lived(dir.path());
        // Everything is delivered.
        let store = opened(dir.path()).unwrap();
        for sink in ["a", "b"] {
            store.commit_attempt(sink, &Position { next: 64, ..Position::default() }, &[]).unwrap();
        }
        drop(store);
        let files = fs::read_dir(dir.path().join("archive")).unwrap().map(|file| file.unwrap().path());
        let newest = files.filter(|path| path.to_string_lossy().contains(&format!("{log}-"))).max().unwrap();
        let length = newest.metadata().unwrap().len();
        fs::File::options().write(true).open(&newest).unwrap().set_len(length / 2).unwrap();
        assert!(crate::store::damage::is_damage(&opened(dir.path()).unwrap_err()), "{log}");
        let left = set_aside(dir.path());
        let (store, _) = rebuilt(dir.path(), &left, W - 2_000);
        let part = store.org(&OrgId::default()).unwrap();
        let all: Vec<u64> = (0..50).collect();
        assert_eq!(sightings(&part, &all), vec![Sighting::Relearned; 50], "{log}: none is delivered again");
        assert_eq!(sightings(&part, &[50, 51, 52]), [Sighting::New; 3], "{log}");
        judge(&part, 60..63);
        drop((part, store));
        opened(dir.path()).unwrap();
    }
}

#[test]
fn an_old_copy_of_a_store_is_known_by_its_logs() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    lived(state);
    copy_of_store(state);
    let store = opened(state).unwrap();
    judge(&store.org(&OrgId::default()).unwrap(), 53..60);
    drop(store);
    let alerts = || {
        let mut count = 0;
        crate::history::Places::open(state).unwrap().each(|_, _, _| count += 1).unwrap();
        count
    };
    let before = alerts();
    put_back(state);
    // Also where the file is gone that says how many commits there were.
    fs::remove_file(state.join("store.commits")).unwrap();
    is_damaged(state, "an old copy");
    assert_eq!(alerts(), before, "nothing is cut off a log by a store that isn't believed");
}

fn copy_of_store(state: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").args(["store", "copy"]).current_dir(state).status();
    assert!(copied.unwrap().success());
}

fn put_back(state: &Path) {
    fs::remove_dir_all(state.join("store")).unwrap();
    fs::rename(state.join("copy"), state.join("store")).unwrap();
}

fn is_damaged(state: &Path, why: &str) {
    let error = opened(state).unwrap_err();
    assert!(crate::store::damage::is_damage(&error) && format!("{error:#}").contains(why), "{error:#}");
}

/// sled takes up what lies before a damaged place as if it were all. Of the newest commits one is enough: what it judged would get other
/// numbers together with what came meanwhile, and be delivered again under them.
#[test]
fn a_store_that_lacks_its_newest_commit_is_noticed_and_nothing_of_it_is_delivered_again() {
    type Commit = fn(&Store, &OrgStore);
    let commits: [(&str, Commit); 4] = [
        ("judged", |_, part| judge_next(part, &[])),
        ("received", |_, part| part.receive(&[raw(54)], NOW)),
        ("delivered", |store, _| {
            let position = Position { next: 40, delivered: 39, ..Position::default() };
            store.commit_attempt("b", &position, &[]).unwrap();
        }),
        ("told", |_, part| part.commit_told(&["it".into()], &[]).unwrap()),
    ];
    for (what, commit) in commits {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path();
        lived(state);
        let store = opened(state).unwrap();
        let part = store.org(&OrgId::default()).unwrap();
        // What waited is judged first, as it was received.
        while !part.next_pending(1).unwrap().is_empty() {
            judge_next(&part, &[]);
        }
        part.receive(&[raw(53)], NOW);
        drop((part, store));
        copy_of_store(state);
        let store = opened(state).unwrap();
        commit(&store, &store.org(&OrgId::default()).unwrap());
        let (before, next) =
            (store.records(40, Kinds::ALL, usize::MAX, usize::MAX).unwrap().0.len(), store.next_record());
        drop(store);
        put_back(state);
        is_damaged(state, "its newest commit is missing");
        let left = set_aside(state);
        let (store, _) = rebuilt(state, &left, W - 2_000);
        assert_eq!(store.next_record(), next, "{what}: numbers stay");
        assert_eq!(store.records(40, Kinds::ALL, usize::MAX, usize::MAX).unwrap().0.len(), before, "{what}");
        let part = store.org(&OrgId::default()).unwrap();
        let want = if what == "judged" { Sighting::Relearned } else { Sighting::New };
        assert_eq!(sightings(&part, &[0, 52, 53]), [Sighting::Relearned, Sighting::Relearned, want], "{what}");
        drop((part, store));
        opened(state).unwrap();
    }
}

/// Numbers that were left out stand for no event, so they tell nothing of those whose places in the order are lost.
#[test]
fn events_whose_places_are_lost_are_told_by_their_numbers_also_where_numbers_were_left_out() {
    for skipped in [None, Some(5_000)] {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path();
        let store = opened(state).unwrap();
        store.set_sinks(&["a".into(), "b".into()]).unwrap();
        let part = store.org(&OrgId::default()).unwrap();
        judge(&part, 0..10);
        // As a start does that finds more numbers in the checkpoint than in the logs.
        skipped.into_iter().for_each(|seq| part.skip_to(seq).unwrap());
        judge(&part, 10..40);
        let (records, _) = store.records(1, Kinds::ALL, usize::MAX, usize::MAX).unwrap();
        let number = |n: u64| {
            let is_it = |record: &Record| matches!(record, Record::Event { raw: of, .. } if **of == *raw(n));
            records.iter().find(|(_, record)| is_it(record)).unwrap().0
        };
        let (next_a, next_b) = (store.next_record(), number(36));
        for (sink, next) in [("a", next_a), ("b", next_b)] {
            store.commit_attempt(sink, &Position { next, ..Position::default() }, &[]).unwrap();
        }
        drop((part, store));
        let files = fs::read_dir(state.join("archive")).unwrap().map(|file| file.unwrap().path());
        let newest = files.filter(|path| path.to_string_lossy().contains("order-")).max().unwrap();
        let length = newest.metadata().unwrap().len();
        fs::File::options().write(true).open(&newest).unwrap().set_len(length / 2).unwrap();
        assert!(crate::store::damage::is_damage(&opened(state).unwrap_err()));
        let left = set_aside(state);
        let (store, rebuilt) = rebuilt(state, &left, W - 2_000);
        assert!((1..36).contains(&rebuilt.judged), "the places of some that were delivered are lost");
        let part = store.org(&OrgId::default()).unwrap();
        let delivered: Vec<u64> = (0..36).collect();
        assert_eq!(sightings(&part, &delivered), vec![Sighting::Relearned; 36], "{skipped:?}: not again");
        assert_eq!(sightings(&part, &[36, 37, 38, 39]), [Sighting::New; 4], "{skipped:?}: by none of the two missed");
    }
}

/// sled opens a file whose end is missing as if it were whole: what a commit says of each kind of rows shows it.
#[test]
fn a_row_that_is_missing_changed_or_too_many_is_damage() {
    type Change = fn(&sled::Db, Vec<u8>, sled::IVec);
    let changes: [(&str, Change); 2] = [
        ("missing", |db, key, _| drop(db.remove(key).unwrap())),
        ("twice", |db, mut key, value| {
            key.push(b'x');
            drop(db.insert(key, value).unwrap());
        }),
    ];
    for (what, change) in changes {
        for kind in ["p", "o", "s", "k"] {
            let dir = tempfile::tempdir().unwrap();
            lived(dir.path());
            let part = opened(dir.path()).unwrap().org(&OrgId::default()).unwrap();
            let entries = [Entry::from_json(&raw(1))];
            let arrivals = part.arrivals(&entries, NOW, |_| None).unwrap();
            let mut batch = Changes::default();
            let noted = arrivals.put(&mut batch, &part).unwrap();
            part.rows.commit(batch).unwrap();
            part.keep_seen(noted);
            let row = part.rows.db.scan_prefix(kind).next().unwrap().unwrap();
            change(&part.rows.db, row.0.to_vec(), row.1);
            part.rows.db.flush().unwrap();
            drop(part);
            let opened = opened(dir.path());
            assert!(opened.is_err_and(|error| crate::store::damage::is_damage(&error)), "{kind}: {what}");
        }
    }
}
