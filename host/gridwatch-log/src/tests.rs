//! A log against a plain list: whatever happens to the files, it holds exactly what was saved, or says where it doesn't.

use crate::disk::faulty::FaultyDisk;
use crate::disk::{Disk, OsDisk};
use crate::{End, Log, LogError, Reader, Settings};
use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const SMALL: Settings = Settings { name: "t", segment_bytes: 3_000, block_bytes: 600 };

fn os() -> Box<dyn Disk> {
    Box::new(OsDisk)
}

/// Texts of which some compress, some don't, some are empty and some are larger than a block.
fn record(dice: &mut SmallRng) -> Vec<u8> {
    let length = [0, 20, 90, 90, 90, 2_000][dice.random_range(0..6)];
    let mut bytes = vec![b'x'; length];
    if dice.random_bool(0.7) {
        dice.fill_bytes(&mut bytes);
    }
    bytes
}

/// Writes some changes of some records each; the records, and the end after each change.
fn filled(folder: &Path, changes: usize, dice: &mut SmallRng) -> (Vec<Vec<u8>>, Vec<End>) {
    let mut log = Log::open(os(), folder, SMALL, End::before(1)).unwrap();
    let (mut all, mut ends) = (Vec::new(), vec![log.end()]);
    for _ in 0..changes {
        let new: Vec<Vec<u8>> = (0..dice.random_range(1..12)).map(|_| record(dice)).collect();
        let keyed = new.iter().enumerate().map(|(n, record)| ((all.len() + n) as u64, record));
        let end = log.write(keyed).unwrap();
        log.keep();
        all.extend(new);
        ends.push(end);
        assert_eq!(end.next, all.len() as u64 + 1);
    }
    (all, ends)
}

