//! Things that go wrong on purpose, at chosen requests of `/logs`.
//!
//! Deterministic: whether a fault strikes depends only on the request's number, counted from 1 since the simulator started.
//! A fault strikes before authentication, the rate limit and the query are looked at, unless its kind says otherwise.

use serde::{Deserialize, Serialize};

/// One fault and the requests that it strikes. Of several that fit, the first in the list strikes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub at: When,
    pub kind: FaultKind,
}

/// Which requests of `/logs`, numbered from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    Nth(Vec<u64>),
    /// Each n-th; 0 is never.
    Every(u64),
    /// Independently per request, with this chance.
    Chance {
        seed: u64,
        percent: u8,
    },
    /// Both ends included.
    Between {
        from: u64,
        to: u64,
    },
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    Status {
        code: u16,
        #[serde(default)]
        body: String,
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// A documented error code with the status and body that the knobs give it.
    ApiError {
        error: String,
    },
    /// 200 with `{"ok":false,"error":…}`, as the Web API would.
    OkFalse {
        error: String,
    },
    /// The right head with the full length declared, then half the body, then the connection is closed.
    CutBody,
    /// The head at once, the body after this long.
    SlowBody {
        ms: u64,
    },
    /// 200 with a body that isn't JSON, as from a proxy.
    GarbageBody,
    /// 400 `invalid_cursor`; passes over a request without a cursor.
    ExpireCursor,
    RateLimit {
        retry_after: u64,
    },
    /// The recorded 401 with an empty body.
    Unauthorized,
    /// The connection is closed without an answer.
    DropConnection,
    /// No entries, and a cursor that leads to them.
    EmptyPageWithCursor,
    /// The page that was last served, whatever was asked. Passes over the request when there was none.
    RepeatPage,
    /// The page's first entry with the same id and other content.
    ChangeEntry,
    /// Keys nobody has heard of in each entry and beside `entries`.
    ExtraUnknownKeys,
}

impl FaultKind {
    /// This fault at these requests.
    pub fn at(self, at: When) -> Fault {
        Fault { at, kind: self }
    }

    /// The key it is counted under in [`crate::Stats::faults`]: its name in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::ApiError { .. } => "api_error",
            Self::OkFalse { .. } => "ok_false",
            Self::CutBody => "cut_body",
            Self::SlowBody { .. } => "slow_body",
            Self::GarbageBody => "garbage_body",
            Self::ExpireCursor => "expire_cursor",
            Self::RateLimit { .. } => "rate_limit",
            Self::Unauthorized => "unauthorized",
            Self::DropConnection => "drop_connection",
            Self::EmptyPageWithCursor => "empty_page_with_cursor",
            Self::RepeatPage => "repeat_page",
            Self::ChangeEntry => "change_entry",
            Self::ExtraUnknownKeys => "extra_unknown_keys",
        }
    }
}

impl When {
    /// Whether request number `n` is meant.
    pub fn strikes(&self, n: u64) -> bool {
        match self {
            Self::Nth(list) => list.contains(&n),
            Self::Every(step) => *step > 0 && n.is_multiple_of(*step),
            Self::Chance { seed, percent } => mix(seed ^ mix(n)) % 100 < u64::from(*percent),
            Self::Between { from, to } => (*from..=*to).contains(&n),
        }
    }
}

/// The finalizer of SplitMix64: scatters neighbouring numbers.
pub(crate) fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_by_request_number_alone() {
        let struck = |when: When| (1..=12).filter(|n| when.strikes(*n)).collect::<Vec<_>>();
        assert_eq!(struck(When::Nth(vec![2, 7])), [2, 7]);
        assert_eq!(struck(When::Every(5)), [5, 10]);
        assert_eq!(struck(When::Every(0)), [0u64; 0]);
        assert_eq!(struck(When::Between { from: 3, to: 4 }), [3, 4]);
        let chance = |seed| (1..=10_000).filter(|n| When::Chance { seed, percent: 20 }.strikes(*n)).count();
        assert!((1_800..2_200).contains(&chance(1)), "{}", chance(1));
    }

    #[test]
    fn faults_travel_as_json() {
        let text = r#"[{"at":{"nth":[3]},"kind":{"status":{"code":500}}},{"at":{"every":2},"kind":"cut_body"}]"#;
        let faults: Vec<Fault> = serde_json::from_str(text).unwrap();
        assert_eq!(faults[1], FaultKind::CutBody.at(When::Every(2)));
        let back: Vec<Fault> = serde_json::from_str(&serde_json::to_string(&faults).unwrap()).unwrap();
        assert_eq!(back, faults);
    }
}
