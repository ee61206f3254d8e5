//! Apps: what the log has said of each: its scopes, who let it in, and whether it was approved.
//!
//! Slack states an app's scopes where the app is let in or widened, and seldom elsewhere: what it does afterwards says nothing of
//! them. An exception that allows an app with at most some scopes has to know them all the same, and an alert tells them. Of each
//! thing the newest word counts, by the event's time, so that an entry that comes late revises nothing.
//!
//! Learned event by event, in order, and asked about an event once it has been learned, so that an answer doesn't depend on how
//! events were batched.

use crate::keyed::Map;
use crate::state::{APPS, Forgotten, StateOp, StateRow};
use gridwatch_event::event::Event;
use gridwatch_event::mention::app_id;
use gridwatch_event::part::Part;
use gridwatch_event::text;
use gridwatch_event::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Apps kept; the ones unseen longest go first.
pub const MAX_APPS: usize = 50_000;
/// Scopes kept of an app, and the length of one. Slack has about 200. One that stands for the rest is in nobody's allowance.
const MAX_SCOPES: usize = 1_000;
const MAX_SCOPE: usize = 200;
const MORE: &str = "(more)";
/// Times of installs kept.
const MAX_INSTALLS: usize = 200;
const MAX_TEXT: usize = 128;
const DAY_S: u64 = 86_400;

const INSTALLS: [&str; 5] =
    ["app_installed", "org_app_installed", "org_app_workspace_added", "cli_app_install", "child_app_auto_installed"];

pub type Scopes = BTreeSet<String>;

#[derive(Debug, Default)]
pub struct Apps {
    apps: Map<String, Kept>,
    dirty: BTreeSet<String>,
}

#[derive(Debug, Default, PartialEq)]
struct Kept {
    app: App,
    is_dirty: bool,
    /// The object that described it last, if all that it says is what is known.
    shown: Option<Shown>,
}

/// An app's object as it was written: the same says the same.
#[derive(Debug, PartialEq)]
struct Shown {
    written: String,
    /// Of name, approval, scopes and bot scopes, which it states.
    states: [bool; 4],
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct App {
    /// Number of the newest event that named it.
    seq: u64,
    first: UnixSeconds,
    name: Option<Said<String>>,
    scopes: Option<Said<Scopes>>,
    bot_scopes: Option<Said<Scopes>>,
    installer: Option<Said<String>>,
    directory_approved: Option<Said<bool>>,
    approved: Option<Said<bool>>,
    installs: Vec<UnixSeconds>,
}

/// The newest word on something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Said<T> {
    time: UnixSeconds,
    seq: u64,
    value: T,
}

impl Apps {
    /// Takes in the apps that an event names, and what was done to the one it is about.
    pub fn learn(&mut self, event: &Event) {
        if let Some(app) = gridwatch_event::whose::app(event) {
            self.change(app, event, |known| known.describe(app, event));
        }
        if let Some(app) = event.entity().filter(|_| event.entity_type() == "app") {
            self.change(app, event, |known| {
                known.describe(app, event);
                known.describe_by_details(event);
                known.app.was_done_to(event);
            });
        }
    }

    /// Those that an event names, as they are known now: for asking about it later.
    pub fn named_by(&self, event: &Event) -> Self {
        let details = event.detail("app_id").and_then(Part::as_str);
        let named =
            [gridwatch_event::whose::app(event), event.entity()].into_iter().flatten().filter_map(id_of).chain(details);
        let kept = |app: &App| Kept { app: app.clone(), ..Kept::default() };
        let known = named.filter_map(|id| Some((id.clone().into_owned(), kept(self.get(&id)?))));
        Self { apps: known.collect(), dirty: BTreeSet::new() }
    }

    pub fn get(&self, id: &str) -> Option<&App> {
        self.apps.get(id).map(|kept| &kept.app)
    }

