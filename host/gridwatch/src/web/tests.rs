//! Hostile text wherever somebody else's text gets into a page: the page has the same elements as with harmless text, shows what would be
//! hidden, and leads nowhere else.

use super::chart::Column;
use super::html::text;
use super::views::actor::Actor;
use super::views::alert::{Depth, Plan, Shown};
use super::views::alerts::{Found, Sought};
use super::views::coverage::Matrix;
use super::views::detections::{self, Detections};
use super::views::exceptions::{Hid, OfOrg, Silenced};
use super::views::ingestion::Ingestion;
use super::views::modules::{self, Modules};
use super::views::now;
use super::views::sinks::Sinks;
use super::views::{Frame, Place};
use crate::look::detections::Detection;
use crate::look::exceptions::Silencing;
use crate::look::now::{Now, Open};
use crate::look::sinks::Room;
use crate::modules::lineup::{Placed, Version};
use crate::telemetry::health::{Health, State};
use crate::telemetry::status::{
    Catalogue, ModuleStatus, PingStatus, SetAsideStatus, SinkStatus, Stage, Status, TokenState, TroubleStatus,
};
use gridwatch_event::org::OrgId;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_manifest::Severity;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::conduct::Why;
use gridwatch_rules::exception::{Exceptions, Known, parse};
use gridwatch_rules::plan::{Admins, ResponsePlan, Safeguards};
use html5gum::{Token, Tokenizer};
use maud::Markup;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use std::collections::BTreeMap;

const NOW: UnixMillis = UnixMillis(1_796_100_000_000);
/// Stands in each text that somebody else wrote, so that it is found again.
const MARK: char = '⁂';

/// What somebody may write who wants to get out of a text.
const PIECES: [&str; 24] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</title></head><h1>",
    "</textarea></select></pre></code>",
    "</bdi></bdi></td></tr></table>",
    "<svg/onload=alert(1)>",
    "<!--",
    "-->",
    "]]>",
    "${7*7}{{7*7}}<%= 7*7 %>",
    "\" hx-get=\"//evil.example\" x=\"",
    "&lt;b&gt;&#0;&#x202e;",
    "javascript:alert(1)",
    "https://evil.example/",
    "\u{202e}txt.exe",
    "\u{2066}\u{2069}\u{200f}\u{61c}",
    "\u{0}\u{7}\u{1b}[31m",
    "\u{200b}\u{feff}\u{ad}\u{2060}",
    "\r\n\tx\u{2028}\u{2029}",
    "\u{e0041}\u{3164}\u{fffb}",
    "ümläut 名前 😀",
    "`'\"\\",
    "../../etc/passwd?&=#%00",
];

fn hostile(seed: u64) -> String {
    let mut rng = StdRng::seed_from_u64(seed);
    let pieces = (0..rng.random_range(1..6)).map(|_| PIECES[rng.random_range(0..PIECES.len())]);
    format!("{MARK}{}", pieces.collect::<Vec<_>>().concat())
}

/// Every text of a value that can be any text, and each name in tables whose names are free.
fn filled<T: serde::de::DeserializeOwned>(value: &Value, with: &str) -> (T, usize) {
    const FREE: [&str; 6] = ["labels", "fields", "lookups", "day", "month", "marked"];
    let (mut value, mut paths) = (value.clone(), Vec::new());
    leaves(&value, String::new(), &mut paths);
    paths.retain(|path| {
        let mut tried = value.clone();
        *tried.pointer_mut(path).unwrap() = "any text".into();
        serde_json::from_value::<T>(tried).is_ok()
    });
    for path in &paths {
        *value.pointer_mut(path).unwrap() = with.into();
    }
    rename(&mut value, &FREE, with);
    (serde_json::from_value(value).unwrap(), paths.len())
}

fn leaves(value: &Value, at: String, out: &mut Vec<String>) {
    let escaped = |key: &String| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::String(_) => out.push(at),
        Value::Array(items) => items.iter().enumerate().for_each(|(n, item)| leaves(item, format!("{at}/{n}"), out)),
        Value::Object(items) => {
            items.iter().for_each(|(key, item)| leaves(item, format!("{at}/{}", escaped(key)), out))
        }
        _ => {}
    }
}

fn rename(value: &mut Value, free: &[&str], with: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, free, with)),
        Value::Object(items) => {
            for (name, item) in items.iter_mut() {
                rename(item, free, with);
                if let (true, Some(table)) = (free.contains(&name.as_str()), item.as_object_mut()) {
                    let values: Vec<Value> = std::mem::take(table).into_iter().map(|(_, value)| value).collect();
                    *table =
                        values.into_iter().enumerate().map(|(n, value)| (format!("{with}{n:03}"), value)).collect();
                }
            }
        }
        _ => {}
    }
}

