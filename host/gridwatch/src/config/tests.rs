//! Configurations that are wrong, and what is told about them.

use super::*;
use crate::sink;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

/// The writer of databases that the host's tests use.
#[path = "../../../../tests/src/mmdb.rs"]
mod mmdb;

/// A folder with everything that the example names.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        for folder in ["modules", "log"] {
            fs::create_dir(place.path(folder)).unwrap();
        }
        for secret in ["slack-token", "client-secret", "refresh-token"] {
            place.secret(secret, "xoxp-s3cret\n", 0o600);
        }
        place
    }

    /// And with what the sinks in its comments name.
    fn with_receivers() -> Self {
        let place = Self::new();
        for name in ["siem-ca.pem", "siem-client.pem"] {
            fs::write(place.path(name), "-----BEGIN CERTIFICATE-----\n").unwrap();
        }
        place.secret("siem-client.key", "-----BEGIN PRIVATE KEY-----\n", 0o600);
        for name in [
            "siem-token",
            "siem-key",
            "es-key",
            "hec-token",
            "pagerduty-key",
            "jira-key",
            "siem-password",
            "app-secret",
        ] {
            place.secret(name, "s3cret", 0o600);
        }
        place.secret("slack-webhook", "https://hooks.slack.com/services/T0/B0/s3cret", 0o600);
        fs::write(place.path("jira.json"), "{\"message\": \"{{ title }}\"}").unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn secret(&self, name: &str, text: &str, mode: u32) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
    }

    fn load(&self, text: &str) -> Result<Config, Problems> {
        self.load_all(text).map(|configs| configs.into_iter().next().expect("one"))
    }

    fn load_all(&self, text: &str) -> Result<Vec<Config>, Problems> {
        fs::write(self.path("gridwatch.toml"), text).unwrap();
        let env = |name: &str| (name == "SLACK_AUDIT_TOKEN").then(|| "xoxp-s3cret".to_owned());
        check::load(&self.path("gridwatch.toml"), &env, Purpose::Run)
    }

    /// The problems, without the folder's name and without hints.
    fn problems(&self, text: &str) -> Vec<String> {
        let problems = self.load(text).unwrap_err();
        problems.iter().map(|p| format!("{}: {}: {}", p.line.unwrap_or(0), p.key, p.what)).collect()
    }
}

/// The example with its absolute paths made relative.
fn example() -> String {
    EXAMPLE.replace("/var/lib/gridwatch", "state").replace("/var/log/gridwatch", "log").replace("/etc/gridwatch/", "")
}

const SMALL: &str = r#"
state_dir = "state"
[slack]
token_file = "slack-token"
[modules]
dir = "modules"
[[sink]]
name = "out"
type = "stdout"
"#;

