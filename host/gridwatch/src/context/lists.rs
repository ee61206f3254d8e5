//! Lookup tables and networks in use, and those that were read since.

use crate::config::Config;
use crate::telemetry::health::span;
use gridwatch_event::lookup::Tables;
use gridwatch_event::network::Networks;
use gridwatch_event::time::UnixMillis;
use gridwatch_rules::pipeline::Pipeline;
use std::sync::{Mutex, PoisonError};

/// What modules and alerts look things up in. The detect stage takes new ones between two batches.
#[derive(Debug)]
pub struct Lists {
    /// In use. Modules hold clones, which see what is put in.
    pub tables: Tables,
    networks: Mutex<Networks>,
    next: Mutex<Option<(Tables, Networks)>>,
}

impl Lists {
    pub fn of(config: &Config) -> Self {
        Self { tables: config.tables(), networks: Mutex::new(config.networks.clone()), next: Mutex::default() }
    }

    pub fn networks(&self) -> Networks {
        self.networks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn put(&self, tables: Tables, networks: Networks) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some((tables, networks));
    }

    /// Puts what was read last into use. No module may be running. Are they others than before?
    pub fn take(&self, pipeline: &mut Pipeline) -> bool {
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((tables, networks)) = next else { return false };
        self.tables.replace(&tables);
        pipeline.set_networks(networks.clone());
        *self.networks.lock().unwrap_or_else(PoisonError::into_inner) = networks;
        true
    }
}

/// Lists and databases that are older than the configuration says they may get: where each is named, and what to say.
pub fn old(config: &Config, now: UnixMillis) -> Vec<(&str, String)> {
    let mut old = Vec::new();
    for list in &config.lists {
        let age_s = now.seconds().0.saturating_sub(list.made.0);
        if age_s > list.max_age_s {
            let (path, age, max) = (list.path.display(), span(age_s), span(list.max_age_s));
            let what =
                format!("{path} is {age} old, which is more than the {max} of `max_age`: renew it, then send SIGHUP");
            old.push((list.key.as_str(), what));
        }
    }
    old
}
