//! Traits: what an action says by its name alone, worked out once for each of the catalogue, for it is asked of every event.

use crate::{provisioning, whose};
use gridwatch_names::catalogue;
use std::sync::LazyLock;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// Is it about a role or right that is given or taken in a place? Not about an account's own rank, which no place is named with.
    pub is_about_power: bool,
    /// Does it say of an account what it becomes: made, closed, opened again, of another rank or another organization?
    pub changes_account: bool,
    /// Did Slack refuse it, or judge it? Then the entry names whom somebody claimed to be.
    pub is_claimed: bool,
    /// Does it end an OAuth flow, which the app's own server does?
    pub ends_oauth: bool,
    /// May an identity provider have done it?
    pub may_be_provisioned: bool,
    pub names_channel: bool,
}

/// By an action's place in the catalogue.
static KNOWN: LazyLock<Vec<Traits>> = LazyLock::new(|| catalogue::actions().map(Traits::of).collect());

impl Traits {
    pub(crate) fn of_number(action: u16) -> Self {
        KNOWN.get(usize::from(action)).copied().unwrap_or_default()
    }

    pub fn of(action: &str) -> Self {
        let changes_rank = action.starts_with("role_change_to_");
        Self {
            is_about_power: (action.starts_with("role_") || action.starts_with("permissions_")) && !changes_rank,
            changes_account: changes_rank || CHANGES_ACCOUNT.contains(&action),
            is_claimed: whose::CLAIMED.contains(&action),
            ends_oauth: whose::ENDS_OAUTH.contains(&action),
            may_be_provisioned: changes_rank || provisioning::IS_ITS_WORK.contains(&action),
            names_channel: action.contains("channel"),
        }
    }
}

const CHANGES_ACCOUNT: [&str; 10] = [
    "org_owner_created",
    "owner_transferred",
    "user_created",
    "user_deactivated",
    "user_reactivated",
    "guest_created",
    "guest_deactivated",
    "guest_expired",
    "guest_reactivated",
    "guest_transferred_to_external_user",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_an_action_is_what_its_name_says() {
        for (number, action) in (0..).zip(catalogue::actions()) {
            assert_eq!(catalogue::number_of(action), Some(number));
            assert_eq!(Traits::of_number(number), Traits::of(action), "{action}");
        }
    }
}
