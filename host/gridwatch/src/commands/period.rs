//! A stretch of time, as `--from` and `--to` say it.

use super::values;
use crate::config::Since;
use anyhow::Result;
use clap::Args;
use gridwatch_event::time::UnixSeconds;

#[derive(Debug, Args)]
pub struct Period {
    /// Begin here: 2026-01-31T00:00:00Z, seconds since 1970, or a span back from now (24h, 7d).
    #[arg(long, value_name = "TIME", value_parser = values::since)]
    from: Option<Since>,
    /// End here.
    #[arg(long, value_name = "TIME", value_parser = values::since)]
    to: Option<Since>,
}

impl Period {
    /// # Errors
    /// The end is before the beginning.
    pub fn of(&self, now: UnixSeconds) -> Result<(Option<UnixSeconds>, Option<UnixSeconds>)> {
        let time = |since: Option<Since>| since.map(|since| since.from(now));
        let (from, to) = (time(self.from), time(self.to));
        if from.zip(to).is_some_and(|(from, to)| from > to) {
            anyhow::bail!("--to is before --from");
        }
        Ok((from, to))
    }
}