fn alert(with: &str) -> Alert {
    let json = serde_json::from_str(include_str!("tests/alert.json")).unwrap();
    let (mut alert, count) = filled::<Alert>(&json, with);
    assert!(count > 90, "{count} texts of an alert were replaced");
    alert.over = Some(NOW);
    alert
}

fn status(with: &str) -> Status {
    let mut status = Status { version: with.into(), doing: with.into(), written: NOW, ..Status::default() };
    status.stages.insert(with.into(), Stage { doing: with.into(), ..Stage::default() });
    status.sinks.insert(with.into(), sink(with));
    status.modules_waiting = vec![with.into()];
    status.troubles = vec![TroubleStatus { rule: with.into(), title: with.into(), is_grave: true, since: NOW }];
    status.ping = Some(PingStatus { last: Some(NOW), error: Some(with.into()) });
    let org = status.org_mut(&OrgId::default());
    org.poll.paused = Some(with.into());
    org.poll.waiting = Some(with.into());
    org.poll.problems = vec![(with.into(), with.into())];
    org.poll.token = Some(TokenState { expires: None, refused: Some(with.into()) });
    org.poll.lateness = vec![(60, 5)];
    org.detect.marked.insert(with.into(), 1);
    org.detect.unseen = vec![(with.into(), with.into(), 1)];
    org.catalogue = Catalogue { error: Some(with.into()), ..Catalogue::default() };
    org.modules = vec![module(with)];
    status
}

fn sink(with: &str) -> SinkStatus {
    SinkStatus { error: Some(with.into()), behind: 3, refused: 1, ..SinkStatus::default() }
}

fn module(with: &str) -> ModuleStatus {
    let aside = SetAsideStatus { at: NOW, why: Why::Faults, faults: 1, last_fault: with.into() };
    ModuleStatus {
        name: with.into(),
        version: with.into(),
        digest: with.into(),
        set_aside: Some(aside),
        last_fault: Some(crate::telemetry::status::LastFault { at: NOW, event: with.into(), reason: with.into() }),
        ..ModuleStatus::default()
    }
}