#[test]
fn the_example_is_valid_and_so_is_every_key_in_its_comments() {
    let place = Place::with_receivers();
    let defaults = place.load(&example()).unwrap();
    // A comment that is a key: `# key = …` or `# [section]`, with no prose in it.
    let is_key =
        |line: &str| line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
    let example = example();
    let uncommented = example.lines().map(|line| match line.strip_prefix("# ") {
        Some(rest) if is_key(rest) && !rest.split(" = ").next().is_some_and(|key| key.ends_with("_env")) => {
            format!("{rest}\n")
        }
        _ => format!("{line}\n"),
    });
    fs::write(place.path("exceptions.toml"), "").unwrap();
    fs::create_dir(place.path("true-positives")).unwrap();
    fs::write(place.path("networks.csv"), "198.51.100.0/24,AS64500,DE\n").unwrap();
    fs::write(place.path("trust.toml"), "").unwrap();
    fs::write(place.path("modules.lock"), "version = 1\n").unwrap();
    for (name, kind) in [("GeoLite2-City.mmdb", "GeoLite2-City"), ("GeoLite2-ASN.mmdb", "GeoLite2-ASN")] {
        fs::write(place.path(name), mmdb::database(kind, &[])).unwrap();
    }
    fs::write(place.path("tor-exits.txt"), "203.0.113.7\n").unwrap();
    fs::write(place.path("hosting-ranges.txt"), "203.0.113.0/24\n").unwrap();
    fs::write(place.path("vpn-ranges.txt"), "192.0.2.0/24\n").unwrap();
    fs::write(place.path("proxy-ca.pem"), "-----BEGIN CERTIFICATE-----\n").unwrap();
    place.secret("people-token", "xoxb-s3cret", 0o600);
    place.secret("ping-url", "https://hc.example.com/s3cret", 0o600);
    fs::write(place.path("web.pem"), "-----BEGIN CERTIFICATE-----\n").unwrap();
    place.secret("web.key", "-----BEGIN PRIVATE KEY-----\n", 0o600);
    place.secret("web-night-shift", "0123456789abcdef0123456789abcdef", 0o600);
    let all = place.load(&uncommented.collect::<String>()).unwrap();
    assert!(!all.networks.is_empty());
    assert_eq!(Some(&all.detect.zone), Zone::named("Europe/Berlin").as_ref());
    assert!(all.slack.rotation.is_some() && all.asking.is_some());
    assert!(all.telemetry.listen.is_some() && all.telemetry.ping.is_some());
    assert!(all.web.tls.is_some() && all.web.user_header.is_some() && all.web.users[0].act == web::Orgs::All);
    let values = |config: &Config| {
        let s = &config.slack;
        let slack = (&s.base_url, s.start, s.interval_s, s.settle_s, s.overlap_s, s.max_range_s, s.page_limit);
        let rest = (
            s.requests_per_minute,
            s.timeout_s,
            (config.detect.batch, config.detect.state_max_bytes, config.detect.risk),
            &config.sinks[..2],
            &config.archive,
        );
        format!("{slack:?} {rest:?} {:?} {:?} {:?}", config.store, config.monitor, config.log)
    };
    assert_eq!(all.sinks.len(), 12, "one of each type, and some of several");
    assert_eq!(values(&all), values(&defaults), "a default in the example is not the real one");
}

#[test]
fn a_time_zone_that_does_not_exist_is_told() {
    let place = Place::new();
    for name in ["Europe/Berln", "CEST", "+02:00"] {
        let told = place.problems(&format!("{SMALL}[detect]\ntimezone = \"{name}\"\n"));
        assert!(
            told.iter().any(|line| line.contains(&format!("detect.timezone: `{name}` is not a time zone"))),
            "{told:?}"
        );
    }
    assert_eq!(place.load(SMALL).unwrap().detect.zone, Zone::default());
}

#[test]
fn defaults_need_four_keys() {
    let place = Place::new();
    let config = place.load(SMALL).unwrap();
    assert_eq!(config.slack.base_url, "https://api.slack.com");
    assert_eq!(config.slack.token.expose(), "xoxp-s3cret");
    assert_eq!(config.archive.unwrap().dir, place.path("state/archive"));
    assert_eq!(config.sinks[0].include, Include::USUAL);
}

#[test]
fn every_problem_is_told_at_once_with_its_line() {
    let place = Place::new();
    let told = place.problems(
        r#"stat_dir = "state"
[slack]
page_limit = 20000
page_limt = 10
interval = 30
settle = "soon"
base_url = "http://slack.example"
start = "2026-13-01"
[modules]
dir = "nowhere"
grants = { sign-in = ["kv", "root"] }
[lookups]
egress = ["198.51.100.0/33"]
files = { file = "none.txt" }
[detect]
batch = 0
risk = { rules = 1, span = "30d", point = 5 }
[[sink]]
name = "Out"
type = "fil"
[[sink]]
name = "b"
type = "file"
path = "nowhere/e.ndjson"
rotate_bytes = "1.5GiB"
include = []
[[sink]]
name = "b"
type = "stdout"
keep = 3
[archive]
keep = "1h"
enabled = "no"
[log]
level = "verbose"
"#,
    );
    for expected in [
        "0: state_dir: is missing",
        "1: stat_dir: unknown key",
        "2: slack.token_file: is missing",
        "3: slack.page_limit: 20000 is over the maximum; allowed is 1 to 9999",
        "4: slack.page_limt: unknown key",
        "5: slack.interval: is of type integer; it has to be a span in quotes",
        "6: slack.settle: `soon` is not a span",
        "7: slack.base_url: `http://slack.example` would send the token unencrypted",
        "8: slack.start: `2026-13-01` is neither a span nor a time",
        "10: modules.dir: there is no folder",
        "11: modules.grants.sign-in: `root` is not allowed; allowed is kv, lookup, wasi",
        "13: lookups.egress: `198.51.100.0/33` looks like a range",
        "14: lookups.files.file: cannot read",
        "16: detect.batch: 0 is under the minimum; allowed is 1 to 4096",
        "17: detect.risk.rules: 1 is under the minimum; allowed is 2 to 1000",
        "17: detect.risk.span: 30d is over the maximum; allowed is 60m to 7d",
        "17: detect.risk.point: unknown key",
        "19: sink.name: `Out` is not a valid name",
        "20: sink.type: `fil` is not allowed; allowed is stdout, file",
        "24: sink.path: there is no folder",
        "25: sink.rotate_bytes: is not a size",
        "26: sink.include: names nothing",
        "28: sink.name: another sink is called `b`",
        "30: sink.keep: is for sinks of type \"file\"",
        "32: archive.keep: 1h is under the minimum; allowed is 24h to 10000d",
        "33: archive.enabled: is of type string; it has to be true or false",
        "35: log.level: `verbose` is not allowed",
    ] {
        assert!(told.iter().any(|t| t.starts_with(expected)), "{expected}\nnot in {told:#?}");
    }
    assert_eq!(told.len(), 27, "{told:#?}");
}

