//! What a person, or a script, gets to see of a plan and of what was done.

use super::{Chosen, Outcome};
use crate::look::reach::Reach;
use anstyle::{AnsiColor, Style};
use gridwatch_event::role::Role;
use gridwatch_names::method::Effect;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::plan::{Calls, Clearance, How, Phase, Planned, PlannedCall, ResponsePlan, head_of};
use gridwatch_rules::response::{Past, ResponseRow, past};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Result, Write};

const BOLD: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();

/// A plan with what was done of it.
pub(super) struct Shown<'a> {
    pub(super) alert: &'a Alert,
    pub(super) reach: &'a Reach,
    pub(super) plan: &'a ResponsePlan,
    pub(super) rows: &'a [ResponseRow],
    /// The Web API's address.
    pub(super) api: &'a str,
}

impl Shown<'_> {
    pub(super) fn text(&self, out: &mut impl Write) -> Result<()> {
        heading(self.alert, out)?;
        let mut phase = None;
        for step in &self.plan.steps {
            if phase != Some(step.phase) {
                writeln!(out, "\n{BOLD}{}{BOLD:#}", title(step.phase))?;
                phase = Some(step.phase);
            }
            self.step(step, out)?;
        }
        let is_done_here = |step: &Planned| super::reversible(step).is_some();
        notes(self.reach, out)?;
        if self.plan.steps.iter().any(is_done_here) {
            writeln!(
                out,
                "\n`--execute` does the reversible steps, once Slack has been asked who the people are, and after a confirmation."
            )?;
        }
        Ok(())
    }

    fn step(&self, step: &Planned, out: &mut impl Write) -> Result<()> {
        writeln!(out, "{:>3}. {}", step.number, step.text)?;
        match &step.how {
            How::ByHand => writeln!(out, "     {FAINT}by hand{FAINT:#}"),
            How::UnknownMethod(name) => {
                writeln!(out, "     {FAINT}by hand: this gridwatch does not know the method {name}{FAINT:#}")
            }
            How::Calls(calls) => self.calls(calls, out),
        }
    }

    fn calls(&self, calls: &Calls, out: &mut impl Write) -> Result<()> {
        let method = calls.method;
        let scope = match method.scopes {
            [] => "no scope".to_owned(),
            scopes => format!("scope {}", scopes.join(" or ")),
        };
        let facts = [method.name, &scope, method.tier.text(), method.effect.text()].join(" · ");
        writeln!(out, "     {FAINT}{facts}{FAINT:#}")?;
        if !method.limits.is_empty() {
            writeln!(out, "     {FAINT}{}{FAINT:#}", method.limits)?;
        }
        for act in &calls.planned {
            self.act(calls, act, out)?;
        }
        if calls.more > 0 {
            writeln!(out, "     and more: the alert had no room for {} further mentions; see its events", calls.more)?;
        }
        Ok(())
    }

    fn act(&self, calls: &Calls, act: &PlannedCall, out: &mut impl Write) -> Result<()> {
        let name = act.targets.join(", ");
        if let Clearance::Refused(refusal) = &act.clearance {
            return writeln!(out, "     {BAD}{name} refused:{BAD:#} {refusal}");
        }
        for (target, done) in self.done(calls, act) {
            writeln!(out, "     {GOOD}{target}{GOOD:#}: {done}")?;
        }
        if !act.missing.is_empty() {
            writeln!(out, "     the alert does not contain everything; fill in {}:", act.missing.join(", "))?;
        }
        if let Some(note) = act.note {
            writeln!(out, "     {note}:")?;
        }
        writeln!(out, "     {}", act.curl(calls.method, self.api))
    }

    /// What was done before of an act, by target.
    fn done<'t>(&self, calls: &Calls, act: &'t PlannedCall) -> Vec<(&'t str, String)> {
        if calls.method.effect != Effect::Reversible {
            return Vec::new();
        }
        let text = |target: &str| match past(self.rows, &self.alert.uid, calls.method.name, target) {
            Past::Never => None,
            Past::Done { id, at } => Some(format!("done {at} ({id})")),
            Past::Unknown { id, at } => Some(format!("begun {at} ({id}), and nobody knows whether it was done")),
        };
        act.targets.iter().filter_map(|target| Some((target.as_str(), text(target)?))).collect()
    }

    pub(super) fn json(&self) -> Value {
        let alert = self.alert;
        json!({
            "alert": alert.uid,
            "rule": alert.rule,
            "severity": alert.severity.name(),
            "title": alert.title,
            "notes": self.reach.notes(),
            "steps": self.plan.steps.iter().map(|step| self.step_json(step)).collect::<Vec<_>>(),
        })
    }

    pub(super) fn json_with(&self, outcomes: &[(Chosen, Outcome)]) -> Value {
        let mut plan = self.json();
        let line = |(chosen, outcome): &(Chosen, Outcome)| {
            let (word, detail) = words(outcome);
            json!({
                "step": chosen.step,
                "method": chosen.method.name,
                "targets": chosen.act.targets,
                "outcome": word,
                "detail": detail,
            })
        };
        plan["executed"] = outcomes.iter().map(line).collect();
        plan
    }

    fn step_json(&self, step: &Planned) -> Value {
        let mut shown = json!({ "number": step.number, "phase": step.phase.name(), "do": step.text });
        if let How::Calls(calls) = &step.how {
            let method = calls.method;
            shown["method"] = method.name.into();
            shown["scopes"] = json!(method.scopes);
            shown["rate"] = method.tier.text().into();
            shown["effect"] = json!(method.effect);
            shown["limits"] = method.limits.into();
            shown["more_targets"] = calls.more.into();
            shown["calls"] = calls.planned.iter().map(|act| self.act_json(calls, act)).collect();
        }
        shown
    }

    fn act_json(&self, calls: &Calls, act: &PlannedCall) -> Value {
        let arguments: serde_json::Map<String, Value> =
            act.arguments.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
        let (verdict, reason) = match &act.clearance {
            Clearance::Allowed => ("allowed", None),
            Clearance::Unasked => ("asked at --execute", None),
            Clearance::Refused(refusal) => ("refused", Some(refusal.to_string())),
        };
        let done: Vec<Value> = self.done(calls, act).into_iter().map(|(t, done)| json!({ t: done })).collect();
        json!({
            "targets": act.targets,
            "arguments": arguments,
            "missing": act.missing,
            "note": act.note,
            "verdict": verdict,
            "reason": reason,
            "curl": act.curl(calls.method, self.api),
            "undo": act.undo(calls.method).map(|(undo, act)| act.curl(undo, self.api)),
            "before": done,
        })
    }
}

