//! A proposal: the narrowest exception that would have quieted an alert, as an entry of the file.
//!
//! It names everything that the alert's own events have in common: who, through which app, from which addresses, with which
//! organization, at which hours, how much, and for which reasons. Whoever it is for fills in owner, ticket and reason; until
//! then the file refuses it.

use super::bounds::{Hours, volume};
use crate::alert::{AND_MORE, Alert, LABEL_SEPARATOR};
use crate::builtin;
use gridwatch_event::network::prefix_of;
use gridwatch_event::text::clean;
use gridwatch_event::time::UnixSeconds;
use serde::Serialize;
use std::collections::BTreeSet;
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
    if alert.module.name == builtin::NAME {
        return Err("it is gridwatch's own alert: write exceptions for what it sums up, if it sums up anything");
    }
    let who = who(alert);
    if who.is_empty() {
        return Err("its entries name nobody and no address: an exception needs a subject");
    }
    let reasons = alert.labels.get(REASONS).filter(|text| !text.ends_with(AND_MORE));
    Ok(Proposal {
        id: id(alert),
        who,
        rule: alert.rule.clone(),
        hours: Hours::around(alert.evidence.iter().map(|stub| stub.time)).map(|hours| hours.to_string()),
        at_most: volume(alert).max(alert.counts.objects),
        reasons: reasons.map(|reasons| plain(reasons.split(LABEL_SEPARATOR))),
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

fn who(alert: &Alert) -> Vec<(&'static str, Vec<String>)> {
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
    let addresses = addresses(alert);
    if !addresses.is_empty() {
        who.push(("ip", plain(addresses.iter().map(String::as_str))));
    }
    who
}

/// Each address, or the networks of many; none where some event has none, for then it would quiet nothing of that.
fn addresses(alert: &Alert) -> BTreeSet<String> {
    let each: BTreeSet<&str> = alert.evidence.iter().map(|stub| stub.ip_address.as_str()).collect();
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
