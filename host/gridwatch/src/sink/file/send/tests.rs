//! The file sink beside its model: the list of records that were asked for.

use super::*;
use crate::disk::faulty::FaultyDisk;
use crate::sink::Next;
use crate::sink::testing::{deliveries, delivery};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::fs;

const SMALL: Rotation = Rotation { rotate_bytes: 300, keep: 0, keep_s: 0, keep_bytes: u64::MAX };

impl FileSink {
    /// Writes lines numbered from `first` on; what the store would save.
    fn deliver(&mut self, first: u64, lines: &[String]) -> Result<Resume, FileError> {
        self.write_all(&deliveries(first, lines)).map(|()| self.resume.clone())
    }
}

fn record(number: u64) -> String {
    let padding = "x".repeat((number * 7 % 40) as usize);
    format!(r#"{{"id":{number},"pad":"{padding}"}}"#)
}

fn records(range: std::ops::Range<u64>) -> Vec<String> {
    range.map(record).collect()
}

fn path_in(folder: &Path) -> PathBuf {
    folder.join("events.ndjson")
}

/// Rotated files in order, then the current one.
fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut rotated: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    rotated.retain(|p| p.file_name().unwrap().to_str().unwrap().starts_with("events.ndjson."));
    rotated.sort();
    let all = rotated.into_iter().chain([path_in(folder)]);
    all.filter(|p| p.exists()).map(|p| (p.clone(), String::from_utf8(fs::read(&p).unwrap()).unwrap())).collect()
}

fn lines(folder: &Path) -> Vec<String> {
    let complete = |text: &str| text[..text.rfind('\n').map_or(0, |at| at + 1)].to_owned();
    let texts: String = files(folder).iter().map(|(_, text)| complete(text)).collect();
    texts.lines().map(str::to_owned).collect()
}

/// A process: opens the sink with what the store has and delivers until it dies or all is delivered. `lost` is the share
/// of deliveries after which it dies before the commit.
fn live(disk: &FaultyDisk, folder: &Path, store: &mut Resume, total: u64, lost: f64, rng: &mut SmallRng) {
    let opened = FileSink::open_on((Box::new(disk.clone()), Clock::system()), &path_in(folder), SMALL, store.clone());
    let Ok(mut sink) = opened else {
        assert!(disk.plan().killed, "{opened:?}");
        return;
    };
    while store.next < total {
        let until = total.min(store.next + rng.random_range(1..12));
        let delivered = sink.deliver(store.next, &records(store.next..until));
        match delivered {
            Ok(_) if rng.random_bool(lost) => return,
            Ok(resume) => *store = resume,
            Err(_) if disk.plan().killed => return,
            Err(FileError::Full { .. }) => disk.plan().room = None,
            Err(_) => {}
        }
    }
}

/// Whole lines in every rotated file; a run of records from the first on, each once. A hole left by a power cut ends the
/// current file: it goes with the next delivery.
fn check(folder: &Path, store: &Resume, what: &str) {
    for (path, text) in files(folder) {
        if path != path_in(folder) {
            assert!(text.ends_with('\n') && !text.contains('\0'), "{what}: {path:?}: {text}");
        }
    }
    let lines = lines(folder);
    let whole = lines.iter().take_while(|line| !line.contains('\0')).count();
    assert!(whole as u64 >= store.next, "{what}: a saved record is gone");
    assert!(lines[..whole] == records(0..whole as u64), "{what}: {lines:#?}");
}

/// More changes than a process in the test below makes.
const MAX_STEPS: u64 = 500;

