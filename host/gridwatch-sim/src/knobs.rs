//! One knob for each thing about Slack's Audit Logs API that the public record leaves open.
//!
//! The defaults are the most likely reading, so a simulator left alone is faithful. A poller should work at every setting.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How the simulated API behaves where nobody has written down how the real one does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    /// Entries per page when `limit` is absent or not a positive number. Undocumented; 100 is the low end of what Slack's
    /// pagination guide recommends.
    pub default_limit: usize,
    /// Order of the entries that share one second. Unknown.
    pub in_second_order: InSecondOrder,
    /// How long a cursor lives. Documented only as fine across rate-limit pauses and not for hours or days.
    pub cursor_ttl_secs: Option<u64>,
    /// Whether a cursor alone carries `action`, `actor`, `entity` and `latest`. It never carries `oldest`: seen live.
    pub cursor_carries_filters: bool,
    /// Body of every 4xx except 401, whose body was recorded as empty.
    pub error_body: ErrorBody,
    /// Status of `feature_not_enabled` (not an Enterprise plan). Collectors guess 403.
    pub feature_not_enabled_status: u16,
    /// Status of `team_not_authorized` (installed on a workspace, not on the organization).
    pub team_not_authorized_status: u16,
    /// Status of `user_not_authorized` (the installer is not, or is no longer, an Org Owner).
    pub user_not_authorized_status: u16,
    /// Calls to `/logs` a minute for the whole organization (tier 3 is "50+"). 0 switches the limit off.
    pub rate_per_minute: u32,
    /// Calls that may come at once. "Bursts are tolerated", without a number.
    pub burst: u32,
    /// What a 429 says in `Retry-After`.
    pub retry_after: RetryAfter,
    /// Seconds between an act and its showing up in `/logs`. No figure is documented.
    pub ingestion_lag_secs: u64,
    /// Entries of a thousand that show up `late_by_secs` later than the others; picked by id, the same in each run.
    pub late_per_mille: u64,
    /// How much later the late ones show up.
    pub late_by_secs: u64,
    /// What `oldest=1566215192.5` or `1.566e+09` gets.
    pub odd_times: OddTimes,
    /// How an entry that was shown before is written down when it is shown again.
    pub reread: Reread,
    /// How the last page says that it is the last. All four were met by clients.
    pub last_page: LastPage,
    /// Whether a page grows past `limit` to finish its last second (documented). Off, it ends one second earlier instead,
    /// and grows only when a single second is larger than `limit`. Either way no second is ever split over two pages.
    pub page_overflow: bool,
    /// Every n-th page is empty though more follow, as the pagination guide warns. 0 = never.
    pub empty_page_every: u64,
    /// How long an access token lives (43,200 s with token rotation). `None`: for ever, as without rotation.
    pub token_ttl_secs: Option<u64>,
    /// The first refresh token. `None`: rotation is off and `oauth.v2.access` refuses.
    pub refresh_token: Option<String>,
    /// How long a spent refresh token is still honoured ("revoked after a short grace").
    pub refresh_grace_secs: u64,
    /// Actions that `/actions` lists beside the recorded ones: Slack adds some every month.
    pub actions_added: Vec<String>,
    /// Recorded actions that `/actions` lists no more.
    pub actions_gone: Vec<String>,
    /// `/actions` and `/schemas` answer 503.
    pub lists_down: bool,
    /// The token that `users.info` and `admin.users.list` accept. `None`: any that starts with `xox`.
    pub people_token: Option<String>,
    /// Calls to these a minute (tier 4 is "100+"). 0 switches the limit off.
    pub people_rate_per_minute: u32,
    /// Tokens of the Web API. Empty: every token that `/logs` accepts is the first owner's and may do everything.
    pub web_tokens: BTreeMap<String, WebToken>,
    /// Calls to each method of the Web API a minute (tier 2 is "20+"). 0 switches the limit off.
    pub web_rate_per_minute: u32,
}

/// Whose a token is, and what it may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebToken {
    /// User id of its owner.
    pub user: String,
    /// `*` is all of them.
    pub scopes: Vec<String>,
    /// The app it was made for. `None`: `auth.test` doesn't say.
    #[serde(default)]
    pub app: Option<String>,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            default_limit: 100,
            in_second_order: InSecondOrder::Insertion,
            cursor_ttl_secs: Some(3_600),
            cursor_carries_filters: false,
            error_body: ErrorBody::Json,
            feature_not_enabled_status: 403,
            team_not_authorized_status: 403,
            user_not_authorized_status: 403,
            rate_per_minute: 50,
            burst: 20,
            retry_after: RetryAfter::UntilNextCall,
            ingestion_lag_secs: 0,
            late_per_mille: 0,
            late_by_secs: 0,
            odd_times: OddTimes::Empty,
            reread: Reread::SameBytes,
            last_page: LastPage::EmptyString,
            page_overflow: true,
            empty_page_every: 0,
            token_ttl_secs: None,
            refresh_token: None,
            refresh_grace_secs: 0,
            actions_added: Vec::new(),
            actions_gone: Vec::new(),
            lists_down: false,
            people_token: None,
            people_rate_per_minute: 100,
            web_tokens: BTreeMap::new(),
            web_rate_per_minute: 20,
        }
    }
}

impl Knobs {
    /// The faithful defaults without a rate limit, for tests that are about something else.
    pub fn unlimited() -> Self {
        Self { rate_per_minute: 0, people_rate_per_minute: 0, web_rate_per_minute: 0, ..Self::default() }
    }

    /// The status that goes with a documented error code.
    pub(crate) fn status_of(&self, error: &str) -> u16 {
        match error {
            "feature_not_enabled" => self.feature_not_enabled_status,
            "team_not_authorized" | "invalid_workspace" => self.team_not_authorized_status,
            "user_not_authorized" => self.user_not_authorized_status,
            "invalid_authentication" | "missing_authentication" => 401,
            "bad_endpoint" => 404,
            "method_not_allowed" => 405,
            "rate_limited" => 429,
            _ => 400,
        }
    }
}

/// Order inside one second; seconds themselves always come newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InSecondOrder {
    ById,
    ByIdReversed,
    /// Latest added first.
    Insertion,
}

/// Body of a 4xx.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorBody {
    Empty,
    /// `{"ok":false,"error":"…"}`.
    Json,
}

/// What a 429 says in `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// Seconds, rounded up, until the bucket holds one call again.
    UntilNextCall,
    Fixed(u64),
    Missing,
}

/// What a time that is not an integer gets. A sibling method answers fractions with nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OddTimes {
    Empty,
    Truncate,
    /// 400 `invalid_range`.
    Reject,
}

/// The same entry, shown again. JSON leaves open how often its form may change, and so does Slack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reread {
    SameBytes,
    /// Keys from the last to the first, other white space, slashes and letters outside ASCII as themselves.
    OtherForm,
    /// The same, and a key more that is null.
    OtherFormAndNull,
}

/// How the last page is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LastPage {
    /// `"response_metadata":{"next_cursor":""}`.
    EmptyString,
    /// `"response_metadata":{}`.
    Missing,
    /// `"response_metadata":{"next_cursor":null}`.
    Null,
    /// No `response_metadata` at all.
    NoMetadata,
}