#[test]
fn provisioning_is_named_once_for_all_modules() {
    let place = Place::new();
    let config = place.load(&format!("{SMALL}\n[detect.provisioning]\naccounts = [\"W012A3BCD\"]\n")).unwrap();
    assert_eq!(config.provisioning.accounts, ["W012A3BCD"]);
    let wrong = "[detect.provisioning]\napps = [\"B1\"]\naccounts = [\"okta@example.com\"]\nclients = [\"Mozilla/5.0\"]\nclient = []\n";
    let told = place.problems(&format!("{SMALL}{wrong}"));
    let first = SMALL.lines().count() + 1;
    for (line, expected) in [
        "detect.provisioning.apps: has `B1`; an app's id starts with A",
        "detect.provisioning.accounts: has `okta@example.com`; a person's id starts with U or W",
        "detect.provisioning.clients: has `Mozilla/5.0`, with which programs for people begin",
        "detect.provisioning.client: unknown key",
    ]
    .iter()
    .enumerate()
    {
        let expected = format!("{}: {expected}", first + line + 1);
        assert!(told.contains(&expected), "{expected}\nnot in {told:#?}");
    }
}

#[test]
fn problems_print_as_file_line_key_and_hint() {
    let place = Place::new();
    let problems = place.load(&SMALL.replace("token_file", "page_limt = 5\ntoken_file")).unwrap_err();
    let shown = problems.to_string();
    let expected = "gridwatch.toml:4:1: slack.page_limt: unknown key\n  hint: did you mean `page_limit`?";
    assert!(shown.ends_with(expected), "{shown}");
}

#[test]
fn a_secret_is_never_told() {
    let place = Place::new();
    place.secret("open", "xoxp-s3cret", 0o644);
    place.secret("empty", "", 0o600);
    let secret = "xoxp-1111111111-2222222222-s3cret";
    let hex = "s3cret0123456789abcdef0123456789";
    let cases = [
        ("token_file = \"open\"".to_owned(), "can be read by others"),
        ("token_file = \"empty\"".to_owned(), "is empty"),
        ("token_file = \"none\"".to_owned(), "cannot read"),
        (format!("token_file = \"{secret}\""), "cannot read"),
        (format!("token_file = \"{hex}\""), "cannot read"),
        (format!("token_env = \"{secret}\""), "is not set"),
        (format!("token = \"{secret}\""), "unknown key"),
        (format!("{secret} = 1"), "unknown key"),
        (format!("token_file = {secret}"), "is not valid TOML"),
        (format!("token_file = \"{secret}"), "is not valid TOML"),
        ("token_file = \"slack-token\"\ntoken_env = \"X\"".to_owned(), "is there beside"),
        (format!("base_url = \"https://u:{secret}@x\""), "password"),
    ];
    for (line, what) in cases {
        let problems = place.load(&SMALL.replace("token_file = \"slack-token\"", &line)).unwrap_err();
        let told = format!("{problems} {problems:?}");
        assert!(told.contains(what), "{line}: {told}");
        assert!(!told.contains("s3cret"), "{told}");
    }
    let config = place.load(&SMALL.replace("token_file = \"slack-token\"", "token_env = \"SLACK_AUDIT_TOKEN\""));
    assert!(!format!("{:#?}", config.unwrap()).contains("s3cret"));
}