#[test]
fn killed_at_every_step_each_record_is_there_once() {
    let total = 60;
    for torn_at in [0, 1, 100, 255] {
        for steps in 0..MAX_STEPS {
            let folder = tempfile::tempdir().unwrap();
            let (disk, mut store) = (FaultyDisk::default(), Resume::default());
            let mut rng = SmallRng::seed_from_u64(steps);
            let what = format!("killed after {steps} steps, write torn at {torn_at}/256");
            disk.restart(Some(steps), torn_at);
            live(&disk, folder.path(), &mut store, total, 0.0, &mut rng);
            let was_killed = disk.plan().killed;
            check(folder.path(), &store, &what);
            disk.restart(None, 0);
            while store.next < total {
                live(&disk, folder.path(), &mut store, total, 0.1, &mut rng);
                check(folder.path(), &store, &what);
            }
            assert_eq!(lines(folder.path()), records(0..total), "{what}");
            if !was_killed {
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
        let (disk, mut store) = (FaultyDisk::default(), Resume::default());
        let total = 120;
        while store.next < total {
            disk.restart(Some(rng.random_range(0..40)), rng.random());
            disk.plan().room = rng.random_bool(0.3).then(|| rng.random_range(0..400));
            disk.plan().failing_syncs = u32::from(rng.random_bool(0.2));
            live(&disk, folder.path(), &mut store, total, 0.1, &mut rng);
            let power = rng.random_bool(0.3);
            if power {
                disk.cut_power(folder.path(), &mut rng);
            } else {
                check(folder.path(), &store, &format!("seed {seed}"));
            }
        }
        disk.restart(None, 0);
        live(&disk, folder.path(), &mut store, total + 1, 0.1, &mut rng);
        while store.next < total + 1 {
            live(&disk, folder.path(), &mut store, total + 1, 0.1, &mut rng);
        }
        check(folder.path(), &store, &format!("seed {seed}, at the end"));
        assert_eq!(lines(folder.path()), records(0..total + 1), "seed {seed}");
    }
}

#[test]
fn a_full_disk_leaves_whole_lines_and_the_retry_adds_the_rest() {
    for room in 0..200 {
        let folder = tempfile::tempdir().unwrap();
        let disk = FaultyDisk::default();
        let mut sink = FileSink::open_on(
            (Box::new(disk.clone()), Clock::system()),
            &path_in(folder.path()),
            SMALL,
            Resume::default(),
        )
        .unwrap();
        disk.plan().room = Some(room);
        let asked = records(0..8);
        let error = sink.deliver(0, &asked).unwrap_err();
        assert!(matches!(error, FileError::Full { .. }) && error.hint().is_some(), "{error}");
        let text = fs::read_to_string(path_in(folder.path())).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "torn: {text}");
        disk.plan().room = None;
        assert_eq!(sink.deliver(0, &asked).unwrap().next, 8);
        assert_eq!(lines(folder.path()), asked, "room {room}");
    }
}

fn sink_in(folder: &Path, rotation: Rotation, resume: Resume) -> FileSink {
    FileSink::open_on((Box::new(OsDisk), Clock::system()), &path_in(folder), rotation, resume).unwrap()
}

const BIG: Rotation = Rotation { rotate_bytes: 1 << 30, keep: 0, keep_s: 0, keep_bytes: u64::MAX };

#[test]
fn a_lost_commit_is_found_again_whatever_the_batches() {
    for batch in 1..=12 {
        let folder = tempfile::tempdir().unwrap();
        let saved = sink_in(folder.path(), BIG, Resume::default()).deliver(0, &records(0..5)).unwrap();
        sink_in(folder.path(), BIG, saved.clone()).deliver(5, &records(5..15)).unwrap();
        let mut sink = sink_in(folder.path(), BIG, saved);
        for first in (5..20).step_by(batch) {
            let last = 20.min(first + batch as u64);
            sink.deliver(first, &records(first..last)).unwrap();
        }
        assert_eq!(lines(folder.path()), records(0..20), "batch {batch}");
    }
}

#[test]
fn lines_that_differ_stay_and_ours_follow() {
    let folder = tempfile::tempdir().unwrap();
    let saved = sink_in(folder.path(), BIG, Resume::default()).deliver(0, &records(0..2)).unwrap();
    // Delivered by an older version, whose rendering was another; then the commit was lost.
    let older = [record(2), "old 3".to_owned(), "old 4".to_owned()];
    sink_in(folder.path(), BIG, saved.clone()).deliver(2, &older).unwrap();
    let mut sink = sink_in(folder.path(), BIG, saved);
    sink.deliver(2, &records(2..5)).unwrap();
    sink.deliver(5, &records(5..6)).unwrap();
    let mut expected = records(0..3);
    expected.extend(["old 3".to_owned(), "old 4".to_owned()]);
    expected.extend(records(3..6));
    assert_eq!(lines(folder.path()), expected);
}

/// As a store made anew from its logs has them: entries that were read again, under other numbers and in other batches.
#[test]
fn lines_that_say_the_same_under_another_number_are_not_repeated() {
    let line = |id: u64, sequence: u64| format!(r#"{{"metadata":{{"uid":"e{id}","sequence":{sequence}}}}}"#);
    for (lives, rotation) in [(1, BIG), (2, BIG), (1, SMALL), (2, SMALL)] {
        let folder = tempfile::tempdir().unwrap();
        let old: Vec<String> = (0..10).map(|id| line(id, id)).collect();
        let saved = sink_in(folder.path(), rotation, Resume::default()).deliver(0, &old[..2]).unwrap();
        sink_in(folder.path(), rotation, saved.clone()).deliver(2, &old[2..]).unwrap();
        // The last commit was lost, and so is which numbers these records have.
        let mut sink = sink_in(folder.path(), rotation, saved);
        let mut made = vec![vec![7, 12], vec![2, 3, 4, 13], vec![9], vec![5, 6, 8], vec![14]].into_iter();
        let mut next = 20;
        let mut resume = Resume::default();
        for ids in made.by_ref() {
            let lines: Vec<String> = ids.iter().map(|id| line(*id, 100 + id)).collect();
            resume = sink.deliver(next, &lines).unwrap();
            next += ids.len() as u64;
            if lives == 2 {
                drop(sink);
                sink = sink_in(folder.path(), rotation, resume.clone());
            }
        }
        let expected: Vec<String> = old.into_iter().chain([12, 13, 14].map(|id| line(id, 100 + id))).collect();
        assert_eq!(lines(folder.path()), expected, "{lives} {rotation:?}");
        assert_eq!(resume.next, next);
    }
}

#[test]
fn a_hole_left_by_a_power_cut_is_removed_with_what_follows() {
    let folder = tempfile::tempdir().unwrap();
    let saved = sink_in(folder.path(), BIG, Resume::default()).deliver(0, &records(0..2)).unwrap();
    let text = fs::read_to_string(path_in(folder.path())).unwrap();
    let spoilt = format!("{text}{}\n{{\"id\":\0\0\0\n{}\n", record(2), record(4));
    fs::write(path_in(folder.path()), spoilt).unwrap();
    sink_in(folder.path(), BIG, saved).deliver(2, &records(2..6)).unwrap();
    assert_eq!(lines(folder.path()), records(0..6));
}

#[test]
fn a_new_life_goes_on_after_the_old_one_and_overwrites_no_rotated_file() {
    let folder = tempfile::tempdir().unwrap();
    for life in 0..3 {
        let mut sink = sink_in(folder.path(), SMALL, Resume::default());
        for first in 0..20 {
            sink.deliver(first, &[format!("life {life} {}", record(first))]).unwrap();
        }
    }
    let mut all = lines(folder.path());
    all.sort();
    let mut expected: Vec<String> =
        (0..3).flat_map(|life| (0..20).map(move |n| format!("life {life} {}", record(n)))).collect();
    expected.sort();
    assert_eq!(all, expected);
}

#[test]
fn a_file_taken_away_or_truncated_while_we_write_is_started_afresh() {
    type Disturb = fn(&Path);
    let cases: [(&str, Disturb, usize); 3] = [
        ("moved", |p| fs::rename(p, p.with_extension("1")).unwrap(), 2),
        ("removed", |p| fs::remove_file(p).unwrap(), 2),
        ("truncated", |p| fs::write(p, "").unwrap(), 2),
    ];
    for (what, disturb, left) in cases {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = sink_in(folder.path(), BIG, Resume::default());
        sink.deliver(0, &records(0..3)).unwrap();
        disturb(&path_in(folder.path()));
        let resume = sink.deliver(3, &records(3..5)).unwrap();
        let text = fs::read_to_string(path_in(folder.path())).unwrap();
        assert_eq!(text, format!("{}\n{}\n", record(3), record(4)), "{what}");
        assert_eq!((text.lines().count(), resume.next, resume.file.unwrap().first), (left, 5, 3));
    }
}

#[test]
fn foreign_lines_appended_to_our_file_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = sink_in(folder.path(), BIG, Resume::default());
    sink.deliver(0, &records(0..1)).unwrap();
    let path = path_in(folder.path());
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}echo\n")).unwrap();
    sink.deliver(1, &records(1..2)).unwrap();
    assert_eq!(lines(folder.path()), [record(0), "echo".into(), record(1)]);
}

