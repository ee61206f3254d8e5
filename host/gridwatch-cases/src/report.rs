//! What doesn't hold of a case, as somebody who writes a rule wants to read it: which alert, which of its fields, and what the
//! windows said of the event that decides.

use super::{Case, Expected, Fault, Made};
use gridwatch_event::event::Event;
use gridwatch_manifest::Manifest;
use gridwatch_names::catalogue;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::basis::Counted;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// What is expected of an alert and isn't so.
struct Difference {
    field: String,
    expected: String,
    made: String,
}

impl Case {
    /// Alerts that are expected and weren't made, were made otherwise, or aren't expected.
    pub(super) fn differences(&self, manifest: &Manifest, made: &Made) -> Vec<String> {
        // Later revisions replace earlier ones, as they would for a reader.
        let event = |alert: &'_ Alert| if self.apart { alert.basis.event.clone() } else { String::new() };
        let newest: BTreeMap<(&str, String), &Alert> =
            made.sent.iter().map(|alert| ((alert.uid.as_str(), event(alert)), alert)).collect();
        let mut left: Vec<&Alert> = newest.into_values().collect();
        let mut is_made = |expected: &&Expected| {
            let of_rule = |alert: &&Alert| alert.rule == format!("{}.{}", manifest.name, expected.rule);
            let at = left.iter().position(|alert| of_rule(alert) && expected.differences(alert).is_empty());
            at.map(|at| left.remove(at)).is_some()
        };
        let missing: Vec<&Expected> = self.alerts.iter().filter(|expected| !is_made(expected)).collect();
        let mut problems: Vec<String> =
            missing.into_iter().map(|expected| self.missing(manifest, made, expected, &mut left)).collect();
        problems.extend(left.iter().map(|alert| self.unexpected(manifest, made, alert)));
        problems
    }

    fn head(&self) -> String {
        let kind = self.kind.name();
        let about = if self.about.is_empty() { String::new() } else { format!(" ({})", self.about) };
        format!("case `{}`, {kind}{about}", self.name)
    }

    /// Takes the alert that comes nearest, if the rule made any that nobody expected.
    fn missing(&self, manifest: &Manifest, made: &Made, expected: &Expected, left: &mut Vec<&Alert>) -> String {
        let (head, rule) = (self.head(), &expected.rule);
        let Some(known) = manifest.rules.iter().find(|known| known.id == *rule) else {
            let rules: Vec<&str> = manifest.rules.iter().map(|rule| rule.id.as_str()).collect();
            return format!(
                "{head}: expects an alert of `{rule}`, and `{rule}` is not a rule of the manifest; there are {}",
                rules.join(", ")
            );
        };
        let of_rule = |alert: &&Alert| alert.rule == format!("{}.{rule}", manifest.name);
        let nearest = left.iter().enumerate().filter(|(_, alert)| of_rule(alert));
        let nearest = nearest.min_by_key(|(_, alert)| expected.differences(alert).len()).map(|(at, _)| at);
        if let Some(alert) = nearest.map(|at| left.remove(at)) {
            let lines = expected.differences(alert).into_iter().map(|differs| {
                format!("\n  {:<10} expected {}  made {}", differs.field, differs.expected, differs.made)
            });
            let windows = windows_of(manifest, alert);
            return format!(
                "{head}: rule `{rule}` makes another alert than expected{}{windows}",
                lines.collect::<String>()
            );
        }
        let events = self.events();
        let is_its =
            |event: &&Event| known.actions.iter().any(|pattern| catalogue::pattern_matches(pattern, event.action()));
        let windows = match events.iter().rfind(is_its) {
            Some(event) => at_event(manifest, made, event),
            None => format!("\n  no entry has one of the rule's actions: {}", known.actions.join(", ")),
        };
        format!("{head}: rule `{rule}` makes no alert that is expected{}{windows}", expected.text())
    }

    fn unexpected(&self, manifest: &Manifest, made: &Made, alert: &Alert) -> String {
        let rule = alert.rule.rsplit('.').next().unwrap_or_default();
        let mut lines = String::new();
        let mut line = |field: &str, value: &dyn Debug| lines += &format!("\n  {field:<10} {value:?}");
        line("severity", &alert.severity.name());
        line("key", &alert.dedup_key);
        line("title", &alert.title);
        line("findings", &alert.findings);
        line("evidence", &alert.evidence_total);
        alert.labels.iter().for_each(|(name, text)| line(&format!("label {name}"), text));
        let windows = match alert.basis.event.is_empty() {
            true => self.events().last().map(|event| at_event(manifest, made, event)).unwrap_or_default(),
            false => windows_of(manifest, alert),
        };
        format!("{}: rule `{rule}` makes an alert that isn't expected{lines}{windows}", self.head())
    }

    pub(super) fn fault(&self, fault: &Fault) -> String {
        format!("{}: the module fails at `{}`: {}", self.head(), fault.event_id, fault.reason)
    }

