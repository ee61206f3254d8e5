//! Why polling isn't getting on: one variant per thing the operator would do differently.

use super::MAX_WAIT_MS;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest error code kept: it comes from outside and ends up in state, logs and metrics.
const MAX_CODE_BYTES: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// 401. Slack docs list `invalid_authentication` and `missing_authentication`; live the 401 has an empty body.
    TokenRejected,
    /// The token works and lacks the scope.
    MissingScope,
    /// Slack docs, audit logs: Enterprise plans only.
    PlanLacksAuditLogs,
    /// Slack docs, audit logs: the token must belong to an owner of the organization.
    NotOrgOwner,
    /// The app is installed on a workspace instead of the organization.
    WrongInstall,
    /// The address isn't Slack's audit endpoint.
    WrongEndpoint,
    /// 403 without a code that says more.
    Forbidden,
    /// Another error code, in a 400 or in a 200 with `ok: false`.
    Refused {
        code: String,
    },
    /// 400 without a cursor: the time range is not accepted.
    RangeRefused,
    RateLimited,
    /// 400 without a cursor and without a code.
    RefusedWithoutReason,
    ServerFailing,
    /// 3xx: something else answers in Slack's place.
    Redirected,
    /// 407.
    ProxyWantsSignIn,
    Unreachable,
    TimedOut,
    NoSuchHost,
    Untrusted,
    /// Time that showed entries before shows none.
    EntriesMissing,
    /// An answer that ends early or isn't JSON.
    BadBody,
    /// The same range had to be begun again and again.
    #[serde(rename = "window_wont_finish")]
    RangeWontFinish,
}

impl Problem {
    /// What an error code of Slack's means, whatever the status it came with. `None` where the code says nothing that
    /// concerns the account.
    pub(super) fn of_account(code: &str) -> Option<Self> {
        Some(match code {
            "invalid_authentication"
            | "missing_authentication"
            | "invalid_auth"
            | "not_authed"
            | "token_expired"
            | "token_revoked"
            | "account_inactive" => Self::TokenRejected,
            "missing_scope" => Self::MissingScope,
            "feature_not_enabled" => Self::PlanLacksAuditLogs,
            "user_not_authorized" => Self::NotOrgOwner,
            "team_not_authorized" | "invalid_workspace" => Self::WrongInstall,
            "bad_endpoint" | "method_not_allowed" => Self::WrongEndpoint,
            // Slack docs: the audit pages spell it with an underscore, the Web API without.
            "rate_limited" | "ratelimited" => Self::RateLimited,
            _ => return None,
        })
    }

    pub(super) fn refused(code: &str) -> Self {
        let plain = code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && code.len() <= MAX_CODE_BYTES;
        Self::Refused { code: if plain { code.to_owned() } else { "unreadable".to_owned() } }
    }

