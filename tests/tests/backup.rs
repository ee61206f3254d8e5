//! All that a gridwatch remembers as one file, and a gridwatch that goes on from it elsewhere.

use gridwatch_tests::host::{Host, Setup, ended, exactly, gridwatch, kill, terminate, until};
use gridwatch_tests::sim::{Slack, now, org};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

/// `gridwatch state …` on a host.
fn state(host: &Host, args: &[&str]) -> Output {
    ended(gridwatch().arg("state").args(args).arg("--config").arg(host.path("gridwatch.toml")))
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

fn export(host: &Host, to: &Path) {
    let output = state(host, &["export", "--to", to.to_str().expect("UTF-8")]);
    assert!(output.status.success(), "{}", said(&output));
}

/// A host that has remembered nothing yet, with what was exported.
fn imported(setup: &Setup, from: &Path) -> Host {
    let host = Host::new(setup);
    let output = state(&host, &["import", from.to_str().expect("UTF-8")]);
    assert!(output.status.success(), "{}", said(&output));
    host
}

/// How many events their sink had taken, as gridwatch noted.
fn said_to_have(host: &Host) -> usize {
    let Ok(noted) = std::fs::read(host.path("state/delivered.json")) else { return 0 };
    let noted: serde_json::Value = serde_json::from_slice(&noted).expect("JSON");
    noted["events"]["delivered"].as_u64().unwrap_or_default() as usize
}

fn together(hosts: [&Host; 2]) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    hosts.iter().flat_map(|host| host.delivered()).for_each(|(id, times)| *all.entry(id).or_default() += times);
    all
}

#[test]
fn another_machine_goes_on_where_the_first_one_ended() {
    let from = now() - 86_400;
    let slack = Slack::start(org(600, from, now() - 120));
    let setup = Setup::in_small_steps(&slack.base_url(), from);
    let first = Host::new(&setup);
    let child = first.start(&[]);
    until("a part is delivered", || first.delivered().len() > 200);
    terminate(child);
    let file = first.path("state.tar.zst");
    export(&first, &file);
    let again = state(&first, &["export", "--to", file.to_str().expect("UTF-8")]);
    assert!(!again.status.success() && said(&again).contains("File exists"), "{}", said(&again));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).expect("a file").permissions());
    assert_eq!(mode & 0o777, 0o600);
    let second = imported(&setup, &file);
    second.run_once_well();
    let listed = ended(gridwatch().args(["audit", "list", "--config"]).arg(second.path("gridwatch.toml")));
    let trail = said(&listed);
    assert!(trail.contains("state.export") && trail.contains("state.import"), "the trail came along: {trail}");
    exactly("both", &together([&first, &second]), &slack.truth().ids);
    let alerts = |host: &Host| host.alerts().into_keys().collect::<Vec<_>>();
    assert!(alerts(&first).iter().all(|alert| !alerts(&second).contains(alert)), "an alert came twice");
    // What was judged before is there as well: the whole archive, and every alert of the first.
    assert_eq!(second.archived("state/archive").len(), slack.truth().ids.len());
    assert!(second.history().is_superset(&first.history()));
    let full = state(&second, &["import", file.to_str().expect("UTF-8")]);
    assert!(!full.status.success() && said(&full).contains("is there already"), "{}", said(&full));
}

#[test]
fn a_copy_that_is_made_while_it_runs_misses_nothing() {
    let from = now() - 86_400;
    let slack = Slack::start(org(1_500, from, now() - 120));
    let setup = Setup::in_small_steps(&slack.base_url(), from);
    for wanted in [1, 300, 900] {
        let first = Host::new(&setup);
        let child = first.start(&[]);
        until("a part is delivered", || first.delivered().len() >= wanted);
        let file = first.path("state.tar.zst");
        let had = said_to_have(&first);
        export(&first, &file);
        let goes_on = first.delivered().len();
        until("it goes on", || first.delivered().len() > goes_on || goes_on == slack.truth().ids.len());
        kill(child);
        let delivered = first.lines("events.ndjson").into_iter();
        let delivered: Vec<String> =
            delivered.map(|event| event["metadata"]["uid"].as_str().expect("an id").to_owned()).collect();
        let second = imported(&setup, &file);
        second.run_once_well();
        let rest = second.delivered();
        let ids = slack.truth().ids;
        let missing: Vec<&String> =
            ids.iter().filter(|id| !delivered.contains(id) && !rest.contains_key(*id)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        let doubled: Vec<&String> = delivered[..had].iter().filter(|id| rest.contains_key(*id)).collect();
        assert!(doubled.is_empty(), "delivered before the copy was made, and again after it: {doubled:?}");
        let status = std::fs::read(second.path("state/status.json")).expect("a status");
        let status: serde_json::Value = serde_json::from_slice(&status).expect("JSON");
        assert!(status["state"]["begun_anew"].is_null(), "{}", status["state"]);
        assert!(rest.values().all(|times| *times == 1));
        assert_eq!(second.archived("state/archive").len(), slack.truth().ids.len());
    }
}

#[test]
fn what_is_no_whole_export_changes_nothing() {
    let from = now() - 3_600;
    let slack = Slack::start(org(60, from, now() - 120));
    let setup = Setup::in_small_steps(&slack.base_url(), from);
    let first = Host::new(&setup);
    first.run_once_well();
    let file = first.path("state.tar.zst");
    export(&first, &file);
    let whole = std::fs::read(&file).expect("an export");
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        bytes
    };
    let second = Host::new(&setup);
    let there = || {
        let names =
            std::fs::read_dir(second.path("state")).expect("a folder").map(|file| file.expect("a file").file_name());
        let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    for (case, bytes) in [
        ("empty", Vec::new()),
        ("cut", whole[..whole.len() / 2].to_vec()),
        ("its last bytes are missing", whole[..whole.len() - 20].to_vec()),
        ("a bit at its beginning", flipped(30)),
        ("a bit in the middle", flipped(whole.len() / 2)),
        ("a bit near its end", flipped(whole.len() - 30)),
        ("another file", b"state_dir = \"state\"\n".to_vec()),
    ] {
        let broken = second.path("broken.tar.zst");
        std::fs::write(&broken, bytes).expect("written");
        let output = state(&second, &["import", broken.to_str().expect("UTF-8")]);
        assert_eq!(output.status.code(), Some(1), "{case}: {}", said(&output));
        assert!(said(&output).contains("nothing was changed"), "{case}: {}", said(&output));
        assert!(there().iter().all(|name| name == "compiled" || name == "gridwatch.lock"), "{case}: {:?}", there());
    }
    let output = state(&second, &["import", file.to_str().expect("UTF-8")]);
    assert!(output.status.success(), "{}", said(&output));
    // A gridwatch that runs keeps its state.
    let child = second.start(&[]);
    second.until_running(&child);
    let output = state(&second, &["import", file.to_str().expect("UTF-8")]);
    assert!(!output.status.success() && said(&output).contains("a gridwatch runs on"), "{}", said(&output));
    terminate(child);
}
