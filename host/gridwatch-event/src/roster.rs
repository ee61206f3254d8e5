//! The roster: who has a second factor, as Slack's `admin.users.list` says once a day.
//!
//! The audit log has no entry for a person who switches the second factor off, so the only way to notice is to compare what Slack
//! lists today with what it listed before. What isn't listed, or listed without that flag, is unknown and compared with nothing.

use crate::role::Role;
use crate::text::clean;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const MAX_TEXT: usize = 200;

/// What one look at the list came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    pub at: UnixMillis,
    /// Ids of those with a second factor.
    with_factor: BTreeSet<String>,
}

/// Somebody on the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub id: String,
    pub name: String,
    pub email: String,
    pub role: Role,
    pub active: bool,
    pub two_factor: Option<bool>,
}

/// One answer of the method.
#[derive(Debug, Deserialize)]
pub struct Page {
    #[serde(default)]
    users: Vec<Listed>,
    #[serde(default)]
    response_metadata: Metadata,
}

#[derive(Debug, Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    next_cursor: String,
}

#[derive(Debug, Deserialize)]
struct Listed {
    id: String,
    full_name: Option<String>,
    username: Option<String>,
    email: Option<String>,
    #[serde(default)]
    is_admin: bool,
    #[serde(default)]
    is_owner: bool,
    #[serde(default)]
    is_primary_owner: bool,
    #[serde(default)]
    is_restricted: bool,
    #[serde(default)]
    is_ultra_restricted: bool,
    #[serde(default)]
    is_bot: bool,
    is_active: Option<bool>,
    has_2fa: Option<bool>,
}

impl Page {
    /// Where the next one begins; "" after the last.
    pub fn next_cursor(&self) -> &str {
        &self.response_metadata.next_cursor
    }

    pub fn into_members(self) -> impl Iterator<Item = Member> {
        self.users.into_iter().map(Listed::into_member)
    }
}

impl Listed {
    fn into_member(self) -> Member {
        let role = match () {
            () if self.is_bot => Role::Bot,
            () if self.is_primary_owner => Role::PrimaryOwner,
            () if self.is_owner => Role::Owner,
            () if self.is_admin => Role::Admin,
            () if self.is_restricted || self.is_ultra_restricted => Role::Guest,
            () => Role::Member,
        };
        let text = |text: Option<String>| clean(&text.unwrap_or_default(), MAX_TEXT);
        Member {
            role,
            name: text(self.full_name.or(self.username)),
            email: text(self.email),
            active: self.is_active.unwrap_or(true),
            two_factor: self.has_2fa,
            id: self.id,
        }
    }
}

impl Roster {
    /// Everybody, as listed now.
    pub fn of(members: &BTreeMap<String, Member>, at: UnixMillis) -> Self {
        let with_factor = members.values().filter(|member| member.two_factor == Some(true));
        Self { at, with_factor: with_factor.map(|member| member.id.clone()).collect() }
    }

    /// Those who had a second factor before and have none now, though their account is in use.
    pub fn lost<'m>(&self, now: &'m BTreeMap<String, Member>) -> Vec<&'m Member> {
        let has_none = |member: &&Member| member.active && member.two_factor == Some(false) && member.role != Role::Bot;
        now.values().filter(has_none).filter(|member| self.with_factor.contains(&member.id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(users: &str) -> BTreeMap<String, Member> {
        let page: Page = serde_json::from_str(&format!(r#"{{"ok":true,"users":[{users}]}}"#)).unwrap();
        page.into_members().map(|member| (member.id.clone(), member)).collect()
    }

    #[test]
    fn whoever_had_a_second_factor_and_has_none_now_is_told() {
        let before = r#"{"id":"W1","has_2fa":true},{"id":"W2","has_2fa":true},{"id":"W3","has_2fa":false},
            {"id":"W4","has_2fa":true},{"id":"W5","has_2fa":true},{"id":"W6","has_2fa":true,"is_bot":true}"#;
        let now = r#"{"id":"W1","has_2fa":false,"is_owner":true,"is_admin":true,"full_name":"Ada"},{"id":"W2","has_2fa":true},
            {"id":"W3","has_2fa":false},{"id":"W4","has_2fa":false,"is_active":false},{"id":"W5"},
            {"id":"W6","has_2fa":false,"is_bot":true},{"id":"W7","has_2fa":false}"#;
        let (roster, now) = (Roster::of(&members(before), UnixMillis(1)), members(now));
        let lost: Vec<_> = roster.lost(&now).iter().map(|m| (m.id.as_str(), m.name.as_str(), m.role)).collect();
        assert_eq!(lost, [("W1", "Ada", Role::Owner)]);
        assert_eq!(Roster::of(&now, UnixMillis(2)).lost(&now).len(), 0, "told once");
    }

    #[test]
    fn a_page_says_where_the_next_begins() {
        let page = |text: &str| serde_json::from_str::<Page>(text).unwrap().next_cursor().to_owned();
        assert_eq!(page(r#"{"users":[],"response_metadata":{"next_cursor":"abc"}}"#), "abc");
        assert_eq!(page(r#"{"users":[]}"#), "");
    }
}
