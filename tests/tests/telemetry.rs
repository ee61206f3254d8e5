//! What can be asked of a running gridwatch, what it says of itself at an interval, and who notices when it says nothing.

use gridwatch_rules::monitor::Heartbeat;
use gridwatch_rules::monitor::heartbeat::{Chain, Statement};
use gridwatch_sim::{FaultKind, When};
use gridwatch_tests::host::{Host, Setup, gridwatch, kill, private, root, signal, terminate, until};
use gridwatch_tests::sim::{Slack, entry, now, org, org_of};
use gridwatch_tests::web::{Heard, free_port, get, get_as};
use gridwatch_views::View;
use serde_json::Value;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

fn setup(slack: &Slack, from: u64, monitor: &str, telemetry: &str) -> Setup {
    let setup = Setup::in_small_steps(&slack.base_url(), from);
    let more = format!("{}\n[monitor]\n{monitor}\n[telemetry]\n{telemetry}\n", setup.more);
    Setup { more, ..setup }
}

/// One that is asked, over an hour with some entries.
fn asked(monitor: &str) -> (Slack, Host, u16) {
    let (from, port) = (now() - 3_600, free_port());
    let slack = Slack::start(org(20, from, now() - 60));
    let host = Host::new(&setup(&slack, from, monitor, &format!("listen = \"127.0.0.1:{port}\"")));
    (slack, host, port)
}

fn heartbeats(host: &Host, file: &str) -> Vec<Heartbeat> {
    let lines = host.lines(file).into_iter();
    let lines = lines.filter(|line| line["metadata"]["event_code"] == "gridwatch.heartbeat");
    lines.map(|line| heartbeat(&line["unmapped"]["heartbeat"])).collect()
}

fn heartbeat(shown: &Value) -> Heartbeat {
    let text = |key: &str| shown[key].as_str().unwrap_or_else(|| panic!("no {key} in {shown}")).to_owned();
    let says: Statement = serde_json::from_str(&text("statement")).expect("a statement");
    Heartbeat {
        chain: text("chain"),
        number: shown["number"].as_u64().expect("a number"),
        previous: text("previous"),
        hash: text("hash"),
        at: says.at,
        next: says.next,
        statement: text("statement"),
        says,
    }
}

#[test]
fn probes_tell_what_a_restart_can_mend_from_what_it_cannot() {
    let (slack, host, port) = asked("heartbeat = \"0s\"");
    slack.set_faults(vec![
        FaultKind::ApiError { error: "invalid_authentication".into() }.at(When::Between { from: 1, to: u64::MAX }),
    ]);
    let child = host.start(&[]);
    until("it is asked in vain", || get(port, "/readyz").is_some_and(|(_, body)| body.contains("token_rejected")));
    let (status, body) = get(port, "/readyz").expect("an answer");
    assert_eq!(status, 503, "{body}");
    assert!(body.starts_with("polling default: no page has come yet"), "{body}");
    assert_eq!(get(port, "/healthz"), Some((200, "ok\n".into())), "a restart brings no token");
    slack.set_faults(vec![]);
    std::fs::write(host.path("token"), "xoxp-other").expect("token");
    private(&host.path("token"));
    until("it is ready", || get(port, "/readyz") == Some((200, "ok\n".into())));
    assert_eq!(get(port, "/elsewhere").map(|(status, _)| status), Some(404));
    terminate(child);
    assert_eq!(get(port, "/healthz"), None);
}

