//! Screens as a person would see them, drawn by ratatui's own test terminal.

use super::*;
use crate::look::now::Open;
use crate::telemetry::health::{Health, Lock};
use crate::telemetry::status::{ModuleStatus, Phase, SinkStatus, Status};
use gridwatch_event::org::OrgId;
use gridwatch_rules::builtin;
use gridwatch_rules::handling::Act;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

const AT: UnixMillis = UnixMillis(1_790_000_000_000);

fn alert(n: u64, severity: Severity) -> Alert {
    let mut alert = builtin::records_refused("siem", n, n, ("id", "reason"), "file", AT);
    (alert.uid, alert.title, alert.severity) = (format!("gw-{n:032x}"), format!("Alert number {n} of many"), severity);
    alert
}

fn now(alerts: Vec<Alert>, change: impl FnOnce(&mut Status)) -> Now {
    let mut status =
        Status { phase: Phase::Running, written: AT, started: AT, version: "1".into(), ..Status::default() };
    let org = status.org_mut(&OrgId::default());
    (org.poll.watermark, org.poll.last_success) = (Some(AT.seconds().minus(10)), Some(AT));
    org.modules = vec![ModuleStatus { name: "files".into(), ..Default::default() }; 3];
    status.sinks.insert("siem".into(), SinkStatus { delivered: 12, ..Default::default() });
    change(&mut status);
    let health = Health::of(Some(&status), Lock::Held, AT);
    let count = |severity| (severity, alerts.iter().filter(|alert| alert.severity == severity).count() as u64);
    let counts = Severity::ALL.into_iter().rev().map(count).collect();
    Now { at: AT, status: Some(status), health, open: Open { counts, acknowledged: 0, older: 4, gravest: alerts } }
}

fn some_alerts() -> Vec<Alert> {
    (1..60).map(|n| alert(n, if n < 4 { Severity::Critical } else { Severity::Medium })).collect()
}

fn screen(top: &mut Top, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| top.draw(frame.area(), frame.buffer_mut())).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..height).map(|y| line(y).trim_end().to_owned() + "\n").collect()
}

fn press(top: &mut Top, keys: &[Key]) -> Option<Wish> {
    keys.iter().filter_map(|key| top.press(*key)).last()
}

fn typed(text: &str) -> Vec<Key> {
    text.chars().map(Key::Char).collect()
}

#[test]
fn the_first_screen_says_what_is_seen_open_and_told() {
    let mut top = Top::new(now(some_alerts(), |_| {}));
    let seen = screen(&mut top, 80, 24);
    for part in [
        " WATCHING   running, up",
        "read up to 10 seconds ago",
        "Open alerts of 7 days: 3 Critical, 56 Medium; 4 older",
        "> CRITICAL",
        "Alert number 1 of many",
        "siem: 12 delivered, nothing waits",
        "Modules: 3 serve",
        "q leave",
    ] {
        assert!(seen.contains(part), "`{part}` is missing in:\n{seen}");
    }
    assert_eq!(seen.lines().count(), 24);
    assert!(seen.matches("Alert number").count() > 8, "the rest of the screen is theirs:\n{seen}");
}

#[test]
fn who_is_blind_reads_why_first() {
    let paused = |status: &mut Status| {
        status.org_mut(&OrgId::default()).poll.paused = Some("disk: nothing is free".into());
        for n in 0..9 {
            let sink = SinkStatus { behind: n, error: (n == 5).then(|| "refused".into()), ..Default::default() };
            status.sinks.insert(format!("sink-{n}"), sink);
        }
    };
    let seen = screen(&mut Top::new(now(some_alerts(), paused)), 80, 24);
    let lines: Vec<&str> = seen.lines().collect();
    assert!(lines[0].starts_with(" BLIND ") && lines[0].contains("nothing is sure since"), "{seen}");
    assert!(lines[1].contains("needs: polling is paused: disk: nothing is free"), "{seen}");
    assert!(
        seen.contains("  sink-5: 0 delivered, 5 records behind; failing: refused"),
        "the failing one first:\n{seen}"
    );
    assert!(seen.contains("… and 7 more: see `gridwatch status`") && seen.contains("Alert number 1 "), "{seen}");
    let nobody = Now { status: None, health: Health::of(None, Lock::Free, AT), ..now(Vec::new(), |_| {}) };
    let seen = screen(&mut Top::new(nobody), 80, 24);
    assert!(seen.contains("BLIND") && seen.contains("gridwatch has not run on this state folder"), "{seen}");
    assert!(screen(&mut Top::new(now(Vec::new(), |_| {})), 30, 8).contains("at least 40 columns"));
}

#[test]
fn keys_lead_into_an_alert_and_back() {
    let mut top = Top::new(now(some_alerts(), |_| {}));
    press(&mut top, &[Key::Down, Key::Down, Key::Down, Key::Up]);
    assert!(screen(&mut top, 80, 24).contains("> CRITICAL 0 seconds       Alert number 3"));
    press(&mut top, &[Key::Char('\n')]);
    let seen = screen(&mut top, 80, 24);
    assert!(seen.starts_with("CRITICAL  Alert number 3 of many"), "{seen}");
    assert!(seen.contains("why critical") || seen.contains("who"), "{seen}");
    press(&mut top, &[Key::PageDown; 50]);
    let end = screen(&mut top, 80, 24);
    assert!(end.contains("Recently, by the same actor") && !end.contains("CRITICAL  Alert"), "{end}");
    press(&mut top, &[Key::Esc]);
    let list = screen(&mut top, 80, 24);
    assert!(list.starts_with("Open alerts") && list.matches("Alert number").count() == 21, "{list}");
    press(&mut top, &[Key::PageDown; 9]);
    assert!(screen(&mut top, 80, 24).contains("> MEDIUM   0 seconds       Alert number 59"));
    press(&mut top, &[Key::Esc]);
    assert!(screen(&mut top, 80, 24).contains("WATCHING"));
    assert_eq!(press(&mut top, &[Key::Char('q')]), Some(Wish::Leave));
}

