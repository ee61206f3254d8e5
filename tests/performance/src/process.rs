//! A process that is measured, from the outside.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime};
use wait4::Wait4;

/// How often is looked at it while it runs.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// What `/proc/PID/stat` counts in, on every Linux there is.
const TICKS_A_SECOND: u64 = 100;

/// What a process has cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    /// User and system, of all its threads.
    pub(super) cpu: Duration,
    pub(super) wall: Duration,
    /// The most memory that it had at any time.
    pub(super) peak_rss: u64,
    /// What it had the system write to disks.
    pub(super) written: u64,
}

/// A process that runs.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    began: Instant,
    peak_rss: u64,
}

impl Running {
    /// Starts it. Nothing reads what it prints; its errors go to a file.
    pub(super) fn start(command: &mut Command, errors: &Path) -> Self {
        let errors = std::fs::File::create(errors).expect("a file for errors");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn().expect("it starts");
        Self { child, began: now(), peak_rss: 0 }
    }

    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// User and system, so far.
    pub(super) fn cpu(&self) -> Duration {
        let stat = self.proc("stat");
        // After the name in brackets, which may hold anything: state is the first, utime the 12th, stime the 13th.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = [11, 12].map(|at| fields.get(at).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0));
        Duration::from_millis(ticks.iter().sum::<u64>() * 1_000 / TICKS_A_SECOND)
    }

    /// Looks whether it still runs, and remembers the most memory that it had.
    pub(super) fn look(&mut self) -> bool {
        let status = self.proc("status");
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let kib = field("VmHWM:").and_then(|peak| peak.trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0);
        self.peak_rss = self.peak_rss.max(kib * 1_024);
        field("State:").is_some_and(|state| !state.starts_with('Z'))
    }

    /// Waits until it ends by itself; `look` is called every few milliseconds.
    pub(super) fn ended(mut self, mut look: impl FnMut(&Self)) -> (Cost, ExitStatus) {
        while self.look() {
            look(&self);
            std::thread::sleep(LOOK_EVERY);
        }
        let wall = self.began.elapsed();
        // What has ended can still be asked until it is waited for.
        let written = self.proc("io");
        let written = written.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok()).unwrap_or(0);
        let ended = self.child.wait4().expect("a child");
        let cpu = ended.rusage.utime + ended.rusage.stime;
        (Cost { cpu, wall, peak_rss: self.peak_rss, written }, ended.status)
    }

    /// Tells it to end, and waits until it has.
    pub(super) fn terminated(self) -> (Cost, ExitStatus) {
        let told = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill");
        assert!(told.success(), "it had ended by itself");
        self.ended(|_| {})
    }

    fn proc(&self, name: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{name}", self.child.id())).unwrap_or_default()
    }
}

/// Runs it to its end, which has to be a good one.
pub(super) fn run(command: &mut Command, errors: &Path) -> Cost {
    run_looking(command, errors, |_| {})
}

/// The same, and `look` is called every few milliseconds.
pub(super) fn run_looking(command: &mut Command, errors: &Path, look: impl FnMut(&Running)) -> Cost {
    let (cost, status) = Running::start(command, errors).ended(look);
    let said = std::fs::read_to_string(errors).unwrap_or_default();
    assert!(status.success(), "{command:?} ended with {status}: {said}");
    cost
}

#[expect(clippy::disallowed_methods, reason = "time is what is measured")]
pub(super) fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "time is what is measured")]
pub(super) fn time() -> SystemTime {
    SystemTime::now()
}

/// Whole seconds of the epoch.
pub(super) fn seconds() -> u64 {
    time().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
