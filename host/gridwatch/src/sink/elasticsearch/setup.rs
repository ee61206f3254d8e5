//! `gridwatch sink setup`: the mapping of the ECS view, and the templates of the indices that documents go to.
//!
//! Doing it again changes nothing that is there but these, which are gridwatch's own. What OpenSearch lacks is said in its own words.

use super::{Target, Targets};
use crate::sink::Problem;
use crate::sink::web::{Connection, Failed, Reply, Request};
use gridwatch_views::ecs::{Type, fields};
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Of both templates: over that of Elastic's own packages (200) and its built-in ones (100).
const PRIORITY: u64 = 250;
const MAPPING: &str = "gridwatch-ecs";
/// Fields of an index, over the usual 1,000: all that Slack is known to log has one.
const MAX_FIELDS: u64 = 3_000;
/// Longest text that a keyword is found by; a longer one stays in the document.
const MAX_KEYWORD: u64 = 8_191;
/// Of one request, where the receiver is busy or the connection breaks.
const TRIES: u32 = 4;
/// Between two tries, unless the receiver says how long.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flavour {
    Elasticsearch,
    OpenSearch,
}

/// Name and version of who answers.
pub(super) fn product(connection: &mut Connection) -> Result<String, Problem> {
    let reply = asked(connection.send(&Request::get("/")))?;
    match reply.status {
        200 => {
            let (flavour, version) = flavour(&reply);
            let name = if flavour == Flavour::OpenSearch { "OpenSearch" } else { "Elasticsearch" };
            Ok(format!("{name} {version}"))
        }
        // A key that may only create documents.
        403 => Ok("a receiver that accepts the credentials".to_owned()),
        401 => Err(Problem {
            what: format!("the credentials are refused: {}", reply.said()),
            hint: Some("check the key or password of this sink"),
        }),
        _ => Err(Problem { what: format!("the receiver says {}", reply.said()), hint: Some("check `url`") }),
    }
}

pub(super) fn asked(answer: Result<Reply, Failed>) -> Result<Reply, Problem> {
    answer.map_err(|failed| match failed {
        Failed::Later(_, why) | Failed::Stop(why) => why,
        Failed::TooLong => Problem { what: "the answer is too long".to_owned(), hint: None },
    })
}

/// Setting up is a row of requests that may each be made again, so one that meets a busy receiver or a broken connection is.
fn patiently(connection: &mut Connection, request: &Request<'_>) -> Result<Reply, Problem> {
    for _ in 1..TRIES {
        let answer = connection.send(request);
        let wait = match &answer {
            Ok(reply) if matches!(reply.status, 408 | 429 | 502..=504) => reply.retry_after,
            Err(Failed::Later(wait, _)) => *wait,
            _ => return asked(answer),
        };
        std::thread::sleep(wait.unwrap_or(PAUSE).min(LONGEST_PAUSE));
    }
    asked(connection.send(request))
}

fn flavour(reply: &Reply) -> (Flavour, String) {
    let root: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let version = root["version"]["number"].as_str().unwrap_or("of unknown version").to_owned();
    match root["version"]["distribution"] == "opensearch" {
        true => (Flavour::OpenSearch, version),
        false => (Flavour::Elasticsearch, version),
    }
}

pub(super) fn prepare(connection: &mut Connection, targets: &Targets) -> Result<Vec<String>, Problem> {
    let root = patiently(connection, &Request::get("/"))?;
    if root.status != 200 {
        return Err(Problem {
            what: format!("the receiver says {}", root.said()),
            hint: Some("setting up takes credentials with the privileges `manage_index_templates` and `monitor`"),
        });
    }
    let (flavour, _) = flavour(&root);
    let mut told = Vec::new();
    put(connection, &format!("/_component_template/{MAPPING}"), &mapping(flavour))?;
    told.push(format!("component template `{MAPPING}`: the mapping of the ECS view"));
    for (name, target) in [("gridwatch-events", &targets.events), ("gridwatch-alerts", &targets.alerts)] {
        put(connection, &format!("/_index_template/{name}"), &template(target))?;
        told.push(format!("index template `{name}`: for `{}`", target.name));
        told.push(make(connection, target)?);
    }
    Ok(told)
}

/// The data stream or index itself, so that a sink whose key may only create documents finds it.
fn make(connection: &mut Connection, target: &Target) -> Result<String, Problem> {
    let (path, what) = match target.is_data_stream {
        true => (format!("/_data_stream/{}", target.name), "data stream"),
        false => (format!("/{}", target.name), "index"),
    };
    let reply = patiently(connection, &Request { method: Method::PUT, ..Request::get(&path) })?;
    match reply.status {
        200 | 201 => Ok(format!("{what} `{}`: made", target.name)),
        400 if reply.words.contains("resource_already_exists_exception") => {
            Ok(format!("{what} `{}`: it was there; its mapping changes with the next index", target.name))
        }
        _ => Err(refused(&format!("{what} `{}`", target.name), &reply)),
    }
}

