//! A token that rotates: whatever dies, breaks or is done twice on the way, gridwatch stays signed in, or somebody is told while the old
//! token still works.

use gridwatch_tests::host::{Host, Setup, ends_within, private, terminate, until};
use gridwatch_tests::raw::{Raw, Reply, Seen};
use gridwatch_tests::shim::{self, How, Kill};
use gridwatch_tests::sim::{entry, now, now_ms};
use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

const FIRST: &str = "xoxe.xoxp-1-first";
const FIRST_REFRESH: &str = "xoxe-1-first";
/// As Slack's: an exchange by the old refresh token is honoured for a short time.
const GRACE_MS: u64 = 60_000;
/// Lives that are tried beside each other: most of each is waiting.
const AT_A_TIME: usize = 8;
/// A token that expires in so many seconds is due to be exchanged five seconds after it was made.
const SOON_DUE_S: u64 = 2 * 3_600 + 5;

/// What Slack knows of the app's tokens.
#[derive(Debug)]
struct Inside {
    /// The two newest ones work.
    access: Vec<String>,
    refresh: String,
    spent: Option<(String, u64)>,
    grace_ms: u64,
    expires_in_s: u64,
    exchanges: u64,
    refused: u64,
    /// Pages that somebody with a token got.
    pages: u64,
    /// Exchanges whose answer doesn't arrive, by their number.
    lost: BTreeSet<u64>,
}

/// A Slack with one app whose token rotates, and with an entry a second.
struct Slack {
    raw: Raw,
    inside: Arc<Mutex<Inside>>,
}

impl Slack {
    fn start(grace_ms: u64, expires_in_s: u64, lost: &[u64]) -> Self {
        let inside = Inside {
            access: vec![FIRST.to_owned()],
            refresh: FIRST_REFRESH.to_owned(),
            spent: None,
            grace_ms,
            expires_in_s,
            exchanges: 0,
            refused: 0,
            pages: 0,
            lost: lost.iter().copied().collect(),
        };
        let inside = Arc::new(Mutex::new(inside));
        let knows = inside.clone();
        let raw = Raw::start(move |seen| {
            let mut inside = knows.lock().unwrap_or_else(PoisonError::into_inner);
            match seen.path.as_str() {
                "/audit/v1/logs" if inside.access.iter().any(|token| token == seen.token()) => {
                    inside.pages += 1;
                    let at = now();
                    let entries: Vec<_> = (at - 60..=at).map(|at| entry(&format!("L{at}"), at)).collect();
                    Reply::page(&entries, seen)
                }
                "/audit/v1/logs" => Reply::status(401),
                "/api/oauth.v2.access" => inside.exchange(seen),
                _ => Reply::status(404),
            }
        });
        Self { raw, inside }
    }

    fn inside(&self) -> std::sync::MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn exchanges(&self) -> u64 {
        self.inside().exchanges
    }
}