#[test]
fn a_place_on_this_machine_needs_no_https() {
    let place = Place::new();
    for (url, good) in [
        ("https://api.slack-gov.com/", true),
        ("http://127.0.0.1:8080", true),
        ("http://[::1]:8080/x", true),
        ("http://localhost", true),
        ("http://localhost.example", false),
        ("http://10.0.0.1", false),
        ("https://", false),
        ("https://x:99999", false),
        ("api.slack.com", false),
        ("ftp://x", false),
        ("https://x/?a", false),
        ("https://x/#a", false),
        ("https://a b", false),
        ("https://[::1", false),
    ] {
        let text = SMALL.replace("token_file", &format!("base_url = \"{url}\"\ntoken_file"));
        assert_eq!(place.load(&text).is_ok(), good, "{url}");
    }
    let text = SMALL.replace("token_file", "base_url = \"HTTPS://API.slack.com:443/x/\"\ntoken_file");
    assert_eq!(place.load(&text).unwrap().slack.base_url, "https://api.slack.com/x");
}

#[test]
fn times_are_spans_or_instants() {
    let place = Place::new();
    let now = UnixSeconds(1_800_000_000);
    for (written, at) in [
        ("\"24h\"", now.0 - 86_400),
        ("\"0s\"", now.0),
        ("\"2026-01-31T00:00:00Z\"", 1_769_817_600),
        ("2026-01-31T01:00:00+01:00", 1_769_817_600),
    ] {
        let text = SMALL.replace("token_file", &format!("start = {written}\ntoken_file"));
        assert_eq!(place.load(&text).unwrap().slack.start.from(now).0, at, "{written}");
    }
    let text = SMALL.replace("token_file", "start = \"7d\"\nbackfill = \"1d\"\ntoken_file");
    assert_eq!(place.problems(&text), ["5: slack.backfill: has to reach further back than `start`"]);
}

#[test]
fn whatever_is_allowed_here_the_poller_takes() {
    let place = Place::new();
    for keys in [
        "interval = \"1s\"\nsettle = \"5s\"\noverlap = \"0s\"\nmax_window = \"1s\"\npage_limit = 1\nrequests_per_minute = 5",
        "interval = \"5m\"\nsettle = \"1h\"\noverlap = \"1h\"\nmax_window = \"7d\"\npage_limit = 9999\nrequests_per_minute = 6000",
        "start = \"1h\"\nbackfill = \"90d\"",
    ] {
        let text = SMALL.replace("token_file", &format!("{keys}\ntoken_file"));
        place.load(&text).unwrap().slack.poll(UnixSeconds(1_800_000_000)).unwrap();
    }
}

#[test]
fn modules_and_lookups_come_out_as_given() {
    let place = Place::new();
    fs::write(place.path("egress.txt"), "# ours\n203.0.113.9\n\n 198.51.100.0/24 \n").unwrap();
    let text = format!(
        "{SMALL}[modules.config.sign-in]\nburst = 7\nnames = [\"a\"]\n[modules.config.sign-in.deep]\nx = true\n\
         [modules.grants]\nsign-in = [\"kv\"]\n[lookups]\nfrom_file = {{ file = \"egress.txt\" }}\nlisted = [\"vpn\"]\n"
    );
    let config = place.load(&text).unwrap();
    let given = serde_json::json!({"burst": 7, "names": ["a"], "deep": {"x": true}});
    assert_eq!(Value::Object(config.modules.config["sign-in"].clone()), given);
    assert_eq!(config.modules.grants["sign-in"], [Grant::Kv]);
    assert_eq!(config.tables().contains("from_file", "198.51.100.77"), Some(true));
    assert_eq!(config.tables().contains("listed", "vpn"), Some(true));
}

#[test]
fn each_sink_chooses_its_view() {
    let place = Place::new();
    for view in View::ALL {
        let sink = format!("[[sink]]\nname = \"b\"\ntype = \"stdout\"\nview = \"{}\"\nraw_data = false\n", view.name());
        let config = place.load(&format!("{SMALL}{sink}")).unwrap();
        let chosen: Vec<_> = config.sinks.iter().map(|sink| (sink.view, sink.raw_data)).collect();
        assert_eq!(chosen, [(View::Ocsf, RawData::Include), (view, RawData::Omit)]);
    }
    let problems = place.problems(&format!("{SMALL}view = \"cim\"\n"));
    assert!(problems[0].contains("`cim` is not allowed; allowed is ocsf, ocsf-1.1.0, ecs, raw"), "{problems:?}");
}

