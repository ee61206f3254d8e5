//! Tries: the failed sign-ins of many users from one address, range or network, and whether they look like a spray.

use crate::{Config, windows};
use gridwatch_sdk::{Finding, Row, Window};

/// The windows that count the tries from one place.
pub(crate) struct Counts {
    users: Window,
    failed: Window,
    failed_5m: Window,
    /// Users with a few tries or more, and with more than a few.
    tried: Window,
    tried_more: Window,
    hammered: Window,
}

pub(crate) const OF_ADDRESS: Counts = Counts {
    users: windows::USERS_BY_IP_60M,
    failed: windows::FAILED_BY_IP_60M,
    failed_5m: windows::FAILED_BY_IP_5M,
    tried: windows::TRIED_BY_IP_60M,
    tried_more: windows::TRIED_MORE_BY_IP_60M,
    hammered: windows::HAMMERED_BY_IP_60M,
};

pub(crate) const OF_ADDRESS_IN_A_DAY: Counts = Counts {
    users: windows::USERS_BY_IP_24H,
    failed: windows::FAILED_BY_IP_24H,
    failed_5m: windows::FAILED_BY_IP_5M,
    tried: windows::TRIED_BY_IP_24H,
    tried_more: windows::TRIED_MORE_BY_IP_24H,
    hammered: windows::HAMMERED_BY_IP_24H,
};

pub(crate) const OF_NETWORK: Counts = Counts {
    users: windows::USERS_BY_NETWORK_60M,
    failed: windows::FAILED_BY_NETWORK_60M,
    failed_5m: windows::FAILED_BY_NETWORK_5M,
    tried: windows::TRIED_BY_NETWORK_60M,
    tried_more: windows::TRIED_MORE_BY_NETWORK_60M,
    hammered: windows::HAMMERED_BY_NETWORK_60M,
};

pub(crate) const OF_RANGE: Counts = Counts {
    users: windows::USERS_BY_RANGE_60M,
    failed: windows::FAILED_BY_RANGE_60M,
    failed_5m: windows::FAILED_BY_RANGE_5M,
    tried: windows::TRIED_BY_RANGE_60M,
    tried_more: windows::TRIED_MORE_BY_RANGE_60M,
    hammered: windows::HAMMERED_BY_RANGE_60M,
};

#[derive(Clone, Copy)]
pub(crate) struct Tries {
    pub(crate) users: u64,
    pub(crate) failed: u64,
    failed_5m: u64,
    /// Users with a few tries each.
    tried_few: u64,
    /// Failures of users with very many tries each.
    hammered: u64,
    counted_by: Window,
}

impl Tries {
    pub(crate) fn read(row: &Row<'_>, counts: &Counts) -> Self {
        Self {
            users: row.window(counts.users),
            failed: row.window(counts.failed),
            failed_5m: row.window(counts.failed_5m),
            tried_few: row.window(counts.tried).saturating_sub(row.window(counts.tried_more)),
            hammered: row.window(counts.hammered),
            counted_by: counts.failed,
        }
    }

    pub(crate) fn have_shape_of_spray(&self, config: &Config) -> bool {
        let evenly = self.tried_few * 100 >= self.users * config.spray_percent && self.hammered == 0;
        let spread = self.failed > self.failed_5m;
        evenly && spread
    }

    pub(crate) fn told_by(&self, finding: Finding) -> Finding {
        let finding = finding.window(self.counted_by);
        finding.label("users", self.users.to_string()).label("failures", self.failed.to_string())
    }
}
