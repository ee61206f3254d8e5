//! *Detections*: what is watched, on which actions and how severely, when it last found something, and what could not have.

use super::parts::{ago, class, count, nothing, number, severity, time, whose, wide};
use super::{Page, Place, Reply};
use crate::look::detections::{Detection, Heard, detections, doubts};
use crate::modules::Wanted;
use crate::telemetry::status::ModuleStatus;
use crate::web::html::{address, long, plain, text};
use crate::web::site::Asking;
use anyhow::Result;
use gridwatch_event::org::OrgId;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_manifest::{Manifest, Severity};
use gridwatch_rules::builtin;
use maud::{Markup, html};
use std::collections::BTreeMap;

const RECENT_S: u64 = 30 * 86_400;
/// Actions that a row names before it counts the others.
const ACTIONS: usize = 3;

pub struct Detections {
    pub now: UnixMillis,
    pub orgs: Vec<(OrgId, Vec<Module>)>,
}

/// A module with its rules.
pub struct Module {
    pub name: String,
    pub title: String,
    /// Why its rules find less than they could, or nothing.
    pub doubts: Vec<String>,
    /// None of its rules finds anything.
    pub is_blind: bool,
    pub rules: Vec<Rule>,
}

pub struct Rule {
    pub detection: Detection,
    pub severity: Severity,
    pub is_shadow: bool,
    /// Why it could not have found anything.
    pub silent: Option<String>,
    /// When it last found something, and how many alerts it made in the last 30 days.
    pub last: Option<UnixSeconds>,
    pub alerts: u64,
}

/// # Errors
/// The state folder or the history can't be read.
pub fn page(asking: &Asking<'_>) -> Result<Reply> {
    let (status, _) = asking.look()?;
    let mut orgs = Vec::new();
    for (org, of_org) in status.unwrap_or_default().orgs {
        let found = found(asking, &org)?;
        let wanted = asking.site.config(&org).map(Wanted::of);
        let heard = Heard::of(&asking.site.paths(&org), &of_org);
        let module = |manifest: &Manifest| {
            let status = of_org.modules.iter().find(|module| module.name == manifest.name);
            Module::of(manifest, (status, wanted.as_ref()), &heard, &found)
        };
        let mut modules: Vec<Module> = asking.site.manifests(&of_org).iter().map(|manifest| module(manifest)).collect();
        modules.sort_by(|a, b| {
            (!a.is_blind, a.doubts.is_empty(), &a.name).cmp(&(!b.is_blind, b.doubts.is_empty(), &b.name))
        });
        orgs.push((org, modules));
    }
    let shown = Detections { now: asking.now, orgs };
    let body = html! { h1 { "Detections" } (shown.markup()) };
    Page { place: Place::Detections, title: "Detections".into(), body }.reply(asking)
}

/// Of each rule: the newest alert's time, and how many there were of late.
fn found(asking: &Asking<'_>, org: &OrgId) -> Result<BTreeMap<String, (UnixSeconds, u64)>> {
    let (name, since) = (org.to_string(), asking.now.seconds().minus(RECENT_S));
    let mut found: BTreeMap<String, (UnixSeconds, u64)> = BTreeMap::new();
    asking.site.history(|history| {
        for row in history.rows().iter().filter(|row| row.is_of(&name)) {
            let rule = history.rule(row);
            let of_rule = match found.get_mut(rule) {
                Some(of_rule) => of_rule,
                None => found.entry(rule.to_owned()).or_default(),
            };
            of_rule.0 = of_rule.0.max(row.last);
            of_rule.1 += u64::from(row.last >= since);
        }
        Ok(())
    })?;
    Ok(found)
}

impl Module {
    fn of(
        manifest: &Manifest,
        (status, wanted): (Option<&ModuleStatus>, Option<&Wanted>),
        heard: &Heard,
        found: &BTreeMap<String, (UnixSeconds, u64)>,
    ) -> Self {
        let is_own = manifest.name == builtin::NAME;
        let mut all = if is_own { Vec::new() } else { doubts(manifest, wanted) };
        all.extend(heard.learning(manifest, wanted));
        let aside = status.and_then(|status| status.set_aside.as_ref());
        if let Some(aside) = aside {
            all.insert(0, format!("is set aside since {}: {}", aside.at, aside.why.text()));
        }
        let is_shadow = |rule: &str| {
            wanted.is_some_and(|wanted| wanted.shadow.contains(&manifest.name) || wanted.shadow.contains(rule))
        };
        let rules =
            detections(std::slice::from_ref(manifest)).into_iter().zip(&manifest.rules).map(|(detection, rule)| {
                let (last, alerts) = found.get(&detection.id).map_or((None, 0), |(last, n)| (Some(*last), *n));
                let silent = heard.silent(&manifest.name, rule).filter(|_| last.is_none());
                Rule { is_shadow: is_shadow(&detection.id), silent, severity: rule.severity, last, alerts, detection }
            });
        Self {
            name: manifest.name.clone(),
            title: manifest.title.clone(),
            is_blind: aside.is_some(),
            doubts: all,
            rules: rules.collect(),
        }
    }
}