impl Inside {
    fn exchange(&mut self, seen: &Seen) -> Reply {
        let shown = seen.body.split('&').find_map(|pair| pair.strip_prefix("refresh_token=")).unwrap_or_default();
        let is_in_grace = |(spent, at): &(String, u64)| spent == shown && now_ms().saturating_sub(*at) < self.grace_ms;
        if shown != self.refresh && !self.spent.as_ref().is_some_and(is_in_grace) {
            self.refused += 1;
            return Reply::json(r#"{"ok":false,"error":"invalid_refresh_token"}"#);
        }
        if shown == self.refresh {
            self.spent = Some((shown.to_owned(), now_ms()));
        }
        self.exchanges += 1;
        let n = self.exchanges;
        let (access, refresh) = (format!("xoxe.xoxp-1-n{n}"), format!("xoxe-1-n{n}"));
        self.refresh.clone_from(&refresh);
        self.access.push(access.clone());
        if self.access.len() > 2 {
            self.access.remove(0);
        }
        let expires_in = self.expires_in_s;
        let answer = Reply::json(format!(
            r#"{{"ok":true,"access_token":"{access}","refresh_token":"{refresh}","expires_in":{expires_in}}}"#
        ));
        match self.lost.contains(&n) {
            true => Reply { cut: Some(10), ..answer },
            false => answer,
        }
    }
}

fn host(slack: &Slack) -> Host {
    host_with(slack, "2s")
}

/// With a monitor that is as patient.
fn host_with(slack: &Slack, patience: &str) -> Host {
    let lines = "settle = \"5s\"\ninterval = \"1s\"\n[slack.rotation]\nclient_id = \"1.2\"\nclient_secret_file = \"secret\"\n\
                 refresh_token_file = \"refresh\"\n";
    let setup = Setup {
        slack: lines.into(),
        more: format!("[store]\nmin_free = \"16MiB\"\n[monitor]\npatience = \"{patience}\"\nheartbeat = \"0s\"\n"),
        ..Setup::new(&slack.raw.base_url(), now() - 60)
    };
    let host = Host::new(&setup);
    for (name, secret) in [("token", FIRST), ("secret", "0123456789abcdef"), ("refresh", FIRST_REFRESH)] {
        std::fs::write(host.path(name), secret).expect("a secret");
        private(&host.path(name));
    }
    host
}

/// It gets pages.
fn is_signed_in(slack: &Slack) {
    let before = slack.inside().pages;
    until("pages", || slack.inside().pages > before + 1);
}

/// The same, of one of several.
fn is_polling(host: &Host) {
    let last = || host.status()["poll"]["last_success"].clone();
    let before = last();
    until("pages of its own", || last() != before);
}

fn is_told(host: &Host) -> bool {
    host.lines("alerts.ndjson").iter().any(|alert| alert["metadata"]["event_code"] == "gridwatch.token-expiring")
}

/// Each call that an exchange makes on its files, and how often.
fn steps(folder: &Path, trace: &str) -> Vec<(String, String)> {
    let folder = folder.canonicalize().expect("a folder").display().to_string();
    let lines = trace.lines().filter_map(|line| line.split_once(' '));
    lines
        .filter_map(|(call, path)| Some((call.to_owned(), path.strip_prefix(&folder)?.to_owned())))
        .filter(|(_, path)| path.starts_with("/state/token."))
        .collect()
}

#[test]
fn killed_at_each_step_of_an_exchange_it_stays_signed_in() {
    if shim::library().is_none() {
        return;
    }
    let slack = Slack::start(GRACE_MS, 43_200, &[]);
    let whole = host(&slack);
    let trace = whole.path("trace");
    let mut command = whole.run(&["--once"]);
    shim::trace(&mut command, &trace);
    assert!(command.status().expect("gridwatch starts").success(), "{}", whole.log());
    assert_eq!(slack.exchanges(), 1);
    let steps = steps(&whole.path(""), &std::fs::read_to_string(&trace).expect("a trace"));
    assert!(steps.iter().any(|(call, path)| call == "rename" && path.ends_with("token.json")), "{steps:?}");

    let mut kills = Vec::new();
    for (n, (call, path)) in steps.iter().enumerate() {
        let nth = 1 + steps[..n].iter().filter(|step| *step == &steps[n]).count() as u32;
        let hows = if call == "write" { [How::Half, How::After] } else { [How::Before, How::After] };
        kills.extend(hows.map(|how| Kill { how, call: call.clone(), nth, path: path.clone() }));
    }
    assert!(kills.len() >= 12, "{steps:?}");
    std::thread::scope(|scope| {
        for kills in kills.chunks(kills.len().div_ceil(AT_A_TIME)) {
            scope.spawn(|| kills.iter().for_each(killed_at));
        }
    });
    println!("killed at {} steps", kills.len());
}

fn killed_at(kill: &Kill) {
    let slack = Slack::start(GRACE_MS, 43_200, &[]);
    let host = host(&slack);
    let mut command = host.run(&[]);
    kill.give(&mut command);
    let status = ends_within(60, command.spawn().expect("gridwatch starts"));
    assert_eq!(status.signal(), Some(9), "{kill}: {status} {}", host.log());
    let gridwatch = host.start(&[]);
    is_signed_in(&slack);
    terminate(gridwatch);
    // Once more, by what is saved alone.
    let exchanges = slack.exchanges();
    slack.inside().refresh = "none-is-taken".into();
    let gridwatch = host.start(&[]);
    is_signed_in(&slack);
    terminate(gridwatch);
    assert_eq!((slack.exchanges(), slack.inside().refused, is_told(&host)), (exchanges, 0, false), "{kill}");
}

#[test]
fn an_answer_that_is_lost_costs_nothing_while_slack_honours_the_old_refresh_token() {
    let slack = Slack::start(GRACE_MS, 43_200, &[1, 2]);
    // As patient as shipped, nearly: a fifth of it is longer than the first retries take.
    let host = host_with(&slack, "2m");
    let gridwatch = host.start(&[]);
    is_signed_in(&slack);
    until("the third answer arrives", || slack.exchanges() == 3);
    is_signed_in(&slack);
    until("it says so no longer", || host.status()["poll"]["token"]["refused"].is_null());
    terminate(gridwatch);
    assert!(!is_told(&host), "it was over within seconds");
}

#[test]
fn what_cannot_be_exchanged_is_told_while_the_old_token_works() {
    // The answer is lost, and Slack honours nothing old: the pair is lost for good.
    let slack = Slack::start(0, SOON_DUE_S, &[2]);
    let host = host(&slack);
    let gridwatch = host.start(&[]);
    until("the first pair", || slack.exchanges() == 1);
    until("it is told", || is_told(&host));
    assert_eq!(slack.exchanges(), 2);
    until("it is tried again", || slack.inside().refused > 0);
    is_signed_in(&slack);
    let left = host.status()["poll"]["token"]["expires"].as_u64().map(|expires| expires.saturating_sub(now()));
    assert!(left.is_some_and(|left| left > 3_600), "told before it expires, and not after: {left:?}");
    // Killed and started again, it is still signed in, and knows it.
    gridwatch_tests::host::kill(gridwatch);
    let gridwatch = host.start(&[]);
    is_signed_in(&slack);
    terminate(gridwatch);
    let times = host
        .lines("alerts.ndjson")
        .iter()
        .filter(|alert| alert["metadata"]["event_code"] == "gridwatch.token-expiring")
        .count();
    assert_eq!(times, 1, "told once");
}

#[test]
fn killed_where_slack_honours_nothing_old_it_polls_on_and_tells() {
    if shim::library().is_none() {
        return;
    }
    let slack = Slack::start(0, 43_200, &[]);
    let host = host(&slack);
    let mut command = host.run(&[]);
    // Slack has answered, and nothing of it is on disk.
    Kill { how: How::Before, call: "unlink".into(), nth: 1, path: "/state/token.room".into() }.give(&mut command);
    let status = ends_within(60, command.spawn().expect("gridwatch starts"));
    assert_eq!(status.signal(), Some(9), "{status} {}", host.log());
    assert_eq!(slack.exchanges(), 1);
    let gridwatch = host.start(&[]);
    is_signed_in(&slack);
    until("it is told", || is_told(&host));
    is_signed_in(&slack);
    terminate(gridwatch);
}

#[test]
fn two_processes_with_one_refresh_token_both_go_on_and_one_is_told() {
    let slack = Slack::start(0, 43_200, &[]);
    let (first, second) = (host(&slack), host(&slack));
    let one = first.start(&[]);
    until("the first pair", || slack.exchanges() == 1);
    is_signed_in(&slack);
    // In a folder of its own, it has a token that still works, and a refresh token that doesn't.
    let two = second.start(&[]);
    until("it is told", || is_told(&second));
    is_polling(&second);
    is_polling(&first);
    assert!(!is_told(&first));
    // In the same folder, it doesn't come so far as to ask.
    let asked = (slack.exchanges(), slack.inside().refused);
    let output = first.run_once();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(slack.exchanges(), asked.0);
    terminate(one);
    terminate(two);
}
