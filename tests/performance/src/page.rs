//! What browsers cost those who are to be told: entries come as for `latency`, once with nobody looking at the page and once with 200 browsers that have
//! it open and 20 that are slow, in turn.
//!
//! Measured are commits, as the program's own log says how long each took (lines of `gridwatch::store`), and the time from a page of Slack's to the alert
//! about what is in it. The page is served in both.

use super::browsers::{Browsers, Crowd, Seen};
use super::commands::megabytes;
use super::ingest::warm;
use super::latency::{Beside, Live, share, sorted};
use super::scene::{Scene, timestamp};
use super::{Cell, Corpus, Options, Report, Spread};
use std::any::Any;
use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const COLUMNS: &[&str] = &[
    "browsers",
    "alerts",
    "missing",
    "page to alert, ms, median",
    "page to alert, ms, 99 %",
    "commits",
    "commit, ms, median",
    "commit, ms, 99 %",
    "cores",
    "peak RSS, MB",
    "views",
    "view, ms, median",
    "view, ms, 99 %",
    "failed",
    "taken slowly, MB",
];
/// Alerts that are waited for: of fewer, the one of a hundred that takes longest is luck.
const MARKERS_A_SECOND: u64 = 20;
const CROWD: Crowd = Crowd { open: 200, slow: 20 };
/// With browsers nothing may take longer than so many times as long without.
const AT_MOST: f64 = 1.2;
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// What the log says of each commit.
const TOOK: &str = "took_us=";

/// One run.
struct Run {
    /// Seconds, ascending.
    to_alert: Vec<f64>,
    commits: Vec<f64>,
    views: Vec<f64>,
    slowly: u64,
    failed: u64,
    live: Live,
}

pub(super) fn measure(options: &Options) -> Report {
    let kind = options.kinds[0];
    let corpus = Corpus::make(kind, options.rate * options.seconds, &options.folder);
    warm(options, &corpus);
    let pairs: Vec<[Run; 2]> = (0..options.runs)
        .map(|n| {
            // In turn, so that what slowly changes on the machine changes for both.
            let is_alone_first = n % 2 == 0;
            let first = Run::of(options, &corpus, (!is_alone_first).then_some(CROWD));
            let second = Run::of(options, &corpus, is_alone_first.then_some(CROWD));
            if is_alone_first { [first, second] } else { [second, first] }
        })
        .collect();
    let mut report = Report::new("page", COLUMNS);
    let of = |at: usize| pairs.iter().map(|pair| &pair[at]).collect::<Vec<_>>();
    report.row(row("none".into(), &of(0)));
    report.row(row(format!("{} open, {} slow", CROWD.open, CROWD.slow), &of(1)));
    let ratio = |of: &dyn Fn(&Run) -> f64| Spread::of(pairs.iter().map(|[alone, looked]| of(looked) / of(alone)));
    let measured: [(&str, Spread); 4] = [
        (COLUMNS[3], ratio(&|run| share(&run.to_alert, 50))),
        (COLUMNS[4], ratio(&|run| share(&run.to_alert, 99))),
        (COLUMNS[6], ratio(&|run| share(&run.commits, 50))),
        (COLUMNS[7], ratio(&|run| share(&run.commits, 99))),
    ];
    let cell = |column: &&str| {
        let of_column = measured.iter().find(|(name, _)| name == column);
        of_column.map_or(Cell::Nothing, |(_, spread)| (*spread).into())
    };
    let mut ratios: Vec<Cell> = COLUMNS.iter().map(cell).collect();
    ratios[0] = "times without".into();
    report.row(ratios);
    let over = measured.iter().filter(|(name, spread)| name.ends_with("99 %") && spread.median > AT_MOST);
    report.over = over.map(|(name, spread)| format!("{name}: {:.2} times without browsers", spread.median)).collect();
    report
}

