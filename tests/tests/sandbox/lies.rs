//! What a module says is checked: what can't be true becomes a fault and no alert, what is too much is cut.

use super::{evaluate, misbehave, rows};
use gridwatch_detect::Limits;
use gridwatch_event::event::Event;
use gridwatch_manifest::Severity;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::finding::{MAX_KEY, MAX_LABEL, MAX_LABELS, MAX_TITLE};
use gridwatch_rules::pipeline::Concluded;
use gridwatch_tests::detection::{Detection, asks, event, plain};
use serde_json::json;

fn concluded(events: &[Event]) -> Concluded {
    Detection::start(vec![misbehave(&Limits::default())], 1).run(events).0
}

fn only_alert(misdeed: &str, amount: u64) -> Alert {
    let concluded = concluded(&[asks(1, misdeed, amount)]);
    assert_eq!(concluded.faults, [], "{misdeed}");
    let [alert] = <[Alert; 1]>::try_from(concluded.alerts).expect("one alert");
    alert
}

#[test]
fn a_lie_is_a_fault_and_no_alert() {
    let lies = [
        ("lie-row", 1, "names row 2 of a batch of 2"),
        ("lie-row", u64::from(u32::MAX) - 1, "names row 4294967295 of a batch of 2"),
        ("lie-rule", 0, "names rule 2 of 2"),
        ("lie-evidence", 3, "cites event 3, which is not in its batch"),
        ("lie-evidence", 0, "cites event 0, which is not in its batch"),
        ("lie-window", 0, "cites window 1 of 1"),
        ("lie-action", 0, "fires rule `elsewhere` on an action it did not subscribe to"),
    ];
    for (misdeed, amount, reason) in lies {
        let concluded = concluded(&[plain(1), asks(2, misdeed, amount)]);
        let alerts: Vec<&str> = concluded.alerts.iter().map(|alert| &*alert.dedup_key).collect();
        assert_eq!(alerts, ["W1"], "{misdeed}: the honest finding stays, the lie is gone");
        let faults: Vec<&str> = concluded.faults.iter().map(|fault| &*fault.reason).collect();
        assert_eq!(faults, [reason], "{misdeed}");
    }
}

/// The row sees the batch of its own call; what it did not get it can't name.
#[test]
fn a_half_can_name_no_row_of_the_other_half() {
    let mut module = misbehave(&Limits::default());
    let evaluation = evaluate(&mut module, &[plain(1), asks(2, "lie-row", 1), plain(3), asks(4, "panic", 0)]);
    assert_eq!(rows(&evaluation), [0, 4, 2], "4 is no row of a batch of 4, so the lie is seen as one");
}

#[test]
fn severity_is_capped_at_the_manifest() {
    assert_eq!(only_alert("lie-severity", 0).severity, Severity::Medium);
    let high = concluded(&[event(1, "user_logout", "W1", json!({ "misdeed": "lie-action" }))]);
    assert_eq!(high.alerts[0].severity, Severity::Low, "of its own rule, not of the module's highest");
}

#[test]
fn texts_are_cut_and_cannot_repaint_a_terminal() {
    let alert = only_alert("long-texts", 50_000);
    let texts = [(&alert.title, MAX_TITLE), (&alert.dedup_key, MAX_KEY)];
    let labels = alert.labels.iter().flat_map(|(key, value)| [(key, MAX_LABEL), (value, MAX_LABEL)]);
    for (text, max) in texts.into_iter().chain(labels) {
        assert_eq!(text.chars().count(), max);
        assert!(!text.contains(|c: char| c.is_control() || c == '\u{202e}'), "{text:?}");
    }
}

#[test]
fn labels_and_evidence_are_cut_to_their_number() {
    assert_eq!(only_alert("many-labels", 10_000).labels.len(), MAX_LABELS);
    assert_eq!(only_alert("much-evidence", 100_000).evidence_total, 1, "cited a hundred thousand times");
}
