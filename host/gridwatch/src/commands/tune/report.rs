//! What `gridwatch tune` shows in a terminal: tables, and a bar for each value of a setting.

use super::judge::Judgement;
use super::sweep::{FEWEST, Given, Sweep};
use super::{Closed, RuleNumbers, Tuning};
use anstyle::{AnsiColor, Color, Style};
use anyhow::Result;
use gridwatch_manifest::Manifest;
use std::io::Write;

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const LOUD: Style = Style::new().fg_color(Some(Color::Ansi(AnsiColor::Red)));
/// Characters of the longest bar.
const BAR: f64 = 40.0;
/// Closed alerts of a rule from which on it is said what most of them were.
const FEW_CLOSED: u64 = 3;
/// Days of which a column is shown.
const SPARKS: usize = 31;

/// # Errors
/// `out` refuses.
pub fn print(tuning: &Tuning, manifests: &[Manifest], out: &mut dyn Write) -> Result<()> {
    let people = tuning.active_users.map_or("no archive to count people in".into(), |n| format!("{n} active users"));
    writeln!(out, "{BOLD}{} to {}{BOLD:#}  {:.1} days, {people}\n", tuning.from, tuning.to, tuning.days)?;
    rules(&tuning.rules, out)?;
    judged(&tuning.rules, out)?;
    let loud = |m: &Manifest, id: &str| tuning.rules.iter().any(|rule| rule.rule == format!("{}.{id}", m.name));
    let quiet: usize = manifests.iter().map(|m| m.rules.iter().filter(|rule| !loud(m, &rule.id)).count()).sum();
    if tuning.sweeps.is_none() {
        writeln!(out, "noisiest of all: {}{}", named("actors", &tuning.actors), named("apps", &tuning.apps))?;
        writeln!(out, "{DIM}{quiet} other rules did not fire{DIM:#}")?;
    }
    exceptions(tuning, out)?;
    for sweep in tuning.sweeps.iter().flatten().filter(|sweep| sweep.matters()) {
        plot(sweep, out)?;
    }
    if let Some(sweeps) = &tuning.sweeps {
        let idle: Vec<&str> = sweeps.iter().filter(|sweep| !sweep.matters()).map(|s| s.setting.as_str()).collect();
        match (sweeps.is_empty(), idle.is_empty()) {
            (true, _) => writeln!(out, "\nthe rule's module has no settings that are numbers or spans")?,
            (false, false) => writeln!(out, "\n{DIM}no effect on this rule: {}{DIM:#}", idle.join(", "))?,
            (false, true) => {}
        }
    }
    Ok(())
}

fn rules(rules: &[RuleNumbers], out: &mut dyn Write) -> Result<()> {
    let width = rules.iter().map(|rule| rule.rule.len()).max().unwrap_or_default().max(4);
    let days = rules.iter().map(|rule| rule.by_day.len()).max().unwrap_or_default().clamp(4, SPARKS);
    writeln!(
        out,
        "{BOLD}{:<width$} {:>7} {:>7} {:>8} {:>11} {:>7} {:>10} {:>9}  {:<days$}  NOISIEST{BOLD:#}",
        "RULE", "ALERTS", "MEDIUM+", "A DAY", "/1000 USERS", "BUDGET", "SUPPRESSED", "T/F/E", "DAYS"
    )?;
    for rule in rules {
        let per_1000 = rule.a_day_per_1000_users.map_or("-".into(), |rate| format!("{rate:.3}"));
        let over = rule.over_budget == Some(true);
        let mark = match rule.judgement {
            Some(Judgement::Over) => "!",
            Some(Judgement::TooFew) => "?",
            Some(Judgement::Within) | None => "",
        };
        let budget = rule.budget.map_or("-".into(), |budget| format!("{mark}{budget}"));
        let style = if over { LOUD } else { Style::new() };
        writeln!(
            out,
            "{:<width$} {:>7} {:>7} {:>8.2} {:>11} {style}{:>7}{style:#} {:>10} {:>9}  {:<days$}  {DIM}{}{}{DIM:#}",
            rule.rule,
            rule.alerts,
            rule.medium_or_above,
            rule.a_day,
            per_1000,
            budget,
            rule.suppressed,
            closed(rule.closed),
            sparks(&rule.by_day),
            named("actors", &rule.actors),
            named("apps", &rule.apps),
        )?;
    }
    if rules.iter().any(|rule| rule.judgement == Some(Judgement::TooFew)) {
        writeln!(
            out,
            "{DIM}? too few to judge: too few alerts, people or days to compare the rule's rate with its budget{DIM:#}"
        )?;
    }
    Ok(())
}

