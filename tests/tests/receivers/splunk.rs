//! Sinks of type "splunk_hec".

use super::Place;
use gridwatch_tests::receiver::splunk::{Habits, Splunk};
use gridwatch_tests::receiver::{Fault, sometimes};

fn place(splunk: &Splunk, more: &str) -> Place {
    let url = splunk.server.url();
    let place = Place::new(&format!(
        "[[sink]]\nname = \"splunk\"\ntype = \"splunk_hec\"\nurl = \"{url}\"\ntoken_file = \"hec-token\"\nretry_most = \"1s\"\n\
         timeout = \"5s\"\n{more}\n"
    ));
    place.secret("hec-token", "00000000-0000-0000-0000-0000000000aa");
    place
}

#[test]
fn a_collector_that_fails_is_full_and_refuses_one_misses_nothing_else() {
    let refuses = Place::new("").some_events(3);
    let habits = Habits { refuses: refuses.clone(), is_full_each: Some(4), ..Habits::default() };
    let faults = sometimes(&[Fault::Status(503), Fault::DieAfterStoring, Fault::ResetMidBody, Fault::CutAnswer]);
    let splunk = Splunk::start(habits, faults);
    let place = place(&splunk, "batch_records = 40\nindex = \"slack\"");
    place.run_until_delivered(&["splunk"]);
    let mut expected = place.all();
    refuses.iter().for_each(|id| _ = expected.remove(id));
    splunk.stored.assert_complete(&expected);
    assert_eq!(place.dead_letters("splunk"), refuses.into_iter().collect());
    assert!(!place.host.log().contains("0000000000aa"));
}

#[test]
fn a_record_is_delivered_when_an_indexer_has_it() {
    let habits = Habits { has_ack: true, polls: 2, ..Habits::default() };
    let splunk = Splunk::start(habits, sometimes(&[Fault::Status(503), Fault::Slow(100)]));
    let place = place(&splunk, "batch_records = 100");
    place.run_until_delivered(&["splunk"]);
    splunk.stored.assert_complete(&place.all());
    assert_eq!(splunk.stored.order().len(), place.all().len());
}

#[test]
fn what_an_indexer_lost_is_sent_again() {
    let habits = Habits { has_ack: true, polls: 1, forgets_each: Some(3), ..Habits::default() };
    let splunk = Splunk::start(habits, |_| None);
    let place = place(&splunk, "batch_records = 60\nack = \"on\"\nack_within = \"10s\"");
    place.run_until_delivered(&["splunk"]);
    splunk.stored.assert_complete(&place.all());
    assert!(place.host.log().contains("sent to Splunk again"), "{}", super::tail(&place.host.log()));
}
