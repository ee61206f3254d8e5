//! A full disk: polling stops and says so, nothing is torn, and with room again everything arrives once.
//!
//! Full disks are small tmpfs mounts, which take root. Without, those tests say that they are skipped; the pause itself is
//! tested everywhere.

use gridwatch_tests::disk::SmallDisk;
use gridwatch_tests::host::{Host, Setup, ends_within, exactly, kill, signal, until};
use gridwatch_tests::sim::{Slack, entry, now, org};

const SOON_S: u64 = 35;

fn paused_by_disk(host: &Host) -> bool {
    host.status()["poll"]["paused"].as_str().is_some_and(|why| why.starts_with("disk"))
}

#[test]
fn polling_pauses_loudly_when_there_is_too_little_room() {
    let from = now() - 86_400;
    let slack = Slack::start(org(300, from, now() - 120));
    let mut setup = Setup::in_small_steps(&slack.base_url(), from);
    let roomy = setup.clone();
    setup.more = setup.more.replace("\"16MiB\"", "\"1024GiB\"");
    let host = Host::new(&setup);
    let gridwatch = host.start(&[]);
    until("paused", || paused_by_disk(&host));
    signal(&gridwatch, "TERM");
    assert!(ends_within(SOON_S, gridwatch).success(), "{}", host.log());
    assert!(host.log().contains("polling paused"), "{}", host.log());
    assert_eq!(slack.stats().logs_requests, 0, "it asked for what it had no room for");

    host.configure(&roomy);
    host.run_once_well();
    host.assert_exactly(&slack.truth().ids);
}

#[test]
fn with_little_room_for_state_polling_waits_and_goes_on_by_itself() {
    let from = now() - 86_400;
    let slack = Slack::start(org(600, from, now() - 120));
    let host = Host::new(&Setup::in_small_steps(&slack.base_url(), from));
    let Some(disk) = SmallDisk::mount(&host.path("state"), 40) else { return };
    let gridwatch = host.start(&[]);
    until("entries delivered", || host.delivered().len() > 100);
    disk.fill(8 << 20);
    until("paused", || paused_by_disk(&host));
    assert!(host.log().contains("polling paused"), "{}", host.log());
    let asked = slack.stats().logs_requests;
    slack.push(vec![entry("Lfull", now() - 10)]);
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(slack.stats().logs_requests, asked, "it asked for what it had no room for");
    disk.make_room();
    until("the rest delivered", || host.delivered().len() == slack.truth().ids.len());
    signal(&gridwatch, "TERM");
    assert!(ends_within(SOON_S, gridwatch).success(), "{}", host.log());
    host.assert_exactly(&slack.truth().ids);
}

#[test]
fn with_no_room_for_state_at_all_nothing_is_lost_however_often_it_is_started() {
    let from = now() - 86_400;
    let slack = Slack::start(org(2_000, from, now() - 120));
    let ids = slack.truth().ids;
    let host = Host::new(&Setup::in_small_steps(&slack.base_url(), from));
    let Some(disk) = SmallDisk::mount(&host.path("state"), 64) else { return };
    for goal in [200, 600, 1_000] {
        let mut gridwatch = host.start(&[]);
        until("entries delivered", || host.delivered().len() > goal);
        disk.fill(0);
        // It waits, or a commit fails and it ends with an error. Either way it is tried again on the full disk.
        std::thread::sleep(std::time::Duration::from_secs(3));
        match gridwatch.try_wait().expect("a child") {
            Some(status) => println!("at {goal}: {status}"),
            None => {
                println!("at {goal}: waits");
                kill(gridwatch);
            }
        }
        let mut again = host.start(&[]);
        std::thread::sleep(std::time::Duration::from_secs(2));
        println!("started on the full disk: {:?}", again.try_wait().expect("a child"));
        kill(again);
        disk.make_room();
    }
    host.run_once_well();
    host.assert_exactly(&ids);
    assert!(!host.log().contains("set_aside"), "a full disk is no damage:\n{}", host.log());
}

#[test]
fn a_sink_on_a_full_disk_delays_no_other_and_gets_everything_later() {
    let from = now() - 86_400;
    let slack = Slack::start(org(1_500, from, now() - 120));
    let ids = slack.truth().ids;
    let mut setup = Setup::in_small_steps(&slack.base_url(), from);
    setup.more +=
        "\n[[sink]]\nname = \"small\"\ntype = \"file\"\npath = \"out/events.ndjson\"\ninclude = [\"events\"]\nkeep = 0";
    let host = Host::new(&setup);
    let Some(disk) = SmallDisk::mount(&host.path("out"), 32) else { return };
    disk.fill(300_000);
    let gridwatch = host.start(&[]);
    until("the other sink is done", || host.delivered().len() == ids.len());
    until("the sink says why", || {
        host.status()["sinks"]["small"]["error"].as_str().is_some_and(|error| error.contains("no space left"))
    });
    assert!(host.log().contains("delivery failed"), "{}", host.log());
    let some = host.delivered_to("out/events.ndjson");
    assert!(!some.is_empty() && some.len() < ids.len() && some.values().all(|n| *n == 1), "{}", some.len());
    disk.make_room();
    until("the rest delivered", || host.delivered_to("out/events.ndjson").len() == ids.len());
    signal(&gridwatch, "TERM");
    assert!(ends_within(SOON_S, gridwatch).success(), "{}", host.log());
    exactly("the small disk", &host.delivered_to("out/events.ndjson"), &ids);
    host.assert_exactly(&ids);
}

