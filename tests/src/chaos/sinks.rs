//! Receivers that are away, slow, reset connections, refuse, are out of order, or die before they answer: of each kind of sink.
//!
//! All kinds are sinks of one gridwatch, and the same befalls all of them at once. What each has is compared with the file sinks beside them,
//! which nothing befalls, and which none of the others may delay.

use super::row::{Row, Tally};
use super::scene::{Scene, World};
use super::{Options, beside};
use crate::host::{ended, gridwatch, root};
use crate::receiver::elasticsearch::Elasticsearch;
use crate::receiver::messages::Messages;
use crate::receiver::plain::{Plain, Wants};
use crate::receiver::splunk::{Habits, Splunk};
use crate::receiver::syslog::Syslog;
use crate::receiver::tls::Certificates;
use crate::receiver::{Door, Fault, Request, Stored, Weather};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const HEC_TOKEN: &str = "00000000-0000-0000-0000-0000000000aa";
const ROUTING_KEY: &str = "R0123456789ABCDEF0123456789ABCDE";
/// What all of them have in common. An answer that takes longer never comes.
const PATIENT: &str = "timeout = \"5s\"\nretry_most = \"5s\"\n";
/// Messages for people come one by one, and Slack takes one a second.
const SEVERE: &str = "severity = \"high\"\n";

/// What befalls them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// Nobody listens at the port.
    Away,
    All(Fault),
    /// One record is refused for good, whenever it comes.
    RefusesOne,
}

pub(super) fn run(world: &World, options: &Options) -> Vec<Row> {
    let seconds = options.away.as_secs();
    let troubles = [
        (format!("away for {seconds} s"), Trouble::Away),
        (format!("slow for {seconds} s, 2 s a request"), Trouble::All(Fault::Slow(2_000))),
        (format!("resets in mid-body for {seconds} s"), Trouble::All(Fault::ResetMidBody)),
        (format!("answers 503 for {seconds} s"), Trouble::All(Fault::Status(503))),
        (format!("stores and dies for {seconds} s"), Trouble::All(Fault::DieAfterStoring)),
        ("refuses one record".to_owned(), Trouble::RefusesOne),
    ];
    let rows = beside(&troubles, options.at_a_time, |(what, trouble)| befallen(world, options, what, *trouble));
    rows.into_iter().flatten().collect()
}

/// What a receiver has.
enum Has {
    Stored(Stored),
    Syslog(Syslog),
}

impl Has {
    fn times(&self) -> BTreeMap<String, u64> {
        match self {
            Self::Stored(stored) => stored.times(),
            Self::Syslog(syslog) => {
                let mut times = BTreeMap::new();
                syslog.ids().into_iter().for_each(|id| *times.entry(id).or_default() += 1);
                times
            }
        }
    }

    /// Syslog has no word for "stored": whatever comes again is excused, which it bounds by time.
    fn unheard(&self) -> BTreeMap<String, u64> {
        match self {
            Self::Stored(stored) => stored.unheard(),
            Self::Syslog(_) => self.times(),
        }
    }
}

/// What of all records a sink is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gets {
    All,
    /// What is news about grave alerts.
    News,
    /// The same, but for what resolves an incident: that message has no id.
    NewsOpen,
}

struct Receiver {
    name: &'static str,
    kind: &'static str,
    gets: Gets,
    has: Has,
    door: Door,
    /// Keeps it alive.
    _server: Box<dyn std::any::Any>,
}

/// One of each kind, and their tables of the configuration.
struct Receivers {
    all: Vec<Receiver>,
    tables: String,
    weather: Weather,
    /// Made for TLS; they have to outlive whoever uses them.
    certificates: Option<Certificates>,
}

/// Refuses the first requests, so many of them.
fn faults(weather: &Weather, refuses: u32) -> impl Fn(&Request) -> Option<Fault> + Send + Sync + 'static {
    let (weather, refused) = (weather.clone(), AtomicU32::new(0));
    move |_| match refused.fetch_add(1, Ordering::SeqCst) < refuses {
        true => Some(Fault::Status(400)),
        false => weather.now(),
    }
}

