//! What several views show alike.

use crate::look::alerts::who;
use crate::web::html::{address, plain, text};
use gridwatch_event::org::OrgId;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_manifest::Severity;
use gridwatch_rules::alert::Alert;
use maud::{Markup, html};

/// `2026-11-30 14:03:07`, as short as a table wants it.
pub fn time(at: UnixSeconds) -> Markup {
    let whole = at.to_string();
    let short = whole.strip_suffix('Z').unwrap_or(&whole).replace('T', " ");
    html! { time datetime=(whole) { (short) } }
}

/// How long ago, with the time itself for who points at it.
pub fn ago(at: UnixMillis, now: UnixMillis) -> Markup {
    let span = crate::telemetry::health::span(now.since(at) / 1_000);
    html! { time datetime=(at.to_string()) title=(at.to_string()) { (span) " ago" } }
}

pub fn severity(severity: Severity) -> Markup {
    html! { span.severity.(class(severity)) { (severity.name()) } }
}

pub fn class(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::High => "high",
        Severity::Medium => "medium",
        Severity::Low => "low",
        Severity::Informational => "informational",
    }
}

/// Whoever did it, by name, with everything that is known of them behind it.
pub fn doer(alert: &Alert, org: &str) -> Markup {
    html! { @if who(alert).is_empty() { span.faint { "nobody is named" } } @else { (actor(who(alert), known_by(alert), org)) } }
}

/// What finds the same actor again: an id, for names change.
pub fn known_by(alert: &Alert) -> &str {
    if alert.actor.id.is_empty() { who(alert) } else { &alert.actor.id }
}

/// A person, an app or an address: as it is shown, and as it is found.
pub fn actor(shown: &str, known: &str, org: &str) -> Markup {
    html! { a href=(address(&["actor"], &[("who", known), ("org", org)])) { (text(shown)) } }
}

pub fn rule(rule: &str, org: &str) -> Markup {
    html! { a.id href=(address(&["alerts"], &[("rule", rule), ("org", org)])) { (text(rule)) } }
}

/// A number with what it is of: `1 alert`, `2 alerts`.
pub fn count(n: u64, what: &str) -> String {
    format!("{} {what}{}", number(n), if n == 1 { "" } else { "s" })
}

/// `12,345`
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `3.1 MiB`
pub fn size(bytes: u64) -> String {
    let units = [("TiB", 1_u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.iter().find(|(_, factor)| bytes >= *factor) {
        Some((unit, factor)) => format!("{:.1} {unit}", bytes as f64 / *factor as f64),
        None => format!("{bytes} bytes"),
    }
}

/// Where there is nothing, what that means.
pub fn nothing(what: &str) -> Markup {
    html! { p.nothing { (what) } }
}

/// What a part of a page that each organization has is called by, so that no two are called alike.
pub fn whose(what: &str, org: &OrgId, orgs: usize) -> String {
    if orgs > 1 { format!("{what} of {org}") } else { what.to_owned() }
}

/// A command to copy.
pub fn command(line: &str) -> Markup {
    html! { pre.command tabindex="0" { code { (text(line)) } } }
}

/// A box around a table that may be wider than the screen; it can be scrolled with the keyboard.
pub fn wide(what: &str, table: &Markup) -> Markup {
    html! { div.wide role="region" aria-label=(plain(what)) tabindex="0" { (table) } }
}

/// A part of a page that renews itself.
pub fn live(id: &str, own: &str, body: &Markup) -> Markup {
    html! {
        div id=(id) hx-get=(own) hx-trigger="every 10s" hx-select=(format!("#{id}")) hx-swap="outerMorph" { (body) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_threes() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(count(1, "alert"), "1 alert");
    }
}
