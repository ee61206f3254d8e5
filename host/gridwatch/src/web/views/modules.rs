//! *Modules*: which version of each serves, by whom it is signed and since when; how loud it is, and how it fares.

use super::parts::{ago, command, count, nothing, number, whose, wide};
use super::{Page, Place, Reply};
use crate::history::Row;
use crate::modules::lineup::{Lineup, Placed};
use crate::store::judges::JudgedBy;
use crate::telemetry::status::{ModuleStatus, Status, UNSIGNED};
use crate::web::chart;
use crate::web::html::{address, long, plain, text};
use crate::web::site::Asking;
use anyhow::Result;
use gridwatch_event::org::OrgId;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use maud::{Markup, html};
use std::collections::BTreeMap;

const DAY_S: u64 = 86_400;
/// Days that alerts are counted over.
const DAYS: usize = 30;

pub struct Modules {
    pub now: UnixMillis,
    pub orgs: Vec<OfOrg>,
    /// What of the folder doesn't serve.
    pub waiting: Vec<String>,
    pub unsigned_allowed: bool,
    /// What was done just now, or why it wasn't.
    pub done: Option<(bool, String)>,
}

pub struct OfOrg {
    pub org: OrgId,
    pub may_act: bool,
    pub modules: Vec<Module>,
    /// Files of the modules folder.
    pub files: Vec<String>,
}

pub struct Module {
    pub status: ModuleStatus,
    pub placed: Placed,
    pub signer: Option<String>,
    /// Since which sequence number, and when that was.
    pub since: Option<(u64, UnixMillis)>,
    /// Alerts of each day, those of Medium and above, and those that were held back.
    pub by_day: Vec<u64>,
    pub grave: u64,
    pub suppressed: u64,
    /// Of rules in shadow: nobody was told.
    pub shadowed: u64,
    /// Of all its rules: alerts a day and 1,000 people.
    pub budget: Option<f64>,
}

/// # Errors
/// The state folder can't be read.
pub fn page(asking: &Asking<'_>) -> Result<Reply> {
    let (status, _) = asking.look()?;
    let status = status.unwrap_or_default();
    let shown = Modules {
        now: asking.now,
        orgs: status.orgs.keys().map(|org| of_org(asking, &status, org)).collect::<Result<_>>()?,
        waiting: status.modules_waiting.clone(),
        unsigned_allowed: status.unsigned_allowed,
        done: asking.done(),
    };
    let body = html! { h1 { "Modules" } (shown.markup()) };
    Page { place: Place::Modules, title: "Modules".into(), body }.reply(asking)
}

fn of_org(asking: &Asking<'_>, status: &Status, org: &OrgId) -> Result<OfOrg> {
    let (site, of_org) = (asking.site, status.org(org));
    let dir = site.paths(org).dir;
    let mut lineup = Lineup::read(&Lineup::path(&dir)).unwrap_or_default();
    let judged = JudgedBy::read(&JudgedBy::mirror(&dir)).unwrap_or_default();
    let signers = site.config(org).map(|config| site.signers(config)).unwrap_or_default();
    let manifests = site.manifests(&of_org);
    let mut noise = noise(asking, org)?;
    let module = |status: &ModuleStatus| {
        let noise = noise.remove(&status.name).unwrap_or_default();
        let manifest = manifests.iter().find(|manifest| manifest.name == status.name);
        Module {
            placed: lineup.modules.remove(&status.name).unwrap_or_default(),
            signer: signers.get(&status.digest).cloned(),
            since: since(&judged, status),
            by_day: noise.by_day,
            grave: noise.grave,
            suppressed: noise.suppressed,
            shadowed: noise.shadowed,
            budget: manifest.map(|manifest| manifest.rules.iter().map(|rule| rule.budget).sum()),
            status: status.clone(),
        }
    };
    let mut modules: Vec<Module> = of_org.modules.iter().map(module).collect();
    // What needs somebody comes first.
    modules.sort_by_key(|module| {
        module.status.set_aside.is_none() && module.status.faults == 0 && !module.placed.disabled
    });
    let files = site.config(org).map(|config| files(&config.modules.dir)).unwrap_or_default();
    Ok(OfOrg { org: org.clone(), may_act: asking.visitor.may_act(org), modules, files })
}