#[test]
fn a_table_of_networks_is_read_or_each_wrong_line_told() {
    let place = Place::new();
    let text = format!("{SMALL}[detect]\nnetworks = \"n.csv\"\n");
    fs::write(place.path("n.csv"), "# ours\n198.51.100.0/24,AS64500,DE,52.52,13.40,\n").unwrap();
    let config = place.load(&text).unwrap();
    assert_eq!(config.networks.of("198.51.100.9").map(|network| network.asn.clone()).as_deref(), Some("AS64500"));
    fs::write(place.path("n.csv"), "198.51.100.0/24,AS64500\n198.51.100.0/99\n").unwrap();
    assert!(place.problems(&text)[0].contains("n.csv: line 2: "), "{:?}", place.problems(&text));
}

#[test]
fn what_alerts_tell_of_addresses_and_people_is_read_or_each_problem_told() {
    let place = Place::new();
    let enrich = "[enrich]\ntor = \"tor.txt\"\nhosting = \"hosting.txt\"\ntoken_file = \"people\"\nwait = \"5s\"\n\
                  [enrich.own]\n\"Head office\" = [\"198.51.100.0/24\"]\n";
    let text = format!("{SMALL}[detect]\nnetworks = \"n.csv\"\n{enrich}");
    fs::write(place.path("n.csv"), "198.51.100.0/24,AS64500,DE\n203.0.113.7,,,,,vpn\n").unwrap();
    fs::write(place.path("tor.txt"), "203.0.113.7\n203.0.113.8 # an exit\n").unwrap();
    fs::write(place.path("hosting.txt"), "203.0.113.0/24\n").unwrap();
    fs::write(place.path("people"), "xoxb-s3cret").unwrap();
    fs::set_permissions(place.path("people"), fs::Permissions::from_mode(0o600)).unwrap();
    let config = place.load(&text).unwrap();
    let kind = |address| config.networks.of(address).and_then(|network| network.kind).map(|kind| kind.name());
    assert_eq!(
        [kind("203.0.113.7"), kind("203.0.113.8"), kind("203.0.113.9")],
        [Some("vpn"), Some("tor"), Some("hosting")]
    );
    let office = config.networks.of("198.51.100.9").unwrap().into_owned();
    assert_eq!((office.own.as_str(), office.asn.as_str()), ("Head office", "AS64500"));
    let asking = config.asking.unwrap();
    assert_eq!(
        (asking.wait.as_secs(), asking.keep_s, asking.token.expose()),
        (5, 86_400, "xoxb-s3cret"),
        "a bot's will do"
    );
    assert_eq!(asking.base_url, "https://slack.com/api");
    fs::write(place.path("hosting.txt"), "203.0.113.0/24\n\nhost.example\n").unwrap();
    let wrong = text.replace("198.51.100.0/24\"]", "198.51.100.0/99\"]").replace("wait = \"5s\"", "wait = \"60s\"");
    let problems = place.problems(&wrong).join("\n");
    for part in [
        "enrich.hosting: ",
        "line 3: `host.example`",
        "enrich.wait: 60s is over the maximum",
        "enrich.own.Head office: `198.51.100.0/99`",
    ] {
        assert!(problems.contains(part), "no {part} in {problems}");
    }
}

#[test]
fn the_example_names_every_type_of_sink_with_all_of_its_keys() {
    for kind in sink::TYPES {
        assert!(EXAMPLE.contains(&format!("type = \"{}\"", kind.name)), "{}", kind.name);
        for key in kind.keys.concat() {
            let names_it = |line: &str| line.trim_start_matches("# ").starts_with(&format!("{key} = "));
            assert!(EXAMPLE.lines().any(names_it), "{} of type \"{}\"", key, kind.name);
        }
    }
}

#[test]
fn two_sinks_on_one_file_are_refused() {
    let place = Place::new();
    let sink = |name: &str, path: &str| format!("[[sink]]\nname = \"{name}\"\ntype = \"file\"\npath = \"{path}\"\n");
    let text = format!("{SMALL}{}{}", sink("a", "log/e.ndjson"), sink("b", "./log/./e.ndjson"));
    assert_eq!(place.problems(&text), ["17: sink.path: sink `a` writes to the same file"]);
}

