//! Who asks, and whether they may: each request goes through here before anything of it is looked at.
//!
//! In this order: does it come from the proxy that is in front, if one is; is it for a name of ours (a page elsewhere may have its name lead
//! here); does the browser say that it comes from our own page, if it changes something; who is it. A browser that doesn't say where a
//! request comes from changes nothing.

pub mod attempts;
pub mod link;
pub mod sessions;

use crate::clock::Clock;
use crate::config::Secret;
use crate::config::web::{Orgs, User, Web};
use anyhow::Result;
use attempts::Attempts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use gridwatch_event::org::OrgId;
use ring::digest;
use sessions::Sessions;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Longer than any token or cookie of ours.
const MAX_SECRET: usize = 4_096;

/// Somebody who was let in.
#[derive(Clone, Debug)]
pub struct Visitor {
    pub name: String,
    pub see: Orgs,
    pub act: Orgs,
}

impl Visitor {
    /// Who may do everything.
    fn all(name: String) -> Self {
        Self { name, see: Orgs::All, act: Orgs::All }
    }

    fn of(user: &User, name: &str) -> Self {
        Self { name: name.to_owned(), see: user.see.clone(), act: user.act.clone() }
    }

    pub fn may_see(&self, org: &OrgId) -> bool {
        self.see.has(org) || self.act.has(org)
    }

    pub fn may_act(&self, org: &OrgId) -> bool {
        self.act.has(org)
    }

    /// May they see whatever there is?
    pub fn sees_all(&self) -> bool {
        self.see == Orgs::All || self.act == Orgs::All
    }
}

/// Why a request isn't answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    NotTheProxy,
    OtherHost,
    OtherMethod,
    /// It comes from a page elsewhere, or the browser doesn't say.
    OtherSite,
    WrongToken,
    TooMany,
    /// Nobody is logged in.
    Nobody,
}

impl Refusal {
    pub fn status(self) -> StatusCode {
        match self {
            Self::NotTheProxy | Self::OtherSite => StatusCode::FORBIDDEN,
            Self::OtherHost => StatusCode::MISDIRECTED_REQUEST,
            Self::OtherMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::WrongToken | Self::Nobody => StatusCode::UNAUTHORIZED,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    pub fn text(self) -> &'static str {
        match self {
            Self::NotTheProxy => "only the proxy of `web.proxy.addresses` is answered",
            Self::OtherHost => "this page is asked for by another name: see `web.hosts`",
            Self::OtherMethod => "nothing here is asked for in this way",
            Self::OtherSite => "this doesn't come from this page itself: open the page, and do it there",
            Self::WrongToken => "this token is not one of those that may look",
            Self::TooMany => "too many wrong tokens: try again in a minute",
            Self::Nobody => "nobody is logged in: log in, or run `gridwatch web open` on gridwatch's own machine",
        }
    }
}

pub struct Guard {
    state_dir: PathBuf,
    clock: Clock,
    /// Names that the page is asked for by, in small letters and without a port.
    hosts: Vec<String>,
    web: Web,
    /// Before the sessions, where both are taken.
    users: Mutex<Vec<(User, Option<Secret>)>>,
    attempts: Mutex<Attempts>,
    sessions: Mutex<Sessions>,
    cookie: String,
    is_secure: bool,
}

impl Guard {
    /// # Errors
    /// The system has no random numbers.
    pub fn new(web: &Web, bound: SocketAddr, state_dir: &Path, clock: Clock) -> Result<Self> {
        let mut hosts: Vec<String> = web.hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        if bound.ip().is_loopback() {
            hosts.extend(["localhost", "127.0.0.1", "[::1]"].map(str::to_owned));
        } else if !bound.ip().is_unspecified() {
            hosts.push(if bound.is_ipv6() { format!("[{}]", bound.ip()) } else { bound.ip().to_string() });
        }
        let is_secure = web.tls.is_some() || web.behind_proxy;
        // Cookies know no ports: two pages on one machine would log each other out. And a browser may refuse a `Secure` one over plain HTTP.
        let cookie = if is_secure { "__Host-gridwatch".to_owned() } else { format!("gridwatch-{}", bound.port()) };
        let users = web.users.iter().map(|user| (user.clone(), user.token.clone())).collect();
        Ok(Self {
            state_dir: state_dir.to_owned(),
            clock,
            hosts,
            users: Mutex::new(users),
            attempts: Mutex::default(),
            sessions: Mutex::new(Sessions::new(web.idle_s)?),
            web: web.clone(),
            cookie,
            is_secure,
        })
    }

