//! Sinks that send messages for people: Slack, PagerDuty, and templates.

use super::Place;
use gridwatch_tests::host::{ended, gridwatch, terminate};
use gridwatch_tests::receiver::messages::Messages;
use gridwatch_tests::receiver::{Fault, sometimes};
use std::collections::BTreeSet;

/// Ids of the records that are news: openings and revisions.
fn news(place: &Place) -> BTreeSet<String> {
    place.alerts().into_iter().filter(|id| !id.contains(":enrichment") && !id.contains(":act")).collect()
}

fn check_live(place: &Place, sink: &str) -> String {
    let mut command = gridwatch();
    let live = ended(command.args(["check", "--live", "--json", "--config"]).arg(place.host.path("gridwatch.toml")));
    let report: serde_json::Value = serde_json::from_slice(&live.stdout).expect("JSON");
    let lines = report["live"].as_array().expect("lines").iter();
    let line = lines.filter(|line| line["name"] == sink).collect::<Vec<_>>();
    assert_eq!((line.len(), &line[0]["ok"]), (1, &true.into()), "{line:?}");
    line[0]["text"].as_str().expect("a text").to_owned()
}

#[test]
fn slack_gets_each_alert_as_blocks_and_nobody_learns_the_webhook() {
    let slack = Messages::slack(sometimes(&[Fault::Away(429, 1), Fault::Status(500), Fault::DieAfterStoring]));
    let place = Place::new(
        "[[sink]]\nname = \"chat\"\ntype = \"slack_webhook\"\nurl_file = \"webhook\"\nretry_most = \"1s\"\nseverity = \"high\"\n\
         link = \"https://siem.example.com/alerts?uid={uid}\"\n",
    );
    place.secret("webhook", &format!("{}/services/T0/B0/secret", slack.server.url()));
    place.run_until_delivered(&["chat"]);
    let severe = place.host.alerts().into_iter().filter(|(_, alert)| alert["severity_id"].as_u64() >= Some(4));
    let severe: BTreeSet<String> = severe.map(|(id, _)| id).filter(|id| news(&place).contains(id)).collect();
    assert!(severe.len() >= 3, "{}", severe.len());
    slack.stored.assert_complete(&severe);
    let said = format!("{}{}", place.host.log(), place.host.status());
    assert!(!said.contains("B0/secret") && !said.contains("services/T0"), "the webhook's address is a secret");
    assert!(slack.messages().iter().all(|message| message["blocks"].to_string().contains("siem.example.com")));
}

#[test]
fn pagerduty_gets_each_alert_under_its_own_key() {
    let pagerduty = Messages::pagerduty(sometimes(&[Fault::Status(429), Fault::Status(502), Fault::CutAnswer]));
    let url = pagerduty.server.url();
    let place = Place::new(&format!(
        "[[sink]]\nname = \"pager\"\ntype = \"pagerduty\"\nurl = \"{url}/v2/enqueue\"\nrouting_key_file = \"routing\"\nretry_most = \"1s\"\n"
    ));
    place.secret("routing", "R0123456789ABCDEF0123456789ABCDE");
    place.run_until_delivered(&["pager"]);
    pagerduty.stored.assert_complete(&news(&place));
    let keys: BTreeSet<String> =
        pagerduty.messages().iter().map(|event| event["dedup_key"].as_str().expect("a key").to_owned()).collect();
    assert_eq!(keys, news(&place).iter().filter_map(|id| Some(id.split_once(':')?.0.to_owned())).collect());
    assert!(!place.host.log().contains("R0123456789"));
    while pagerduty.server.requests() % 3 != 0 {
        // So that the next request is one that goes well.
        let _ = std::net::TcpStream::connect(url.trim_start_matches("http://"))
            .map(|mut stream| std::io::Write::write_all(&mut stream, b"GET / HTTP/1.1\r\n\r\n"));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(check_live(&place, "pager").contains("nobody was called"));
}

#[test]
fn what_somebody_does_about_an_alert_is_said_in_slack_and_done_in_pagerduty() {
    let slack = Messages::slack(sometimes(&[Fault::Status(500)]));
    let pagerduty = Messages::pagerduty(sometimes(&[Fault::Status(502)]));
    let place = Place::new(&format!(
        "[[sink]]\nname = \"chat\"\ntype = \"slack_webhook\"\nurl_file = \"webhook\"\nretry_most = \"1s\"\n\
         [[sink]]\nname = \"pager\"\ntype = \"pagerduty\"\nurl = \"{}/v2/enqueue\"\nrouting_key_file = \"routing\"\nretry_most = \"1s\"\n",
        pagerduty.server.url()
    ));
    place.secret("webhook", &format!("{}/services/T0/B0/secret", slack.server.url()));
    place.secret("routing", "R0123456789ABCDEF0123456789ABCDE");
    place.run_until_delivered(&["chat", "pager"]);
    let uid = news(&place).first().and_then(|id| Some(id.split_once(':')?.0.to_owned())).expect("an alert");
    let say = |args: &[&str]| {
        let mut command = gridwatch();
        command.args(["alerts"]).args(args).args(["--by", "anna", "--config"]).arg(place.host.path("gridwatch.toml"));
        let output = ended(&mut command);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let in_slack = || -> Vec<String> {
        let said = slack.messages();
        let texts = said.iter().filter_map(|message| message["text"].as_str());
        let of = texts.filter(|text| text.contains(&*uid)).filter_map(|text| text.split(':').next());
        of.filter(|word| ["Acknowledged", "Note", "Closed"].contains(word)).map(str::to_owned).collect()
    };
    let in_pagerduty = || -> Vec<String> {
        let events = pagerduty.messages();
        let of = events.iter().filter(|event| event["dedup_key"] == *uid);
        of.filter_map(|event| event["event_action"].as_str())
            .filter(|act| *act != "trigger")
            .map(str::to_owned)
            .collect()
    };
    assert_eq!((in_slack().len(), in_pagerduty().len()), (0, 0));
    // At rest: it is sent by the one that runs next.
    say(&["ack", &uid]);
    let running = place.start();
    super::until("the acknowledgement", &place.host, || in_slack().len() == 1 && in_pagerduty().len() == 1);
    say(&["note", &uid, "asked IT"]);
    say(&["close", &uid, "--reason", "expected"]);
    super::until("the end", &place.host, || in_slack().len() == 3 && in_pagerduty().len() == 2);
    assert_eq!(in_slack(), ["Acknowledged", "Note", "Closed"]);
    assert_eq!(in_pagerduty(), ["acknowledge", "resolve"], "PagerDuty knows no notes");
    let closed = slack.messages().pop().expect("a message").to_string();
    assert!(closed.contains("closed as expected by anna"), "{closed}");
    terminate(running);
}

#[test]
fn a_template_writes_what_jira_service_management_takes() {
    let jira = Messages::jira(sometimes(&[Fault::Status(503), Fault::Status(429)]));
    let url = jira.server.url();
    let example = gridwatch_tests::host::root().join("examples/webhooks/jira-service-management.json");
    let place = Place::new(&format!(
        "[[sink]]\nname = \"jira\"\ntype = \"webhook\"\nurl = \"{url}/v2/alerts\"\ntemplate_file = {example:?}\nretry_most = \"1s\"\n\
         headers = {{ Authorization = {{ file = \"jira-key\", prefix = \"GenieKey \" }} }}\n"
    ));
    place.secret("jira-key", "s3cret-jira");
    place.run_until_delivered(&["jira"]);
    jira.stored.assert_complete(&news(&place));
    assert!(!place.host.log().contains("s3cret-jira"));
}
