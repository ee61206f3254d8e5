//! A replay by those who judged live: each event by the version of each module, with the settings, that served when it came.
//!
//! Who that was says the state folder's `judged-by.ndjson`; the files of versions that don't serve any more are kept beside it, and so are
//! lookup tables, tables of networks and exceptions as they were in force. Databases of networks, grants and what needs a restart to change
//! (`[detect]`, `[enrich.own]` aside) are those of now.

use crate::context::kept::Kept;
use crate::modules::Wanted;
use crate::modules::contents::Contents;
use crate::modules::start::Loader;
use crate::store::judges::{Judge, JudgedBy};
use anyhow::{Context, Result};
use gridwatch_detect::{Detected, Detector, Module};
use gridwatch_event::event::Event;
use gridwatch_manifest::Manifest;
use gridwatch_rules::exception::{self, Exceptions, Known};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

pub struct AsJudged {
    contents: Contents,
    kept: Kept,
    rows: Vec<JudgedBy>,
}

/// One run over them.
pub struct Line<'w> {
    of: &'w AsJudged,
    wanted: &'w Wanted,
    loader: Loader,
    rows: VecDeque<&'w JudgedBy>,
    serving: BTreeMap<String, Judge>,
    manifests: BTreeMap<String, Arc<Manifest>>,
    lists: Option<String>,
    exceptions: Option<String>,
}

impl AsJudged {
    /// # Errors
    /// It isn't known who judged.
    pub fn of(state_dir: &Path, org_dir: &Path) -> Result<Self> {
        let rows = JudgedBy::read(&JudgedBy::mirror(org_dir)).context("it isn't known who judged")?;
        Ok(Self { contents: Contents::of(state_dir), kept: Kept::of(state_dir), rows })
    }

    /// # Errors
    /// There can be no engine.
    pub fn line<'w>(&'w self, wanted: &'w Wanted) -> Result<Line<'w>> {
        let (loader, rows) = (Loader::of(wanted)?, self.rows.iter().collect());
        let (serving, manifests, lists, exceptions) = Default::default();
        Ok(Line { of: self, wanted, loader, rows, serving, manifests, lists, exceptions })
    }
}

impl Line<'_> {
    /// Judges a batch, whoever comes and goes in the middle of it.
    ///
    /// # Errors
    /// The file of a version isn't there any more.
    pub fn judge(&mut self, detector: &mut Detector, events: &[Event]) -> Result<Vec<Detected>> {
        let (mut done, mut rest) = (Vec::new(), events);
        while let Some(first) = rest.first() {
            while let Some(row) = self.rows.front().copied()
                && (row.from_seq <= first.seq || self.serving.is_empty())
            {
                self.rows.pop_front();
                self.change(detector, row, first.seq)?;
            }
            let until = self.rows.front().map_or(u64::MAX, |row| row.from_seq);
            let (part, later) = rest.split_at(rest.partition_point(|event| event.seq < until).max(1));
            done.push(detector.detect(part));
            rest = later;
        }
        Ok(done)
    }

    fn change(&mut self, detector: &mut Detector, row: &JudgedBy, from: u64) -> Result<()> {
        detector.pipeline().set_shadow(row.judges.shadow.clone());
        let gone = self.serving.keys().filter(|name| !row.judges.modules.contains_key(*name));
        gone.for_each(|name| detector.retire(name));
        for (name, judge) in &row.judges.modules {
            if self.serving.get(name) != Some(judge) {
                let module = self.load(name, judge)?;
                self.manifests.insert(name.clone(), module.manifest.clone());
                detector.take_over(module, from);
                detector.confirm(name);
            }
        }
        self.serving.clone_from(&row.judges.modules);
        self.manifests.retain(|name, _| row.judges.modules.contains_key(name));
        self.lists(detector, row)?;
        self.except(detector, row)
    }

    /// Lists as they were. Of rows of an older gridwatch nothing is known: those of now stay.
    fn lists(&mut self, detector: &mut Detector, row: &JudgedBy) -> Result<()> {
        let Some(digest) = row.judges.lists.as_ref().filter(|digest| self.lists.as_ref() != Some(*digest)) else {
            return Ok(());
        };
        let (tables, networks) = self.of.kept.lists(digest, &self.wanted.networks)?;
        // Modules hold clones of these.
        self.loader.tables.replace(&tables);
        detector.pipeline().set_networks(networks);
        self.lists = Some(digest.clone());
        Ok(())
    }

    /// Exceptions as they were, read as of then.
    fn except(&mut self, detector: &mut Detector, row: &JudgedBy) -> Result<()> {
        // Whose lists are known, of those it is known that there were none.
        if row.judges.lists.is_none() || self.exceptions == row.judges.exceptions && self.exceptions.is_some() {
            return Ok(());
        }
        let exceptions = match &row.judges.exceptions {
            None => Exceptions::default(),
            Some(digest) => {
                let text = String::from_utf8(self.of.kept.get(digest)?).context("kept exceptions are no text")?;
                let manifests = self.manifests.values().map(|manifest| &**manifest);
                let known = Known::of(manifests, !self.wanted.networks.is_empty());
                let parsed = exception::parse(&text, &known, row.at.seconds());
                parsed.map_err(|problems| {
                    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
                    anyhow::anyhow!("the exceptions of then can't be read: {}", problems.join("; "))
                })?
            }
        };
        detector.pipeline().except(Arc::new(exceptions));
        self.exceptions.clone_from(&row.judges.exceptions);
        Ok(())
    }

    fn load(&self, name: &str, judge: &Judge) -> Result<Module> {
        let named = || format!("{name}@{} ({})", judge.version, judge.digest.get(..12).unwrap_or_default());
        let kept =
            self.wanted.kept(&self.of.contents, &judge.digest).map_err(anyhow::Error::msg).with_context(named)?;
        let mut wanted = self.wanted.clone();
        let settings = judge.settings.as_object().cloned().unwrap_or_default();
        wanted.settings.insert(name.to_owned(), settings);
        self.loader.load(&wanted, &kept, name).map_err(|why| anyhow::anyhow!(why.join("; "))).with_context(named)
    }
}
