//! Sinks of type "webhook": alerts in a body that a template of the user's describes, for Jira Service Management and others.

mod template;

use super::message::{self, Letter, Letterhead, Messenger, Told};
use super::web::{self, Auth, Codes, Connection, Failed, Reply, Request, Usual, Verdict, Web};
use super::{Delivery, Pace, Problem, Setup, Sink, Takes, Type};
use crate::clock::Clock;
use crate::reader::{Edge, KIB, Section, read_text};
use anyhow::Result;
use gridwatch_views::View;
use reqwest::Method;
use serde_json::Value;
use std::sync::Arc;
use template::{Escaping, Template};

pub const TYPE: Type = Type {
    name: "webhook",
    keys: &[web::KEYS, message::KEYS, Auth::KEYS, Codes::KEYS, &["method", "content_type", "template_file"]],
    configure,
    views: &[View::Ocsf],
    takes: Takes::Messages,
    ..Type::USUAL
};

/// A template that is larger is none.
const MAX_TEMPLATE: u64 = 256 * KIB;

#[derive(Clone, Debug)]
struct ToWebhook {
    web: Web,
    pace: Pace,
    body: Body,
    codes: Codes,
}

/// How a message is written.
#[derive(Clone, Debug)]
struct Body {
    method: Method,
    content_type: String,
    template: Template,
}

fn configure(section: &mut Section<'_>, edge: &Edge<'_>) -> Option<Arc<dyn Setup>> {
    let web = Web::read(section, edge, Usual::PLAIN, Auth::read);
    let pace = message::pace(section, web.as_ref());
    let codes = Codes::read(section);
    let put = section.choice("method", &[("POST", false), ("PUT", true)], false);
    let content_type = section.text("content_type").unwrap_or_else(|| "application/json".to_owned());
    let escaping = Escaping::of(&content_type);
    if escaping.is_none() {
        let hint = "json, xml, html, plain text and x-www-form-urlencoded are known".to_owned();
        section.problem("content_type", format!("`{content_type}`: how to escape texts in it is not known"), hint);
    }
    let link = message::Link::read(section);
    let path = section.required_text("template_file", "as in \"jira-service-management.json\"");
    let path = path.map(|path| edge.folder.join(path));
    let text = path.as_ref().and_then(|path| {
        let read = read_text(path, MAX_TEMPLATE);
        read.map_err(|error| section.problem("template_file", format!("cannot be read: {error}"), None)).ok()
    });
    let template = text.zip(escaping).and_then(|(text, escaping)| {
        let read = Template::read(&text, escaping, link);
        read.map_err(|what| section.problem("template_file", what, None)).ok()
    });
    let method = if put { Method::PUT } else { Method::POST };
    Some(Arc::new(ToWebhook { web: web?, pace, body: Body { method, content_type, template: template? }, codes }))
}

impl Setup for ToWebhook {
    fn place(&self) -> String {
        self.web.place()
    }

    fn pace(&self) -> Pace {
        self.pace
    }

    fn open(&self, _: Option<&Value>, clock: Clock) -> Result<Box<dyn Sink>> {
        let letterhead = Own { body: self.body.clone(), codes: self.codes.clone() };
        Ok(Box::new(Messenger::open(&self.web, letterhead, clock)?))
    }

    /// Nothing that could be posted is sure to raise no alarm there: only whether somebody answers.
    fn check(&self, clock: Clock) -> Result<String, Problem> {
        let mut connection =
            Connection::open(&self.web, clock).map_err(|error| Problem { what: format!("{error:#}"), hint: None })?;
        match connection.send(&Request { method: Method::OPTIONS, ..Request::get("") }) {
            Ok(reply) if reply.status == 401 || reply.status == 403 => Err(Problem {
                what: format!("the receiver says {}", reply.said()),
                hint: Some("check the credentials of this sink"),
            }),
            Ok(reply) if reply.status >= 500 && reply.status != 501 => {
                Err(Problem { what: format!("the receiver says {}", reply.said()), hint: None })
            }
            Ok(reply) => Ok(format!("the receiver answers (HTTP {}); no message was sent", reply.status)),
            Err(Failed::Later(_, why) | Failed::Stop(why)) => Err(why),
            Err(Failed::TooLong) => Ok("the receiver answers; no message was sent".to_owned()),
        }
    }
}

struct Own {
    body: Body,
    codes: Codes,
}

impl Letterhead for Own {
    fn write(&self, told: &Told, delivery: &Delivery, _: &str) -> Option<Letter> {
        let body = self.body.template.fill(told, &delivery.bytes).into_bytes();
        Some(Letter { method: self.body.method.clone(), content_type: self.body.content_type.clone(), body })
    }

    fn verdict(&self, answer: Result<Reply, Failed>) -> Verdict {
        self.codes.verdict(answer)
    }
}
