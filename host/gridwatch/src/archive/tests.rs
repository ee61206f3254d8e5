//! The archive beside its model: the list of records that were asked for.

use super::*;
use crate::disk::faulty::FaultyDisk;
use gridwatch_event::event::Sight;
use gridwatch_event::time::UnixMillis;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::fs;

const START_S: u64 = 1_600_000_000;

fn record(seq: u64) -> ArchiveRecord {
    let time = START_S + seq * 3600;
    ArchiveRecord {
        seq,
        sight: Sight::first(UnixMillis((time + 70) * 1000)),
        raw: format!(r#"{{"id":"e{seq}","date_create":{time},"x":"{:x}"}}"#, seq.wrapping_mul(0x9e37_79b9_7f4a_7c15))
            .into(),
    }
}

fn records(range: std::ops::Range<u64>) -> Vec<ArchiveRecord> {
    range.map(record).collect()
}

fn all(folder: &Path) -> Vec<ArchiveRecord> {
    read(folder, None, None).unwrap().map(Result::unwrap).collect()
}

/// Small enough for many segments in a test.
const SEGMENT: u64 = 600;

/// A process: opens the archive and appends what it hasn't got a commit for, until it dies or all is appended. `lost` is the
/// share of appends after which it dies before the commit.
fn live(disk: &FaultyDisk, folder: &Path, saved: &mut u64, total: u64, lost: f64, rng: &mut SmallRng) {
    let Ok(mut archive) = Archive::open_on(Box::new(disk.clone()), folder, SEGMENT) else {
        // Killed, full or unable to sync; the next process finds better conditions.
        disk.plan().room = None;
        return;
    };
    while *saved < total {
        let until = total.min(*saved + rng.random_range(1..12));
        match archive.append(&records(*saved..until)) {
            Ok(_) if rng.random_bool(lost) => return,
            Ok(resume) => {
                assert!(resume.last_seq.unwrap() + 1 >= until);
                *saved = until;
            }
            Err(_) if disk.plan().killed => return,
            Err(ArchiveError::Full { .. }) => disk.plan().room = None,
            Err(ArchiveError::Io { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn check(folder: &Path, saved: u64, what: &str) {
    let held = all(folder);
    assert!(held.len() as u64 >= saved, "{what}: a saved record is gone");
    assert_eq!(held, records(0..held.len() as u64), "{what}");
}

/// More changes than a process in the test below makes.
const MAX_STEPS: u64 = 500;

#[test]
fn killed_at_every_step_each_record_is_there_once() {
    let total = 60;
    for torn_at in [0, 60, 100, 255] {
        for steps in 0..MAX_STEPS {
            let folder = tempfile::tempdir().unwrap();
            let (disk, mut saved) = (FaultyDisk::default(), 0);
            let mut rng = SmallRng::seed_from_u64(steps);
            let what = format!("killed after {steps} steps, write torn at {torn_at}/256");
            disk.restart(Some(steps), torn_at);
            live(&disk, folder.path(), &mut saved, total, 0.0, &mut rng);
            let was_killed = disk.plan().killed;
            disk.restart(None, 0);
            while saved < total {
                live(&disk, folder.path(), &mut saved, total, 0.1, &mut rng);
                check(folder.path(), saved, &what);
            }
            if !was_killed {
                check(folder.path(), total, &what);
                break;
            }
            assert!(steps + 1 < MAX_STEPS, "the process never gets to its end");
        }
    }
}

#[test]
fn a_life_of_kills_power_cuts_full_disks_and_failing_syncs_loses_and_repeats_nothing() {
    for seed in 0..200 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let folder = tempfile::tempdir().unwrap();
        let (disk, mut saved, total) = (FaultyDisk::default(), 0, 120);
        while saved < total {
            disk.restart(Some(rng.random_range(0..40)), rng.random());
            disk.plan().room = rng.random_bool(0.3).then(|| rng.random_range(0..800));
            disk.plan().failing_syncs = u32::from(rng.random_bool(0.2));
            live(&disk, folder.path(), &mut saved, total, 0.1, &mut rng);
            if rng.random_bool(0.3) {
                disk.cut_power(folder.path(), &mut rng);
            }
        }
        disk.restart(None, 0);
        (disk.plan().failing_syncs, disk.plan().room) = (0, None);
        Archive::open_on(Box::new(disk), folder.path(), SEGMENT).unwrap();
        check(folder.path(), saved, &format!("seed {seed}"));
    }
}

fn filled(folder: &Path) -> Archive {
    let mut archive = Archive::open(folder, SEGMENT).unwrap();
    for first in (0..100).step_by(5) {
        archive.append(&records(first..first + 5)).unwrap();
    }
    archive
}

fn segment_paths(folder: &Path) -> Vec<PathBuf> {
    segments(folder).unwrap().into_iter().map(|s| s.path).collect()
}

#[test]
fn a_range_of_time_is_closed_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let archive = filled(folder.path());
    for (first, last) in [(0, 99), (3, 3), (17, 58), (99, 99), (50, 49)] {
        let at = |seq: u64| Some(UnixSeconds(START_S + seq * 3600));
        let found: Vec<_> = archive.read(at(first), at(last)).unwrap().map(Result::unwrap).collect();
        assert_eq!(found, records(first..last + 1));
    }
}

#[test]
fn records_of_single_times_are_found_without_unpacking_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path()));
    let time = |seq: u64| record(seq).time();
    let wanted = BTreeSet::from([time(3), time(17), time(17).plus(1)]);
    let mut found = read_at(folder.path(), wanted).unwrap();
    let seqs: Vec<u64> = found.by_ref().map(|record| record.unwrap().seq).collect();
    assert_eq!(seqs, [3, 17]);
    assert!(read_at(folder.path(), BTreeSet::new()).unwrap().next().is_none());
    // Damage in a frame that holds none of them isn't even seen.
    let first = &segment_paths(folder.path())[0];
    let mut bytes = fs::read(first).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 0xff;
    fs::write(first, bytes).unwrap();
    let found = read_at(folder.path(), BTreeSet::from([time(17)])).unwrap();
    assert_eq!(found.map(|record| record.unwrap().seq).collect::<Vec<_>>(), [17]);
    assert!(read(folder.path(), None, None).unwrap().any(|record| record.is_err()));
}

#[test]
fn damage_costs_its_own_frames_and_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path()));
    let paths = segment_paths(folder.path());
    let path = &paths[1];
    let whole = fs::read(path).unwrap();
    for at in (0..whole.len()).step_by(3) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        fs::write(path, damaged).unwrap();
        let (good, bad): (Vec<_>, Vec<_>) = read(folder.path(), None, None).unwrap().partition(Result::is_ok);
        let good: Vec<_> = good.into_iter().map(Result::unwrap).collect();
        // zstd has bits that mean nothing: then nothing is lost either.
        assert!(matches!((good.len(), bad.len()), (95, 1) | (100, 0)), "byte {at}");
        assert!(good.is_sorted_by_key(|r| r.seq) && good.iter().all(|r| *r == record(r.seq)));
    }
}

