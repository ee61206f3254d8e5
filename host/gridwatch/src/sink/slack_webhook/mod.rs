//! Sinks of type "slack_webhook": alerts as messages in a channel, over an incoming webhook.
//!
//! It lies inside of what is watched, so it should never be the only way by which an alert leaves. Slack gives no id back and knows no
//! message again: an alert whose answer got lost may be there twice, with the same id in its last line.

mod blocks;

use super::message::{self, Letter, Letterhead, Link, Messenger, Told};
use super::web::{self, Auth, Codes, Connection, Failed, Reply, Request, Usual, Verdict, Web};
use super::{Delivery, Pace, Problem, Setup, Sink, Takes, Type};
use crate::clock::Clock;
use crate::reader::{Edge, Section};
use anyhow::Result;
use gridwatch_views::View;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

pub const TYPE: Type = Type {
    name: "slack_webhook",
    keys: &[web::KEYS, message::KEYS],
    configure,
    views: &[View::Ocsf],
    takes: Takes::Messages,
    ..Type::USUAL
};

/// Slack takes about one message a second of a webhook.
const APART: Duration = Duration::from_millis(1_100);

#[derive(Clone, Debug)]
struct ToSlack {
    web: Web,
    pace: Pace,
    link: Option<Link>,
}

fn configure(section: &mut Section<'_>, edge: &Edge<'_>) -> Option<Arc<dyn Setup>> {
    if section.has("url") {
        let hint = "put it into a file that only gridwatch can read, and name that as `url_file`".to_owned();
        section.problem("url", "of a webhook is a secret: whoever knows it may write there", hint);
    }
    let web = Web::read(section, edge, Usual::PLAIN, |_, _| Auth::None);
    let pace = message::pace(section, web.as_ref());
    let link = Link::read(section);
    Some(Arc::new(ToSlack { web: web?, pace, link }))
}

impl Setup for ToSlack {
    fn place(&self) -> String {
        "a Slack channel".to_owned()
    }

    fn pace(&self) -> Pace {
        self.pace
    }

    fn open(&self, _: Option<&Value>, clock: Clock) -> Result<Box<dyn Sink>> {
        let letterhead = Blocks { link: self.link.clone() };
        Ok(Box::new(Messenger::open(&self.web, letterhead, clock)?))
    }

    /// A message without a text, which Slack refuses in words that tell a webhook that works from one that doesn't.
    fn check(&self, clock: Clock) -> Result<String, Problem> {
        let mut connection =
            Connection::open(&self.web, clock).map_err(|error| Problem { what: format!("{error:#}"), hint: None })?;
        match verdict(connection.send(&Request::post("application/json", b"{}".to_vec()))) {
            Verdict::Later(_, why) | Verdict::Stop(why) => Err(why),
            _ => Ok("Slack knows the webhook; no message was sent".to_owned()),
        }
    }
}

struct Blocks {
    link: Option<Link>,
}

impl Letterhead for Blocks {
    fn write(&self, told: &Told, _: &Delivery, _: &str) -> Option<Letter> {
        Some(Letter::json(&blocks::message(told, self.link.as_ref())))
    }

    fn verdict(&self, answer: Result<Reply, Failed>) -> Verdict {
        verdict(answer)
    }

    fn plainly(&self, told: &Told) -> Option<Letter> {
        Some(Letter::json(&blocks::plain(told)))
    }

    fn apart(&self) -> Duration {
        APART
    }
}

/// What is wrong with a message. Everything else that Slack says is about the webhook or the channel.
const OF_A_MESSAGE: [&str; 5] =
    ["invalid_payload", "no_text", "invalid_blocks", "invalid_blocks_format", "too_many_attachments"];

fn verdict(answer: Result<Reply, Failed>) -> Verdict {
    match answer {
        Ok(reply) if reply.status == 200 && reply.words.trim() == "ok" => Verdict::Taken,
        // A page in between, such as a proxy's, answers 200 too.
        Ok(reply) if reply.status == 200 => reply.stop("check the webhook's address: Slack would answer `ok`"),
        Ok(reply) if reply.status == 400 && OF_A_MESSAGE.iter().any(|code| reply.words.contains(code)) => {
            Verdict::Refused(reply.said())
        }
        Ok(reply) if [400, 403, 404, 410].contains(&reply.status) => reply.stop(
            "the webhook or its channel is gone or closed: make another one, and put its address into `url_file`",
        ),
        answer => Codes::default().verdict(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slacks_words_tell_a_bad_message_from_a_bad_webhook() {
        let of = |status, words: &str| {
            let reply =
                Reply { status, retry_after: None, body: words.into(), cookies: Vec::new(), words: words.into() };
            match verdict(Ok(reply)) {
                Verdict::Taken => "taken",
                Verdict::Refused(_) => "refused",
                Verdict::Later(..) => "later",
                _ => "stop",
            }
        };
        for (status, words, want) in [
            (200, "ok", "taken"),
            (200, "<html>sign in</html>", "stop"),
            (400, "invalid_payload", "refused"),
            (400, "invalid_blocks", "refused"),
            (400, "posting_to_general_channel_denied", "stop"),
            (403, "action_prohibited", "stop"),
            (403, "invalid_token", "stop"),
            (404, "channel_not_found", "stop"),
            (404, "no_service", "stop"),
            (410, "channel_is_archived", "stop"),
            (429, "", "later"),
            (500, "rollup_error", "later"),
        ] {
            assert_eq!(of(status, words), want, "{status} {words}");
        }
    }
}
