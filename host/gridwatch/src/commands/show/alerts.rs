//! Alerts in full: a line each, one with all it has to say, and why it was made.

use super::{BOLD, DIM, colour};
use crate::look::alerts::{actor_text, object, phases, short_id, when, who};
use anstyle::Style;
use gridwatch_event::text::clean;
use gridwatch_manifest::span_text;
use gridwatch_rules::about::Standing;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::basis::Counted;
use gridwatch_rules::handling::Status;
use std::io::{self, Write};

/// One alert on one line: when, how bad, which, who, what.
///
/// # Errors
/// `out` refuses.
pub fn alert_line(alert: &Alert, out: &mut dyn Write) -> io::Result<()> {
    let (colour, dim) = (colour(alert.severity), if alert.is_open() { Style::new() } else { DIM });
    let severity = alert.severity.name().to_uppercase();
    let times = if alert.findings > 1 { format!(" ×{}", alert.findings) } else { String::new() };
    let suppressed = alert.suppressed_by.as_ref().map(|by| format!("  suppressed by {by}")).unwrap_or_default();
    let stands = match alert.handling.status {
        Status::Open => String::new(),
        status => format!("  {status}"),
    };
    writeln!(
        out,
        "{DIM}{}{DIM:#}  {colour}{severity:<13}{colour:#} {}  {DIM}{:<34}{DIM:#} {dim}{}{times}  {DIM}{}{suppressed}{stands}{DIM:#}{dim:#}",
        alert.last,
        short_id(alert),
        alert.rule,
        alert.title,
        who(alert),
    )
}

/// Lines of what is unusual that are shown before the answer; the rest follows it.
const UNUSUAL_SHOWN: usize = 6;
/// Characters of a line that isn't the headline, before the answer.
const MAX_LINE: usize = 220;

/// Everything an alert has to say to a person. Who knows only its beginning knows who did what, whether that is usual, why it is that
/// severe, and what to do now; then come the events with names, and what else is known.
///
/// # Errors
/// `out` refuses.
pub fn whole_alert(alert: &Alert, out: &mut dyn Write) -> io::Result<()> {
    let (colour, standing) = (colour(alert.severity), Standing::of(alert));
    let severity = alert.severity.name();
    writeln!(out, "{colour}{}{colour:#}  {BOLD}{}{BOLD:#}", severity.to_uppercase(), alert.title)?;
    let mut line = |label: &str, text: &str| writeln!(out, "  {DIM}{label:<14}{DIM:#} {}", clip_to(text, MAX_LINE));
    if !alert.reason.is_empty() {
        line(&format!("why {severity}"), &alert.reason)?;
    }
    line("who", &actor_text(alert))?;
    line("when", &when(alert))?;
    if let Some(by) = &alert.suppressed_by {
        line("suppressed by", by)?;
    }
    if !alert.handling.is_untouched() {
        line("status", &alert.handling.status.to_string())?;
    }
    for text in standing.unusual.iter().take(UNUSUAL_SHOWN) {
        line("unusual", text)?;
    }
    if !standing.usual.is_empty() {
        line("as usual", &standing.usual.join("; "))?;
    }
    if standing.unusual.is_empty() && standing.usual.is_empty() {
        line("usual?", "nothing is known of them to compare it with")?;
    }
    steps(alert, out)?;
    if alert.days > 1 && alert.suppressed_by.is_none() {
        writeln!(
            out,
            "  It goes on, on {} days so far. If it is known and wanted, `gridwatch explain {}` proposes the narrowest exception.",
            alert.days,
            short_id(alert)
        )?;
    }
    done(alert, out)?;
    events(alert, out)?;
    known(alert, &standing, out)?;
    writeln!(out, "\n{BOLD}Recently, by the same actor{BOLD:#}")?;
    for act in &alert.recent {
        writeln!(out, "  {}  {:<36} {}", act.time, act.action, act.ip_address)?;
    }
    Ok(())
}

/// What else there is to say, and in one line what nobody knows.
fn known(alert: &Alert, standing: &Standing, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n{BOLD}The alert{BOLD:#}")?;
    let module = format!("{}@{} {}", alert.module.name, alert.module.version, clip_to(&alert.module.digest, 12));
    let mut line = |label: &str, text: &str| writeln!(out, "  {DIM}{label:<32}{DIM:#} {text}");
    line("alert", &format!("{}, revision {}, reported at {}", alert.uid, alert.revision, alert.seen))?;
    line("rule", &format!("{} ({}), by {module}", alert.rule, alert.rule_title))?;
    line("what the rule detects", &alert.condition)?;
    for news in &alert.news {
        line("sent again", news)?;
    }
    if !alert.attack.is_empty() {
        line("ATT&CK", &alert.attack.join(", "))?;
    }
    for doer in &alert.others {
        line("and", &doer.to_string())?;
    }
    for text in standing.unusual.iter().skip(UNUSUAL_SHOWN) {
        line("unusual", text)?;
    }
    for (label, value) in &alert.labels {
        line(label, value)?;
    }
    let about = alert.about.known_lines();
    if !about.is_empty() {
        writeln!(out, "\n{BOLD}Who it was, whether that is usual for them, and from where{BOLD:#}")?;
    }
    for (label, text) in about {
        writeln!(out, "  {DIM}{label:<32}{DIM:#} {text}")?;
    }
    if let Some(unknown) = alert.about.unknown_line() {
        writeln!(out, "  {DIM}{:<32}{DIM:#} {unknown}", "unknown")?;
    }
    Ok(())
}

/// The events that an alert shows, oldest first.
fn events(alert: &Alert, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n{BOLD}Events{BOLD:#}")?;
    for stub in &alert.evidence {
        let (time, action, actor, ip) = (stub.time, &stub.action, &stub.actor_id, &stub.ip_address);
        let object = object(stub);
        writeln!(
            out,
            "  {time}  {action:<36} {actor:<12} {ip:<16} {object}  {DIM}{}  {}{DIM:#}",
            stub.id,
            clean(&stub.ua, 60)
        )?;
    }
    let more = alert.evidence_total.saturating_sub(alert.evidence.len() as u64);
    if more > 0 {
        writeln!(out, "  … and {more} more")?;
    }
    Ok(())
}

fn steps(alert: &Alert, out: &mut dyn Write) -> io::Result<()> {
    for (phase, steps) in phases(alert) {
        writeln!(out, "{BOLD}{phase}{BOLD:#}")?;
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
    done(alert, out)?;
    events(alert, out)
}

/// What people did about it, oldest first.
fn done(alert: &Alert, out: &mut dyn Write) -> io::Result<()> {
    let acts = &alert.handling.acts;
    if acts.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{BOLD}What people did about it{BOLD:#}")?;
    acts.iter().try_for_each(|act| writeln!(out, "  {}  {act}", act.at))
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

fn clip_to(text: &str, max: usize) -> &str {
    text.char_indices().nth(max).map_or(text, |(end, _)| &text[..end])
}
