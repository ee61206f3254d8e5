//! One receiver, and one request at a time: packed, with our headers, and its answer up to a bound.
//!
//! Each sink has a thread of its own for what is on the wire, so that one that waits holds up no other. Nothing is sent again here;
//! the delivery loop does that.

use super::oauth::Granted;
use super::{Address, Auth, Compression, HeaderText, Web};
use crate::clock::Clock;
use crate::http::{Http, NoBody, body, retry_after};
use crate::secret::{Look, Secret};
use crate::sink::Problem;
use anyhow::{Context, Result};
use gridwatch_event::text::clean;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use reqwest::{Method, Url};
use std::io::Write;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Bytes of an answer that are read where a request says nothing else.
pub const MAX_ANSWER: usize = 256 << 10;
/// Characters of a receiver's words in an error.
const MAX_WORDS: usize = 300;

#[derive(Debug)]
pub struct Connection {
    web: Web,
    http: Http,
    /// There until it is dropped.
    runtime: Option<Runtime>,
    clock: Clock,
    granted: Option<Granted>,
}

#[derive(Clone, Debug)]
pub struct Request<'r> {
    pub method: Method,
    /// Put behind the address, if it is anything.
    pub path: &'r str,
    pub query: &'r [(&'r str, &'r str)],
    pub headers: &'r [(&'static str, &'r str)],
    pub content_type: Option<&'r str>,
    pub body: Vec<u8>,
    /// Bytes of the answer that are taken.
    pub max_answer: usize,
}

impl Request<'_> {
    pub fn post(content_type: &str, body: Vec<u8>) -> Request<'_> {
        let (method, max_answer) = (Method::POST, MAX_ANSWER);
        Request { method, path: "", query: &[], headers: &[], content_type: Some(content_type), body, max_answer }
    }

    pub fn get(path: &str) -> Request<'_> {
        let (method, max_answer) = (Method::GET, MAX_ANSWER);
        Request { method, path, query: &[], headers: &[], content_type: None, body: Vec::new(), max_answer }
    }
}

/// An answer that came whole.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub retry_after: Option<Duration>,
    pub body: Vec<u8>,
    /// What a balancer wants to see again.
    pub cookies: Vec<String>,
    /// The receiver's words, fit for an error: cut, and without our secrets.
    pub words: String,
}

/// There is none.
#[derive(Clone, Debug)]
pub enum Failed {
    /// It may come another time. What was sent may have arrived.
    Later(Option<Duration>, Problem),
    /// It came, and is larger than what is taken.
    TooLong,
    /// A person has to do something.
    Stop(Problem),
}

impl Connection {
    /// # Errors
    /// A file of certificates can't be used, or there are no threads.
    pub fn open(web: &Web, clock: Clock) -> Result<Self> {
        let http = Http::new(&web.network, web.timeout)?;
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("sink-http").enable_all().build();
        let runtime = Some(runtime.context("a thread for the network")?);
        Ok(Self { web: web.clone(), http, runtime, clock, granted: None })
    }

    /// What a body has to hold for the receiver to know us.
    pub fn body_secret(&mut self) -> String {
        self.look_at_secrets();
        self.web.body_secret.as_ref().map(|secret| secret.expose().to_owned()).unwrap_or_default()
    }

    pub fn timeout(&self) -> Duration {
        self.web.timeout
    }

    /// Waits, while what is on the wire goes on.
    pub fn pause(&self, time: Duration) {
        if let Ok(runtime) = self.runtime() {
            runtime.block_on(async { tokio::time::sleep(time).await });
        }
    }

    /// # Errors
    /// No whole answer came.
    pub fn send(&mut self, request: &Request<'_>) -> Result<Reply, Failed> {
        self.look_at_secrets();
        let had_token = self.granted.is_some();
        let reply = self.try_send(request);
        // A token may be taken back before its time. What is new and refused all the same needs a person.
        let is_refused = reply.as_ref().is_ok_and(|reply| reply.status == 401);
        if is_refused && had_token && self.granted.take().is_some() {
            return self.try_send(request);
        }
        reply
    }

    fn try_send(&mut self, request: &Request<'_>) -> Result<Reply, Failed> {
        let mut headers = self.headers(request)?;
        let url = self.url(request)?;
        let body = pack(&request.body, self.web.compression)
            .map_err(|error| Failed::Later(None, Problem::of(&error, None)))?;
        if request.content_type.is_some()
            && let Some(encoding) = self.web.compression.name()
        {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        let sending = self.http.request(request.method.clone(), url).headers(headers).body(body);
        let (now, max) = (self.clock.now(), request.max_answer);
        let answer = self.runtime()?.block_on(async {
            let response = sending.send().await.map_err(|error| later(&reason(&error)))?;
            let status = response.status().as_u16();
            let retry_after = retry_after(response.headers(), now.seconds()).map(Duration::from_secs);
            let cookies = response.headers().get_all(SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok());
            let cookies = cookies.filter_map(|cookie| cookie.split(';').next()).map(str::to_owned).collect();
            match body_of(response, max).await {
                Ok(body) => Ok(Reply { status, retry_after, body, cookies, words: String::new() }),
                Err(failed) => Err(failed),
            }
        });
        let reply = answer?;
        let words = self.words(&reply.body);
        Ok(Reply { words, ..reply })
    }

    fn runtime(&self) -> Result<&Runtime, Failed> {
        self.runtime.as_ref().ok_or_else(|| later("there is no thread for the network"))
    }

    fn url(&self, request: &Request<'_>) -> Result<Url, Failed> {
        let mut url = self.web.url.url().map_err(Failed::Stop)?;
        if !request.path.is_empty() {
            let path = format!("{}{}", url.path().trim_end_matches('/'), request.path);
            url.set_path(&path);
        }
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(request.query);
        }
        Ok(url)
    }