#[test]
fn a_torn_tail_is_cut_at_the_last_whole_frame_wherever_it_tore() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path()));
    let path = segment_paths(folder.path()).pop().unwrap();
    let whole = fs::read(&path).unwrap();
    for length in (0..whole.len()).step_by(2) {
        fs::write(&path, &whole[..length]).unwrap();
        let mut archive = Archive::open(folder.path(), SEGMENT).unwrap();
        let from = archive.resume().last_seq.unwrap() + 1;
        assert_eq!(all(folder.path()), records(0..from));
        archive.append(&records(from..100)).unwrap();
        assert_eq!(all(folder.path()), records(0..100), "length {length}");
    }
}

#[test]
fn a_number_that_means_another_entry_is_a_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = filled(folder.path());
    assert_eq!(archive.append(&records(90..105)).unwrap().last_seq, Some(104));
    let other = ArchiveRecord { raw: "{}".into(), ..record(20) };
    let error = archive.append(&[other]).unwrap_err();
    assert!(matches!(error, ArchiveError::Conflict { seq: 20, last_seq: 104 }) && error.hint().is_some());
    let falling = [record(201), record(200)];
    assert!(matches!(archive.append(&falling), Err(ArchiveError::OutOfOrder { seq: 200, after: 201 })));
}

#[test]
fn only_segments_seen_wholly_before_the_day_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = filled(folder.path());
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let before = UnixSeconds(START_S + 60 * 3600);
    assert!(archive.prune(before).unwrap() > 0);
    let left = all(folder.path());
    let day_start = before.0 - before.0 % 86_400;
    assert!(left[0].seq > 0 && left.last() == Some(&record(99)));
    let wanted = records(0..100).into_iter().filter(|r| r.sight.first_seen.seconds().0 >= day_start);
    assert!(wanted.into_iter().all(|r| left.contains(&r)));
    archive.prune(UnixSeconds(u64::MAX / 2000)).unwrap();
    assert_eq!(segment_paths(folder.path()).len(), 1);
    assert!(folder.path().join("notes.txt").exists());
    archive.append(&records(100..101)).unwrap();
    assert_eq!(all(folder.path()).last(), Some(&record(100)));
}

#[test]
fn a_batch_larger_than_a_frame_is_split() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(folder.path(), 1 << 30).unwrap();
    let big: Vec<_> = (0..3)
        .map(|seq| ArchiveRecord { raw: format!(r#"{{"x":"{}"}}"#, "y".repeat(3 << 20)).into(), ..record(seq) })
        .collect();
    archive.append(&big).unwrap();
    assert_eq!(all(folder.path()), big);
    assert!(matches!(Archive::open(folder.path(), SEGMENT), Err(ArchiveError::Locked { .. })));
}

#[test]
fn other_zstd_software_reads_a_segment() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path()));
    let path = segment_paths(folder.path()).remove(0);
    let text = zstd::stream::decode_all(fs::File::open(path).unwrap()).unwrap();
    assert!(text.starts_with(b"{\"seq\":0,\"first_seen\":1600000070000,\"raw\":{\"id\":\"e0\""));
}
