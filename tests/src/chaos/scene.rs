//! Where a fault strikes: a Slack, a gridwatch in front of it that is started again when it ends, a service that waits for its pings,
//! and who was told of what.

use super::row::{Row, Tally};
use crate::host::{Host, Setup, ends_within, private};
use crate::shim::Clock;
use crate::sim::{Slack, entry, now, now_ms};
use crate::web::Heard;
use gridwatch_sim::{Knobs, SimClock, SimConfig};
use gridwatch_stories::{Org, OrgPlan, generate};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::process::Child;
use std::time::Duration;

const HOUR_S: u64 = 3_600;
/// How long everything may take to arrive once the fault is over.
const PATIENCE_MS: u64 = 150_000;
/// The dead-man service alarms after so long without a ping.
const GRACE_MS: u64 = 4_000;
const LOOK: Duration = Duration::from_millis(100);
/// One entry each time, while a fault lasts.
const PUSH_MS: u64 = 400;
/// The monitor as shipped, in seconds.
const MONITOR: &str = "[monitor]\npatience = \"2s\"\nheartbeat = \"0s\"\n\
                       [telemetry]\nping_url_file = \"ping\"\nping_every = \"1s\"\n";

/// How large the organization is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub orgs: u64,
    pub entries: u64,
}

/// An organization with attacks in it, and what gridwatch makes of it without any fault.
#[derive(Debug)]
pub struct World {
    pub(super) org: Org,
    pub(super) from: u64,
    /// Ids of alerts, without revisions: in which order entries are judged may differ.
    pub(super) alerts: BTreeSet<String>,
}

impl World {
    /// # Panics
    /// It goes wrong without any fault.
    pub fn make(size: Size) -> Self {
        let to = now() - 120;
        let from = to - 36 * HOUR_S;
        let plan = |seed| OrgPlan {
            seed,
            users: 40,
            from,
            to,
            entries: Some(size.entries),
            around_the_clock: true,
            ..OrgPlan::default()
        };
        let mut org = generate(&plan(1));
        org.entries.extend((2..=size.orgs).flat_map(|seed| generate(&plan(seed)).entries));
        org.entries.sort_by_key(|entry| entry.date_create);
        let world = Self { org, from, alerts: BTreeSet::new() };
        let alerts = {
            let scene = Scene::new(&world, "");
            scene.host.run_once_well();
            scene.host.assert_exactly(&scene.slack.truth().ids);
            bases(&scene.host)
        };
        assert!(alerts.len() >= 8, "too few alerts to compare: {}", alerts.len());
        Self { alerts, ..world }
    }
}

/// Ids of alerts that are about the organization.
fn bases(host: &Host) -> BTreeSet<String> {
    let alerts = host.lines("alerts.ndjson").into_iter().filter(|alert| !is_own(alert));
    alerts.map(|alert| text(&alert["finding_info"]["uid"])).collect()
}

/// Tells gridwatch of itself?
fn is_own(alert: &Value) -> bool {
    alert["metadata"]["event_code"].as_str().is_some_and(|code| code.starts_with("gridwatch."))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// One gridwatch and all around it.
#[derive(Debug)]
pub(super) struct Scene<'w> {
    pub(super) world: &'w World,
    pub(super) slack: Slack,
    pub(super) host: Host,
    /// By which what happens has its time: Slack's clock, unless that one is off.
    life_clock: SimClock,
    /// Ours, where it isn't the machine's.
    pub(super) clock: Option<Clock>,
    /// Where its own words go, if not into the usual file.
    log: Option<String>,
    dead_man: Heard,
    running: Option<Child>,
    pushed: u64,
    pushed_ms: u64,
    /// When the fault began, and what had been told before.
    began_ms: Option<u64>,
    before: BTreeSet<String>,
    told: BTreeMap<String, f64>,
    /// Times at which it ended by itself.
    endings: Vec<String>,
}

impl<'w> Scene<'w> {
    /// `sinks` are more tables of the configuration.
    pub(super) fn new(world: &'w World, sinks: &str) -> Self {
        Self::with(world, sinks, SimClock::Real)
    }

