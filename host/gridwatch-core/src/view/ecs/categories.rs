//! `event.category` and `event.type` of each action.
//!
//! Derived from the class and activity that the OCSF view gives an action, so that one table says what an action is. A row
//! here is for an action of which ECS has a better word than that would give.

use crate::view::ocsf::{Class, Mapping, mapping, matches};

/// Categories, and the types that go with them, both sorted.
pub(super) type Categories = (&'static [&'static str], &'static [&'static str]);

/// `event.category` and `event.type` of an action; both empty for one that no table names.
pub fn categories(action: &str) -> Categories {
    let mapping = mapping(action);
    let better = BETTER.iter().find(|(_, patterns)| patterns.iter().any(|pattern| matches(pattern, action)));
    match better {
        Some((categories, _)) if mapping.is_known => *categories,
        _ => derived(&mapping),
    }
}

fn derived(mapping: &Mapping) -> Categories {
    match (mapping.activity.class, mapping.activity.id) {
        (Class::BaseEvent, _) => (&[], &[]),
        (Class::DetectionFinding, _) => (&["intrusion_detection"], &["info"]),
        (Class::AccountChange, 1) => (&["iam"], &["creation", "user"]),
        (Class::AccountChange | Class::UserAccessManagement, _) => (&["iam"], &["change", "user"]),
        (Class::GroupManagement, _) => (&["iam"], &["change", "group"]),
        (Class::Authentication, 1) => (&["authentication"], &["start"]),
        (Class::Authentication, 2) => (&["authentication"], &["end"]),
        (Class::Authentication, _) => (&["authentication"], &["info"]),
        (Class::WebResourcesActivity, 2 | 5) => (&["web"], &["access"]),
        (Class::WebResourcesActivity, 7) => (&["file"], &["info"]),
        (Class::EntityManagement | Class::WebResourcesActivity, id) => (&["configuration"], change_of(id)),
        (Class::ApplicationLifecycle, 1) => (&["package"], &["installation"]),
        (Class::ApplicationLifecycle, 2) => (&["package"], &["deletion"]),
        (Class::ApplicationLifecycle, 6 | 7) => (&["configuration"], &["change"]),
        (Class::ApplicationLifecycle, 8) => (&["package"], &["change"]),
        (Class::ApplicationLifecycle, _) => (&["package"], &["info"]),
        (Class::ApiActivity, id) => (&["api"], change_of(id)),
        (Class::FileHostingActivity, 1 | 6) => (&["file"], &["creation"]),
        (Class::FileHostingActivity, 2 | 14) => (&["file"], &["access"]),
        (Class::FileHostingActivity, 4) => (&["file"], &["deletion"]),
        (Class::FileHostingActivity, _) => (&["file"], &["change"]),
    }
}

/// OCSF numbers create, read, update and delete alike in all classes that have them, and 99 is "other". What else there is
/// (move, enable, enroll, share) changes something.
const fn change_of(id: u64) -> &'static [&'static str] {
    match id {
        1 => &["creation"],
        2 => &["access"],
        4 => &["deletion"],
        99 => &["info"],
        _ => &["change"],
    }
}

/// A pattern is a name with at most one `*`, which stands for any text. The first row that matches counts.
#[rustfmt::skip]
const BETTER: &[(Categories, &[&str])] = &[
    ((&["file", "malware"], &["info"]), &["file_malicious_content_detected"]),
    ((&["intrusion_detection"], &["info"]), &[
        "workflow_trigger_suspicious_keyword", "workflow_ai_answer_suspicious_prompt",
    ]),
    ((&["authentication", "network"], &["denied", "start"]), &["ip_allowlist_access_denied"]),
    // A session that someone or something ends is more than a person who signs out.
    ((&["authentication", "session"], &["end"]), &[
        "user_session_invalidated", "user_session_reset_by_admin", "user_sessions_reset_by_*",
        "bulk_session_reset_by_admin", "user_logout_*",
    ]),
    ((&["session"], &["start"]), &["huddle_started", "huddle_participant_joined"]),
    ((&["session"], &["end"]), &["huddle_ended", "huddle_participant_left", "huddle_participant_dropped"]),
    ((&["session"], &["info"]), &["huddle_*"]),

    // What roles may do, and how people sign in: settings that are also about identity.
    ((&["iam"], &["admin", "creation"]), &["role_created"]),
    ((&["iam"], &["admin", "change"]), &["role_updated", "permissions_assigned", "permissions_removed"]),
    ((&["iam"], &["admin", "deletion"]), &["role_deleted"]),
    ((&["configuration", "iam"], &["admin", "creation"]), &[
        "auth_policy_created", "idp_configuration_added", "seamless_auth_*_created",
    ]),
    ((&["configuration", "iam"], &["admin", "deletion"]), &[
        "idp_configuration_deleted", "seamless_auth_*_revoked", "seamless_auth_org_disconnected",
    ]),
    ((&["configuration", "iam"], &["admin", "change"]), &[
        "auth_policy_entity_*", "idp_*_configuration_updated", "seamless_auth_org_update*", "enterprise_managed_auth_*",
        "pref.sso_*", "pref.two_factor_*",
    ]),

    // An export makes a file, which is then fetched.
    ((&["file"], &["access"]), &["*_export_downloaded", "workflow_responses_csv_download"]),
    ((&["file"], &["creation"]), &[
        "*_export_completed", "apps_analytics_export_prepared", "export_private_channel_analytics_created",
    ]),
    ((&["file"], &["deletion"]), &["*_export_deleted"]),

    // Messages, for which ECS has no category.
    ((&["web"], &["access"]), &["message_activity_viewed"]),
    ((&["web"], &["info"]), &[
        "message_*", "ai_message_*", "thread_*", "private_message_forwarded", "sales_home_notification_forwarded",
        "record_shared", "user_added_reminder",
    ]),

    // Asked for, or turned down: nothing is installed or opened yet.
    ((&["package"], &["info"]), &["child_app_auto_install_denied"]),
    ((&["configuration"], &["info"]), &[
        "*_invite_sent", "*_invite_created", "*_invite_requested", "*_invite_declined", "*_invite_expired",
        "*_invite_request_denied", "connect_dm_invite_generated", "connect_dm_invite_ignored",
    ]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;

    #[test]
    fn no_row_is_dead_or_changes_nothing() {
        let patterns = || BETTER.iter().flat_map(|(categories, all)| all.iter().map(move |one| (*one, *categories)));
        for (pattern, categories) in patterns() {
            let hits: Vec<_> = catalogue::actions().filter(|action| matches(pattern, action)).collect();
            assert!(!hits.is_empty(), "no action is called {pattern}");
            let without = |action: &str| {
                let next = patterns().find(|(other, _)| *other != pattern && matches(other, action));
                next.map_or_else(|| derived(&mapping(action)), |(_, categories)| categories)
            };
            assert!(hits.iter().any(|action| without(action) != categories), "{pattern} changes nothing");
        }
    }
}
