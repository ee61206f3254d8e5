//! SIGHUP: the configuration is read again, and what can be taken while running is taken.
//!
//! Taken are the lookup tables, the lists and databases of networks, the exceptions file (which is watched anyway) and the log
//! level. Everything else waits for a restart, and the log says what that is. A file with an error changes nothing. SIGHUP
//! never ends gridwatch: a terminal that closes, or a service manager's `reload`, must not cost a single entry.

use crate::clock;
use crate::config::Config;
use crate::run::{Relevel, Shared};
use crate::status::Reload;
use anyhow::Result;
use gridwatch_core::lookup::Tables;
use gridwatch_core::network::Networks;
use gridwatch_core::pipeline::Pipeline;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

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

    fn put(&self, tables: Tables, networks: Networks) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some((tables, networks));
    }

    /// Puts what was read last into use. No module may be running.
    pub fn take(&self, pipeline: &mut Pipeline) {
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((tables, networks)) = next {
            self.tables.replace(&tables);
            pipeline.set_networks(networks.clone());
            *self.networks.lock().unwrap_or_else(PoisonError::into_inner) = networks;
        }
    }
}

/// Reads the configuration again each time it is asked to, until told to stop.
pub async fn watch(
    shared: &Shared,
    mut stop: watch::Receiver<bool>,
    mut asked: watch::Receiver<u64>,
    relevel: &Relevel,
) -> Result<()> {
    let mut said = Said::of(&shared.config);
    loop {
        tokio::select! {
            changed = asked.changed() => if changed.is_err() { return Ok(()) },
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        }
        // Lists may be large, and databases on a slow disk.
        let path = shared.config.modules.places.file.clone();
        let read = tokio::task::spawn_blocking(move || Config::load(&path)).await?;
        match read {
            Ok(config) => said = take(shared, &said, &config, relevel),
            Err(problems) => {
                let problems = problems.to_string();
                tracing::error!(
                    problems,
                    "SIGHUP: the configuration has errors; everything stays as it was read before"
                );
                shared.board.update(|status| {
                    status.reload = Reload { at: Some(clock::now()), broken: Some(problems), ..Reload::default() };
                });
            }
        }
    }
}

fn take(shared: &Shared, before: &Said, config: &Config, relevel: &Relevel) -> Said {
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
        match relevel.0(config.log.level) {
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
    let reload = Reload { at: Some(clock::now()), taken, waiting, broken: None };
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