    /// What has to be so whoever asks.
    ///
    /// # Errors
    /// It isn't.
    pub fn admits(&self, from: IpAddr, method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
        if !self.web.proxies.is_empty() && !self.web.proxies.contains(&from.to_canonical()) {
            return Err(Refusal::NotTheProxy);
        }
        let host = one(headers, &header::HOST).ok_or(Refusal::OtherHost)?;
        if !self.is_ours(host) {
            return Err(Refusal::OtherHost);
        }
        match *method {
            Method::GET | Method::HEAD => self.reads(headers),
            Method::POST => changes(headers, host),
            _ => Err(Refusal::OtherMethod),
        }
    }

    fn is_ours(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        // Not before a bracket: an address of six has colons in it.
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => name,
            _ => host.as_str(),
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        self.hosts.iter().any(|known| known == name || format!("[{known}]") == name)
    }

    /// Another site may lead somebody here, and show nothing of ours in its own pages.
    fn reads(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let is_navigation = text(headers, "sec-fetch-mode").is_none_or(|mode| mode == "navigate")
            && text(headers, "sec-fetch-dest").is_none_or(|dest| dest == "document");
        match text(headers, "sec-fetch-site") {
            Some("cross-site" | "same-site") if !is_navigation => Err(Refusal::OtherSite),
            _ => Ok(()),
        }
    }

    /// Who asks.
    ///
    /// # Errors
    /// Nobody who may.
    pub fn visitor(&self, from: IpAddr, headers: &HeaderMap) -> Result<Visitor, Refusal> {
        if let Some(authorization) = one(headers, &header::AUTHORIZATION) {
            let token = authorization.strip_prefix("Bearer ").ok_or(Refusal::WrongToken)?;
            return self.holder(token, from);
        }
        if let Some(visitor) = self.named_by_proxy(from, headers) {
            return Ok(visitor);
        }
        let (now, mut sessions) = (self.clock.now(), lock(&self.sessions));
        self.cookies(headers).find_map(|value| sessions.visitor(value, now)).ok_or(Refusal::Nobody)
    }

    /// Whose token it is.
    fn holder(&self, token: &str, from: IpAddr) -> Result<Visitor, Refusal> {
        let now = self.clock.now();
        if !lock(&self.attempts).may_try(from, now) {
            return Err(Refusal::TooMany);
        }
        let mut found = None;
        for (user, secret) in lock(&self.users).iter_mut() {
            let Some(secret) = secret else { continue };
            // A token may be replaced while this runs; and who only looks hasn't read any yet.
            let _ = secret.look(secret.expose().is_empty());
            let is_theirs = !secret.expose().is_empty() && is_same(token, secret.expose());
            found = found.or(is_theirs.then(|| Visitor::of(user, &user.name)));
        }
        found.ok_or_else(|| {
            lock(&self.attempts).failed(from, now);
            tracing::warn!(%from, "somebody came to the page with a wrong token");
            Refusal::WrongToken
        })
    }

    fn named_by_proxy(&self, from: IpAddr, headers: &HeaderMap) -> Option<Visitor> {
        let name = HeaderName::try_from(self.web.user_header.as_deref()?).ok()?;
        if !self.web.proxies.contains(&from.to_canonical()) {
            return None;
        }
        let said = one(headers, &name).filter(|said| !said.is_empty() && said.len() <= 256)?;
        let by_name = |name: &str| self.web.users.iter().find(|user| user.name == name);
        by_name(said).or_else(|| by_name("*")).map(|user| Visitor::of(user, said))
    }

    /// Logs the holder of a token in; the answer is the header that sets their cookie.
    ///
    /// # Errors
    /// Nobody has this token, or too many were wrong.
    pub fn log_in(&self, token: &str, from: IpAddr) -> Result<String, Refusal> {
        let visitor = self.holder(token.trim(), from)?;
        self.begin(visitor, from)
    }