/// A file of exceptions, as far as it takes any text.
fn exceptions(with: &str) -> Exceptions {
    let quoted: String = with
        .chars()
        .take(240)
        .flat_map(|letter| format!("\\U{:08X}", u32::from(letter)).into_bytes())
        .map(char::from)
        .collect();
    let text = format!(
        "[[exception]]\nid = \"backup\"\nwho = {{ actor = \"W012A3BCD\" }}\nrules = [\"files.downloads\"]\nreason = \"{quoted}\"\nowner = \"{quoted}\"\n\
         ticket = \"{quoted}\"\nadded = \"2026-11-01T00:00:00Z\"\nexpires = \"2026-12-20T00:00:00Z\"\n"
    );
    let manifest = include_str!("../../../../guest-rules/files/module.toml");
    let known = Known::of([&gridwatch_manifest::Manifest::parse(manifest).unwrap()], false);
    parse(&text, &known, NOW.seconds()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn shown(alert: Alert, depth: Depth, with: &str) -> Shown {
    let proposal = Ok(with.to_owned());
    Shown {
        others: vec![alert.clone()],
        alert,
        depth,
        now: NOW,
        proposal,
        may_see_raw: true,
        may_act: true,
        done: Some((true, with.to_owned())),
        config: "FILE".into(),
    }
}

/// Every view, with this text in all places.
fn views(with: &str) -> Vec<(&'static str, Markup)> {
    let (alert, status, org) = (alert(with), status(with), OrgId::default());
    let health = Health { state: State::Running, healthy: false, needs: vec![with.into()] };
    let counts = vec![(Severity::High, 1)];
    let open = Open { counts: counts.clone(), acknowledged: 1, older: 1, gravest: vec![alert.clone()] };
    let column = Column { label: with.into(), parts: vec![("high", 1)] };
    let sought = Sought {
        since: with.into(),
        severity: with.into(),
        rule: with.into(),
        actor: with.into(),
        kept: with.into(),
        stands: with.into(),
        org: with.into(),
        page: 1,
    };
    let found = Found {
        sought,
        now: NOW,
        alerts: vec![alert.clone()],
        total: 120,
        counts: counts.clone(),
        columns: vec![column.clone()],
        rules: vec![(with.into(), 3)],
        has_orgs: true,
        has_any: true,
        is_new: false,
    };
    let safeguards = Safeguards {
        break_glass: [with.to_owned()].into(),
        own_apps: [with.to_owned()].into(),
        admins: Admins::LikeOthers,
        asked: None,
    };
    let plan = Plan {
        plan: ResponsePlan::of(&alert, &safeguards),
        alert: alert.clone(),
        rows: Vec::new(),
        api: with.into(),
        notes: vec![with.into()],
    };
    let placed = Placed {
        serving: Version { version: with.into(), digest: with.into() },
        before: vec![Version { version: with.into(), digest: with.into() }],
        pinned: true,
        ..Placed::default()
    };
    let of_module = modules::Module {
        status: module(with),
        placed,
        signer: Some(with.into()),
        since: Some((1, NOW)),
        by_day: vec![0, 2],
        grave: 1,
        suppressed: 1,
        shadowed: 1,
        budget: Some(0.1),
    };
    let of_org = modules::OfOrg { org: org.clone(), may_act: true, modules: vec![of_module], files: vec![with.into()] };
    let detection = Detection {
        id: with.into(),
        module: with.into(),
        title: with.into(),
        actions: vec![with.into(); 4],
        condition: with.into(),
        threshold: with.into(),
        severity: "High",
        budget: 0.1,
        response: vec![with.into()],
        attack: vec![with.into()],
    };
    let rule = detections::Rule {
        detection,
        severity: Severity::High,
        is_shadow: true,
        silent: Some(with.into()),
        last: None,
        alerts: 1,
    };
    let rules = detections::Module {
        name: with.into(),
        title: with.into(),
        doubts: vec![with.into()],
        is_blind: true,
        rules: vec![rule],
    };
    let hid = BTreeMap::from([("backup".to_owned(), hid()), (with.to_owned(), hid())]);
    let silenced = |file, broken: Option<String>| Silenced {
        now: NOW,
        orgs: vec![OfOrg {
            org: org.clone(),
            file: Some((with.into(), file)),
            silencing: vec![Silencing { setting: with.into(), entries: 1, place: with.into() }],
            hid: hid.clone(),
            broken,
        }],
    };
    let covered = gridwatch_rules::coverage::Covered {
        technique: "T1110".into(),
        rules: [with.to_owned()].into(),
        observed: Some(1),
    };
    let coverage = gridwatch_rules::coverage::Coverage {
        covered: vec![covered],
        ..gridwatch_rules::coverage::coverage(&[], None)
    };
    let frame = Frame {
        place: Place::Now,
        org: with,
        orgs: &[org.clone(), OrgId::named("acme").unwrap()],
        who: with,
        warning: Some(with.into()),
    };
    let actor = |is_mentioned| Actor {
        who: with.into(),
        org: with.into(),
        alerts: vec![alert.clone()],
        total: 1,
        is_mentioned,
        weeks: vec![column.clone()],
    };
    let setups = BTreeMap::from([(with.to_owned(), (with.to_owned(), "ocsf"))]);
    vec![
        (
            "now",
            now::Shown { now: Now { at: NOW, status: Some(status.clone()), health, open }, org: with.into() }.markup(),
        ),
        ("alerts", found.whole()),
        ("alert", shown(alert.clone(), Depth::Summary, with).markup()),
        ("why", shown(alert.clone(), Depth::Why, with).markup()),
        ("json", shown(alert.clone(), Depth::Json, with).markup()),
        ("plan", plan.markup()),
        ("ingestion", Ingestion { now: NOW, orgs: vec![(org.clone(), status.org(&org), None)] }.markup()),
        (
            "modules",
            Modules {
                now: NOW,
                orgs: vec![of_org],
                waiting: vec![with.into()],
                unsigned_allowed: true,
                done: Some((true, with.into())),
            }
            .markup(),
        ),
        ("detections", Detections { now: NOW, orgs: vec![(org.clone(), vec![rules])] }.markup()),
        ("exceptions", silenced(Ok(exceptions(with)), Some(with.into())).markup()),
        ("broken exceptions", silenced(Err(with.to_owned()), None).markup()),
        ("coverage", Matrix { orgs: vec![(org.clone(), coverage)] }.markup()),
        ("actor", actor(false).whole()),
        ("address", actor(true).whole()),
        ("sinks", Sinks { now: NOW, status: status.clone(), setups, room: Room::default() }.markup()),
        ("frame", frame.markup(with, &maud::Render::render(&text(with)))),
    ]
}

fn hid() -> Hid {
    Hid { alerts: 1, newest: Some(UnixSeconds(1)), worst: Some(Severity::Low) }
}

/// A page as a browser's tokenizer reads it: elements that begin, with their attributes, elements that end, and texts, each with what it is in.
enum Part {
    Begin(String, Vec<(String, String)>),
    End(String),
    Text(String, Vec<String>),
    /// What no page of ours has: a comment, or what a tokenizer calls an error.
    Odd(String),
}

/// Elements that have no end.
const VOID: [&str; 4] = ["input", "link", "meta", "br"];

fn parts(page: &str) -> Vec<Part> {
    let (mut parts, mut within) = (Vec::new(), Vec::<String>::new());
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    for Ok(token) in Tokenizer::new(page) {
        parts.push(match token {
            Token::StartTag(tag) => {
                let name = lossy(&tag.name);
                if !VOID.contains(&name.as_str()) {
                    within.push(name.clone());
                }
                let attributes = tag.attributes.iter().map(|(name, value)| (lossy(name), lossy(&value.value)));
                Part::Begin(name, attributes.collect())
            }
            Token::EndTag(tag) => {
                let name = lossy(&tag.name);
                match within.pop() {
                    Some(open) if open == name => Part::End(name),
                    open => Part::Odd(format!("</{name}> within {open:?}")),
                }
            }
            Token::String(said) => Part::Text(lossy(&said.value), within.clone()),
            Token::Doctype(_) => continue,
            Token::Comment(said) => Part::Odd(format!("<!--{}-->", lossy(&said.value))),
            Token::Error(error) => Part::Odd(format!("{:?}", error.value)),
        });
    }
    if !within.is_empty() {
        parts.push(Part::Odd(format!("{within:?} have no end")));
    }
    parts
}

/// The elements of a page and the names of their attributes, without any text.
fn tree(page: &str) -> String {
    let mut out = String::new();
    for part in parts(page) {
        match part {
            Part::Begin(name, mut attributes) => {
                attributes.sort();
                let names: Vec<String> = attributes.into_iter().map(|(name, _)| name).collect();
                out.push_str(&format!("<{name} {}>", names.join(" ")));
            }
            Part::End(name) => out.push_str(&format!("</{name}>")),
            Part::Text(..) | Part::Odd(_) => {}
        }
    }
    out
}

/// Would nobody see it, or would it change how others are seen?
fn is_hidden(letter: char) -> bool {
    let ranges = ['\u{200b}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2060}'..='\u{2069}', '\u{feff}'..='\u{feff}'];
    letter.is_control() && !"\n\t".contains(letter) || ranges.iter().any(|range| range.contains(&letter))
}

/// What a page must not have, whatever was put into it.
fn faults(page: &str) -> Vec<String> {
    const LEAD: [&str; 5] = ["href", "src", "action", "hx-get", "hx-post"];
    let mut faults = Vec::new();
    for part in parts(page) {
        match part {
            Part::Odd(what) => faults.push(what),
            Part::Text(said, _) if said.chars().any(is_hidden) => faults.push(format!("something hidden in {said:?}")),
            Part::Text(said, within) => {
                let is_in = |name: &&str| within.iter().any(|open| open == name);
                if said.contains(MARK) && !["bdi", "title", "option"].iter().any(is_in) {
                    faults.push(format!("not within <bdi>: {said:?}"));
                }
            }
            Part::Begin(_, attributes) => {
                for (name, value) in attributes {
                    let is_own = value.starts_with('/') && !value.starts_with("//") || value.starts_with('#');
                    let leads = LEAD.contains(&name.as_str()) && !is_own;
                    if leads || name.starts_with("on") || name == "style" || value.chars().any(is_hidden) {
                        faults.push(format!("{name}={value:?}"));
                    }
                }
            }
            Part::End(_) => {}
        }
    }
    faults
}

fn check(with: &str, harmless: &[(&'static str, String)]) {
    for ((name, page), (_, tame)) in views(with).into_iter().zip(harmless) {
        let page = page.into_string();
        assert_eq!(faults(&page), Vec::<String>::new(), "{name} with {with:?}");
        assert_eq!(tree(&page), *tame, "{name} with {with:?}");
    }
}

fn harmless() -> Vec<(&'static str, String)> {
    views(&format!("{MARK}harmless")).into_iter().map(|(name, page)| (name, tree(&page.into_string()))).collect()
}

#[test]
fn hostile_text_changes_no_page_in_anything_but_its_text() {
    let harmless = harmless();
    for seed in 0..12 {
        check(&hostile(seed), &harmless);
    }
    PIECES.iter().for_each(|piece| check(&format!("{MARK}{piece}"), &harmless));
}

#[test]
fn ten_megabytes_of_it_do_not_either() {
    let (tame, harmless) = (format!("{MARK}harmless"), harmless());
    for ((name, page), (_, tame)) in views(&format!("{MARK}{}", "<b>x".repeat(25_000))).into_iter().zip(&harmless) {
        let page = page.into_string();
        assert!(page.len() < 2_000_000, "{name} has {} bytes", page.len());
        assert_eq!(tree(&page), *tame, "{name}");
    }
    let mut alert = alert(&tame);
    (alert.title, alert.actor.name) = (format!("{MARK}{}", "<b>x".repeat(2_500_000)), "\u{202e}".repeat(3_000_000));
    let page = shown(alert, Depth::Summary, &tame).markup().into_string();
    assert!(page.len() < 200_000 && faults(&page).is_empty(), "{}", page.len());
}

#[test]
fn views_say_what_it_means_that_there_is_nothing() {
    let health = Health {
        state: State::NeverRan,
        healthy: false,
        needs: vec!["gridwatch has not run on this state folder".into()],
    };
    let now = Now { at: NOW, status: None, health, open: Open::default() };
    let now = now::Shown { now, org: String::new() }.markup().into_string();
    assert!(now.contains("has not run") && now.contains("Nothing is open of the last 7 days"), "{now}");
    let ingestion = Ingestion { now: NOW, orgs: Vec::new() }.markup().into_string();
    assert!(ingestion.contains("No organization is known yet"), "{ingestion}");
    let sinks = Sinks { now: NOW, status: Status::default(), setups: BTreeMap::new(), room: Room::default() };
    assert!(sinks.markup().into_string().contains("No sink has been opened yet"));
}

/// By hand: `cargo test -p gridwatch --bin gridwatch -- --ignored --nocapture hundred_thousand`.
#[test]
#[ignore = "figures, and it takes half a minute"]
#[expect(clippy::disallowed_methods, reason = "it measures")]
fn a_hundred_thousand_alerts_are_listed_and_filtered_within_a_tenth_of_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let template = alert("somebody");
    let mut writer = crate::history::Writer::recover(dir.path()).unwrap();
    let now = crate::clock::Clock::system().now();
    let of = |number: u64| {
        let mut alert = template.clone();
        (alert.uid, alert.rule) = (format!("gw-{number:032x}"), format!("module.rule-{}", number % 40));
        (alert.severity, alert.suppressed_by) = (Severity::ALL[number as usize % 5], None);
        (alert.last, alert.actor.id) = (now.seconds().minus((100_000 - number) * 70), format!("W{}", number % 500));
        (alert.org, alert.revision) = (OrgId::default(), 1);
        alert
    };
    for block in 0..100 {
        let alerts: Vec<Alert> = (0..1_000).map(|n| of(block * 1_000 + n)).collect();
        writer.write(alerts.iter().map(|alert| (0, alert))).unwrap();
        writer.keep();
    }
    let web = crate::config::web::Web::usual(crate::config::web::USUAL);
    let setup = super::Setup { web, homes: crate::config::Homes::of_state_dir(dir.path()), configs: None };
    let site = super::site::Site::new(setup, crate::config::web::USUAL, crate::clock::Clock::system()).unwrap();
    let visitor = super::guard::Visitor {
        name: "ann".into(),
        see: crate::config::web::Orgs::All,
        act: crate::config::web::Orgs::None,
    };
    for (what, query) in [
        ("the first look", "since=all"),
        ("all", "since=all"),
        ("a day", "since=1d"),
        ("High of 30 days", "since=30d&severity=high"),
        ("a rule", "since=all&rule=module.rule-7"),
        ("an actor", "since=all&actor=W77"),
        ("an old page", "since=all&page=1900"),
    ] {
        let mut took = Vec::new();
        for _ in 0..5 {
            let began = std::time::Instant::now();
            let reply = super::views::reply(
                super::views::alerts::page,
                &super::site::Asking::new(&site, &visitor, None, Some(query)),
            );
            took.push(began.elapsed());
            assert_eq!(reply.status, axum::http::StatusCode::OK, "{}", reply.body);
            if what == "the first look" {
                break;
            }
        }
        took.sort();
        println!("{what}: {:?}", took[took.len() / 2]);
        assert!(what == "the first look" || took[took.len() / 2].as_millis() < 100, "{what}: {took:?}");
    }
}