#[test]
fn a_missing_or_broken_file_is_one_clear_problem() {
    let place = Place::new();
    let missing = check::load(&place.path("none.toml"), &|_| None, Purpose::Run).unwrap_err().to_string();
    assert!(missing.contains("cannot be read") && missing.contains("hint:"), "{missing}");
    assert_eq!(place.problems("a = 1\nb =").len(), 1);
    assert!(place.problems("a = 1\nb =")[0].starts_with("2: : is not valid TOML"));
}

#[test]
fn the_responders_token_is_read_only_when_it_is_wanted() {
    let place = Place::new();
    let with = |respond: &str| place.load(&format!("{SMALL}[respond]\n{respond}\n"));
    assert_eq!(place.load(SMALL).unwrap().respond, Respond::default());
    let config =
        with("token_file = \"nowhere\"\nbreak_glass = [\"W0BOSS\", \"A0SIEM\"]\nreason = \"on call\"").unwrap();
    let problem = config.respond.token().unwrap_err();
    assert!(problem.contains("respond.token_file") && problem.contains("hint"), "{problem}");
    assert!(config.respond.break_glass.contains("W0BOSS"));
    place.secret("responder", "xoxb-s3cret", 0o600);
    let bot = with("token_file = \"responder\"").unwrap().respond.token().unwrap_err();
    assert!(bot.contains("user token") && !bot.contains("s3cret"), "{bot}");
    let told = place.problems(&format!(
        "{SMALL}[respond]\ntoken_file = \"a\"\ntoken_env = \"B\"\nbreak_glass = [\"boss\"]\nown_apps = [\"W0BOSS\"]\nreason = \"{}\"\n",
        "x".repeat(201)
    ));
    for expected in [
        "respond.token_env: is there beside",
        "respond.break_glass: `boss` is not a Slack id",
        "respond.own_apps: `W0BOSS` is not the id of an app",
        "respond.reason: is over",
    ] {
        assert!(told.iter().any(|line| line.contains(expected)), "{expected}: {told:?}");
    }
}

#[test]
fn a_backfill_larger_than_what_a_sink_keeps_is_told() {
    let place = Place::new();
    let file = "[[sink]]\nname = \"f\"\ntype = \"file\"\npath = \"e.ndjson\"\n";
    let warned = |slack: &str, sink: &str| {
        let text = SMALL.replace("token_file", &format!("{slack}\ntoken_file"));
        let warnings = place.load(&format!("{text}\n{file}{sink}")).unwrap().warnings(UnixSeconds(1_800_000_000));
        warnings.join("\n")
    };
    assert_eq!(warned("", ""), "");
    let told = warned("backfill = \"400d\"", "");
    assert!(told.contains("sink `f`") && told.contains("400 days") && told.contains("12782 entries a day"), "{told}");
    assert_eq!(warned("backfill = \"400d\"", "keep_bytes = \"1024GiB\""), "");
    assert_eq!(warned("backfill = \"400d\"", "keep = 0"), "");
}

const TWO: &str = r#"
state_dir = "state"
[slack]
interval = "10s"
[org.acme.slack]
token_file = "slack-token"
[org.globex.slack]
token_file = "client-secret"
interval = "20s"
[org.globex.lookups]
corporate_egress = ["192.0.2.0/24"]
[lookups]
corporate_egress = ["198.51.100.0/24"]
exporters = ["W1"]
[modules]
dir = "modules"
[[sink]]
name = "out"
type = "stdout"
[[sink]]
name = "globex"
type = "file"
path = "log/globex.ndjson"
orgs = ["globex"]
"#;

