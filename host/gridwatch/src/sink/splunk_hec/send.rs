//! Sending: requests over one channel, and asking until an indexer has them.

use super::ack::Open;
use super::answer::verdict;
use super::{Ack, Labels, ToSplunk, answer};
use crate::clock::{Clock, chance};
use crate::sink::web::parts::Parts;
use crate::sink::web::{Connection, Request, Verdict};
use crate::sink::{Answer, Delivery, Next, Problem, Sink};
use anyhow::Result;
use std::time::Duration;

/// Records of one request.
const OF_A_REQUEST: usize = 1_000;
/// How soon, and how often at most, it is asked whether records are there.
const FIRST_ASK: Duration = Duration::from_millis(250);
const MOST_BETWEEN: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct SplunkSink {
    connection: Connection,
    labels: Labels,
    ack: Ack,
    ack_within: Duration,
    parts: Parts,
    clock: Clock,
    /// A GUID; ids of acknowledgements count within it.
    channel: String,
    /// What a balancer in front of several collectors wants to see again.
    cookie: String,
    open: Open,
}

impl SplunkSink {
    pub(super) fn open(to: &ToSplunk, clock: Clock) -> Result<Self> {
        let (ack, ack_within) = (to.ack, to.ack_within);
        Ok(Self {
            connection: Connection::open(&to.web, clock)?,
            labels: to.labels.clone(),
            ack,
            ack_within,
            parts: Parts::of_at_most(OF_A_REQUEST),
            clock,
            channel: guid(),
            cookie: String::new(),
            open: Open::default(),
        })
    }

    /// Sends what of the batch isn't on its way.
    fn post(&mut self, batch: &[Delivery]) -> Next {
        let Self { connection, labels, ack, parts, clock, channel, cookie, open, .. } = self;
        let (began, time) = (clock.now(), connection.timeout());
        let may_go_on = || Duration::from_millis(clock.now().since(began)) < time;
        let mut is_restarted = false;
        let next = parts.send(batch, may_go_on, |part| {
            let mut headers = vec![("x-splunk-request-channel", channel.as_str())];
            headers.extend((!cookie.is_empty()).then_some(("cookie", cookie.as_str())));
            let request = Request::post("application/json", answer::body(part, labels));
            let request = Request { path: "/services/collector/event", headers: &headers, ..request };
            let reply = connection.send(&request);
            let cookies = reply.as_ref().map(|reply| reply.cookies.join("; ")).unwrap_or_default();
            let (verdict, id) = verdict(reply, part.len());
            if !cookies.is_empty() {
                *cookie = cookies;
            }
            match (verdict, id, *ack) {
                (Verdict::Taken, Some(id), Ack::Auto | Ack::On) => {
                    let numbers = part.iter().map(|delivery| delivery.number).collect();
                    is_restarted |= !open.add(id, numbers, clock.now());
                    Verdict::Sent
                }
                (Verdict::Taken, None, Ack::On) => {
                    let what = "the collector gives no id to ask for an acknowledgement by".to_owned();
                    let hint = "enable indexer acknowledgement for the token, or set `ack = \"off\"`";
                    Verdict::Stop(Problem { what, hint: Some(hint) })
                }
                (verdict, ..) => verdict,
            }
        });
        match is_restarted {
            true => self.begin_again("the collector was restarted"),
            false => next,
        }
    }

    /// Asks until all is acknowledged, or the time of an attempt is over.
    fn wait_for_acks(&mut self) -> Next {
        let (began, mut between) = (self.clock.now(), FIRST_ASK);
        let time = self.connection.timeout();
        loop {
            self.connection.pause(between);
            if let Err(next) = self.ask() {
                return next;
            }
            let now = self.clock.now();
            if self.open.is_empty() {
                return Next::Go;
            }
            if self.open.is_late(now, self.ack_within) {
                return self.begin_again("no indexer has acknowledged them in time");
            }
            between = (between * 2).min(MOST_BETWEEN);
            if Duration::from_millis(now.since(began)) + between > time {
                let what = "no indexer has acknowledged what was sent yet".to_owned();
                return Next::Wait { at_least: None, why: Problem { what, hint: None } };
            }
        }
    }

    fn ask(&mut self) -> Result<(), Next> {
        let mut headers = vec![("x-splunk-request-channel", self.channel.as_str())];
        headers.extend((!self.cookie.is_empty()).then_some(("cookie", self.cookie.as_str())));
        let body = serde_json::json!({ "acks": self.open.ids() }).to_string();
        let request = Request::post("application/json", body.into_bytes());
        let reply = self.connection.send(&Request { path: "/services/collector/ack", headers: &headers, ..request });
        let reply = match reply {
            Ok(reply) if reply.status == 200 => reply,
            reply => {
                return match verdict(reply, 1).0 {
                    Verdict::Later(at_least, why) => Err(Next::Wait { at_least, why }),
                    Verdict::Stop(why) => Err(Next::Stop(why)),
                    // Neither a refusal nor an answer that can't be read says that anything is there.
                    _ => Err(unreadable()),
                };
            }
        };
        let numbers = self.open.acknowledged(&reply.body).ok_or_else(unreadable)?;
        self.parts.confirm(numbers);
        Ok(())
    }

    /// Everything that isn't acknowledged is sent again, over another channel.
    fn begin_again(&mut self, why: &str) -> Next {
        let records = self.open.give_up();
        self.parts.unsend();
        self.channel = guid();
        let what = format!("{why}: {records} records are sent again, and may be there twice, with the same `uid`");
        tracing::warn!(records, why, "records are sent to Splunk again; they may be there twice, with the same uid");
        Next::Wait { at_least: None, why: Problem { what, hint: None } }
    }
}

fn unreadable() -> Next {
    let what = "the collector doesn't say what an indexer has".to_owned();
    Next::Wait { at_least: None, why: Problem { what, hint: None } }
}

impl Sink for SplunkSink {
    fn send(&mut self, batch: &[Delivery], _: Duration) -> Answer {
        let mut next = self.post(batch);
        if !self.open.is_empty() {
            // What was sent is asked for also where the rest has to wait.
            let waited = self.wait_for_acks();
            if next == Next::Go {
                next = waited;
            }
        }
        self.parts.answer(batch, next)
    }
}

/// A random GUID (RFC 9562, version 4).
fn guid() -> String {
    let (high, low) = (chance(), chance());
    let (high, low) = ((high & !0xf000) | 0x4000, (low & (!0 >> 2)) | (0b10 << 62));
    format!(
        "{:08X}-{:04X}-{:04X}-{:04X}-{:012X}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_a_guid_and_another_each_time() {
        let (one, other) = (guid(), guid());
        let lengths: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert!(one.as_bytes()[14] == b'4' && b"89AB".contains(&one.as_bytes()[19]), "{one}");
        assert_ne!(one, other);
    }
}