impl Receivers {
    fn open(trouble: Trouble, world: &World) -> Self {
        let weather = Weather::default();
        let refuses = trouble == Trouble::RefusesOne;
        // One from the middle.
        let middle = &world.org.entries[world.org.entries.len() / 2].id;
        let refused: Vec<String> = refuses.then(|| middle.clone()).into_iter().collect();
        let mut open = Self { all: Vec::new(), tables: String::new(), weather, certificates: None };
        open.http(&refused);
        open.elasticsearch(&refused);
        open.splunk(&refused);
        open.messages(refuses.into());
        // It has no answers, so it can't refuse, and not die before one.
        if matches!(trouble, Trouble::Away | Trouble::All(Fault::Slow(_) | Fault::ResetMidBody)) {
            open.syslog();
        }
        open
    }

    fn add(&mut self, table: &str, receiver: Receiver) {
        self.tables.push_str(&format!(
            "\n[[sink]]\nname = \"{}\"\ntype = \"{}\"\n{PATIENT}{table}\n",
            receiver.name, receiver.kind
        ));
        self.all.push(receiver);
    }

    fn http(&mut self, refused: &[String]) {
        let wants = Wants { refuses: refused.to_vec(), most_bytes: 4 << 20, ..Wants::default() };
        let plain = Plain::start(wants, self.weather.faults());
        let table = format!("url = \"{}\"\nbatch_records = 50\n", plain.server.url());
        let (has, door) = (Has::Stored(plain.stored.clone()), plain.server.door().clone());
        self.add(&table, Receiver { name: "http", kind: "http", gets: Gets::All, has, door, _server: Box::new(plain) });
    }

    fn elasticsearch(&mut self, refused: &[String]) {
        let refused = refused.to_vec();
        let unfit = (400, "document_parsing_exception", "failed to parse field [source.ip] of type [ip]");
        let trouble = move |id: &str, _| refused.iter().any(|refused| refused == id).then_some(unfit);
        let elasticsearch = Elasticsearch::start("ApiKey aWQ6czNjcmV0", "", self.weather.faults(), trouble);
        let table =
            format!("url = \"{}\"\napi_key_file = \"es-key\"\nbatch_records = 50\n", elasticsearch.server.url());
        let (has, door) = (Has::Stored(elasticsearch.stored.clone()), elasticsearch.server.door().clone());
        let kind = "elasticsearch";
        self.add(&table, Receiver { name: kind, kind, gets: Gets::All, has, door, _server: Box::new(elasticsearch) });
    }

    fn splunk(&mut self, refused: &[String]) {
        let habits = Habits { refuses: refused.to_vec(), ..Habits::default() };
        let splunk = Splunk::start(habits, self.weather.faults());
        let table = format!("url = \"{}\"\ntoken_file = \"hec-token\"\nbatch_records = 50\n", splunk.server.url());
        let (has, door) = (Has::Stored(splunk.stored.clone()), splunk.server.door().clone());
        let kind = "splunk_hec";
        self.add(&table, Receiver { name: kind, kind, gets: Gets::All, has, door, _server: Box::new(splunk) });
    }

