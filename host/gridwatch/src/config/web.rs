//! The page for people: `[web]`. Off unless `listen` is set.

use crate::reader::{DAY_S, Edge, HOUR_S, Purpose, Section};
use crate::secret::{self, Kind, Secret};
use gridwatch_event::org::OrgId;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Where the page is served unless it is said otherwise.
pub const USUAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9_900);

/// Shorter than this a token can be guessed.
const LEAST_TOKEN: usize = 24;
/// The longest that somebody stays logged in without a look.
const MOST_IDLE_S: u64 = 7 * DAY_S;

#[derive(Clone, Debug)]
pub struct Web {
    /// `None`: the page isn't served.
    pub listen: Option<SocketAddr>,
    /// Names that it is asked for by, beside this machine's own.
    pub hosts: Vec<String>,
    pub tls: Option<Tls>,
    /// Somebody in front of it has TLS.
    pub behind_proxy: bool,
    /// Who is in front of it; nobody else is answered. Empty: that isn't asked.
    pub proxies: BTreeSet<IpAddr>,
    /// The header in which they name who is logged in with them.
    pub user_header: Option<String>,
    pub users: Vec<User>,
    /// Who doesn't look for so long has to log in again.
    pub idle_s: u64,
    /// May those who only see read entries as Slack sent them?
    pub raw: bool,
}

#[derive(Clone, Debug)]
pub struct Tls {
    /// Certificates in PEM, ours first.
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
}

/// Somebody who may look at the page.
#[derive(Clone, Debug)]
pub struct User {
    /// For whoever has the token; or as the proxy names them. `*` is everybody that it names.
    pub name: String,
    pub token: Option<Secret>,
    pub see: Orgs,
    /// Those are seen as well.
    pub act: Orgs,
}

/// Of which organizations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Orgs {
    #[default]
    None,
    Named(BTreeSet<String>),
    All,
}

impl Orgs {
    pub fn has(&self, org: &OrgId) -> bool {
        match self {
            Self::None => false,
            Self::Named(names) => names.contains(&org.to_string()),
            Self::All => true,
        }
    }