    fn headers(&mut self, request: &Request<'_>) -> Result<HeaderMap, Failed> {
        let mut headers = HeaderMap::new();
        let value = |text: &str| {
            let mut value = HeaderValue::from_str(text).map_err(|_| {
                Failed::Stop(Problem { what: "a header has a character that none can have".to_owned(), hint: None })
            })?;
            value.set_sensitive(true);
            Ok::<_, Failed>(value)
        };
        if let Some(content_type) = request.content_type {
            headers.insert(CONTENT_TYPE, value(content_type)?);
        }
        for (name, text) in request.headers {
            headers.insert(HeaderName::from_static(name), value(text)?);
        }
        for (name, text) in &self.web.headers {
            let text = match text {
                HeaderText::Shown(text) => text.clone(),
                HeaderText::Secret(prefix, secret) => format!("{prefix}{}", secret.expose()),
            };
            headers.insert(name, value(&text)?);
        }
        let authorization = match &self.web.auth {
            Auth::OAuth(client) => {
                let now = self.clock.now();
                if self.granted.as_ref().is_none_or(|granted| granted.until <= now) {
                    let granted = self.runtime()?.block_on(client.fetch(&self.http, now))?;
                    self.granted = Some(granted);
                }
                self.granted.as_ref().map(|granted| format!("Bearer {}", granted.token.expose()))
            }
            auth => auth.header(),
        };
        if let Some(text) = authorization {
            headers.insert(AUTHORIZATION, value(&text)?);
        }
        Ok(headers)
    }

    fn secrets(&mut self) -> impl Iterator<Item = &mut Secret> {
        let of_headers = self.web.headers.iter_mut().filter_map(|(_, text)| match text {
            HeaderText::Secret(_, secret) => Some(secret),
            HeaderText::Shown(_) => None,
        });
        let of_url = match &mut self.web.url {
            super::Address::Secret(secret) => Some(secret),
            super::Address::Shown(_) => None,
        };
        self.web.auth.secret().into_iter().chain(of_headers).chain(of_url).chain(&mut self.web.body_secret)
    }

    /// One that was replaced in its file is used from now on.
    fn look_at_secrets(&mut self) {
        let mut is_new = false;
        for secret in self.secrets() {
            match secret.look(false) {
                Look::Same => {}
                Look::Replaced => is_new = true,
                Look::Unusable(why) => tracing::warn!(why, "a replaced secret of a sink can't be used; the old one is"),
            }
        }
        if is_new {
            tracing::info!("a sink uses a new secret");
            self.granted = None;
        }
    }

    /// What a receiver says, for an error: it may repeat the request.
    fn words(&mut self, body: &[u8]) -> String {
        let mut text = String::from_utf8_lossy(&body[..body.len().min(4 * MAX_ANSWER.min(16 << 10))]).into_owned();
        let mut hidden: Vec<String> = self.secrets().map(|secret| secret.expose().to_owned()).collect();
        hidden.extend(self.web.auth.header().and_then(|header| Some(header.split_once(' ')?.1.to_owned())));
        hidden.extend(self.granted.as_ref().map(|granted| granted.token.expose().to_owned()));
        // Receivers repeat the path alone.
        if let Address::Secret(secret) = &self.web.url
            && let Ok(url) = Url::parse(secret.expose())
            && url.path().len() > 1
        {
            hidden.push(url.path().to_owned());
            hidden.extend(url.query().map(str::to_owned));
        }
        for secret in hidden.iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret.as_str(), "(not shown)");
        }
        clean(&text, MAX_WORDS)
    }
}

impl Drop for Connection {
    /// Whoever drops it may be on a thread that must not wait.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn body_of(response: reqwest::Response, max: usize) -> Result<Vec<u8>, Failed> {
    let is_long = response.content_length().is_some_and(|length| length > max as u64);
    match body(response, max).await {
        Ok(body) => Ok(body),
        Err(_) if is_long => Err(Failed::TooLong),
        Err(NoBody::TimedOut) => Err(later("the answer didn't come to its end in time")),
        Err(NoBody::Broken) => Err(later("the answer breaks off")),
    }
}

fn later(what: &str) -> Failed {
    let hint = "it is tried again; if this continues, check the receiver, and the network and proxy on the way to it";
    Failed::Later(None, Problem { what: what.to_owned(), hint: Some(hint) })
}

/// Why no answer came, without the address.
pub(super) fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "the receiver didn't answer in time".to_owned();
    }
    // The innermost cause says what happened: "connection refused", "invalid peer certificate".
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause.and_then(std::error::Error::source) {
        cause = Some(inner);
    }
    let what = if error.is_connect() { "no connection comes about" } else { "the connection broke" };
    cause.map_or(what.to_owned(), |cause| format!("{what}: {}", clean(&cause.to_string(), MAX_WORDS)))
}

fn pack(body: &[u8], compression: Compression) -> std::io::Result<Vec<u8>> {
    match compression {
        Compression::None => Ok(body.to_vec()),
        Compression::Gzip => {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packer.write_all(body)?;
            packer.finish()
        }
        Compression::Zstd => zstd::encode_all(body, 3),
    }
}

impl Compression {
    const fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }
}
