//! Sinks of type "syslog", against rsyslog itself and against a receiver that breaks connections.

use super::{Place, tail, until};
use gridwatch_tests::host::{kill, terminate};
use gridwatch_tests::receiver::syslog::{Rsyslog, Syslog};
use gridwatch_tests::receiver::tls::Certificates;
use std::collections::BTreeSet;

fn place(port: u16, certificates: &Certificates, more: &str) -> Place {
    let shown = |name: &str| certificates.path(name).display().to_string();
    Place::new(&format!(
        "[[sink]]\nname = \"syslog\"\ntype = \"syslog\"\naddress = \"localhost:{port}\"\nca_file = \"{}\"\nretry_most = \"1s\"\n\
         client_cert_file = \"{}\"\nclient_key_file = \"{}\"\ntimeout = \"5s\"\n{more}\n",
        shown("ca.pem"),
        shown("client.pem"),
        shown("client.key"),
    ))
}

fn missing(place: &Place, ids: &[String]) -> usize {
    let ids: BTreeSet<&String> = ids.iter().collect();
    place.all().iter().filter(|id| !ids.contains(id)).count()
}

#[test]
fn rsyslog_has_every_record_whole_also_after_it_was_killed() {
    let Some(certificates) = Certificates::make() else { return };
    let Some(mut rsyslog) = Rsyslog::start(&certificates) else { return };
    let place = place(rsyslog.port, &certificates, "");
    let gridwatch = place.start();
    until("some records", &place.host, || rsyslog.records().len() > 100);
    rsyslog.kill();
    std::thread::sleep(std::time::Duration::from_secs(2));
    rsyslog.start_again();
    place.until_delivered(&[]);
    until("all of it", &place.host, || {
        missing(&place, &rsyslog.records().iter().map(|(id, _)| id.clone()).collect::<Vec<_>>()) == 0
    });
    terminate(gridwatch);
    let records = rsyslog.records();
    for (id, record) in &records {
        assert_eq!(record["metadata"]["uid"], id.as_str(), "whole, and what its id says");
    }
    // It was idle when it ended, and rsyslog had read it all: nothing comes again.
    let before = records.len();
    let gridwatch = place.start();
    place.until_delivered(&["syslog"]);
    terminate(gridwatch);
    assert_eq!(rsyslog.records().len(), before, "{}", tail(&place.host.log()));
}

#[test]
fn what_a_broken_connection_may_have_lost_comes_again_with_the_same_ids() {
    let Some(certificates) = Certificates::make() else { return };
    // Each connection is reset after some frames, of which the last are never looked at.
    let syslog = Syslog::start(&certificates, 90);
    let place = place(syslog.port(), &certificates, "resend = \"5s\"");
    let gridwatch = place.start();
    place.until_delivered(&[]);
    until("all of it", &place.host, || missing(&place, &syslog.ids()) == 0);
    kill(gridwatch);
    let (all, ids) = (place.all(), syslog.ids());
    assert!(ids.iter().all(|id| all.contains(id)), "nothing but records");
    assert!(syslog.connections() >= 3, "{}", syslog.connections());
    println!("{} records, {} received, {} connections", all.len(), ids.len(), syslog.connections());
}
