//! What is sent to the collector, and what its codes say of the events. No network.

use super::Labels;
use crate::sink::web::{Codes, Failed, Outcome, Reply, Verdict};
use crate::sink::{Delivery, Next, Problem};
use gridwatch_event::text::clean;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Characters of a reason.
const MAX_REASON: usize = 400;

/// One event after the other, as the collector reads them.
pub(super) fn body(part: &[&Delivery], labels: &Labels) -> Vec<u8> {
    let mut body = Vec::with_capacity(part.iter().map(|delivery| delivery.bytes.len() + 240).sum());
    for delivery in part {
        let (seconds, ms) = (delivery.time.0 / 1_000, delivery.time.0 % 1_000);
        let mut head = Map::new();
        head.insert("source".into(), labels.source.as_str().into());
        head.insert("sourcetype".into(), labels.sourcetype(delivery.kind).into());
        head.extend(labels.host.as_ref().map(|host| ("host".to_owned(), host.as_str().into())));
        head.extend(labels.index.as_ref().map(|index| ("index".to_owned(), index.as_str().into())));
        head.insert("fields".into(), json!({ "uid": &*delivery.id, "kind": delivery.kind.name() }));
        let head = Value::from(head).to_string();
        body.extend_from_slice(
            format!("{{\"time\":{seconds}.{ms:03},{},\"event\":", &head[1..head.len() - 1]).as_bytes(),
        );
        body.extend_from_slice(&delivery.bytes);
        body.push(b'}');
        body.push(b'\n');
    }
    body
}

#[derive(Deserialize)]
pub(super) struct Said {
    #[serde(default)]
    pub text: String,
    pub code: u32,
    #[serde(default, rename = "invalid-event-number")]
    pub invalid: Option<usize>,
    #[serde(default, rename = "ackId")]
    pub ack: Option<u64>,
}

/// What an answer to so many events says, and the id to ask for their acknowledgement by.
pub(super) fn verdict(answer: Result<Reply, Failed>, count: usize) -> (Verdict, Option<u64>) {
    let reply = match answer {
        Ok(reply) => reply,
        failed => return (Codes::default().verdict(failed), None),
    };
    let Ok(said) = serde_json::from_slice::<Said>(&reply.body) else {
        // Whatever answers 200 in other words is no collector.
        return match reply.status {
            200..=299 => (stop(&reply, "check `url`: what answers there is no HTTP Event Collector"), None),
            _ => (Codes::default().verdict(Ok(reply)), None),
        };
    };
    let told = clean(&format!("HTTP {}, code {}: {}", reply.status, said.code, said.text), MAX_REASON);
    let verdict = match said.code {
        // 24, 25: taken, and its queue is nearly full. The next request waits for the answer of this one anyway.
        0 | 24 | 25 => Verdict::Taken,
        5 | 6 | 12 | 13 | 15 => refused(&said, told, count),
        8 | 9 | 18 | 19 | 20 | 23 | 26 | 27 => later(&reply, told, said.invalid.filter(|_| said.code == 9), count),
        7 => stop(&reply, "the token may not write to this index, or there is none of that name: check `index`"),
        1..=4 | 16 | 21 | 22 => {
            stop(&reply, "check the token: it has to be there, enabled, and allowed what the sink asks")
        }
        10 | 11 => stop(&reply, "something on the way changes the channel's header"),
        14 => stop(&reply, "the token has no indexer acknowledgement: enable it, or set `ack = \"off\"`"),
        _ => Codes::default().verdict(Ok(reply)),
    };
    (verdict, said.ack)
}

/// One event is at fault, which the answer numbers from 0. What Splunk does with the events before it is disputed, so all the others are
/// sent again.
fn refused(said: &Said, told: String, count: usize) -> Verdict {
    match said.invalid.filter(|number| *number < count && count > 1) {
        Some(number) => {
            let outcomes = (0..count).map(|n| if n == number { Outcome::Refused(told.clone()) } else { Outcome::Left });
            Verdict::Each(outcomes.collect(), None)
        }
        None => Verdict::Refused(told),
    }
}

/// A collector that is full says from which event on it has none.
fn later(reply: &Reply, told: String, from: Option<usize>, count: usize) -> Verdict {
    let why = Problem { what: format!("the collector says {told}"), hint: None };
    match from.filter(|from| *from > 0 && *from < count) {
        Some(from) => {
            let outcomes = (0..count).map(|n| if n < from { Outcome::Taken } else { Outcome::Left });
            Verdict::Each(outcomes.collect(), Some(Next::Wait { at_least: reply.retry_after, why }))
        }
        None => Verdict::Later(reply.retry_after, why),
    }
}

