//! What sinks that speak HTTP have in common: where and how to send (the settings here), one request with its answer
//! ([`Connection`]), who we are ([`Auth`]), and a batch that is sent part by part ([`parts`]).
//!
//! It knows no receiver: what an answer means to a record, each kind of sink says itself. No secret gets into a `Debug`, a log or an
//! error, also where a receiver repeats it; nor does an address that is a secret.

mod auth;
mod connection;
mod oauth;
pub mod parts;
mod verdict;

pub use auth::Auth;
pub use connection::{Connection, Failed, Reply, Request};
pub use parts::Outcome;
pub use verdict::{Codes, Verdict};

use super::batch::Limits;
use super::retry::Backoff;
use super::{Pace, Problem};
use crate::http::{Network, is_loopback};
use crate::reader::{Edge, HOUR_S, KIB, MIB, Purpose, Section};
use crate::secret::{self, Kind, Secret};
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use std::time::Duration;

/// Keys of all of them.
pub const KEYS: &[&str] = &[
    "url",
    "url_file",
    "url_env",
    "proxy",
    "ca_file",
    "client_cert_file",
    "client_key_file",
    "timeout",
    "compression",
    "headers",
];
/// Keys of those that are fed in batches.
pub const BATCH_KEYS: &[&str] = &["batch_records", "batch_bytes", "batch_age", "retry_most"];

/// How one receiver is reached.
#[derive(Clone, Debug)]
pub struct Web {
    pub url: Address,
    pub network: Network,
    /// Of one request, from connecting to the last byte of the answer.
    pub timeout: Duration,
    pub compression: Compression,
    pub headers: Vec<(HeaderName, HeaderText)>,
    pub auth: Auth,
    /// One that goes into the body.
    pub body_secret: Option<Secret>,
}

/// What is so where a sink's section says nothing.
#[derive(Clone, Copy, Debug)]
pub struct Usual {
    pub url: Option<&'static str>,
    pub compression: Compression,
}

impl Usual {
    pub const PACKED: Self = Self { url: None, compression: Compression::Gzip };
    /// What receivers of single messages read.
    pub const PLAIN: Self = Self { url: None, compression: Compression::None };
}

/// Where requests go.
#[derive(Clone, Debug)]
pub enum Address {
    Shown(Url),
    /// Whoever knows it may send: that of a webhook.
    Secret(Secret),
}

#[derive(Clone, Debug)]
pub enum HeaderText {
    Shown(String),
    /// Behind a prefix, as in `GenieKey …`.
    Secret(String, Secret),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

/// What isn't the sink's to say, and what says who we are, which belongs in a file.
const OURS: [&str; 5] = ["content-type", "content-length", "content-encoding", "host", "transfer-encoding"];
const TELLING: [&str; 6] = ["authorization", "cookie", "token", "key", "secret", "password"];

impl Web {
    /// The keys that all have. Who we are is what `auth` reads.
    pub fn read(
        section: &mut Section<'_>,
        edge: &Edge<'_>,
        usual: Usual,
        auth: impl FnOnce(&mut Section<'_>, &Edge<'_>) -> Auth,
    ) -> Option<Self> {
        let auth = auth(section, edge);
        let headers = headers(section, edge);
        let is_told =
            !matches!(auth, Auth::None) || headers.iter().any(|(_, text)| matches!(text, HeaderText::Secret(..)));
        let url = Address::read(section, edge, usual, is_told);
        let network = Network::read(section, edge).with_client(section, edge);
        let timeout = Duration::from_secs(section.span("timeout", 1..=600, 30));
        let words = [("none", Compression::None), ("gzip", Compression::Gzip), ("zstd", Compression::Zstd)];
        let compression = section.choice("compression", &words, usual.compression);
        Some(Self { url: url?, network, timeout, compression, headers, auth, body_secret: None })
    }

    /// The same where a secret is in the body.
    pub fn read_telling(section: &mut Section<'_>, edge: &Edge<'_>, usual: Usual) -> Option<Self> {
        let web = Self::read(section, edge, usual, |_, _| Auth::None)?;
        if let Address::Shown(url) = &web.url
            && let Err((what, hint)) = receiver(url.as_str(), true)
        {
            section.problem("url", what, hint.to_owned());
        }
        Some(web)
    }

    /// An attempt may take several requests, of which the last may begin just before the time is over.
    pub fn attempt_timeout(&self) -> Duration {
        self.timeout * 2 + Duration::from_secs(5)
    }

