//! A proposal: the narrowest exception that would have quieted an alert, or several that are alike, as an entry of the file.
//!
//! It names everything that the alerts' own events have in common: who, through which app, from which addresses, with which
//! organization, at which hours, how much, and for which reasons. Whoever it is for fills in owner, ticket and reason; until
//! then the file refuses it.

use super::bounds::{Hours, volume};
use crate::alert::{AND_MORE, Alert, LABEL_SEPARATOR};
use crate::builtin;
use crate::handling::Reason;
use gridwatch_event::network::prefix_of;
use gridwatch_event::text::clean;
use gridwatch_event::time::UnixSeconds;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Days that it is for: whoever still wants it then looks at it again.
const DAYS: u64 = 90;
const DAY_S: u64 = 86_400;
/// So many addresses are named each; more are named by their networks, and then at most so many.
const MAX_ADDRESSES: usize = 5;
const MAX_NETWORKS: usize = 10;
/// Characters of why, who and where.
const MAX_TEXT: usize = 500;
/// The label of which a value is a reason.
const REASONS: &str = "reasons";
/// What came on fewer days than this may not come again.
const FEWEST_TIMES: u64 = 3;

/// The entry. Written out it is what stands in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proposal {
    pub id: String,
    /// All of the subject that the alert knows, by what it is: each more makes it narrower.
    pub who: Vec<(&'static str, Vec<String>)>,
    pub rule: String,
    pub hours: Option<String>,
    pub at_most: u64,
    /// What the label of that name may say.
    pub reasons: Option<Vec<String>>,
    /// Why it is expected, who answers for it, and where it was decided: empty until somebody says so, and until then the file refuses it.
    pub reason: String,
    pub owner: String,
    pub ticket: String,
    /// Days.
    pub added: String,
    pub expires: String,
}

/// The entry, or why there is none. `now` decides on its end.
///
/// # Errors
/// No exception can be for such an alert; says why.
pub fn propose(alert: &Alert, now: UnixSeconds) -> Result<Proposal, &'static str> {
    of_all(&[alert], alert, now)
}

/// What comes again and again, and the one entry that would have quieted all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recurring {
    pub alerts: u64,
    /// Periods of the rule in which something of it was found.
    pub times: u64,
    /// Of the alerts, those that people closed as expected.
    pub expected: u64,
    pub entry: Proposal,
}

/// Alerts of one rule about the same doers, that came at least [`FEWEST_TIMES`] times; the most frequent first. What somebody closed as true
/// is no habit, and neither is anything else of its kind: of that there is none.
pub fn recurring<'a>(alerts: impl Iterator<Item = &'a Alert>, now: UnixSeconds) -> Vec<Recurring> {
    let mut alike: BTreeMap<(&str, Who), Vec<&Alert>> = BTreeMap::new();
    for alert in alerts.filter(|alert| alert.suppressed_by.is_none()) {
        alike.entry((&alert.rule, doers(alert))).or_default().push(alert);
    }
    let mut all: Vec<Recurring> = alike.into_values().filter_map(|alerts| Recurring::of(&alerts, now)).collect();
    all.sort_by(|a, b| (b.times, &a.entry.id).cmp(&(a.times, &b.entry.id)));
    all
}

impl Recurring {
    fn of(alerts: &[&Alert], now: UnixSeconds) -> Option<Self> {
        let closed = |reason| alerts.iter().filter(|a| a.handling.status.reason() == Some(reason)).count() as u64;
        let times = alerts.iter().map(|alert| alert.days.max(1)).sum();
        let first = alerts.iter().min_by_key(|alert| (alert.first, &alert.uid))?;
        if times < FEWEST_TIMES || closed(Reason::True) > 0 {
            return None;
        }
        let entry = of_all(alerts, first, now).ok()?;
        // An address alone is a place and no doer: whoever comes next comes from there too.
        let has_doer = entry.who.iter().any(|(kind, _)| matches!(*kind, "actor" | "app"));
        let expected = closed(Reason::Expected);
        has_doer.then_some(Self { alerts: alerts.len() as u64, times, expected, entry })
    }
}

/// One entry for all of these, which are of one rule; named after one of them.
fn of_all(alerts: &[&Alert], named: &Alert, now: UnixSeconds) -> Result<Proposal, &'static str> {
    if named.module.name == builtin::NAME {
        return Err("it is gridwatch's own alert: write exceptions for what it sums up, if it sums up anything");
    }
    let who = who(alerts);
    if who.is_empty() {
        return Err("its entries name nobody and no address: an exception needs a subject");
    }
    let times = alerts.iter().flat_map(|alert| alert.evidence.iter().map(|stub| stub.time));
    Ok(Proposal {
        id: id(named),
        who,
        rule: named.rule.clone(),
        hours: Hours::around(times).map(|hours| hours.to_string()),
        at_most: alerts.iter().map(|alert| volume(alert).max(alert.counts.objects)).max().unwrap_or(1),
        reasons: reasons(alerts),
        reason: String::new(),
        owner: String::new(),
        ticket: String::new(),
        added: day(now),
        expires: day(now.plus(DAYS * DAY_S)),
    })
}

