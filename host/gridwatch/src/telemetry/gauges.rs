//! Gauges: what of the status is worth a number of its own, as Prometheus reads it. They are made when somebody asks.
//!
//! Times are times, not ages: `time() - x` goes on growing when nobody is there to count. Labels are names of the configuration and
//! fixed words; nothing is about people.

use super::metrics::Metrics;
use super::status::{Phase, Status};
use gridwatch_event::time::UnixMillis;
use std::collections::BTreeSet;
use std::fmt::Write;

/// All metrics in the text format of OpenMetrics.
pub fn openmetrics(status: &Status, metrics: &Metrics) -> String {
    let counted = metrics.text().unwrap_or_default();
    let counted = counted.strip_suffix("# EOF\n").unwrap_or(&counted);
    format!("{counted}{}# EOF\n", gauges(status))
}

/// The same in Prometheus's own text format, in which a counter's name ends as its samples do.
pub fn plain(status: &Status, metrics: &Metrics) -> String {
    let text = openmetrics(status, metrics);
    let counter = |line: &str| line.strip_prefix("# TYPE ")?.strip_suffix(" counter").map(str::to_owned);
    let counters: BTreeSet<String> = text.lines().filter_map(counter).collect();
    let mut plain = String::with_capacity(text.len() + 1_024);
    for line in text.lines().filter(|line| *line != "# EOF" && !line.starts_with("# UNIT ")) {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(kind), Some(name), rest) if counters.contains(name) => {
                let _ = writeln!(plain, "# {kind} {name}_total {}", rest.unwrap_or_default());
            }
            _ => {
                plain.push_str(line);
                plain.push('\n');
            }
        }
    }
    plain
}

/// One family with its samples.
struct Family<'t> {
    text: &'t mut String,
    name: &'static str,
}

fn family<'t>(text: &'t mut String, name: &'static str, help: &str) -> Family<'t> {
    let _ = writeln!(text, "# HELP gridwatch_{name} {help}.\n# TYPE gridwatch_{name} gauge");
    Family { text, name }
}

impl Family<'_> {
    fn put(&mut self, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let label = |(name, value): &(&str, &str)| format!("{name}=\"{}\"", escaped(value));
        let labels: Vec<String> = labels.iter().map(label).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.text, "gridwatch_{}{labels} {value}", self.name);
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Seconds, with their thousandths.
fn seconds(at: UnixMillis) -> f64 {
    at.0 as f64 / 1_000.0
}

fn gauges(status: &Status) -> String {
    let mut text = String::new();
    let mut info = family(&mut text, "build_info", "The gridwatch that runs");
    info.put(&[("version", &status.version)], 1);
    family(&mut text, "start_timestamp_seconds", "When this process began").put(&[], seconds(status.started));
    let mut phase = family(&mut text, "phase", "What it is at: 1 for one of starting, running, draining, ended");
    for (name, is) in [
        ("starting", Phase::Starting),
        ("running", Phase::Running),
        ("draining", Phase::Draining),
        ("ended", Phase::Ended),
    ] {
        phase.put(&[("phase", name)], u8::from(status.phase == is));
    }
    let mut stage = family(&mut text, "stage_last_progress_timestamp_seconds", "When a stage was last heard of");
    status.stages.iter().for_each(|(name, of)| stage.put(&[("stage", name)], seconds(of.heard)));
    let mut stage = family(&mut text, "stage_due_timestamp_seconds", "When a stage is stuck unless it was heard of");
    status.stages.iter().for_each(|(name, of)| stage.put(&[("stage", name)], seconds(of.due)));
    let mut trouble = family(&mut text, "trouble", "Alerts about gridwatch itself that are told and not over");
    let rules: BTreeSet<&str> = status.troubles.iter().map(|trouble| trouble.rule.as_str()).collect();
    for rule in rules {
        let count = status.troubles.iter().filter(|trouble| trouble.rule == rule).count();
        trouble.put(&[("rule", rule)], count);
    }
    let mut beat = family(&mut text, "heartbeat_number", "Number of the last heartbeat");
    status.heartbeat.iter().for_each(|heartbeat| beat.put(&[], heartbeat.number));
    of_orgs(&mut text, status);
    of_sinks(&mut text, status);
    text
}

