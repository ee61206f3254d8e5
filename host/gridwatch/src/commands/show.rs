//! Alerts and status as a person wants to read them. Colour only on a terminal.

use crate::look::alerts::who;
use crate::look::now::{self, ago};
use crate::telemetry::health::{Health, State, span};
use crate::telemetry::status::{
    self as board, Catalogue, Exceptions, ModuleStatus, OrgStatus, Poll, Reload, RosterStatus, Status, UNSIGNED,
};
use anstream::println;
use anstyle::{AnsiColor, Style};
use gridwatch_event::time::UnixMillis;
use gridwatch_manifest::{Severity, Step};
use gridwatch_rules::alert::Alert;
use std::collections::BTreeMap;

mod alerts;

pub use alerts::{alert_line, explanation, whole_alert};

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// An alert: why, who, evidence, what to do.
pub fn alert(alert: &Alert) {
    let (colour, actor) = (colour(alert.severity), &alert.actor);
    let severity = alert.severity.name().to_uppercase();
    println!(
        "{colour}{severity:<8}{colour:#} {BOLD}{}{BOLD:#}  {DIM}{} {}{DIM:#}",
        alert.title, alert.rule, alert.first
    );
    let who = match who(alert) {
        "" => "nobody is named",
        who => who,
    };
    let role = actor.role_at_event.name();
    println!("  {DIM}why{DIM:#}  {}", clip(&alert.condition));
    println!("  {DIM}who{DIM:#}  {who} ({role})  {DIM}evidence{DIM:#} {}", evidence(alert));
    println!("  {DIM}do{DIM:#}   {}", clip(&playbook(alert)));
}

