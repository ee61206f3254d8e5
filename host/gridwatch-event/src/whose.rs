//! Whose the context of an entry is: address, client and session are the actor's as a rule, and somebody else's at times.
//!
//! Slack's documentation (Audit Logs API, "user_channel_join"): of a join by invitation the context is the inviter's, and
//! likewise of a removal the remover's. What an app does in the name of its installer comes from the app's servers, and
//! so does what an agent does for somebody. Slack's own acts come from no address, or from the loopback address.
//!
//! Captured entries show two more kinds, neither of which names an app in its context, but neither has a session either: an
//! install that ends an OAuth flow comes from the server to which Slack handed the code, under the name of whoever clicked;
//! and an identity provider that creates and closes accounts in the name of the person who set it up.

use crate::client::{client_of, is_for_people};
use crate::event::Event;
use crate::mention::id_of;
use crate::part::Part;
use std::borrow::Cow;

/// Slack's placeholders where no person acted (docs.slack.dev/admins/audit-logs-api).
const PLACEHOLDERS: [&str; 3] = ["USLACKUSER", "USLACKSECURITY", "USLACKBOT"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose<'e> {
    Actor,
    /// Who invited the actor, or removed them: a user's object, or their id alone; `None` where the entry doesn't name them.
    Inviter(Option<Part<'e>>),
    /// The app through which the actor acted, as the entry has it.
    App(Part<'e>),
    /// The server of an app or of an identity provider, which the entry doesn't name.
    Server,
    /// The agent that acted for the actor, by name.
    Agent(Part<'e>),
    /// Nobody's: it isn't there, or Slack's own servers acted.
    Nobodys,
}

impl<'e> Whose<'e> {
    pub fn of(event: &'e Event) -> Self {
        if let Some(by) = inviter(event) {
            return Self::Inviter(by);
        }
        if let Some(agent) = agent(event) {
            return Self::Agent(agent);
        }
        if let Some(app) = app(event) {
            return Self::App(app);
        }
        match address(event) {
            "" => Self::Nobodys,
            ip if is_loopback(ip) => Self::Nobodys,
            _ if is_by_server(event) => Self::Server,
            _ => Self::Actor,
        }
    }

    /// As the field `context.whose` says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Actor => "actor",
            Self::Inviter(_) => "inviter",
            Self::App(_) | Self::Server => "app",
            Self::Agent(_) => "agent",
            Self::Nobodys => "",
        }
    }
}

/// Slack refused it, or judged it: the entry names whom somebody claimed to be, and says nothing of what that person did.
pub(crate) const CLAIMED: [&str; 3] = ["user_login_failed", "ip_allowlist_access_denied", "anomaly"];

/// What ends an OAuth flow: the app's server exchanges the code, and the entry has that server's address and client.
pub(crate) const ENDS_OAUTH: [&str; 7] = [
    "app_installed",
    "app_scopes_expanded",
    "app_resources_granted",
    "org_app_installed",
    "org_app_upgraded_to_org_install",
    "bot_token_upgraded",
    "bot_token_downgraded",
];

/// Somebody's server acted, which the entry doesn't name: there is no session, and it is what servers do. An account may be closed
/// by a person too, so that there the client has to be none of people's.
fn is_by_server(event: &Event) -> bool {
    let provisions = || {
        let agent = user_agent(event);
        !agent.is_empty() && !is_for_people(&client_of(&agent))
    };
    let (is_servers, may_be) = (event.traits().ends_oauth, event.traits().may_be_provisioned);
    (is_servers || may_be) && !has_session(event) && (is_servers || provisions())
}

/// Does the entry have a session? Slack writes a number, `null` where there is none, and in old entries nothing.
pub fn has_session(event: &Event) -> bool {
    event.session_id().is_some_and(|id| !id.is_null() && !id.is(""))
}

pub fn is_placeholder(user: &str) -> bool {
    PLACEHOLDERS.contains(&user)
}

/// `context.app`, if an app made the call.
pub fn app(event: &Event) -> Option<Part<'_>> {
    let app = event.calling_app()?;
    app.get("id").filter(|id| id.is_text() && !id.is("")).map(|_| app)
}

/// `context.acting_agent`: Slackbot or another agent that acted for the actor.
pub fn agent(event: &Event) -> Option<Part<'_>> {
    event.acting_agent().filter(|agent| agent.is_text() && !agent.is(""))
}

pub fn address(event: &Event) -> &str {
    event.ip_address()
}

pub fn user_agent(event: &Event) -> Cow<'_, str> {
    event.user_agent().map(Part::str).unwrap_or_default()
}