    pub(super) fn with(world: &'w World, sinks: &str, slack_clock: SimClock) -> Self {
        let life_clock = slack_clock.clone();
        let config = SimConfig { knobs: Knobs::unlimited(), clock: slack_clock, ..SimConfig::default() };
        let slack = Slack::with(world.org.clone(), config);
        let setup = Setup::in_small_steps(&slack.base_url(), world.from);
        let host = Host::new(&Setup { more: format!("{}\n{MONITOR}{sinks}\n", setup.more), ..setup });
        let dead_man = Heard::start();
        let scene = Self {
            world,
            slack,
            host,
            life_clock,
            clock: None,
            log: None,
            dead_man,
            running: None,
            pushed: 0,
            pushed_ms: 0,
            began_ms: None,
            before: BTreeSet::new(),
            told: BTreeMap::new(),
            endings: Vec::new(),
        };
        scene.secret("ping", &format!("http://127.0.0.1:{}/uuid", scene.dead_man.port));
        scene
    }

    pub(super) fn secret(&self, name: &str, text: &str) {
        std::fs::write(self.host.path(name), text).expect("a secret");
        private(&self.host.path(name));
    }

    pub(super) fn start(&mut self) {
        let mut command = self.host.run(&[]);
        if let Some(clock) = &self.clock {
            clock.give(&mut command);
        }
        if let Some(log) = &self.log {
            let file = File::options().create(true).append(true).open(self.host.path(log)).expect("a log");
            command.stderr(file);
        }
        self.running = Some(command.spawn().expect("gridwatch starts"));
    }

    /// What happens has its time from this clock.
    pub(super) fn happens_by(&mut self, clock: SimClock) {
        self.life_clock = clock;
    }

    /// Its own words go there from the next start on.
    pub(super) fn log_to(&mut self, name: &str) {
        self.log = Some(name.to_owned());
    }

    pub(super) fn process(&self) -> &Child {
        self.running.as_ref().expect("it runs")
    }

    /// SIGTERM; it has to end well.
    pub(super) fn stop(&mut self) {
        let Some(process) = self.running.take() else { return };
        crate::host::signal(&process, "TERM");
        let status = ends_within(60, process);
        if !status.success() {
            self.endings.push(format!("told to stop, it ended with {status}"));
        }
    }

    /// As a service manager does it: what has ended by itself is started again.
    fn tend(&mut self) {
        if let Some(status) = self.running.as_mut().and_then(|process| process.try_wait().expect("a child")) {
            self.endings.push(status.to_string());
            std::thread::sleep(Duration::from_secs(1));
            self.start();
        }
    }

    /// Something happens in the organization now and then.
    fn live(&mut self) {
        if now_ms().saturating_sub(self.pushed_ms) >= PUSH_MS {
            self.push_at(self.life_clock.now_secs() - 1);
            self.pushed_ms = now_ms();
        }
    }

    /// An entry that shows from now on.
    pub(super) fn push_at(&mut self, at: u64) -> String {
        let id = format!("Llive{}", self.pushed);
        self.pushed += 1;
        self.slack.push(vec![entry(&id, at)]);
        id
    }

    /// What was told so far is no news.
    pub(super) fn begins(&mut self) {
        self.before = self.own_alerts().into_iter().map(|(uid, _)| uid).collect();
        self.told.clear();
        self.began_ms = Some(now_ms());
    }

    /// Uid and rule of what gridwatch told of itself.
    fn own_alerts(&self) -> Vec<(String, String)> {
        let own = self.host.lines("alerts.ndjson").into_iter().filter(is_own);
        let of = |alert: Value| {
            let tags = alert["finding_info"]["tags"].as_array().cloned().unwrap_or_default();
            let sink = tags.iter().find(|tag| tag["name"] == "sink").map(|tag| format!(" of {}", text(&tag["value"])));
            let rule = format!("{}{}", text(&alert["metadata"]["event_code"]), sink.unwrap_or_default());
            (text(&alert["finding_info"]["uid"]), rule)
        };
        own.map(of).collect()
    }

    /// Looks who has been told by now.
    fn observe(&mut self) {
        let Some(began_ms) = self.began_ms else { return };
        let after_s = now_ms().saturating_sub(began_ms) as f64 / 1_000.0;
        let mut who: Vec<String> =
            self.own_alerts().into_iter().filter(|(uid, _)| !self.before.contains(uid)).map(|(_, rule)| rule).collect();
        if self.dead_man.requests().iter().any(|(_, path, _)| path.ends_with("/fail")) {
            who.push("dead-man service, told".to_owned());
        }
        if self.dead_man.silent_ms().is_some_and(|ms| ms > GRACE_MS) {
            who.push("dead-man service, by silence".to_owned());
        }
        for one in who {
            self.told.entry(one).or_insert(after_s);
        }
    }

