//! What the log said last of the scopes that each app has.
//!
//! Slack states an app's scopes where the app is let in or widened, and nowhere else: what it does afterwards says nothing of
//! them. An exception that allows an app with at most some scopes has to know them all the same. Asked "as of" an event, so that
//! an answer doesn't depend on how events were batched.

use crate::event::Event;
use crate::state::{APP_SCOPES, StateOp};
use crate::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// Apps kept; the ones stated longest ago go first.
pub const MAX_APPS: usize = 50_000;
/// Scopes kept of an app, and the length of one. Slack has about 200. One that stands for the rest is in nobody's allowance.
const MAX_SCOPES: usize = 1_000;
const MAX_SCOPE: usize = 200;
const MORE: &str = "(more)";

pub type Scopes = BTreeSet<String>;

#[derive(Debug, Default)]
pub struct AppScopes {
    apps: HashMap<String, Vec<Stated>>,
    dirty: BTreeSet<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stated {
    time: UnixSeconds,
    seq: u64,
    scopes: Scopes,
}

impl AppScopes {
    /// Takes in what an event says of its app.
    pub fn learn(&mut self, event: &Event) {
        if let (Some(app), Some(scopes)) = (stated_app(event), stated(event)) {
            let known = self.apps.entry(app.to_owned()).or_default();
            known.push(Stated { time: event.time, seq: event.seq, scopes });
            self.dirty.insert(app.to_owned());
        }
    }

    /// The newest statement about an app, once this event has been taken in; `None` if there was none.
    pub fn at(&self, app: &str, event: &Event) -> Option<&Scopes> {
        let known = self.apps.get(app)?.iter().filter(|stated| stated.seq <= event.seq);
        known.max_by_key(|stated| (stated.time, stated.seq)).map(|stated| &stated.scopes)
    }

    /// Forgets what newer statements replace, and apps beyond the bound. Called between batches.
    pub fn settle(&mut self) {
        for app in &self.dirty {
            if let Some(known) = self.apps.get_mut(app)
                && let Some(newest) = known.iter().enumerate().max_by_key(|(_, s)| (s.time, s.seq)).map(|(at, _)| at)
            {
                known.swap(0, newest);
                known.truncate(1);
            }
        }
        if let Some(over) = self.apps.len().checked_sub(MAX_APPS).filter(|over| *over > 0) {
            let mut by_age: Vec<(u64, String)> =
                self.apps.iter().map(|(app, known)| (known.first().map_or(0, |s| s.seq), app.clone())).collect();
            by_age.sort();
            for (_, app) in by_age.into_iter().take(over) {
                self.apps.remove(&app);
                self.dirty.insert(app);
            }
        }
    }

    pub fn take_changes(&mut self) -> Vec<StateOp> {
        let rows = std::mem::take(&mut self.dirty).into_iter().map(|app| {
            let key = [&[APP_SCOPES], app.as_bytes()].concat();
            let newest = self.apps.get(&app).and_then(|known| known.first());
            newest.map_or_else(|| StateOp::delete(key.clone()), |newest| StateOp::put(key.clone(), newest))
        });
        rows.collect()
    }

