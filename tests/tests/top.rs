//! `gridwatch top` in a terminal, which `script` of util-linux makes, and where there is none.

use gridwatch_tests::host::{Host, Setup, ended, gridwatch, terminate, until};
use gridwatch_tests::sim::{Slack, entry, now, org_of};
use serde_json::Value;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// A burst of failed sign-ins of one person, judged and delivered.
fn ran() -> (Slack, Host) {
    let failed = |n| {
        let json = entry(&format!("Lfailed-{n}"), now() - 600).json.replace("user_login", "user_login_failed");
        gridwatch_stories::SimEntry::from_wire(&json).expect("an entry")
    };
    let slack = Slack::start(org_of((0..12).map(failed).collect()));
    let mut setup = Setup::new(&slack.base_url(), now() - 3_600);
    setup.slack = "settle = \"5s\"\ninterval = \"1s\"\n".into();
    let host = Host::new(&setup);
    host.run_once_well();
    (slack, host)
}

fn top(host: &Host) -> Command {
    let mut command = gridwatch();
    command.args(["top", "--config"]).arg(host.path("gridwatch.toml"));
    command
}

/// The program in a terminal of 80 columns and 24 lines, and what that shows.
struct Terminal {
    process: Child,
    shown: Arc<Mutex<vt100::Parser>>,
}

impl Terminal {
    fn start(command: &Command) -> Self {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words: Vec<String> = words.map(|word| format!("'{}'", word.to_string_lossy())).collect();
        let line = format!("stty rows 24 cols 80 && exec {}", words.join(" "));
        let mut process = Command::new("script")
            .args(["-q", "-e", "-f", "-c", &line, "/dev/null"])
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`script`, of util-linux");
        let shown = Arc::new(Mutex::new(vt100::Parser::default()));
        let (screen, mut out) = (shown.clone(), process.stdout.take().expect("a pipe"));
        std::thread::spawn(move || {
            let mut some = [0; 4_096];
            while let Ok(n @ 1..) = out.read(&mut some) {
                screen.lock().expect("nobody panics").process(&some[..n]);
            }
        });
        Self { process, shown }
    }

    fn shows(&self) -> String {
        self.shown.lock().expect("nobody panics").screen().contents()
    }

    fn press(&mut self, keys: &str) {
        let stdin = self.process.stdin.as_mut().expect("a pipe");
        stdin.write_all(keys.as_bytes()).and_then(|()| stdin.flush()).expect("it reads");
    }

    fn until(&self, what: &str) {
        until(&format!("{what}, in\n{}", self.shows()), || self.shows().contains(what));
    }
}

#[test]
fn an_alert_is_found_read_and_closed_by_keys_alone() {
    let (_slack, host) = ran();
    let running = host.start(&[]);
    host.until_running(&running);
    let mut terminal = Terminal::start(&top(&host));
    terminal.until("Open alerts of 7 days: 1 ");
    terminal.until("alerts: ");
    assert!(terminal.shows().contains("running, up"), "{}", terminal.shows());
    terminal.press("\r");
    terminal.until("Verify");
    terminal.press("c");
    terminal.until("(t)rue, (f)alse or (e)xpected?");
    terminal.press("f");
    terminal.until("what is there to say?");
    terminal.press("a test\r");
    terminal.until("closed as false by");
    let listed =
        ended(gridwatch().args(["alerts", "list", "--closed", "--json", "--state-dir"]).arg(host.path("state")));
    let alert: Value = serde_json::from_slice(&listed.stdout).expect("one alert");
    assert_eq!(alert["handling"]["acts"][0]["text"], "a test");
    terminal.press("\u{1b}");
    terminal.until("Open alerts of 7 days: none");
    terminal.press("q");
    let ended = terminal.process.wait().expect("it ends");
    assert!(ended.success(), "{ended}");
    terminate(running);
}

#[test]
fn without_a_terminal_there_is_one_look_and_a_word_about_it() {
    let (_slack, host) = ran();
    let output = ended(top(&host).stdin(Stdio::null()));
    let (text, hint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{hint}");
    assert!(
        text.starts_with(" BLIND ") && text.contains("stopped") && text.contains("Open alerts of 7 days: 1 "),
        "{text}"
    );
    assert!(!text.contains('\u{1b}') && hint.contains("there is no terminal"), "{text}{hint}");
}