    pub fn take_changes(&mut self) -> Vec<StateOp> {
        let row = |id: String| {
            let kept = self.apps.get_mut(&id);
            StateOp::save(
                APPS,
                id.as_bytes(),
                kept.map(|kept| {
                    kept.is_dirty = false;
                    &kept.app
                }),
            )
        };
        std::mem::take(&mut self.dirty).into_iter().map(row).collect()
    }

    /// Puts a saved app back.
    ///
    /// # Errors
    /// The row can't be read.
    pub fn load(&mut self, row: StateRow<'_>) -> Result<(), Forgotten> {
        self.apps.insert(row.name()?.to_owned(), Kept { app: row.json()?, ..Kept::default() });
        Ok(())
    }

    fn change(&mut self, app: Part<'_>, event: &Event, change: impl FnOnce(&mut Kept)) {
        let Some(id) = id_of(app) else { return };
        if !self.apps.contains_key(&*id) {
            self.make_room();
            let app = App { first: event.time, ..App::default() };
            self.apps.insert(id.clone().into_owned(), Kept { app, ..Kept::default() });
        }
        let Some(known) = self.apps.get_mut(&*id) else { return };
        known.app.first = known.app.first.min(event.time);
        change(known);
        known.app.seq = event.seq;
        if !std::mem::replace(&mut known.is_dirty, true) {
            self.dirty.insert(id.into_owned());
        }
    }

    fn make_room(&mut self) {
        if self.apps.len() < MAX_APPS {
            return;
        }
        let mut by_age: Vec<(u64, String)> = self.apps.iter().map(|(id, kept)| (kept.app.seq, id.clone())).collect();
        by_age.sort_unstable();
        for (_, id) in by_age.into_iter().take(MAX_APPS / 10) {
            self.apps.remove(&id);
            self.dirty.insert(id);
        }
    }
}

impl Kept {
    /// What an app's own object says.
    fn describe(&mut self, object: Part<'_>, event: &Event) {
        let written = object.written();
        if let Some(shown) = &self.shown
            && written == Some(shown.written.as_str())
        {
            return self.app.say_again(shown.states, event);
        }
        let name = Some(object.text("name")).filter(|name| !name.is_empty()).map(|name| clip(&name));
        let approved = object.get("is_directory_approved").and_then(Part::as_bool);
        let (scopes, bot_scopes) = (gathered(object, &USER_SCOPES), gathered(object, &BOT_SCOPES));
        let states = [name.is_some(), approved.is_some(), scopes.is_some(), bot_scopes.is_some()];
        let app = &mut self.app;
        let said = [
            say(&mut app.name, event, name),
            say(&mut app.directory_approved, event, approved),
            say(&mut app.scopes, event, scopes),
            say(&mut app.bot_scopes, event, bot_scopes),
        ];
        let shown = |written: &str| Shown { written: written.to_owned(), states };
        self.shown = written.filter(|_| said == states).map(shown);
    }

    /// `app_scopes_expanded` may have the scopes in its details alone.
    fn describe_by_details(&mut self, event: &Event) {
        if event.details().is_none() {
            return; // then the object has said it all
        }
        let stated = Stated::by(event);
        if say(&mut self.app.scopes, event, stated.scopes) | say(&mut self.app.bot_scopes, event, stated.bot_scopes) {
            self.shown = None;
        }
    }
}

impl App {
    /// The newest word on these is this event's, and the same as before.
    fn say_again(&mut self, states: [bool; 4], event: &Event) {
        fn again<T>(slot: &mut Option<Said<T>>, event: &Event) {
            if let Some(said) = slot.as_mut().filter(|said| (said.time, said.seq) <= (event.time, event.seq)) {
                (said.time, said.seq) = (event.time, event.seq);
            }
        }
        let [name, approved, scopes, bot_scopes] = states;
        if name {
            again(&mut self.name, event);
        }
        if approved {
            again(&mut self.directory_approved, event);
        }
        if scopes {
            again(&mut self.scopes, event);
        }
        if bot_scopes {
            again(&mut self.bot_scopes, event);
        }
    }

    pub fn first(&self) -> UnixSeconds {
        self.first
    }

