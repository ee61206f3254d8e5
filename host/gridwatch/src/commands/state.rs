//! Which gridwatch a command is about: the one of a configuration, or of a state folder.

use crate::config::Homes;
use anyhow::Result;
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct State {
    /// The configuration that gridwatch runs with.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Its state folder, if there is no configuration at hand.
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

impl State {
    /// # Errors
    ///
    /// When the configuration can't be read.
    pub fn homes(&self) -> Result<Homes> {
        match (&self.config, &self.state_dir) {
            (Some(config), _) => Ok(Homes::read(config)?),
            (None, Some(dir)) => Ok(Homes::of_state_dir(dir)),
            (None, None) => anyhow::bail!("--config or --state-dir is needed"),
        }
    }

    /// `None`: there is only a state folder.
    pub fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// # Errors
    ///
    /// As [`State::homes`].
    pub fn dir(&self) -> Result<PathBuf> {
        Ok(self.homes()?.state_dir)
    }
}