#[test]
fn an_act_is_asked_for_told_and_can_be_left() {
    let mut top = Top::new(now(some_alerts(), |_| {}));
    let uid = |n| alert(n, Severity::Low).uid;
    let acked = Wish::Act { alert: uid(1), what: What::Acknowledge, text: String::new() };
    assert_eq!(press(&mut top, &[Key::Char('a')]), Some(acked));
    press(&mut top, &[Key::Down, Key::Char('c')]);
    assert!(screen(&mut top, 80, 24).contains("close as: (t)rue, (f)alse or (e)xpected?"));
    let keys = [typed("xe"), typed("auditq"), vec![Key::Backspace, Key::Char('\n')]].concat();
    let closed = Wish::Act { alert: uid(2), what: What::Close(Reason::Expected), text: "audit".into() };
    assert_eq!(press(&mut top, &keys), Some(closed), "letters are no keys while a text is typed");
    assert_eq!(press(&mut top, &[typed("nq"), vec![Key::Esc, Key::Up]].concat()), None);
    press(&mut top, &[Key::Char('\n')]);
    let act = Act::new(AT, "anna", What::Close(Reason::False), "no \u{202e}such thing").unwrap();
    top.tell(Ok(alert(1, Severity::Critical).acted(act).unwrap()));
    let seen = screen(&mut top, 80, 24);
    assert!(seen.contains("closed as false by anna") && seen.contains("status         closed as false"), "{seen}");
    // It is no longer open, and the next one takes its place.
    top.renew(now(some_alerts().split_off(1), |_| {}));
    press(&mut top, &[Key::Esc]);
    assert!(screen(&mut top, 80, 24).contains("> CRITICAL 0 seconds       Alert number 2"));
    top.tell(Err(anyhow::anyhow!("no gridwatch")));
    assert!(screen(&mut top, 80, 24).contains("not done: no gridwatch"));
}

#[test]
fn what_others_wrote_repaints_and_hides_nothing() {
    let hostile = "a\u{1b}[2J\u{202e}gnp.exe\u{200b}\0\n\t<b>".to_owned() + &"日本".repeat(300);
    let mut alert = alert(1, Severity::High);
    (alert.title, alert.condition) = (hostile.clone(), hostile.clone());
    let named = |status: &mut Status| {
        let poll = &mut status.org_mut(&OrgId::default()).poll;
        poll.problems = vec![("odd".into(), hostile.clone())];
        status.sinks.insert("other".into(), SinkStatus { error: Some(hostile.clone()), ..Default::default() });
    };
    let mut top = Top::new(now(vec![alert], named));
    for keys in [&[][..], &[Key::Char('l')], &[Key::Char('\n')], &[Key::PageDown]] {
        press(&mut top, keys);
        let seen = screen(&mut top, 80, 24);
        let is_odd =
            |letter: char| letter != '\n' && (letter.is_control() || letter == '\u{202e}' || letter == '\u{200b}');
        assert!(!seen.contains(is_odd), "{seen:?}");
    }
    let seen = screen(&mut Top::new(top.now), 80, 24);
    assert!(seen.contains("a⟨U+001B⟩[2J⟨U+202E⟩gnp.exe⟨U+200B⟩⟨U+0000⟩"), "{seen}");
}

#[test]
fn a_long_line_is_wrapped_between_words_and_loses_nothing() {
    let wrapped = wrap("  label    one two three 日本語", 14);
    assert_eq!(wrapped, ["  label    one", "  two three ", "  日本語"]);
    let long = wrap(&"x".repeat(50), 20);
    assert_eq!(long.iter().map(String::len).collect::<Vec<_>>(), [20, 20, 10]);
    assert_eq!(wrap("", 10), [""]);
}

#[test]
fn older_ones_and_more_of_them_are_asked_for() {
    let many = |n: u64| (1..=n).map(|n| alert(n, Severity::Medium)).collect::<Vec<_>>();
    let mut top = Top::new(now(many(200), |_| {}));
    assert_eq!((press(&mut top, &[Key::Char('o')]), top.extent().older), (Some(Wish::Look), true));
    assert!(screen(&mut top, 80, 24).contains("; and 4 older, shown too"));
    assert_eq!((press(&mut top, &[Key::PageDown; 16]), top.extent().most), (None, 200));
    assert_eq!((press(&mut top, &[Key::PageDown]), top.extent().most), (Some(Wish::Look), 400), "near the end");
    top.renew(now(many(230), |_| {}));
    assert_eq!((press(&mut top, &[Key::PageDown; 9]), top.extent().most), (None, 400), "there are no more");
    assert!(screen(&mut top, 80, 24).contains("Alert number 230 of many"));
    assert_eq!((press(&mut top, &[Key::Char('o')]), top.extent().older), (Some(Wish::Look), false));
}
