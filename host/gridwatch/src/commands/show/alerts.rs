//! Alerts in full: a line each, one with all it has to say, and why it was made.

use super::{BOLD, DIM, colour};
use anstyle::Style;
use gridwatch_manifest::span_text;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::basis::Counted;
use std::io::{self, Write};

/// One alert on one line: when, how bad, which, who, what.
///
/// # Errors
/// `out` refuses.
pub fn alert_line(alert: &Alert, out: &mut dyn Write) -> io::Result<()> {
    let (colour, dim) = (colour(alert.severity), if alert.suppressed_by.is_some() { DIM } else { Style::new() });
    let severity = alert.severity.name().to_uppercase();
    let times = if alert.findings > 1 { format!(" ×{}", alert.findings) } else { String::new() };
    let suppressed = alert.suppressed_by.as_ref().map(|by| format!("  suppressed by {by}")).unwrap_or_default();
    writeln!(
        out,
        "{DIM}{}{DIM:#}  {colour}{severity:<13}{colour:#} {}  {DIM}{:<34}{DIM:#} {dim}{}{times}  {DIM}{}{suppressed}{DIM:#}{dim:#}",
        alert.last,
        short_id(alert),
        alert.rule,
        alert.title,
        who(alert),
    )
}

/// As much of an alert's id as tells it apart from others.
fn short_id(alert: &Alert) -> &str {
    alert.uid.get(..13).unwrap_or(&alert.uid)
}

/// Name, address or id: the first there is.
pub(super) fn who(alert: &Alert) -> &str {
    let actor = &alert.actor;
    [&actor.name, &actor.email, &actor.id].into_iter().find(|text| !text.is_empty()).map_or("", String::as_str)
}

/// Everything an alert has to say to a person: who, why, what happened, what to do.
///
/// # Errors
/// `out` refuses.
pub fn whole_alert(alert: &Alert, out: &mut dyn Write) -> io::Result<()> {
    let colour = colour(alert.severity);
    writeln!(out, "{colour}{}{colour:#}  {BOLD}{}{BOLD:#}", alert.severity.name().to_uppercase(), alert.title)?;
    let module = format!("{}@{} {}", alert.module.name, alert.module.version, clip_to(&alert.module.digest, 12));
    let mut line = |label: &str, text: &str| writeln!(out, "  {DIM}{label:<14}{DIM:#} {text}");
    line("alert", &format!("{}, revision {}", alert.uid, alert.revision))?;
    line("rule", &format!("{} ({}), by {module}", alert.rule, alert.rule_title))?;
    line("when", &format!("{} to {}, reported at {}", alert.first, alert.last, alert.seen))?;
    line("count", &format!("{}, {}", count(alert.findings, "finding"), count(alert.evidence_total, "event")))?;
    for news in &alert.news {
        line("sent again", news)?;
    }
    if let Some(by) = &alert.suppressed_by {
        line("suppressed by", by)?;
    }
    if !alert.attack.is_empty() {
        line("ATT&CK", &alert.attack.join(", "))?;
    }
    line("why", &alert.condition)?;
    let actor = &alert.actor;
    let names = [&actor.name, &actor.email, &actor.id].map(String::as_str);
    let names: Vec<&str> = names.into_iter().filter(|text| !text.is_empty()).collect();
    let roles = format!("role {} then, {} now", actor.role_at_event.name(), actor.role_now.name());
    line("who", &if names.is_empty() { "nobody is named".into() } else { format!("{} ({roles})", names.join(", ")) })?;
    for doer in &alert.others {
        line("and", &doer.to_string())?;
    }
    for (label, value) in &alert.labels {
        line(label, value)?;
    }
    about(alert, out)?;
    writeln!(out, "\n{BOLD}Recently, by the same actor{BOLD:#}")?;
    for act in &alert.recent {
        writeln!(out, "  {}  {:<36} {}", act.time, act.action, act.ip_address)?;
    }
    events(alert, out)?;
    steps(alert, out)
}

/// Who it was, whether that is usual for them, and from where.
fn about(alert: &Alert, out: &mut dyn Write) -> io::Result<()> {
    let lines = alert.about.lines();
    if !lines.is_empty() {
        writeln!(out, "\n{BOLD}Who it was, whether that is usual for them, and from where{BOLD:#}")?;
    }
    for (label, text) in lines {
        writeln!(out, "  {DIM}{label:<32}{DIM:#} {text}")?;
    }
    Ok(())
}

