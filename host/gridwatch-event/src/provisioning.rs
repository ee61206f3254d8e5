//! Provisioning: who creates, changes and closes accounts on behalf of the identity provider, as the operator names it
//! (`[detect.provisioning]`), once for all modules.
//!
//! Slack shows an integration as an app in the entry's context, or only as the person's account that it was set up with, or
//! by nothing but its client ("OKTA CPC Slack Integration"). The three aren't worth the same:
//!
//! - an *app* is Slack's own word.
//! - an *account* counts on entries without a session alone: the same account in a browser is a person at a keyboard.
//! - a *client* is whatever the caller calls itself. It counts on entries without a session, and for what provisioning does
//!   all day ([`IS_ITS_WORK`]); a rule may be quieter for it, not blind.

use crate::event::Event;
use crate::whose;
use serde::Deserialize;

/// What an identity provider does to accounts and groups all day. Roles, passwords and sessions aren't among it: a user agent is
/// too little to be quiet about those.
pub(crate) const IS_ITS_WORK: [&str; 16] = [
    "user_created",
    "user_deactivated",
    "user_reactivated",
    "user_email_updated",
    "user_profile_updated",
    "user_username_updated",
    "user_joined_workspace",
    "user_removed_from_workspace",
    "guest_created",
    "guest_deactivated",
    "guest_reactivated",
    "usergroup_created",
    "usergroup_updated",
    "usergroup_disabled",
    "user_added_to_usergroup",
    "user_removed_from_usergroup",
];

/// Is it what an identity provider does all day, by Slack's SCIM API?
pub fn is_its_work(action: &str) -> bool {
    IS_ITS_WORK.contains(&action)
}

/// Fewer letters than this begin too many clients' names.
pub const MIN_CLIENT_CHARS: usize = 6;

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Provisioning {
    /// Ids (A…).
    pub apps: Vec<String>,
    /// Ids (U…, W…).
    pub accounts: Vec<String>,
    /// What a user agent begins with, in any case of letters.
    pub clients: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    App,
    Account,
    Client,
}

impl By {
    /// As the field `context.provisioning` says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Account => "account",
            Self::Client => "client",
        }
    }
}

impl Provisioning {
    /// How an entry is known to be provisioning's; `None` if it isn't.
    pub fn of(&self, event: &Event) -> Option<By> {
        if self == &Self::default() {
            return None;
        }
        let app = whose::app(event).and_then(crate::mention::app_id);
        if app.is_some_and(|app| self.apps.iter().any(|known| *known == app)) {
            return Some(By::App);
        }
        if whose::has_session(event) {
            return None;
        }
        let actor = event.actor_id();
        if self.accounts.iter().any(|known| known == actor) {
            return Some(By::Account);
        }
        let agent = whose::user_agent(event);
        let is_client =
            |known: &String| agent.get(..known.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(known));
        (is_its_work(event.action()) && self.clients.iter().any(is_client)).then_some(By::Client)
    }

    /// The list that an organization's answer to `provisioning_apps`, `provisioning_accounts` or `provisioning_clients` belongs to.
    pub fn list_mut(&mut self, question: &str) -> Option<&mut Vec<String>> {
        match question.strip_prefix("provisioning_")? {
            "apps" => Some(&mut self.apps),
            "accounts" => Some(&mut self.accounts),
            "clients" => Some(&mut self.clients),
            _ => None,
        }
    }