#[test]
fn a_file_stays_under_its_size_unless_one_delivery_is_larger() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = sink_in(folder.path(), SMALL, Resume::default());
    for first in (0..100).step_by(4) {
        sink.deliver(first, &records(first..first + 4)).unwrap();
    }
    assert!(files(folder.path()).iter().all(|(_, text)| text.len() <= 300));
    sink.deliver(100, &records(100..120)).unwrap();
    sink.deliver(120, &records(120..121)).unwrap();
    let sizes: Vec<usize> = files(folder.path()).iter().map(|(_, text)| text.len()).collect();
    assert_eq!(sizes.iter().filter(|size| **size > 300).count(), 1, "{sizes:?}");
    assert_eq!(lines(folder.path()), records(0..121));
}

#[test]
fn only_our_own_rotated_files_beyond_keep_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = [
        "events.ndjson.1",
        "events.ndjson.gz",
        "events.ndjson.00000000000000000001.gz",
        "other.ndjson.00000000000000000001",
    ];
    for name in foreign {
        fs::write(folder.path().join(name), "x\n").unwrap();
    }
    let rotation = Rotation { rotate_bytes: 100, keep: 3, keep_s: 0, keep_bytes: u64::MAX };
    let mut sink = sink_in(folder.path(), rotation, Resume::default());
    for first in 0..100 {
        sink.deliver(first, &records(first..first + 1)).unwrap();
    }
    for name in foreign {
        assert!(folder.path().join(name).exists(), "{name}");
    }
    let names = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name());
    assert_eq!(names.filter(|name| sink.is_ours(name)).count(), 3);
    let mut kept = lines(folder.path());
    kept.retain(|line| line != "x");
    assert_eq!(kept, records(100 - kept.len() as u64..100));
}

