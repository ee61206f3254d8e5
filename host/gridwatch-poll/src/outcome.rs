//! The question to Slack and what came of it.

use super::problem::Problem;
use super::state::Lane;
use gridwatch_event::range::Range;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use std::fmt;

/// One page to fetch. Every parameter goes out with every cursor: Slack's server does not remember `oldest`, and a cursor
/// without it pages on through all history (elastic/integrations issue 8163).
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// Names the range and its bounds; changes whenever they do.
    pub range_no: u64,
    pub lane: Lane,
    pub range: Range,
    pub limit: u32,
    pub cursor: Option<String>,
    /// Over a connection of its own, and past every cache: what came over the last one can't be.
    pub anew: bool,
}

impl Request {
    /// Parameters of `/logs` in plain text; percent-encoding is the client's part (cursors hold `=`, `+` and `/`).
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut parameters = vec![
            ("oldest", self.range.oldest().0.to_string()),
            ("latest", self.range.latest().0.to_string()),
            ("limit", self.limit.to_string()),
        ];
        parameters.extend(self.cursor.clone().map(|cursor| ("cursor", cursor)));
        parameters
    }
}

/// Without the cursor's text: it is long, opaque and Slack's.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cursor = if self.cursor.is_some() { "with cursor" } else { "first page" };
        let anew = if self.anew { " anew" } else { "" };
        write!(f, "#{} {} {} limit {} {cursor}{anew}", self.range_no, self.lane, self.range, self.limit)
    }
}

/// What a page held, after dedup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PageSummary {
    pub entries: u64,
    /// Entries not stored before.
    pub new: u64,
    pub newest: Option<UnixSeconds>,
    pub oldest: Option<UnixSeconds>,
    /// Entries outside the range asked for. They are stored like all others.
    pub strays: u64,
    /// Newest second inside the range that an entry gives as its own.
    pub newest_inside: Option<UnixSeconds>,
}

impl PageSummary {
    /// From `(date_create, is_new)` of each entry, in any order.
    pub fn of(range: Range, entries: impl IntoIterator<Item = (UnixSeconds, bool)>) -> Self {
        let mut summary = Self::default();
        for (date, is_new) in entries {
            summary.entries += 1;
            summary.new += u64::from(is_new);
            summary.strays += u64::from(!range.contains(date));
            summary.newest = summary.newest.max(Some(date));
            summary.newest_inside = summary.newest_inside.max(Some(date).filter(|date| range.contains(*date)));
            summary.oldest = Some(summary.oldest.map_or(date, |oldest| oldest.min(date)));
        }
        summary
    }

    /// Of a page that comes in parts: this one and all before it.
    pub fn with(self, before: Self) -> Self {
        Self {
            entries: self.entries + before.entries,
            new: self.new + before.new,
            newest: self.newest.max(before.newest),
            oldest: self.oldest.into_iter().chain(before.oldest).min(),
            strays: self.strays + before.strays,
            newest_inside: self.newest_inside.max(before.newest_inside),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Page(PageReceived),
    Failed(Failed),
}

/// A 200 with a readable body and no `ok: false`. Slack's success has no `ok` key at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageReceived {
    pub request: Request,
    pub received_at: UnixMillis,
    /// The `Date` header.
    pub server_date: Option<UnixSeconds>,
    pub page: PageSummary,
    /// `None` and `""` both mean the end; fewer entries than the limit, or none, do not.
    pub next_cursor: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    pub request: Request,
    pub at: UnixMillis,
    /// The `Date` header, where there was an answer.
    pub server_date: Option<UnixSeconds>,
    /// `Retry-After`, whatever it came with.
    pub retry_after_s: Option<u64>,
    pub failure: Failure,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// 429.
    RateLimited,
    /// 400. Seen live without a body, so the code may be missing.
    BadRequest { error: Option<String> },
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden { error: Option<String> },
    /// 200 with `ok: false`.
    NotOk { error: Option<String> },
    /// 404, 405 and 410: not the Audit Logs API.
    NotThere,
    /// 3xx. It isn't followed: the token would go where it points.
    Redirected,
    /// 407.
    ProxyWantsSignIn,
    /// 2xx, but no 200: there is no page in it.
    NoPage { status: u16 },
    /// 5xx, and any status not listed here.
    Server { status: u16 },
    /// No answer: it may still have been counted.
    Network,
    /// No answer within `slack.timeout`.
    TimedOut,
    /// The name of Slack's host could not be resolved.
    NoSuchHost,
    /// No connection that both sides trust.
    Untrusted,
    /// An answer that ends early or isn't JSON.
    Body,
}

impl Failure {
    /// Did Slack, or whoever stands in front of it, say anything?
    pub fn is_answer(&self) -> bool {
        !matches!(self, Self::Network | Self::TimedOut | Self::NoSuchHost | Self::Untrusted)
    }

    /// Is it the token that is refused? Then another one may be accepted at once.
    pub fn is_about_token(&self) -> bool {
        match self {
            Self::Unauthorized => true,
            Self::Forbidden { error } | Self::BadRequest { error } | Self::NotOk { error } => {
                let problem = error.as_deref().and_then(Problem::of_account);
                matches!(problem, Some(Problem::TokenRejected | Problem::MissingScope))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_is_repeated_with_a_cursor_and_times_are_integers() {
        let range = Range::new(UnixSeconds(1_566_215_192), UnixSeconds(1_566_215_300)).unwrap();
        let cursor = Some("dGlt+/=".to_owned());
        let request = Request { range_no: 1, lane: Lane::Live, range, limit: 1000, cursor, anew: false };
        let expected = [("oldest", "1566215192"), ("latest", "1566215300"), ("limit", "1000"), ("cursor", "dGlt+/=")];
        assert_eq!(request.parameters(), expected.map(|(name, value)| (name, value.to_owned())));
        assert!(!format!("{request:?}").contains("dGlt"));
    }

    #[test]
    fn strays_are_counted_and_order_does_not_matter() {
        let range = Range::new(UnixSeconds(10), UnixSeconds(20)).unwrap();
        let dates = [(15, true), (25, true), (9, false), (20, false)];
        let summary = PageSummary::of(range, dates.map(|(date, new)| (UnixSeconds(date), new)));
        let (oldest, newest) = (Some(UnixSeconds(9)), Some(UnixSeconds(25)));
        let newest_inside = Some(UnixSeconds(20));
        assert_eq!(summary, PageSummary { entries: 4, new: 2, newest, oldest, strays: 2, newest_inside });
    }
}