#[test]
fn metrics_are_what_prometheus_reads_and_name_nobody() {
    let (_slack, host, port) = asked("heartbeat = \"1s\"");
    let child = host.start(&[]);
    until("all is read", || host.delivered_to_entries() == 20);
    let (status, plain) = get(port, "/metrics").expect("an answer");
    assert_eq!(status, 200);
    for line in [
        "# TYPE gridwatch_poll_pages_total counter",
        "# TYPE gridwatch_poll_last_success_timestamp_seconds gauge",
        "gridwatch_poll_paused{org=\"default\"} 0",
        "gridwatch_sink_failing{sink=\"events\"} 0",
        "gridwatch_poll_requests_refused_early_total{org=\"default\"} 0",
    ] {
        assert!(plain.lines().any(|found| found == line), "{line} isn't in\n{plain}");
    }
    let (_, open) = get_as(port, "/metrics", "application/openmetrics-text; version=1.0.0").expect("an answer");
    assert!(open.ends_with("# EOF\n") && open.contains("# TYPE gridwatch_poll_pages counter\n"), "{open}");
    let people = std::fs::read_to_string(host.path("events.ndjson")).expect("events");
    for id in people.split('"').filter(|word| word.starts_with("W0") || word.contains('@')) {
        assert!(!plain.contains(id), "{id} is in the metrics");
    }
    names_exist(&plain);
    promtool(&plain);
    prometheus(port);
    terminate(child);
}

trait Entries {
    fn delivered_to_entries(&self) -> usize;
}

impl Entries for Host {
    /// Events, without heartbeats.
    fn delivered_to_entries(&self) -> usize {
        let events = self.lines("events.ndjson").into_iter();
        events.filter(|line| line["metadata"]["event_code"] != "gridwatch.heartbeat").count()
    }
}

/// Rules and dashboard ask for nothing that isn't there.
fn names_exist(metrics: &str) {
    let folder = root().join("examples/monitoring");
    let mut looked_at = 0;
    for file in ["rules.yml", "dashboard.json"] {
        let text = std::fs::read_to_string(folder.join(file)).expect(file);
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for name in words.filter(|word| word.starts_with("gridwatch_")) {
            let name = name.strip_suffix("_bucket").unwrap_or(name);
            assert!(metrics.contains(&format!("# TYPE {name} ")), "{file}: there is no metric {name}");
            looked_at += 1;
        }
    }
    assert!(looked_at > 30, "{looked_at}");
}

fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_err() {
        eprintln!("skipped: `{program}` is not installed (Debian: apt-get install prometheus)");
    }
    found.is_ok()
}

fn promtool(metrics: &str) {
    if !has("promtool") {
        return;
    }
    let mut check = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool");
    std::io::Write::write_all(&mut check.stdin.take().expect("its input"), metrics.as_bytes()).expect("written");
    let output = check.wait_with_output().expect("promtool");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let folder = root().join("examples/monitoring");
    for args in
        [["check", "rules", "rules.yml"], ["test", "rules", "rules.test.yml"], ["check", "config", "prometheus.yml"]]
    {
        let output = Command::new("promtool").args(args).current_dir(&folder).output().expect("promtool");
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&said));
    }
}

/// A real one scrapes it.
fn prometheus(port: u16) {
    if !has("prometheus") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!(
        "global: {{ scrape_interval: 1s }}\nscrape_configs:\n  - job_name: gridwatch\n    static_configs:\n      - targets: [\"127.0.0.1:{port}\"]\n"
    );
    std::fs::write(folder.path().join("p.yml"), text).expect("a configuration");
    let web = free_port();
    let mut prometheus = Command::new("prometheus")
        .arg(format!("--config.file={}", folder.path().join("p.yml").display()))
        .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{web}"))
        .stderr(Stdio::null())
        .spawn()
        .expect("prometheus");
    let ask = |query: &str| get(web, &format!("/api/v1/query?query={query}")).map(|(_, body)| body).unwrap_or_default();
    until("it is scraped", || ask("gridwatch_poll_pages_total").contains("\"org\":\"default\""));
    assert!(ask("up").contains("\"1\"]"), "{}", ask("up"));
    let _ = prometheus.kill();
    let _ = prometheus.wait();
}

