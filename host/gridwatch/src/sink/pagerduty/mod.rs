//! Sinks of type "pagerduty": alerts as events of PagerDuty's Events API v2.
//!
//! `dedup_key` is the alert's id, so a revision joins the incident that is open for it. After somebody has resolved that, news of the
//! alert opens another one. Who acknowledges or closes the alert acknowledges or resolves its incident, and what is over resolves its own.

use super::message::{self, Acted, Letter, Letterhead, Link, Messenger, Told};
use super::web::{self, Codes, Connection, Failed, Reply, Request, Usual, Verdict, Web};
use super::{Delivery, Pace, Problem, Setup, Sink, Takes, Type};
use crate::clock::Clock;
use crate::reader::{Edge, Section};
use crate::secret::{self, Kind};
use anyhow::Result;
use gridwatch_event::text::clip;
use gridwatch_views::View;
use serde_json::{Value, json};
use std::sync::Arc;

pub const TYPE: Type = Type {
    name: "pagerduty",
    keys: &[web::KEYS, message::KEYS, &["routing_key_file", "routing_key_env"]],
    configure,
    views: &[View::Ocsf],
    takes: Takes::Messages,
    ..Type::USUAL
};

const URL: &str = "https://events.pagerduty.com/v2/enqueue";
/// PagerDuty's bounds, in characters.
const MAX_SUMMARY: usize = 1_024;
const MAX_KEY: usize = 255;

#[derive(Clone, Debug)]
struct ToPagerDuty {
    web: Web,
    pace: Pace,
    link: Option<Link>,
}

fn configure(section: &mut Section<'_>, edge: &Edge<'_>) -> Option<Arc<dyn Setup>> {
    let key = secret::required(section, ("routing_key_file", "routing_key_env"), Kind::Any, edge);
    let usual = Usual { url: Some(URL), ..Usual::PLAIN };
    // The key in the body is a secret as any other: no other machine is told it unencrypted.
    let web = Web::read_telling(section, edge, usual);
    let web = web.map(|web| Web { body_secret: key.clone(), ..web });
    let pace = message::pace(section, web.as_ref());
    let link = Link::read(section);
    key?;
    Some(Arc::new(ToPagerDuty { web: web?, pace, link }))
}

impl Setup for ToPagerDuty {
    fn place(&self) -> String {
        self.web.place()
    }

    fn pace(&self) -> Pace {
        self.pace
    }

    fn open(&self, _: Option<&Value>, clock: Clock) -> Result<Box<dyn Sink>> {
        let letterhead = Events { link: self.link.clone() };
        Ok(Box::new(Messenger::open(&self.web, letterhead, clock)?))
    }

    /// Resolves an incident that never was, which PagerDuty accepts and drops, and by which it knows the key.
    fn check(&self, clock: Clock) -> Result<String, Problem> {
        let mut connection =
            Connection::open(&self.web, clock).map_err(|error| Problem { what: format!("{error:#}"), hint: None })?;
        let secret = connection.body_secret();
        let event = json!({ "routing_key": secret, "event_action": "resolve", "dedup_key": "gridwatch-check" });
        match verdict(connection.send(&Request::post("application/json", event.to_string().into_bytes()))) {
            Verdict::Later(_, why) | Verdict::Stop(why) => Err(why),
            Verdict::Refused(words) | Verdict::TooLarge(words) => Err(Problem {
                what: words,
                hint: Some("check the routing key: it is that of an Events API v2 integration"),
            }),
            _ => Ok("PagerDuty accepts the routing key; nobody was called".to_owned()),
        }
    }
}

struct Events {
    link: Option<Link>,
}

impl Letterhead for Events {
    fn write(&self, told: &Told, _: &Delivery, secret: &str) -> Option<Letter> {
        event(told, self.link.as_ref(), secret).as_ref().map(Letter::json)
    }

    fn verdict(&self, answer: Result<Reply, Failed>) -> Verdict {
        verdict(answer)
    }
}

/// `None` of a note, for which PagerDuty has no event.
fn event(told: &Told, link: Option<&Link>, routing_key: &str) -> Option<Value> {
    let dedup_key = clip(&told.uid, MAX_KEY);
    let about =
        |action: &str| Some(json!({ "routing_key": routing_key, "event_action": action, "dedup_key": dedup_key }));
    match (told.is_resolved, told.act) {
        (_, Some(Acted::Noted)) => return None,
        (true, _) => return about("resolve"),
        (false, Some(Acted::Acknowledged)) => return about("acknowledge"),
        (false, Some(Acted::Closed) | None) => {}
    }
    let severity = match told.severity_id {
        5 => "critical",
        4 => "error",
        3 => "warning",
        _ => "info",
    };
    let summary = format!("{}: {}", told.severity, told.title);
    let links: Vec<Value> =
        link.iter().map(|link| json!({ "href": link.to(&told.uid), "text": "Open the alert" })).collect();
    let source = if told.organization.is_empty() { "slack" } else { &told.organization };
    Some(json!({
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": dedup_key,
        "client": "gridwatch",
        "links": links,
        "payload": {
            "summary": clip(&summary, MAX_SUMMARY),
            "source": source,
            "severity": severity,
            "timestamp": told.time,
            "component": "slack",
            "group": told.rule.split('.').next().unwrap_or_default(),
            "class": told.rule,
            "custom_details": {
                "id": told.id, "who": told.who, "rule": told.rule_title, "condition": told.condition, "news": told.news,
                "findings": told.findings, "last_seen": told.last, "explain": format!("gridwatch explain {}", told.uid),
            },
        },
    }))
}

fn verdict(answer: Result<Reply, Failed>) -> Verdict {
    match answer {
        Ok(reply) if reply.status == 400 && reply.words.contains("routing_key") => {
            reply.stop("check the routing key: it is that of an Events API v2 integration")
        }
        answer => Codes::default().verdict(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::message::testing::{acted, record};

    #[test]
    fn an_alert_triggers_under_its_own_key_and_resolves_it_when_it_is_over() {
        let told = Told::of(record().to_string().as_bytes()).unwrap();
        let link = None;
        let event = super::event(&told, link, "K").unwrap();
        assert_eq!((&event["event_action"], &event["dedup_key"]), (&"trigger".into(), &"gw-1".into()));
        assert_eq!(
            (&event["payload"]["severity"], &event["payload"]["class"]),
            (&"error".into(), &"files.bulk".into())
        );
        let mut over = record();
        over["status_id"] = 4.into();
        let of = |record: Value| super::event(&Told::of(record.to_string().as_bytes()).unwrap(), link, "K");
        let about = |action: &str| json!({ "routing_key": "K", "event_action": action, "dedup_key": "gw-1" });
        assert_eq!(of(over), Some(about("resolve")));
        assert_eq!(of(acted("acknowledge", 2)), Some(about("acknowledge")));
        assert_eq!(of(acted("close", 3)), Some(about("resolve")), "as false, too");
        assert_eq!(of(acted("note", 2)), None);
    }

    #[test]
    fn a_bad_key_is_a_persons_matter_and_a_bad_event_is_refused() {
        let of = |words: &str| {
            verdict(Ok(Reply {
                status: 400,
                retry_after: None,
                body: Vec::new(),
                cookies: Vec::new(),
                words: words.into(),
            }))
        };
        assert!(matches!(of("Invalid routing_key"), Verdict::Stop(_)));
        assert!(matches!(of("'payload.summary' is missing"), Verdict::Refused(_)));
    }
}
