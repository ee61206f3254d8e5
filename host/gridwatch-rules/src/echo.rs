//! Echoes: entries that Slack logs because gridwatch's own responder did something.
//!
//! They set rules off like anybody's acts, and would answer an alert with an alert. What is taken for an echo is exactly one
//! of the actions that an act is known to log, by the responder, on the act's own target, within [`WITHIN_S`] of it. Anything
//! else the responder does still counts: a stolen responder's token is worth an alert.
//!
//! An entry names less than an act: of a session its user alone, and of a shared channel perhaps not with whom it was shared.

use crate::response::{ResponseRow, Stage};
use gridwatch_event::event::Event;
use gridwatch_event::mention;
use gridwatch_event::time::UnixSeconds;
use gridwatch_names::method;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How long after an act its entry may be dated.
pub const WITHIN_S: u64 = 600;
/// How far Slack's clock may be behind the one that the act was recorded by.
const SKEW_S: u64 = 30;
/// Acts remembered; the oldest go first. Entries are detected minutes after they happen, so the newest matter.
const MAX_ACTS: usize = 10_000;

/// The acts that echoes may come of.
#[derive(Clone, Debug, Default)]
pub struct Echoes {
    /// By responder.
    acts: BTreeMap<String, VecDeque<Act>>,
    count: usize,
}

#[derive(Clone, Debug)]
struct Act {
    id: String,
    at: UnixSeconds,
    actions: &'static [&'static str],
    targets: BTreeSet<String>,
}

impl Echoes {
    pub fn of(rows: &[ResponseRow]) -> Self {
        let mut echoes = Self::default();
        rows.iter().for_each(|row| echoes.learn(row));
        echoes
    }

    /// Takes in one more row, in the order of the file.
    pub fn learn(&mut self, row: &ResponseRow) {
        match row.stage {
            // From the intent on: whoever was killed before the outcome may have done it.
            Stage::Intent => self.add(row),
            Stage::Failed => self.forget(row),
            Stage::Done | Stage::Unknown => {}
        }
    }

    /// The id of the response that this event echoes, if it echoes one.
    pub fn covers(&self, event: &Event) -> Option<&str> {
        let acts = self.acts.get(event.actor_id())?;
        let targets = targets(event);
        let is_echo = |act: &&Act| {
            (act.at.minus(SKEW_S)..=act.at.plus(WITHIN_S)).contains(&event.time)
                && act.actions.contains(&event.action())
                && !targets.is_empty()
                && targets.iter().all(|target| act.targets.iter().any(|of_act| is_on(event, target, of_act)))
        };
        acts.iter().rev().find(is_echo).map(|act| act.id.as_str())
    }

    fn add(&mut self, row: &ResponseRow) {
        let Some(method) = method::called(&row.method).filter(|_| !row.responder.is_empty()) else { return };
        let acts = self.acts.entry(row.responder.clone()).or_default();
        let targets = row.targets.iter().cloned().collect();
        acts.push_back(Act { id: row.id.clone(), at: row.at.seconds(), actions: method.echoes, targets });
        self.count += 1;
        if self.count > MAX_ACTS {
            acts.pop_front();
            self.count -= 1;
        }
    }

    fn forget(&mut self, row: &ResponseRow) {
        if let Some(acts) = self.acts.get_mut(&row.responder) {
            let before = acts.len();
            acts.retain(|act| act.id != row.id);
            self.count -= before - acts.len();
        }
    }
}

/// What an event was done to: its entity, or everybody that a bulk act names.
fn targets(event: &Event) -> Vec<Cow<'_, str>> {
    if event.action() == "bulk_session_reset_by_admin" {
        let named = ["succeeded_users", "failed_users"].into_iter();
        return named.flat_map(|name| mention::list(event.detail(name))).collect();
    }
    let id = match event.entity_type() {
        "app" => event.entity().and_then(mention::app_id),
        _ => Some(event.entity_id().into()),
    };
    id.filter(|id| !id.is_empty()).into_iter().collect()
}

