//! The bulk API: what is sent, and what the answer says of each document. No network.

use super::Targets;
use crate::sink::web::{Codes, Failed, Outcome, Reply, Verdict};
use crate::sink::{Delivery, Next, Problem};
use gridwatch_event::text::{clean, hex};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;

/// Of the answer, what is read: an answer to thousands of documents stays small.
pub(super) const FILTER: (&str, &str) = (
    "filter_path",
    "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason,items.*.failure_store",
);
/// An answer that is longer is no answer to a batch of ours.
pub(super) const MAX_ANSWER: usize = 32 << 20;
/// Longest `_id`, in bytes.
const MAX_ID: usize = 512;
/// Characters of a reason.
const MAX_REASON: usize = 400;
/// How long to stay away from an index that takes no writes: a disk isn't freed within seconds.
const BLOCKED: Duration = Duration::from_secs(60);

pub(super) fn body(part: &[&Delivery], targets: &Targets) -> Vec<u8> {
    let mut body = Vec::with_capacity(part.iter().map(|delivery| delivery.bytes.len() + 160).sum());
    for delivery in part {
        let index = &targets.of(delivery.kind).name;
        let action = serde_json::json!({ "create": { "_index": index, "_id": document_id(&delivery.id) } });
        body.extend_from_slice(action.to_string().as_bytes());
        body.push(b'\n');
        document(delivery, &mut body);
        body.push(b'\n');
    }
    body
}

/// The record's own, unless it is longer than an index takes.
fn document_id(id: &str) -> String {
    match id.len() <= MAX_ID {
        true => id.to_owned(),
        false => format!("sha256-{}", hex(&Sha256::digest(id.as_bytes()))),
    }
}

/// The record; one of a view without `@timestamp`, which a data stream demands, gets it.
fn document(delivery: &Delivery, body: &mut Vec<u8>) {
    const STAMP: &[u8] = b"{\"@timestamp\":";
    let bytes = &*delivery.bytes;
    if bytes.starts_with(STAMP) || !bytes.starts_with(b"{") {
        return body.extend_from_slice(bytes);
    }
    body.extend_from_slice(STAMP);
    body.extend_from_slice(format!("\"{}\"", delivery.time).as_bytes());
    if bytes != b"{}" {
        body.push(b',');
    }
    body.extend_from_slice(&bytes[1..]);
}

#[derive(Deserialize)]
struct Bulk {
    items: Vec<BTreeMap<String, Item>>,
}

#[derive(Deserialize)]
struct Item {
    status: u16,
    #[serde(default)]
    error: Option<Value>,
    #[serde(default)]
    failure_store: Option<String>,
}

/// What an answer says, and how many documents were put into a failure store.
pub(super) fn verdict(answer: Result<Reply, Failed>, count: usize) -> (Verdict, u64) {
    let reply = match answer {
        Ok(reply) => reply,
        // It can't be read, so nobody knows what is in it: fewer documents have a shorter one.
        Err(Failed::TooLong) => return (Verdict::TooLarge("the answer is too long".to_owned()), 0),
        failed => return (Codes::default().verdict(failed), 0),
    };
    match reply.status {
        200 => of_items(&reply, count),
        // A whole request is refused for how it is made, never for a document.
        400 | 422 => (reply.stop("check `url`, and that nothing on the way changes the request"), 0),
        429 if reply.words.contains("cluster_block_exception") => (blocked(&reply.words), 0),
        403 if reply.words.contains("cluster_block_exception") => (blocked(&reply.words), 0),
        _ => (Codes::default().verdict(Ok(reply)), 0),
    }
}

