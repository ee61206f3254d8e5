//! Scopes: how much each one lets an app do, and how to read lists of them. One table, so that what an app may do is rated
//! alike wherever it is asked.

use crate::json;
use std::collections::BTreeSet;

/// Tier by pattern; the highest that fits counts. If none does, it is [`OTHER`] of a scope in [`HARMLESS`], else [`UNKNOWN`]. `*` at either
/// end stands for anything.
const TIERS: &[(&str, u64)] = &[
    // Rule the organization, or see all of it: users, roles, apps, retention; the audit log; eDiscovery.
    ("admin", 4),
    ("admin.*", 4),
    ("auditlogs:read", 4),
    ("discovery:*", 4),
    // Read what people wrote, shared and kept.
    ("*:history", 3),
    ("files:read", 3),
    ("search:read*", 3),
    ("canvases:read", 3),
    ("lists:read", 3),
    // What a person's own client may, and changing what apps may.
    ("client", 3),
    ("read", 3),
    ("app_configurations:write", 3),
    // Addresses for phishing; messages under any name; a way to post that outlives the user.
    ("users:read.email", 2),
    ("chat:write.customize", 2),
    ("incoming-webhook", 2),
    // Who talks to whom, and a way to talk to anybody; what was said is `im:history`.
    ("im:*", 2),
    ("mpim:*", 2),
    // Ways to let somebody in, or to be somebody: outsiders, members of a group that may carry a role, profiles.
    ("conversations.connect:manage", 2),
    ("conversations.connect:write", 2),
    ("usergroups:write", 2),
    ("users.profile:write", 2),
    ("apps.requests:write", 2),
    ("bot", 2),
    ("post", 2),
];
/// Scopes of Slack's reference that are of no tier above: what they let an app do harms hardly anybody.
#[rustfmt::skip]
const HARMLESS: &[&str] = &[
    "app_configurations:read", "app_mentions:read", "assistant:write", "authorizations:read", "bookmarks:read", "bookmarks:write",
    "calls:read", "calls:write", "canvases:write", "channels:join", "channels:manage", "channels:read", "channels:write",
    "channels:write.invites", "channels:write.topic", "chat:write", "chat:write.public", "chat:write:bot", "chat:write:user", "commands",
    "connections:write", "conversations.connect:read", "conversations:write.invites", "conversations:write.topic", "datastore:read",
    "datastore:write", "dnd:read", "dnd:write", "dnd:write:user", "email", "emoji:read", "files:write", "files:write:user", "groups:read",
    "groups:write", "groups:write.invites", "groups:write.topic", "hosting:read", "hosting:write", "identify", "identity.avatar",
    "identity.avatar:read:user", "identity.basic", "identity.email", "identity.team", "links.embed:write", "links:read", "links:write",
    "lists:write", "metadata.message:read", "openid", "pins:read", "pins:write", "profile", "reactions:read", "reactions:write",
    "reminders:read", "reminders:read:user", "reminders:write", "reminders:write:user", "remote_files:read", "remote_files:share",
    "remote_files:write", "stars:read", "stars:write", "team.billing:read", "team.preferences:read", "team:read", "tokens.basic",
    "triggers:read", "triggers:write", "usergroups:read", "users.profile:read", "users:read", "users:write", "workflow.steps:execute",
    "workflows.templates:read", "workflows.templates:write",
];
/// Of a scope that isn't known: Slack adds some each year, and the new ones are rarely the harmless ones.
const UNKNOWN: u64 = 2;
const OTHER: u64 = 1;
/// From here on an app can do harm: pass for somebody, or leave a way in.
pub const SOME: u64 = 2;
/// From here on an app reads what people wrote, or rules the organization.
pub const MUCH: u64 = 3;

/// In lower case.
pub type Scopes = BTreeSet<String>;