    /// The same with a one-time link.
    ///
    /// # Errors
    /// It was opened before, is too old, or never was.
    pub fn open_link(&self, secret: &str, from: IpAddr) -> Result<String, Refusal> {
        let now = self.clock.now();
        if !lock(&self.attempts).may_try(from, now) {
            return Err(Refusal::TooMany);
        }
        let by = (secret.len() <= MAX_SECRET).then(|| link::open(&self.state_dir, secret, now)).flatten();
        match by {
            Some(by) => self.begin(Visitor::all(by), from),
            None => {
                lock(&self.attempts).failed(from, now);
                Err(Refusal::WrongToken)
            }
        }
    }

    fn begin(&self, visitor: Visitor, from: IpAddr) -> Result<String, Refusal> {
        tracing::info!(name = visitor.name, %from, "logged in to the page");
        let value = lock(&self.sessions).begin(visitor, self.clock.now()).map_err(|error| {
            tracing::error!(%error, "nobody can log in to the page");
            Refusal::Nobody
        })?;
        Ok(self.set_cookie(&value, ""))
    }

    /// Logs out whoever sends this; the answer is the header that takes their cookie away.
    pub fn log_out(&self, headers: &HeaderMap) -> String {
        let mut sessions = lock(&self.sessions);
        self.cookies(headers).for_each(|value| sessions.end(value));
        self.set_cookie("", "; Max-Age=0")
    }

    fn set_cookie(&self, value: &str, more: &str) -> String {
        let secure = if self.is_secure { "; Secure" } else { "" };
        format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{more}", self.cookie)
    }

