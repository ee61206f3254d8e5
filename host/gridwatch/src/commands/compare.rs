//! How alerts of two runs over the same entries differ: added, lost and changed.
//!
//! Alerts are the same by id, which is made of rule, key and period; their newest revisions are compared, by severity and title.

use gridwatch_manifest::Severity;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

/// One difference. The field names are those of `--json`.
#[derive(Debug, Serialize)]
pub struct Difference<'d> {
    pub change: &'static str,
    uid: &'d str,
    rule: &'d str,
    before: Option<&'d Said>,
    after: Option<&'d Said>,
}

/// What is compared of an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Said {
    #[serde(skip)]
    pub rule: String,
    pub severity: Severity,
    pub title: String,
}

pub type AlertsById = BTreeMap<String, Said>;

/// All that one says otherwise than the other, in the order of ids.
pub fn differences<'d>(before: &'d AlertsById, after: &'d AlertsById) -> Vec<Difference<'d>> {
    let uids: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    uids.into_iter().filter_map(|uid| Difference::of(uid, before.get(uid), after.get(uid))).collect()
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

    pub fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
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