fn row(browsers: String, runs: &[&Run]) -> Vec<Cell> {
    let each = |of: &dyn Fn(&Run) -> f64| Cell::from(Spread::of(runs.iter().map(|run| of(run))));
    let all = |of: &dyn Fn(&Run) -> f64| Cell::from(runs.iter().map(|run| of(run)).sum::<f64>());
    let has_views = runs.iter().any(|run| !run.views.is_empty());
    let view = |percent| if has_views { each(&|run| share(&run.views, percent) * 1e3) } else { Cell::Nothing };
    vec![
        Cell::Text(browsers),
        all(&|run| run.live.shown.len() as f64),
        all(&|run| run.live.markers.len().saturating_sub(run.live.shown.len()) as f64),
        each(&|run| share(&run.to_alert, 50) * 1e3),
        each(&|run| share(&run.to_alert, 99) * 1e3),
        all(&|run| run.commits.len() as f64),
        each(&|run| share(&run.commits, 50) * 1e3),
        each(&|run| share(&run.commits, 99) * 1e3),
        each(&|run| run.live.cpu.as_secs_f64() / run.live.wall.as_secs_f64()),
        each(&|run| megabytes(run.live.peak_rss)),
        all(&|run| run.views.len() as f64),
        view(50),
        view(99),
        all(&|run| run.failed as f64),
        all(&|run| megabytes(run.slowly)),
    ]
}

impl Run {
    fn of(options: &Options, corpus: &Corpus, crowd: Option<Crowd>) -> Self {
        let looking = Looking { address: free(), crowd, seen: Arc::default(), log: RefCell::default() };
        let live = Live::run(options, corpus, MARKERS_A_SECOND, &looking);
        // What a start commits is no part of it.
        let begin = timestamp(live.begin).to_string();
        let commits = sorted(looking.log.borrow().lines().filter_map(|line| took(line, begin.trim_end_matches('Z'))));
        let views = std::mem::take(&mut *looking.seen.took.lock().expect("nobody panics with it"));
        Self {
            to_alert: live.since_page(),
            commits,
            views: sorted(views.into_iter()),
            slowly: looking.seen.slowly.load(Ordering::Relaxed),
            failed: looking.seen.failed.load(Ordering::Relaxed),
            live,
        }
    }
}

/// A port that was free a moment ago.
fn free() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address")
}

/// Seconds of a commit, of a line of the log that is no older than this.
fn took(line: &str, begin: &str) -> Option<f64> {
    let micros = line.split_once(TOOK)?.1.split_whitespace().next()?.parse::<f64>().ok()?;
    (line >= begin).then_some(micros / 1e6)
}

struct Looking {
    address: SocketAddr,
    crowd: Option<Crowd>,
    seen: Arc<Seen>,
    log: RefCell<String>,
}

impl Beside for Looking {
    fn prepare(&self, scene: &Scene) -> Command {
        let web = format!(
            "[web]\nlisten = \"{}\"\n[[web.user]]\nname = \"bench\"\ntoken_file = \"web-token\"\nsee = [\"*\"]\n",
            self.address
        );
        scene.configure(&web, ("web-token", TOKEN));
        let mut command = scene.run();
        command.args(["--log", "warn,gridwatch::store=debug"]);
        command
    }

    fn begin(&self) -> Box<dyn Any> {
        let open = |crowd| Box::new(Browsers::open(self.address, TOKEN, crowd, &self.seen)) as Box<dyn Any>;
        self.crowd.map_or(Box::new(()), open)
    }

    fn end(&self, scene: &Scene) {
        *self.log.borrow_mut() = std::fs::read_to_string(scene.path("errors")).expect("its log");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_as_long_as_the_log_says_and_starts_do_not_count() {
        let line = "2026-12-01T12:00:03.000001Z DEBUG gridwatch::store::changes: committed number=7 took_us=1500";
        assert_eq!(took(line, "2026-12-01T12:00:03"), Some(0.0015));
        assert_eq!(took(line, "2026-12-01T12:00:04"), None);
        assert_eq!(took("2026-12-01T12:00:05Z  WARN gridwatch: else", "2026-12-01T12:00:04"), None);
    }
}
