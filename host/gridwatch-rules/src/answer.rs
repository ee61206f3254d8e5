//! An answer: a rule's playbook, with what the event at hand adds to it.
//!
//! Whoever holds an account reads its Slack, so there is always a step that reaches its owner, or their manager, outside of it.
//! Where an app acted, ending a person's sessions ends nothing: its own tokens have to go, and where Slack has no call for that, its
//! vendor has to be asked.

use gridwatch_event::event::Event;
use gridwatch_event::whose::{self, is_placeholder};
use gridwatch_manifest::{Playbook, Step};
use gridwatch_names::method::On;

/// Steps of a phase, however many findings add to them.
const MAX_STEPS: usize = 16;
const OUTSIDE: &str = "by phone or in person";
/// Ends all tokens of an app.
const UNINSTALL: &str = "admin.apps.uninstall";
const SCOPE: &str = "admin.apps:write";

/// The playbook for a finding on this event.
pub fn of(playbook: &Playbook, event: &Event) -> Playbook {
    let mut answer = playbook.clone();
    answer.verify.iter_mut().for_each(|step| or_manager(&mut step.text));
    let reaches = |step: &Step| ["phone", "in person", "manager"].iter().any(|word| step.text.contains(word));
    let is_by_somebody = !event.actor_id().is_empty() && !is_placeholder(event.actor_id());
    if is_by_somebody && !all(&answer).any(reaches) {
        answer.verify.push(by_hand(format!(
            "Ask the actor or their manager {OUTSIDE}, not in Slack: whoever has the account reads it too"
        )));
    }
    if whose::app(event).is_some() {
        end_app(&mut answer);
    }
    answer
}

fn all(playbook: &Playbook) -> impl Iterator<Item = &Step> {
    playbook.verify.iter().chain(&playbook.contain).chain(&playbook.then)
}

fn by_hand(text: String) -> Step {
    Step { text, method: None, scope: None, on: None }
}

/// Whoever can't be reached has somebody who can.
fn or_manager(text: &mut String) {
    if text.contains("manager") {
        return;
    }
    for (before, after) in [
        (format!(", {OUTSIDE}"), format!(", or their manager, {OUTSIDE}")),
        (format!(" {OUTSIDE}"), format!(" or their manager {OUTSIDE}")),
    ] {
        if text.contains(&before) {
            *text = text.replacen(&before, &after, 1);
            return;
        }
    }
}

/// One answer to two findings of an alert: all steps, each once.
pub(crate) fn joined(answer: &mut Playbook, other: Playbook) {
    let phases =
        [(&mut answer.verify, other.verify), (&mut answer.contain, other.contain), (&mut answer.then, other.then)];
    for (known, new) in phases {
        for step in new {
            if known.len() < MAX_STEPS && !known.contains(&step) {
                known.push(step);
            }
        }
    }
}

/// What an app does ends with its tokens. A step that restricts apps keeps out future installs alone.
pub(crate) fn end_app(answer: &mut Playbook) {
    let ends = |step: &Step| step.method.as_deref() == Some(UNINSTALL) && step.on != Some(On::Target);
    if !all(answer).any(ends) {
        answer.contain.push(Step {
            text: "If it is not wanted, uninstall the app that did it, which ends its tokens; ending a person's sessions leaves them alive".to_owned(),
            method: Some(UNINSTALL.to_owned()),
            scope: Some(SCOPE.to_owned()),
            on: Some(On::Actor),
        });
    }
    if !all(answer).any(|step| step.text.contains("vendor")) {
        answer.contain.push(by_hand(
            "Ask the app's vendor to revoke the token that was used and to say from where it was used: Slack has no call that ends one \
             token of an app".to_owned(),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridwatch_event::entry::Entry;
    use gridwatch_event::time::UnixMillis;
    use serde_json::{Value, json};

    fn answer(verify: &str, context: &Value) -> Playbook {
        let entry = json!({
            "id": "e1", "date_create": 1, "action": "file_downloaded", "context": context,
            "actor": { "type": "user", "user": { "id": "W1" } }, "entity": { "type": "file", "file": { "id": "F1" } },
        });
        let event = Event::new(1, UnixMillis(0), &Entry::from_json(&entry.to_string()));
        of(&Playbook { verify: vec![by_hand(verify.to_owned())], ..Playbook::default() }, &event)
    }

    #[test]
    fn somebody_is_reached_outside_slack() {
        for (said, want) in [
            (
                "Ask the actor by phone or in person, not in Slack",
                "Ask the actor or their manager by phone or in person, not in Slack",
            ),
            (
                "Ask whoever did it, by phone or in person, why",
                "Ask whoever did it, or their manager, by phone or in person, why",
            ),
            ("Call their manager", "Call their manager"),
        ] {
            let texts: Vec<String> = answer(said, &json!({})).verify.into_iter().map(|step| step.text).collect();
            assert_eq!(texts, [want]);
        }
        let added = &answer("Read the file", &json!({})).verify[1].text;
        assert!(added.contains("or their manager by phone"), "{added}");
    }

    #[test]
    fn what_an_app_did_is_ended_with_its_tokens() {
        let contain = answer("Ask", &json!({ "app": { "id": "A1", "name": "Export Helper" } })).contain;
        assert_eq!((contain[0].method.as_deref(), contain[0].on), (Some(UNINSTALL), Some(On::Actor)));
        assert!(contain[1].text.contains("vendor"), "{contain:?}");
        assert!(answer("Ask", &json!({})).contain.is_empty());
    }
}