#[test]
fn a_second_process_is_refused_and_a_bad_place_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let path = path_in(folder.path());
    let sink = sink_in(folder.path(), BIG, Resume::default());
    let second = FileSink::open(&path, BIG, None, Clock::system()).unwrap_err();
    assert!(matches!(second, FileError::Locked { .. }) && second.hint().is_some());
    drop(sink);
    sink_in(folder.path(), BIG, Resume::default());

    let missing = FileSink::open(&folder.path().join("no/e.ndjson"), BIG, None, Clock::system()).unwrap_err();
    assert!(missing.hint().unwrap().contains("create the folder"), "{missing}");
    assert!(FileSink::open(folder.path(), BIG, None, Clock::system()).is_err());
}

#[test]
fn the_file_is_for_owner_and_group() {
    let folder = tempfile::tempdir().unwrap();
    sink_in(folder.path(), BIG, Resume::default());
    let mode = fs::metadata(path_in(folder.path())).unwrap().mode();
    assert_eq!(mode & 0o777, 0o640);
}

#[test]
fn a_file_is_not_removed_for_its_number_while_it_is_young_and_told_if_it_has_to_go() {
    let folder = tempfile::tempdir().unwrap();
    let rotation = Rotation { rotate_bytes: 100, keep: 3, keep_s: 3_600, keep_bytes: u64::MAX };
    let mut sink = sink_in(folder.path(), rotation, Resume::default());
    for first in 0..40 {
        sink.deliver(first, &records(first..first + 1)).unwrap();
    }
    assert_eq!(lines(folder.path()), records(0..40), "all are young");
    assert_eq!(sink.removed(), None);
    // An hour later the oldest are ten too many.
    let later = Clock::system().now().plus(3_601_000);
    sink.prune(later).unwrap();
    let names = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name());
    assert_eq!(names.filter(|name| sink.is_ours(name)).count(), 3);
    assert_eq!(sink.removed(), None, "they had their time");
    // More bytes than may be: the young ones go as well.
    sink.rotation.keep_bytes = 250;
    for first in 40..60 {
        sink.deliver(first, &records(first..first + 1)).unwrap();
    }
    let bytes: u64 = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes <= 250 + 2 * 100, "{bytes}");
    let removed = sink.removed().unwrap();
    assert!(removed.files > 3 && removed.age_s < 3_600 && removed.limit_bytes == 250, "{removed:?}");
    assert_eq!(sink.removed(), None);
    let kept = lines(folder.path());
    assert_eq!(kept, records(60 - kept.len() as u64..60), "the newest stay");
}

