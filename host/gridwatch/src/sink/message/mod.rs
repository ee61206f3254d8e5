//! What sinks that send messages to people have in common: what is told of an alert ([`Told`]), and one message at a time.
//!
//! A kind says how a message is written and what its receiver's answers mean ([`Letterhead`]). A record that isn't an alert, or that
//! a kind has nothing to say about, is passed over.

mod told;

#[cfg(test)]
pub(in crate::sink) use told::testing;
pub use told::{Acted, Told};

use super::batch::Limits;
use super::retry::Backoff;
use super::web::parts::Parts;
use super::web::{Connection, Failed, Reply, Request, Verdict, Web};
use super::{Answer, Delivery, Pace, Sink};
use crate::clock::Clock;
use crate::reader::Section;
use anyhow::Result;
use gridwatch_event::time::UnixMillis;
use reqwest::Method;
use std::time::Duration;

/// Keys of all of them.
pub const KEYS: &[&str] = &["link", "retry_most"];

/// How one kind of receiver is written to.
pub trait Letterhead: Send {
    /// The message about a record; `None`: nothing is to be said. `secret` is what a body has to hold for the receiver to know us.
    fn write(&self, told: &Told, delivery: &Delivery, secret: &str) -> Option<Letter>;

    fn verdict(&self, answer: Result<Reply, Failed>) -> Verdict;

    /// The same in fewer words, for a receiver that refused the first.
    fn plainly(&self, _told: &Told) -> Option<Letter> {
        None
    }

    /// The least time between two messages.
    fn apart(&self) -> Duration {
        Duration::ZERO
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    pub method: Method,
    pub content_type: String,
    pub body: Vec<u8>,
}

impl Letter {
    pub fn json(value: &serde_json::Value) -> Self {
        let (method, content_type) = (Method::POST, "application/json".to_owned());
        Self { method, content_type, body: value.to_string().into_bytes() }
    }
}

pub fn pace(section: &mut Section<'_>, web: Option<&Web>) -> Pace {
    let most = Duration::from_secs(section.span("retry_most", 1..=3_600, 300));
    Pace {
        batch: Limits { records: 1, bytes: usize::MAX, age: Duration::ZERO },
        retry: Backoff { first: Duration::from_secs(1).min(most), most },
        timeout: web.map(Web::attempt_timeout).unwrap_or_default(),
    }
}

pub struct Messenger<L> {
    connection: Connection,
    letterhead: L,
    parts: Parts,
    clock: Clock,
    last: Option<UnixMillis>,
}

impl<L: Letterhead> Messenger<L> {
    pub fn open(web: &Web, letterhead: L, clock: Clock) -> Result<Self> {
        let connection = Connection::open(web, clock)?;
        Ok(Self { connection, letterhead, parts: Parts::default(), clock, last: None })
    }
}

impl<L: Letterhead> Sink for Messenger<L> {
    fn send(&mut self, batch: &[Delivery], _: Duration) -> Answer {
        let Self { connection, letterhead, parts, clock, last } = self;
        let one = &batch[..1];
        parts.deliver(
            one,
            || true,
            |part| {
                let Some(told) = Told::of(&part[0].bytes) else { return Verdict::Taken };
                let secret = connection.body_secret();
                let Some(letter) = letterhead.write(&told, part[0], &secret) else { return Verdict::Taken };
                let since = last.map(|last| Duration::from_millis(clock.now().since(last)));
                connection.pause(letterhead.apart().saturating_sub(since.unwrap_or(letterhead.apart())));
                *last = Some(clock.now());
                let verdict = letterhead.verdict(post(connection, letter));
                match (&verdict, letterhead.plainly(&told)) {
                    (Verdict::Refused(_) | Verdict::TooLarge(_), Some(plain)) => {
                        match letterhead.verdict(post(connection, plain)) {
                            // What was said of the first says more.
                            Verdict::Refused(_) | Verdict::TooLarge(_) => verdict,
                            plain => plain,
                        }
                    }
                    _ => verdict,
                }
            },
        )
    }
}

fn post(connection: &mut Connection, letter: Letter) -> Result<Reply, Failed> {
    let Letter { method, content_type, body } = letter;
    connection.send(&Request { method, ..Request::post(&content_type, body) })
}

/// A link for people, with the alert's id put in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link(String);

impl Link {
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let text = section.text("link")?;
        let is_link =
            reqwest::Url::parse(&text.replace("{uid}", "x")).is_ok_and(|url| ["http", "https"].contains(&url.scheme()));
        if !is_link || !text.contains("{uid}") {
            let hint = "as in \"https://siem.example.com/alerts?uid={uid}\"".to_owned();
            section.problem("link", "is no address with `{uid}` in it", hint);
        }
        Some(Self(text))
    }

    /// An alert's id has no character that an address would have to escape, but a hostile one might.
    pub fn to(&self, uid: &str) -> String {
        self.0.replace("{uid}", &escaped(uid))
    }
}

/// Percent-encoded, as part of an address or a form.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