fn put(connection: &mut Connection, path: &str, body: &Value) -> Result<(), Problem> {
    let request = Request::post("application/json", body.to_string().into_bytes());
    let reply = patiently(connection, &Request { method: Method::PUT, path, ..request })?;
    match reply.status {
        200 | 201 => Ok(()),
        _ => Err(refused(path, &reply)),
    }
}

fn refused(what: &str, reply: &Reply) -> Problem {
    let hint = "setting up takes credentials that may manage index templates and make indices; the sink's own need only `create_doc`";
    Problem { what: format!("{what}: {}", reply.said()), hint: Some(hint) }
}

fn template(target: &Target) -> Value {
    let mut template = json!({
        "index_patterns": [target.name],
        "priority": PRIORITY,
        "composed_of": [MAPPING],
        "template": { "settings": { "index.mapping.total_fields.limit": MAX_FIELDS } },
        "_meta": { "description": "made by gridwatch sink setup" },
    });
    if target.is_data_stream {
        template["data_stream"] = json!({});
    }
    template
}

/// The mapping of all fields of the ECS view, from the same table that the view is made with.
fn mapping(flavour: Flavour) -> Value {
    let mut properties = Map::new();
    for field in fields() {
        // What Slack calls details has any key, and grows: one field of its own kind for all of it.
        if field.name.starts_with("slack.audit.details.") {
            continue;
        }
        insert(&mut properties, &field.name, of_type(&field.name, field.kind));
    }
    let any_key = if flavour == Flavour::OpenSearch { "flat_object" } else { "flattened" };
    let details = match flavour {
        Flavour::OpenSearch => json!({ "type": any_key }),
        Flavour::Elasticsearch => json!({ "type": any_key, "ignore_above": MAX_KEYWORD }),
    };
    insert(&mut properties, "slack.audit.details", details);
    let texts = json!({ "texts": { "match_mapping_type": "string", "mapping": { "type": "keyword", "ignore_above": MAX_KEYWORD } } });
    json!({
        "template": { "mappings": { "date_detection": false, "numeric_detection": false, "dynamic_templates": [texts], "properties": properties } },
        "_meta": { "description": "the ECS view of gridwatch, made by gridwatch sink setup" },
    })
}

fn of_type(name: &str, kind: Type) -> Value {
    match kind {
        // The copy of Slack's bytes is looked at, never searched.
        _ if name == "event.original" => json!({ "type": "keyword", "index": false, "doc_values": false }),
        _ if name == "message" => json!({ "type": "text" }),
        Type::Keyword | Type::Keywords | Type::Wildcard => json!({ "type": "keyword", "ignore_above": MAX_KEYWORD }),
        Type::Long => json!({ "type": "long" }),
        Type::Boolean => json!({ "type": "boolean" }),
        Type::Date => json!({ "type": "date" }),
        Type::Ip | Type::Ips => json!({ "type": "ip" }),
        Type::Objects => json!({ "type": "object" }),
    }
}

/// Puts a field at its path. What has fields of its own is an object, whatever else was said of it.
fn insert(properties: &mut Map<String, Value>, path: &str, field: Value) {
    match path.split_once('.') {
        None => {
            let place = properties.entry(path).or_insert_with(|| json!({}));
            if place.get("properties").is_none() {
                *place = field;
            }
        }
        Some((first, rest)) => {
            let place = properties.entry(first).or_insert_with(|| json!({}));
            if place.get("properties").is_none() {
                *place = json!({ "properties": {} });
            }
            if let Some(inner) = place["properties"].as_object_mut() {
                insert(inner, rest, field);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mapping_has_each_field_of_the_view_in_the_receivers_words() {
        for (flavour, any_key) in [(Flavour::Elasticsearch, "flattened"), (Flavour::OpenSearch, "flat_object")] {
            let mapping = mapping(flavour);
            let of = |path: &str| {
                let pointer = path.split('.').map(|part| format!("/properties/{part}")).collect::<String>();
                mapping["template"]["mappings"].pointer(&format!("{pointer}/type")).cloned().unwrap_or_default()
            };
            for (field, kind) in [
                ("@timestamp", "date"),
                ("source.ip", "ip"),
                ("event.sequence", "long"),
                ("user.id", "keyword"),
                ("message", "text"),
                ("slack.audit.details", any_key),
            ] {
                assert_eq!(of(field), kind, "{field}");
            }
        }
    }

    #[test]
    fn only_what_is_to_be_a_data_stream_is_one() {
        let target = |is_data_stream| Target { name: "x".into(), is_data_stream };
        assert!(template(&target(true)).get("data_stream").is_some());
        assert!(template(&target(false)).get("data_stream").is_none());
    }
}
