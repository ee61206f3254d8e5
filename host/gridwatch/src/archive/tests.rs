//! The archive by its promises: order, retention, damage, and archives of before. What a second reader makes of its files is in `tests/src/logs.rs`.

use super::*;
use gridwatch_event::time::UnixMillis;
use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;

const SECOND: u64 = 1_794_000_000;

fn raw(n: u64) -> String {
    format!(r#"{{"id":"e{n}","date_create":{},"action":"user_login","x":"{}"}}"#, SECOND + n, "y".repeat(300))
}

fn sight(n: u64) -> Sight {
    Sight::first(UnixMillis((SECOND + n) * 1_000))
}

fn judged(n: u64, entry: u64) -> Judged {
    let (time, sight) = (UnixSeconds(SECOND + n), sight(n));
    Judged { entry, record: n, time, sight, is_relearned: false, identity: [1; 16], bytes: [2; 16], organization: None }
}

/// Pages of ten, newest first, each judged in the order of time.
fn fill(archive: &Archive, pages: std::ops::Range<u64>) {
    for page in pages {
        let numbers: Vec<u64> = (page * 10..page * 10 + 10).rev().collect();
        let (first, raws) = (archive.ends().entries.next, numbers.iter().map(|n| raw(*n)).collect::<Vec<_>>());
        archive.write_entries(numbers.iter().zip(&raws).map(|(n, raw)| (sight(*n), false, raw.as_str()))).unwrap();
        archive.keep_entries();
        let events: Vec<Judged> = (0..10).map(|at| judged(page * 10 + at, first + 9 - at)).collect();
        archive.write_order(events.iter()).unwrap();
        archive.keep_order();
    }
}

fn ids(records: Records) -> Vec<String> {
    records.map(|record| record.unwrap().event().id().to_owned()).collect()
}

use read::Records;

#[test]
fn entries_come_back_in_the_order_in_which_they_were_judged() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::open(folder.path(), 20_000, Ends::before(1)).unwrap();
    fill(&archive, 0..30);
    let all: Vec<String> = (0..300).map(|n| format!("e{n}")).collect();
    assert_eq!(ids(read(folder.path(), None, None).unwrap()), all, "beside the one who writes");
    let seqs: Vec<u64> = read(folder.path(), None, None).unwrap().map(|record| record.unwrap().seq).collect();
    assert_eq!(seqs, (1..=300).collect::<Vec<_>>());
    let time = |n: u64| UnixSeconds(SECOND + n);
    assert_eq!(ids(read(folder.path(), Some(time(100)), Some(time(104))).unwrap()), all[100..105]);
    assert_eq!(ids(read_at(folder.path(), BTreeSet::from([time(7), time(250)])).unwrap()), ["e7", "e250"]);
    assert_eq!((archive.entry(1).unwrap().raw, archive.event(1).unwrap()), (raw(9), judged(0, 10)));
    assert!(matches!(archive.entry(301), Err(ArchiveError::NoEntry { number: 301 })));
    assert!(matches!(Archive::recover(folder.path(), 1), Err(ArchiveError::Locked { .. })));
    let ends = archive.ends();
    drop(archive);
    assert_eq!(Archive::open(folder.path(), 20_000, ends).unwrap().ends(), ends);
    let recovered = Archive::recover(folder.path(), 20_000).unwrap().ends();
    assert_eq!((recovered.entries.next, recovered.order.next), (ends.entries.next, ends.order.next));
}

#[test]
fn what_is_old_goes_when_nobody_needs_it() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::open(folder.path(), 2_000, Ends::before(1)).unwrap();
    fill(&archive, 0..60);
    let old = UnixSeconds(SECOND + 500);
    let none = |removed: Result<usize, ArchiveError>| assert_eq!(removed.unwrap(), 0);
    none(archive.prune(UnixSeconds(SECOND), u64::MAX, u64::MAX));
    none(archive.prune(old, 1, u64::MAX));
    none(archive.prune(old, u64::MAX, 1));
    assert!(archive.prune(old, u64::MAX, 400).unwrap() > 0);
    assert!(archive.entry(401).is_ok() && archive.first_entry() > 200, "{}", archive.first_entry());
    archive.prune(old, u64::MAX, u64::MAX).unwrap();
    let left = ids(read(folder.path(), None, None).unwrap());
    assert_eq!(left.last().unwrap(), "e599");
    assert!((100..200).contains(&left.len()), "{}", left.len());
}

