//! Grants: what an entry about a role or a right says of its place and its direction.
//!
//! A role is held *somewhere*: in a channel, a workspace, or the organization. Whoever makes a channel is made its manager in the
//! same second, by an entry (`role_assigned`) that differs from a grant over the whole organization in `target_entity` alone. A
//! right (`permissions_assigned`) goes to an account type in a place, and `is_allowed` says whether it is given or taken. What
//! an entry doesn't say is "" here, for rules to take as the worst that it can be.

use crate::event::Event;
use crate::part::Part;
use std::borrow::Cow;

/// Where the details name the place. `target_entity` is Slack's word with roles, `target_entity_id` with rights.
const PLACES: [&str; 2] = ["target_entity", "target_entity_id"];
/// Of a list of places the first are read; Slack takes at most ten in one call (admin.roles.addAssignments).
const MAX_PLACES: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    Channel,
    Workspace,
    Organization,
}

impl Scope {
    pub fn name(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Workspace => "workspace",
            Self::Organization => "organization",
        }
    }

    /// By the first letter of a place's id.
    fn of_id(id: &str) -> Option<Self> {
        match id.as_bytes().first()? {
            b'C' | b'G' | b'D' => Some(Self::Channel),
            b'T' => Some(Self::Workspace),
            b'E' => Some(Self::Organization),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Given,
    Taken,
}

impl Direction {
    pub fn name(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Taken => "taken",
        }
    }
}

/// How far a role or right reaches: the widest of the places named. `None` of anything else, where no place is named, and where
/// one of them is of no known kind.
pub fn scope_of(event: &Event) -> Option<Scope> {
    let places = event.traits().is_about_power.then(|| places_of(event))?;
    let scopes: Option<Vec<Scope>> = places.iter().map(|id| Scope::of_id(id)).collect();
    scopes?.into_iter().max()
}

/// The first place named: a channel, a workspace or the organization.
pub fn place_of(event: &Event) -> Option<Cow<'_, str>> {
    let places = event.traits().is_about_power.then(|| places_of(event))?;
    places.into_iter().find(|id| Scope::of_id(id).is_some())
}

/// Is a role or right given or taken? `None` of anything else, and where the entry doesn't say.
pub fn direction_of(event: &Event) -> Option<Direction> {
    if !event.traits().is_about_power {
        return None;
    }
    let given = match event.action() {
        "role_assigned" | "role_added_to_usergroup" | "permissions_assigned" => true,
        "role_removed" | "role_removed_from_usergroup" | "permissions_removed" => false,
        _ => return None,
    };
    match (given, allowed(event)) {
        (true, Allowed::NotSaid | Allowed::Yes) => Some(Direction::Given),
        (true, Allowed::No) | (false, Allowed::NotSaid | Allowed::Yes) => Some(Direction::Taken),
        // What is removed may be a ban.
        (false, Allowed::No) | (_, Allowed::Unclear) => None,
    }
}

fn places_of(event: &Event) -> Vec<Cow<'_, str>> {
    let named = PLACES.into_iter().filter_map(|key| Some(ids_in(event.detail(key)?)));
    let users = |id: &Cow<'_, str>| id.starts_with(['U', 'W', 'S']);
    named.flatten().filter(|id| !users(id)).take(MAX_PLACES).collect()
}

/// A text, a list, JSON of a list in a text, or an object with an id: Slack has been seen to write each of them somewhere.
fn ids_in(value: Part<'_>) -> Vec<Cow<'_, str>> {
    match value {
        list if list.is_list() => list.items().flat_map(ids_in).collect(),
        object if object.is_object() => crate::mention::id_of(object).into_iter().collect(),
        other => crate::mention::list(Some(other)),
    }
}

enum Allowed {
    NotSaid,
    Yes,
    No,
    Unclear,
}

/// `is_allowed`, of which only "ALLOWED" has been seen; the SDKs take it for a boolean.
fn allowed(event: &Event) -> Allowed {
    let Some(said) = event.detail("is_allowed").filter(|said| !said.is_null()) else { return Allowed::NotSaid };
    match (said.as_bool(), said.as_str()) {
        (Some(true), _) => Allowed::Yes,
        (Some(false), _) => Allowed::No,
        (None, None) => Allowed::Unclear,
        (None, Some(text)) => match text.to_ascii_uppercase().as_str() {
            "" => Allowed::NotSaid,
            "ALLOWED" | "TRUE" => Allowed::Yes,
            "NOT_ALLOWED" | "DISALLOWED" | "DENIED" | "FALSE" => Allowed::No,
            _ => Allowed::Unclear,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Entry;
    use crate::time::UnixMillis;

    fn event(action: &str, details: &str) -> Event {
        let raw = format!(
            r#"{{"id":"a","date_create":9,"action":"{action}","entity":{{"type":"role","role":{{"id":"Rl0A"}}}},"details":{{{details}}}}}"#
        );
        Event::new(1, UnixMillis(0), &Entry::from_json(&raw))
    }

    #[test]
    fn a_scope_is_the_widest_place_that_is_named() {
        let scope = |action: &str, details: &str| scope_of(&event(action, details)).map_or("", Scope::name);
        for (details, want) in [
            (r#""target_user":"W1","target_entity":"C1""#, "channel"),
            (r#""target_entity":"G1""#, "channel"),
            (r#""target_entity":"T1""#, "workspace"),
            (r#""target_entity":"E1""#, "organization"),
            (r#""target_entity_id":"E1""#, "organization"),
            (r#""target_entity":["C1","T1"]"#, "workspace"),
            (r#""target_entity":"[\"C1\",\"E1\"]""#, "organization"),
            (r#""target_entity":{"id":"C1"}"#, "channel"),
            (r#""target_entity":["C1","X1"]"#, ""),
            (r#""target_entity":"X1""#, ""),
            (r#""target_entity_id":"W1""#, ""),
            (r#""target_entity":null"#, ""),
            ("", ""),
        ] {
            assert_eq!(scope("role_assigned", details), want, "{details}");
        }
        let of_channel = r#""target_entity":"C1""#;
        assert_eq!(scope("role_removed", of_channel), "channel");
        assert_eq!(scope("permissions_assigned", of_channel), "channel");
        assert_eq!(scope("role_change_to_admin", of_channel), "");
        assert_eq!(scope("file_shared", of_channel), "");
    }

    #[test]
    fn a_direction_is_that_of_the_action_turned_by_what_is_allowed() {
        let direction = |action: &str, details: &str| direction_of(&event(action, details)).map_or("", Direction::name);
        for (action, details, want) in [
            ("role_assigned", "", "given"),
            ("role_removed", "", "taken"),
            ("permissions_assigned", r#""is_allowed":"ALLOWED""#, "given"),
            ("permissions_assigned", r#""is_allowed":true"#, "given"),
            ("permissions_assigned", "", "given"),
            ("permissions_assigned", r#""is_allowed":"NOT_ALLOWED""#, "taken"),
            ("permissions_assigned", r#""is_allowed":false"#, "taken"),
            ("permissions_assigned", r#""is_allowed":"SOMETIMES""#, ""),
            ("permissions_assigned", r#""is_allowed":7"#, ""),
            ("permissions_removed", "", "taken"),
            ("permissions_removed", r#""is_allowed":"ALLOWED""#, "taken"),
            ("permissions_removed", r#""is_allowed":"DENIED""#, ""),
            ("role_change_to_user", "", ""),
            ("role_modified_on_usergroup", "", ""),
        ] {
            assert_eq!(direction(action, details), want, "{action} {details}");
        }
    }
}
