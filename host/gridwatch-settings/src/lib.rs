//! gridwatch-settings: what Slack's settings guard, and which way a change of one went.
//!
//! Pure, and small enough for modules in WASM: the host asks it for the fields `setting.direction` and `setting.guards`, modules through the
//! SDK, so that a value has one verdict wherever it is asked.
//!
//! | file | what |
//! |---|---|
//! | `table` | each setting: of which kind it is, what it guards, how much it is worth, and how that is known |
//! | `change` | what is on, off, allowed or listed, before and after |
//! | `audience`, `length`, `retention`, `ranges`, `number` | who may, how long, how long kept, which addresses, which number |
//! | `json` | lists of texts in Slack's polymorphic values |

pub mod audience;
pub mod change;
pub mod json;
pub mod length;
pub mod number;
pub mod ranges;
pub mod retention;
mod table;

pub use change::Direction;
pub use table::{Guards, Kind, SETTINGS, Setting, Source, Weight};

impl Setting {
    /// The setting that an action changes.
    pub fn of(action: &str) -> Option<&'static Self> {
        SETTINGS.binary_search_by(|setting| setting.action.cmp(action)).ok().map(|at| &SETTINGS[at])
    }

    /// The setting that an entry is about: `prefs_setting_changed` names it in its details (`pref_name`).
    pub fn in_entry(action: &str, pref_name: &str) -> Option<&'static Self> {
        match action {
            "prefs_setting_changed" if !pref_name.is_empty() => {
                let name = pref_name.strip_prefix("pref.").unwrap_or(pref_name);
                Self::of(&format!("pref.{name}")).or_else(|| Self::of(&format!("pref.{name}_changed")))
            }
            action => Self::of(action),
        }
    }

    /// Which way it went, from its values before and after. Absent values are "".
    pub fn direction(&self, before: &str, after: &str) -> Direction {
        let read = match self.kind {
            Kind::Protection => return change::of_protection(before, after),
            Kind::Permission => return change::of_permission(before, after),
            Kind::Allowlist => return change::of_allowlist(before, after),
            Kind::ProtectiveList => return change::of_protective_list(before, after),
            Kind::AudienceOrSwitch => {
                return match change::between(before, after, audience::of_audience) {
                    Direction::Unclear => change::of_permission(before, after),
                    direction => direction,
                };
            }
            Kind::Loosens => return Direction::Looser,
            Kind::Tightens => return Direction::Stricter,
            Kind::Audience => audience::of_audience,
            Kind::Length => return length::length_changed(before, after),
            Kind::Retention => retention::of_retention,
            Kind::EditWindow => number::of_edit_window,
            Kind::LeastVersion => number::of_least_version,
            Kind::Ranges => ranges::of_ranges,
            Kind::Untold => |_: &str, _: &str| Direction::Unclear,
        };
        change::between(before, after, read)
    }
}

/// Which way a setting went that an action changes; `None` if it changes none.
pub fn direction(action: &str, before: &str, after: &str) -> Option<Direction> {
    Setting::of(action).map(|setting| setting.direction(before, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{Looser, Stricter, Unclear};
    use gridwatch_names::catalogue;

    #[test]
    fn every_preference_of_the_catalogue_has_a_row_and_no_row_is_of_anything_else() {
        let prefs: Vec<&str> = catalogue::actions().filter(|action| action.starts_with("pref.")).collect();
        assert_eq!(prefs.len(), 127);
        for action in &prefs {
            assert!(Setting::of(action).is_some(), "{action} has no row");
        }
        for setting in SETTINGS {
            assert!(catalogue::is_action(setting.action), "{} is no action", setting.action);
            assert!(!setting.means.is_empty() && !setting.why.is_empty(), "{}", setting.action);
        }
    }

    #[test]
    fn rows_are_sorted_for_the_search() {
        assert!(SETTINGS.windows(2).all(|pair| pair[0].action < pair[1].action));
        let named = |name| Setting::in_entry("prefs_setting_changed", name).map(|setting| setting.action);
        assert_eq!(named("two_factor_auth"), Some("pref.two_factor_auth_changed"));
        assert_eq!(
            (named("pref.app_dir_only"), named(""), named("of_tomorrow")),
            (Some("pref.app_dir_only"), None, None)
        );
        assert!(Setting::of("user_login").is_none() && direction("user_login", "", "").is_none());
    }

    /// What can't be told is nobody's alert by its direction, so it must be few, and each says why.
    #[test]
    fn few_preferences_have_no_direction() {
        let untold =
            SETTINGS.iter().filter(|setting| setting.kind == Kind::Untold && setting.action.starts_with("pref."));
        let untold: Vec<&str> = untold.map(|setting| setting.action).collect();
        assert!(untold.len() <= 18, "{untold:?}");
    }

    #[test]
    fn the_kind_decides_which_way_is_looser() {
        for (action, strict, loose) in [
            ("pref.two_factor_auth_changed", "required", "optional"),
            ("pref.allow_message_deletion", "false", "true"),
            ("pref.who_can_manage_guests", r#"{"type":["ORG_ADMINS_AND_OWNERS"]}"#, r#"{"type":["EVERYONE"]}"#),
            ("pref.can_receive_shared_channels_invites", "0", "1"),
            ("pref.slack_connect_allowed_workspaces", r#"["T1"]"#, r#"["T1","T2"]"#),
            ("pref.uneditable_user_profile_fields", r#"["real_name","title"]"#, r#"["title"]"#),
            ("pref.flag_content_users_to_notify", r#"["U1","U2"]"#, r#"["U1"]"#),
            ("pref.session_duration_changed", "3600", "0"),
            ("pref.max_guest_duration", "30", "365"),
            ("pref.dm_retention_changed", "RETAIN_ALL", "EXPIRE_MSGS"),
            ("pref.private_retention_redaction_duration", "90", "1"),
            ("pref.msg_edit_window_mins", "5", "-1"),
            ("pref.required_minimum_mobile_version_changed", "26.10.1", "26.9.9"),
            ("team_authorized_ip_range_set", r#"["198.51.100.0/24"]"#, r#"["198.51.100.0/24","203.0.113.0/24"]"#),
        ] {
            let of = |before, after| direction(action, before, after).unwrap();
            assert_eq!((of(strict, loose), of(loose, strict)), (Looser, Stricter), "{action}");
            assert_eq!(of(loose, loose), Stricter, "{action}, saved as it was");
        }
        let of = |action| direction(action, "", "").unwrap();
        assert_eq!(
            ["ip_allowlist_disabled", "intune_enabled", "native_dlp_rule_edited"].map(of),
            [Looser, Stricter, Unclear]
        );
    }
}