#[test]
fn heartbeats_are_numbered_and_chained_through_a_kill_and_the_last_one_says_so() {
    let (slack, host, port) = asked("heartbeat = \"1s\"");
    let child = host.start(&[]);
    until("some heartbeats", || heartbeats(&host, "events.ndjson").len() >= 3);
    kill(child);
    let child = host.start(&[]);
    let before = heartbeats(&host, "events.ndjson").len();
    until("more of them", || heartbeats(&host, "events.ndjson").len() >= before + 2);
    let (_, body) = get(port, "/heartbeat").expect("an answer");
    let answer: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(answer["phase"], "running", "{body}");
    assert!(answer["heartbeat"]["number"].as_u64().is_some_and(|number| number >= 3), "{body}");
    terminate(child);

    let beats = heartbeats(&host, "events.ndjson");
    let (mut link, schema) =
        (Chain::default(), jsonschema::validator_for(&View::Ocsf.json_schema()).expect("a schema"));
    for beat in &beats {
        assert_eq!(link.follow(beat), Ok(()), "{beat:?}");
    }
    assert_eq!(beats[0].number, 1);
    assert_eq!(beats.iter().map(|beat| beat.number).collect::<Vec<_>>(), (1..=beats.len() as u64).collect::<Vec<_>>());
    let last = beats.last().expect("a heartbeat");
    assert_eq!((last.next, beats[0].next.is_some()), (None, true), "an orderly end is told from a death");
    let says = &last.says;
    assert_eq!((says.orgs.len(), says.modules.len() >= 10, says.sinks.len()), (1, true, 2), "{says:?}");
    assert!(says.orgs[0].settled.is_some() && says.orgs[0].gaps == 0, "{says:?}");
    assert!(says.modules[0].contains(" sha256:"), "{says:?}");
    for line in host.lines("events.ndjson") {
        let errors: Vec<String> = schema.iter_errors(&line).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}: {line}");
    }
    assert_eq!(heartbeats(&host, "alerts.ndjson").len(), 0, "a sink of alerts gets none");
    drop(slack);
}

#[test]
fn a_heartbeat_is_valid_in_every_view_and_goes_to_who_asks_for_it() {
    let (from, port) = (now() - 3_600, free_port());
    let slack = Slack::start(org(5, from, now() - 60));
    let mut setup = setup(&slack, from, "heartbeat = \"1s\"", &format!("listen = \"127.0.0.1:{port}\""));
    for (name, view) in [("old", "ocsf-1.1.0"), ("elastic", "ecs"), ("bytes", "raw")] {
        setup.more += &format!(
            "\n[[sink]]\nname = \"{name}\"\ntype = \"file\"\npath = \"{name}.ndjson\"\nview = \"{view}\"\ninclude = [\"heartbeat\"]\n"
        );
    }
    let host = Host::new(&setup);
    let child = host.start(&[]);
    until("heartbeats everywhere", || {
        ["old", "elastic", "bytes"].iter().all(|name| host.lines(&format!("{name}.ndjson")).len() >= 2)
    });
    terminate(child);
    for (name, view) in [("old", View::Ocsf1_1), ("elastic", View::Ecs), ("bytes", View::Ocsf)] {
        let schema = jsonschema::validator_for(&view.json_schema()).expect("a schema");
        let mut link = Chain::default();
        for line in host.lines(&format!("{name}.ndjson")) {
            let errors: Vec<String> = schema.iter_errors(&line).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{name}: {errors:?}: {line}");
            let at = if name == "elastic" { &line["gridwatch"]["heartbeat"] } else { &line["unmapped"]["heartbeat"] };
            assert_eq!(link.follow(&heartbeat(at)), Ok(()), "{name}");
        }
        assert!(link.number >= 2);
    }
}

#[test]
fn a_dead_man_service_hears_that_all_is_well_and_at_once_when_it_is_not() {
    let (from, service) = (now() - 3_600, Heard::start());
    let slack = Slack::start(org(20, from, now() - 60));
    let host = Host::new(&setup(
        &slack,
        from,
        "patience = \"1s\"\nheartbeat = \"0s\"",
        "ping_url_file = \"ping\"\nping_every = \"1s\"",
    ));
    std::fs::write(host.path("ping"), format!("http://127.0.0.1:{}/some-uuid", service.port)).expect("a secret");
    private(&host.path("ping"));
    let child = host.start(&[]);
    until("it is pinged", || service.requests().len() >= 2);
    assert!(
        service.requests().iter().all(|(method, path, _)| method == "GET" && path == "/some-uuid"),
        "{:?}",
        service.requests()
    );
    slack.set_faults(vec![
        FaultKind::Status { code: 500, body: String::new(), retry_after: None }
            .at(When::Between { from: 1, to: u64::MAX }),
    ]);
    until("it hears of it", || service.requests().iter().any(|(_, path, _)| path == "/some-uuid/fail"));
    let (method, _, body) =
        service.requests().into_iter().find(|(_, path, _)| path.ends_with("/fail")).expect("a failure");
    assert!(method == "POST" && body.contains("No page of the audit log"), "{method} {body}");
    // Killed, it says nothing: that is what the service waits for.
    kill(child);
    let count = service.requests().len();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(service.requests().len(), count);
    assert!(!host.log().contains("some-uuid"), "the address is a secret");
}