    fn messages(&mut self, refuses: u32) {
        let example = root().join("examples/webhooks/jira-service-management.json");
        let key = "headers = { Authorization = { file = \"jira-key\", prefix = \"GenieKey \" } }";
        // What it refuses is sent once more, in fewer words.
        let slack = Messages::slack(faults(&self.weather, 2 * refuses));
        let pager = Messages::pagerduty(faults(&self.weather, refuses));
        let jira = Messages::jira(faults(&self.weather, refuses));
        let tables = [
            "url_file = \"webhook\"\n".to_owned(),
            format!("url = \"{}/v2/enqueue\"\nrouting_key_file = \"routing\"\n", pager.server.url()),
            format!("url = \"{}/v2/alerts\"\ntemplate_file = {example:?}\n{key}\n", jira.server.url()),
        ];
        let kinds = [("slack_webhook", Gets::News), ("pagerduty", Gets::NewsOpen), ("webhook", Gets::News)];
        for (((kind, gets), table), messages) in kinds.into_iter().zip(tables).zip([slack, pager, jira]) {
            let (has, door) = (Has::Stored(messages.stored.clone()), messages.server.door().clone());
            // Some of these keys are not for people's sinks.
            let receiver = Receiver { name: kind, kind, gets, has, door, _server: Box::new(messages) };
            self.add(&format!("{table}{SEVERE}"), receiver);
        }
    }

    fn syslog(&mut self) {
        let Some(certificates) = Certificates::make() else { return };
        let syslog = Syslog::in_weather(&certificates, &self.weather);
        let shown = |name: &str| certificates.path(name).display().to_string();
        let table = format!(
            "address = \"localhost:{}\"\nca_file = \"{}\"\nclient_cert_file = \"{}\"\nclient_key_file = \"{}\"\nresend = \"5s\"\n",
            syslog.port(),
            shown("ca.pem"),
            shown("client.pem"),
            shown("client.key")
        );
        let door = syslog.door.clone();
        let has = Has::Syslog(syslog);
        self.add(
            &table,
            Receiver { name: "syslog", kind: "syslog", gets: Gets::All, has, door, _server: Box::new(()) },
        );
        self.certificates = Some(certificates);
    }

    /// What the configuration names.
    fn secrets(&self, scene: &Scene<'_>) {
        scene.secret("es-key", "aWQ6czNjcmV0");
        scene.secret("hec-token", HEC_TOKEN);
        scene.secret("routing", ROUTING_KEY);
        scene.secret("jira-key", "s3cret-jira");
        let chat = self.all.iter().find(|receiver| receiver.kind == "slack_webhook").expect("one for Slack");
        scene.secret("webhook", &format!("http://127.0.0.1:{}/services/T0/B0/secret", chat.door.port()));
    }

    fn begin(&self, trouble: Trouble) {
        match trouble {
            Trouble::Away => self.all.iter().for_each(|receiver| receiver.door.shut()),
            Trouble::All(fault) => self.weather.set(Some(fault)),
            Trouble::RefusesOne => {}
        }
    }

    fn end(&self) {
        self.weather.set(None);
        self.all.iter().for_each(|receiver| receiver.door.unshut());
    }
}

/// What a receiver is to have, by the file sinks and its own dead letters.
fn expected(scene: &Scene<'_>, receiver: &Receiver) -> BTreeSet<String> {
    let dead = dead_letters(scene, receiver.name);
    let alerts = scene.host.alerts();
    let is_news = |id: &str, alert: &Value| {
        let is_grave = alert["severity_id"].as_u64() >= Some(4);
        let is_open = receiver.gets == Gets::News || alert["status"] != "Resolved";
        is_grave && is_open && !id.contains(":enrichment") && !id.contains(":act")
    };
    let all: BTreeSet<String> = match receiver.gets {
        Gets::All => scene.host.delivered().into_keys().chain(alerts.into_keys()).collect(),
        Gets::News | Gets::NewsOpen => {
            alerts.into_iter().filter(|(id, alert)| is_news(id, alert)).map(|(id, _)| id).collect()
        }
    };
    all.into_iter().filter(|id| !dead.contains(id)).collect()
}

fn dead_letters(scene: &Scene<'_>, sink: &str) -> BTreeSet<String> {
    let letters = std::fs::read_to_string(scene.host.path(&format!("state/dead-letters/{sink}.ndjson")));
    let id = |line: &str| serde_json::from_str::<Value>(line).ok()?["id"].as_str().map(str::to_owned);
    letters.unwrap_or_default().lines().filter_map(id).collect()
}