/// The archive is what entries wait in: nothing is fetched below `min_free`, and what was fetched is delivered with what is left.
#[test]
fn an_archive_on_a_full_disk_pauses_polling_and_gets_everything_later() {
    let from = now() - 86_400;
    let slack = Slack::start(org(1_500, from, now() - 120));
    let ids = slack.truth().ids;
    let mut setup = Setup::in_small_steps(&slack.base_url(), from);
    // Each range is one page: what a half-read range holds waits for its other pages, whatever the disk.
    setup.slack = setup.slack.replace("page_limit = 20", "page_limit = 1000");
    let host = Host::new(&setup);
    let Some(disk) = SmallDisk::mount(&host.path("state/archive"), 32) else { return };
    disk.fill(1 << 20);
    let gridwatch = host.start(&[]);
    until("it says why", || paused_by_disk(&host));
    assert!(host.delivered().is_empty());
    disk.make_room();
    until("some delivered", || !host.delivered().is_empty());
    disk.fill(1 << 20);
    until("it says why, again", || paused_by_disk(&host));
    until("what was fetched is delivered", || {
        let status = host.status();
        let delivered = host.delivered().len() as u64;
        status["backlog"]["records"] == 0 && delivered > 0 && status["poll"]["stored"] == delivered
    });
    kill(gridwatch);
    disk.make_room();
    host.run_once_well();
    host.assert_exactly(&ids);
}

/// The order of judgement is written to the archive too. Entries come in one range and are judged one by one, so that the disk is full
/// while they are.
#[test]
fn with_no_room_in_the_archive_at_all_judging_waits_and_goes_on_by_itself() {
    let from = now() - 86_400;
    let slack = Slack::start(org(3_000, from, now() - 120));
    let ids = slack.truth().ids;
    let mut setup = Setup::in_small_steps(&slack.base_url(), from);
    setup.slack = "page_limit = 1000\ninterval = \"1s\"\nsettle = \"5s\"".into();
    setup.more = setup.more.replace("batch = 16", "batch = 1");
    let host = Host::new(&setup);
    let Some(disk) = SmallDisk::mount(&host.path("state/archive"), 32) else { return };
    let mut gridwatch = host.start(&[]);
    until("some delivered", || !host.delivered().is_empty());
    disk.fill(0);
    until("it says that it waits", || host.log().contains("waiting for room"));
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(gridwatch.try_wait().expect("a child"), None, "it ended by itself:\n{}", host.log());
    assert!(host.delivered().len() < ids.len());
    disk.make_room();
    until("everything delivered", || host.delivered().len() == ids.len());
    signal(&gridwatch, "TERM");
    assert!(ends_within(SOON_S, gridwatch).success(), "{}", host.log());
    host.assert_exactly(&ids);
}

#[test]
fn a_disk_that_is_full_at_the_start_is_waited_for() {
    let from = now() - 86_400;
    let slack = Slack::start(org(300, from, now() - 120));
    let host = Host::new(&Setup::in_small_steps(&slack.base_url(), from));
    let Some(disk) = SmallDisk::mount(&host.path("state"), 64) else { return };
    disk.fill(4 << 20);
    let mut gridwatch = host.start(&[]);
    until("it says what it waits for", || paused_by_disk(&host));
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert!(gridwatch.try_wait().expect("a child").is_none(), "{}", host.log());
    assert!(host.log().contains("waiting for room"), "{}", host.log());
    disk.make_room();
    until("everything delivered", || host.delivered().len() == 300);
    signal(&gridwatch, "TERM");
    assert!(ends_within(SOON_S, gridwatch).success(), "{}", host.log());
    host.assert_exactly(&slack.truth().ids);

    // Told to stop while it waits, it stops; what ends by itself doesn't wait.
    disk.fill(0);
    let gridwatch = host.start(&[]);
    std::thread::sleep(std::time::Duration::from_secs(2));
    signal(&gridwatch, "TERM");
    assert!(ends_within(SOON_S, gridwatch).success(), "{}", host.log());
    let output = host.run_once();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
}
