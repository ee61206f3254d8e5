//! Metrics: every number that gridwatch counts of its own work, typed and named once. The status is made of them, and so is whatever
//! is scraped.
//!
//! Names follow Prometheus: a unit at the end, `_total` (which the encoder adds) for what only grows. Counters begin at 0 with the
//! process, but for those of what a sink has got: these go on where they stood, as the store saves them with the sink's position.

use super::status::{Backlog, Detect, Poll, SinkStatus};
use gridwatch_event::org::OrgId;
use gridwatch_event::time::UnixSeconds;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::hash::Hash;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

type Rate = Gauge<f64, AtomicU64>;

/// Of one organization.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfOrg {
    org: String,
}

/// Of one sink, or of what is kept like one.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfSink {
    sink: String,
}

/// How metrics of one kind are made.
trait Made: Sized {
    fn family<L: Clone + Hash + Eq>() -> Family<L, Self>;
}

impl Made for Counter {
    fn family<L: Clone + Hash + Eq>() -> Family<L, Self> {
        Family::default()
    }
}

impl Made for Gauge {
    fn family<L: Clone + Hash + Eq>() -> Family<L, Self> {
        Family::default()
    }
}

impl Made for Rate {
    fn family<L: Clone + Hash + Eq>() -> Family<L, Self> {
        Family::default()
    }
}

impl Made for Histogram {
    /// Of seconds, from a millisecond to four minutes.
    fn family<L: Clone + Hash + Eq>() -> Family<L, Self> {
        Family::new_with_constructor(|| Self::new(exponential_buckets(0.001, 4.0, 10)))
    }
}

/// Metrics that come once for each value of a label: the families, and the handles of one value, whose clones count together.
macro_rules! families {
    ($families:ident of $label:ident, begin $prefix:literal, are $handles:ident: $($field:ident: $kind:ty = $name:literal, $help:literal;)*) => {
        #[derive(Debug)]
        struct $families {
            $($field: Family<$label, $kind>),*
        }

        #[derive(Clone, Debug)]
        pub struct $handles {
            $(#[doc = $help] pub $field: $kind),*
        }

        impl $families {
            fn register(registry: &mut Registry) -> Self {
                let registry = registry.sub_registry_with_prefix($prefix);
                $(
                    let $field = <$kind as Made>::family();
                    registry.register($name, $help, $field.clone());
                )*
                Self { $($field),* }
            }

            fn of(&self, label: &$label) -> $handles {
                $handles { $($field: self.$field.get_or_create(label).clone()),* }
            }
        }
    };
}

families! {
    PollFamilies of OfOrg, begin "poll", are PollMetrics:
    pages: Counter = "pages", "Pages of the audit log that were read";
    entries: Counter = "entries", "Entries in those pages";
    stored: Counter = "entries_stored", "Entries that were new, or another version of a known one";
    duplicates: Counter = "entries_duplicate", "Entries that were known";
    changed: Counter = "entries_changed", "Entries that were another version of a known one";
    respelled: Counter = "entries_respelled", "Known entries that came in other bytes and say the same";
    adopted: Counter = "entries_adopted", "Known entries of which an older gridwatch knew only the bytes";
    dropped_versions: Counter = "versions_dropped", "Versions of an entry beyond the bound, which are not stored";
    refused_early: Counter = "requests_refused_early", "Requests refused as too many though less than half of what is allowed had been made";
    sampled: Counter = "ranges_sampled", "Old ranges that were read again without being due";
    sampled_late: Counter = "entries_found_late", "Entries that came too late for every re-read that was due";
    request_seconds: Histogram = "request_seconds", "Time from asking for a page to its last byte";
    watermark: Gauge = "watermark_timestamp_seconds", "End of the time that has been read without a gap";
    requests_per_minute: Rate = "requests_per_minute", "Requests that polling allows itself";
}

families! {
    DetectFamilies of OfOrg, begin "detect", are DetectMetrics:
    events: Counter = "events", "Events that the modules have judged";
    alerts: Counter = "alerts", "Alerts and revisions of alerts, without suppressed ones";
    suppressed: Counter = "alerts_suppressed", "Alerts that an exception or a response of ours suppressed";
    batch_seconds: Histogram = "batch_seconds", "Time from taking a batch of entries to saving what came of it";
}

families! {
    SinkFamilies of OfSink, begin "sink", are SinkMetrics:
    delivered: Counter = "records_delivered", "Records that the sink has got, over all restarts";
    refused: Counter = "records_refused", "Records that the sink refused for good, over all restarts";
    removed_unread: Counter = "files_removed_unread", "Files removed before their time";
    failed_attempts: Counter = "attempts_failed", "Attempts that settled nothing";
    attempt_seconds: Histogram = "attempt_seconds", "How long attempts to hand over a batch took";
    behind: Gauge = "records_behind", "Records that the sink has not got yet";
}

/// All metrics of a process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    poll: PollFamilies,
    detect: DetectFamilies,
    sink: SinkFamilies,
    backlog_entries: Gauge,
    backlog_records: Gauge,
    backlog_bytes: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("gridwatch");
        let poll = PollFamilies::register(&mut registry);
        let detect = DetectFamilies::register(&mut registry);
        let sink = SinkFamilies::register(&mut registry);
        let [backlog_entries, backlog_records, backlog_bytes] = [(); 3].map(|()| Gauge::default());
        let backlog = registry.sub_registry_with_prefix("backlog");
        backlog.register("entries", "Entries that no module has seen yet", backlog_entries.clone());
        backlog.register("records", "Records that some sink has not got yet", backlog_records.clone());
        backlog.register("bytes", "What both take in the store", backlog_bytes.clone());
        Self { registry, poll, detect, sink, backlog_entries, backlog_records, backlog_bytes }
    }
}

