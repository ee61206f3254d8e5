//! Responses: what was done about alerts, as rows of a file that is only ever appended to.
//!
//! An act has two rows: that it is going to be done, and what came of it. The first is on disk before the call, so an act
//! whose end isn't known (killed in between, an answer that never came) is never taken for one that wasn't done.

use gridwatch_event::time::UnixMillis;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseRow {
    /// Of the act: both of its rows have it.
    pub id: String,
    pub at: UnixMillis,
    pub stage: Stage,
    /// The alert's uid.
    pub alert: String,
    pub rule: String,
    pub method: String,
    /// As in [`crate::plan::PlannedCall::targets`].
    pub targets: Vec<String>,
    pub arguments: BTreeMap<String, String>,
    /// User id of the token's owner: the actor of what Slack logs of it.
    pub responder: String,
    /// Who ran it: the operating system's name of them.
    pub by: String,
    pub reason: String,
    /// Slack's word for why it wasn't done, or what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// About to be done.
    Intent,
    Done,
    /// Slack refused: nothing was done.
    Failed,
    /// Sent, and no answer that says what became of it.
    Unknown,
}

/// What is known of an act on one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Past {
    Never,
    Done {
        id: String,
        at: UnixMillis,
    },
    /// Begun, and its end is not known.
    Unknown {
        id: String,
        at: UnixMillis,
    },
}

impl ResponseRow {
    /// The id of an act that is begun now.
    pub fn new_id(alert: &str, method: &str, targets: &[String], at: UnixMillis) -> String {
        let digest = Sha256::digest(format!("{alert}\n{method}\n{}\n{}", targets.join(","), at.0));
        format!("r-{}", gridwatch_event::text::hex(&digest[..8]))
    }

    /// The row that follows an intent.
    pub fn followed_by(&self, stage: Stage, error: Option<String>, at: UnixMillis) -> Self {
        Self { stage, error, at, ..self.clone() }
    }
}

/// Rows of a file. Lines that are none, like one that was torn by a crash, are counted and left out.
pub fn rows(text: &str) -> (Vec<ResponseRow>, usize) {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let rows: Vec<ResponseRow> = lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let odd = lines.len() - rows.len();
    (rows, odd)
}

/// What was done before, for this alert, by this method, to this target. A failed try was no act.
pub fn past(rows: &[ResponseRow], alert: &str, method: &str, target: &str) -> Past {
    let is_it =
        |row: &&ResponseRow| row.alert == alert && row.method == method && row.targets.iter().any(|t| t == target);
    let mut past = Past::Never;
    // The latest act counts, but a failed one doesn't make an earlier one undone.
    let mut begun: Option<(&ResponseRow, Past)> = None;
    for row in rows.iter().filter(is_it) {
        match row.stage {
            Stage::Intent => {
                begun = Some((row, past.clone()));
                past = Past::Unknown { id: row.id.clone(), at: row.at };
            }
            Stage::Done => past = Past::Done { id: row.id.clone(), at: row.at },
            Stage::Unknown => past = Past::Unknown { id: row.id.clone(), at: row.at },
            Stage::Failed => {
                if let Some((_, before)) = begun.take().filter(|(intent, _)| intent.id == row.id) {
                    past = before;
                }
            }
        }
    }
    past
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, stage: Stage, target: &str) -> ResponseRow {
        ResponseRow {
            id: id.into(),
            at: UnixMillis(1),
            stage,
            alert: "gw-1".into(),
            rule: "m.r".into(),
            method: "files.revokePublicURL".into(),
            targets: vec![target.into()],
            arguments: BTreeMap::from([("file".into(), target.into())]),
            responder: "W9".into(),
            by: "ops".into(),
            reason: "test".into(),
            error: None,
        }
    }

    fn past_of(stages: &[(&str, Stage)]) -> Past {
        let rows: Vec<ResponseRow> = stages.iter().map(|(id, stage)| row(id, *stage, "F1")).collect();
        past(&rows, "gw-1", "files.revokePublicURL", "F1")
    }

    #[test]
    fn the_past_of_an_act_is_its_last_row_but_a_refusal_is_no_act() {
        use Stage::{Done, Failed, Intent, Unknown};
        let unknown = |id: &str| Past::Unknown { id: id.into(), at: UnixMillis(1) };
        let done = Past::Done { id: "a".into(), at: UnixMillis(1) };
        assert_eq!(past_of(&[]), Past::Never);
        assert_eq!(past_of(&[("a", Intent)]), unknown("a"), "killed in between");
        assert_eq!(past_of(&[("a", Intent), ("a", Unknown)]), unknown("a"));
        assert_eq!(past_of(&[("a", Intent), ("a", Done)]), done);
        assert_eq!(past_of(&[("a", Intent), ("a", Failed)]), Past::Never);
        assert_eq!(past_of(&[("a", Intent), ("a", Done), ("b", Intent), ("b", Failed)]), done);
        assert_eq!(past_of(&[("a", Intent), ("b", Intent), ("b", Failed)]), unknown("a"));
        let other = [row("a", Done, "F2")];
        assert_eq!(past(&other, "gw-1", "files.revokePublicURL", "F1"), Past::Never, "another target");
    }

    #[test]
    fn a_torn_line_costs_itself_and_no_other() {
        let line = serde_json::to_string(&row("a", Stage::Done, "F1")).unwrap();
        let (rows, odd) = rows(&format!("{line}\n{}\n\n{line}\n", &line[..40]));
        assert_eq!((rows.len(), odd), (2, 1));
        assert_eq!(rows[0], row("a", Stage::Done, "F1"));
    }
}
