//! Receivers of messages for people: Slack's incoming webhooks, PagerDuty's Events API v2, and whatever a template describes.

use super::{Fault, Reply, Request, Server, Stored};
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug)]
pub struct Messages {
    pub server: Server,
    /// By the id of the alert's record.
    pub stored: Stored,
    pub seen: Arc<Mutex<Vec<Value>>>,
}

impl Messages {
    fn with(
        faults: impl Fn(&Request) -> Option<Fault> + Send + Sync + 'static,
        look: impl Fn(&Request) -> Result<(Value, String), Reply> + Send + Sync + 'static,
        well: (u16, &'static str),
    ) -> Self {
        let (stored, seen) = (Stored::default(), Arc::new(Mutex::new(Vec::new())));
        let (keeps, notes) = (stored.clone(), seen.clone());
        let server = Server::start(faults, move |request, is_heard| match look(request) {
            Ok((message, id)) => {
                keeps.add(&id, is_heard);
                notes.lock().unwrap_or_else(PoisonError::into_inner).push(message);
                Reply::new(well.0, well.1)
            }
            Err(reply) => reply,
        });
        Self { server, stored, seen }
    }

    pub fn messages(&self) -> Vec<Value> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An incoming webhook at `/services/T0/B0/secret`.
    pub fn slack(faults: impl Fn(&Request) -> Option<Fault> + Send + Sync + 'static) -> Self {
        let look = |request: &Request| {
            if request.path != "/services/T0/B0/secret" {
                return Err(Reply::new(404, "no_service"));
            }
            let message: Value =
                serde_json::from_slice(&request.body).map_err(|_| Reply::new(400, "invalid_payload"))?;
            let text = message["text"].as_str().filter(|text| !text.is_empty()).ok_or(Reply::new(400, "no_text"))?;
            if message.get("blocks").is_some_and(|blocks| !is_blocks(blocks)) {
                return Err(Reply::new(400, "invalid_blocks"));
            }
            let id = text.rsplit_once(", ").map(|(_, id)| id.trim_end_matches(']').to_owned()).unwrap_or_default();
            Ok((message, id))
        };
        Self::with(faults, look, (200, "ok"))
    }

    pub fn pagerduty(faults: impl Fn(&Request) -> Option<Fault> + Send + Sync + 'static) -> Self {
        let look = |request: &Request| {
            let bad = |what: &str| Reply::new(400, format!(r#"{{"status":"invalid event","errors":["{what}"]}}"#));
            let event: Value = serde_json::from_slice(&request.body).map_err(|_| bad("no JSON"))?;
            if event["routing_key"] != "R0123456789ABCDEF0123456789ABCDE" {
                return Err(bad("invalid routing_key"));
            }
            let is_known = |value: &Value, known: &[&str]| known.iter().any(|known| value == known);
            if !is_known(&event["event_action"], &["trigger", "acknowledge", "resolve"]) {
                return Err(bad("'event_action' is invalid"));
            }
            let payload = &event["payload"];
            if event["event_action"] == "trigger" {
                let length = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
                if !(1..=1_024).contains(&length(&payload["summary"])) || length(&payload["source"]) == 0 {
                    return Err(bad("'payload.summary' is missing or too long"));
                }
                if !is_known(&payload["severity"], &["critical", "error", "warning", "info"]) {
                    return Err(bad("'payload.severity' is invalid"));
                }
            }
            if event["dedup_key"].as_str().is_none_or(|key| key.is_empty() || key.len() > 255) {
                return Err(bad("'dedup_key' is missing"));
            }
            let id = payload["custom_details"]["id"].as_str().unwrap_or("resolve").to_owned();
            Ok((event, id))
        };
        Self::with(faults, look, (202, r#"{"status":"success","message":"Event processed"}"#))
    }

    /// What Jira Service Management takes, with a key in a header of its own scheme.
    pub fn jira(faults: impl Fn(&Request) -> Option<Fault> + Send + Sync + 'static) -> Self {
        let look = |request: &Request| {
            if request.header("authorization") != "GenieKey s3cret-jira" {
                return Err(Reply::new(403, r#"{"message":"Could not authenticate"}"#));
            }
            let alert: Value = serde_json::from_slice(&request.body).map_err(|_| Reply::new(422, "no JSON"))?;
            let length = |name: &str| alert[name].as_str().map_or(0, |text| text.chars().count());
            let is_priority =
                alert["priority"].as_str().is_some_and(|text| ["P1", "P2", "P3", "P4", "P5"].contains(&text));
            if length("message") == 0 || length("alias") == 0 || length("alias") > 512 || !is_priority {
                return Err(Reply::new(422, r#"{"message":"Request body is not processable"}"#));
            }
            let id = alert["details"]["id"].as_str().unwrap_or_default().to_owned();
            Ok((alert, id))
        };
        Self::with(faults, look, (202, r#"{"result":"Request will be processed"}"#))
    }
}

/// The bounds that Slack documents for what is used here.
fn is_blocks(blocks: &Value) -> bool {
    let chars = |text: &Value| text["text"].as_str().map_or(0, |text| text.chars().count());
    let is_text = |text: &Value, most: usize| {
        ["plain_text", "mrkdwn"].iter().any(|kind| text["type"] == *kind) && (1..=most).contains(&chars(text))
    };
    let Some(blocks) = blocks.as_array().filter(|blocks| blocks.len() <= 50) else { return false };
    blocks.iter().all(|block| match block["type"].as_str() {
        Some("header") => is_text(&block["text"], 150) && block["text"]["type"] == "plain_text",
        Some("section") => {
            let fields = block["fields"].as_array();
            let has_fields = fields.is_some_and(|fields| {
                (1..=10).contains(&fields.len()) && fields.iter().all(|field| is_text(field, 2_000))
            });
            has_fields || is_text(&block["text"], 3_000)
        }
        Some("context") => block["elements"].as_array().is_some_and(|all| all.len() <= 10),
        _ => false,
    })
}
