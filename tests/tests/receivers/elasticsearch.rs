//! Sinks of type "elasticsearch".

use super::Place;
use gridwatch_tests::host::{ended, gridwatch};
use gridwatch_tests::receiver::elasticsearch::Elasticsearch;
use gridwatch_tests::receiver::{Fault, sometimes};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const KEY: &str = "ApiKey aWQ6czNjcmV0";

fn place(elasticsearch: &Elasticsearch, more: &str) -> Place {
    let url = elasticsearch.server.url();
    let place = Place::new(&format!(
        "[[sink]]\nname = \"es\"\ntype = \"elasticsearch\"\nurl = \"{url}\"\napi_key_file = \"es-key\"\nretry_most = \"1s\"\n\
         timeout = \"5s\"\n{more}\n"
    ));
    place.secret("es-key", "aWQ6czNjcmV0");
    place
}

fn setup(place: &Place) -> String {
    let mut command = gridwatch();
    let output = ended(command.args(["sink", "setup", "--config"]).arg(place.host.path("gridwatch.toml")));
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}");
    told
}

#[test]
fn documents_are_there_once_whatever_fails() {
    let faults = sometimes(&[
        Fault::DieAfterStoring,
        Fault::Status(429),
        Fault::CutAnswer,
        Fault::ResetMidBody,
        Fault::Status(503),
    ]);
    // One document in seven has to wait twice.
    let busy = |id: &str, tries: u64| {
        let is_busy = id.bytes().map(u64::from).sum::<u64>() % 7 == 0 && tries <= 2;
        is_busy.then_some((429, "es_rejected_execution_exception", "queue is full"))
    };
    let elasticsearch = Elasticsearch::start(KEY, "", faults, busy);
    let place = place(&elasticsearch, "batch_records = 50");
    // Its own requests fail like all others, and are made again.
    setup(&place);
    place.run_until_delivered(&["es"]);
    elasticsearch.stored.assert_complete(&place.all());
    assert_eq!(elasticsearch.stored.order().len(), place.all().len(), "by its id each document is there once");
    let (events, alerts) = (place.events(), place.alerts());
    assert_eq!(elasticsearch.count("logs-slack.audit-default"), events.len());
    assert_eq!(elasticsearch.count("gridwatch-alerts"), alerts.len());
    for id in events.iter().take(5) {
        let document = elasticsearch.document("logs-slack.audit-default", id).expect("a document");
        assert_eq!(
            (&document["event"]["id"], &document["event"]["dataset"]),
            (&id.as_str().into(), &"slack.audit".into())
        );
    }
}

#[test]
fn a_document_that_does_not_fit_is_a_dead_letter_and_an_index_that_is_full_is_waited_for() {
    let refuses = Place::new("").some_events(4);
    let bad = refuses.clone();
    let tries = Arc::new(AtomicU64::new(0));
    let elasticsearch = Elasticsearch::start(
        KEY,
        "",
        |_| None,
        move |id, _| {
            match bad.iter().any(|bad| bad == id) {
                true => Some((400, "document_parsing_exception", "failed to parse field [source.ip] of type [ip]")),
                // The shards are away for a while.
                false => (tries.fetch_add(1, Ordering::SeqCst) < 100).then_some((
                    503,
                    "unavailable_shards_exception",
                    "not active",
                )),
            }
        },
    );
    let place = place(&elasticsearch, "batch_records = 50");
    setup(&place);
    place.run_until_delivered(&["es"]);
    let mut expected = place.all();
    refuses.iter().for_each(|id| _ = expected.remove(id));
    elasticsearch.stored.assert_complete(&expected);
    assert_eq!(place.dead_letters("es"), refuses.into_iter().collect());
}

#[test]
fn setting_up_speaks_the_receivers_dialect_and_may_be_done_again() {
    for (distribution, any_key) in [("", "flattened"), ("opensearch", "flat_object")] {
        let elasticsearch = Elasticsearch::start(KEY, distribution, |_| None, |_, _| None);
        let place = place(&elasticsearch, "alerts_index = \"slack-alerts\"");
        let told = setup(&place);
        assert!(told.contains("data stream `logs-slack.audit-default`: made"), "{told}");
        let mapping = elasticsearch.template("gridwatch-ecs").expect("a mapping").to_string();
        assert!(mapping.contains(any_key), "{distribution}");
        assert!(setup(&place).contains("it was there"));
        let mut command = gridwatch();
        let live = ended(command.args(["check", "--live", "--config"]).arg(place.host.path("gridwatch.toml")));
        let told = String::from_utf8_lossy(&live.stdout).into_owned();
        assert!(told.contains("`slack-alerts` is there"), "{told}");
    }
}

#[test]
fn an_index_that_nobody_made_stops_the_sink_and_nothing_is_given_up() {
    let elasticsearch = Elasticsearch::start(KEY, "", |_| None, |_, _| None);
    let place = place(&elasticsearch, "");
    let gridwatch = place.start();
    super::until("it says so", &place.host, || {
        place.host.status()["sinks"]["es"]["error"].to_string().contains("index_not_found_exception")
    });
    gridwatch_tests::host::terminate(gridwatch);
    assert!(place.host.log().contains("gridwatch sink setup"), "the log says what to do");
    setup(&place);
    place.run_until_delivered(&["es"]);
    elasticsearch.stored.assert_complete(&place.all());
    assert!(place.dead_letters("es").is_empty());
}
