//! Splunk's HTTP Event Collector with its codes, and indexer acknowledgement that is told once.

use super::{Fault, Reply, Request, Server, Stored};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How this one is.
#[derive(Debug, Clone, Default)]
pub struct Habits {
    pub has_ack: bool,
    /// Polls before a request is acknowledged.
    pub polls: u64,
    /// Each so many requests, an indexer dies with what it was handed, and the collector counts from 0 again.
    pub forgets_each: Option<u64>,
    /// Ids of events that it can't read.
    pub refuses: Vec<String>,
    /// Each so many requests it takes the first half alone, and says from where on it has nothing.
    pub is_full_each: Option<u64>,
}

#[derive(Debug, Default)]
struct Inside {
    /// By channel: id of the next acknowledgement.
    next: BTreeMap<String, u64>,
    /// Waiting to be indexed: ids of events and polls so far, by channel and id.
    waiting: BTreeMap<(String, u64), (Vec<String>, u64, bool)>,
    posts: u64,
}

#[derive(Debug)]
pub struct Splunk {
    pub server: Server,
    /// What an indexer has.
    pub stored: Stored,
}

impl Splunk {
    pub fn start(habits: Habits, faults: impl Fn(&Request) -> Option<Fault> + Send + Sync + 'static) -> Self {
        let (stored, inside) = (Stored::default(), Arc::new(Mutex::new(Inside::default())));
        let keeps = stored.clone();
        let server = Server::start(faults, move |request, is_heard| {
            let said =
                |status, code: u32, text: &str| Reply::new(status, json!({ "text": text, "code": code }).to_string());
            match request.header("authorization") {
                "" => return said(401, 2, "Token is required"),
                "Splunk 00000000-0000-0000-0000-0000000000aa" => {}
                _ => return said(403, 4, "Invalid token"),
            }
            let mut inside = inside.lock().unwrap_or_else(PoisonError::into_inner);
            let channel = request.header("x-splunk-request-channel").to_owned();
            match (request.method.as_str(), request.path.as_str()) {
                ("GET", "/services/collector/health/1.0") => said(200, 17, "HEC is healthy"),
                ("POST", "/services/collector/ack") => polled(request, &mut inside, &channel, &keeps, &habits),
                ("POST", "/services/collector/event") => {
                    if habits.has_ack && channel.is_empty() {
                        return said(400, 10, "Data channel is missing");
                    }
                    posted(request, &mut inside, &channel, &keeps, &habits, is_heard)
                }
                _ => said(404, 404, "The requested URL was not found"),
            }
        });
        Self { server, stored }
    }
}

fn posted(
    request: &Request,
    inside: &mut Inside,
    channel: &str,
    stored: &Stored,
    habits: &Habits,
    is_heard: bool,
) -> Reply {
    inside.posts += 1;
    let events: Vec<Value> = serde_json::Deserializer::from_slice(&request.body)
        .into_iter()
        .map(|event| event.expect("one event after the other"))
        .collect();
    assert!(!events.is_empty() && events.iter().all(|event| event["time"].is_number() && event["event"].is_object()));
    let mut ids: Vec<String> =
        events.iter().map(|event| event["fields"]["uid"].as_str().expect("an id").to_owned()).collect();
    let bad = ids.iter().position(|id| habits.refuses.contains(id));
    if let Some(at) = bad {
        return Reply::new(
            400,
            json!({ "text": "Invalid data format", "code": 6, "invalid-event-number": at }).to_string(),
        );
    }
    let is_full = habits.is_full_each.is_some_and(|each| inside.posts % each == 0) && ids.len() > 1;
    let from = ids.len() / 2;
    if is_full {
        ids.truncate(from);
    }
    if !habits.has_ack {
        ids.iter().for_each(|id| stored.add(id, is_heard));
    }
    if is_full {
        assert!(!habits.has_ack, "what of a full collector is acknowledged isn't documented");
        return Reply::new(
            503,
            json!({ "text": "Server is busy", "code": 9, "invalid-event-number": from }).to_string(),
        );
    }
    if !habits.has_ack {
        return Reply::new(200, r#"{"text":"Success","code":0}"#);
    }
    if habits.forgets_each.is_some_and(|each| inside.posts % each == 0) {
        inside.waiting.clear();
        inside.next.clear();
    }
    let next = inside.next.entry(channel.to_owned()).or_default();
    let id = *next;
    *next += 1;
    inside.waiting.insert((channel.to_owned(), id), (ids, 0, is_heard));
    Reply::new(200, json!({ "text": "Success", "code": 0, "ackId": id }).to_string())
        .with("set-cookie", "node=7; Path=/")
}

fn polled(request: &Request, inside: &mut Inside, channel: &str, stored: &Stored, habits: &Habits) -> Reply {
    if !habits.has_ack {
        return Reply::new(400, r#"{"text":"ACK is disabled","code":14}"#);
    }
    assert_eq!(request.header("cookie"), "node=7", "a balancer would ask another collector");
    let asked: Value = serde_json::from_slice(&request.body).expect("JSON");
    let mut acks = serde_json::Map::new();
    for id in asked["acks"].as_array().expect("a list").iter().filter_map(Value::as_u64) {
        let key = (channel.to_owned(), id);
        let is_there = inside.waiting.get_mut(&key).is_some_and(|(_, polls, _)| {
            *polls += 1;
            *polls > habits.polls
        });
        if is_there {
            // Told once.
            let (ids, _, is_heard) = inside.waiting.remove(&key).expect("it waited");
            ids.iter().for_each(|event| stored.add(event, is_heard));
        }
        acks.insert(id.to_string(), is_there.into());
    }
    Reply::new(200, json!({ "acks": acks }).to_string())
}
