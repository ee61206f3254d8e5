//! Sinks of type "http".

use super::{Place, tail, until};
use gridwatch_tests::host::{ended, gridwatch, kill, terminate};
use gridwatch_tests::receiver::plain::{Plain, Wants};
use gridwatch_tests::receiver::tls::Certificates;
use gridwatch_tests::receiver::{Fault, Reply, Server, sometimes};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

fn sink(url: &str, more: &str) -> String {
    format!(
        "[[sink]]\nname = \"siem\"\ntype = \"http\"\nurl = \"{url}\"\nretry_most = \"1s\"\ntimeout = \"2s\"\n{more}\n"
    )
}

const ALL_FAULTS: &[Fault] = &[
    Fault::Status(503),
    Fault::DieAfterStoring,
    Fault::CutAnswer,
    Fault::ResetMidBody,
    Fault::Slow(300),
    Fault::Away(429, 1),
    Fault::Status(500),
];

#[test]
fn a_receiver_that_fails_in_every_way_misses_nothing() {
    let wants = Wants {
        headers: vec![("authorization", "Bearer s3cret".into()), ("x-team", "secops".into())],
        ..Wants::default()
    };
    let receiver = Plain::start(wants, sometimes(ALL_FAULTS));
    let more = "bearer_file = \"siem-token\"\nbatch_records = 20\nheaders = { X-Team = \"secops\" }";
    let place = Place::new(&sink(&receiver.server.url(), more));
    place.secret("siem-token", "s3cret\n");
    place.run_until_delivered(&["siem"]);
    receiver.stored.assert_complete(&place.all());
    assert!(receiver.server.requests() > 20, "{}", receiver.server.requests());
    assert!(!place.host.log().contains("s3cret"));
}

#[test]
fn a_record_that_is_refused_is_a_dead_letter_and_holds_up_no_other() {
    let slack = Place::new("").slack;
    let refuses: Vec<String> = slack.truth().ids.into_iter().step_by(37).take(5).collect();
    let wants = Wants { refuses: refuses.clone(), content_type: "application/json", ..Wants::default() };
    let receiver = Plain::start(wants, |_| None);
    let place = Place::new(&sink(&receiver.server.url(), "format = \"array\"\nbatch_records = 100"));
    assert!(refuses.iter().all(|id| place.slack.truth().ids.contains(id)), "the same organization each time");
    place.run_until_delivered(&["siem"]);
    let mut expected = place.all();
    refuses.iter().for_each(|id| _ = expected.remove(id));
    receiver.stored.assert_complete(&expected);
    assert_eq!(place.dead_letters("siem"), refuses.iter().cloned().collect());
    let alerts = place.host.alerts();
    let told = alerts.values().filter(|alert| alert.to_string().contains("gridwatch.records-refused")).count();
    assert_eq!(told, 1, "somebody is told, once");
}

#[test]
fn killed_again_and_again_it_misses_nothing() {
    let receiver = Plain::start(Wants::default(), sometimes(&[Fault::Slow(50), Fault::Status(502)]));
    let place = Place::new(&sink(&receiver.server.url(), "batch_records = 10\nbatch_age = \"0s\""));
    for n in 0..8 {
        let gridwatch = place.start();
        let before = receiver.stored.count();
        until("something more arrives", &place.host, || {
            receiver.stored.count() > before + n || receiver.stored.count() > 380
        });
        kill(gridwatch);
    }
    place.run_until_delivered(&["siem"]);
    // What was stored when we died and had not saved that it was comes again: a batch for each death at most.
    let all = place.all();
    let order = receiver.stored.order();
    assert!(all.iter().all(|id| receiver.stored.has(id)), "something is missing");
    assert!(order.len() - all.len() <= 8 * 10, "{} came again", order.len() - all.len());
}

#[test]
fn a_receiver_that_hangs_delays_no_other_sink() {
    let hangs = Plain::start(Wants::default(), |_| Some(Fault::Hang));
    let works = Plain::start(Wants::default(), |_| None);
    let second = sink(&works.server.url(), "").replace("\"siem\"", "\"second\"");
    let place = Place::new(&format!("{}{second}", sink(&hangs.server.url(), "")));
    let gridwatch = place.start();
    place.until_delivered(&["second"]);
    works.stored.assert_complete(&place.all());
    until("it is behind and says why", &place.host, || {
        let siem = &place.host.status()["sinks"]["siem"];
        siem["behind"].as_u64().is_some_and(|behind| behind > 300) && siem["error"].to_string().contains("in time")
    });
    terminate(gridwatch);
}