/// What is going to be done, and what isn't, before anybody confirms.
pub(super) struct Intended<'a> {
    pub(super) todo: &'a [Chosen],
    pub(super) not: &'a [(Chosen, Outcome)],
    /// What Slack says that people are.
    pub(super) roles: Option<&'a BTreeMap<String, Role>>,
}

impl Intended<'_> {
    pub(super) fn text(&self, alert: &Alert, reach: &Reach, api: &str, out: &mut impl Write) -> Result<()> {
        heading(alert, out)?;
        notes(reach, out)?;
        if !self.not.is_empty() {
            writeln!(out, "\n{BOLD}Not done{BOLD:#}")?;
            self.not.iter().try_for_each(|(chosen, outcome)| self::outcome(chosen, outcome, api, out))?;
        }
        match self.todo {
            [] => writeln!(out, "\nNothing to do."),
            todo => {
                writeln!(out, "\n{BOLD}To do{BOLD:#}")?;
                todo.iter().try_for_each(|chosen| self.line(chosen, out))
            }
        }
    }

    /// With the roles of the people: whoever confirms it should see that it is an admin.
    fn line(&self, chosen: &Chosen, out: &mut impl Write) -> Result<()> {
        let with_role = |target: &String| match self.roles.and_then(|roles| roles.get(head_of(target))) {
            Some(role) => format!("{target} ({})", role.name()),
            None => target.clone(),
        };
        let targets: Vec<String> = chosen.act.targets.iter().map(with_role).collect();
        writeln!(out, "  step {}  {}  {}", chosen.step, chosen.method.name, targets.join(", "))?;
        chosen.act.note.map_or(Ok(()), |note| writeln!(out, "    {note}"))
    }
}

fn notes(reach: &Reach, out: &mut impl Write) -> Result<()> {
    reach.notes().iter().try_for_each(|note| writeln!(out, "\n{note}"))
}

pub(super) fn outcome(chosen: &Chosen, outcome: &Outcome, api: &str, out: &mut impl Write) -> Result<()> {
    let style = match outcome {
        Outcome::Done | Outcome::DoneBefore(_) => GOOD,
        _ => BAD,
    };
    let (word, detail) = words(outcome);
    let detail = detail.map(|detail| format!(": {detail}")).unwrap_or_default();
    let Chosen { step, method, act } = chosen;
    let targets = act.targets.join(", ");
    writeln!(out, "  step {step}  {}  {targets} {style}{word}{style:#}{detail}", method.name)?;
    match act.undo(method) {
        Some((undo, act)) if *outcome == Outcome::Done => writeln!(out, "    to undo it: {}", act.curl(undo, api)),
        _ => Ok(()),
    }
}

fn words(outcome: &Outcome) -> (&'static str, Option<String>) {
    match outcome {
        Outcome::Done => ("done", None),
        Outcome::Failed(error) => ("failed", Some(error.clone())),
        Outcome::Unknown(what) => ("unknown", Some(format!("{what}; check by hand whether it was done"))),
        Outcome::Refused(refusal) => ("refused", Some(refusal.to_string())),
        Outcome::Incomplete(missing) => (
            "incomplete",
            Some(format!("the alert doesn't say {}; the plan has the call to fill in", missing.join(", "))),
        ),
        Outcome::DoneBefore(at) => ("done before", Some(format!("{at}"))),
        Outcome::UnknownBefore(at) => (
            "unknown",
            Some(format!(
                "begun {at}, and it is not known whether it ended: check by hand, then use `--again` if it was not done"
            )),
        ),
    }
}

fn heading(alert: &Alert, out: &mut impl Write) -> Result<()> {
    writeln!(out, "{BOLD}{}{BOLD:#}", alert.title)?;
    writeln!(out, "{FAINT}{} · {} · {}{FAINT:#}", alert.severity.name(), alert.rule, alert.uid)
}

fn title(phase: Phase) -> &'static str {
    match phase {
        Phase::Verify => "Verify",
        Phase::Contain => "Contain",
        Phase::Then => "Then",
    }
}