fn tally(scene: &Scene<'_>, receiver: &Receiver) -> Tally {
    let mut times = receiver.has.times();
    // A message that resolves an incident has no id.
    times.remove("resolve");
    Tally::of(&times, &expected(scene, receiver), &receiver.has.unheard())
}

/// A row for each kind.
fn befallen(world: &World, options: &Options, what: &str, trouble: Trouble) -> Vec<Row> {
    let receivers = Receivers::open(trouble, world);
    let mut scene = Scene::new(world, &receivers.tables);
    receivers.secrets(&scene);
    set_up(&scene);
    scene.until_under_way();
    scene.begins();
    receivers.begin(trouble);
    let lasts = if trouble == Trouble::RefusesOne { Duration::from_secs(1) } else { options.away };
    scene.pass(lasts);
    receivers.end();
    let mut recovered: BTreeMap<&str, f64> = BTreeMap::new();
    let began = crate::sim::now_ms();
    scene.wait(|scene| {
        if scene.is_complete() {
            let after_s = (crate::sim::now_ms() - began) as f64 / 1_000.0;
            for receiver in &receivers.all {
                let is_done =
                    tally(scene, receiver).missing == 0 && scene.host.status()["sinks"][receiver.name]["behind"] == 0;
                if is_done {
                    recovered.entry(receiver.name).or_insert(after_s);
                }
            }
        }
        recovered.len() == receivers.all.len()
    });
    scene.stop();
    let (alerts_missing, alerts_doubled) = scene.alerts();
    let of = |receiver: &Receiver| {
        let mut records = tally(&scene, receiver);
        let of_it = format!(" of {}", receiver.name);
        // The file sinks beside it are whole as well.
        let beside = Tally::of(&scene.host.delivered(), &scene.slack.truth().ids, &BTreeMap::new());
        records.missing += beside.missing;
        records.doubled += beside.doubled;
        let mut wrong = Vec::new();
        let dead = dead_letters(&scene, receiver.name).len();
        if dead != usize::from(trouble == Trouble::RefusesOne) {
            wrong.push(format!("{dead} dead letters"));
        }
        Row {
            fault: format!("{} {what}", receiver.kind),
            records,
            alerts_missing,
            alerts_doubled,
            alerts_may_double: false,
            recovery_s: recovered.get(receiver.name).copied(),
            told: scene.told(|who| who.ends_with(&of_it)),
            wrong,
        }
    };
    receivers.all.iter().map(of).collect()
}

/// Templates and indices.
fn set_up(scene: &Scene<'_>) {
    let output = ended(gridwatch().args(["sink", "setup", "--config"]).arg(scene.host.path("gridwatch.toml")));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A file sink whose folder is away.
pub(super) fn files(world: &World, options: &Options) -> Vec<Row> {
    let more = "\n[[sink]]\nname = \"away\"\ntype = \"file\"\npath = \"out/events.ndjson\"\ninclude = [\"events\"]\n\
                rotate_bytes = \"64KiB\"\nkeep = 0";
    let mut scene = Scene::new(world, more);
    let [here, elsewhere] = ["out", "elsewhere"].map(|name| scene.host.path(name));
    std::fs::create_dir(&here).expect("a folder");
    scene.until_under_way();
    scene.begins();
    std::fs::rename(&here, &elsewhere).expect("renamed");
    scene.pass(options.away);
    std::fs::rename(&elsewhere, &here).expect("renamed");
    let of = |scene: &Scene<'_>| {
        Tally::of(&scene.host.delivered_to("out/events.ndjson"), &scene.slack.truth().ids, &BTreeMap::new())
    };
    let recovery_s = scene.wait(|scene| scene.is_complete() && of(scene).missing == 0);
    scene.stop();
    let away = of(&scene);
    let row = scene.row(&format!("folder of a file sink away for {} s", options.away.as_secs()), recovery_s);
    vec![Row { records: row.records.and(away), ..row }]
}