#[test]
fn credentials_that_are_refused_stop_the_sink_and_are_shown_nowhere() {
    let wants = Wants { headers: vec![("x-api-key", "other".into())], ..Wants::default() };
    let receiver = Plain::start(wants, |_| None);
    let place = Place::new(&sink(&receiver.server.url(), "headers = { X-API-Key = { file = \"siem-key\" } }"));
    place.secret("siem-key", "s3cret-key");
    let gridwatch = place.start();
    until("it says so", &place.host, || place.host.status()["sinks"]["siem"]["error"].to_string().contains("HTTP 401"));
    terminate(gridwatch);
    let live = ended(gridwatch_check(&place).arg("--live"));
    let told = format!("{}{}", String::from_utf8_lossy(&live.stdout), String::from_utf8_lossy(&live.stderr));
    assert!(!live.status.success() && told.contains("check the credentials of this sink"), "{told}");
    assert!(place.dead_letters("siem").is_empty(), "nothing is given up for a wrong key");
    // It repeats what it was sent, as some receivers do.
    let all = format!("{told}{}{}", place.host.log(), place.host.status());
    assert!(!all.contains("s3cret-key") && all.contains("(not shown)"), "{}", tail(&all));
    place.secret("siem-key", "other");
    place.run_until_delivered(&["siem"]);
    receiver.stored.assert_complete(&place.all());
}

fn gridwatch_check(place: &Place) -> std::process::Command {
    let mut command = gridwatch();
    command.arg("check").arg("--config").arg(place.host.path("gridwatch.toml"));
    command
}

#[test]
fn certificates_of_both_sides_are_asked_for() {
    let Some(certificates) = Certificates::make() else { return };
    let basic = ("authorization", "Basic Z3JpZHdhdGNoOnMzY3JldA==".to_owned());
    let wants = || Wants { headers: vec![basic.clone()], content_type: "application/json", ..Wants::default() };
    let receiver = Plain::start_tls(wants(), certificates.server(true));
    let shown = |name: &str| certificates.path(name).display().to_string();
    let client =
        format!("client_cert_file = \"{}\"\nclient_key_file = \"{}\"", shown("client.pem"), shown("client.key"));
    let more = format!(
        "format = \"array\"\ncompression = \"zstd\"\nuser = \"gridwatch\"\npassword_file = \"password\"\nca_file = \"{}\"\n",
        shown("ca.pem")
    );
    let place = Place::new(&sink(&receiver.server.url(), &format!("{more}{client}")));
    place.secret("password", "s3cret");
    place.run_until_delivered(&["siem"]);
    receiver.stored.assert_complete(&place.all());
    // Without our certificate, or without the authority of theirs, no connection comes about.
    for (more, what) in [
        (more.as_str(), "no connection comes about"),
        ("user = \"gridwatch\"\npassword_file = \"password\"", "certificate"),
    ] {
        let strange = Place::new(&sink(&receiver.server.url(), more));
        strange.secret("password", "s3cret");
        let live = ended(gridwatch_check(&strange).arg("--live"));
        let told = String::from_utf8_lossy(&live.stdout).into_owned();
        assert!(!live.status.success() && (told.contains(what) || told.contains("connection broke")), "{told}");
    }
}

#[test]
fn a_token_is_fetched_before_it_is_needed_and_again_when_it_is_taken_back() {
    let granted = Arc::new(AtomicU64::new(0));
    let (grants, valid) = (granted.clone(), granted.clone());
    let tokens = Server::start(
        |_| None,
        move |request, _| {
            let form: Vec<(&str, &str)> = request.text().split('&').filter_map(|pair| pair.split_once('=')).collect();
            let has = |name, value| form.contains(&(name, value));
            match has("grant_type", "client_credentials") && has("client_id", "app-1") && has("client_secret", "s3cret")
            {
                false => Reply::new(401, r#"{"error":"invalid_client","error_description":"s3cret is wrong"}"#),
                true => {
                    let n = grants.fetch_add(1, Ordering::SeqCst) + 1;
                    Reply::new(
                        200,
                        format!(r#"{{"access_token":"t0ken-{n}","token_type":"Bearer","expires_in":"3600"}}"#),
                    )
                }
            }
        },
    );
    let stored = gridwatch_tests::receiver::Stored::default();
    let (keeps, requests) = (stored.clone(), AtomicU64::new(0));
    let receiver = Server::start(
        |_| None,
        move |request, is_heard| {
            // Each fifth request finds its token taken back.
            let n = requests.fetch_add(1, Ordering::SeqCst);
            let newest = format!("Bearer t0ken-{}", valid.load(Ordering::SeqCst));
            if n % 5 == 4 || request.header("authorization") != newest {
                return Reply::new(401, "token expired");
            }
            for line in request.text().lines() {
                let record: serde_json::Value = serde_json::from_str(line).expect("JSON");
                keeps.add(record["metadata"]["uid"].as_str().expect("an id"), is_heard);
            }
            Reply::new(204, "")
        },
    );
    let oauth = format!(
        "batch_records = 20\n[sink.oauth]\ntoken_url = \"{}/token\"\nclient_id = \"app-1\"\nclient_secret_file = \"app-secret\"\nscope = \"https://monitor.azure.com//.default\"",
        tokens.url()
    );
    let place = Place::new(&sink(&receiver.url(), &oauth));
    place.secret("app-secret", "s3cret");
    place.run_until_delivered(&["siem"]);
    stored.assert_complete(&place.all());
    assert!(granted.load(Ordering::SeqCst) >= 3, "{granted:?}");
    assert!(!place.host.log().contains("s3cret") && !place.host.log().contains("t0ken"));
}