/// One line of a terminal; the record has the whole text.
fn clip(text: &str) -> String {
    const MAX: usize = 110;
    match text.char_indices().nth(MAX) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

/// `7 user_login_failed, 1 user_login from 203.0.113.9`
fn evidence(alert: &Alert) -> String {
    let (mut actions, mut addresses) = (BTreeMap::<&str, u64>::new(), Vec::<&str>::new());
    for stub in &alert.evidence {
        *actions.entry(&stub.action).or_default() += 1;
        if !stub.ip_address.is_empty() && !addresses.contains(&stub.ip_address.as_str()) {
            addresses.push(&stub.ip_address);
        }
    }
    let actions: Vec<String> = actions.iter().map(|(action, n)| format!("{n} {action}")).collect();
    let from = match addresses.as_slice() {
        [] => String::new(),
        [one] => format!(" from {one}"),
        [one, rest @ ..] => format!(" from {one} and {} more", rest.len()),
    };
    format!("{}{from}", actions.join(", "))
}

fn playbook(alert: &Alert) -> String {
    let first = |steps: &[Step]| steps.first().map(step);
    let phases = [("verify", first(&alert.playbook.verify)), ("contain", first(&alert.playbook.contain))];
    let phases = phases.into_iter().filter_map(|(phase, step)| Some(format!("{phase}: {}", step?)));
    phases.collect::<Vec<_>>().join("; ")
}

fn step(step: &Step) -> String {
    match &step.method {
        Some(method) => format!("{} ({method})", step.text),
        None => step.text.clone(),
    }
}

fn colour(severity: Severity) -> Style {
    let colour = match severity {
        Severity::Critical => AnsiColor::BrightMagenta,
        Severity::High => AnsiColor::Red,
        Severity::Medium => AnsiColor::Yellow,
        Severity::Low => AnsiColor::Cyan,
        Severity::Informational => AnsiColor::BrightBlack,
    };
    Style::new().fg_color(Some(colour.into())).bold()
}

fn exceptions(exceptions: &Exceptions) {
    let Some(file) = &exceptions.file else { return };
    println!("except   {} hold, {} expired ({})", exceptions.holding, exceptions.expired, file.display());
    for line in exceptions.broken.iter().flat_map(|broken| broken.lines()) {
        println!("         {line}");
    }
    if exceptions.broken.is_some() {
        println!("         those read before stay in force");
    }
}

fn roster(roster: &RosterStatus) {
    if let Some(checked) = roster.checked {
        println!("people   {} listed at {checked}, for who has a second factor", roster.people);
    }
    if let Some(error) = &roster.error {
        println!("people   the last look failed: {error}");
    }
}

/// What Slack's own lists say.
fn catalogue(catalogue: &Catalogue) {
    if let Some(checked) = &catalogue.checked {
        println!("actions  {} ({})", checked.drift.summary(), checked.at);
    }
    if let Some(error) = &catalogue.error {
        println!("actions  Slack's lists could not be read: {error}");
    }
}

fn module(module: &ModuleStatus) {
    let digest = &module.digest[..12.min(module.digest.len())];
    println!("module   {}@{} {digest} ({} rules)", module.name, module.version, module.rules);
    if let Some(what) = now::conspicuous(module) {
        println!("         {what}");
    }
    if let Some(last) = &module.last_fault {
        println!("         {} faults, the last at {} on event {}: {}", module.faults, last.at, last.event, last.reason);
    }
    if module.lines_dropped > 0 {
        println!("         {} log lines over its limit dropped", module.lines_dropped);
    }
}

/// A clock that differs by less needs no word.
const CLOCK_SHOWN_S: u64 = 5;
/// Unknown names that the text shows.
const UNSEEN_SHOWN: usize = 10;
/// What a state folder says; nothing but the verdict where no gridwatch ever ran.
pub fn status(status: Option<&Status>, health: &Health, at: UnixMillis) {
    let mark = match (health.healthy, health.state) {
        (true, _) => Style::new().fg_color(Some(AnsiColor::Green.into())).bold(),
        (false, _) => colour(Severity::High),
    };
    let state = health.state.name();
    let Some(status) = status else {
        println!("{mark}{state}{mark:#}");
        return needs(health);
    };
    let is_there = matches!(health.state, State::Starting | State::Running | State::Draining | State::Stuck);
    let up = if is_there { format!("  up {}", ago(at, status.started)) } else { String::new() };
    println!(
        "{mark}{state}{mark:#}  pid {}{up}  version {}  written {} ago ({})",
        status.pid,
        status.version,
        ago(at, status.written),
        status.written
    );
    if is_there && !status.doing.is_empty() {
        println!("         {}", status.doing);
    }
    needs(health);
    remembered(&status.state);
    for (org, of_org) in &status.orgs {
        if let Some(name) = org.name() {
            println!("{BOLD}org      {name}{BOLD:#}");
        }
        organization(of_org, at);
    }
    let backlog = &status.backlog;
    if backlog.entries + backlog.records > 0 {
        println!(
            "backlog  {} entries wait to be judged, {} records to be delivered ({})",
            backlog.entries,
            backlog.records,
            size(backlog.bytes)
        );
    }
    reload(&status.reload);
    if status.unsigned_allowed {
        println!("modules  {UNSIGNED}");
    }
    if !status.modules_waiting.is_empty() {
        println!("         the modules folder differs from what serves:");
        status.modules_waiting.iter().for_each(|line| println!("         {line}"));
    }
    for (name, sink) in &status.sinks {
        println!("sink     {name}: {}", now::delivered(sink, at));
        if sink.removed_unread > 0 {
            println!(
                "         {} files removed before `keep_for`; an agent may not have read them",
                sink.removed_unread
            );
        }
        if sink.refused > 0 {
            println!(
                "         {} records refused for good; they are in `dead-letters/{name}.ndjson` of the state folder",
                sink.refused
            );
        }
    }
}

/// What was read and found of one organization, and with which modules.
fn organization(org: &OrgStatus, at: UnixMillis) {
    reading(&org.poll, at);
    let detect = &org.detect;
    let suppressed = if detect.suppressed > 0 { format!(", {} suppressed", detect.suppressed) } else { String::new() };
    println!(
        "detect   {} events, {} alerts and revisions{suppressed}, {} faults",
        detect.events, detect.alerts, detect.faults
    );
    exceptions(&org.exceptions);
    for (mark, count) in &detect.marked {
        println!("         {count} marked {mark}");
    }
    for (kind, name, count) in detect.unseen.iter().take(UNSEEN_SHOWN) {
        println!("         {count} with {kind} `{name}`, which is not in the built-in catalogue");
    }
    if let Some(more) = detect.unseen.len().checked_sub(UNSEEN_SHOWN).filter(|more| *more > 0) {
        println!("         and {more} more names, all in `status --json`");
    }
    catalogue(&org.catalogue);
    roster(&org.roster);
    org.modules.iter().for_each(module);
}

/// Why somebody has to look, before everything else.
fn needs(health: &Health) {
    for need in &health.needs {
        println!("{BOLD}needs{BOLD:#}    {need}");
    }
}

/// What became of what was remembered.
fn remembered(state: &board::State) {
    if let Some(why) = &state.begun_anew {
        println!("state    {why}");
    }
    if state.relearned > 0 {
        println!("         {} entries that were delivered before were read again for the rules", state.relearned);
    }
    for (part, rows) in &state.forgotten {
        println!("state    {rows} rows of {part} could not be read and were forgotten; see the log and the alert");
    }
}

fn reading(poll: &Poll, at: UnixMillis) {
    println!("poll     {}; {}", now::read_up_to(poll, at), now::last_page(poll, at));
    println!(
        "         {} pages, {} entries new, {} seen before, {} changed; {:.0} requests a minute allowed",
        poll.pages, poll.stored, poll.duplicates, poll.changed, poll.requests_per_minute
    );
    for (count, what) in [
        (poll.respelled, "seen before in other bytes that say the same"),
        (poll.adopted, "that an older gridwatch delivered look different now; taken for the same"),
        (poll.dropped_versions, "are versions beyond what is kept of an id, and were not delivered"),
    ] {
        if count > 0 {
            println!("         {count} {what}");
        }
    }
    if let Some(ahead_s) = poll.clock_ahead_s.filter(|ahead_s| ahead_s.unsigned_abs() > CLOCK_SHOWN_S) {
        let which = if ahead_s > 0 { "ahead of" } else { "behind" };
        println!("         this host's clock is {} {which} Slack's", span(ahead_s.unsigned_abs()));
    }
    if poll.sampled > 0 {
        println!(
            "         {} old ranges looked at again, {} late entries found there",
            poll.sampled, poll.sampled_late
        );
    }
    now::waits(poll).iter().for_each(|line| println!("         {line}"));
}

fn reload(reload: &Reload) {
    let Some(at) = reload.at else { return };
    let list = |what: &[String]| if what.is_empty() { "nothing".to_owned() } else { what.join(", ") };
    match &reload.broken {
        None => {
            println!("reload   {at}: {} changed; {} waits for a restart", list(&reload.taken), list(&reload.waiting))
        }
        Some(broken) => {
            println!("reload   {at}: the configuration has errors, and what was read before stays in force");
            broken.lines().for_each(|line| println!("         {line}"));
        }
    }
}

/// `3.1 MiB`
fn size(bytes: u64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.iter().find(|(_, factor)| bytes >= *factor) {
        Some((unit, factor)) => format!("{:.1} {unit}", bytes as f64 / *factor as f64),
        None => format!("{bytes} bytes"),
    }
}