#[test]
fn an_entry_that_was_learned_again_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::open(folder.path(), 20_000, Ends::before(1)).unwrap();
    fill(&archive, 0..1);
    archive.write_entries([(sight(3), true, &*raw(3))].into_iter()).unwrap();
    archive.keep_entries();
    archive.write_order([Judged { is_relearned: true, record: 0, ..judged(3, 11) }].iter()).unwrap();
    archive.keep_order();
    assert!(archive.entry(11).unwrap().is_relearned && archive.event(11).unwrap().is_relearned);
    assert_eq!(ids(read(folder.path(), None, None).unwrap()).len(), 10);
}

#[test]
fn damage_is_told_and_costs_what_is_in_it() {
    for log in ["order-00000000000000000001.log", "entries-00000000000000000001.log"] {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::open(folder.path(), 1 << 20, Ends::before(1)).unwrap();
        fill(&archive, 0..30);
        let path = folder.path().join(log);
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let half = file.metadata().unwrap().len() / 2;
        file.write_all_at(&[0; 9], half).unwrap();
        let (mut read_well, mut told) = (0, 0);
        for record in read(folder.path(), None, None).unwrap() {
            match record {
                Ok(_) => read_well += 1,
                Err(error) => {
                    assert!(error.is_damage() && error.to_string().contains(log), "{error}");
                    told += 1;
                }
            }
        }
        assert!((1..=20).contains(&told) && (280..300).contains(&read_well), "{log}: {told}, {read_well}");
    }
}

/// An archive as gridwatch wrote it before, with frames of some records each.
fn of_before(folder: &Path, numbers: std::ops::Range<u64>) {
    let record = |n| ArchiveRecord { seq: n, sight: sight(n), raw: raw(n).into() };
    let records: Vec<ArchiveRecord> = numbers.clone().map(record).collect();
    let frames: Vec<u8> = records.chunks(7).flat_map(|some| frame::encode(some).unwrap().0).collect();
    let day = record::day(sight(numbers.start).first_seen);
    std::fs::write(folder.join(format!("seg-{:020}-{day}.ndjson.zst", numbers.start)), frames).unwrap();
}

#[test]
fn an_archive_of_before_is_read_first_pruned_and_never_read_twice() {
    let folder = tempfile::tempdir().unwrap();
    of_before(folder.path(), 1..50);
    of_before(folder.path(), 50..101);
    let archive = Archive::open(folder.path(), 20_000, Ends::before(81)).unwrap();
    // The newest twenty were still to be delivered when the older gridwatch ended.
    let all: Vec<String> = (81..131).map(raw).collect();
    archive.write_entries((81..131).zip(&all).map(|(n, raw)| (sight(n), false, raw.as_str()))).unwrap();
    archive.keep_entries();
    let events: Vec<Judged> = (81..131).map(|n| judged(n, n - 80)).collect();
    archive.write_order(events.iter()).unwrap();
    archive.keep_order();
    let time = |n: u64| UnixSeconds(SECOND + n);
    assert_eq!(ids(read(folder.path(), None, None).unwrap()), (1..131).map(|n| format!("e{n}")).collect::<Vec<_>>());
    let some = BTreeSet::from([time(40), time(90), time(120)]);
    assert_eq!(ids(read_at(folder.path(), some).unwrap()), ["e40", "e90", "e120"]);
    assert_eq!(archive.prune(UnixSeconds(SECOND), u64::MAX, u64::MAX).unwrap(), 0);
    assert_eq!(archive.prune(UnixSeconds(SECOND + 3 * 86_400), u64::MAX, u64::MAX).unwrap(), 2);
    assert_eq!(ids(read(folder.path(), None, None).unwrap()).len(), 50);
}
