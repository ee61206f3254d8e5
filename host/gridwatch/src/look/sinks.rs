//! How long there is room for what sinks have not taken. Nothing is dropped: without room polling pauses.

use crate::config::Config;
use crate::disk;
use crate::telemetry::health::span;
use crate::telemetry::status::Status;
use gridwatch_event::time::UnixMillis;
use std::path::Path;

/// Of a shorter wait nothing can be said.
const LEAST_MS: u64 = 60_000;

#[derive(Clone, Copy, Debug, Default)]
pub struct Room {
    pub free: Option<u64>,
    /// Less than this, and polling pauses; more than that waits for sinks, and it does too.
    pub min_free: Option<u64>,
    pub outbox_max: Option<u64>,
}

impl Room {
    /// Without a configuration nobody knows the bounds.
    pub fn of(state_dir: &Path, config: Option<&Config>) -> Self {
        Self {
            free: disk::free_bytes(state_dir).ok(),
            min_free: config.map(|config| config.store.min_free_bytes),
            outbox_max: config.map(|config| config.store.outbox_max_bytes),
        }
    }

    pub fn is_enough(self) -> bool {
        self.free.zip(self.min_free).is_none_or(|(free, least)| free >= least)
    }

    /// Seconds until polling pauses, if what waits goes on growing as it has since the first sink fell behind. `None` while none is behind, or what
    /// is needed isn't known.
    pub fn lasts_s(self, status: &Status, at: UnixMillis) -> Option<u64> {
        let since = status.sinks.values().filter(|sink| sink.behind > 0).filter_map(|sink| sink.behind_since).min()?;
        let (waits, elapsed_ms) = (status.backlog.bytes, at.since(since));
        if waits == 0 || elapsed_ms < LEAST_MS {
            return None;
        }
        let in_outbox = self.outbox_max?.saturating_sub(waits);
        let on_disk = self.free.zip(self.min_free).map(|(free, least)| free.saturating_sub(least));
        let room = on_disk.map_or(in_outbox, |on_disk| on_disk.min(in_outbox));
        u64::try_from(u128::from(room) * u128::from(elapsed_ms) / u128::from(waits) / 1_000).ok()
    }

    /// The same in words.
    pub fn lasts(self, status: &Status, at: UnixMillis) -> Option<String> {
        let left_s = self.lasts_s(status, at)?;
        Some(format!(
            "about {}, if what waits for sinks goes on growing as it has since the first fell behind",
            span(left_s)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::status::SinkStatus;

    #[test]
    fn the_room_lasts_as_long_as_what_waits_grows_as_before() {
        let at = UnixMillis(1_800_000_000_000);
        let behind =
            |behind, ms| SinkStatus { behind, behind_since: Some(UnixMillis(at.0 - ms)), ..SinkStatus::default() };
        let mut status = Status::default();
        let room = Room { free: Some(10_000), min_free: Some(1_000), outbox_max: Some(5_000) };
        status.backlog.bytes = 1_000;
        assert_eq!(room.lasts_s(&status, at), None, "nobody is behind");
        status.sinks.insert("siem".into(), behind(3, 100_000));
        status.sinks.insert("pager".into(), behind(0, 900_000));
        assert_eq!(room.lasts_s(&status, at), Some(400), "4,000 bytes at 10 a second");
        let full = Room { free: Some(2_000), ..room };
        assert_eq!(full.lasts_s(&status, at), Some(100), "the disk is full before");
        assert_eq!(Room { free: Some(5), ..room }.lasts_s(&status, at), Some(0));
        assert_eq!(Room { outbox_max: None, ..room }.lasts_s(&status, at), None);
        status.sinks.insert("siem".into(), behind(3, 10_000));
        assert_eq!(room.lasts_s(&status, at), None, "it is too soon to say");
    }
}