fn of_items(reply: &Reply, count: usize) -> (Verdict, u64) {
    let later = |what: String| Verdict::Later(None, Problem { what, hint: None });
    let Ok(bulk) = serde_json::from_slice::<Bulk>(&reply.body) else {
        return (later("the answer is not that of a bulk request".to_owned()), 0);
    };
    if bulk.items.len() != count {
        return (later(format!("the answer is about {} documents instead of {count}", bulk.items.len())), 0);
    }
    let (mut outcomes, mut halt, mut failures) = (Vec::with_capacity(count), None, 0);
    for mut item in bulk.items {
        let Some((_, item)) = item.pop_first() else {
            return (later("the answer has an item without a result".to_owned()), 0);
        };
        failures += u64::from(item.failure_store.as_deref() == Some("used"));
        let (outcome, why) = outcome(&item);
        // A person is needed sooner than time.
        halt = match (halt, why) {
            (Some(Next::Stop(first)), _) => Some(Next::Stop(first)),
            (_, Some(Next::Stop(why))) => Some(Next::Stop(why)),
            (Some(first), _) => Some(first),
            (None, why) => why,
        };
        outcomes.push(outcome);
    }
    (Verdict::Each(outcomes, halt), failures)
}

/// Of one document, by status and type of error.
fn outcome(item: &Item) -> (Outcome, Option<Next>) {
    let (kind, reason) = said(item.error.as_ref());
    let told = clean(&format!("{} {kind}: {reason}", item.status), MAX_REASON);
    let later = |at_least| {
        let what = format!("a document has to wait: {told}");
        (Outcome::Left, Some(Next::Wait { at_least, why: Problem { what, hint: None } }))
    };
    let stop = |hint| {
        let what = format!("a document is not taken: {told}");
        (Outcome::Left, Some(Next::Stop(Problem { what, hint: Some(hint) })))
    };
    match (item.status, kind.as_str()) {
        (200..=299, _) => (Outcome::Taken, None),
        // It is there already: it was stored when the answer got lost.
        (409, _) => (Outcome::Taken, None),
        // A read-only index or a full disk, which ends.
        (_, "cluster_block_exception") => later(Some(BLOCKED)),
        (429 | 500..=599, _) => later(None),
        (401 | 403, _) => {
            stop("the credentials need `create_doc` and `auto_configure` (or `create_index`) on the index")
        }
        (404, _) => stop("make the index with `gridwatch sink setup`, or allow it to be made automatically"),
        (400, "validation_exception" | "index_closed_exception" | "invalid_index_name_exception") => {
            stop("the index takes no document now; the cluster's log says more")
        }
        (400, "illegal_argument_exception") if reason.contains("write index") || reason.contains("op_type") => {
            stop("check `events_index`, `alerts_index` and `data_streams` against what the cluster has")
        }
        (400 | 413 | 422, _) => (Outcome::Refused(told), None),
        _ => stop("the receiver's documentation says what this status means"),
    }
}

fn blocked(words: &str) -> Verdict {
    Verdict::Later(Some(BLOCKED), Problem { what: format!("the index takes no writes now: {words}"), hint: None })
}