/// All scopes in some fields, whatever their shape: lists, lists in a string, `a,b`.
pub fn read(fields: &[&str]) -> Scopes {
    let texts = fields.iter().flat_map(|field| json::texts(field));
    let split = texts.flat_map(|text| {
        let parts = text.split([',', ' ']).map(|scope| scope.trim().to_ascii_lowercase());
        parts.collect::<Vec<_>>()
    });
    split.filter(|scope| !scope.is_empty()).collect()
}

/// 1 to 4.
pub fn tier(scope: &str) -> u64 {
    let fitting = TIERS.iter().filter(|(pattern, _)| fits(pattern, scope));
    let other = if HARMLESS.contains(&scope) { OTHER } else { UNKNOWN };
    fitting.map(|(_, tier)| *tier).max().unwrap_or(other)
}

/// Those that aren't in Slack's reference as it was when this was written.
pub fn unknown(scopes: &Scopes) -> Scopes {
    let is_known = |scope: &str| HARMLESS.contains(&scope) || TIERS.iter().any(|(pattern, _)| fits(pattern, scope));
    scopes.iter().filter(|scope| !is_known(scope)).cloned().collect()
}

/// The tier of the strongest; 1 if there are none, for an app without any still is in.
pub fn highest_tier(scopes: &Scopes) -> u64 {
    scopes.iter().map(|scope| tier(scope)).max().unwrap_or(OTHER)
}

/// Strongest first, at most `max` of them.
pub fn brief(scopes: &Scopes, max: usize) -> String {
    let mut sorted: Vec<&str> = scopes.iter().map(String::as_str).collect();
    sorted.sort_by_key(|scope| std::cmp::Reverse(tier(scope)));
    let more = sorted.len().saturating_sub(max);
    sorted.truncate(max);
    match (sorted.is_empty(), more) {
        (true, _) => "no scopes given".into(),
        (false, 0) => sorted.join(", "),
        (false, more) => format!("{} and {more} more", sorted.join(", ")),
    }
}

fn fits(pattern: &str, scope: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) => scope.ends_with(end),
        (None, Some(start)) => scope.starts_with(start),
        (None, None) => pattern == scope,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_go_by_meaning_not_by_the_word_admin() {
        for (scope, want) in [
            ("admin", 4),
            ("admin.users:write", 4),
            ("auditlogs:read", 4),
            ("discovery:read", 4),
            ("mpim:history", 3),
            ("search:read.private", 3),
            ("im:write", 2),
            ("incoming-webhook", 2),
            // Who talks to whom, and a way to talk to anybody; what was said is `im:history`.
            ("im:*", 2),
            ("mpim:*", 2),
            ("users:read.email", 2),
            ("users:read", 1),
            ("chat:write", 1),
            ("canvases:read", 3),
            ("app_configurations:write", 3),
            ("usergroups:write", 2),
            ("files:write", 1),
            // Unknown ones are not harmless.
            ("administer-nothing", 2),
            ("thoughts:read", 2),
        ] {
            assert_eq!(tier(scope), want, "{scope}");
        }
    }

    #[test]
    fn what_is_harmless_is_of_no_tier_and_what_isnt_listed_is_unknown() {
        for scope in HARMLESS {
            assert!(!TIERS.iter().any(|(pattern, _)| fits(pattern, scope)), "{scope}");
        }
        let scopes = read(&["chat:write,files:read,thoughts:read"]);
        assert_eq!(unknown(&scopes), Scopes::from(["thoughts:read".to_owned()]));
    }

    #[test]
    fn lists_are_read_in_every_shape() {
        let want: Scopes = ["admin", "chat:write"].map(String::from).into();
        for field in [r#"["admin","chat:write"]"#, "chat:write,admin", "Admin chat:write"] {
            assert_eq!(read(&[field, ""]), want, "{field}");
        }
        assert!(read(&["", "[]"]).is_empty());
    }

    #[test]
    fn the_strongest_scopes_are_shown_first() {
        let scopes = read(&["chat:write,admin,files:read,users:read"]);
        assert_eq!(brief(&scopes, 2), "admin, files:read and 2 more");
    }
}
