//! A receiver of records in the body of a POST: NDJSON, a list, or one by itself.

use super::{Fault, Reply, Request, Server, Stored};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// What it wants.
#[derive(Debug, Clone)]
pub struct Wants {
    pub path: &'static str,
    pub content_type: &'static str,
    /// Each of these has to be there.
    pub headers: Vec<(&'static str, String)>,
    /// Ids of records that it never takes, alone or among others.
    pub refuses: Vec<String>,
    /// Bytes of a body, unpacked.
    pub most_bytes: usize,
}

impl Default for Wants {
    fn default() -> Self {
        let content_type = "application/x-ndjson";
        Self { path: "/", content_type, headers: Vec::new(), refuses: Vec::new(), most_bytes: 1 << 20 }
    }
}

#[derive(Debug)]
pub struct Plain {
    pub server: Server,
    pub stored: Stored,
}

impl Plain {
    pub fn start(wants: Wants, faults: impl Fn(&Request) -> Option<Fault> + Send + Sync + 'static) -> Self {
        let stored = Stored::default();
        let look = looks(wants, stored.clone());
        Self { server: Server::start(faults, look), stored }
    }

    pub fn start_tls(wants: Wants, tls: Arc<rustls::ServerConfig>) -> Self {
        let stored = Stored::default();
        let look = looks(wants, stored.clone());
        Self { server: Server::start_tls(tls, look), stored }
    }
}

fn looks(wants: Wants, stored: Stored) -> impl Fn(&Request, bool) -> Reply + Send + Sync + 'static {
    // A key stands for a body: the same one never comes with another.
    let keys = Mutex::new(BTreeMap::<String, Vec<u8>>::new());
    move |request, is_heard| {
        if request.method != "POST" || request.path != wants.path {
            return Reply::new(404, "nothing here");
        }
        if let Some((name, _)) = wants.headers.iter().find(|(name, value)| request.header(name) != value) {
            // As some receivers do, it repeats what it was sent.
            return Reply::new(401, format!("{name}: {} is not accepted", request.header(name)));
        }
        if request.header("content-type") != wants.content_type {
            return Reply::new(415, "not of this type");
        }
        if request.body.len() > wants.most_bytes {
            return Reply::new(413, "too large");
        }
        let records = match read(request) {
            Ok(records) => records,
            Err(what) => return Reply::new(400, what),
        };
        let key = request.header("idempotency-key").to_owned();
        assert!(!key.is_empty() || records.is_empty(), "no Idempotency-Key");
        let before = keys.lock().expect("keys").insert(key, request.body.clone());
        assert!(before.is_none_or(|before| before == request.body), "a key came with another body");
        let ids: Vec<&str> = records.iter().map(|record| record["metadata"]["uid"].as_str().expect("an id")).collect();
        if let Some(id) = ids.iter().find(|id| wants.refuses.iter().any(|refused| refused == *id)) {
            return Reply::new(400, format!("record {id} does not fit"));
        }
        ids.iter().for_each(|id| stored.add(id, is_heard));
        Reply::new(200, "")
    }
}

fn read(request: &Request) -> Result<Vec<Value>, String> {
    let text = request.text();
    let parse = |text: &str| serde_json::from_str::<Value>(text).map_err(|error| error.to_string());
    match request.header("content-type") {
        "application/x-ndjson" => {
            if !text.is_empty() && !text.ends_with('\n') {
                return Err("the last line has no end".to_owned());
            }
            text.lines().map(parse).collect()
        }
        _ => match parse(text)? {
            Value::Array(records) => Ok(records),
            record => Ok(vec![record]),
        },
    }
}
