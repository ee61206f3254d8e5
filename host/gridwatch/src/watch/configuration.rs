//! SIGHUP: the configuration is read again, and what can be taken while running is taken.
//!
//! Taken are the lookup tables, the lists and databases of networks, the exceptions file (which is watched anyway) and the log
//! level. Everything else waits for a restart, and the log says what that is. A file with an error changes nothing. SIGHUP
//! never ends gridwatch: a terminal that closes, or a service manager's `reload`, must not cost a single entry.

use super::{Looking, Reason, Watch};
use crate::config::Config;
use crate::context::Shared;
use crate::telemetry::log::Relevel;
use crate::telemetry::status::Reload;
use anyhow::Result;
use gridwatch_event::time::UnixMillis;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub struct Configuration {
    shared: Arc<Shared>,
    relevel: Relevel,
    said: Said,
}

impl Configuration {
    pub fn new(shared: Arc<Shared>, relevel: Relevel) -> Self {
        let said = Said::of(&shared.config);
        Self { shared, relevel, said }
    }
}

impl Watch for Configuration {
    fn name(&self) -> &'static str {
        "the watch for SIGHUP"
    }

    fn due(&self, _: UnixMillis) -> Result<Option<Duration>> {
        Ok(None)
    }

    fn look(&mut self, now: UnixMillis, _: Reason) -> Looking<'_> {
        Box::pin(async move {
            // Lists may be large, and databases on a slow disk.
            let path = self.shared.config.modules.places.file.clone();
            let read = tokio::task::spawn_blocking(move || Config::load(&path)).await?;
            match read {
                Ok(config) => self.said = take(&self.shared, &self.said, &config, &self.relevel, now),
                Err(problems) => {
                    let problems = problems.to_string();
                    tracing::error!(
                        problems,
                        "SIGHUP: the configuration has errors; everything stays as it was read before"
                    );
                    self.shared.board.update(|status| {
                        status.reload = Reload { at: Some(now), broken: Some(problems), ..Reload::default() };
                    });
                }
            }
            Ok(())
        })
    }

    fn hears_hangups(&self) -> bool {
        true
    }
}

fn take(shared: &Shared, before: &Said, config: &Config, relevel: &Relevel, now: UnixMillis) -> Said {
    let said = Said::of(config);
    let changed = |of: fn(&Said) -> &BTreeMap<String, String>| -> Vec<String> {
        let (old, new) = (of(before), of(&said));
        let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
        names.filter(|name| old.get(*name) != new.get(*name)).cloned().collect()
    };
    let mut taken = changed(|said| &said.lists);
    // Databases are opened anew: what is in them can't be compared.
    shared.lists.put(config.tables(), config.networks.clone());
    shared.bells.detect.ring();
    let mut waiting = changed(|said| &said.rest);
    if said.level != before.level {
        match relevel.to(config.log.level) {
            true => taken.push(format!("log.level = {}", said.level)),
            false => waiting.push("log.level (the command line says otherwise)".to_owned()),
        }
    }
    let or_none = |list: &[String]| if list.is_empty() { "nothing".to_owned() } else { list.join(", ") };
    tracing::info!(
        changed = or_none(&taken),
        waiting_for_a_restart = or_none(&waiting),
        "SIGHUP: lookup tables, lists of networks and the exceptions file have been read again"
    );
    let reload = Reload { at: Some(now), taken, waiting, broken: None };
    shared.board.update(|status| status.reload = reload);
    // What waits goes on waiting: the next SIGHUP says so again.
    Said { rest: before.rest.clone(), ..said }
}

/// A configuration's parts as texts, to tell which of them another one says differently. Secrets have none.
#[derive(Clone, Debug)]
struct Said {
    lists: BTreeMap<String, String>,
    rest: BTreeMap<String, String>,
    level: String,
}

impl Said {
    fn of(config: &Config) -> Self {
        let lists = config.lookups.iter().map(|(name, items)| (format!("lookups.{name}"), items.join("\n"))).collect();
        let slack = &config.slack;
        let slack = (
            (
                &slack.base_url,
                slack.rotation.as_ref().map(|app| &app.client_id),
                slack.start,
                slack.backfill,
                slack.interval_s,
                slack.settle_s,
            ),
            (slack.overlap_s, slack.max_window_s, slack.page_limit, slack.requests_per_minute, slack.timeout_s),
        );
        // Secrets are looked after by whoever uses them.
        let asking = config.asking.as_ref();
        let asking = asking.map(|asking| (&asking.base_url, asking.wait, asking.keep_s, asking.roster_every_s));
        let modules = (&config.modules.dir, &config.modules.config, &config.modules.grants);
        let parts = [
            ("state_dir", format!("{:?}", config.state_dir)),
            ("slack", format!("{slack:?}")),
            ("modules", format!("{modules:?}")),
            ("detect", format!("{:?}", config.detect)),
            ("enrich", format!("{asking:?}")),
            ("exceptions", format!("{:?}", config.tuning)),
            ("sink", format!("{:?}", config.sinks)),
            ("archive", format!("{:?}", config.archive)),
            ("store", format!("{:?}", config.store)),
            ("log.format", format!("{:?}", config.log.format)),
        ];
        let rest = parts.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
        Self { lists, rest, level: config.log.level.as_str().to_lowercase() }
    }
}