    /// The lists by their names in the configuration.
    pub fn lists(&self) -> [(&'static str, &[String]); 3] {
        [("apps", &self.apps), ("accounts", &self.accounts), ("clients", &self.clients)]
    }

    /// What can't be meant: the name of each list, and what is wrong with it.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let ids = |list: &'static str, ids: &[String], letters: &'static [char], what: &'static str| {
            let is_id = |id: &&String| {
                id.starts_with(letters)
                    && id.len() > 1
                    && id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
                    && !whose::is_placeholder(id)
            };
            let wrong = ids.iter().filter(|id| !is_id(id)).map(|id| (list, format!("has `{id}`; {what}")));
            wrong.collect::<Vec<_>>()
        };
        let client = |name: &String| {
            let small = name.to_ascii_lowercase();
            let is_for_people =
                crate::client::is_for_people(&crate::client::client_of(name)) || small.starts_with("mozilla");
            match name.trim().chars().count() {
                n if n < MIN_CLIENT_CHARS => {
                    Some(format!("has `{name}`; fewer than {MIN_CLIENT_CHARS} letters begin too many names"))
                }
                _ if is_for_people => Some(format!("has `{name}`, with which programs for people begin")),
                _ => None,
            }
        };
        let clients = self.clients.iter().filter_map(client).map(|problem| ("clients", problem));
        [
            ids("apps", &self.apps, &['A'], "an app's id starts with A"),
            ids("accounts", &self.accounts, &['U', 'W'], "a person's id starts with U or W"),
            clients.collect(),
        ]
        .concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Entry;
    use crate::time::UnixMillis;

    fn known() -> Provisioning {
        let list = |text: &str| vec![text.to_owned()];
        Provisioning { apps: list("A0IDP"), accounts: list("W0SVC"), clients: list("OKTA CPC") }
    }

    fn by(action: &str, actor: &str, context: &str) -> &'static str {
        let raw = format!(
            r#"{{"id":"a","date_create":9,"action":"{action}","actor":{{"type":"user","user":{{"id":"{actor}"}}}},"context":{{{context}}}}}"#
        );
        known().of(&Event::new(1, UnixMillis(0), &Entry::from_json(&raw))).map_or("", By::name)
    }

    #[test]
    fn provisioning_is_known_by_app_account_or_client() {
        for (action, actor, context, want) in [
            ("user_created", "W1", r#""app":{"id":"A0IDP"}"#, "app"),
            ("role_change_to_admin", "W1", r#""app":{"id":"A0IDP"},"session_id":7"#, "app"),
            ("user_deactivated", "W0SVC", r#""session_id":null"#, "account"),
            ("role_change_to_admin", "W0SVC", "", "account"),
            ("user_deactivated", "W0SVC", r#""session_id":1656410836837"#, ""),
            ("user_deactivated", "W1", r#""ua":"OKTA CPC Slack Integration","session_id":null"#, "client"),
            ("user_deactivated", "W1", r#""ua":"okta cpc slack integration""#, "client"),
            ("user_deactivated", "W1", r#""ua":"OKTA CPC Slack Integration","session_id":7"#, ""),
            ("user_deactivated", "W1", r#""ua":"like OKTA CPC Slack Integration""#, ""),
            ("role_change_to_admin", "W1", r#""ua":"OKTA CPC Slack Integration""#, ""),
            ("bulk_session_reset_by_admin", "W1", r#""ua":"OKTA CPC Slack Integration""#, ""),
            ("user_deactivated", "W1", r#""app":{"id":"A1"}"#, ""),
            ("user_deactivated", "W1", r#""ua":"Ökta""#, ""),
        ] {
            assert_eq!(by(action, actor, context), want, "{action} {actor} {context}");
        }
    }

    #[test]
    fn what_can_not_be_meant_is_told() {
        assert_eq!(known().problems(), vec![]);
        let wrong = Provisioning {
            apps: vec!["U1".into()],
            accounts: vec!["A1".into(), "USLACKUSER".into(), "okta@example.com".into()],
            clients: vec!["Okta".into(), "Mozilla/5.0".into(), "Slack_SSB/4.0".into()],
        };
        let lists: Vec<_> = wrong.problems().into_iter().map(|(list, _)| list).collect();
        assert_eq!(lists, ["apps", "accounts", "accounts", "accounts", "clients", "clients", "clients"]);
    }
}
