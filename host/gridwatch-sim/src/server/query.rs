//! Parameters of `/logs`: what was asked, parsed the way Slack is known to parse it.

use serde::{Deserialize, Serialize};

use super::cursor::Cursor;
use crate::catalogue;
use crate::knobs::{Knobs, OddTimes};

/// Slack's documented maxima.
const MAX_LIMIT: usize = 9_999;
const MAX_ACTIONS: usize = 30;

/// What narrows a walk beside `oldest`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Filters {
    /// Empty means all.
    pub(crate) actions: Vec<String>,
    pub(crate) actor: Option<String>,
    pub(crate) entity: Option<String>,
    pub(crate) latest: Option<u64>,
}

/// A valid request for one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    /// Included, like `latest`.
    pub(crate) oldest: u64,
    pub(crate) filters: Filters,
    /// Only entries strictly older than this second.
    pub(crate) before: Option<u64>,
    pub(crate) limit: usize,
    /// Nothing matches: a time was not an integer.
    pub(crate) nothing: bool,
}

/// The parameters in the order sent, undecoded.
pub(crate) fn raw_params(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(k, v)| (k.into(), v.into())).collect()
}

/// `+` and `%XX` undone, as in a form.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = (*first == b'%').then(|| tail.get(..2)).flatten();
        let hex =
            escaped.and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match hex {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Query {
    /// Unknown parameters are ignored; of a repeated one the last counts. The error is one of Slack's codes.
    pub(crate) fn parse(params: &[(String, String)], knobs: &Knobs, now_secs: u64) -> Result<Self, &'static str> {
        let get = |name: &str| {
            let value = params.iter().rev().find(|(key, _)| key == name).map(|(_, value)| decode(value));
            value.filter(|value| !value.is_empty())
        };
        let oldest = Time::parse(get("oldest"), knobs.odd_times, now_secs)?;
        let latest = Time::parse(get("latest"), knobs.odd_times, now_secs)?;
        let actions = actions(get("action").as_deref())?;
        let limit = get("limit").and_then(|limit| limit.parse().ok()).filter(|limit| *limit > 0);
        let mut query = Self {
            oldest: oldest.or(0),
            filters: Filters { actions, actor: get("actor"), entity: get("entity"), latest: latest.bound() },
            before: None,
            limit: limit.unwrap_or(knobs.default_limit).min(MAX_LIMIT),
            nothing: oldest == Time::Odd || latest == Time::Odd,
        };
        if let Some(token) = get("cursor") {
            query.resume(&token, knobs, now_secs)?;
        }
        Ok(query)
    }

    fn resume(&mut self, token: &str, knobs: &Knobs, now_secs: u64) -> Result<(), &'static str> {
        let cursor = Cursor::decode(token).ok_or("invalid_cursor")?;
        if knobs.cursor_ttl_secs.is_some_and(|ttl| now_secs.saturating_sub(cursor.minted) > ttl) {
            return Err("invalid_cursor");
        }
        self.before = Some(cursor.before);
        if let Some(carried) = cursor.filters {
            self.filters = carried;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Time {
    Absent,
    At(u64),
    Odd,
}

impl Time {
    fn parse(text: Option<String>, odd_times: OddTimes, now_secs: u64) -> Result<Self, &'static str> {
        let Some(text) = text else { return Ok(Self::Absent) };
        let secs = match (text.parse::<u64>(), odd_times) {
            (Ok(secs), _) => secs,
            // `oldest=-1` is before the beginning, which is treated leniently.
            (Err(_), _) if text.parse::<i64>().is_ok() => 0,
            (Err(_), OddTimes::Empty) => return Ok(Self::Odd),
            (Err(_), OddTimes::Reject) => return Err("invalid_range"),
            (Err(_), OddTimes::Truncate) => text.parse::<f64>().map_err(|_| "invalid_range")? as u64,
        };
        // Documented for times in the future; the past end is lenient (`oldest=0` works).
        if secs > now_secs { Err("invalid_range") } else { Ok(Self::At(secs)) }
    }

    fn bound(self) -> Option<u64> {
        if let Self::At(secs) = self { Some(secs) } else { None }
    }

    fn or(self, other: u64) -> u64 {
        self.bound().unwrap_or(other)
    }
}

/// One unknown name fails the whole list.
fn actions(list: Option<&str>) -> Result<Vec<String>, &'static str> {
    let names: Vec<String> = list.map_or(Vec::new(), |list| list.split(',').map(|n| n.trim().to_owned()).collect());
    let valid = names.len() <= MAX_ACTIONS && names.iter().all(|name| catalogue::is_known(name));
    if valid { Ok(names) } else { Err("invalid_action") }
}