/// As an alerts-only sink gets them: numbers with gaps.
fn sparse(numbers: &[u64]) -> Vec<Delivery> {
    numbers.iter().map(|number| delivery(*number, &record(*number))).collect()
}

fn sparse_lines(numbers: &[u64]) -> Vec<String> {
    numbers.iter().map(|number| record(*number)).collect()
}

#[test]
fn numbers_with_gaps_stay_the_records_own_also_when_a_commit_was_lost() {
    let folder = tempfile::tempdir().unwrap();
    let timeout = Duration::from_secs(1);
    let mut sink = sink_in(folder.path(), BIG, Resume::default());
    let saved = sink.send(&sparse(&[7, 40, 41]), timeout);
    assert_eq!((saved.settled, &saved.next), (42, &Next::Go));
    assert_eq!(sink.send(&sparse(&[60, 90]), timeout).settled, 91);
    drop(sink);
    // The second attempt was never saved: the same comes again, in another batch and with more after it.
    let resume = saved.resume.unwrap();
    let mut sink = FileSink::open(&path_in(folder.path()), BIG, Some(&resume), Clock::system()).unwrap();
    assert_eq!(sink.send(&sparse(&[60]), timeout).settled, 61);
    assert_eq!(sink.send(&sparse(&[60, 90, 1_000]), timeout).settled, 1_001);
    assert_eq!(lines(folder.path()), sparse_lines(&[7, 40, 41, 60, 90, 1_000]));
    assert_eq!(sink.resume.file.as_ref().map(|mark| mark.first), Some(7));
}

#[test]
fn a_position_that_counted_lines_instead_of_records_is_read_on() {
    let folder = tempfile::tempdir().unwrap();
    let saved = sink_in(folder.path(), BIG, Resume::default()).deliver(100, &sparse_lines(&[101, 107])).unwrap();
    // Two lines of the records 100 to 107: the number after them was said to be 102.
    let old = serde_json::json!({"next": 102, "file": saved.file});
    let mut sink = FileSink::open(&path_in(folder.path()), BIG, Some(&old), Clock::system()).unwrap();
    let answer = sink.send(&sparse(&[108, 120]), Duration::from_secs(1));
    assert_eq!((answer.settled, answer.next), (121, Next::Go));
    assert_eq!(lines(folder.path()), sparse_lines(&[101, 107, 108, 120]));
    drop(sink);
    // One that can't be read costs a warning: what is there stays, and new lines follow.
    let mut sink =
        FileSink::open(&path_in(folder.path()), BIG, Some(&serde_json::json!("?")), Clock::system()).unwrap();
    assert_eq!(sink.send(&sparse(&[130]), Duration::from_secs(1)).settled, 131);
    assert_eq!(lines(folder.path()), sparse_lines(&[101, 107, 108, 120, 130]));
}

#[test]
fn a_full_disk_is_waited_for_with_what_was_settled_before() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let mut sink =
        FileSink::open_on((Box::new(disk.clone()), Clock::system()), &path_in(folder.path()), BIG, Resume::default())
            .unwrap();
    let first = sink.send(&sparse(&[3]), Duration::from_secs(1));
    disk.plan().room = Some(2);
    let full = sink.send(&sparse(&[5, 6]), Duration::from_secs(1));
    let Next::Wait { at_least: None, why } = &full.next else { panic!("{full:?}") };
    assert!(why.to_string().contains("no space left") && why.hint.is_some(), "{why}");
    assert_eq!((full.settled, full.resume, full.refused), (4, first.resume, vec![]));
}