    pub fn name(&self) -> &str {
        self.name.as_ref().map_or("", |said| &said.value)
    }

    /// Those that it uses in people's names; `None` if nothing told them.
    pub fn scopes(&self) -> Option<&Scopes> {
        self.scopes.as_ref().map(|said| &said.value)
    }

    pub fn bot_scopes(&self) -> Option<&Scopes> {
        self.bot_scopes.as_ref().map(|said| &said.value)
    }

    /// Who installed it last; "" if that was before the log was watched.
    pub fn installer(&self) -> &str {
        self.installer.as_ref().map_or("", |said| &said.value)
    }

    /// By Slack's app directory.
    pub fn directory_approved(&self) -> Option<bool> {
        self.directory_approved.as_ref().map(|said| said.value)
    }

    /// By an admin of ours.
    pub fn approved(&self) -> Option<bool> {
        self.approved.as_ref().map(|said| said.value)
    }

    /// How often it was installed in the 24 hours up to then.
    pub fn installs(&self, at: UnixSeconds) -> u64 {
        let is_recent = |time: &&UnixSeconds| **time <= at && time.0 + DAY_S > at.0;
        self.installs.iter().filter(is_recent).count() as u64
    }

    fn was_done_to(&mut self, event: &Event) {
        let approved = match event.action() {
            "app_approved" => Some(true),
            "app_restricted" | "app_removed_from_whitelist" => Some(false),
            _ => None,
        };
        say(&mut self.approved, event, approved);
        if INSTALLS.contains(&event.action()) {
            say(&mut self.installer, event, Some(clip(&installer(event))));
            self.installs.push(event.time);
            let newest = self.installs.iter().max().copied().unwrap_or_default();
            self.installs.retain(|time| time.0 + DAY_S > newest.0);
            self.installs.drain(..self.installs.len().saturating_sub(MAX_INSTALLS));
        }
    }
}

const USER_SCOPES: [&str; 2] = ["scopes", "new_scopes"];
const BOT_SCOPES: [&str; 2] = ["bot_scopes", "scopes_bot"];

/// What an event states of its app's scopes; `None` where it states none of a kind. An empty list says nothing.
#[derive(Debug, Default, PartialEq, Eq)]
struct Stated {
    scopes: Option<Scopes>,
    bot_scopes: Option<Scopes>,
}

impl Stated {
    fn by(event: &Event) -> Self {
        let said = [event.entity(), event.details()].into_iter().flatten();
        let mut stated = Self::default();
        for object in said {
            join(&mut stated.scopes, gathered(object, &USER_SCOPES));
            join(&mut stated.bot_scopes, gathered(object, &BOT_SCOPES));
        }
        stated
    }
}

/// All scopes that the app has as far as is known, and those that the event states of it, whichever kind; `None` where nothing
/// told any.
pub fn scopes_at(app: Option<&App>, event: &Event) -> Option<Scopes> {
    let mut all = None;
    for scopes in [app.and_then(App::scopes), app.and_then(App::bot_scopes)] {
        join(&mut all, scopes.cloned());
    }
    if event.entity_type() == "app" {
        let stated = Stated::by(event);
        join(&mut all, stated.scopes);
        join(&mut all, stated.bot_scopes);
    }
    all
}

fn join(all: &mut Option<Scopes>, more: Option<Scopes>) {
    if let Some(more) = more {
        all.get_or_insert_default().extend(more);
    }
}

/// The same word again moves its time too: another one that comes late and is of before then must not replace it. Whether there was
/// a word, and it is the newest.
fn say<T>(slot: &mut Option<Said<T>>, event: &Event, value: Option<T>) -> bool {
    let is_newer = slot.as_ref().is_none_or(|said| (said.time, said.seq) <= (event.time, event.seq));
    let value = value.filter(|_| is_newer);
    let is_said = value.is_some();
    if let Some(value) = value {
        *slot = Some(Said { time: event.time, seq: event.seq, value });
    }
    is_said
}

