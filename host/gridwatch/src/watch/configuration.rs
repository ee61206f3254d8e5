//! SIGHUP: the configuration is read again, and what can be taken while running is taken.
//!
//! Taken are the lookup tables, the lists and databases of networks, the exceptions file (which is watched anyway), the settings and
//! grants of modules (which are started anew with them, on probation) and the log level. Everything else waits for a restart, and the log says what that is. A file with an error changes nothing. SIGHUP
//! never ends gridwatch: a terminal that closes, or a service manager's `reload`, must not cost a single entry.

use super::{Looking, Reason, Watch};
use crate::config::{Config, Configs};
use crate::context::{Shared, in_force};
use crate::modules::Wanted;
use crate::swap::{Swapper, beside};
use crate::telemetry::log::Relevel;
use crate::telemetry::status::Reload;
use crate::trail::owner;
use anyhow::Result;
use gridwatch_event::time::UnixMillis;
use gridwatch_rules::audit::{Deed, Via, What};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

pub struct Configuration {
    /// Each organization, with what its configuration says.
    orgs: Vec<(Arc<Shared>, Arc<Swapper>, Said)>,
    relevel: Relevel,
}

impl Configuration {
    pub fn new(orgs: Vec<(Arc<Shared>, Arc<Swapper>)>, relevel: Relevel) -> Self {
        let said = |(shared, swapper): (Arc<Shared>, Arc<Swapper>)| {
            let said = Said::of(&shared.config);
            (shared, swapper, said)
        };
        Self { orgs: orgs.into_iter().map(said).collect(), relevel }
    }

    /// Settings of modules are taken beside this task: it takes a while.
    async fn take(&mut self, configs: &Configs) -> Result<(Vec<String>, Vec<String>)> {
        let (mut taken, mut waiting) = (BTreeSet::new(), BTreeSet::new());
        for (shared, swapper, said) in &mut self.orgs {
            let whose = |name: &String| match shared.org.name() {
                Some(org) => format!("{name} of organization {org}"),
                None => name.clone(),
            };
            let Some(config) = configs.iter().find(|config| config.org == shared.org) else {
                waiting.insert(format!("org.{} is gone", shared.org));
                continue;
            };
            let (mut taken_of_it, mut waiting_of_it) = take(shared, said, config);
            let (swapper, wanted) = (swapper.clone(), Wanted::of(config));
            let (settings, refused) = beside(move || swapper.reconfigure(wanted)).await??;
            taken_of_it.extend(settings);
            waiting_of_it.extend(refused);
            taken.extend(taken_of_it.iter().map(whose));
            waiting.extend(waiting_of_it.iter().map(whose));
        }
        let is_known = |config: &Config| self.orgs.iter().any(|(shared, ..)| shared.org == config.org);
        waiting.extend(configs.iter().filter(|config| !is_known(config)).map(|config| format!("org.{}", config.org)));
        Ok((Vec::from_iter(taken), Vec::from_iter(waiting)))
    }

    /// The log level is the process's own.
    fn relevel(&mut self, configs: &Configs, taken: &mut Vec<String>, waiting: &mut Vec<String>) {
        let level = configs.process().log.level;
        let said = level.as_str().to_lowercase();
        if self.orgs.iter().all(|(.., before)| before.level == said) {
            return;
        }
        match self.relevel.to(level) {
            true => taken.push(format!("log.level = {said}")),
            false => waiting.push("log.level (the command line says otherwise)".to_owned()),
        }
        self.orgs.iter_mut().for_each(|(.., before)| before.level.clone_from(&said));
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
            let Some((first, ..)) = self.orgs.first() else { return Ok(()) };
            let process = first.process.clone();
            // Lists may be large, and databases on a slow disk.
            let path = first.config.modules.places.file.clone();
            let first_file = path.clone();
            let read = tokio::task::spawn_blocking(move || Configs::load(&path)).await?;
            let reload = match read {
                Ok(configs) => {
                    let (mut taken, mut waiting) = self.take(&configs).await?;
                    self.relevel(&configs, &mut taken, &mut waiting);
                    let (file, in_force) = (&first_file, in_force::configuration(configs.iter()));
                    in_force::tell_configuration_with(&process, (file, Via::Reload), &in_force, |deed| {
                        deed.with("taken", taken.join(", ")).with("waiting_for_a_restart", waiting.join(", "))
                    })?;
                    let or_none =
                        |list: &[String]| if list.is_empty() { "nothing".to_owned() } else { list.join(", ") };
                    tracing::info!(
                        changed = or_none(&taken),
                        waiting_for_a_restart = or_none(&waiting),
                        "SIGHUP: lookup tables, lists of networks, settings of modules and the exceptions file have been read again"
                    );
                    Reload { at: Some(now), taken, waiting, broken: None }
                }
                Err(problems) => {
                    let problems = problems.to_string();
                    tracing::error!(
                        problems,
                        "SIGHUP: the configuration has errors; everything stays as it was read before"
                    );
                    let (who, file) = (owner(&first_file, Via::Reload), first_file.display().to_string());
                    let deed = Deed::new(now, What::ConfigurationChange, &who, &file);
                    process.record(deed.failed("the file has errors; everything stays as it was"))?;
                    Reload { at: Some(now), broken: Some(problems), ..Reload::default() }
                }
            };
            process.board.update(|status| status.reload = reload);
            Ok(())
        })
    }

    fn hears_hangups(&self) -> bool {
        true
    }
}

/// Takes what can be taken while running; the names of that, and of what waits for a restart.
fn take(shared: &Shared, before: &mut Said, config: &Config) -> (Vec<String>, Vec<String>) {
    let said = Said::of(config);
    let changed = |of: fn(&Said) -> &BTreeMap<String, String>| -> Vec<String> {
        let (old, new) = (of(before), of(&said));
        let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
        names.filter(|name| old.get(*name) != new.get(*name)).cloned().collect()
    };
    let (taken, waiting) = (changed(|said| &said.lists), changed(|said| &said.rest));
    // Databases are opened anew: what is in them can't be compared.
    shared.lists.put(config.tables(), config.networks.clone());
    shared.detect.ring();
    // What waits goes on waiting: the next SIGHUP says so again.
    before.lists = said.lists;
    (taken, waiting)
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
            (slack.overlap_s, slack.max_range_s, slack.page_limit, slack.requests_per_minute, slack.timeout_s),
        );
        // Secrets are looked after by whoever uses them.
        let asking = config.asking.as_ref();
        let asking = asking.map(|asking| (&asking.base_url, asking.wait, asking.keep_s, asking.roster_every_s));
        let parts = [
            ("state_dir", format!("{:?}", config.state_dir)),
            ("slack", format!("{slack:?}")),
            ("modules.dir", format!("{:?}", config.modules.dir)),
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