    /// As a log may have it.
    pub fn place(&self) -> String {
        match &self.url {
            Address::Shown(url) => url.as_str().to_owned(),
            Address::Secret(_) => "a secret address".to_owned(),
        }
    }
}

impl Address {
    /// From exactly one of `url`, `url_file` and `url_env`. `is_told`: a secret goes there.
    fn read(section: &mut Section<'_>, edge: &Edge<'_>, usual: Usual, is_told: bool) -> Option<Self> {
        let hidden = secret::optional(section, ("url_file", "url_env"), Kind::Any, edge);
        let has_url = section.has("url");
        let shown = section.text("url").or_else(|| usual.url.filter(|_| !has_url).map(str::to_owned));
        let has_hidden = section.has("url_file") || section.has("url_env");
        match shown {
            Some(_) if has_hidden && has_url => {
                section.problem(
                    "url",
                    "is there beside another one",
                    "keep one of `url`, `url_file` and `url_env`".to_owned(),
                );
                None
            }
            Some(text) if !has_hidden => match receiver(&text, is_told) {
                Ok(url) => Some(Self::Shown(url)),
                Err((what, hint)) => {
                    section.problem("url", what, hint.to_owned());
                    None
                }
            },
            _ if has_hidden => {
                let hidden = hidden?;
                if edge.purpose == Purpose::Run
                    && let Err((what, hint)) = receiver(hidden.expose(), true)
                {
                    let key = if section.has("url_file") { "url_file" } else { "url_env" };
                    section.problem(key, format!("leads to what {what}"), hint.to_owned());
                }
                Some(Self::Secret(hidden))
            }
            _ if has_url => None,
            _ => {
                section.problem(
                    "url",
                    "is missing",
                    "give the receiver's address, or `url_file` if it is a secret".to_owned(),
                );
                None
            }
        }
    }

    /// # Errors
    /// A secret one is no address any more.
    pub fn url(&self) -> Result<Url, Problem> {
        match self {
            Self::Shown(url) => Ok(url.clone()),
            Self::Secret(secret) => receiver(secret.expose(), true)
                .map_err(|(what, hint)| Problem { what: format!("the secret address {what}"), hint: Some(hint) }),
        }
    }
}

/// An address to send to. What is wrong with it never repeats it.
fn receiver(text: &str, is_told: bool) -> Result<Url, (&'static str, &'static str)> {
    let as_it_should = "write it as in \"https://collector.example.com/ingest\"";
    let url = Url::parse(text).map_err(|_| ("is not a valid address", as_it_should))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(("holds a user name or a password", "use `user` and `password_file`"));
    }
    match url.scheme() {
        "https" => {}
        "http" if !is_told || is_loopback(&url) => {}
        "http" => {
            return Err(("would send a secret unencrypted", "use https; http is for localhost, or without a secret"));
        }
        _ => return Err(("is neither https nor http", as_it_should)),
    }
    match url.has_host() && url.fragment().is_none() {
        true => Ok(url),
        false => Err(("is not a valid address", as_it_should)),
    }
}

fn headers(section: &mut Section<'_>, edge: &Edge<'_>) -> Vec<(HeaderName, HeaderText)> {
    let table = section.section("headers");
    let mut headers = Vec::new();
    for (name, item) in table.entries() {
        let low = name.to_ascii_lowercase();
        let Ok(header) = HeaderName::try_from(low.as_str()) else {
            table.problem(name, "is no name of a header", None);
            continue;
        };
        if OURS.contains(&low.as_str()) {
            table.problem(name, "is gridwatch's to say", None);
        } else if let Some(text) = item.get_ref().as_str() {
            if TELLING.iter().any(|word| low.contains(word)) {
                let hint = format!("write `{name} = {{ file = \"/etc/gridwatch/…\" }}`, or `{{ env = \"…\" }}`");
                table.problem(name, "looks like a secret, which does not belong in this file", hint);
            } else if HeaderValue::from_str(text).is_err() {
                table.problem(name, "has a character that no header can have", None);
            }
            headers.push((header, HeaderText::Shown(text.to_owned())));
        } else {
            let mut place = table.free_section(name);
            let secret = secret::required(&mut place, ("file", "env"), Kind::Any, edge);
            let prefix = place.text("prefix").unwrap_or_default();
            place.finish();
            headers.extend(secret.map(|secret| (header, HeaderText::Secret(prefix, secret))));
        }
    }
    headers
}

/// How a sink is fed that takes many records at once.
pub fn pace(section: &mut Section<'_>, usual: (u64, u64), most_bytes: u64, attempt_timeout: Duration) -> Pace {
    let (records, bytes) = usual;
    let records = section.number("batch_records", 1..=20_000, records) as usize;
    let bytes = section.bytes("batch_bytes", 16 * KIB..=most_bytes, bytes.min(most_bytes)) as usize;
    // A second more is nothing beside how late Slack shows an entry, and makes one request of many.
    let age = Duration::from_secs(section.span("batch_age", 0..=HOUR_S, 1));
    let most = Duration::from_secs(section.span("retry_most", 1..=HOUR_S, 300));
    let retry = Backoff { first: Duration::from_secs(1).min(most), most };
    Pace { batch: Limits { records, bytes, age }, retry, timeout: attempt_timeout }
}

/// The largest batch that any receiver here takes.
pub const MOST_BYTES: u64 = 64 * MIB;