    fn of(names: Vec<String>) -> Self {
        match names {
            names if names.iter().any(|name| name == "*") => Self::All,
            names if names.is_empty() => Self::None,
            names => Self::Named(names.into_iter().collect()),
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        let names = if let Self::Named(names) = self { Some(names) } else { None };
        names.into_iter().flatten()
    }
}

impl Web {
    /// As it is where there is no configuration.
    pub fn usual(listen: SocketAddr) -> Self {
        Self {
            listen: Some(listen),
            hosts: Vec::new(),
            tls: None,
            behind_proxy: false,
            proxies: BTreeSet::new(),
            user_header: None,
            users: Vec::new(),
            idle_s: 8 * HOUR_S,
            raw: true,
        }
    }
}

pub(super) fn web(mut section: Section<'_>, edge: &Edge<'_>) -> Web {
    let listen = listen(&mut section);
    let hosts = section.texts("hosts").unwrap_or_default();
    for host in hosts.iter().filter(|host| !is_host(host)) {
        let hint = "the name alone, as in \"gridwatch.example.com\"".to_owned();
        section.problem("hosts", format!("`{host}` is no name of a host"), hint);
    }
    let tls = tls(&mut section, edge);
    let behind_proxy = section.flag("behind_proxy", false);
    let (proxies, user_header) = proxy(section.section("proxy"), behind_proxy);
    if let Some(address) = listen.filter(|address| !address.ip().is_loopback() && tls.is_none() && !behind_proxy) {
        let hint = "set `cert_file` and `key_file`, or `behind_proxy = true` if a proxy in front of it has TLS; or listen on 127.0.0.1";
        section.problem(
            "listen",
            format!("`{address}` is not this machine's own, and without TLS everybody on the way reads along"),
            hint.to_owned(),
        );
    }
    if let Some(address) = listen.filter(|address| !address.ip().is_loopback() && hosts.is_empty()) {
        let hint = "as in hosts = [\"gridwatch.example.com\"]: requests for any other name are refused".to_owned();
        section.problem("hosts", format!("is needed where the page is served at `{address}`"), hint);
    }
    let users = section.sections("user").into_iter().filter_map(|user| self::user(user, edge)).collect();
    let web = Web {
        listen,
        hosts,
        tls,
        behind_proxy,
        proxies,
        user_header,
        users,
        idle_s: section.span("idle", 60..=MOST_IDLE_S, 8 * HOUR_S),
        raw: section.flag("raw", true),
    };
    section.finish();
    web
}

fn listen(section: &mut Section<'_>) -> Option<SocketAddr> {
    let text = section.text("listen")?;
    let address = text.parse().ok();
    if address.is_none() {
        let hint = format!("as in \"{USUAL}\"");
        section.problem("listen", format!("`{text}` is not an address with a port"), hint);
    }
    address
}

/// A name as it stands in a request, without a port.
fn is_host(host: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !host.is_empty() && host.len() <= 253 && (host.bytes().all(is_name) || host.parse::<IpAddr>().is_ok())
}

fn tls(section: &mut Section<'_>, edge: &Edge<'_>) -> Option<Tls> {
    let mut file = |key| section.text(key).map(|path| edge.folder.join(path));
    let (cert_file, key_file) = (file("cert_file"), file("key_file"));
    match (cert_file, key_file) {
        (Some(cert_file), Some(key_file)) => {
            let is_used = edge.purpose == Purpose::Run;
            if let Some(Err((what, hint))) = is_used.then(|| secret::pem_of(&key_file)) {
                section.problem("key_file", what, hint);
            }
            if let Some(Err(error)) = is_used.then(|| std::fs::File::open(&cert_file)) {
                section.problem("cert_file", format!("can't read {}: {error}", cert_file.display()), None);
            }
            Some(Tls { cert_file, key_file })
        }
        (None, None) => None,
        (Some(_), None) => {
            section.problem("key_file", "is needed beside `cert_file`", None);
            None
        }
        (None, Some(_)) => {
            section.problem("cert_file", "is needed beside `key_file`", None);
            None
        }
    }
}

fn proxy(mut section: Section<'_>, behind_proxy: bool) -> (BTreeSet<IpAddr>, Option<String>) {
    let mut proxies = BTreeSet::new();
    for text in section.texts("addresses").unwrap_or_default() {
        match text.parse() {
            Ok(address) => _ = proxies.insert(address),
            Err(_) => section.problem("addresses", format!("`{text}` is not an address"), None),
        }
    }
    let header = section.text("user_header").map(|header| header.to_ascii_lowercase());
    let is_token = |header: &String| header.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if let Some(bad) = header.as_ref().filter(|header| header.is_empty() || !is_token(header)) {
        section.problem(
            "user_header",
            format!("`{bad}` is no name of a header"),
            "as in \"X-Forwarded-Email\"".to_owned(),
        );
    }
    if header.is_some() && proxies.is_empty() {
        let hint =
            "name the proxy's own address: whoever else can reach the page could write the header too".to_owned();
        section.problem("addresses", "is needed beside `user_header`", hint);
    }
    if section.is_present() && !behind_proxy {
        section.problem("", "says who is in front of the page, without `behind_proxy = true`", None);
    }
    section.finish();
    (proxies, header)
}

fn user(mut section: Section<'_>, edge: &Edge<'_>) -> Option<User> {
    let name = section.required_text("name", "who it is: the page writes it down beside what they do");
    let token = secret::optional(&mut section, ("token_file", "token_env"), Kind::Any, edge);
    let short = |token: &&Secret| !token.expose().is_empty() && token.expose().len() < LEAST_TOKEN;
    if token.as_ref().filter(short).is_some() {
        let key = if section.has("token_file") { "token_file" } else { "token_env" };
        let hint = "`openssl rand -hex 32` makes one".to_owned();
        section.problem(key, format!("holds a token of less than {LEAST_TOKEN} characters"), hint);
    }
    let mut orgs = |key| section.texts(key).map(Orgs::of).unwrap_or_default();
    let (see, act) = (orgs("see"), orgs("act"));
    if see == Orgs::None && act == Orgs::None {
        let hint = "as in see = [\"*\"], or act = [\"acme\"]; who may act sees as well".to_owned();
        section.problem("see", "is missing: they may see nothing", hint);
    }
    section.finish();
    Some(User { name: name?, token, see, act })
}
