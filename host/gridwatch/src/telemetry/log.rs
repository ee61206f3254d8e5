//! The log on standard error: text or JSON, and a level that can be changed while it runs.

use crate::config::LogFormat;
use anyhow::{Context, Result};
use std::sync::Arc;

/// Takes the level that the configuration names; false if it stays, because the command line said otherwise.
#[derive(Clone)]
pub struct Relevel(Arc<dyn Fn(tracing::Level) -> bool + Send + Sync>);

impl Relevel {
    /// The level stays as it is.
    pub fn never() -> Self {
        Self(Arc::new(|_| false))
    }

    pub fn to(&self, level: tracing::Level) -> bool {
        (self.0)(level)
    }
}

impl std::fmt::Debug for Relevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Relevel")
    }
}

/// Starts the log of a command that ends by itself.
///
/// # Errors
///
/// When the filter is none.
pub fn start(filter: &str) -> Result<()> {
    start_as(LogFormat::Text, filter).map(|_| ())
}

/// Starts the log; the answer sets another level later.
///
/// # Errors
///
/// When the filter is none.
pub fn start_as(format: LogFormat, filter: &str) -> Result<Relevel> {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::builder()
        .parse(filter)
        .with_context(|| format!("`{filter}` is not a log filter; try info, or gridwatch=debug"))?;
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // A line that can't be written, as on a full disk, is lost. To say so on standard error would be a panic.
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(terminal).log_internal_errors(false);
    let at = |level: tracing::Level| EnvFilter::new(level.as_str());
    // The filter last: what is set after it would make it one that can't be changed.
    Ok(match format {
        LogFormat::Text => {
            let log = log.with_env_filter(filter).with_filter_reloading();
            let handle = log.reload_handle();
            log.init();
            Relevel(Arc::new(move |level| handle.reload(at(level)).is_ok()))
        }
        LogFormat::Json => {
            let log = log.json().with_env_filter(filter).with_filter_reloading();
            let handle = log.reload_handle();
            log.init();
            Relevel(Arc::new(move |level| handle.reload(at(level)).is_ok()))
        }
    })
}