    pub fn load(&mut self, key: &[u8], value: &[u8]) {
        if let Some((&APP_SCOPES, app)) = key.split_first()
            && let Ok(app) = std::str::from_utf8(app)
            && let Ok(stated) = serde_json::from_slice::<Stated>(value)
        {
            self.apps.insert(app.to_owned(), vec![stated]);
        }
    }
}

/// All scopes that an event states of its app, user and bot scopes together; `None` where it states none.
pub fn stated(event: &Event) -> Option<Scopes> {
    let json = event.json();
    let of_entity = ["scopes", "bot_scopes", "scopes_bot"].map(|name| event.entity().and_then(|e| e.get(name)));
    let of_details =
        ["new_scopes", "scopes", "bot_scopes", "scopes_bot"].map(|name| json.get("details").and_then(|d| d.get(name)));
    let mut scopes = Scopes::new();
    for value in of_entity.into_iter().chain(of_details).flatten() {
        gather(value, &mut scopes);
    }
    (!scopes.is_empty()).then_some(scopes)
}

fn stated_app(event: &Event) -> Option<&str> {
    let app = event.entity().filter(|_| event.entity_type() == "app")?;
    let id = ["app_id", "id"].into_iter().filter_map(|name| app.get(name)?.as_str()).find(|id| !id.is_empty())?;
    (id.len() <= MAX_SCOPE).then_some(id)
}

/// Scopes come as lists, as lists in a text, as `a,b` and as `a b`.
fn gather(value: &Value, scopes: &mut Scopes) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| gather(item, scopes)),
        Value::String(text) if text.starts_with('[') => {
            if let Ok(list @ Value::Array(_)) = serde_json::from_str(text) {
                gather(&list, scopes);
            }
        }
        Value::String(text) => {
            for scope in text.split([',', ' ']).map(str::trim).filter(|scope| !scope.is_empty()) {
                let fits = scopes.len() < MAX_SCOPES && scope.len() <= MAX_SCOPE;
                scopes.insert(if fits { scope.to_ascii_lowercase() } else { MORE.to_owned() });
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Entry;
    use crate::time::UnixMillis;
    use serde_json::json;

    fn event(seq: u64, time: u64, entity: Value, details: Value) -> Event {
        let entry = json!({"id": format!("e{seq}"), "date_create": time, "action": "app_scopes_expanded",
            "actor": {"type": "user", "user": {"id": "W1"}}, "entity": {"type": "app", "app": entity}, "details": details});
        Event::new(seq, UnixMillis(0), &Entry::from_json(&entry.to_string()))
    }

    fn scopes(of: &[&str]) -> Scopes {
        of.iter().map(|scope| (*scope).to_owned()).collect()
    }

    #[test]
    fn scopes_are_read_in_every_shape_and_place() {
        for (entity, details) in [
            (json!({"id": "A1", "scopes": ["admin", "chat:write"]}), json!({})),
            (json!({"id": "A1", "scopes": "[\"admin\"]", "bot_scopes": ["Chat:write"]}), json!({})),
            (json!({"id": "A1"}), json!({"new_scopes": ["chat:write", "admin"]})),
            (json!({"id": "A1"}), json!({"scopes": "admin", "bot_scopes": "chat:write"})),
            (json!({"id": "A1", "scopes": []}), json!({"new_scopes": "admin,chat:write"})),
        ] {
            let stated = stated(&event(1, 9, entity.clone(), details));
            assert_eq!(stated, Some(scopes(&["admin", "chat:write"])), "{entity}");
        }
        assert_eq!(stated(&event(1, 9, json!({"id": "A1", "scopes": []}), json!({}))), None);
    }

    #[test]
    fn an_answer_is_as_of_its_event_and_outlives_a_restart() {
        let mut apps = AppScopes::default();
        let events = [(1, 10, "a"), (2, 30, "b"), (3, 20, "late")];
        let events =
            events.map(|(seq, time, scope)| event(seq, time, json!({"id": "A1", "scopes": [scope]}), json!({})));
        events.iter().for_each(|event| apps.learn(event));
        let answers = events.each_ref().map(|event| apps.at("A1", event).cloned());
        assert_eq!(answers, [Some(scopes(&["a"])), Some(scopes(&["b"])), Some(scopes(&["b"]))]);
        apps.settle();
        let mut again = AppScopes::default();
        apps.take_changes().iter().for_each(|op| again.load(&op.key, op.value.as_deref().unwrap_or_default()));
        assert_eq!(again.at("A1", &events[2]), Some(&scopes(&["b"])));
        assert_eq!(again.at("A2", &events[2]), None);
    }

    #[test]
    fn more_scopes_than_are_kept_are_no_ones_allowance() {
        let many: Vec<String> = (0..2_000).map(|i| format!("s{i}")).collect();
        let stated = stated(&event(1, 9, json!({"id": "A1", "scopes": many}), json!({}))).unwrap();
        assert!(stated.contains(MORE) && stated.len() <= MAX_SCOPES + 1);
    }
}
