//! *Coverage*: ATT&CK as a matrix. What rules cover, what was observed, what is a gap and why.

use super::parts::{command, count, nothing, number, whose, wide};
use super::{Page, Place, Reply};
use crate::history::Row;
use crate::look::coverage::{by_technique, in_history};
use crate::web::html::{address, plain, text};
use crate::web::site::Asking;
use anyhow::Result;
use gridwatch_event::org::OrgId;
use gridwatch_manifest::Manifest;
use gridwatch_names::attack::{self, technique};
use gridwatch_rules::coverage::{Coverage, Covered, Gap, Why, coverage};
use maud::{Markup, html};
use std::collections::{BTreeMap, BTreeSet};

/// In ATT&CK's order.
const TACTICS: [&str; 15] = [
    "reconnaissance",
    "resource-development",
    "initial-access",
    "execution",
    "persistence",
    "privilege-escalation",
    "stealth",
    "defense-impairment",
    "credential-access",
    "discovery",
    "lateral-movement",
    "collection",
    "command-and-control",
    "exfiltration",
    "impact",
];
/// Of the newest alerts, those that are counted.
const COUNTED: usize = 10_000;

pub struct Matrix {
    /// Each organization's modules may be others.
    pub orgs: Vec<(OrgId, Coverage)>,
}

/// # Errors
/// The state folder or the history can't be read.
pub fn page(asking: &Asking<'_>) -> Result<Reply> {
    let (status, _) = asking.look()?;
    let mut orgs = Vec::new();
    for (org, of_org) in status.unwrap_or_default().orgs {
        let manifests = asking.site.manifests(&of_org);
        let manifests: Vec<&Manifest> = manifests.iter().map(|manifest| &**manifest).collect();
        let observed = observed(asking, &org)?;
        orgs.push((org, coverage(&manifests, Some(&observed))));
    }
    let shown = Matrix { orgs };
    let body = html! { h1 { "Coverage" } (shown.markup()) };
    Page { place: Place::Coverage, title: "Coverage".into(), body }.reply(asking)
}

fn observed(asking: &Asking<'_>, org: &OrgId) -> Result<BTreeMap<String, u64>> {
    let name = org.to_string();
    let count = || {
        let counted = asking.site.history(|history| {
            let of_org = history.rows().iter().rev().filter(|row| row.is_of(&name));
            let oldest = of_org.map(|row| row.last).nth(COUNTED).unwrap_or_default();
            let mut seen = BTreeSet::new();
            in_history(history, asking.now, |row: &Row| row.is_of(&name) && row.last >= oldest, &mut seen)?;
            Ok(by_technique(seen))
        })?;
        Ok(counted.unwrap_or_default())
    };
    Ok((*asking.site.counted(&format!("techniques {name}"), count)?).clone())
}

/// A technique in a column of the matrix.
struct Cell<'c> {
    id: &'c str,
    covered: Option<&'c Covered>,
    gap: Option<&'c Gap>,
}