impl Detections {
    pub fn markup(&self) -> Markup {
        html! {
            @if self.orgs.is_empty() { (nothing("No rule is known: gridwatch has not run on this state folder.")) }
            @for (org, modules) in &self.orgs {
                @if self.orgs.len() > 1 { h2.org { (org) } }
                (summary(modules))
                @for module in modules { (self.module(org, module)) }
            }
        }
    }

    fn module(&self, org: &OrgId, module: &Module) -> Markup {
        html! {
            section.module aria-label=(plain(&whose(&module.name, org, self.orgs.len()))) {
                h2 { (text(&module.name)) " " span.faint { (text(&module.title)) } }
                @if !module.doubts.is_empty() {
                    ul.doubts { @for (n, doubt) in module.doubts.iter().enumerate() {
                        @let is_blind = module.is_blind && n == 0;
                        li { span.mark.bad[is_blind] { @if is_blind { "blind" } @else { "sees less" } } " " (long(doubt)) }
                    } }
                }
                (wide(&whose(&format!("Rules of {}", module.name), org, self.orgs.len()), &html! {
                    table.rules {
                        thead { tr { th scope="col" { "rule" } th scope="col" { "up to" } th scope="col" { "actions" } th scope="col" { "threshold" } th scope="col" { "ATT&CK" } th scope="col" { "last found" } th scope="col" { "30 days" } } }
                        tbody { @for rule in &module.rules { (self.rule(org, rule)) } }
                    }
                }))
            }
        }
    }

    fn rule(&self, org: &OrgId, rule: &Rule) -> Markup {
        let detection = &rule.detection;
        let more = detection.actions.len().saturating_sub(ACTIONS);
        html! {
            tr.(class(rule.severity)) {
                th scope="row" {
                    a.id href=(address(&["alerts"], &[("rule", &detection.id), ("since", "90d"), ("org", &org.to_string())])) { (text(&detection.id)) }
                    @if rule.is_shadow { " " span.mark { "in shadow" } }
                    details {
                        summary { (text(&detection.title)) }
                        p { (long(&detection.condition)) }
                        @if !detection.response.is_empty() { ul { @for step in &detection.response { li { (long(step)) } } } }
                    }
                }
                td { (severity(rule.severity)) }
                td { @for (n, action) in detection.actions.iter().take(ACTIONS).enumerate() { @if n > 0 { ", " } code { (text(action)) } } @if more > 0 { span.faint { " and " (more) " more" } } }
                td { (text(&detection.threshold)) }
                td { (text(&detection.attack.join(" "))) }
                td { @match (rule.last, &rule.silent) { (Some(at), _) => { (ago(at.millis(), self.now)) p.faint { (time(at)) } } (None, Some(why)) => { span.mark { "could not" } p.faint { (text(why)) } } (None, None) => span.faint { "never" } } }
                td.n { (number(rule.alerts)) }
            }
        }
    }
}

fn summary(modules: &[Module]) -> Markup {
    let rules: usize = modules.iter().map(|module| module.rules.len()).sum();
    let found = modules.iter().flat_map(|module| &module.rules).filter(|rule| rule.alerts > 0).count();
    let silent = modules.iter().flat_map(|module| &module.rules).filter(|rule| rule.silent.is_some()).count();
    let doubtful = modules.iter().filter(|module| !module.doubts.is_empty()).count();
    html! {
        p.lead {
            strong { (count(rules as u64, "rule")) } " in " (count(modules.len() as u64, "module")) "; " (found) " of them found something in the last 30 days. "
            @if silent > 0 { (count(silent as u64, "rule")) " could not have: no entry of " (if silent == 1 { "its" } else { "their" }) " actions has come. " }
            @if doubtful > 0 { (count(doubtful as u64, "module")) " could see more than " (if doubtful == 1 { "it does" } else { "they do" }) ": they come first." }
        }
    }
}