    /// Lets time pass, with life going on.
    pub(super) fn pass(&mut self, lasts: Duration) {
        let until_ms = now_ms() + lasts.as_millis() as u64;
        while now_ms() < until_ms {
            self.live();
            self.tend();
            self.observe();
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until something is so; the seconds that took, or `None` if it never is.
    pub(super) fn wait(&mut self, mut is_so: impl FnMut(&mut Self) -> bool) -> Option<f64> {
        let began_ms = now_ms();
        while now_ms() < began_ms + PATIENCE_MS {
            self.tend();
            self.observe();
            if is_so(self) {
                return Some((now_ms() - began_ms) as f64 / 1_000.0);
            }
            std::thread::sleep(LOOK);
        }
        None
    }

    /// Started, it has delivered some of what there is.
    pub(super) fn until_under_way(&mut self) {
        self.start();
        let some = self.world.org.entries.len() / 4;
        self.wait(|scene| scene.host.delivered().len() > some).unwrap_or_else(|| self.hopeless());
    }

    /// Started, it has delivered all of what there is.
    pub(super) fn until_up_to_date(&mut self) {
        self.start();
        self.wait(|scene| scene.is_complete()).unwrap_or_else(|| self.hopeless());
    }

    fn hopeless(&self) -> f64 {
        panic!("before any fault, nothing comes:\n{}\n{}", self.endings.join("\n"), self.host.log())
    }

    /// All entries and all alerts are there.
    pub(super) fn is_complete(&self) -> bool {
        let delivered = self.host.delivered();
        let ids = self.slack.truth().ids;
        ids.iter().all(|id| delivered.contains_key(id)) && bases(&self.host).is_superset(&self.world.alerts)
    }

    /// A fault that lasts, in the middle of work; then all has to arrive.
    pub(super) fn strike(
        &mut self,
        fault: &str,
        lasts: Duration,
        begin: impl FnOnce(&mut Self),
        end: impl FnOnce(&mut Self),
    ) -> Row {
        self.until_under_way();
        self.begins();
        begin(self);
        self.pass(lasts);
        end(self);
        let recovery_s = self.wait(|scene| scene.is_complete());
        self.row(fault, recovery_s)
    }

    /// What came of it, by the file sinks.
    pub(super) fn row(&mut self, fault: &str, recovery_s: Option<f64>) -> Row {
        self.stop();
        let mut row = Row { fault: fault.to_owned(), recovery_s, ..Row::default() };
        self.count(&mut row);
        row.told = self.told(|_| true);
        row.wrong = self.take_wrong();
        row
    }

    /// Adds what is in the file sinks.
    pub(super) fn count(&self, row: &mut Row) {
        let tally = Tally::of(&self.host.delivered(), &self.slack.truth().ids, &BTreeMap::new());
        row.records = row.records.and(tally);
        let (missing, doubled) = self.alerts();
        row.alerts_missing += missing;
        row.alerts_doubled += doubled;
    }

    /// Alerts that are missing, and records of alerts that are there twice.
    pub(super) fn alerts(&self) -> (u64, u64) {
        let missing = self.world.alerts.difference(&bases(&self.host)).count();
        let mut times = BTreeMap::<String, u64>::new();
        for alert in self.host.lines("alerts.ndjson") {
            *times.entry(text(&alert["metadata"]["uid"])).or_default() += 1;
        }
        (missing as u64, times.values().filter(|times| **times > 1).count() as u64)
    }

    /// Who was told, the first one first.
    pub(super) fn told(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<(String, f64)> {
        let mut told: Vec<(String, f64)> =
            self.told.iter().filter(|(who, _)| is_wanted(who)).map(|(who, after)| (who.clone(), *after)).collect();
        told.sort_by(|a, b| a.1.total_cmp(&b.1));
        told
    }

    /// What is wrong whatever the fault was.
    fn take_wrong(&mut self) -> Vec<String> {
        let mut wrong = std::mem::take(&mut self.endings);
        if self.host.log().contains("panicked at") {
            wrong.push("it panicked".to_owned());
        }
        wrong
    }

    /// Endings that belong to the fault are no news.
    pub(super) fn forgive_endings(&mut self) -> usize {
        std::mem::take(&mut self.endings).len()
    }
}

impl Drop for Scene<'_> {
    /// Nothing outlives it, whatever went wrong.
    fn drop(&mut self) {
        if let Some(mut process) = self.running.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