/// Is what the event was done to the target of an act? Where the entry names organizations, the act's has to be among them.
fn is_on(event: &Event, target: &str, of_act: &str) -> bool {
    let Some((head, rest)) = of_act.split_once('/') else { return target == of_act };
    let named = ["disconnecting_team", "target_team", "origin_team", "external_organization_id"];
    let named = named.into_iter().filter_map(|name| mention::id_of(event.detail(name)?));
    let named: Vec<Cow<'_, str>> = named.collect();
    target == head && (event.entity_type() != "channel" || named.is_empty() || named.iter().any(|id| id == rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridwatch_event::entry::Entry;
    use gridwatch_event::time::UnixMillis;
    use serde_json::{Value, json};

    const AT: u64 = 1_790_000_000;

    fn row(method: &str, targets: &[&str], stage: Stage) -> ResponseRow {
        ResponseRow {
            id: format!("r-{method}"),
            at: UnixMillis(AT * 1_000),
            stage,
            alert: "gw-1".into(),
            rule: "m.r".into(),
            method: method.into(),
            targets: targets.iter().map(|t| (*t).to_owned()).collect(),
            arguments: BTreeMap::new(),
            responder: "W9".into(),
            by: "ops".into(),
            reason: String::new(),
            error: None,
        }
    }

    fn event(action: &str, actor: &str, (kind, id): (&str, &str), at: u64, details: Value) -> Event {
        let entry = json!({
            "id": "e", "date_create": at, "action": action, "details": details,
            "actor": { "type": "user", "user": { "id": actor } }, "entity": { "type": kind, kind: { "id": id } },
        });
        Event::new(1, UnixMillis(0), &Entry::from_json(&entry.to_string()))
    }

    #[test]
    fn each_reversible_act_has_an_echo_on_its_target() {
        for (method, target, action, entity) in [
            ("admin.users.session.reset", "W1", "user_session_reset_by_admin", ("user", "W1")),
            ("admin.users.session.invalidate", "W1/77", "user_session_invalidated", ("user", "W1")),
            ("admin.users.session.resetBulk", "W1", "user_session_reset_by_admin", ("user", "W1")),
            ("admin.apps.restrict", "A1", "app_restricted", ("app", "A1")),
            (
                "admin.conversations.disconnectShared",
                "C1/E8",
                "external_shared_channel_disconnected",
                ("channel", "C1"),
            ),
            ("files.revokePublicURL", "F1", "file_public_link_revoked", ("file", "F1")),
        ] {
            let echoes = Echoes::of(&[row(method, &[target], Stage::Intent), row(method, &[target], Stage::Done)]);
            let event = event(action, "W9", entity, AT + 5, json!({}));
            assert_eq!(echoes.covers(&event), Some(format!("r-{method}").as_str()), "{method}");
        }
    }

    #[test]
    fn an_app_is_the_target_by_its_own_id_and_not_by_its_bots() {
        let echoes = Echoes::of(&[row("admin.apps.restrict", &["A1"], Stage::Intent)]);
        let covers = |app: Value| {
            let entry = json!({
                "id": "e", "date_create": AT, "action": "app_restricted", "entity": { "type": "app", "app": app },
                "actor": { "type": "user", "user": { "id": "W9" } },
            });
            echoes.covers(&Event::new(1, UnixMillis(0), &Entry::from_json(&entry.to_string()))).is_some()
        };
        assert!(covers(json!({ "app_id": "A1", "id": "B1" })) && covers(json!({ "app_id": "A1" })));
        assert!(!covers(json!({ "app_id": "A2", "id": "A1" })));
    }

    #[test]
    fn anything_else_by_the_responder_is_no_echo() {
        let echoes = Echoes::of(&[row("admin.users.session.reset", &["W1"], Stage::Intent)]);
        let reset = "user_session_reset_by_admin";
        let covers = |action: &str, actor: &str, target: (&str, &str), at: u64| {
            echoes.covers(&event(action, actor, target, at, json!({}))).is_some()
        };
        assert!(covers(reset, "W9", ("user", "W1"), AT + WITHIN_S));
        assert!(covers(reset, "W9", ("user", "W1"), AT - SKEW_S));
        for (what, covered) in [
            ("another target", covers(reset, "W9", ("user", "W2"), AT)),
            ("another actor", covers(reset, "W8", ("user", "W1"), AT)),
            ("another action", covers("user_deactivated", "W9", ("user", "W1"), AT)),
            ("too late", covers(reset, "W9", ("user", "W1"), AT + WITHIN_S + 1)),
            ("before it", covers(reset, "W9", ("user", "W1"), AT - SKEW_S - 1)),
            ("no target", covers(reset, "W9", ("user", ""), AT)),
        ] {
            assert!(!covered, "{what}");
        }
    }

    #[test]
    fn a_disconnected_channel_is_an_echo_only_of_the_organization_that_the_act_was_about() {
        let echoes = Echoes::of(&[row("admin.conversations.disconnectShared", &["C1/E8"], Stage::Intent)]);
        let covers = |channel: &str, details: Value| {
            let event = event("external_shared_channel_disconnected", "W9", ("channel", channel), AT, details);
            echoes.covers(&event).is_some()
        };
        assert!(covers("C1", json!({ "origin_team": "E9", "target_team": "E8" })));
        assert!(covers("C1", json!({ "disconnecting_team": "E8" })));
        assert!(covers("C1", json!({ "is_external_limited": false })), "the entry names nobody");
        assert!(!covers("C1", json!({ "origin_team": "E9", "target_team": "E7" })));
        assert!(!covers("C2", json!({ "target_team": "E8" })));
    }

    #[test]
    fn a_bulk_reset_is_an_echo_only_if_it_names_nobody_else() {
        let echoes = Echoes::of(&[row("admin.users.session.resetBulk", &["W1", "W2"], Stage::Intent)]);
        let covers = |details: Value| {
            let event = event("bulk_session_reset_by_admin", "W9", ("enterprise", "E1"), AT, details);
            echoes.covers(&event).is_some()
        };
        assert!(covers(json!({ "succeeded_users": ["W1", "W2"] })));
        assert!(covers(json!({ "succeeded_users": "[\"W1\"]", "failed_users": "[\"W2\"]" })));
        assert!(!covers(json!({ "succeeded_users": ["W1", "W3"] })));
        assert!(!covers(json!({})), "it names nobody: anybody may be meant");
    }

    #[test]
    fn what_slack_refused_has_no_echo_and_memory_is_bounded() {
        let act = |stage| row("files.revokePublicURL", &["F1"], stage);
        let echo = event("file_public_link_revoked", "W9", ("file", "F1"), AT, json!({}));
        assert_eq!(Echoes::of(&[act(Stage::Intent), act(Stage::Failed)]).covers(&echo), None);
        let rows = vec![act(Stage::Intent); MAX_ACTS + 10];
        let echoes = Echoes::of(&rows);
        assert_eq!((echoes.count, echoes.acts["W9"].len()), (MAX_ACTS, MAX_ACTS));
    }
}
