//! Sinks that speak to other machines, through the program, against receivers that are as strict and as faulty as real ones: nothing is
//! missing, ever; what is there twice was stored by a receiver that died before it said so, and has the same id.

mod elasticsearch;
mod http;
mod messages;
mod routing;
mod splunk;
mod syslog;

use gridwatch_stories::{Org, OrgPlan, generate};
use gridwatch_tests::host::{Host, Setup, private, terminate};
use gridwatch_tests::sim::{Slack, now};
use std::collections::BTreeSet;
use std::process::Child;

const DAY_S: u64 = 86_400;

/// Two days of a small organization, with attacks in it.
fn org() -> Org {
    let to = now() - 120;
    generate(&OrgPlan { users: 40, from: to - 2 * DAY_S, to, entries: Some(400), ..OrgPlan::default() })
}

/// A gridwatch in front of it with file sinks for events and alerts, and with what is in `sinks`.
struct Place {
    slack: Slack,
    host: Host,
}

impl Place {
    fn new(sinks: &str) -> Self {
        let slack = Slack::start(org());
        let setup = Setup::in_small_steps(&slack.base_url(), now() - 3 * DAY_S);
        let more = format!("{}\n{sinks}", setup.more);
        let host = Host::new(&Setup { more, ..setup });
        Self { slack, host }
    }

    fn secret(&self, name: &str, text: &str) {
        std::fs::write(self.host.path(name), text).expect("a secret");
        private(&self.host.path(name));
    }

    /// Ids of everything that there is to deliver, once the file sinks have it and nothing more is behind.
    fn all(&self) -> BTreeSet<String> {
        self.events().into_iter().chain(self.alerts()).collect()
    }

    fn events(&self) -> BTreeSet<String> {
        self.host.delivered().into_keys().collect()
    }

    fn alerts(&self) -> BTreeSet<String> {
        self.host.alerts().into_keys().collect()
    }

    /// Waits until a sink has nothing before it, as far as the file sinks have come.
    fn until_delivered(&self, sinks: &[&str]) {
        let all = self.slack.truth().ids.len();
        until("all is delivered", &self.host, || {
            let status = self.host.status();
            let sink = |name: &str| status["sinks"][name].clone();
            // A sink that hasn't begun is not behind either.
            let is_done = |name: &&str| sink(name)["behind"] == 0 && (*name == "never" || sink(name)["delivered"] != 0);
            // One status says both, so that nothing is judged after it.
            status["backlog"]["entries"] == 0
                && self.events().len() == all
                && sinks.iter().all(is_done)
                && ["events", "alerts"].iter().all(is_done)
        });
    }

    fn run_until_delivered(&self, sinks: &[&str]) {
        let gridwatch = self.start();
        self.until_delivered(sinks);
        terminate(gridwatch);
    }

    fn start(&self) -> Child {
        self.host.start(&[])
    }

    /// What was refused for good, by id.
    fn dead_letters(&self, sink: &str) -> BTreeSet<String> {
        let text = std::fs::read_to_string(self.host.path(&format!("state/dead-letters/{sink}.ndjson")));
        let letters = text.unwrap_or_default();
        let id = |line: &str| {
            let letter: serde_json::Value = serde_json::from_str(line).expect("a letter");
            letter["id"].as_str().expect("an id").to_owned()
        };
        letters.lines().map(id).collect()
    }

    /// Some ids of events, to be told apart from all others.
    fn some_events(&self, count: usize) -> Vec<String> {
        self.slack.truth().ids.into_iter().step_by(37).take(count).collect()
    }
}

/// Waits for at least three minutes: several run beside each other.
fn until(what: &str, host: &Host, mut happened: impl FnMut() -> bool) {
    let waited = (0..3_600).find(|_| {
        let there = happened();
        if !there {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        there
    });
    assert!(waited.is_some(), "waited in vain: {what}\n{:#}\n{}", host.status()["sinks"], tail(&host.log()));
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}