/// One that is kept.
fn id_of(app: Part<'_>) -> Option<Cow<'_, str>> {
    app_id(app).filter(|id| id.len() <= MAX_TEXT)
}

/// `details.installer_user_id` where it is given, else the actor.
fn installer(event: &Event) -> Cow<'_, str> {
    let said = event.detail("installer_user_id").and_then(Part::as_str);
    said.filter(|id| !id.is_empty()).unwrap_or_else(|| event.actor_id().into())
}

fn gathered(object: Part<'_>, names: &[&str]) -> Option<Scopes> {
    let mut scopes = Scopes::new();
    names.iter().filter_map(|name| object.get(name)).for_each(|value| gather(value, &mut scopes));
    (!scopes.is_empty()).then_some(scopes)
}

/// Scopes come as lists, as lists in a text, as `a,b` and as `a b`.
fn gather(value: Part<'_>, scopes: &mut Scopes) {
    value.items().for_each(|item| gather(item, scopes));
    match value.str() {
        text if text.starts_with('[') => {
            if let Ok(list @ Value::Array(_)) = serde_json::from_str(&text) {
                gather(Part::read(&list), scopes);
            }
        }
        text => {
            for scope in text.split([',', ' ']).map(str::trim).filter(|scope| !scope.is_empty()) {
                let fits = scopes.len() < MAX_SCOPES && scope.len() <= MAX_SCOPE;
                scopes.insert(if fits { scope.to_ascii_lowercase() } else { MORE.to_owned() });
            }
        }
    }
}

