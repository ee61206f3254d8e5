//! Secrets that are replaced while gridwatch runs: taken without a restart, with the checks of the start.

use gridwatch_sim::{Knobs, SimConfig};
use gridwatch_tests::host::{Host, Setup, private, terminate, until};
use gridwatch_tests::raw::{Raw, Reply, Seen};
use gridwatch_tests::sim::{Slack, entry, now, org_of};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

const LINES: &str = "settle = \"5s\"\ninterval = \"1s\"\n";

/// What the configuration's token file holds at first.
const FIRST: &str = "xoxp-test";

fn slack() -> Slack {
    let config = SimConfig { token: Some(FIRST.into()), knobs: Knobs::unlimited(), ..SimConfig::default() };
    Slack::with(org_of(vec![entry("Lfirst", now() - 60)]), config)
}

fn host(base_url: &str) -> Host {
    Host::new(&Setup { slack: LINES.into(), ..Setup::new(base_url, now() - 300) })
}

fn write(host: &Host, name: &str, secret: &str) {
    std::fs::write(host.path(name), secret).expect("a secret");
    private(&host.path(name));
}

fn arrives(host: &Host, slack: &Slack, id: &str) {
    slack.push(vec![entry(id, now() - 1)]);
    until(&format!("{id}:\n{}", host.log()), || host.delivered().contains_key(id));
}

fn problems(host: &Host) -> String {
    host.status()["poll"]["problems"].to_string()
}

#[test]
fn a_token_replaced_in_its_file_is_used_before_and_after_the_old_one_is_revoked() {
    let slack = slack();
    let host = host(&slack.base_url());
    let gridwatch = host.start(&[]);
    until("the first entry", || host.delivered().len() == 1);
    // Replaced first, as in a rotation by the book.
    write(&host, "token", "xoxp-second");
    slack.set_token(Some("xoxp-second".into()));
    arrives(&host, &slack, "Lsecond");
    // Revoked first. Whoever has to find a new one does so while gridwatch waits.
    slack.set_token(Some("xoxp-third".into()));
    until("it says so", || problems(&host).contains("token_rejected"));
    std::thread::sleep(std::time::Duration::from_secs(3));
    write(&host, "token", "xoxp-third");
    arrives(&host, &slack, "Lthird");
    terminate(gridwatch);
    assert!(host.log().contains("holds another secret"), "{}", host.log());
    assert!(!host.log().contains("xoxp-"), "a token is in the log");
}

#[test]
fn a_replacement_that_cannot_be_used_is_told_and_changes_nothing() {
    let slack = slack();
    let host = host(&slack.base_url());
    let gridwatch = host.start(&[]);
    until("the first entry", || host.delivered().len() == 1);
    // For everybody to read, and another kind of token.
    for (n, (secret, mode)) in [("xoxp-second", 0o604), ("xoxb-second", 0o600)].into_iter().enumerate() {
        std::fs::write(host.path("token"), secret).expect("a secret");
        std::fs::set_permissions(host.path("token"), std::fs::Permissions::from_mode(mode)).expect("permissions");
        until("it says so", || host.log().matches("can't be used; the secret read before stays").count() == n + 1);
        arrives(&host, &slack, &format!("Lwrong{n}"));
    }
    std::fs::remove_file(host.path("token")).expect("removed");
    arrives(&host, &slack, "Lgone");
    terminate(gridwatch);
}

/// A token that rotates, whose chain has broken: the operator brings a new pair.
#[test]
fn a_new_refresh_token_mends_a_broken_rotation_without_a_restart_and_over_one() {
    let valid = Arc::new(Mutex::new("xoxe-1-second".to_owned()));
    let first = entry("Lfirst", now() - 30);
    let (refreshable, served) = (valid.clone(), first);
    let raw = Raw::start(move |seen: &Seen| match seen.path.as_str() {
        "/audit/v1/logs" if seen.token() == "xoxe.xoxp-1-new" => Reply::page(std::slice::from_ref(&served), seen),
        "/audit/v1/logs" => Reply::status(401),
        "/api/oauth.v2.access" => {
            let valid = refreshable.lock().expect("a token").clone();
            match seen.body.contains(&format!("refresh_token={valid}")) {
                true => Reply::json(
                    r#"{"ok":true,"access_token":"xoxe.xoxp-1-new","refresh_token":"xoxe-1-next","expires_in":43200}"#,
                ),
                false => Reply::json(r#"{"ok":false,"error":"invalid_refresh_token"}"#),
            }
        }
        _ => Reply::status(404),
    });
    let host = host(&raw.base_url());
    write(&host, "secret", "0123456789abcdef");
    write(&host, "refresh", "xoxe-1-first");
    let rotation =
        "[slack.rotation]\nclient_id = \"1.2\"\nclient_secret_file = \"secret\"\nrefresh_token_file = \"refresh\"";
    host.configure(&Setup { slack: format!("{LINES}{rotation}\n"), ..Setup::new(&raw.base_url(), now() - 300) });
    let gridwatch = host.start(&[]);
    until("it says so", || problems(&host).contains("token_rejected"));
    write(&host, "refresh", "xoxe-1-second");
    until("the entry", || host.delivered().len() == 1);
    terminate(gridwatch);
    // The saved pair is used on, unless the configured refresh token is another one than it began with.
    *valid.lock().expect("a token") = "xoxe-1-third".to_owned();
    write(&host, "token", "xoxe.xoxp-1-old");
    let gridwatch = host.start(&[]);
    let before = raw.asked().len();
    until("it asks again", || raw.asked().len() > before + 2);
    terminate(gridwatch);
    assert_eq!(raw.asked().last().map(|seen| seen.token().to_owned()), Some("xoxe.xoxp-1-new".into()));
    let pair = std::fs::read_to_string(host.path("state/token.json")).expect("the pair");
    write(&host, "refresh", "xoxe-1-third");
    let gridwatch = host.start(&[]);
    until("it begins anew", || std::fs::read_to_string(host.path("state/token.json")).expect("the pair") != pair);
    terminate(gridwatch);
}

#[test]
fn a_forbidden_of_seconds_costs_seconds() {
    let forbidden = Arc::new(AtomicBool::new(true));
    let entries = vec![entry("Lfirst", now() - 30)];
    let flag = forbidden.clone();
    let raw = Raw::start(move |seen| match flag.load(Ordering::Relaxed) {
        true => Reply::status(403),
        false => Reply::page(&entries, seen),
    });
    let host = host(&raw.base_url());
    let gridwatch = host.start(&[]);
    until("it says so", || problems(&host).contains("forbidden"));
    std::thread::sleep(std::time::Duration::from_secs(6));
    forbidden.store(false, Ordering::Relaxed);
    until("the entry", || host.delivered().len() == 1);
    terminate(gridwatch);
}
