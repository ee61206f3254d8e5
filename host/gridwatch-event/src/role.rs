//! A role: what somebody may do in Slack, from the least to the most.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    #[default]
    Unknown,
    Bot,
    Guest,
    Member,
    Admin,
    Owner,
    PrimaryOwner,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Bot => "bot",
            Self::Guest => "guest",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
            Self::PrimaryOwner => "primary_owner",
        }
    }

    /// Slack's `account_type` (on actors and users since August 2026). Its values are not documented, hence the tolerance.
    pub fn of_account_type(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let has = |part| text.contains(part);
        Some(match () {
            () if has("primary") => Self::PrimaryOwner,
            () if has("owner") => Self::Owner,
            () if has("admin") => Self::Admin,
            () if has("guest") || has("restricted") => Self::Guest,
            () if has("bot") => Self::Bot,
            () if has("member") || has("user") || has("regular") => Self::Member,
            () => return None,
        })
    }
}
