//! What the simulator saw, for tests to assert on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use gridwatch_stories::org::Story;

/// Requests kept; older ones are forgotten, never the counts.
const MOST_REQUESTS_KEPT: usize = 20_000;

/// What there is to find, and what was shown of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// Ids of all entries, those that don't show yet included.
    pub ids: BTreeSet<String>,
    /// Ids that were on a page answered with 200 and sent in full (not cut by a fault).
    pub shown: BTreeSet<String>,
    pub stories: Vec<Story>,
}

/// Counts since the start, of the audit endpoints and the token refresh; `/_sim/` is not counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    pub requests: u64,
    /// Requests of `/logs`: the number that faults go by.
    pub logs_requests: u64,
    /// Requests of `users.info` and `admin.users.list`: the number that their faults go by.
    pub people_requests: u64,
    /// The same of `conversations.info`.
    pub channel_requests: u64,
    /// Pages of `/logs` answered with 200 and sent in full.
    pub pages: u64,
    /// Entries on those pages, repeats included.
    pub entries_served: u64,
    /// 429s, from the bucket or a fault.
    pub rate_limited: u64,
    /// By Slack's error code.
    pub errors: BTreeMap<String, u64>,
    /// Faults that struck, by [`crate::FaultKind::name`].
    pub faults: BTreeMap<String, u64>,
    /// The newest requests, oldest first, at most 20,000.
    pub seen: Vec<RequestSeen>,
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestSeen {
    /// Epoch milliseconds of the simulator's clock.
    pub at_ms: u64,
    pub method: String,
    pub path: String,
    /// In the order sent, still percent-encoded.
    pub params: Vec<(String, String)>,
    /// Whether there was an `Authorization` header. Its value is not kept.
    pub had_auth: bool,
    /// Status answered; 0 when the connection was dropped.
    pub status: u16,
}

#[derive(Debug, Default)]
pub(crate) struct Observations {
    /// Without `seen`.
    pub(crate) counts: Stats,
    seen: VecDeque<RequestSeen>,
}

impl Observations {
    pub(crate) fn stats(&self) -> Stats {
        Stats { seen: self.seen.iter().cloned().collect(), ..self.counts.clone() }
    }

    pub(crate) fn saw(&mut self, request: RequestSeen) {
        self.counts.requests += 1;
        if self.seen.len() == MOST_REQUESTS_KEPT {
            self.seen.pop_front();
        }
        self.seen.push_back(request);
    }

    pub(crate) fn error(&mut self, code: &str) {
        *self.counts.errors.entry(code.to_owned()).or_default() += 1;
    }

    pub(crate) fn fault(&mut self, name: &str) {
        *self.counts.faults.entry(name.to_owned()).or_default() += 1;
    }
}
