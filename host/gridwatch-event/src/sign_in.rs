//! Signing in: by which way somebody came, as far as the entry says.
//!
//! Slack names the identity provider (`idp_config_id`, `config_type`, `label`) of a single sign-on, and the method otherwise
//! (`authentication_method`, seen: `magic_link`). Of a sign-in with a password alone some entries say nothing, so that nothing is a
//! way too: whoever always comes through a provider and now without a word came past it.

use crate::event::Event;

/// The longest way that is told in full, in characters; a longer one is told by its beginning.
const MAX_CHARS: usize = 128;
/// Of a sign-in that says nothing.
const UNSAID: &str = "unsaid";

/// `saml Ic0A1B2C3`, `magic_link`, `unsaid`; "" of what is no sign-in. A provider is named by what an administrator can't change by
/// renaming it, where the entry has that.
pub fn way_of(event: &Event) -> String {
    if event.action() != "user_login" {
        return String::new();
    }
    let said = |key: &str| {
        let value = event.detail(key);
        value.map(|value| value.str().into_owned()).filter(|text| !text.is_empty())
    };
    let provider = ["idp_config_id", "idp_entity_id_hash", "idp_entity_id", "label"].into_iter().find_map(said);
    let method = match provider {
        Some(_) => ["config_type", "authentication_method"].into_iter().find_map(said),
        None => ["authentication_method", "config_type"].into_iter().find_map(said),
    };
    let way = match (method, provider) {
        (Some(method), Some(provider)) => format!("{method} {provider}"),
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => UNSAID.to_owned(),
    };
    way.chars().take(MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Entry;
    use crate::time::UnixMillis;

    #[test]
    fn a_way_is_the_provider_or_else_the_method() {
        for (action, details, want) in [
            ("user_login", r#"{"label":"Okta","config_type":"saml"}"#, "saml Okta"),
            (
                "user_login",
                r#"{"idp_config_id":"Ic1","label":"Okta","config_type":"saml","authentication_method":"saml"}"#,
                "saml Ic1",
            ),
            ("user_login", r#"{"authentication_method":"magic_link"}"#, "magic_link"),
            ("user_login", r#"{"label":"Okta"}"#, "Okta"),
            ("user_login", r#"{"label":"","authentication_method":null}"#, "unsaid"),
            ("user_login", "null", "unsaid"),
            ("user_login", r#""text""#, "unsaid"),
            ("user_login_failed", r#"{"authentication_method":"password"}"#, ""),
        ] {
            let raw = format!(r#"{{"id":"a","date_create":9,"action":"{action}","details":{details}}}"#);
            let event = Event::new(1, UnixMillis(0), &Entry::from_json(&raw));
            assert_eq!(way_of(&event), want, "{action} {details}");
        }
        let raw = format!(
            r#"{{"id":"a","date_create":9,"action":"user_login","details":{{"authentication_method":"{}"}}}}"#,
            "é".repeat(500)
        );
        assert_eq!(way_of(&Event::new(1, UnixMillis(0), &Entry::from_json(&raw))).chars().count(), MAX_CHARS);
    }
}