fn stop(reply: &Reply, hint: &'static str) -> Verdict {
    Verdict::Stop(Problem { what: format!("the collector says {}", reply.said()), hint: Some(hint) })
}

pub(super) fn health(answer: Result<Reply, Failed>) -> Result<String, Problem> {
    let reply = match answer {
        Ok(reply) => reply,
        Err(Failed::Later(_, why) | Failed::Stop(why)) => return Err(why),
        Err(Failed::TooLong) => return Err(Problem { what: "the answer is too long".to_owned(), hint: None }),
    };
    let problem = |hint| Err(Problem { what: format!("the collector says {}", reply.said()), hint: Some(hint) });
    match reply.status {
        200 => Ok("the collector is healthy and knows the token".to_owned()),
        400 | 401 | 403 => problem("check the token: it has to be there and enabled"),
        404 => problem("check `url`: it is that of the collector, as in \"https://splunk.example.com:8088\""),
        503 => problem("its queues are full"),
        _ => problem("check `url`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::testing::delivery;

    fn answered(status: u16, body: &str, count: usize) -> Verdict {
        let reply = Reply { status, retry_after: None, body: body.into(), cookies: Vec::new(), words: body.into() };
        verdict(Ok(reply), count).0
    }

    #[test]
    fn an_event_carries_time_id_and_labels() {
        let labels = Labels {
            index: Some("slack".into()),
            source: "gridwatch".into(),
            host: None,
            events_sourcetype: "gridwatch:event".into(),
            alerts_sourcetype: "gridwatch:alert".into(),
        };
        let event = delivery(1_764_417_600_007, "{\"a\":1}");
        let value: Value = serde_json::from_slice(&body(&[&event], &labels)).unwrap();
        assert_eq!(value["time"].to_string(), "1764417600.007");
        assert_eq!(value["event"], json!({ "a": 1 }));
        assert_eq!(value["fields"], json!({ "uid": "r1764417600007", "kind": "event" }));
        assert_eq!((&value["index"], &value["sourcetype"]), (&"slack".into(), &"gridwatch:event".into()));
    }

    #[test]
    fn each_code_has_its_consequence() {
        let of = |status, code: u32| match answered(status, &format!("{{\"text\":\"t\",\"code\":{code}}}"), 1) {
            Verdict::Taken => "taken",
            Verdict::Refused(_) => "refused",
            Verdict::Later(..) => "later",
            Verdict::Stop(_) => "stop",
            _ => "else",
        };
        for (status, codes, want) in [
            (200, &[0, 24, 25][..], "taken"),
            (400, &[5, 6, 12, 13, 15], "refused"),
            (503, &[9, 18, 19, 20, 23], "later"),
            (500, &[8], "later"),
            (429, &[26, 27], "later"),
            (400, &[7, 10, 11, 14, 21, 22], "stop"),
            (403, &[1, 4], "stop"),
            (401, &[2, 3], "stop"),
        ] {
            for code in codes {
                assert_eq!(of(status, *code), want, "{code}");
            }
        }
        assert!(matches!(answered(200, "<html>", 1), Verdict::Stop(_)));
        assert!(matches!(answered(502, "<html>", 1), Verdict::Later(..)));
        assert!(matches!(answered(413, "too large", 2), Verdict::TooLarge(_)));
    }

    #[test]
    fn the_event_that_is_named_is_refused_and_the_others_are_sent_again() {
        use Outcome::{Left, Refused, Taken};
        let Verdict::Each(outcomes, None) =
            answered(400, r#"{"text":"Invalid data format","code":6,"invalid-event-number":1}"#, 3)
        else {
            panic!()
        };
        assert_eq!(outcomes, [Left, Refused("HTTP 400, code 6: Invalid data format".into()), Left]);
        // A number that can't be says nothing: the batch is halved.
        assert!(matches!(answered(400, r#"{"text":"t","code":6,"invalid-event-number":3}"#, 3), Verdict::Refused(_)));
        let Verdict::Each(outcomes, Some(Next::Wait { .. })) =
            answered(503, r#"{"text":"Server is busy","code":9,"invalid-event-number":2}"#, 3)
        else {
            panic!()
        };
        assert_eq!(outcomes, [Taken, Taken, Left]);
    }
}
