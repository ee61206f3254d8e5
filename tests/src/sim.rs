//! A simulated Slack in the test's own process, for tests that aren't async, and the orgs that stand behind it.

use gridwatch_sim::{Fault, Knobs, RequestSeen, RunningSim, Sim, SimClock, SimConfig};
use gridwatch_stories::{Org, OrgPlan, SimEntry, generate};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use tokio::runtime::Runtime;

/// A simulator that is listening. Its methods are those of [`RunningSim`].
#[derive(Debug)]
pub struct Slack {
    sim: RunningSim,
    /// Last, because dropping it ends the server.
    _runtime: Runtime,
}

impl Deref for Slack {
    type Target = RunningSim;

    fn deref(&self) -> &RunningSim {
        &self.sim
    }
}

/// A request of `/logs`, its times as numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Milliseconds of the simulator's clock.
    pub at_ms: u64,
    pub status: u16,
    pub oldest: u64,
    pub latest: u64,
    pub limit: u64,
    /// As it was sent, percent-encoded.
    pub cursor: Option<String>,
}

impl Asked {
    /// What has to be the same on every page of a walk.
    pub fn walk(&self) -> (u64, u64, u64) {
        (self.oldest, self.latest, self.limit)
    }
}

impl Slack {
    /// By the machine's clock and without a rate limit.
    pub fn start(org: Org) -> Self {
        Self::with(org, SimConfig { knobs: Knobs::unlimited(), ..SimConfig::default() })
    }

    pub fn faulty(org: Org, faults: Vec<Fault>) -> Self {
        Self::with(org, SimConfig { knobs: Knobs::unlimited(), faults, ..SimConfig::default() })
    }

    pub fn with(org: Org, config: SimConfig) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let sim = runtime.block_on(Sim::start(org, config, ([127, 0, 0, 1], 0).into())).expect("a simulator");
        Self { sim, _runtime: runtime }
    }

    /// Every request of `/logs` so far. Panics on one that Slack's documentation doesn't allow: whatever a test is about,
    /// each parameter is there once with every cursor, times are integers and not in the future, names are known.
    pub fn asked(&self) -> Vec<Asked> {
        let seen = self.stats().seen;
        seen.iter().filter(|seen| !is_of_public_list(seen) && !is_about_people(seen)).map(asked).collect()
    }
}

/// What alerts are filled from, with a token of its own.
fn is_about_people(seen: &RequestSeen) -> bool {
    seen.path == "/api/users.info"
}

/// Slack's lists of actions and entity types, which need no token and so must not be sent one.
fn is_of_public_list(seen: &RequestSeen) -> bool {
    let is_list = ["/audit/v1/actions", "/audit/v1/schemas"].contains(&seen.path.as_str());
    assert!(!is_list || !seen.had_auth && seen.params.is_empty() && seen.method == "GET", "{seen:?}");
    is_list
}

fn asked(seen: &RequestSeen) -> Asked {
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("GET", "/audit/v1/logs"), "{seen:?}");
    assert!(seen.had_auth, "no Authorization header: {seen:?}");
    let params: BTreeMap<&str, &str> = seen.params.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(params.len(), seen.params.len(), "a parameter is there twice: {seen:?}");
    let unknown = params.keys().find(|name| !["oldest", "latest", "limit", "cursor"].contains(name));
    assert_eq!(unknown, None, "{seen:?}");
    let integer = |name: &str| -> u64 {
        let text = params.get(name).unwrap_or_else(|| panic!("no `{name}`: {seen:?}"));
        assert!(text.bytes().all(|b| b.is_ascii_digit()), "`{name}` is no integer: {seen:?}");
        text.parse().unwrap_or_else(|e| panic!("`{name}`: {e}: {seen:?}"))
    };
    let (oldest, latest, limit) = (integer("oldest"), integer("latest"), integer("limit"));
    assert!(oldest <= latest, "{seen:?}");
    assert!((1..=9999).contains(&limit), "{seen:?}");
    let cursor = params.get("cursor").map(|cursor| (*cursor).to_owned());
    Asked { at_ms: seen.at_ms, status: seen.status, oldest, latest, limit, cursor }
}

/// Seconds since 1970, by the machine.
pub fn now() -> u64 {
    SimClock::Real.now_secs()
}

/// The same in milliseconds.
pub fn now_ms() -> u64 {
    SimClock::Real.now_ms()
}

/// An org without stories: this many entries between two times.
pub fn org(entries: u64, from: u64, to: u64) -> Org {
    let entries = Some(entries);
    generate(&OrgPlan {
        seed: 7,
        users: 20,
        from,
        to,
        entries,
        stories: false,
        every_action: false,
        around_the_clock: true,
    })
}

/// An org with exactly these entries.
pub fn org_of(entries: Vec<SimEntry>) -> Org {
    Org { entries, ..generate(&OrgPlan { users: 8, stories: false, entries: Some(1), ..OrgPlan::default() }) }
}

/// An ordinary sign-in.
pub fn entry(id: &str, at: u64) -> SimEntry {
    let user = r#"{"id":"W012A3BCD","name":"primary-owner","email":"po@acme.example"}"#;
    let json = format!(
        r#"{{"id":"{id}","date_create":{at},"action":"user_login","actor":{{"type":"user","user":{user}}},"entity":{{"type":"user","user":{user}}},"context":{{"location":{{"type":"enterprise","id":"E1701NCCA","name":"Birdie","domain":"birdie"}},"ua":"Mozilla\/5.0","ip_address":"198.51.100.7"}}}}"#
    );
    SimEntry::from_wire(&json).expect("an entry")
}

/// Ids of entries that are not older than this.
pub fn ids_since(entries: &[SimEntry], oldest: u64) -> BTreeSet<String> {
    entries.iter().filter(|entry| entry.date_create >= oldest).map(|entry| entry.id.clone()).collect()
}