/// What people made of them, and what follows from that.
fn judged(rules: &[RuleNumbers], out: &mut dyn Write) -> Result<()> {
    if rules.iter().any(|rule| rule.closed.all() > 0) {
        writeln!(out, "{DIM}T/F/E: alerts that people closed as true, false, expected{DIM:#}")?;
    }
    for rule in rules.iter().filter(|rule| rule.closed.all() >= FEW_CLOSED) {
        let (all, name) = (rule.closed.all(), &rule.rule);
        let said = [
            (rule.closed.r#false, "false", format!("`--rule {name}` shows what other thresholds would give")),
            (rule.closed.expected, "expected", "`gridwatch explain ALERT` proposes an exception".to_owned()),
        ];
        for (count, reason, hint) in said.into_iter().filter(|(count, ..)| 2 * count > all) {
            writeln!(out, "{name}: {count} of {all} closed alerts were {reason}; {hint}")?;
        }
    }
    Ok(())
}

/// `12/3/0`, in the order true, false, expected
fn closed(closed: Closed) -> String {
    match closed.all() {
        0 => "-".to_owned(),
        _ => format!("{}/{}/{}", closed.r#true, closed.r#false, closed.expected),
    }
}

/// `actors W1 7, W2 3`
fn named(what: &str, all: &[(String, u64)]) -> String {
    let all: Vec<String> = all.iter().map(|(id, count)| format!("{id} {count}")).collect();
    if all.is_empty() { String::new() } else { format!("{what} {}  ", all.join(", ")) }
}

/// A column for each of the last days, as high as that day was loud.
fn sparks(by_day: &[u64]) -> String {
    const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = by_day.iter().copied().max().unwrap_or_default().max(1);
    let height = |count: &u64| match count {
        0 => '·',
        count => HEIGHTS[((count * HEIGHTS.len() as u64).div_ceil(most) - 1) as usize],
    };
    by_day[by_day.len().saturating_sub(SPARKS)..].iter().map(height).collect()
}

fn exceptions(tuning: &Tuning, out: &mut dyn Write) -> Result<()> {
    if tuning.exceptions.is_empty() {
        return Ok(());
    }
    let width = tuning.exceptions.iter().map(|hid| hid.id.len()).max().unwrap_or_default().max(9);
    writeln!(
        out,
        "\n{BOLD}{:<width$} {:<8} {:>10} {:>9} {:<13} {:<20} EXPIRES{BOLD:#}",
        "EXCEPTION", "STATE", "SUPPRESSED", "FINDINGS≥", "WORST", "NEWEST"
    )?;
    for hid in &tuning.exceptions {
        let text =
            |time: Option<_>| time.map_or("-".into(), |time: gridwatch_event::time::UnixSeconds| time.to_string());
        writeln!(
            out,
            "{:<width$} {:<8} {:>10} {:>9} {:<13} {:<20} {}",
            hid.id,
            hid.state,
            hid.alerts,
            hid.findings_at_least,
            hid.worst.map_or("-", |worst| worst.name()),
            text(hid.newest),
            text(hid.expires),
        )?;
    }
    let idle: Vec<&str> = tuning.exceptions.iter().filter(|hid| hid.alerts == 0).map(|hid| hid.id.as_str()).collect();
    if !idle.is_empty() {
        writeln!(out, "suppressed nothing: {}", idle.join(", "))?;
    }
    Ok(())
}

/// `→     10 ████████ 1.23 a day, 5 of 7 Medium or above`
fn plot(sweep: &Sweep, out: &mut dyn Write) -> Result<()> {
    writeln!(
        out,
        "\n{BOLD}{}{BOLD:#} is {}; allowed {} to {}  {DIM}{}{DIM:#}",
        sweep.setting,
        sweep.text(sweep.present),
        sweep.text(sweep.min),
        sweep.text(sweep.max),
        sweep.help
    )?;
    let most = sweep.values.iter().map(|given| given.a_day).fold(0.0, f64::max);
    let width = sweep.values.iter().map(|given| sweep.text(given.value).len()).max().unwrap_or_default();
    for given in &sweep.values {
        let (mark, style) = if given.value == sweep.present { ("→", BOLD) } else { (" ", Style::new()) };
        writeln!(out, "{style}{mark} {:>width$} {}{style:#}", sweep.text(given.value), bar(given, most))?;
    }
    if sweep.is_thin() {
        writeln!(out, "  {DIM}too few to judge: no value gave even {FEWEST} alerts in that time{DIM:#}")?;
    }
    Ok(())
}

fn bar(given: &Given, most: f64) -> String {
    if let Some(refused) = &given.refused {
        return format!("not possible: {refused}");
    }
    let length = if most > 0.0 { (given.a_day / most * BAR).round() as usize } else { 0 };
    let bar = if length == 0 && given.alerts > 0 { "▏".to_owned() } else { "█".repeat(length) };
    format!("{bar} {:.2} a day, {} of {} Medium or above", given.a_day, given.medium_or_above, given.alerts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_as_high_as_its_day_was_loud() {
        assert_eq!(sparks(&[0, 1, 4, 8]), "·▁▄█");
        assert_eq!(sparks(&[0, 0]), "··");
        assert_eq!(sparks(&[1; 100]).chars().count(), SPARKS);
    }

    #[test]
    fn bars_are_to_scale_and_little_is_not_nothing() {
        let given = |alerts: u64, a_day| Given { value: 1, alerts, medium_or_above: 0, a_day, refused: None };
        assert!(bar(&given(9, 2.0), 4.0).starts_with(&format!("{} 2.00 a day", "█".repeat(20))));
        assert!(bar(&given(1, 0.01), 4.0).starts_with("▏ 0.01"));
        assert!(bar(&given(0, 0.0), 0.0).starts_with(" 0.00"));
    }
}