#[test]
fn systemd_hears_when_it_is_ready_that_it_lives_and_that_it_stops() {
    let from = now() - 3_600;
    let slack = Slack::start(org(20, from, now() - 60));
    let host = Host::new(&Setup::in_small_steps(&slack.base_url(), from));
    let path = host.path("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
    let log = std::fs::File::create(host.path("log")).expect("log");
    let mut command = gridwatch();
    command.args(["run", "--config"]).arg(host.path("gridwatch.toml"));
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "2000000").stdout(Stdio::null()).stderr(log);
    let child: Child = command.spawn().expect("gridwatch starts");
    let hear = || {
        let mut bytes = [0; 4_096];
        let read = socket.recv(&mut bytes).expect("a word in time");
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    };
    let mut said = Vec::new();
    while !said.iter().any(|text: &String| text.contains("READY=1")) {
        said.push(hear());
    }
    assert!(said[0].contains("EXTEND_TIMEOUT_USEC="), "{said:?}");
    let mut alive = 0;
    while alive < 3 {
        alive += usize::from(hear().contains("WATCHDOG=1"));
    }
    // Stopped, it says nothing any more.
    signal(&child, "STOP");
    std::thread::sleep(Duration::from_millis(500));
    socket.set_nonblocking(true).expect("set");
    while socket.recv(&mut [0; 4_096]).is_ok() {}
    std::thread::sleep(Duration::from_secs(2));
    assert!(socket.recv(&mut [0; 4_096]).is_err(), "a stopped process lives on");
    socket.set_nonblocking(false).expect("set");
    signal(&child, "CONT");
    terminate(child);
    let mut rest = Vec::new();
    socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a time-out");
    let mut bytes = [0; 4_096];
    while let Ok(read) = socket.recv(&mut bytes) {
        rest.push(String::from_utf8_lossy(&bytes[..read]).into_owned());
    }
    assert!(rest.iter().any(|text| text.contains("STOPPING=1")), "{rest:?}");
}

/// A watcher of what is said in `[watch]`, with a sink of its own.
fn watcher(folder: &std::path::Path, watch: &str) -> Child {
    let text = format!(
        "state_dir = \"state\"\n[watch]\n{watch}\nevery = \"1s\"\npatience = \"2s\"\nagain = \"5m\"\n\
         [[sink]]\nname = \"alarm\"\ntype = \"file\"\npath = \"alarm.ndjson\"\ninclude = [\"alerts\"]\n"
    );
    std::fs::write(folder.join("watch.toml"), text).expect("a configuration");
    let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).expect("log");
    let mut command = gridwatch();
    command.args(["watch", "--config"]).arg(folder.join("watch.toml"));
    command.stdout(Stdio::null()).stderr(log).spawn().expect("the watcher starts")
}

/// Rule and status of what a watcher told.
fn alarms(folder: &std::path::Path) -> Vec<(String, String, String)> {
    let text = std::fs::read_to_string(folder.join("alarm.ndjson")).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    lines
        .map(|line| (of(&line["metadata"]["event_code"]), of(&line["status"]), of(&line["finding_info"]["title"])))
        .collect()
}

fn is_told(folder: &std::path::Path, rule: &str, status: &str) -> bool {
    alarms(folder).iter().any(|(told, is, _)| *told == format!("gridwatch.{rule}") && is == status)
}