/// The events that an alert shows, oldest first.
fn events(alert: &Alert, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n{BOLD}Events{BOLD:#}")?;
    for stub in &alert.evidence {
        let (time, action, actor, ip) = (stub.time, &stub.action, &stub.actor_id, &stub.ip_address);
        writeln!(
            out,
            "  {time}  {action:<36} {actor:<12} {ip:<16} {DIM}{}  {}{DIM:#}",
            stub.id,
            clip_to(&stub.ua, 60)
        )?;
    }
    let more = alert.evidence_total.saturating_sub(alert.evidence.len() as u64);
    if more > 0 {
        writeln!(out, "  … and {more} more")?;
    }
    Ok(())
}

fn steps(alert: &Alert, out: &mut dyn Write) -> io::Result<()> {
    let phases =
        [("Verify", &alert.playbook.verify), ("Contain", &alert.playbook.contain), ("Then", &alert.playbook.then)];
    for (phase, steps) in phases.into_iter().filter(|(_, steps)| !steps.is_empty()) {
        writeln!(out, "\n{BOLD}{phase}{BOLD:#}")?;
        for (n, step) in steps.iter().enumerate() {
            let scope = step.scope.as_ref().map(|scope| format!(", scope {scope}")).unwrap_or_default();
            let how = step.method.as_ref().map(|method| format!("  {DIM}{method}{scope}{DIM:#}")).unwrap_or_default();
            writeln!(out, "  {}. {}{how}", n + 1, step.text)?;
        }
    }
    Ok(())
}

/// What made an alert: the deciding event as the module saw it, window values, lookups, exceptions, and all events.
///
/// # Errors
/// `out` refuses.
pub fn explanation(alert: &Alert, out: &mut dyn Write) -> io::Result<()> {
    let (colour, basis) = (colour(alert.severity), &alert.basis);
    writeln!(out, "{colour}{}{colour:#}  {BOLD}{}{BOLD:#}", alert.severity.name().to_uppercase(), alert.title)?;
    let module = &alert.module;
    writeln!(out, "  {} of {}@{} {DIM}{}{DIM:#}", alert.rule, module.name, module.version, module.digest)?;
    writeln!(out, "\n{BOLD}What the rule detects{BOLD:#}\n  {}", alert.condition)?;
    if basis.event.is_empty() {
        writeln!(out, "\ngridwatch itself made this alert; no module looked at fields or windows.")?;
    } else {
        writeln!(out, "\n{BOLD}Decided by{BOLD:#} {} {DIM}{}{DIM:#}", basis.action, basis.event)?;
        for (field, text) in &basis.fields {
            writeln!(out, "  {DIM}{field:<32}{DIM:#} {text}")?;
        }
        windows(alert, out)?;
        writeln!(out, "\n{BOLD}Lookup tables{BOLD:#}")?;
        for (table, held) in &basis.lookups {
            let held = if held.is_empty() {
                "contains nothing from this event".into()
            } else {
                format!("contains {}", held.join(", "))
            };
            writeln!(out, "  {DIM}{table:<32}{DIM:#} {held}")?;
        }
        if basis.lookups.is_empty() {
            writeln!(out, "  the module uses none")?;
        }
    }
    exceptions(alert, out)?;
    events(alert, out)
}

/// What hid the alert, in the words that its entry had then, or what kept an entry from hiding it.
fn exceptions(alert: &Alert, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n{BOLD}Exceptions{BOLD:#}")?;
    match (&alert.suppressed_by, alert.labels.get("beyond_exception")) {
        (Some(by), _) => writeln!(out, "  suppressed by {by}")?,
        (None, Some(beyond)) => writeln!(out, "  would be suppressed, but is beyond what the entry allows: {beyond}")?,
        (None, None) => writeln!(out, "  none applied")?,
    }
    for (label, text) in &alert.labels {
        if let Some(what) = label.strip_prefix("exception_") {
            writeln!(out, "  {DIM}{what:<32}{DIM:#} {text}")?;
        }
    }
    Ok(())
}

/// The windows' values as the module read them, those that made the finding first.
fn windows(alert: &Alert, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n{BOLD}Windows as read{BOLD:#} {DIM}(* cited as evidence){DIM:#}")?;
    let mut telling: Vec<&Counted> = alert.basis.windows.iter().filter(|counted| counted.is_telling()).collect();
    telling.sort_by_key(|counted| !counted.cited);
    for counted in &telling {
        let by = match (counted.kind.as_str(), counted.key.as_slice()) {
            ("sequence", _) => String::new(), // each step has a key of its own
            (_, []) => " of the organization".into(),
            (_, key) => format!(" by {}", key.join(", ")),
        };
        let (mark, span) = (if counted.cited { '*' } else { ' ' }, span_text(counted.span_s));
        let what = format!("{}{by} within {span}", counted.kind);
        writeln!(out, " {mark}{DIM}{:<32}{DIM:#} {:<22} {DIM}{what}{DIM:#}", counted.window, counted.text())?;
    }
    let silent = alert.basis.windows.len() - telling.len();
    if silent > 0 {
        writeln!(out, "  … and {silent} without a value")?;
    }
    Ok(())
}

/// `1 event`, `2 events`.
fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn clip_to(text: &str, max: usize) -> &str {
    text.char_indices().nth(max).map_or(text, |(end, _)| &text[..end])
}