fn of_orgs(text: &mut String, status: &Status) {
    let orgs: Vec<(String, _)> = status.orgs.iter().map(|(org, of)| (org.to_string(), of)).collect();
    let mut last = family(text, "poll_last_success_timestamp_seconds", "When the last page of the audit log came");
    for (org, of) in &orgs {
        of.poll.last_success.iter().for_each(|at| last.put(&[("org", org)], seconds(*at)));
    }
    let mut paused = family(text, "poll_paused", "Does polling stand still until somebody does something?");
    orgs.iter().for_each(|(org, of)| paused.put(&[("org", org)], u8::from(of.poll.paused.is_some())));
    let mut problem = family(text, "poll_problem", "What is wrong with Slack's answers now");
    for (org, of) in &orgs {
        of.poll.problems.iter().for_each(|(label, _)| problem.put(&[("org", org), ("problem", label)], 1));
    }
    let mut clock = family(text, "clock_ahead_seconds", "How far this host's clock is ahead of Slack's");
    for (org, of) in &orgs {
        of.poll.clock_ahead_s.iter().for_each(|ahead| clock.put(&[("org", org)], ahead));
    }
    let mut settle = family(text, "poll_settle_seconds", "How long entries may take before their time is read");
    orgs.iter().for_each(|(org, of)| settle.put(&[("org", org)], of.poll.settle_s));
    let mut expires = family(text, "token_expires_timestamp_seconds", "When the token expires, if it does");
    for (org, of) in &orgs {
        let at = of.poll.token.as_ref().and_then(|token| token.expires);
        at.iter().for_each(|at| expires.put(&[("org", org)], at.0));
    }
    let mut refused = family(text, "token_exchange_failing", "Does exchanging the token fail?");
    for (org, of) in &orgs {
        let fails = of.poll.token.as_ref().map(|token| token.refused.is_some());
        fails.iter().for_each(|fails| refused.put(&[("org", org)], u8::from(*fails)));
    }
    let mut aside = family(text, "module_set_aside", "Is a module set aside, so that its rules watch nothing?");
    for (org, of) in &orgs {
        for module in &of.modules {
            aside.put(&[("org", org), ("module", &module.name)], u8::from(module.set_aside.is_some()));
        }
    }
    let mut faults = family(text, "module_faults", "Events that a module could not judge since the start");
    for (org, of) in &orgs {
        of.modules.iter().for_each(|module| faults.put(&[("org", org), ("module", &module.name)], module.faults));
    }
}

fn of_sinks(text: &mut String, status: &Status) {
    let mut failing = family(text, "sink_failing", "Does a sink fail now?");
    status.sinks.iter().for_each(|(name, sink)| failing.put(&[("sink", name)], u8::from(sink.error.is_some())));
    let mut since = family(text, "sink_behind_since_timestamp_seconds", "Since when a sink has records waiting");
    for (name, sink) in &status.sinks {
        sink.behind_since.iter().for_each(|at| since.put(&[("sink", name)], seconds(*at)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::status::OrgStatus;
    use gridwatch_event::org::OrgId;

    #[test]
    fn both_formats_have_all_families_and_end_as_they_should() {
        let mut status = Status { version: "1.0\"\n".into(), ..Status::default() };
        let org = OrgStatus::default();
        status.orgs.insert(OrgId::named("acme").unwrap(), org);
        let metrics = Metrics::default();
        metrics.poll(&OrgId::named("acme").unwrap()).pages.inc();
        let open = openmetrics(&status, &metrics);
        assert!(open.ends_with("# EOF\n") && open.matches("# EOF").count() == 1);
        assert!(open.contains("# TYPE gridwatch_poll_pages counter\n"));
        assert!(open.contains("gridwatch_build_info{version=\"1.0\\\"\\n\"} 1\n"), "{open}");
        let plain = plain(&status, &metrics);
        assert!(plain.contains("# TYPE gridwatch_poll_pages_total counter\n"), "{plain}");
        assert!(plain.contains("gridwatch_poll_pages_total{org=\"acme\"} 1\n") && !plain.contains("# EOF"));
        for line in plain.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with("gridwatch_") && value.parse::<f64>().is_ok(), "{line}");
        }
    }
}