impl Cell<'_> {
    fn class(&self) -> &'static str {
        match (self.covered, self.gap) {
            (Some(covered), _) if covered.observed.unwrap_or(0) > 0 => "observed",
            (Some(_), Some(_)) => "partly",
            (Some(_), None) => "covered",
            (None, Some(gap)) if gap.why == Why::NotVisible => "invisible",
            (None, _) => "gap",
        }
    }

    fn text(&self) -> String {
        let rules = self.covered.map(|covered| covered.rules.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
        let seen = self.covered.and_then(|covered| covered.observed).filter(|n| *n > 0);
        let parts = [
            rules.map(|rules| format!("covered by {rules}")),
            seen.map(|n| format!("{} in 30 days", count(n, "alert"))),
            self.gap.map(|gap| {
                if gap.unseen.is_empty() {
                    gap.why.text().to_owned()
                } else {
                    format!("{}: {}", gap.why.text(), gap.unseen)
                }
            }),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

/// By tactic, in ATT&CK's order. A technique of several tactics is in each.
fn columns(coverage: &Coverage) -> Vec<(&'static str, Vec<Cell<'_>>)> {
    let covered: BTreeMap<&str, &Covered> =
        coverage.covered.iter().map(|covered| (covered.technique.as_str(), covered)).collect();
    let gaps: BTreeMap<&str, &Gap> = coverage.gaps.iter().map(|gap| (gap.technique, gap)).collect();
    let ids: BTreeSet<&str> = covered.keys().chain(gaps.keys()).copied().collect();
    let of = |tactic: &'static str| {
        let is_in = |id: &&str| technique(id).is_some_and(|technique| technique.tactics.contains(&tactic));
        let cell = |id| Cell { id, covered: covered.get(id).copied(), gap: gaps.get(id).copied() };
        (tactic, ids.iter().copied().filter(is_in).map(cell).collect::<Vec<_>>())
    };
    TACTICS.into_iter().map(of).filter(|(_, cells)| !cells.is_empty()).collect()
}

const KEY: [(&str, &str); 5] = [
    ("observed", "covered, and observed in 30 days"),
    ("covered", "covered"),
    ("partly", "covered as far as the audit log shows it"),
    ("gap", "the audit log shows it, and no rule looks"),
    ("invisible", "the audit log doesn't show it"),
];

impl Matrix {
    pub fn markup(&self) -> Markup {
        html! {
            @if self.orgs.is_empty() { (nothing("No rule is known: gridwatch has not run on this state folder.")) }
            @for (org, coverage) in &self.orgs {
                @if self.orgs.len() > 1 { h2.org { (org) } }
                (lead(coverage))
                p.legend { @for (class, name) in KEY { span { span.key.(class) {} " " (name) } " " } }
                (wide(&whose("The matrix", org, self.orgs.len()), &matrix(org, coverage, self.orgs.len())))
                (gaps(coverage))
            }
            (command("gridwatch coverage --state-dir DIR --format navigator > layers.json"))
        }
    }
}

fn lead(coverage: &Coverage) -> Markup {
    let observed = coverage.covered.iter().filter(|covered| covered.observed.unwrap_or(0) > 0).count();
    let open = coverage.gaps.iter().filter(|gap| gap.why == Why::NoRule).count();
    html! {
        p.lead {
            strong { (count(coverage.covered.len() as u64, "technique")) } " of ATT&CK v" (attack::VERSION) " covered, " (observed) " of them observed in 30 days; "
            (open) " that the audit log shows and no rule looks for. "
            (count(coverage.watched.len() as u64, "action")) " of Slack watched by name."
        }
    }
}

fn matrix(org: &OrgId, coverage: &Coverage, orgs: usize) -> Markup {
    let called = |tactic: &str| whose(tactic, org, orgs);
    let org = org.name().unwrap_or_default();
    html! {
        div.matrix {
            @for (tactic, cells) in columns(coverage) {
                section aria-label=(called(tactic)) {
                    h2 { (tactic.replace('-', " ")) }
                    ul {
                        @for cell in cells {
                            li.(cell.class()) title=(plain(&cell.text())) {
                                @match cell.covered.and_then(|covered| covered.rules.first()) {
                                    Some(rule) => a href=(address(&["alerts"], &[("rule", rule), ("since", "30d"), ("org", org)])) { (text(cell.id)) },
                                    None => span { (text(cell.id)) },
                                }
                                span.name { (technique(cell.id).and_then(|technique| technique.name).unwrap_or_default()) }
                                @if let Some(n) = cell.covered.and_then(|covered| covered.observed).filter(|n| *n > 0) { strong { (number(n)) span.unseen { " alerts in 30 days" } } }
                                span.unseen { ": " (text(&cell.text())) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn gaps(coverage: &Coverage) -> Markup {
    html! {
        @for why in [Why::NoRule, Why::PartlyVisible, Why::NotVisible] {
            @let gaps: Vec<&Gap> = coverage.gaps.iter().filter(|gap| gap.why == why).collect();
            @if !gaps.is_empty() {
                details.gaps open[why == Why::NoRule] {
                    summary { "Gaps, " (why.text()) ": " (gaps.len()) }
                    table {
                        thead { tr { th scope="col" { "technique" } th scope="col" { "in Slack" } th scope="col" { "not seen" } th scope="col" { "closed by" } } }
                        tbody { @for gap in gaps { tr { th scope="row" { (gap.technique) } td { (gap.means) } td { (gap.unseen) } td { (gap.closes) } } } }
                    }
                }
            }
        }
    }
}