/// As TOML.
impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who: Vec<String> = self.who.iter().map(|(kind, values)| format!("{kind} = {}", list(values))).collect();
        writeln!(f, "[[exception]]\nid = \"{}\"\nwho = {{ {} }}", self.id, who.join(", "))?;
        writeln!(f, "rules = [\"{}\"]", self.rule)?;
        if let Some(hours) = &self.hours {
            writeln!(f, "hours = \"{hours}\"")?;
        }
        writeln!(f, "at_most = {}", self.at_most)?;
        if let Some(reasons) = &self.reasons {
            writeln!(f, "labels = {{ {REASONS} = {} }}", list(reasons))?;
        }
        let asked = [
            ("reason", &self.reason, "  # why it is expected"),
            ("owner", &self.owner, "   # who answers for it"),
            ("ticket", &self.ticket, "  # where it was decided"),
        ];
        for (key, text, hint) in asked {
            writeln!(f, "{key} = {}{}", text_of(text), if text.is_empty() { hint } else { "" })?;
        }
        write!(f, "added = {}\nexpires = {}", self.added, self.expires)
    }
}

/// By what it is, the ids.
type Who = Vec<(&'static str, Vec<String>)>;

/// What all of them have: an entry that named an app would quiet nothing that was done without one.
fn who(alerts: &[&Alert]) -> Who {
    let mut who = Vec::new();
    let each: Vec<Who> = alerts.iter().map(|alert| subjects(alert)).collect();
    for kind in ["actor", "app", "organization"] {
        let of_kind = |who: &Who| who.iter().find(|(of, _)| *of == kind).map(|(_, ids)| ids.clone());
        let ids: Option<Vec<Vec<String>>> = each.iter().map(of_kind).collect();
        let ids: BTreeSet<String> = ids.into_iter().flatten().flatten().collect();
        if !ids.is_empty() {
            who.push((kind, ids.into_iter().collect()));
        }
    }
    let addresses = addresses(alerts);
    if !addresses.is_empty() {
        who.push(("ip", plain(addresses.iter().map(String::as_str))));
    }
    who
}

/// Who did it, and through what: by which alerts are alike.
fn doers(alert: &Alert) -> Who {
    let mut who = subjects(alert);
    who.retain(|(kind, _)| *kind != "organization");
    who
}

fn subjects(alert: &Alert) -> Who {
    let subjects = &alert.subjects;
    let mut who = Vec::new();
    let people: BTreeSet<&str> =
        subjects.actors.ids.iter().chain(&subjects.behind_apps.ids).map(String::as_str).collect();
    let is_whole = subjects.actors.more + subjects.behind_apps.more == 0;
    if is_whole && !people.is_empty() {
        who.push(("actor", plain(people.into_iter())));
    }
    // What an entry is about goes before what made the call.
    let apps = if subjects.apps.ids.is_empty() { &subjects.calling_apps } else { &subjects.apps };
    if apps.more == 0 && !apps.ids.is_empty() {
        who.push(("app", plain(apps.ids.iter().map(String::as_str))));
    }
    if subjects.orgs.more == 0 && !subjects.orgs.ids.is_empty() {
        who.push(("organization", plain(subjects.orgs.ids.iter().map(String::as_str))));
    }
    who
}

/// The reasons that any of them gives, if all of them give some, and all that they have.
fn reasons(alerts: &[&Alert]) -> Option<Vec<String>> {
    let each: Option<Vec<&String>> =
        alerts.iter().map(|alert| alert.labels.get(REASONS).filter(|text| !text.ends_with(AND_MORE))).collect();
    let each: BTreeSet<&str> = each?.into_iter().flat_map(|text| text.split(LABEL_SEPARATOR)).collect();
    Some(plain(each.into_iter()))
}

/// Each address, or the networks of many; none where some event has none, for then it would quiet nothing of that.
fn addresses(alerts: &[&Alert]) -> BTreeSet<String> {
    let stubs = alerts.iter().flat_map(|alert| &alert.evidence);
    let each: BTreeSet<&str> = stubs.map(|stub| stub.ip_address.as_str()).collect();
    if each.contains("") || each.iter().any(|address| prefix_of(address).is_empty()) {
        return BTreeSet::new();
    }
    if each.len() <= MAX_ADDRESSES {
        return each.into_iter().map(str::to_owned).collect();
    }
    let networks: BTreeSet<String> = each.into_iter().map(prefix_of).collect();
    if networks.len() <= MAX_NETWORKS { networks } else { BTreeSet::new() }
}

fn id(alert: &Alert) -> String {
    let rule = alert.rule.replace('.', "-");
    let of = alert.uid.strip_prefix("gw-").unwrap_or(&alert.uid);
    format!("{rule}-{}", of.get(..8).unwrap_or(of))
}

/// Ids and addresses need no escapes; what is anything else is left out.
fn plain<'t>(texts: impl Iterator<Item = &'t str>) -> Vec<String> {
    let is_plain = |text: &&str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:/-".contains(&b));
    texts.filter(is_plain).map(str::to_owned).collect()
}

fn list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| format!("\"{text}\"")).collect();
    format!("[{}]", texts.join(", "))
}

/// What a person wrote, as a text of TOML: escaped as JSON is, without what neither lets stand.
fn text_of(text: &str) -> String {
    serde_json::Value::from(clean(text, MAX_TEXT)).to_string()
}

fn day(time: UnixSeconds) -> String {
    time.to_string().chars().take("2026-12-31".len()).collect()
}
