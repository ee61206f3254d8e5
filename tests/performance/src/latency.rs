//! How soon an alert is there while entries come.
//!
//! Entries of a corpus come at a rate, as of now, and among them some that make an alert each: Slack finds a malicious file.
//! Measured is the time from when Slack has sent the page that ends a range, until the line of an alert about an entry in it can be
//! read in the sink's file. When that line is synced isn't seen from outside; a sink syncs what it writes before it goes on.

use super::commands::{floor, megabytes, per_entry};
use super::ingest::warm;
use super::process::{Running, now, seconds, time};
use super::scene::{Scene, at, entries};
use super::slack::{Served, Slack};
use super::{Corpus, Options, Report};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

const COLUMNS: &[&str] = &[
    "corpus",
    "entries a second",
    "seconds",
    "alerts",
    "missing",
    "page to alert, ms, median",
    "page to alert, ms, 99 %",
    "page to alert, ms, most",
    "entry to alert, s, median",
    "entry to alert, s, most",
    "cores",
    "us of CPU an entry",
    "times the floor",
    "peak RSS, MB",
];
const MARKERS_A_SECOND: u64 = 5;
/// What a file's id begins with whose alert is waited for.
const MARKER: &str = "F0MARKER";
/// Until the first entry comes: a start takes less.
const AHEAD_S: u64 = 3;
/// How long alerts are waited for after the last entry.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(1);

pub(super) fn measure(options: &Options) -> Report {
    let mut report = Report::new("latency", COLUMNS);
    for kind in &options.kinds {
        let corpus = Corpus::make(*kind, options.rate * options.seconds, &options.folder);
        let floor = per_entry(floor(options, &corpus).cpu, &corpus);
        warm(options, &corpus);
        let live = Live::run(options, &corpus, MARKERS_A_SECOND, &Alone);
        let [page, entry] = [live.since_page(), live.since_entry()];
        let each = per_entry(live.cpu, &corpus);
        report.row(vec![
            kind.name().into(),
            (options.rate as f64).into(),
            (options.seconds as f64).into(),
            (live.shown.len() as f64).into(),
            (live.markers.len().saturating_sub(live.shown.len()) as f64).into(),
            (share(&page, 50) * 1e3).into(),
            (share(&page, 99) * 1e3).into(),
            (share(&page, 100) * 1e3).into(),
            share(&entry, 50).into(),
            share(&entry, 100).into(),
            (live.cpu.as_secs_f64() / live.wall.as_secs_f64()).into(),
            each.into(),
            (each / floor).into(),
            megabytes(live.peak_rss).into(),
        ]);
    }
    report
}

/// Entries that come, and the alerts about some of them.
pub(super) struct Live {
    /// By its place among the entries: the second at which it came.
    pub(super) markers: BTreeMap<usize, u64>,
    /// By the same: when its alert was there, by both clocks.
    pub(super) shown: BTreeMap<usize, (Instant, SystemTime)>,
    /// The second of the first entry.
    pub(super) begin: u64,
    served: Served,
    pub(super) cpu: Duration,
    pub(super) wall: Duration,
    pub(super) peak_rss: u64,
}

/// What is there beside it.
pub(super) trait Beside {
    /// Before it starts.
    fn prepare(&self, scene: &Scene) -> Command;
    /// While it runs; what is returned is dropped before it is told to end.
    fn begin(&self) -> Box<dyn std::any::Any>;
    /// Once it has ended.
    fn end(&self, scene: &Scene);
}

/// Nothing.
pub(super) struct Alone;

impl Beside for Alone {
    fn prepare(&self, scene: &Scene) -> Command {
        scene.run()
    }

    fn begin(&self) -> Box<dyn std::any::Any> {
        Box::new(())
    }

    fn end(&self, _: &Scene) {}
}