fn clip(text: &str) -> String {
    text::clip(text, MAX_TEXT).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridwatch_event::entry::Entry;
    use gridwatch_event::time::UnixMillis;
    use serde_json::json;

    fn event(seq: u64, time: u64, action: &str, entity: Value, details: Value) -> Event {
        let entry = json!({"id": format!("e{seq}"), "date_create": time, "action": action,
            "actor": {"type": "user", "user": {"id": "W1"}}, "entity": {"type": "app", "app": entity}, "details": details});
        Event::new(seq, UnixMillis(0), &Entry::from_json(&entry.to_string()))
    }

    fn expanded(seq: u64, time: u64, entity: Value, details: Value) -> Event {
        event(seq, time, "app_scopes_expanded", entity, details)
    }

    fn scopes(of: &[&str]) -> Scopes {
        of.iter().map(|scope| (*scope).to_owned()).collect()
    }

    fn all(apps: &Apps, event: &Event) -> Option<Scopes> {
        scopes_at(apps.get("A1"), event)
    }

    #[test]
    fn scopes_are_read_in_every_shape_and_place() {
        for (entity, details) in [
            (json!({"id": "A1", "scopes": ["admin", "chat:write"]}), json!({})),
            (json!({"app_id": "A1", "id": "B1", "scopes": ["admin", "chat:write"]}), json!({})),
            (json!({"id": "A1", "scopes": "[\"admin\"]", "bot_scopes": ["Chat:write"]}), json!({})),
            (json!({"id": "A1"}), json!({"new_scopes": ["chat:write", "admin"]})),
            (json!({"id": "A1"}), json!({"scopes": "admin", "bot_scopes": "chat:write"})),
            (json!({"id": "A1", "scopes": []}), json!({"new_scopes": "admin,chat:write"})),
        ] {
            let mut apps = Apps::default();
            let stating = expanded(1, 9, entity.clone(), details);
            apps.learn(&stating);
            let silent = expanded(2, 10, json!({"id": "A1", "scopes": []}), json!({}));
            apps.learn(&silent);
            assert_eq!(all(&apps, &silent), Some(scopes(&["admin", "chat:write"])), "{entity}");
        }
        assert_eq!(scopes_at(None, &expanded(1, 9, json!({"id": "A1", "scopes": []}), json!({}))), None);
    }

    #[test]
    fn a_kind_of_scopes_is_replaced_by_a_newer_word_on_that_kind_alone() {
        let mut apps = Apps::default();
        let mut after = |seq, time, entity: Value| {
            let event = expanded(seq, time, entity, json!({}));
            apps.learn(&event);
            all(&apps, &expanded(seq, time, json!({"id": "A1"}), json!({})))
        };
        assert_eq!(after(1, 10, json!({"id": "A1", "scopes": ["a"], "bot_scopes": ["b"]})), Some(scopes(&["a", "b"])));
        assert_eq!(after(2, 30, json!({"id": "A1", "scopes": ["c"]})), Some(scopes(&["b", "c"])));
        assert_eq!(after(3, 20, json!({"id": "A1", "scopes": ["late"]})), Some(scopes(&["b", "c"])));
        assert_eq!(after(4, 50, json!({"id": "A1", "scopes": ["c"]})), Some(scopes(&["b", "c"])));
        assert_eq!(
            after(5, 40, json!({"id": "A1", "scopes": ["late"]})),
            Some(scopes(&["b", "c"])),
            "said again since"
        );
    }

    #[test]
    fn an_event_is_held_to_what_it_states_itself_too() {
        let mut apps = Apps::default();
        let newest = expanded(1, 30, json!({"id": "A1", "scopes": ["a"]}), json!({}));
        let late = expanded(2, 20, json!({"id": "A1", "scopes": ["admin"]}), json!({}));
        [&newest, &late].into_iter().for_each(|event| apps.learn(event));
        assert_eq!(all(&apps, &late), Some(scopes(&["a", "admin"])));
    }

    #[test]
    fn who_let_it_in_and_how_often_is_the_newest_word() {
        let mut apps = Apps::default();
        let app = || json!({"id": "A1", "name": "Helper", "is_directory_approved": false});
        apps.learn(&event(1, 1_000_000, "app_installed", app(), json!({"installer_user_id": "W2"})));
        apps.learn(&event(2, 1_000_900, "app_approved", app(), json!({})));
        apps.learn(&event(3, 999_000, "app_restricted", app(), json!({})));
        apps.learn(&event(4, 900_000, "app_installed", app(), json!({"installer_user_id": "W3"})));
        let app = apps.get("A1").unwrap();
        let told = (app.name(), app.installer(), app.approved(), app.directory_approved());
        assert_eq!(told, ("Helper", "W2", Some(true), Some(false)));
        assert_eq!((app.first(), app.installs(UnixSeconds(1_000_000))), (UnixSeconds(900_000), 1));
        assert_eq!(app.installs(UnixSeconds(1_000_000 + DAY_S)), 0);
    }

    #[test]
    fn more_scopes_than_are_kept_are_no_ones_allowance() {
        let many: Vec<String> = (0..2_000).map(|i| format!("s{i}")).collect();
        let stated = scopes_at(None, &expanded(1, 9, json!({"id": "A1", "scopes": many}), json!({}))).unwrap();
        assert!(stated.contains(MORE) && stated.len() <= MAX_SCOPES + 1);
    }

    #[test]
    fn made_up_apps_push_out_the_ones_unseen_longest_and_rows_follow() {
        let mut apps = Apps::default();
        for i in 0..=MAX_APPS as u64 {
            apps.learn(&expanded(i, 9, json!({"id": format!("A{i}"), "scopes": ["x"]}), json!({})));
        }
        assert!(apps.apps.len() <= MAX_APPS && apps.get("A0").is_none() && apps.get("A49999").is_some());
        let (mut again, changes) = (Apps::default(), apps.take_changes());
        assert!(changes.iter().any(|op| op.key == b"sA0" && op.value == Ok(None)));
        changes.iter().filter_map(StateOp::row).for_each(|row| again.load(row).unwrap());
        assert_eq!(again.apps, apps.apps);
        assert!(apps.take_changes().is_empty());
        apps.learn(&expanded(60_000, 10, json!({"id": "A50000", "scopes": ["x"]}), json!({})));
        assert_eq!(apps.take_changes().len(), 1, "seen again");
    }
}
