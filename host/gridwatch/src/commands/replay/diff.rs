//! What another folder of modules makes of the same entries: alerts added, lost and changed.
//!
//! Alerts are the same by id, which is made of rule, key and period; their newest revisions are compared, by severity and title.

use super::{End, Ran, Replay};
use crate::modules::Wanted;
use anyhow::Result;
use gridwatch_manifest::Severity;
use gridwatch_rules::exception::Exceptions;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::Arc;

/// One difference. The field names are those of `--json`.
#[derive(Debug, Serialize)]
struct Difference<'d> {
    change: &'static str,
    uid: &'d str,
    rule: &'d str,
    before: Option<&'d Said>,
    after: Option<&'d Said>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Said {
    #[serde(skip)]
    rule: String,
    severity: Severity,
    title: String,
}

type AlertsById = BTreeMap<String, Said>;

/// Writes what the modules of `new` say otherwise than those of `old`; true if that is nothing, and what came of `new`. The
/// exceptions are those of `new` for both.
///
/// # Errors
/// A module fails to start, the archive can't be read, or `out` refuses.
pub fn compare(
    replay: &Replay<'_>,
    old: &Wanted,
    new: &Wanted,
    json: bool,
    out: &mut dyn Write,
) -> Result<(bool, Ran)> {
    let (mut before, mut after) = (AlertsById::new(), AlertsById::new());
    let ran = told(replay, new, None, &mut after)?;
    told(replay, old, Some(ran.exceptions.clone()), &mut before)?;
    let uids: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differences: Vec<Difference<'_>> =
        uids.into_iter().filter_map(|uid| Difference::of(uid, before.get(uid), after.get(uid))).collect();
    for difference in &differences {
        match json {
            true => writeln!(out, "{}", serde_json::to_string(difference)?)?,
            false => difference.write(out)?,
        }
    }
    if !json {
        let count = |change: &str| differences.iter().filter(|difference| difference.change == change).count();
        let (added, lost, changed) = (count("added"), count("lost"), count("changed"));
        writeln!(
            out,
            "{added} added, {lost} lost, {changed} changed; {} alerts before, {} now",
            before.len(),
            after.len()
        )?;
    }
    Ok((differences.is_empty(), ran))
}

fn told(
    replay: &Replay<'_>,
    wanted: &Wanted,
    exceptions: Option<Arc<Exceptions>>,
    told: &mut AlertsById,
) -> Result<Ran> {
    let ran = replay.run(wanted, exceptions, End::AsLive, &mut |alert| {
        let said = Said { rule: alert.rule.clone(), severity: alert.severity, title: alert.title.clone() };
        told.insert(alert.uid.clone(), said);
        Ok(())
    })?;
    ran.troubles.lines().for_each(|line| eprintln!("{}: {line}", wanted.dir.display()));
    Ok(ran)
}

impl<'d> Difference<'d> {
    fn of(uid: &'d str, before: Option<&'d Said>, after: Option<&'d Said>) -> Option<Self> {
        let change = match (before, after) {
            (before, after) if before == after => return None,
            (None, _) => "added",
            (_, None) => "lost",
            _ => "changed",
        };
        let rule = &after.or(before)?.rule;
        Some(Self { change, uid, rule, before, after })
    }

    fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let said = |said: &Said| format!("{} {}", said.severity.name().to_uppercase(), said.title);
        let said: Vec<String> = [self.before, self.after].into_iter().flatten().map(said).collect();
        writeln!(out, "{:<8} {}  {}  {}", self.change, self.uid, self.rule, said.join(" → "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_in_severity_or_title() {
        let said = |severity, title: &str| Said { rule: "m.r".into(), severity, title: title.into() };
        let (low, high, other) = (said(Severity::Low, "t"), said(Severity::High, "t"), said(Severity::Low, "u"));
        let same = low.clone();
        let change = |before, after| Difference::of("gw-1", before, after).map(|difference| difference.change);
        assert_eq!(change(Some(&low), Some(&same)), None);
        assert_eq!(
            (change(Some(&low), Some(&high)), change(Some(&low), Some(&other))),
            (Some("changed"), Some("changed"))
        );
        assert_eq!((change(None, Some(&low)), change(Some(&low), None)), (Some("added"), Some("lost")));
        let mut out = Vec::new();
        Difference::of("gw-1", Some(&low), Some(&high)).expect("one").write(&mut out).expect("memory");
        assert_eq!(String::from_utf8(out).expect("UTF-8"), "changed  gw-1  m.r  LOW t → HIGH t\n");
    }
}