impl Live {
    pub(super) fn run(options: &Options, corpus: &Corpus, markers_a_second: u64, beside: &dyn Beside) -> Self {
        let begin = seconds() + AHEAD_S;
        let every = (options.rate / markers_a_second).max(1);
        let mut markers = BTreeMap::new();
        let mut coming = Vec::new();
        for (n, (_, json)) in entries(corpus).into_iter().enumerate() {
            let time = begin + n as u64 / options.rate;
            if n as u64 % every == every - 1 {
                markers.insert(n, time);
                coming.push((time, marker(n, time)));
            } else {
                coming.push((time, at(&json, time)));
            }
        }
        let slack = Slack::start(coming);
        let scene = Scene::new(options, &slack.base_url(), begin, 1_000);
        let mut running = Running::start(&mut beside.prepare(&scene), &scene.path("errors"));
        let others = beside.begin();
        let (mut shown, mut read) = (BTreeMap::new(), 0);
        let longest = Duration::from_secs(AHEAD_S + options.seconds) + PATIENCE;
        while shown.len() < markers.len() && running.began().elapsed() < longest {
            for n in news(&scene.path("alerts.ndjson"), &mut read) {
                shown.entry(n).or_insert((now(), time()));
            }
            let said = || std::fs::read_to_string(scene.path("errors")).unwrap_or_default();
            assert!(running.look(), "it ended: {}", said());
            std::thread::sleep(LOOK_EVERY);
        }
        let wall = running.began().elapsed();
        drop(others);
        let (cost, status) = running.terminated();
        assert!(status.success(), "{status}");
        beside.end(&scene);
        Self { markers, shown, begin, served: slack.take_served(), cpu: cost.cpu, wall, peak_rss: cost.peak_rss }
    }

    /// Seconds from the end of the page to the alert, ascending.
    pub(super) fn since_page(&self) -> Vec<f64> {
        let received = |n: usize| self.served.drained.iter().find(|(ends, _)| *ends > n).map(|(_, when)| *when);
        let of = |(n, (shown, _)): (&usize, &(Instant, SystemTime))| {
            Some(shown.saturating_duration_since(received(*n)?).as_secs_f64())
        };
        sorted(self.shown.iter().filter_map(of))
    }

    /// Seconds from the second at which the entry came, ascending.
    fn since_entry(&self) -> Vec<f64> {
        let of = |(n, (_, shown)): (&usize, &(Instant, SystemTime))| {
            let came = SystemTime::UNIX_EPOCH + Duration::from_secs(self.markers[n]);
            shown.duration_since(came).unwrap_or_default().as_secs_f64()
        };
        sorted(self.shown.iter().map(of))
    }
}

pub(super) fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The value that so many percent are not above, by nearest rank; 0 of nothing.
pub(super) fn share(ascending: &[f64], percent: usize) -> f64 {
    let rank = (ascending.len() * percent).div_ceil(100).max(1);
    ascending.get(rank - 1).copied().unwrap_or(0.0)
}

/// An entry that makes an alert, which no other folds with.
fn marker(n: usize, time: u64) -> String {
    let user = json!({ "id": format!("W0MARKER{n}"), "name": "Mara", "email": "mara@example.com", "team": "T0MARKER" });
    let file =
        json!({ "id": format!("{MARKER}{n}"), "name": "a.docm", "filetype": "application/msword", "title": "a" });
    let location = json!({ "type": "workspace", "id": "T0MARKER", "name": "M", "domain": "m" });
    json!({
        "id": format!("marker-{n}"),
        "date_create": time,
        "action": "file_malicious_content_detected",
        "actor": { "type": "user", "user": user },
        "entity": { "type": "file", "file": file },
        "context": { "location": location, "ua": "", "ip_address": "198.51.100.7" },
    })
    .to_string()
}

/// The markers in what was added to a file, as far as its lines have ended.
fn news(path: &Path, read: &mut u64) -> Vec<usize> {
    let is_longer = std::fs::metadata(path).is_ok_and(|meta| meta.len() > *read);
    if !is_longer {
        return Vec::new();
    }
    let mut text = Vec::new();
    let mut file = std::fs::File::open(path).expect("the sink's file");
    file.seek(SeekFrom::Start(*read)).expect("the sink's file");
    file.read_to_end(&mut text).expect("the sink's file");
    let ended = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    *read += ended as u64;
    String::from_utf8_lossy(&text[..ended]).lines().filter_map(marked).collect()
}

fn marked(line: &str) -> Option<usize> {
    let after = line.split_once(MARKER)?.1;
    let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_the_value_that_so_many_are_not_above() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!([share(&values, 50), share(&values, 99), share(&values, 100)], [100.0, 198.0, 200.0]);
        assert_eq!((share(&[7.0], 50), share(&[], 50)), (7.0, 0.0));
    }

    #[test]
    fn an_alert_is_found_by_the_file_that_it_is_about() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, mut read) = (folder.path().join("alerts"), 0);
        let line = |n| format!("{{\"alert\":{}}}\n", marker(n, 1));
        std::fs::write(&path, line(3) + "{}\n" + &line(12)[..20]).expect("a file");
        assert_eq!(news(&path, &mut read), [3]);
        std::fs::write(&path, line(3) + "{}\n" + &line(12)).expect("a file");
        assert_eq!(news(&path, &mut read), [12]);
    }
}
