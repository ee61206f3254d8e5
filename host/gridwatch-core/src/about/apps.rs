//! Apps: what the log has said of each, since when it is there, and who installed it.

use super::{App, DAY_S};
use crate::event::Event;
use crate::state::{ABOUT, StateOp};
use crate::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// Apps kept. The ones first seen longest ago go first.
const MAX_APPS: usize = 20_000;
const MAX_SCOPES: usize = 100;
/// Times of installs kept.
const MAX_INSTALLS: usize = 200;
const MAX_TEXT: usize = 128;

const INSTALLS: [&str; 5] =
    ["app_installed", "org_app_installed", "org_app_workspace_added", "cli_app_install", "child_app_auto_installed"];

#[derive(Debug, Default)]
pub(super) struct Apps {
    apps: HashMap<String, Known>,
    dirty: BTreeSet<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Known {
    seq: u64,
    first: UnixSeconds,
    name: String,
    scopes: BTreeSet<String>,
    bot_scopes: BTreeSet<String>,
    installer: String,
    directory_approved: Option<bool>,
    approved: Option<bool>,
    installs: Vec<UnixSeconds>,
}

impl Apps {
    /// Takes in the apps that an event names, and what was done to the one it is about.
    pub(super) fn learn(&mut self, event: &Event) {
        if let Some(app) = crate::whose::app(event) {
            self.describe(app, event);
        }
        let Some(app) = event.entity().filter(|_| event.entity_type() == "app") else { return };
        let Some(id) = self.describe(app, event) else { return };
        let is_install = INSTALLS.contains(&event.action.as_str());
        let approved = match event.action.as_str() {
            "app_approved" => Some(true),
            "app_restricted" | "app_removed_from_whitelist" => Some(false),
            _ => None,
        };
        if !is_install && approved.is_none() {
            return;
        }
        let Some(known) = self.apps.get_mut(&id) else { return };
        known.approved = approved.or(known.approved);
        if is_install {
            known.installer = clip(installer(event));
            known.installs.push(event.time);
            let newest = known.installs.iter().max().copied().unwrap_or_default();
            known.installs.retain(|time| time.0 + DAY_S > newest.0);
            known.installs.drain(..known.installs.len().saturating_sub(MAX_INSTALLS));
        }
        self.dirty.insert(id);
    }

    /// What is known of an app once this event was taken in.
    pub(super) fn about(&self, app: &Value, event: &Event) -> Option<App> {
        let known = self.apps.get(app.get("id")?.as_str()?)?;
        let recent = |time: &&UnixSeconds| **time <= event.time && time.0 + DAY_S > event.time.0;
        Some(App {
            id: clip(app.get("id")?.as_str()?),
            name: known.name.clone(),
            scopes: known.scopes.clone(),
            bot_scopes: known.bot_scopes.clone(),
            first: Some(known.first),
            installer: known.installer.clone(),
            directory_approved: known.directory_approved,
            approved: known.approved,
            installs: known.installs.iter().filter(recent).count() as u64,
        })
    }

    pub(super) fn is_installer(&self, app: &str, user: &str) -> Option<bool> {
        let known = self.apps.get(app)?;
        (!known.installer.is_empty()).then_some(known.installer == user)
    }

    pub(super) fn take_changes(&mut self) -> Vec<StateOp> {
        let key = |id: &str| [&[ABOUT, b'a'], id.as_bytes()].concat();
        let row = |id: String| {
            self.apps.get(&id).map_or_else(|| StateOp::delete(key(&id)), |app| StateOp::put(key(&id), app))
        };
        std::mem::take(&mut self.dirty).into_iter().map(row).collect()
    }

    pub(super) fn load(&mut self, id: &str, value: &[u8]) {
        if let Ok(app) = serde_json::from_slice(value) {
            self.apps.insert(id.to_owned(), app);
        }
    }

    fn describe(&mut self, app: &Value, event: &Event) -> Option<String> {
        let id = app.get("id").and_then(Value::as_str).filter(|id| !id.is_empty() && id.len() <= MAX_TEXT)?;
        if !self.apps.contains_key(id) {
            self.make_room();
        }
        let is_new = !self.apps.contains_key(id);
        let known = self.apps.entry(id.to_owned()).or_default();
        if is_new {
            (known.seq, known.first) = (event.seq, event.time);
        }
        let mut told = known.clone();
        told.first = told.first.min(event.time);
        if let Some(name) = app.get("name").and_then(Value::as_str).filter(|name| !name.is_empty()) {
            told.name = clip(name);
        }
        replace(&mut told.scopes, app, &["scopes"]);
        replace(&mut told.bot_scopes, app, &["bot_scopes", "scopes_bot"]);
        let approved = app.get("is_directory_approved").and_then(Value::as_bool);
        told.directory_approved = approved.or(told.directory_approved);
        if is_new || told != *known {
            *known = told;
            self.dirty.insert(id.to_owned());
        }
        Some(id.to_owned())
    }

    fn make_room(&mut self) {
        if self.apps.len() < MAX_APPS {
            return;
        }
        let mut by_age: Vec<(u64, String)> = self.apps.iter().map(|(id, app)| (app.seq, id.clone())).collect();
        by_age.sort_unstable();
        for (_, id) in by_age.into_iter().take(MAX_APPS / 10) {
            self.apps.remove(&id);
            self.dirty.insert(id);
        }
    }
}

/// `details.installer_user_id` where it is given, else the actor.
fn installer(event: &Event) -> &str {
    let said = event.json().pointer("/details/installer_user_id").and_then(Value::as_str);
    said.filter(|id| !id.is_empty()).unwrap_or_else(|| event.actor_id())
}

/// An entry that gives a list gives all of it; one that gives none, or an empty one, says nothing.
fn replace(scopes: &mut BTreeSet<String>, app: &Value, keys: &[&str]) {
    let list = keys.iter().find_map(|key| app.get(*key)?.as_array()).filter(|list| !list.is_empty());
    if let Some(list) = list {
        *scopes = list.iter().filter_map(Value::as_str).take(MAX_SCOPES).map(clip).collect();
    }
}

fn clip(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}