pub fn is_loopback(ip: &str) -> bool {
    // Nothing else need be looked at as an address.
    let may_be = ip.starts_with("127.") || ip.contains(':');
    may_be && ip.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// `inviter` and `kicker` come flat or, in older entries, as `{type, user: {…}}`; a bare id is understood too.
fn inviter(event: &Event) -> Option<Option<Part<'_>>> {
    let is_named = |by: &Part<'_>| by.is_object() || by.is_text() && !by.is("");
    let (mut inviter, mut kicker, mut how) = (None, None, None);
    for (key, value) in event.details()?.members() {
        match key {
            "inviter" => inviter = Some(value).filter(is_named),
            "kicker" => kicker = Some(value).filter(is_named),
            "type" => how = Some(value),
            _ => {}
        }
    }
    let named = inviter.or(kicker);
    let is_said = || how.is_some_and(|how| how.is("INVITED") || how.is("KICKED"));
    if named.is_none() && !(event.traits().names_channel && is_said()) {
        return None;
    }
    let user = named.map(|by| by.get("user").filter(|user| user.is_object()).unwrap_or(by));
    Some(user.filter(|user| id_of(*user).as_deref() != Some(event.actor_id())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Entry;
    use crate::time::UnixMillis;

    fn whose(action: &str, context: &str, details: &str) -> String {
        let raw = format!(
            r#"{{"id":"a","date_create":9,"action":"{action}","actor":{{"type":"user","user":{{"id":"W1"}}}},
               "context":{{{context}}},"details":{{{details}}}}}"#
        );
        let event = Event::new(1, UnixMillis(0), &Entry::from_json(&raw));
        match Whose::of(&event) {
            Whose::Inviter(Some(user)) => format!("inviter {}", id_of(user).unwrap_or_default()),
            Whose::App(app) => format!("app {}", app.get("id").map(Part::str).unwrap_or_default()),
            other => other.name().to_owned(),
        }
    }

    #[test]
    fn the_context_is_the_actors_unless_the_entry_says_otherwise() {
        let ip = r#""ip_address":"198.51.100.7""#;
        for (action, context, details, want) in [
            ("user_login", ip, "", "actor"),
            ("user_channel_join", ip, r#""type":"JOINED""#, "actor"),
            ("user_channel_join", ip, r#""type":"INVITED","inviter":{"id":"W2"}"#, "inviter W2"),
            ("user_channel_join", ip, r#""inviter":{"type":"user","user":{"id":"W2"}}"#, "inviter W2"),
            ("user_channel_join", ip, r#""type":"INVITED","inviter":"W2""#, "inviter W2"),
            ("user_channel_join", ip, r#""inviter":"W2""#, "inviter W2"),
            ("user_channel_join", ip, r#""inviter":"","kicker":null"#, "actor"),
            ("user_channel_join", ip, r#""type":"INVITED""#, "inviter"),
            ("user_channel_leave", ip, r#""type":"KICKED","kicker":{"id":"W3"}"#, "inviter W3"),
            ("file_downloaded", r#""ip_address":"192.0.2.9","app":{"id":"A1"}"#, "", "app A1"),
            ("file_downloaded", r#""ip_address":"127.0.0.1","ua":"","session_id":null,"app":null"#, "", ""),
            ("file_downloaded", r#""ip_address":"""#, "", ""),
            ("app_installed", ip, "", "app"),
            ("app_installed", r#""ip_address":"198.51.100.7","ua":"okhttp/4.9","session_id":null"#, "", "app"),
            ("app_installed", r#""ip_address":"198.51.100.7","session_id":7"#, "", "actor"),
            ("app_scopes_expanded", ip, "", "app"),
            ("app_approved", ip, "", "actor"),
            ("user_deactivated", r#""ip_address":"198.51.100.7","ua":"OKTA CPC Slack Integration""#, "", "app"),
            (
                "user_deactivated",
                r#""ip_address":"198.51.100.7","ua":"OKTA CPC Slack Integration","session_id":7"#,
                "",
                "actor",
            ),
            ("user_deactivated", r#""ip_address":"198.51.100.7","ua":"Mozilla/5.0 (Windows) Chrome/149""#, "", "actor"),
            ("user_deactivated", ip, "", "actor"),
            ("canvas_created", r#""ip_address":"192.0.2.9","acting_agent":"Slackbot","app":{"id":"A1"}"#, "", "agent"),
        ] {
            assert_eq!(whose(action, context, details), want, "{action} {context} {details}");
        }
    }
}
