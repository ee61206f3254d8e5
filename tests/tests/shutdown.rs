//! Told to end, it ends: soon, with exit code 0, and the next start goes on where this one was.

use gridwatch_sim::{FaultKind, When};
use gridwatch_tests::host::{Host, Setup, ends_within, exactly, kill, signal, until};
use gridwatch_tests::sim::{Slack, now, org};
use std::collections::BTreeSet;
use std::fs::rename;
use std::process::Stdio;

/// How soon it ends: in five seconds, whatever waits and whoever refuses; and some more, for machines that test are busy.
const SOON_S: u64 = 5 + 3;

#[test]
fn told_to_end_while_working_it_drains_and_the_next_start_goes_on() {
    let from = now() - 2 * 86_400;
    let slack = Slack::start(org(6_000, from, now() - 120));
    let ids = slack.truth().ids;
    let host = Host::new(&Setup::in_small_steps(&slack.base_url(), from));
    for name in ["TERM", "INT", "TERM"] {
        let before = host.delivered().len();
        let gridwatch = host.start(&[]);
        until("entries delivered", || host.delivered().len() > before + 100);
        signal(&gridwatch, name);
        let status = ends_within(SOON_S, gridwatch);
        assert!(status.success(), "SIG{name}: {status}\n{}", host.log());
        // All that was detected on is with the sinks: that is what draining means.
        let status = host.status();
        assert_eq!(status["sinks"]["events"]["behind"], 0, "{status}");
        assert!(host.delivered().len() < ids.len(), "it was done before it was told to end");
    }
    host.run_once_well();
    host.assert_exactly(&ids);
}

#[test]
fn a_hanging_slack_holds_nobody_up() {
    let from = now() - 3_600;
    let slack = Slack::faulty(org(50, from, now() - 120), vec![FaultKind::SlowBody { ms: 120_000 }.at(When::Every(1))]);
    for name in ["TERM", "INT"] {
        let host = Host::new(&Setup::in_small_steps(&slack.base_url(), from));
        let asked = slack.stats().logs_requests;
        let gridwatch = host.start(&[]);
        until("a request that hangs", || slack.stats().logs_requests > asked);
        signal(&gridwatch, name);
        let status = ends_within(SOON_S, gridwatch);
        assert!(status.success(), "SIG{name}: {status}\n{}", host.log());
    }
}

#[test]
fn an_unreachable_slack_holds_nobody_up() {
    // Nobody listens on port 1.
    let host = Host::new(&Setup::in_small_steps("http://127.0.0.1:1", now() - 3_600));
    for name in ["TERM", "INT"] {
        let gridwatch = host.start(&[]);
        until("the state", || host.status()["pid"] == gridwatch.id());
        signal(&gridwatch, name);
        let status = ends_within(SOON_S, gridwatch);
        assert!(status.success(), "SIG{name}: {status}\n{}", host.log());
    }
}

#[test]
fn a_sink_that_refuses_holds_nobody_up_and_gets_everything_later() {
    let from = now() - 86_400;
    let slack = Slack::start(org(1_000, from, now() - 120));
    let ids = slack.truth().ids;
    let mut setup = Setup::in_small_steps(&slack.base_url(), from);
    setup.more +=
        "\n[[sink]]\nname = \"away\"\ntype = \"file\"\npath = \"out/events.ndjson\"\ninclude = [\"events\"]\nkeep = 0";
    let (host, away) = (Host::new(&setup), "out.away");
    std::fs::create_dir(host.path("out")).expect("a folder");
    let gridwatch = host.start(&[]);
    until("entries delivered", || host.delivered_to("out/events.ndjson").len() > 50);
    rename(host.path("out"), host.path(away)).expect("renamed");
    until("the sink refuses", || host.log().contains("delivery failed"));
    // The other sink gets everything: one that refuses delays no other.
    until("the other sink is done", || host.delivered().len() == ids.len());
    signal(&gridwatch, "TERM");
    let status = ends_within(SOON_S, gridwatch);
    assert!(status.success(), "{status}\n{}", host.log());
    assert!(host.log().contains("not delivered yet"), "{}", host.log());

    rename(host.path(away), host.path("out")).expect("renamed");
    // Once more the hard way, so that the position saved last is tried too.
    kill(host.start(&[]));
    host.run_once_well();
    exactly("the sink that refused", &host.delivered_to("out/events.ndjson"), &ids);
    host.assert_exactly(&ids);
}

/// Who reads the standard output has stopped doing so, and doesn't hang up: the write never returns.
#[test]
fn a_pipe_that_nobody_reads_holds_nobody_up_however_much_waits() {
    let from = now() - 86_400;
    let slack = Slack::start(org(6_000, from, now() - 120));
    let ids = slack.truth().ids;
    let mut setup = Setup::in_small_steps(&slack.base_url(), from);
    setup.more += "\n[[sink]]\nname = \"pipe\"\ntype = \"stdout\"\ninclude = [\"events\"]";
    let host = Host::new(&setup);
    let gridwatch = host.start_into(&[], Stdio::piped());
    until("much that waits", || host.status()["backlog"]["records"].as_u64() > Some(1_500));
    signal(&gridwatch, "TERM");
    let status = ends_within(SOON_S, gridwatch);
    assert!(status.success(), "{status}\n{}", host.log());
    assert!(host.log().contains("it doesn't come to an end"), "{}", host.log());

    let output = host.run_once();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    host.assert_exactly(&ids);
    let later: BTreeSet<String> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a line")["metadata"]["uid"].to_string())
        .collect();
    // The pipe had room for some.
    assert!(later.len() + 400 > ids.len(), "{} of {}", later.len(), ids.len());
}
