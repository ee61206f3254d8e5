//! `event.category` and `event.type` of each action.
//!
//! Derived from the class and activity that the OCSF view gives an action, so that one table says what an action is. A row
//! here is for an action of which ECS has a better word than that would give.

use crate::ocsf::{Class, Mapping, mapping, matches};
use gridwatch_names::catalogue;
use std::sync::LazyLock;

/// Categories, and the types that go with them, both sorted.
pub(super) type Categories = (&'static [&'static str], &'static [&'static str]);

/// `event.category` and `event.type` of an action; both empty for one that no table names.
pub fn categories(action: &str) -> Categories {
    let known = catalogue::number_of(action).and_then(|number| KNOWN.get(usize::from(number)));
    known.copied().unwrap_or_else(|| look_up(action))
}

/// Of the actions of the catalogue, in its order.
static KNOWN: LazyLock<Vec<Categories>> = LazyLock::new(|| catalogue::actions().map(look_up).collect());

fn look_up(action: &str) -> Categories {
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
        (Class::AccountChange, 5) => (&["iam"], &["change", "deletion", "user"]),
        (Class::AccountChange, _) => (&["iam"], &["change", "user"]),
        (Class::UserAccessManagement, _) => (&["iam"], &["admin", "change", "user"]),
        (Class::GroupManagement, 1 | 2) => (&["iam"], &["admin", "change", "group"]),
        (Class::GroupManagement, 3 | 4) => (&["iam"], &["change", "group", "user"]),
        (Class::GroupManagement, _) => (&["iam"], &["change", "group"]),
        // Elastic's own documents have `info` beside the start and the end of a session.
        (Class::Authentication, 1) => (&["authentication", "session"], &["info", "start"]),
        (Class::Authentication, 2) => (&["authentication", "session"], &["end", "info"]),
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
        (Class::FileHostingActivity, 12 | 13) => (&["file"], &["change", "info"]),
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
    ((&["authentication", "network"], &["denied", "start"]), &["ip_allowlist_access_denied"]),
    // No session comes of a sign-in that failed.
    ((&["authentication"], &["info", "start"]), &["user_login_failed"]),
    ((&["session"], &["start"]), &["huddle_started", "huddle_participant_joined"]),
    ((&["session"], &["end"]), &["huddle_ended", "huddle_participant_left", "huddle_participant_dropped"]),
    ((&["session"], &["info"]), &["huddle_*"]),

    // What roles may do, and how people sign in: settings that are also about identity.
    ((&["iam"], &["admin", "creation"]), &["role_created"]),
    ((&["iam"], &["admin", "change"]), &["role_updated"]),
    ((&["iam"], &["admin", "change", "group"]), &["role_modified_on_usergroup"]),
    ((&["configuration", "iam"], &["change", "group"]), &["default_channel_*_usergroup"]),
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

    // Asked for, queued or turned down: nothing is changed, installed or opened yet.
    ((&["iam"], &["info", "user"]), &["user_password_reset_requested"]),
    ((&["iam"], &["group", "info"]), &["*_enqueued", "user_bulk_upload_*_started"]),
    ((&["configuration"], &["info"]), &["*_import_initiated", "*_import_failed"]),
    ((&["package"], &["info"]), &["child_app_auto_install_denied"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// What Elastic's Slack integration gives these actions (its ingest pipeline, and the documents it tests). Two of its types are
    /// left out: ECS has no `allowed` and no `denied` in the category `file`.
    const ELASTIC: &[(&str, &[&str], &[&str])] = &[
        ("user_login", &["authentication", "session"], &["info", "start"]),
        ("user_login_failed", &["authentication"], &["info"]),
        ("user_logout", &["authentication", "session"], &["end", "info"]),
        ("user_session_invalidated", &["authentication", "session"], &["end", "info"]),
        ("user_session_reset_by_admin", &["authentication", "session"], &["end", "info"]),
        ("user_created", &["iam"], &["creation", "user"]),
        ("user_deactivated", &["iam"], &["deletion", "user"]),
        ("user_reactivated", &["iam"], &["change", "user"]),
        ("role_change_to_admin", &["iam"], &["admin", "change", "user"]),
        ("role_change_to_owner", &["iam"], &["admin", "change", "user"]),
        ("role_change_to_user", &["iam"], &["change", "user"]),
        ("role_change_to_guest", &["iam"], &["change", "user"]),
        ("user_email_updated", &["iam"], &["change", "user"]),
        ("user_added_to_usergroup", &["iam"], &["change", "group", "user"]),
        ("user_removed_from_usergroup", &["iam"], &["change", "group", "user"]),
        ("default_channel_added_to_usergroup", &["configuration", "iam"], &["change", "group"]),
        ("default_channel_removed_from_usergroup", &["configuration", "iam"], &["change", "group"]),
        ("role_added_to_usergroup", &["iam"], &["change", "group"]),
        ("role_removed_from_usergroup", &["iam"], &["change", "group"]),
        ("role_modified_on_usergroup", &["iam"], &["change", "group"]),
        ("file_downloaded", &["file"], &[]),
        ("file_downloaded_blocked", &["file"], &[]),
        ("file_uploaded", &["file"], &["creation"]),
        ("file_public_link_created", &["file"], &["info"]),
        ("file_public_link_revoked", &["file"], &["info"]),
        ("file_shared", &["file"], &["info"]),
        ("file_malicious_content_detected", &["file", "malware"], &["info"]),
    ];

    #[test]
    fn a_query_written_for_elastics_documents_finds_ours() {
        for (action, category, kind) in ELASTIC {
            let (ours, types) = categories(action);
            assert_eq!(ours, *category, "{action}");
            assert!(kind.iter().all(|kind| types.contains(kind)), "{action}: {types:?} lacks some of {kind:?}");
        }
    }

    #[test]
    fn what_is_only_asked_for_changes_nothing() {
        const DONE: [&str; 6] = ["change", "creation", "deletion", "installation", "start", "end"];
        for pattern in ["*_requested", "*_enqueued", "*_intent", "*_scheduled", "*_invite_sent", "*_invite_created"] {
            for action in catalogue::actions().filter(|action| matches(pattern, action)) {
                let (_, types) = categories(action);
                assert!(!types.iter().any(|kind| DONE.contains(kind)), "{action}: {types:?}");
            }
        }
    }

    #[test]
    fn grants_and_what_takes_them_back_are_admin_acts() {
        for action in catalogue::actions() {
            let (class, id) = (mapping(action).activity.class, mapping(action).activity.id);
            if class == Class::UserAccessManagement || class == Class::GroupManagement && id <= 2 {
                assert!(categories(action).1.contains(&"admin"), "{action}");
            }
        }
    }

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