/// Names of what may be installed.
pub fn files(dir: &std::path::Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).into_iter().flatten().flatten().take(1_000);
    let mut names: Vec<String> =
        names.filter_map(|file| file.file_name().into_string().ok()).filter(|name| name.ends_with(".wasm")).collect();
    names.sort();
    names
}

/// The first row of those, up to the newest, in which it is this version that judges.
fn since(judged: &[JudgedBy], module: &ModuleStatus) -> Option<(u64, UnixMillis)> {
    let is_it =
        |row: &&JudgedBy| row.judges.modules.get(&module.name).is_some_and(|judge| judge.digest == module.digest);
    judged.iter().rev().take_while(is_it).last().map(|row| (row.from_seq, row.at))
}

#[derive(Default)]
struct Noise {
    by_day: Vec<u64>,
    grave: u64,
    suppressed: u64,
    shadowed: u64,
}

fn noise(asking: &Asking<'_>, org: &OrgId) -> Result<BTreeMap<String, Noise>> {
    let (name, today) = (org.to_string(), asking.now.seconds().0 / DAY_S);
    let day = |at: UnixSeconds| {
        (at.0 / DAY_S + DAYS as u64).checked_sub(today + 1).map(|day| day as usize).filter(|day| *day < DAYS)
    };
    let mut noise: BTreeMap<String, Noise> = BTreeMap::new();
    asking.site.history(|history| {
        let is_asked = |row: &&Row| row.is_of(&name);
        for row in history.rows().iter().filter(is_asked) {
            let Some(day) = day(row.last) else { continue };
            let module = history.rule(row).split('.').next().unwrap_or_default();
            let of_module =
                noise.entry(module.to_owned()).or_insert_with(|| Noise { by_day: vec![0; DAYS], ..Noise::default() });
            if row.is_suppressed {
                of_module.suppressed += u64::from(!row.is_shadow);
                of_module.shadowed += u64::from(row.is_shadow);
                continue;
            }
            of_module.by_day[day] += 1;
            of_module.grave += u64::from(row.severity >= gridwatch_manifest::Severity::Medium);
        }
        Ok(())
    })?;
    Ok(noise)
}

impl Modules {
    pub fn markup(&self) -> Markup {
        html! {
            @if let Some((is_good, what)) = &self.done { p.outcome.good[*is_good].bad[!is_good] role="status" { (long(what)) } }
            @if self.unsigned_allowed { p.warning { (UNSIGNED) } }
            @if !self.waiting.is_empty() {
                section aria-label="What does not serve" {
                    h2 { "In the folder, and not in service" }
                    ul { @for line in &self.waiting { li { (long(line)) } } }
                }
            }
            @if self.orgs.is_empty() { (nothing("No module serves: gridwatch has not run on this state folder.")) }
            @for of_org in &self.orgs {
                section aria-label=(plain(&format!("Modules of {}", of_org.org))) {
                    @if self.orgs.len() > 1 { h2.org { (of_org.org) } }
                    @if of_org.modules.is_empty() { (nothing("No module serves.")) }
                    @else { (wide(&whose("Modules that serve", &of_org.org, self.orgs.len()), &self.table(of_org))) }
                    @if of_org.may_act && !of_org.files.is_empty() { (install(of_org)) }
                }
            }
            h2 { "What would another version say?" }
            p { "Tried on the archive beside the one that serves, without changing anything:" }
            (command("gridwatch module backtest FILE.wasm --config FILE"))
        }
    }

    fn table(&self, of_org: &OfOrg) -> Markup {
        html! {
            table.modules {
                thead { tr {
                    th scope="col" { "module" } th scope="col" { "file" } th scope="col" { "since" } th scope="col" { "alerts in 30 days" } th scope="col" { "budget" } th scope="col" { "fares" }
                    @if of_org.may_act { th scope="col" { "acts" } }
                } }
                tbody { @for module in &of_org.modules { (self.row(of_org, module)) } }
            }
        }
    }