    fn cookies<'h>(&'h self, headers: &'h HeaderMap) -> impl Iterator<Item = &'h str> {
        let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = pairs.flat_map(|pairs| pairs.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(move |(name, value)| *name == self.cookie && value.len() <= MAX_SECRET).map(|(_, value)| value)
    }

    /// May they read entries as Slack sent them?
    pub fn may_see_raw(&self, visitor: &Visitor, org: &OrgId) -> bool {
        visitor.may_see(org) && (self.web.raw || visitor.may_act(org))
    }

    /// Is there anybody who could log in with a token?
    pub fn has_tokens(&self) -> bool {
        self.web.users.iter().any(|user| user.token.is_some())
    }
}

/// What changes something has to come from our own page. A script has no browser that would say where it comes from, and no cookie: it
/// says who it is itself, which no page elsewhere can have a browser do.
fn changes(headers: &HeaderMap, host: &str) -> Result<(), Refusal> {
    let origin = text(headers, "origin");
    match (text(headers, "sec-fetch-site"), origin) {
        (Some("same-origin"), _) => Ok(()),
        (Some(_), _) => Err(Refusal::OtherSite),
        (None, Some(origin)) => {
            let is_own = origin.split_once("://").is_some_and(|(_, of)| of.eq_ignore_ascii_case(host));
            if is_own { Ok(()) } else { Err(Refusal::OtherSite) }
        }
        (None, None) if headers.contains_key(header::AUTHORIZATION) => Ok(()),
        (None, None) => Err(Refusal::OtherSite),
    }
}

/// Takes as long whatever is different.
fn is_same(one: &str, other: &str) -> bool {
    let hash = |text: &str| digest::digest(&digest::SHA256, text.as_bytes());
    let (one, other) = (hash(one), hash(other));
    one.as_ref().iter().zip(other.as_ref()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// A header that has to be there once.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(first)
}

fn text<'h>(headers: &'h HeaderMap, name: &'static str) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::web::USUAL;

    fn guard(change: impl FnOnce(&mut Web)) -> Guard {
        let mut web = Web::usual(USUAL);
        change(&mut web);
        Guard::new(&web, web.listen.unwrap(), Path::new("nowhere"), Clock::system()).unwrap()
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn only_names_of_ours_are_answered() {
        let guard = guard(|web| web.hosts = vec!["Gridwatch.example.com".into()]);
        let asked = |host: &str| guard.admits(HERE, &Method::GET, &headers(&[("host", host)]));
        for host in ["localhost:9900", "127.0.0.1", "[::1]:9900", "gridwatch.example.com", "GRIDWATCH.example.com.:443"]
        {
            assert_eq!(asked(host), Ok(()), "{host}");
        }
        for host in
            ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io:9900", "", ":9900", "[::1", "localhost:x"]
        {
            assert_eq!(asked(host), Err(Refusal::OtherHost), "{host}");
        }
        assert_eq!(guard.admits(HERE, &Method::GET, &headers(&[])), Err(Refusal::OtherHost));
        let mut twice = headers(&[("host", "localhost")]);
        twice.append(header::HOST, "evil.example".parse().unwrap());
        assert_eq!(guard.admits(HERE, &Method::GET, &twice), Err(Refusal::OtherHost));
    }

    #[test]
    fn what_changes_something_comes_from_our_own_page() {
        let guard = guard(|_| {});
        let asked = |pairs: &[(&'static str, &str)]| {
            let mut headers = headers(pairs);
            headers.insert(header::HOST, "localhost:9900".parse().unwrap());
            guard.admits(HERE, &Method::POST, &headers)
        };
        assert_eq!(asked(&[("sec-fetch-site", "same-origin")]), Ok(()));
        assert_eq!(asked(&[("origin", "http://localhost:9900")]), Ok(()), "a browser of before");
        assert_eq!(asked(&[("authorization", "Bearer x")]), Ok(()), "a script");
        for pairs in [
            &[][..],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "cross-site"), ("authorization", "Bearer x")],
            &[("sec-fetch-site", "cross-site"), ("origin", "http://localhost:9900")],
            &[("origin", "null")],
            &[("origin", "http://localhost")],
            &[("origin", "http://evil.example"), ("authorization", "Bearer x")],
        ] {
            assert_eq!(asked(pairs), Err(Refusal::OtherSite), "{pairs:?}");
        }
        assert_eq!(guard.admits(HERE, &Method::PUT, &headers(&[("host", "localhost")])), Err(Refusal::OtherMethod));
    }

    #[test]
    fn another_site_may_lead_here_and_show_nothing() {
        let guard = guard(|_| {});
        let asked = |mode: &str, dest: &str| {
            let pairs = [
                ("host", "localhost"),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", mode),
                ("sec-fetch-dest", dest),
            ];
            guard.admits(HERE, &Method::GET, &headers(&pairs))
        };
        assert_eq!(asked("navigate", "document"), Ok(()));
        for (mode, dest) in [("no-cors", "script"), ("cors", "empty"), ("navigate", "iframe"), ("no-cors", "image")] {
            assert_eq!(asked(mode, dest), Err(Refusal::OtherSite), "{mode} {dest}");
        }
    }

    #[test]
    fn a_header_names_somebody_only_if_the_proxy_says_so() {
        let (proxy, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let user = |name: &str, see| User { name: name.into(), token: None, see, act: Orgs::None };
        let guard = guard(|web| {
            web.behind_proxy = true;
            web.proxies = [proxy].into();
            web.user_header = Some("x-user".into());
            web.users = vec![user("ann@example.com", Orgs::All)];
        });
        let said = headers(&[("host", "localhost"), ("x-user", "ann@example.com")]);
        assert_eq!(guard.visitor(proxy, &said).unwrap().name, "ann@example.com");
        assert_eq!(guard.visitor(other, &said).unwrap_err(), Refusal::Nobody);
        assert_eq!(guard.admits(other, &Method::GET, &said), Err(Refusal::NotTheProxy));
        let eve = headers(&[("host", "localhost"), ("x-user", "eve@example.com")]);
        assert_eq!(guard.visitor(proxy, &eve).unwrap_err(), Refusal::Nobody);
        let mut two = said.clone();
        two.append("x-user", "eve@example.com".parse().unwrap());
        assert_eq!(guard.visitor(proxy, &two).unwrap_err(), Refusal::Nobody);
    }

    #[test]
    fn the_cookie_is_as_strict_as_the_connection_lets_it_be() {
        let plain = guard(|_| {}).set_cookie("v", "");
        assert_eq!(plain, "gridwatch-9900=v; Path=/; HttpOnly; SameSite=Strict");
        let secure = guard(|web| web.behind_proxy = true).set_cookie("v", "");
        assert_eq!(secure, "__Host-gridwatch=v; Path=/; HttpOnly; SameSite=Strict; Secure");
    }
}