    /// How events are cut into batches must not matter.
    pub(super) fn other_batches(&self, size: usize, ones: &[Alert], others: &[Alert]) -> String {
        let [one, other] = first_difference(ones, others).map(told);
        format!(
            "{}: batches of {size} make other alerts than batches of 1\n  batches of 1: {one}\n  batches of {size}: {other}",
            self.head(),
        )
    }

    /// A trigger must not hold back what a rule finds something in.
    pub(super) fn hidden(&self, of_all: &[Alert], of_triggers: &[Alert]) -> Option<String> {
        let [all, triggered] = (of_all != of_triggers).then(|| first_difference(of_all, of_triggers))?.map(told);
        Some(format!(
            "{}: the triggers of the rules change what they find\n  without triggers: {all}\n  with triggers: {triggered}",
            self.head(),
        ))
    }
}

fn first_difference<'a>(ones: &'a [Alert], others: &'a [Alert]) -> [Option<&'a Alert>; 2] {
    let at = ones.iter().zip(others).position(|(one, other)| one != other).unwrap_or(ones.len().min(others.len()));
    [ones.get(at), others.get(at)]
}

fn told(alert: Option<&Alert>) -> String {
    let Some(a) = alert else { return "none".into() };
    let Alert { rule, severity, title, findings, evidence_total, .. } = a;
    format!("{rule} {} `{title}` findings {findings} evidence {evidence_total}", severity.name())
}

/// What the windows said of the event that decided.
fn windows_of(manifest: &Manifest, alert: &Alert) -> String {
    let basis = &alert.basis;
    let names: Vec<&str> = manifest.windows.iter().map(|window| window.name.as_str()).collect();
    windows_seen(
        &basis.event,
        &basis.action,
        basis.windows.iter().filter(|counted| names.contains(&counted.window.as_str())),
    )
}

fn at_event(manifest: &Manifest, made: &Made, event: &Event) -> String {
    let Some(values) = made.windows.get(&event.seq) else {
        return format!(
            "\n  the module isn't given `{}` ({}): no rule of it has that action",
            event.id(),
            event.action()
        );
    };
    let counted: Vec<Counted> =
        manifest.windows.iter().zip(values).map(|(spec, value)| Counted::of(spec, *value, false)).collect();
    windows_seen(event.id(), event.action(), counted.iter())
}

fn windows_seen<'c>(event: &str, action: &str, windows: impl Iterator<Item = &'c Counted>) -> String {
    let value = |counted: &Counted| {
        let cited = if counted.cited { " (cited)" } else { "" };
        format!("{} {}{cited}", counted.window, counted.text())
    };
    let windows: Vec<String> = windows.filter(|counted| counted.is_telling()).map(value).collect();
    let windows = if windows.is_empty() { "nothing to say".into() } else { windows.join(", ") };
    format!("\n  windows at `{event}` ({action}): {windows}")
}

impl Expected {
    fn differences(&self, alert: &Alert) -> Vec<Difference> {
        let mut all = Vec::new();
        let mut compare = |field: &str, expected: Option<String>, made: String, holds: bool| {
            if let Some(expected) = expected.filter(|_| !holds) {
                all.push(Difference { field: field.into(), expected, made });
            }
        };
        let text = |text: &String| format!("{text:?}");
        let severity = self.severity.map(|severity| severity.name().to_owned());
        compare("severity", severity, alert.severity.name().into(), self.severity == Some(alert.severity));
        compare(
            "key",
            self.key.as_ref().map(text),
            text(&alert.dedup_key),
            self.key.as_ref() == Some(&alert.dedup_key),
        );
        let title = self.title.as_ref();
        compare("title", title.map(text), text(&alert.title), title.is_some_and(|title| alert.title.contains(title)));
        let number = |n: u64| n.to_string();
        compare("findings", self.findings.map(number), number(alert.findings), self.findings == Some(alert.findings));
        let events = alert.evidence_total;
        compare("evidence", self.evidence.map(number), number(events), self.evidence == Some(events));
        for (name, expected) in &self.labels {
            let made = alert.labels.get(name);
            let told = made.map_or("none".into(), text);
            compare(&format!("label {name}"), Some(text(expected)), told, made == Some(expected));
        }
        all
    }

    /// All that it asks for.
    fn text(&self) -> String {
        let severity = self.severity.map(|severity| format!(", severity {}", severity.name()));
        let text = |field: &str, text: &Option<String>| text.as_ref().map(|text| format!(", {field} {text:?}"));
        let number = |field: &str, n: Option<u64>| n.map(|n| format!(", {field} {n}"));
        let labels = self.labels.iter().map(|(name, text)| format!(", label {name} {text:?}")).collect();
        let all = [
            severity,
            text("key", &self.key),
            text("title", &self.title),
            number("findings", self.findings),
            number("evidence", self.evidence),
            Some(labels),
        ];
        let all: String = all.into_iter().flatten().collect();
        all.strip_prefix(',').map(|all| format!(" with{all}")).unwrap_or_default()
    }
}