/// All that can be read up to the first error, and the error.
fn read(folder: &Path) -> (Vec<Vec<u8>>, Option<LogError>) {
    let (mut all, mut reader) = (Vec::new(), Reader::open(folder, SMALL.name).unwrap());
    loop {
        match reader.get(all.len() as u64 + 1) {
            Ok(Some(record)) => all.push(record.to_vec()),
            Ok(None) => return (all, None),
            Err(error) => return (all, Some(error)),
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

fn copy(from: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in files(from) {
        fs::copy(&file, copy.path().join(file.file_name().unwrap())).unwrap();
    }
    copy
}

#[test]
fn what_was_written_is_read_by_number_in_any_order_also_after_opening_again() {
    for seed in 0..20 {
        let (folder, mut dice) = (tempfile::tempdir().unwrap(), SmallRng::seed_from_u64(seed));
        let (all, ends) = filled(folder.path(), 30, &mut dice);
        assert!(files(folder.path()).len() > 3, "segments");
        let mut reader = Reader::open(folder.path(), SMALL.name).unwrap();
        for _ in 0..200 {
            let number = dice.random_range(0..all.len() + 3);
            let want = number.checked_sub(1).and_then(|at| all.get(at));
            assert_eq!(reader.get(number as u64).unwrap().as_deref(), want.map(Vec::as_slice), "seed {seed}");
        }
        let end = *ends.last().unwrap();
        let mut log = Log::open(os(), folder.path(), SMALL, End::from_bytes(&end.to_bytes())).unwrap();
        log.write([(7, b"more")]).unwrap();
        log.keep();
        assert_eq!(reader.get(all.len() as u64 + 1).unwrap().as_deref(), Some(&b"more"[..]), "it sees what is new");
        assert_eq!(read(folder.path()).0.len(), all.len() + 1);
    }
}

#[test]
fn a_change_that_was_never_saved_is_cut_and_more_than_one_is_an_old_end() {
    for seed in 0..20 {
        let mut dice = SmallRng::seed_from_u64(seed);
        let folder = tempfile::tempdir().unwrap();
        let (all, ends) = filled(folder.path(), 12, &mut dice);
        for (n, end) in ends.iter().enumerate() {
            let copy = copy(folder.path());
            let opened = Log::open(os(), copy.path(), SMALL, *end);
            if n + 2 < ends.len() {
                assert!(matches!(opened, Err(LogError::Ahead { .. })), "seed {seed}, {n}: {opened:?}");
                assert_eq!(read(copy.path()).0, all, "and nothing was changed");
                continue;
            }
            assert_eq!(opened.unwrap().end(), *end);
            assert_eq!(read(copy.path()).0, all[..end.next as usize - 1], "seed {seed}, {n}");
        }
    }
}

#[test]
fn a_tail_that_is_cut_anywhere_is_told_or_was_never_saved() {
    let (folder, mut dice) = (tempfile::tempdir().unwrap(), SmallRng::seed_from_u64(1));
    let (all, ends) = filled(folder.path(), 9, &mut dice);
    let [before, last] = ends[ends.len() - 2..] else { panic!() };
    let newest = files(folder.path()).pop().unwrap();
    let length = newest.metadata().unwrap().len();
    for keep in 0..length {
        let copy = copy(folder.path());
        File::options().write(true).open(copy.path().join(newest.file_name().unwrap())).unwrap().set_len(keep).unwrap();
        let error = Log::open(os(), copy.path(), SMALL, last).unwrap_err();
        assert!(error.is_damage(), "{keep}: {error}");
        let opened = Log::open(os(), copy.path(), SMALL, before);
        let (there, error) = read(copy.path());
        assert!(error.is_none() && all.starts_with(&there), "{keep}: {error:?}");
        match opened {
            Ok(_) => assert_eq!(there.len() as u64, before.next - 1, "{keep}"),
            Err(error) => assert!(error.is_damage() && (there.len() as u64) < before.next, "{keep}: {error}"),
        }
    }
}

/// A bit of every byte of a small log, and blocks of zeros anywhere.
#[test]
fn no_flipped_bit_and_no_zeroed_block_is_ever_read_as_something_else() {
    let (folder, mut dice) = (tempfile::tempdir().unwrap(), SmallRng::seed_from_u64(2));
    let (all, ends) = filled(folder.path(), 5, &mut dice);
    let end = *ends.last().unwrap();
    let check = |what: &str| {
        let opened = Log::open(os(), folder.path(), SMALL, end);
        let (there, error) = read(folder.path());
        assert!(all.starts_with(&there), "{what}: something else was read");
        if there.len() < all.len() {
            let told = opened.err().filter(LogError::is_damage).or(error);
            assert!(told.is_some(), "{what}: {} of {} and no word", there.len(), all.len());
        }
    };
    for path in files(folder.path()) {
        let (bytes, file) = (fs::read(&path).unwrap(), File::options().write(true).open(&path).unwrap());
        for (at, byte) in bytes.iter().enumerate() {
            let bit = dice.random_range(0..8);
            file.write_all_at(&[byte ^ (1 << bit)], at as u64).unwrap();
            check(&format!("{path:?}: bit {bit} of byte {at}"));
            file.write_all_at(&[*byte], at as u64).unwrap();
        }
        for _ in 0..40 {
            let at = dice.random_range(0..bytes.len());
            let until = (at + 512).min(bytes.len());
            file.write_all_at(&vec![0; until - at], at as u64).unwrap();
            check(&format!("{path:?}: zeros at {at}"));
            file.write_all_at(&bytes[at..until], at as u64).unwrap();
        }
    }
    assert_eq!(read(folder.path()).0, all);
}

#[test]
fn a_segment_that_is_missing_is_named() {
    let (folder, mut dice) = (tempfile::tempdir().unwrap(), SmallRng::seed_from_u64(3));
    let (_, ends) = filled(folder.path(), 30, &mut dice);
    let all = files(folder.path());
    for missing in &all[1..] {
        let copy = copy(folder.path());
        fs::remove_file(copy.path().join(missing.file_name().unwrap())).unwrap();
        let error = Log::open(os(), copy.path(), SMALL, *ends.last().unwrap()).unwrap_err();
        let LogError::Missing { path } = error else { panic!("{error}") };
        assert_eq!(path.file_name(), missing.file_name());
        assert!(read(copy.path()).1.is_some() || missing == all.last().unwrap());
    }
}

#[test]
fn reading_goes_on_after_damage_with_all_that_is_whole() {
    for seed in 0..30 {
        let (folder, mut dice) = (tempfile::tempdir().unwrap(), SmallRng::seed_from_u64(seed));
        let (all, _) = filled(folder.path(), 20, &mut dice);
        let files = files(folder.path());
        let path = &files[dice.random_range(0..files.len() - 1)];
        let file = File::options().read(true).write(true).open(path).unwrap();
        let at = dice.random_range(0..file.metadata().unwrap().len() - 1);
        file.write_all_at(&[0; 100], at).unwrap();
        let (mut reader, mut number, mut got, mut told) = (Reader::open(folder.path(), "t").unwrap(), 1, 0, 0);
        loop {
            match reader.block(number, |_, _| true) {
                Ok(Some(block)) => {
                    for n in number.max(block.first)..block.next {
                        assert_eq!(block.get(n), Some(&*all[n as usize - 1]), "seed {seed}");
                        got += 1;
                    }
                    number = block.next;
                }
                Ok(None) => break,
                Err(error) => {
                    assert!(error.is_damage(), "{error}");
                    told += 1;
                    let Some(next) = reader.after_damage(number).unwrap() else { break };
                    assert!(next > number, "seed {seed}: {error}");
                    number = next;
                }
            }
        }
        assert!(told > 0 || got == all.len(), "seed {seed}: {got} of {}", all.len());
        assert!(told < 4 && got * 2 > all.len(), "seed {seed}: {got} of {}", all.len());
    }
}

#[test]
fn a_log_whose_end_is_unknown_has_all_that_is_whole() {
    for seed in 0..60 {
        let (folder, mut dice) = (tempfile::tempdir().unwrap(), SmallRng::seed_from_u64(seed));
        let (all, _) = filled(folder.path(), 10, &mut dice);
        let files = files(folder.path());
        let newest = files.last().unwrap();
        let length = newest.metadata().unwrap().len();
        let keep = dice.random_range(0..=length);
        File::options().write(true).open(newest).unwrap().set_len(keep).unwrap();
        // And in every other round, damage somewhere else, also in a header.
        if seed % 2 == 0 {
            let file = File::options().write(true).open(&files[dice.random_range(0..files.len() - 1)]).unwrap();
            let at = if seed % 4 == 0 { 20 } else { dice.random_range(0..file.metadata().unwrap().len()) };
            file.write_all_at(&[0x55; 30], at).unwrap();
        }
        let mut log = Log::recover(os(), folder.path(), SMALL, 1).unwrap();
        let next = log.end().next;
        assert!(next as usize <= all.len() + 1 && (keep < length || next as usize == all.len() + 1));
        let end = log.end();
        drop(log);
        log = Log::open(os(), folder.path(), SMALL, end).unwrap();
        log.skip_to(next + 1_000);
        log.write([(0, b"new")]).unwrap();
        log.keep();
        let mut reader = Reader::open(folder.path(), "t").unwrap();
        let mut lost = 0;
        for (n, record) in (1..next).zip(&all) {
            match reader.get(n) {
                Ok(found) => assert_eq!(found.as_deref(), Some(&**record), "seed {seed}"),
                Err(error) => {
                    assert!(error.is_damage() && seed % 2 == 0, "seed {seed}: {error}");
                    lost += 1;
                }
            }
        }
        assert!(lost < 25, "seed {seed}: no more than what is in two blocks: {lost}");
        assert_eq!(reader.get(next + 1_000).unwrap().as_deref(), Some(&b"new"[..]), "a gap that was said");
        let end = log.end();
        drop(log);
        assert_eq!(Log::open(os(), folder.path(), SMALL, end).unwrap().end(), end, "it is a log like any other");
    }
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(Log::recover(os(), empty.path(), SMALL, 5).unwrap().end(), End::before(5));
}

/// Killed before any change of the disk, in the middle of any write, out of room, without power, with a sync that fails: opened with
/// the end that was saved last, it holds exactly what was kept.
#[test]
fn killed_full_or_without_power_it_holds_what_was_kept() {
    for seed in 0..300 {
        let (folder, mut dice) = (tempfile::tempdir().unwrap(), SmallRng::seed_from_u64(seed));
        let disk = FaultyDisk::default();
        let (mut all, mut end): (Vec<Vec<u8>>, End) = (Vec::new(), End::before(1));
        for life in 0..8 {
            disk.restart(Some(dice.random_range(1..25)), dice.random());
            disk.plan().room = dice.random_bool(0.2).then(|| dice.random_range(0..4_000));
            disk.plan().failing_syncs = if dice.random_bool(0.2) { 1 } else { 0 };
            let what = format!("seed {seed}, life {life}");
            let opened = Log::open(Box::new(disk.clone()), folder.path(), SMALL, end);
            if let Ok(mut log) = opened {
                assert_eq!(log.end(), end, "{what}");
                while !disk.plan().killed {
                    let new: Vec<Vec<u8>> = (0..dice.random_range(1..9)).map(|_| record(&mut dice)).collect();
                    match log.write(new.iter().map(|record| (0, record))) {
                        Ok(written) if dice.random_bool(0.9) => {
                            end = written;
                            log.keep();
                            all.extend(new);
                        }
                        Ok(_) => {}
                        Err(error) => {
                            assert!(!error.is_damage(), "{what}: {error}");
                            let mut plan = disk.plan();
                            (plan.room, plan.failing_syncs) = (None, 0);
                        }
                    }
                }
            } else if let Err(error) = opened {
                assert!(!error.is_damage(), "{what}: {error}");
            }
            if dice.random_bool(0.5) {
                disk.cut_power(folder.path(), &mut dice);
            }
        }
        let log = Log::open(os(), folder.path(), SMALL, end).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(log.end(), end);
        let (there, error) = read(folder.path());
        assert!(error.is_none() && there == all, "seed {seed}: {error:?}, {} of {}", there.len(), all.len());
    }
}

#[test]
fn old_segments_go_when_nobody_needs_them_and_they_are_old_enough() {
    let (folder, mut dice) = (tempfile::tempdir().unwrap(), SmallRng::seed_from_u64(4));
    let (all, ends) = filled(folder.path(), 40, &mut dice);
    let mut log = Log::open(os(), folder.path(), SMALL, *ends.last().unwrap()).unwrap();
    let before = files(folder.path()).len();
    assert_eq!(log.drop_old(0, u64::MAX).unwrap(), 0, "somebody needs the first");
    assert_eq!(log.drop_old(u64::MAX, 0).unwrap(), 0, "none is old enough");
    let half = all.len() as u64 / 2;
    let dropped = log.drop_old(half, u64::MAX).unwrap();
    assert!(dropped > 0 && log.first() <= half && files(folder.path()).len() == before - dropped);
    // Keys are the numbers less one.
    assert!(log.drop_old(u64::MAX, half + 40).unwrap() > 0 && log.first() <= half + 41);
    log.drop_old(u64::MAX, u64::MAX).unwrap();
    assert_eq!(files(folder.path()).len(), 1, "the last one stays");
    let mut reader = Reader::open(folder.path(), "t").unwrap();
    let first = reader.first().unwrap();
    assert!(first == log.first() && reader.get(first - 1).unwrap().is_none());
    assert_eq!(reader.get(first).unwrap().as_deref(), Some(&*all[first as usize - 1]));
    drop(log);
    Log::open(os(), folder.path(), SMALL, *ends.last().unwrap()).unwrap();
}

#[test]
fn a_segment_is_read_as_a_file_like_any_other() {
    let (folder, mut dice) = (tempfile::tempdir().unwrap(), SmallRng::seed_from_u64(5));
    let (all, _) = filled(folder.path(), 20, &mut dice);
    let mut read = Vec::new();
    for path in files(folder.path()) {
        assert_eq!(crate::name_of(&fs::read(&path).unwrap()), Some("t"));
        let mut segment = crate::Segment::new(File::open(path).unwrap());
        while let Some(records) = segment.next_records().unwrap() {
            read.extend(records);
        }
    }
    assert!(read == all && crate::name_of(b"{}").is_none());
}

#[test]
fn blocks_of_other_keys_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::open(os(), folder.path(), SMALL, End::before(1)).unwrap();
    for key in 0..50_u64 {
        log.write([(key, key.to_string())]).unwrap();
        log.keep();
    }
    let mut reader = Reader::open(folder.path(), "t").unwrap();
    let block = reader.block(1, |lowest, highest| lowest <= 33 && 33 <= highest).unwrap().unwrap();
    assert_eq!((block.first, block.get(34)), (34, Some(&b"33"[..])));
    assert!(reader.block(35, |lowest, highest| lowest <= 33 && 33 <= highest).unwrap().is_none());
}

#[test]
fn a_reader_follows_a_log_whose_end_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::open(os(), folder.path(), SMALL, End::before(1)).unwrap();
    let mut reader = Reader::open(folder.path(), "t").unwrap();
    log.write([(0, "never saved"), (0, "nor this")]).unwrap();
    assert_eq!(reader.get(2).unwrap().as_deref(), Some(&b"nor this"[..]));
    for text in ["what was saved", "and more", "and more", "and more"] {
        log.write([(0, text)]).unwrap();
        log.keep();
    }
    assert_eq!(reader.get(4).unwrap().as_deref(), Some(&b"and more"[..]));
    assert_eq!(reader.get(2).unwrap().as_deref(), Some(&b"and more"[..]));
}

#[test]
fn a_log_of_a_later_layout_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let (_, ends) = filled(folder.path(), 1, &mut SmallRng::seed_from_u64(0));
    let path = &files(folder.path())[0];
    let mut bytes = fs::read(path).unwrap();
    bytes[8] = 2;
    let sum = crc32fast::hash(&bytes[..60]).to_le_bytes();
    bytes[60..64].copy_from_slice(&sum);
    fs::write(path, bytes).unwrap();
    let error = Log::open(os(), folder.path(), SMALL, ends[1]).unwrap_err();
    assert!(!error.is_damage() && error.to_string().contains("layout 2"), "{error}");
}
