//! A state folder that an older gridwatch wrote, kept as it was: what reading Slack again can't bring back is still there, nothing is
//! delivered twice, and what the rules remember comes back by reading again.
//!
//! `fixtures/state-of-layout-N.tar.zst` were written by the programs at 862a810 (2), 4fdccd1 (4) and 715c9f07 (5) with some of its modules
//! (authentication, encryption; of layout 5 sign-in, too): three days of a small org, its last seven entries while a sink failed, a token pair that was rotated once,
//! an exception that had expired. Beside the state folder, it holds what the sinks had written and what Slack had shown. The two rows of its
//! `responses.ndjson` were written by hand, and the pair was made to look expired. The store of layout 5 was killed while the sink failed.

use gridwatch_stories::SimEntry;
use gridwatch_tests::host::{Host, Setup, ended, gridwatch, private, root};
use gridwatch_tests::raw::{Raw, Reply};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// The refresh token of the pair that the older gridwatch had saved.
const KEPT: &str = "xoxe-1-after-1";
const SINKS: [&str; 3] = ["events.ndjson", "alerts.ndjson", "slow/events.ndjson"];

struct Before {
    /// Ids in the sinks' files, oldest first.
    delivered: BTreeMap<&'static str, Vec<String>>,
    entries: Vec<SimEntry>,
    /// End of drained time.
    watermark: u64,
    archived: Vec<(u64, String)>,
}

fn unpack(host: &Host, layout: u32) -> Before {
    let name = format!("tests/fixtures/state-of-layout-{layout}.tar.zst");
    let packed = std::fs::File::open(root().join(name)).expect("the fixture");
    let tar = zstd::decode_all(packed).expect("it is whole");
    std::fs::write(host.path("fixture.tar"), tar).expect("written");
    let mut unpack = Command::new("tar");
    unpack.arg("-xf").arg(host.path("fixture.tar")).arg("-C").arg(host.path("."));
    assert!(unpack.status().expect("tar").success());
    let entries = std::fs::read_to_string(host.path("entries.ndjson")).expect("entries");
    let checkpoint = std::fs::read(host.path("state/checkpoint.json")).expect("a checkpoint");
    let checkpoint: Value = serde_json::from_slice(&checkpoint).expect("a checkpoint");
    Before {
        delivered: SINKS.into_iter().map(|sink| (sink, uids(host, sink))).collect(),
        entries: entries.lines().map(|line| SimEntry::from_wire(line).expect("an entry")).collect(),
        watermark: checkpoint["watermark"].as_u64().expect("a time"),
        archived: host.archived("state/archive"),
    }
}

fn uids(host: &Host, sink: &str) -> Vec<String> {
    let uid = |line: &Value| line["metadata"]["uid"].as_str().expect("an id").to_owned();
    host.lines(sink).iter().map(uid).collect()
}

fn configure(host: &Host, raw: &Raw, start: u64) {
    let slack = "max_window = \"7d\"\npage_limit = 1000\ninterval = \"1s\"\nsettle = \"5s\"\n\
                 [slack.rotation]\nclient_id = \"1.2\"\nclient_secret_file = \"secret\"\nrefresh_token_file = \"refresh\"";
    let more = "[detect]\nexceptions = \"exceptions.toml\"\n[store]\nmin_free = \"16MiB\"\n\
                [[sink]]\nname = \"slow\"\ntype = \"file\"\npath = \"slow/events.ndjson\"\n";
    host.configure(&Setup { slack: slack.into(), more: more.into(), ..Setup::new(&raw.base_url(), start) });
    for (file, text) in [("secret", "0123456789abcdef"), ("refresh", "xoxe-1-configured")] {
        std::fs::write(host.path(file), text).expect("written");
        private(&host.path(file));
    }
    let exceptions = std::fs::read_to_string(host.path("exceptions.toml")).expect("exceptions");
    std::fs::write(
        host.path("exceptions.toml"),
        exceptions.replace("authentication.*", "authentication.control-relaxed"),
    )
    .expect("written");
}

/// Three more failures of the account that failed seven times while the older gridwatch ran.
fn after(before: &Before) -> Vec<SimEntry> {
    let last = before.entries.iter().find(|entry| entry.id == "failure-6").expect("the last that failed");
    let more = (0..3).map(|n| {
        let mut entry: Value = serde_json::from_str(&last.json).expect("JSON");
        (entry["id"], entry["date_create"]) = (json!(format!("after-{n}")), json!(before.watermark + 1 + n));
        SimEntry::from_wire(&entry.to_string()).expect("an entry")
    });
    more.collect()
}

