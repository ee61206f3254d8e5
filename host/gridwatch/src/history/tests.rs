//! The history by its promises: the newest record counts, the index follows the log, damage costs what is in it.

use super::*;
use gridwatch_rules::builtin;

const STATE: &str = "state";

/// An alert as gridwatch's own are, told apart by a number.
fn alert(number: u64, revision: u32) -> Alert {
    let now = UnixMillis(1_790_000_000_000 + number * 1_000);
    let mut alert = builtin::records_refused("sink", number, number, ("id", "reason"), "file", now);
    (alert.uid, alert.revision) = (format!("gw-{number:032x}"), revision);
    alert.actor.email = format!("{number}@example.com");
    alert.rule = ["sign-in.burst", "files.links"][number as usize % 2].to_owned();
    alert
}

fn uids(history: &mut History) -> Vec<String> {
    history.alerts(|_| true).unwrap().into_iter().map(|alert| format!("{}:{}", alert.uid, alert.revision)).collect()
}

#[test]
fn the_newest_record_of_an_alert_counts_and_the_newest_event_comes_last() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join(STATE);
    std::fs::create_dir(&dir).unwrap();
    let mut writer = Writer::recover(&dir).unwrap();
    for revision in 1..4 {
        let alerts: Vec<Alert> = (0..200).rev().map(|number| alert(number, revision)).collect();
        writer.write(alerts.iter().map(|alert| (0, alert))).unwrap();
        writer.keep();
    }
    writer.write([(1, &alert(7, 3)), (2, &alert(9, 2))]).unwrap();
    writer.keep();
    let mut history = History::open(&dir).unwrap();
    let want: Vec<String> = (0..200).map(|number| format!("{}:3", alert(number, 1).uid)).collect();
    assert_eq!(uids(&mut history), want);
    let seven = history.rows()[7].clone();
    assert_eq!((seven.place, history.rule(&seven)), (Place::Log(601), "files.links"), "of one number the later record");
    assert!(seven.is_by("7@example.com") && !seven.is_by("8@example.com") && seven.is_of("default"));
    assert_eq!(history.rules(), ["files.links", "sign-in.burst"].into());
    assert_eq!(history.find(&alert(66, 1).uid[3..]).unwrap().revision, 3);
    let several = history.find("0000").unwrap_err().to_string();
    assert!(several.contains("200 alerts begin with `0000`") && several.contains("and 190 older ones"), "{several}");
    assert!(history.find("ffff").unwrap_err().to_string().contains("no alert `ffff`"));

    // What was written and never saved stays for a store that is made anew, and goes once the saved end is believed.
    let end = writer.end();
    writer.write([(0, &alert(300, 1))]).unwrap();
    drop(writer);
    let mut writer = Writer::open(&dir, end).unwrap();
    assert_eq!((writer.end(), History::open(&dir).unwrap().rows().len()), (end, 201));
    writer.settle().unwrap();
    assert_eq!(writer.end(), end);
    assert_eq!(History::open(&dir).unwrap().rows().len(), 200);
}

#[test]
fn an_index_that_is_lost_cut_or_garbled_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_owned();
    let mut writer = Writer::recover(&dir).unwrap();
    let alerts: Vec<Alert> = (0..300).map(|number| alert(number, 1)).collect();
    writer.write(alerts.iter().map(|alert| (0, alert))).unwrap();
    writer.keep();
    let (end, index) = (writer.end(), dir.join("alerts").join(index::FILE));
    drop(writer);
    let whole = std::fs::read(&index).unwrap();
    let all = uids(&mut History::open(&dir).unwrap());
    assert_eq!(all.len(), 300);
    let mut garbled = whole.clone();
    garbled[20_000] ^= 4;
    for broken in [&[][..], &whole[..whole.len() / 2 + 5], &garbled, &[&whole[..], &whole[..100]].concat()] {
        std::fs::write(&index, broken).unwrap();
        assert_eq!(uids(&mut History::open(&dir).unwrap()), all, "whoever reads looks into the log");
        drop(Writer::open(&dir, end).unwrap());
        assert_eq!(std::fs::read(&index).unwrap(), whole, "whoever writes makes it again");
    }
}