    /// For metrics: fixed, few and without content from outside.
    pub fn label(&self) -> &'static str {
        match self {
            Self::TokenRejected => "token_rejected",
            Self::MissingScope => "missing_scope",
            Self::PlanLacksAuditLogs => "plan_lacks_audit_logs",
            Self::NotOrgOwner => "not_org_owner",
            Self::WrongInstall => "wrong_install",
            Self::WrongEndpoint => "wrong_endpoint",
            Self::Forbidden => "forbidden",
            Self::Refused { .. } => "refused",
            Self::RangeRefused => "range_refused",
            Self::RateLimited => "rate_limited",
            Self::RefusedWithoutReason => "refused_without_reason",
            Self::ServerFailing => "server_failing",
            Self::Redirected => "redirected",
            Self::ProxyWantsSignIn => "proxy_wants_sign_in",
            Self::TimedOut => "timed_out",
            Self::NoSuchHost => "no_such_host",
            Self::Untrusted => "untrusted",
            Self::EntriesMissing => "entries_missing",
            Self::Unreachable => "unreachable",
            Self::BadBody => "bad_body",
            Self::RangeWontFinish => "range_wont_finish",
        }
    }

    /// What to do about it, as a hint line.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::TokenRejected => {
                "replace the token in `slack.token_file`: Slack no longer accepts it; the new one is taken within seconds \
                 (one from the environment needs a restart)"
            }
            Self::MissingScope => {
                "add the user scope `auditlogs:read` to the app and install it again at organization level"
            }
            Self::PlanLacksAuditLogs => {
                "check the plan: the audit logs api exists on Slack Enterprise plans only, and for the organization"
            }
            Self::NotOrgOwner => "install the app as an org owner: tokens of org admins and members are refused",
            Self::WrongInstall => {
                "install the app on the organization, not on a workspace, and use the token of that installation"
            }
            Self::WrongEndpoint => {
                "check `slack.base_url`, which is https://api.slack.com unless you changed it, and what answers there: \
                 it has no Audit Logs API"
            }
            Self::Forbidden => {
                "if it lasts longer than a minute, check in this order: a proxy in between, org owner token, organization \
                 level install, scope `auditlogs:read`, Enterprise plan"
            }
            Self::Refused { .. } => "look the code up in Slack's audit logs documentation; polling keeps trying",
            Self::RangeRefused => {
                "check the clock of this host and the oldest time asked for: Slack refuses the time range"
            }
            Self::RateLimited => {
                "find other programs that read this organization's audit logs: they share one quota; or lower \
                 `slack.requests_per_minute`"
            }
            Self::RefusedWithoutReason => {
                "look at https://slack-status.com and, if Slack is well, at this host's clock and at how far back `start` and \
                 `backfill` reach: Slack answers 400 and doesn't say why; it is asked again"
            }
            Self::ServerFailing => {
                "look at https://slack-status.com and at proxies in between: the answers are server errors; it is asked again"
            }
            Self::Redirected => {
                "find what answers in Slack's place with a redirect (a proxy, a portal that wants a sign-in, a wrong \
                 `slack.base_url`); it isn't followed, for the token would go there"
            }
            Self::ProxyWantsSignIn => {
                "give the proxy's user and password in HTTPS_PROXY of gridwatch's environment, or let this host through"
            }
            Self::Unreachable => {
                "check network, firewall and proxy between this host and Slack: no connection comes about"
            }
            Self::TimedOut => {
                "check network and proxy between this host and Slack: answers don't come within `slack.timeout`"
            }
            Self::NoSuchHost => "check this host's name server: it can't resolve the name of Slack's host",
            Self::Untrusted => {
                "check for a proxy that opens TLS (its certificate has to be among this host's trusted ones) and this host's \
                 clock: the connection isn't trusted"
            }
            Self::EntriesMissing => {
                "look for a cache or a proxy in between: time that showed entries before now shows none; it is asked again, \
                 and nothing is done with until it does"
            }
            Self::BadBody => {
                "check for a proxy that cuts, rewrites or empties answers; they are asked for again, in smaller pages"
            }
            Self::RangeWontFinish => {
                "check the log for the reason of the restarts; smaller ranges are being tried and nothing is skipped"
            }
        }
    }

    /// How long to leave an account problem alone at most. A token may be replaced at any moment; plans and roles take longer.
    pub(super) fn retry_ms(&self) -> u64 {
        match self {
            Self::TokenRejected | Self::Refused { .. } | Self::Redirected | Self::ProxyWantsSignIn => 60_000,
            _ => MAX_WAIT_MS,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TokenRejected => f.write_str("Slack rejected the token"),
            Self::MissingScope => f.write_str("the token lacks the scope `auditlogs:read`"),
            Self::PlanLacksAuditLogs => f.write_str("audit logs are not enabled for this organization"),
            Self::NotOrgOwner => f.write_str("the token's user is not an org owner"),
            Self::WrongInstall => f.write_str("the app is not installed on the organization"),
            Self::WrongEndpoint => f.write_str("the address is not Slack's audit endpoint"),
            Self::Forbidden => f.write_str("Slack forbids the request"),
            Self::Refused { code } => write!(f, "Slack refused the request: {code}"),
            Self::RangeRefused => f.write_str("Slack refused the time range"),
            Self::RateLimited => f.write_str("Slack is limiting the rate"),
            Self::RefusedWithoutReason => f.write_str("Slack refused the request without saying why"),
            Self::ServerFailing => f.write_str("Slack answers with server errors"),
            Self::Redirected => f.write_str("a redirect came instead of Slack's answer"),
            Self::ProxyWantsSignIn => f.write_str("the proxy wants a sign-in"),
            Self::TimedOut => f.write_str("Slack doesn't answer in time"),
            Self::NoSuchHost => f.write_str("the name of Slack's host can't be resolved"),
            Self::Untrusted => f.write_str("no trusted connection to Slack comes about"),
            Self::EntriesMissing => f.write_str("time that showed entries before shows none"),
            Self::Unreachable => f.write_str("Slack can't be reached"),
            Self::BadBody => f.write_str("Slack's answer was cut or is not JSON"),
            Self::RangeWontFinish => f.write_str("a range had to be begun again and again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_from_outside_is_kept_only_if_it_is_a_plain_word() {
        assert_eq!(Problem::refused("invalid_action"), Problem::Refused { code: "invalid_action".into() });
        for odd in ["xoxp-1 secret\n", &"a".repeat(65)] {
            assert_eq!(Problem::refused(odd), Problem::Refused { code: "unreadable".into() });
        }
    }

    #[test]
    fn both_spellings_of_rate_limited_mean_the_same() {
        assert_eq!(Problem::of_account("ratelimited"), Problem::of_account("rate_limited"));
        assert_eq!(Problem::of_account("invalid_cursor"), None);
    }
}
