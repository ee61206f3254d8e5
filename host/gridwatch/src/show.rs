//! Alerts and status as a person wants to read them. Colour only on a terminal.

use crate::status::{Catalogue, Exceptions, ModuleStatus, RosterStatus, Status};
use anstream::println;
use anstyle::{AnsiColor, Style};
use gridwatch_core::alert::Alert;
use gridwatch_core::manifest::{Severity, Step};
use gridwatch_core::time::UnixMillis;
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
    let who = match alerts::who(alert) {
        "" => "nobody named",
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
    if let Some(set_aside) = &module.set_aside {
        println!(
            "         SET ASIDE since {}: {}; its rules watch nothing, {} events unjudged; a restart gives it another chance",
            set_aside.at,
            set_aside.why.text(),
            module.unjudged
        );
    }
    if let Some(last) = &module.last_fault {
        println!("         {} faults, the last at {} on event {}: {}", module.faults, last.at, last.event, last.reason);
    }
    if module.lines_dropped > 0 {
        println!("         {} log lines over its limit dropped", module.lines_dropped);
    }
}

/// Unknown names that the text shows.
const UNSEEN_SHOWN: usize = 10;
/// Written longer ago than this, a status tells of the past.
const STALE_MS: u64 = 10_000;

pub fn status(status: &Status, now: UnixMillis) {
    let age_s = now.since(status.written) / 1000;
    let state = if now.since(status.written) > STALE_MS { "not running, or stuck" } else { "running" };
    println!("{BOLD}{state}{BOLD:#}  pid {}  written {age_s} s ago ({})", status.pid, status.written);
    let poll = &status.poll;
    let watermark = poll.watermark.map_or("nothing drained yet".into(), |w| w.to_string());
    println!(
        "poll     drained to {watermark}; {} pages, {} stored, {} seen before, {} changed",
        poll.pages, poll.stored, poll.duplicates, poll.changed
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
    if let Some(behind_s) = poll.watermark_behind_s {
        let ahead = poll.clock_ahead_s.map_or("not known".into(), |s| format!("{s} s ahead of Slack's"));
        println!("         that is {behind_s} s ago; this host's clock is {ahead}");
    }
    if poll.sampled > 0 {
        println!(
            "         {} old ranges looked at again, {} late entries found there",
            poll.sampled, poll.sampled_late
        );
    }
    if let Some(why) = &poll.paused {
        println!("         waiting: {why}");
    }
    for (label, advice) in &poll.problems {
        println!("         {label}: {advice}");
    }
    let detect = &status.detect;
    let suppressed = if detect.suppressed > 0 { format!(", {} suppressed", detect.suppressed) } else { String::new() };
    println!("detect   {} events, {} alerts{suppressed}, {} faults", detect.events, detect.alerts, detect.faults);
    exceptions(&status.exceptions);
    for (mark, count) in &detect.marked {
        println!("         {count} marked {mark}");
    }
    for (kind, name, count) in status.detect.unseen.iter().take(UNSEEN_SHOWN) {
        println!("         {count} with {kind} `{name}`, which is not in the built-in catalogue");
    }
    if let Some(more) = status.detect.unseen.len().checked_sub(UNSEEN_SHOWN).filter(|more| *more > 0) {
        println!("         and {more} more names, all in `status --json`");
    }
    catalogue(&status.catalogue);
    roster(&status.roster);
    status.modules.iter().for_each(module);
    if !status.modules_waiting.is_empty() {
        println!("         the modules folder differs from what runs; restart to take it:");
        status.modules_waiting.iter().for_each(|line| println!("         {line}"));
    }
    for (name, sink) in &status.sinks {
        let error = sink.error.as_ref().map(|e| format!("; failing: {e}")).unwrap_or_default();
        println!("sink     {name}: {} delivered, {} behind{error}", sink.delivered, sink.behind);
        if sink.removed_unread > 0 {
            println!(
                "         {} files removed before `keep_for`; an agent may not have read them",
                sink.removed_unread
            );
        }
    }
}