#[test]
fn an_organization_has_what_is_said_of_it_and_else_what_is_said_of_all() {
    let place = Place::new();
    let [acme, globex] = place.load_all(TWO).unwrap().try_into().unwrap();
    assert_eq!([&acme, &globex].map(|config: &Config| config.org.to_string()), ["acme", "globex"]);
    assert_eq!((acme.slack.interval_s, globex.slack.interval_s), (10, 20));
    assert_eq!(acme.lookups["corporate_egress"], ["198.51.100.0/24"]);
    assert_eq!(globex.lookups["corporate_egress"], ["192.0.2.0/24"]);
    assert_eq!(globex.lookups["exporters"], ["W1"], "what it doesn't say itself");
    assert_eq!(globex.archive.unwrap().dir, place.path("state/orgs/globex/archive"));
    assert_eq!(acme.sinks[0].include.orgs, None);
    assert_eq!(acme.sinks[1].include.orgs, Some(vec![OrgId::named("globex").unwrap()]));
    let homes = Homes::read(&place.path("gridwatch.toml")).unwrap();
    assert_eq!(homes.archive(&acme.org), Some(place.path("state/orgs/acme/archive")));
    let alone = place.load(SMALL).unwrap();
    assert_eq!((alone.org.name(), alone.archive.unwrap().dir), (None, place.path("state/archive")));
}

#[test]
fn a_folder_for_all_archives_has_one_for_each_organization() {
    let place = Place::new();
    let text = format!("{TWO}\n[archive]\ndir = \"log\"\n[org.acme.archive]\ndir = \"state/mine\"\n");
    let [acme, globex] = place.load_all(&text).unwrap().try_into().unwrap();
    let dir = |config: Config| config.archive.unwrap().dir;
    assert_eq!((dir(acme), dir(globex)), (place.path("state/mine"), place.path("log/globex")));
}

#[test]
fn what_is_wrong_with_an_organization_is_told_once_with_its_place() {
    let place = Place::new();
    let same = TWO.replace("client-secret", "slack-token");
    let problems = place.load_all(&same).unwrap_err().to_string();
    assert!(problems.contains("organizations `acme` and `globex` have the same token"), "{problems}");
    let wrong = TWO.replace("interval = \"20s\"", "intervall = \"20s\"").replace("[\"globex\"]", "[\"globx\"]")
        + "[org.globex.sink]\nx = 1\n[org.Initech.slack]\ntoken_file = \"slack-token\"\n[store]\nmin_fre = 1\n";
    let problems = place.problems(&wrong);
    for (what, times) in [
        ("org.globex.slack.intervall: unknown key", 1),
        ("org.globex.sink: can't be set for an organization", 1),
        ("org.Initech: is no name of an organization", 1),
        ("store.min_fre: unknown key", 1),
        ("there is no organization `globx`", 1),
    ] {
        let found = problems.iter().filter(|problem| problem.contains(what)).count();
        assert_eq!(found, times, "{what} in {problems:#?}");
    }
}

#[test]
fn a_page_that_anybody_could_read_or_guess_is_refused() {
    let place = Place::new();
    place.secret("short", "0123456789", 0o600);
    for (said, told) in [
        ("listen = \"0.0.0.0:9900\"\nhosts = [\"a.example\"]", "web.listen: `0.0.0.0:9900` is not this machine's own"),
        ("listen = \"0.0.0.0:9900\"\nbehind_proxy = true", "web.hosts: is needed"),
        ("listen = \"9900\"", "web.listen: `9900` is not an address with a port"),
        ("hosts = [\"https://a.example/\"]", "web.hosts: `https://a.example/` is no name of a host"),
        ("cert_file = \"web.pem\"", "web.key_file: is needed"),
        ("behind_proxy = true\n[web.proxy]\nuser_header = \"X-User\"", "web.proxy.addresses: is needed"),
        ("[web.proxy]\naddresses = [\"192.0.2.1\"]", "web.proxy: says who is in front of the page"),
        ("[[web.user]]\nname = \"ann\"", "web.user.see: is missing"),
        (
            "[[web.user]]\nname = \"ann\"\nsee = [\"*\"]\ntoken_file = \"short\"",
            "web.user.token_file: holds a token of less than 24",
        ),
        ("[[web.user]]\nname = \"ann\"\nsee = [\"acme\"]", "web.user.see: there is no organization `acme`"),
    ] {
        let problems = place.problems(&format!("{SMALL}[web]\n{said}\n"));
        assert!(problems.iter().any(|problem| problem.contains(told)), "{said}: {problems:?}");
    }
    let web = place
        .load(&format!("{SMALL}[web]\nlisten = \"0.0.0.0:9900\"\nhosts = [\"a.example\"]\nbehind_proxy = true\n"))
        .unwrap()
        .web;
    assert!(web.behind_proxy && web.users.is_empty());
    assert_eq!(place.load(SMALL).unwrap().web.listen, None, "off unless it is set");
}
