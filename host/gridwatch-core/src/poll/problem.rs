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
    ServerFailing,
    Unreachable,
    /// An answer that ends early or isn't JSON.
    BadBody,
    /// The same window had to be begun again and again.
    WindowWontFinish,
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
            Self::ServerFailing => "server_failing",
            Self::Unreachable => "unreachable",
            Self::BadBody => "bad_body",
            Self::WindowWontFinish => "window_wont_finish",
        }
    }

    /// What to do about it, as a hint line.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::TokenRejected => {
                "replace the token in `slack.token_file`: Slack no longer accepts it; polling resumes within a minute"
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
            Self::WrongEndpoint => "check `slack.base_url`: it should be https://api.slack.com/audit/v1",
            Self::Forbidden => {
                "check in this order: org owner token, organization level install, scope `auditlogs:read`, Enterprise plan"
            }
            Self::Refused { .. } => "look the code up in Slack's audit logs documentation; polling keeps trying",
            Self::RangeRefused => {
                "check the clock of this host and the oldest time asked for: Slack refuses the time range"
            }
            Self::RateLimited => {
                "find other programs that read this organization's audit logs: they share one quota; or raise `headroom_percent`"
            }
            Self::ServerFailing => "check https://slack-status.com: Slack answers with server errors",
            Self::Unreachable => "check network, dns and proxy between this host and api.slack.com",
            Self::BadBody => "check for a proxy that cuts or rewrites answers; smaller pages are being tried",
            Self::WindowWontFinish => {
                "check the log for the reason of the restarts; smaller windows are being tried and nothing is skipped"
            }
        }
    }

    /// How long to leave an account problem alone. A token may be replaced at any moment; plans and roles take longer.
    pub(super) fn retry_ms(&self) -> u64 {
        match self {
            Self::TokenRejected | Self::Refused { .. } | Self::RangeRefused => 60_000,
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
            Self::ServerFailing => f.write_str("Slack answers with server errors"),
            Self::Unreachable => f.write_str("Slack can't be reached"),
            Self::BadBody => f.write_str("Slack's answer was cut or is not JSON"),
            Self::WindowWontFinish => f.write_str("a window had to be begun again and again"),
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