    fn row(&self, of_org: &OfOrg, module: &Module) -> Markup {
        let Module { status, placed, .. } = module;
        let sum: u64 = module.by_day.iter().sum();
        let loud = format!("{} in 30 days, by day", count(sum, "alert"));
        html! {
            tr {
                th scope="row" {
                    a href=(address(&["alerts"], &[("rule", &format!("{}.*", status.name)), ("since", "30d"), ("org", &of_org.org.to_string())])) { (text(&status.name)) }
                    "@" (text(&status.version))
                    p.faint { (count(status.rules as u64, "rule")) }
                }
                td {
                    code title=(plain(&status.digest)) { (text(status.digest.get(..12).unwrap_or(&status.digest))) }
                    p { @match &module.signer { Some(signer) => { "signed: " (text(signer)) }, None => span.faint { "signer not known here" } } }
                }
                td { @match module.since { Some((seq, at)) => { "event " (number(seq)) p.faint { (ago(at, self.now)) } }, None => span.faint { "not known" } } }
                td { (chart::spark(&loud, &module.by_day)) p { (count(sum, "alert")) ", " (number(module.grave)) " of Medium or above" } @if module.suppressed > 0 { p.faint { (number(module.suppressed)) " held back" } }
                    @if module.shadowed > 0 { p.faint { a href=(address(&["alerts"], &[("rule", &format!("{}.*", status.name)), ("since", "30d"), ("kept", "shadow"), ("org", &of_org.org.to_string())])) { (number(module.shadowed)) " in shadow" } } }
                }
                td { @match module.budget { Some(budget) => { (format!("{budget:.2}")) p.faint { "a day and 1,000 people" } }, None => span.faint { "not known" } } }
                td { (self.fares(status, placed)) }
                @if of_org.may_act { td { (acts(&of_org.org, status, placed)) } }
            }
        }
    }

    fn fares(&self, status: &ModuleStatus, placed: &Placed) -> Markup {
        let is_well = status.set_aside.is_none() && status.faults == 0 && !placed.disabled;
        html! {
            @if is_well { span.mark.good { "well" } }
            @if placed.disabled { span.mark.bad { "disabled" } " its rules watch nothing" }
            @if let Some(aside) = &status.set_aside { p { span.mark.bad { "set aside" } " since " (ago(aside.at, self.now)) ": " (text(&aside.why.text())) "; " (number(status.unjudged)) " events unjudged. " (long(&aside.last_fault)) } }
            @if let Some(fault) = &status.last_fault { p { (count(status.faults, "fault")) ", the last " (ago(fault.at, self.now)) " on " code { (text(&fault.event)) } ": " (long(&fault.reason)) } }
            @if status.on_probation { p { span.mark { "on probation" } " the version before judges beside it" } }
            @if placed.pinned { p { span.mark { "pinned" } } }
            @if status.lines_dropped > 0 { p { (number(status.lines_dropped)) " log lines over its limit" } }
            @if status.busy_ms > 0 { p.faint { (format!("{:.1} s of work", status.busy_ms as f64 / 1_000.0)) } }
            @if let Some(before) = placed.before.last() { p.faint { "before it: " (text(&before.version)) } }
        }
    }
}

fn acts(org: &OrgId, status: &ModuleStatus, placed: &Placed) -> Markup {
    let act = |what: &str, name: &str| {
        html! {
            form method="post" action="/modules/act" {
                input type="hidden" name="org" value=(org);
                input type="hidden" name="module" value=(plain(&status.name));
                button name="act" value=(what) aria-label=(plain(&format!("{name} {}", status.name))) { (name) }
            }
        }
    };
    html! {
        div.acts {
            @if placed.before.last().is_some() && !placed.disabled { (act("rollback", "Roll back")) }
            @if placed.disabled { (act("enable", "Enable")) } @else { (act("disable", "Disable")) }
            @if placed.pinned { (act("unpin", "Unpin")) } @else { (act("pin", "Pin")) }
        }
    }
}

fn install(of_org: &OfOrg) -> Markup {
    let id = format!("file-{}", of_org.org);
    html! {
        form.install method="post" action="/modules/act" {
            input type="hidden" name="org" value=(of_org.org);
            label for=(id) { "Install a file of the modules folder" }
            select id=(id) name="module" { @for file in &of_org.files { option value=(plain(file)) { (plain(file)) } } }
            button name="act" value="install" { "Install" }
        }
    }
}
