//! Who we are, as a header of each request.

use super::oauth::Client;
use crate::reader::{Edge, Section};
use crate::secret::{self, Kind, Secret};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub const KEYS: &[&str] = &["bearer_file", "bearer_env", "user", "password_file", "password_env", "oauth"];

#[derive(Clone, Debug)]
pub enum Auth {
    None,
    /// `Bearer`, `Splunk`, `ApiKey` and the secret.
    Scheme(&'static str, Secret),
    Basic {
        user: String,
        password: Secret,
    },
    /// A token that is fetched with our secret, and again before it expires.
    OAuth(Box<Client>),
}

impl Auth {
    pub const KEYS: &'static [&'static str] = KEYS;

    /// From `bearer_*`, `user` and `password_*`, or `[sink.oauth]`: at most one of them.
    pub fn read(section: &mut Section<'_>, edge: &Edge<'_>) -> Self {
        let bearer = secret::optional(section, ("bearer_file", "bearer_env"), Kind::Any, edge);
        let user = section.text("user");
        let password = secret::optional(section, ("password_file", "password_env"), Kind::Any, edge);
        let has_password = section.has("password_file") || section.has("password_env");
        let oauth = section.section("oauth");
        let ways = [section.has("bearer_file") || section.has("bearer_env"), user.is_some(), oauth.is_present()];
        if ways.iter().filter(|there| **there).count() > 1 {
            let hint = "keep one of `bearer_file`, `user` with `password_file`, and `oauth`".to_owned();
            section.problem("", "says in more than one way who gridwatch is", hint);
        }
        if user.as_ref().is_some_and(|user| user.contains(':') || user.chars().any(char::is_control)) {
            section.problem("user", "has a character that no user can have here", None);
        }
        match (&user, has_password) {
            (Some(_), false) => section.problem("user", "is without a password", "add `password_file`".to_owned()),
            (None, true) => section.problem("user", "is missing beside a password", None),
            _ => {}
        }
        let oauth = oauth.is_present().then(|| Client::read(oauth, edge)).flatten();
        match (bearer, user.zip(password), oauth) {
            (Some(bearer), ..) => Self::Scheme("Bearer", bearer),
            (_, Some((user, password)), _) => Self::Basic { user, password },
            (.., Some(oauth)) => Self::OAuth(Box::new(oauth)),
            _ => Self::None,
        }
    }

    pub(super) fn secret(&mut self) -> Option<&mut Secret> {
        match self {
            Self::None => None,
            Self::Scheme(_, secret) | Self::Basic { password: secret, .. } => Some(secret),
            Self::OAuth(client) => Some(&mut client.secret),
        }
    }

    /// The header's text, but of a token that has to be fetched.
    pub(super) fn header(&self) -> Option<String> {
        match self {
            Self::None | Self::OAuth(_) => None,
            Self::Scheme(scheme, secret) => Some(format!("{scheme} {}", secret.expose())),
            Self::Basic { user, password } => {
                Some(format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.expose()))))
            }
        }
    }
}
