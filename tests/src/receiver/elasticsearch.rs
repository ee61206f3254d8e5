//! Elasticsearch's and OpenSearch's bulk API, as far as a sink needs it: data streams that come from a template, ids that are there
//! once, and errors of single documents.

use super::{Fault, Reply, Request, Server, Stored};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// What goes wrong with a document: by its id and how often it was tried.
pub type Trouble = dyn Fn(&str, u64) -> Option<(u16, &'static str, &'static str)> + Send + Sync;

#[derive(Debug, Default)]
struct Inside {
    /// By index and id.
    documents: BTreeMap<(String, String), Value>,
    tries: BTreeMap<String, u64>,
    templates: BTreeMap<String, Value>,
    /// Names of data streams and of indices.
    streams: BTreeSet<String>,
    indices: BTreeSet<String>,
}

pub struct Elasticsearch {
    pub server: Server,
    pub stored: Stored,
    inside: Arc<Mutex<Inside>>,
}

impl std::fmt::Debug for Elasticsearch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.server.fmt(f)
    }
}

impl Elasticsearch {
    /// `distribution`: "opensearch", or nothing.
    pub fn start(
        authorization: &'static str,
        distribution: &'static str,
        faults: impl Fn(&Request) -> Option<Fault> + Send + Sync + 'static,
        trouble: impl Fn(&str, u64) -> Option<(u16, &'static str, &'static str)> + Send + Sync + 'static,
    ) -> Self {
        let (stored, inside) = (Stored::default(), Arc::new(Mutex::new(Inside::default())));
        let (keeps, knows) = (stored.clone(), inside.clone());
        let server = Server::start(faults, move |request, is_heard| {
            if request.header("authorization") != authorization {
                return Reply::new(401, r#"{"error":{"type":"security_exception"},"status":401}"#);
            }
            let mut inside = knows.lock().unwrap_or_else(PoisonError::into_inner);
            match (request.method.as_str(), request.path.as_str()) {
                ("GET", "/") => {
                    let mut version = json!({ "number": "9.1.0" });
                    if !distribution.is_empty() {
                        version = json!({ "number": "3.1.0", "distribution": distribution });
                    }
                    Reply::new(200, json!({ "version": version }).to_string())
                }
                ("POST", "/_bulk") => bulk(request, &mut inside, &keeps, is_heard, &trouble),
                ("PUT" | "GET", path) => named(request, path, &mut inside, distribution),
                _ => Reply::new(405, "{}"),
            }
        });
        Self { server, stored, inside }
    }

    pub fn document(&self, index: &str, id: &str) -> Option<Value> {
        let inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.documents.get(&(index.to_owned(), id.to_owned())).cloned()
    }

    pub fn count(&self, index: &str) -> usize {
        let inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.documents.keys().filter(|(of, _)| of == index).count()
    }

    pub fn template(&self, name: &str) -> Option<Value> {
        let inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.templates.get(name).cloned()
    }
}

/// Templates, data streams and indices by name.
fn named(request: &Request, path: &str, inside: &mut Inside, distribution: &str) -> Reply {
    let (kind, name) = path[1..].split_once('/').unwrap_or(("", &path[1..]));
    let is_put = request.method == "PUT";
    match kind {
        "_component_template" | "_index_template" if is_put => {
            assert_eq!(request.header("content-type"), "application/json");
            let body: Value = serde_json::from_slice(&request.body).expect("JSON");
            let text = body.to_string();
            let foreign = if distribution == "opensearch" { "\"flattened\"" } else { "\"flat_object\"" };
            if text.contains(foreign) {
                return Reply::new(
                    400,
                    r#"{"error":{"type":"mapper_parsing_exception","reason":"no handler for type"}}"#,
                );
            }
            for part in body["composed_of"].as_array().into_iter().flatten() {
                if !inside.templates.contains_key(part.as_str().unwrap_or_default()) {
                    return Reply::new(400, r#"{"error":{"type":"invalid_index_template_exception"}}"#);
                }
            }
            inside.templates.insert(name.to_owned(), body);
            Reply::new(200, r#"{"acknowledged":true}"#)
        }
        "_data_stream" if is_put => {
            let has_template = inside
                .templates
                .values()
                .any(|template| template.get("data_stream").is_some() && template["index_patterns"] == json!([name]));
            if !has_template {
                return Reply::new(
                    400,
                    r#"{"error":{"type":"illegal_argument_exception","reason":"no matching index template"}}"#,
                );
            }
            match inside.streams.insert(name.to_owned()) {
                true => Reply::new(200, r#"{"acknowledged":true}"#),
                false => Reply::new(400, r#"{"error":{"type":"resource_already_exists_exception"}}"#),
            }
        }
        "" if is_put => match inside.indices.insert(name.to_owned()) {
            true => Reply::new(200, r#"{"acknowledged":true}"#),
            false => Reply::new(400, r#"{"error":{"type":"resource_already_exists_exception"}}"#),
        },
        "_data_stream" if inside.streams.contains(name) => Reply::new(200, "{}"),
        "" if inside.indices.contains(name) => Reply::new(200, "{}"),
        _ => Reply::new(404, r#"{"error":{"type":"index_not_found_exception"}}"#),
    }
}

fn bulk(request: &Request, inside: &mut Inside, stored: &Stored, is_heard: bool, trouble: &Trouble) -> Reply {
    assert_eq!(request.header("content-type"), "application/x-ndjson");
    let text = request.text();
    if !text.ends_with('\n') {
        return Reply::new(
            400,
            r#"{"error":{"type":"illegal_argument_exception","reason":"must be terminated by a newline"}}"#,
        );
    }
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert!(lines.len() % 2 == 0, "an action without a document");
    let mut items = Vec::new();
    for pair in lines.chunks(2) {
        let action = pair[0].as_object().expect("an action");
        let (name, target) = action.iter().next().expect("its name");
        let (index, id) = (target["_index"].as_str().expect("an index"), target["_id"].as_str().expect("an id"));
        assert!(name == "create" && action.len() == 1 && id.len() <= 512, "{action:?}");
        let error = |status: u16, kind: &str, reason: &str| json!({ "status": status, "error": { "type": kind, "reason": reason } });
        let tries = inside.tries.entry(id.to_owned()).or_default();
        *tries += 1;
        let key = (index.to_owned(), id.to_owned());
        let item = if let Some((status, kind, reason)) = trouble(id, *tries) {
            error(status, kind, reason)
        } else if !inside.streams.contains(index) && !inside.indices.contains(index) {
            error(404, "index_not_found_exception", "no such index and [action.auto_create_index] is [false]")
        } else if pair[1]["@timestamp"].as_str().is_none_or(str::is_empty) && inside.streams.contains(index) {
            error(400, "document_parsing_exception", "data stream timestamp field [@timestamp] is missing")
        } else if inside.documents.contains_key(&key) {
            error(409, "version_conflict_engine_exception", "document already exists")
        } else {
            inside.documents.insert(key, pair[1].clone());
            stored.add(id, is_heard);
            json!({ "status": 201 })
        };
        items.push(json!({ "create": item }));
    }
    let errors = items.iter().any(|item| item["create"].get("error").is_some());
    Reply::new(200, json!({ "errors": errors, "items": items }).to_string())
}