impl Metrics {
    pub fn poll(&self, org: &OrgId) -> PollMetrics {
        self.poll.of(&OfOrg { org: org.to_string() })
    }

    pub fn detect(&self, org: &OrgId) -> DetectMetrics {
        self.detect.of(&OfOrg { org: org.to_string() })
    }

    pub fn sink(&self, sink: &str) -> SinkMetrics {
        self.sink.of(&OfSink { sink: sink.to_owned() })
    }

    /// Notes what waits in the store.
    pub fn set_backlog(&self, backlog: Backlog) {
        set(&self.backlog_entries, backlog.entries);
        set(&self.backlog_records, backlog.records);
        set(&self.backlog_bytes, backlog.bytes);
    }

    pub fn backlog(&self) -> Backlog {
        let [entries, records, bytes] = [&self.backlog_entries, &self.backlog_records, &self.backlog_bytes].map(get);
        Backlog { entries, records, bytes }
    }

    /// All of them in the text format of OpenMetrics, which Prometheus reads.
    ///
    /// # Errors
    ///
    /// Writing to a text doesn't fail.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl PollMetrics {
    pub fn took(&self, request: Duration) {
        self.request_seconds.observe(request.as_secs_f64());
    }

    pub fn set_watermark(&self, watermark: Option<UnixSeconds>) {
        set(&self.watermark, watermark.map_or(0, |at| at.0));
    }

    /// Puts the numbers into the status.
    pub fn show(&self, poll: &mut Poll) {
        poll.pages = self.pages.get();
        poll.entries = self.entries.get();
        poll.stored = self.stored.get();
        poll.duplicates = self.duplicates.get();
        poll.changed = self.changed.get();
        poll.respelled = self.respelled.get();
        poll.adopted = self.adopted.get();
        poll.dropped_versions = self.dropped_versions.get();
        poll.refused_early = self.refused_early.get();
        poll.sampled = self.sampled.get();
        poll.sampled_late = self.sampled_late.get();
        poll.requests_per_minute = self.requests_per_minute.get();
    }
}

impl DetectMetrics {
    pub fn took(&self, batch: Duration) {
        self.batch_seconds.observe(batch.as_secs_f64());
    }

    /// Puts the numbers into the status.
    pub fn show(&self, detect: &mut Detect) {
        detect.events = self.events.get();
        detect.alerts = self.alerts.get();
        detect.suppressed = self.suppressed.get();
    }
}

impl SinkMetrics {
    pub fn took(&self, attempt: Duration) {
        self.attempt_seconds.observe(attempt.as_secs_f64());
    }

    pub fn set_behind(&self, records: u64) {
        set(&self.behind, records);
    }

    /// Puts the numbers into the status.
    pub fn show(&self, sink: &mut SinkStatus) {
        sink.delivered = self.delivered.get();
        sink.refused = self.refused.get();
        sink.removed_unread = self.removed_unread.get();
        sink.behind = get(&self.behind);
    }
}

fn set(gauge: &Gauge, value: u64) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}

fn get(gauge: &Gauge) -> u64 {
    u64::try_from(gauge.get()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_shown_and_can_be_scraped() {
        let metrics = Metrics::default();
        let acme = OrgId::named("acme").unwrap();
        metrics.poll(&acme).pages.inc();
        metrics.poll(&acme).pages.inc();
        metrics.poll(&OrgId::default()).pages.inc();
        metrics.sink("siem").delivered.inc_by(5);
        metrics.detect(&acme).took(Duration::from_millis(3));
        let mut poll = Poll::default();
        metrics.poll(&acme).show(&mut poll);
        assert_eq!(poll.pages, 2);
        let text = metrics.text().unwrap();
        for line in [
            "gridwatch_poll_pages_total{org=\"acme\"} 2",
            "gridwatch_poll_pages_total{org=\"default\"} 1",
            "gridwatch_sink_records_delivered_total{sink=\"siem\"} 5",
            "gridwatch_detect_batch_seconds_count{org=\"acme\"} 1",
            "gridwatch_backlog_bytes 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} isn't in\n{text}");
        }
    }
}