/// Type and reason of an error, which old versions give as a text.
fn said(error: Option<&Value>) -> (String, String) {
    match error {
        Some(Value::Object(error)) => {
            let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
            let cause = error.get("caused_by").and_then(|cause| cause.get("reason")).and_then(Value::as_str);
            let reason = text(error.get("reason"));
            let reason = cause.map_or(reason.clone(), |cause| format!("{reason}: {cause}"));
            (text(error.get("type")), reason)
        }
        Some(Value::String(error)) => (String::new(), error.clone()),
        _ => Default::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Target;
    use super::*;
    use crate::sink::testing::delivery;
    use serde_json::json;

    fn targets() -> Targets {
        let target = |name: &str| Target { name: name.into(), is_data_stream: false };
        Targets { events: target("events"), alerts: target("alerts") }
    }

    fn answer(items: Value) -> Verdict {
        let count = items.as_array().unwrap().len();
        let items: Vec<Value> = items.as_array().unwrap().iter().map(|item| json!({ "create": item })).collect();
        let body = json!({ "errors": true, "items": items }).to_string().into_bytes();
        let reply = Reply { status: 200, retry_after: None, body, cookies: Vec::new(), words: String::new() };
        verdict(Ok(reply), count).0
    }

    #[test]
    fn a_document_has_the_records_id_and_a_time() {
        let all = [delivery(1_000, "{\"a\":1}"), delivery(2, "{\"@timestamp\":\"x\"}"), delivery(3, "{}")];
        let long = Delivery { id: "x".repeat(513).into(), ..delivery(4, "{}") };
        let part: Vec<&Delivery> = all.iter().chain([&long]).collect();
        let text = String::from_utf8(body(&part, &targets())).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0], json!({ "create": { "_index": "events", "_id": "r1000" } }));
        assert_eq!(lines[1], json!({ "@timestamp": "1970-01-01T00:00:01Z", "a": 1 }));
        assert_eq!(lines[3], json!({ "@timestamp": "x" }));
        assert!(lines[6]["create"]["_id"].as_str().unwrap().len() < MAX_ID);
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn each_document_is_judged_by_itself() {
        let items = json!([
            { "status": 201 },
            { "status": 409, "error": { "type": "version_conflict_engine_exception", "reason": "exists" } },
            { "status": 400, "error": { "type": "document_parsing_exception", "reason": "field [x]", "caused_by": { "reason": "not an ip" } } },
            { "status": 429, "error": { "type": "es_rejected_execution_exception", "reason": "queue full" } },
            { "status": 201, "failure_store": "used" },
        ]);
        let Verdict::Each(outcomes, Some(Next::Wait { at_least: None, .. })) = answer(items) else { panic!() };
        let told = "400 document_parsing_exception: field [x]: not an ip".to_owned();
        use Outcome::{Left, Refused, Taken};
        assert_eq!(outcomes, [Taken, Taken, Refused(told), Left, Taken]);
    }

    #[test]
    fn what_isnt_the_documents_fault_refuses_none() {
        let of = |status: u16, kind: &str, reason: &str| {
            answer(json!([{ "status": status, "error": { "type": kind, "reason": reason } }]))
        };
        for (status, kind, reason) in [
            (403, "cluster_block_exception", "index read-only / allow delete"),
            (429, "cluster_block_exception", "disk usage exceeded flood-stage watermark"),
            (503, "unavailable_shards_exception", "primary shard is not active"),
        ] {
            let Verdict::Each(outcomes, Some(Next::Wait { at_least, .. })) = of(status, kind, reason) else {
                panic!("{kind}")
            };
            assert_eq!((outcomes, at_least.is_some()), (vec![Outcome::Left], status != 503), "{kind}");
        }
        for (status, kind, reason) in [
            (403, "security_exception", "action is unauthorized"),
            (404, "index_not_found_exception", "no such index"),
            (400, "validation_exception", "this cluster currently has [1000]/[1000] maximum shards open"),
            (400, "illegal_argument_exception", "only write ops with an op_type of create are allowed in data streams"),
        ] {
            let Verdict::Each(outcomes, Some(Next::Stop(why))) = of(status, kind, reason) else { panic!("{kind}") };
            assert_eq!(outcomes, [Outcome::Left], "{kind}");
            assert!(why.what.contains(reason) && why.hint.is_some(), "{why}");
        }
    }

    #[test]
    fn an_answer_that_cant_be_matched_to_the_documents_settles_nothing() {
        let reply = |body: &str| Reply {
            status: 200,
            retry_after: None,
            body: body.into(),
            cookies: Vec::new(),
            words: String::new(),
        };
        for body in ["", "{}", "{\"errors\":false,\"items\":[]}", "{\"errors\":false,\"items\":[{},{}]}", "<html>"] {
            assert!(matches!(verdict(Ok(reply(body)), 2), (Verdict::Later(..), 0)), "{body}");
        }
        assert!(matches!(verdict(Err(Failed::TooLong), 2), (Verdict::TooLarge(_), 0)));
    }
}
