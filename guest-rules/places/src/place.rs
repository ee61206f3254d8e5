//! A place: whose it is, since when the organization knows it, and how somebody came in there.

use crate::{Config, Fields, fields, is_lately, windows};
use gridwatch_sdk::{Finding, Row, Seen};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Rented servers, or Tor: nobody sits there.
    Rented,
    Vpn,
    Other,
}

impl Place {
    pub(crate) fn of(row: &Row<'_>) -> Self {
        match row.context_network_kind() {
            "hosting" | "tor" => Self::Rented,
            "vpn" => Self::Vpn,
            _ => Self::Other,
        }
    }
}

/// The organization's own way out.
pub(crate) fn is_own(row: &Row<'_>, config: &Config) -> bool {
    !row.context_own().is_empty()
        || row.is_in("corporate_egress", fields::CONTEXT_IP_ADDRESS)
        || config.own_networks.iter().any(|network| network == row.context_network())
}

/// Nobody of the organization was there until a day ago.
pub(crate) fn is_new_here(row: &Row<'_>) -> bool {
    !row.context_subnet().is_empty() && is_lately(row.first_seen(windows::USED_RANGE), row.time_ms())
}

/// Slack refused it or judged it: the entry names whom somebody claimed to be.
pub(crate) fn is_claim(row: &Row<'_>) -> bool {
    matches!(
        row.action(),
        "user_login_failed" | "user_password_reset_requested" | "ip_allowlist_access_denied" | "anomaly"
    )
}

/// How somebody signed in, beside how they and the others do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Usual,
    /// Not the person's.
    Other,
    /// The person has none yet, and hardly anybody else comes by it.
    Rare,
}

impl Way {
    pub(crate) fn of(row: &Row<'_>) -> Self {
        match () {
            () if row.window(windows::OTHER_WAY) > 0 => Self::Other,
            () if row.window(windows::RARE_WAY) > 0 => Self::Rare,
            () => Self::Usual,
        }
    }

    pub(crate) fn is_odd(self) -> bool {
        self != Self::Usual
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Usual => "",
            Self::Other => "not the person's",
            Self::Rare => "hardly anybody's",
        }
    }
}

/// The labels that every finding here has.
pub(crate) fn told(finding: Finding, row: &Row<'_>) -> Finding {
    let known = matches!(row.first_seen(windows::KNOWN), Seen::At(_));
    finding.labels([
        ("address", row.context_ip_address()),
        ("network", row.context_network()),
        ("network_kind", row.context_network_kind()),
        ("country", row.context_country()),
        ("client", row.context_client()),
        ("sign_in", row.sign_in_way()),
        ("person_is_new", if known { "" } else { "yes" }),
    ])
}