#[test]
fn what_an_older_gridwatch_left_is_read_and_taken_in_once() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_owned();
    let file = |name: &str| dir.join("alerts").join(name);
    std::fs::create_dir(dir.join("alerts")).unwrap();
    let lines = |numbers: std::ops::Range<u64>, revision| -> String {
        let line = |number| format!("{}\n", serde_json::to_string(&alert(number, revision)).unwrap());
        numbers.map(line).collect()
    };
    std::fs::write(file("alerts.000007.ndjson"), lines(0..30, 1)).unwrap();
    std::fs::write(file("alerts.ndjson"), lines(20..40, 2) + "torn").unwrap();
    let before = uids(&mut History::open(&dir).unwrap());
    assert_eq!(before.len(), 40);
    assert!(before[25].ends_with(":2"), "{}", before[25]);
    let mut writer = Writer::recover(&dir).unwrap();
    writer.take_in_before(|_| Ok(())).unwrap();
    writer.take_in_before(|_| Ok(())).unwrap();
    assert_eq!(uids(&mut History::open(&dir).unwrap()), before);
    assert!(!file("alerts.ndjson").exists() && writer.end().next == 51);
}

#[test]
fn damage_in_the_log_costs_the_alerts_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_owned();
    let mut writer = Writer::recover(&dir).unwrap();
    for number in 0..100 {
        writer.write([(0, &alert(number, 1))]).unwrap();
        writer.keep();
    }
    drop(writer);
    let log = dir.join("alerts").join("alerts-00000000000000000001.log");
    let mut bytes = std::fs::read(&log).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    std::fs::remove_file(dir.join("alerts").join(index::FILE)).unwrap();
    assert_eq!(History::open(&dir).unwrap().rows().len(), 99);
}

/// Alerts, revisions of them, a store of before that comes back, lost segments: whoever looks again sees what whoever looks for the first time sees.
#[test]
fn who_looks_again_sees_what_is_there_now() {
    for seed in 0..20_u64 {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().to_owned();
        let (mut watched, mut dice) = (Watched::default(), seed);
        let mut roll = |sides: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % sides
        };
        assert!(watched.look(&dir).unwrap().is_none(), "there is none yet");
        let mut writer = Writer::recover(&dir).unwrap();
        let mut end = writer.end();
        for _ in 0..30 {
            let alerts: Vec<Alert> = (0..=roll(5)).map(|_| alert(roll(40), roll(4) as u32 + 1)).collect();
            writer.write(alerts.iter().map(|alert| (0, alert))).unwrap();
            match roll(6) {
                // Written and not kept: it may be seen, and go again.
                0 => {
                    watched.look(&dir).unwrap();
                    drop(writer);
                    writer = Writer::open(&dir, end).unwrap();
                    writer.settle().unwrap();
                }
                1 => {
                    writer.keep();
                    watched.look(&dir).unwrap();
                    // A store of before: what came since is cut off.
                    drop(writer);
                    writer = Writer::open(&dir, end).unwrap();
                    writer.settle().unwrap();
                }
                _ => writer.keep(),
            }
            end = writer.end();
            if roll(3) == 0 {
                let (seen, fresh) = (watched.look(&dir).unwrap().unwrap(), &mut History::open(&dir).unwrap());
                assert_eq!(uids(seen), uids(fresh), "seed {seed}");
                assert_eq!((seen.next(), seen.rules()), (fresh.next(), fresh.rules()), "seed {seed}");
                let rules = |history: &History| -> Vec<String> {
                    history.rows().iter().map(|row| history.rule(row).to_owned()).collect()
                };
                assert_eq!(rules(seen), rules(fresh), "seed {seed}");
            }
        }
    }
}