fn said(args: &[&str], host: &Host) -> String {
    let output = ended(gridwatch().args(args).arg("--config").arg(host.path("gridwatch.toml")));
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_state_of_layout_2_goes_on_without_losing_or_doubling_anything() {
    goes_on(2);
}

#[test]
fn a_state_of_layout_4_goes_on_without_losing_or_doubling_anything() {
    goes_on(4);
}

/// Said in words, in the log and in the status; a store that can't be changed where it lies is set aside.
fn assert_begun(host: &Host, layout: u32, delivered: u64, log: &str) {
    let files = std::fs::read_dir(host.path("state")).expect("state").filter_map(Result::ok);
    let aside = files.filter(|file| file.file_name().to_string_lossy().starts_with("store.older-")).count();
    let state = host.status()["state"].clone();
    if layout == 5 {
        assert!(log.contains("which entries were seen is saved anew"), "{log}");
        assert_eq!((aside, state), (0, json!({ "forgotten": {}, "relearned": 0 })));
        return;
    }
    assert!(log.contains("written by an older gridwatch") && log.contains(&format!("layout={layout}")), "{log}");
    let why = state["begun_anew"].as_str().expect("words");
    assert!(
        why.contains(&format!("older gridwatch (layout {layout})")) && why.contains("nothing that was delivered"),
        "{why}"
    );
    assert_eq!((aside, state["relearned"].as_u64()), (1, Some(delivered)));
    assert!(said(&["status"], host).contains("written by an older gridwatch"));
}

/// It is changed where it lies: nothing is read again for what the rules remember.
#[test]
fn a_state_of_layout_5_goes_on_without_losing_or_doubling_anything() {
    goes_on(5);
}

fn goes_on(layout: u32) {
    let host = Host::new(&Setup::new("http://127.0.0.1:1", 0));
    let before = unpack(&host, layout);
    let (known, after) = (before.entries.clone(), after(&before));
    let all: Vec<SimEntry> = known.iter().chain(&after).cloned().collect();
    let raw = Raw::start(move |seen| match seen.path.as_str() {
        "/audit/v1/logs" if seen.token() == "xoxe.xoxp-1-fresh" => Reply::page(&all, seen),
        "/audit/v1/logs" => Reply::status(401),
        "/api/oauth.v2.access" if seen.body.contains(&format!("refresh_token={KEPT}")) => Reply::json(
            r#"{"ok":true,"access_token":"xoxe.xoxp-1-fresh","refresh_token":"xoxe-1-next","expires_in":43200}"#,
        ),
        "/api/oauth.v2.access" => Reply::json(r#"{"ok":false,"error":"invalid_refresh_token"}"#),
        _ => Reply::status(404),
    });
    configure(&host, &raw, before.watermark - 3 * 86_400);
    let responses = std::fs::read(host.path("state/responses.ndjson")).expect("responses");
    let run = host.run_once();
    let log = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.success(), "{log}");

    assert_begun(&host, layout, before.entries.len() as u64, &log);

    // Nothing is delivered twice, and what waited for the failing sink has come.
    let fresh: BTreeSet<String> = after.iter().map(|entry| entry.id.clone()).collect();
    let every: BTreeSet<String> = known.iter().map(|entry| entry.id.clone()).chain(fresh.clone()).collect();
    for sink in SINKS {
        let now = uids(&host, sink);
        let unique: BTreeSet<&String> = now.iter().collect();
        assert_eq!(unique.len(), now.len(), "{sink}: doubled");
        assert!(now.starts_with(&before.delivered[sink]), "{sink}: what was there stays");
    }
    let events: BTreeSet<String> = uids(&host, "events.ndjson").into_iter().collect();
    assert_eq!(events, every);
    let of_slow = uids(&host, "slow/events.ndjson").into_iter().filter(|uid| every.contains(uid)).count();
    assert_eq!(of_slow, every.len(), "seven waited, three are new");
    let archived = host.archived("state/archive");
    assert!(archived.starts_with(&before.archived) && archived.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert_eq!(archived.len(), every.len());

    // The seven failures count, although only the three after them were delivered by this gridwatch.
    let new: Vec<Value> = host.lines("alerts.ndjson").split_off(before.delivered["alerts.ndjson"].len());
    let rules: Vec<&str> = new.iter().filter_map(|alert| alert["metadata"]["event_code"].as_str()).collect();
    assert_eq!(rules, ["sign-in.burst"], "{new:#?}");
    assert_eq!(new[0]["evidences"].as_array().map(Vec::len), Some(10));

    // History, responses, and the pair of tokens: only who has it could renew it.
    let listed = said(&["alerts", "list"], &host);
    assert!(listed.contains("two-factor authentication is demanded less"), "{listed}");
    assert!(listed.contains("`old` has expired"), "{listed}");
    assert_eq!(std::fs::read(host.path("state/responses.ndjson")).expect("responses"), responses);
    let pair = std::fs::read_to_string(host.path("state/token.json")).expect("a pair");
    assert!(pair.contains("xoxe-1-next"), "renewed with the pair that was kept");

    // From then on it is a store like any other.
    host.run_once_well();
    assert_eq!(host.status()["state"], json!({ "forgotten": {}, "relearned": 0 }));
    assert_eq!(uids(&host, "events.ndjson").len(), every.len());
    assert_eq!(host.lines("alerts.ndjson").len(), before.delivered["alerts.ndjson"].len() + 1);
}
