//! A module's log lines: few, short, unable to repaint a terminal, and never a reason to lose a finding.

use super::{evaluate, misbehave, rows};
use gridwatch_detect::Limits;
use gridwatch_tests::detection::asks;
use std::io::Write;
use std::sync::{Arc, Mutex};

#[test]
fn lines_over_the_limit_are_dropped_and_the_next_call_has_its_own() {
    let limits = Limits { log_lines: 5, ..Limits::default() };
    let lines = logged(&limits, &[("log", 4), ("log", 100), ("log", 1)]);
    let lasts: Vec<&str> = lines.iter().filter_map(|line| line.split("line=").nth(1)).collect();
    assert_eq!(lines.len(), 4 + 5 + 1, "{lines:#?}");
    assert!(lasts[8].contains("line 4") && lasts[9].contains("line 0"), "{lasts:?}");
}

#[test]
fn a_long_line_is_cut() {
    let limits = Limits { log_line_bytes: 99, ..Limits::default() };
    for (chars, kept) in [(49, 49), (50, 49), (100_000, 49)] {
        let lines = logged(&limits, &[("log-long", chars)]);
        assert_eq!(lines[0].matches('é').count(), kept, "two bytes each");
    }
}

/// What a module logged in one call for each misdeed, as a person would see it.
fn logged(limits: &Limits, misdeeds: &[(&str, u64)]) -> Vec<String> {
    let seen = Seen::default();
    let writer = seen.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(move || writer.clone());
    tracing::subscriber::with_default(subscriber.finish(), || {
        let mut module = misbehave(limits);
        for (n, (misdeed, amount)) in misdeeds.iter().enumerate() {
            let evaluation = evaluate(&mut module, &[asks(n as u64, misdeed, *amount)]);
            assert_eq!(rows(&evaluation), [0], "logging changes nothing");
        }
    });
    let text = String::from_utf8(seen.0.lock().expect("no panic").clone()).expect("UTF-8");
    text.lines().filter(|line| line.contains("module log")).map(str::to_owned).collect()
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<u8>>>);

impl Write for Seen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
