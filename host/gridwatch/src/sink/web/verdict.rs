//! What a status says of the records that were sent.

use super::parts::Outcome;
use super::{Failed, Reply};
use crate::reader::Section;
use crate::sink::{Next, Problem};
use std::time::Duration;

/// Of the records of a request, all alike where nothing else is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Taken,
    /// They arrived, and whether they are kept is said later.
    Sent,
    /// One for each record, and why not to go on.
    Each(Vec<Outcome>, Option<Next>),
    /// At least one of them will never be taken as it is, with the receiver's words.
    Refused(String),
    /// Fewer may be taken.
    TooLarge(String),
    Later(Option<Duration>, Problem),
    Stop(Problem),
}

/// Statuses that a receiver uses in its own way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codes {
    pub retry_on: Vec<u16>,
    pub refuse_on: Vec<u16>,
}

impl Codes {
    pub const KEYS: &'static [&'static str] = &["retry_on", "refuse_on"];

    pub fn read(section: &mut Section<'_>) -> Self {
        let mut list = |key| -> Vec<u16> {
            let texts = section.texts(key).unwrap_or_default();
            let code = |text: &String| {
                let code = text.parse().ok().filter(|code| (300..=599).contains(code));
                if code.is_none() {
                    let hint = "as in [\"409\", \"503\"]".to_owned();
                    section.problem(key, format!("`{text}` is no HTTP status from 300 to 599"), hint);
                }
                code
            };
            texts.iter().filter_map(code).collect()
        };
        let (retry_on, refuse_on) = (list("retry_on"), list("refuse_on"));
        if let Some(both) = retry_on.iter().find(|code| refuse_on.contains(code)) {
            section.problem("refuse_on", format!("{both} is in `retry_on` too"), None);
        }
        Self { retry_on, refuse_on }
    }

    /// RFC 9110, and what well-known senders have learned of receivers.
    pub fn verdict(&self, answer: Result<Reply, Failed>) -> Verdict {
        let reply = match answer {
            Ok(reply) => reply,
            Err(Failed::Later(at_least, why)) => return Verdict::Later(at_least, why),
            Err(Failed::Stop(why)) => return Verdict::Stop(why),
            // It came to its end as far as this protocol asks: the status is all that counts.
            Err(Failed::TooLong) => {
                let what = "the answer is longer than any receiver's should be".to_owned();
                return Verdict::Later(None, Problem { what, hint: None });
            }
        };
        let words = reply.said();
        match reply.status {
            200..=299 => Verdict::Taken,
            status if self.retry_on.contains(&status) => reply.later(),
            status if self.refuse_on.contains(&status) => Verdict::Refused(words),
            408 | 425 | 429 => reply.later(),
            501 | 505 => reply.stop("the receiver can't do what is asked of it; check `url`"),
            500..=599 => reply.later(),
            413 => Verdict::TooLarge(words),
            400 | 422 => Verdict::Refused(words),
            401 | 403 | 407 => reply.stop("check the credentials of this sink, and what they may do"),
            404 | 405 | 410 => reply.stop("check `url`: the receiver has nothing there that takes records"),
            415 => reply.stop("the receiver doesn't take this; check `format` and `compression`"),
            300..=399 => reply
                .stop("a redirect isn't followed, for it would carry the credentials along; give the final address"),
            _ => reply.stop("check `url` and what the receiver's documentation says of this status"),
        }
    }
}

impl Reply {
    /// Status and words.
    pub fn said(&self) -> String {
        format!("HTTP {} {}", self.status, self.words).trim_end().to_owned()
    }

    pub fn later(&self) -> Verdict {
        Verdict::Later(self.retry_after, Problem { what: format!("the receiver says {}", self.said()), hint: None })
    }

    pub fn stop(&self, hint: &'static str) -> Verdict {
        Verdict::Stop(Problem { what: format!("the receiver says {}", self.said()), hint: Some(hint) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(codes: &Codes, status: u16) -> &'static str {
        let reply = Reply { status, retry_after: None, body: Vec::new(), cookies: Vec::new(), words: "no".into() };
        match codes.verdict(Ok(reply)) {
            Verdict::Taken => "taken",
            Verdict::Refused(_) => "refused",
            Verdict::TooLarge(_) => "too large",
            Verdict::Later(..) => "later",
            Verdict::Stop(_) => "stop",
            Verdict::Sent | Verdict::Each(..) => "more",
        }
    }

    #[test]
    fn a_status_says_whether_records_are_taken_refused_or_have_to_wait() {
        let usual = Codes::default();
        for (statuses, want) in [
            (&[200_u16, 201, 202, 204][..], "taken"),
            (&[400, 422], "refused"),
            (&[413], "too large"),
            (&[408, 425, 429, 500, 502, 503, 504, 507, 599], "later"),
            (&[301, 302, 304, 307, 308, 401, 402, 403, 404, 405, 406, 407, 409, 410, 411, 415, 418, 501, 505], "stop"),
        ] {
            for status in statuses {
                assert_eq!(verdict(&usual, *status), want, "{status}");
            }
        }
        let odd = Codes { retry_on: vec![403], refuse_on: vec![409] };
        assert_eq!((verdict(&odd, 403), verdict(&odd, 409)), ("later", "refused"));
    }
}
