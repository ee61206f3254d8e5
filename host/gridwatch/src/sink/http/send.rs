//! Sending: one request for as many records as the receiver takes at once.
//!
//! `Idempotency-Key` is made of the ids of the records in a request, so the same records have the same key, after a restart too.

use super::{Format, ToHttp};
use crate::clock::Clock;
use crate::sink::web::parts::Parts;
use crate::sink::web::{Codes, Connection, Request};
use crate::sink::{Answer, Delivery, Sink};
use anyhow::Result;
use gridwatch_event::text::hex;
use sha2::{Digest, Sha256};
use std::time::Duration;

#[derive(Debug)]
pub struct HttpSink {
    connection: Connection,
    codes: Codes,
    format: Format,
    parts: Parts,
    clock: Clock,
}

impl HttpSink {
    pub(super) fn open(to: &ToHttp, clock: Clock) -> Result<Self> {
        let connection = Connection::open(&to.web, clock)?;
        Ok(Self { connection, codes: to.codes.clone(), format: to.format, parts: Parts::default(), clock })
    }
}

impl Sink for HttpSink {
    fn send(&mut self, batch: &[Delivery], _: Duration) -> Answer {
        let Self { connection, codes, format, parts, clock } = self;
        let (began, time) = (clock.now(), connection.timeout());
        let may_go_on = || Duration::from_millis(clock.now().since(began)) < time;
        parts.deliver(batch, may_go_on, |part| {
            let key = key(part);
            let headers = [("idempotency-key", key.as_str())];
            let request = Request::post(format.content_type(), format.body(part));
            codes.verdict(connection.send(&Request { headers: &headers, ..request }))
        })
    }
}

/// The same for the same records.
fn key(part: &[&Delivery]) -> String {
    let mut digest = Sha256::new();
    for delivery in part {
        digest.update(delivery.id.as_bytes());
        digest.update(b"\n");
    }
    hex(&digest.finalize()[..16])
}

impl Format {
    fn body(self, part: &[&Delivery]) -> Vec<u8> {
        let bytes: usize = part.iter().map(|delivery| delivery.bytes.len() + 1).sum();
        let mut body = Vec::with_capacity(bytes + 2);
        match self {
            Self::Ndjson => {
                for delivery in part {
                    body.extend_from_slice(&delivery.bytes);
                    body.push(b'\n');
                }
            }
            Self::Array => {
                body.push(b'[');
                for (n, delivery) in part.iter().enumerate() {
                    if n > 0 {
                        body.push(b',');
                    }
                    body.extend_from_slice(&delivery.bytes);
                }
                body.push(b']');
            }
            Self::Json => part.iter().for_each(|delivery| body.extend_from_slice(&delivery.bytes)),
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::testing::deliveries;

    #[test]
    fn a_body_holds_each_record_once_in_its_format() {
        let all = deliveries(1, &["{\"a\":1}".to_owned(), "{\"b\":2}".to_owned()]);
        let part: Vec<&Delivery> = all.iter().collect();
        let text = |format: Format, part: &[&Delivery]| String::from_utf8(format.body(part)).unwrap();
        assert_eq!(text(Format::Ndjson, &part), "{\"a\":1}\n{\"b\":2}\n");
        assert_eq!(text(Format::Array, &part), "[{\"a\":1},{\"b\":2}]");
        assert_eq!(text(Format::Json, &part[..1]), "{\"a\":1}");
        assert_eq!(key(&part), key(&all.iter().collect::<Vec<_>>()));
        assert_ne!(key(&part), key(&part[..1]));
    }
}