#[test]
fn a_watcher_tells_when_gridwatch_is_killed_and_when_it_is_back() {
    let (_slack, host, port) = asked("heartbeat = \"1s\"");
    let folder = tempfile::tempdir().expect("a folder");
    let child = host.start(&[]);
    until("it beats", || get(port, "/heartbeat").is_some_and(|(_, body)| body.contains("\"statement\"")));
    let watching = watcher(folder.path(), &format!("url = \"http://127.0.0.1:{port}\""));
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(alarms(folder.path()), [], "all is well");
    kill(child);
    until("the watcher tells", || is_told(folder.path(), "heartbeat-missing", "New"));
    // Killed as well, the watcher tells nothing twice.
    kill(watching);
    let watching = watcher(folder.path(), &format!("url = \"http://127.0.0.1:{port}\""));
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(alarms(folder.path()).len(), 1, "{:?}", alarms(folder.path()));
    let child = host.start(&[]);
    until("the watcher tells the end", || is_told(folder.path(), "heartbeat-missing", "Resolved"));
    assert!(!is_told(folder.path(), "heartbeat-broken", "New"), "{:?}", alarms(folder.path()));
    terminate(child);
    terminate(watching);
}

#[test]
fn a_watcher_of_a_file_sees_what_is_missing_and_what_is_made_up() {
    let (_slack, host, _) = asked("heartbeat = \"1s\"");
    let child = host.start(&[]);
    until("it beats", || heartbeats(&host, "events.ndjson").len() >= 6);
    terminate(child);
    let lines: Vec<String> = host.lines("events.ndjson").iter().map(Value::to_string).collect();
    let beats: Vec<&String> = lines.iter().filter(|line| line.contains("gw-heartbeat-")).collect();
    // Without the last one, which says that it ends.
    let beats = &beats[..beats.len() - 1];
    let forged = beats[3]
        .replace("\"troubles\":[]", "\"troubles\":[\"x\"]")
        .replace("\\\"troubles\\\":[]", "\\\"troubles\\\":[\\\"x\\\"]");
    assert_ne!(&forged, beats[3]);
    let made_up: Vec<&String> = vec![beats[0], beats[1], beats[2], &forged];
    let missing: Vec<&String> = vec![beats[0], beats[1], beats[3]];
    for (shown, word) in [(missing, "are missing"), (made_up, "was changed or made up")] {
        let folder = tempfile::tempdir().expect("a folder");
        let text: String = shown.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(folder.path().join("copy.ndjson"), text).expect("a copy");
        let watching = watcher(folder.path(), "file = \"copy.ndjson\"");
        until(word, || is_told(folder.path(), "heartbeat-broken", "New"));
        assert!(alarms(folder.path()).iter().any(|(_, _, title)| title.contains(word)), "{:?}", alarms(folder.path()));
        // And then none comes any more.
        until("the silence is told", || is_told(folder.path(), "heartbeat-missing", "New"));
        terminate(watching);
    }
}

#[test]
fn without_configuration_nothing_listens_and_a_watcher_says_what_its_file_lacks() {
    let from = now() - 60;
    let slack = Slack::start(org_of(vec![entry("a", now() - 30)]));
    let host = Host::new(&Setup::in_small_steps(&slack.base_url(), from));
    let child = host.start(&[]);
    host.until_running(&child);
    let listening = Command::new("sh")
        .arg("-c")
        .arg(format!("ls -l /proc/{}/fd | grep -o 'socket:\\[[0-9]*\\]' | tr -dc '0-9\\n' > socks; awk '$4==\"0A\"{{print $10}}' /proc/net/tcp /proc/net/tcp6 | grep -xFf socks", child.id()))
        .current_dir(host.path(""))
        .output()
        .expect("sh");
    assert_eq!(String::from_utf8_lossy(&listening.stdout), "", "something listens");
    terminate(child);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("watch.toml"), "state_dir = \"state\"\n[watch]\nevry = \"1s\"\n")
        .expect("a file");
    let output =
        gridwatch().args(["watch", "--config"]).arg(folder.path().join("watch.toml")).output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for word in ["evry", "watch.url", "sink"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}
