//! The page, through the program as it is started: what it shows is what the commands say, and who may not is refused.

use gridwatch_stories::{OrgPlan, generate};
use gridwatch_tests::host::{Host, Setup, ended, gridwatch, kill, our_modules, private, terminate, until};
use gridwatch_tests::receiver::tls::Certificates;
use gridwatch_tests::sim::{Slack, now};
use gridwatch_tests::web::{Answer, ask, free_port};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const VIEWS: [&str; 8] =
    ["/", "/alerts?since=all", "/ingestion", "/modules", "/detections", "/exceptions", "/coverage", "/sinks"];

/// The page of a state folder, until the test ends.
struct Page {
    port: u16,
    child: Option<Child>,
}

impl Page {
    /// `gridwatch web serve`.
    fn serve(host: &Host) -> Self {
        let port = free_port();
        let mut command = gridwatch();
        command.args(["web", "serve", "--listen", &format!("127.0.0.1:{port}"), "--config"]);
        let log = std::fs::File::create(host.path("web-log")).expect("a log");
        let child = command.arg(host.path("gridwatch.toml")).stderr(log).spawn().expect("gridwatch starts");
        let page = Self { port, child: Some(child) };
        until("the page is served", || ask(port, "GET", "/login", &[], "").is_some());
        page
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        ask(self.port, "GET", path, headers, "").expect("an answer")
    }

    fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        ask(self.port, "POST", path, headers, body).expect("an answer")
    }

    /// As somebody who has a token.
    fn with(&self, token: &str, path: &str) -> Answer {
        self.get(path, &[("Authorization", &format!("Bearer {token}"))])
    }

    fn log_in(&self, token: &str, headers: &[(&str, &str)]) -> Answer {
        let own = [&[("Sec-Fetch-Site", "same-origin")], headers].concat();
        self.post("/login", &own, &format!("token={token}&next=%2Falerts"))
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A cookie as a browser sends it back.
fn cookie(answer: &Answer) -> String {
    let set = answer.header("set-cookie").expect("a cookie");
    set.split(';').next().expect("its value").to_owned()
}

/// A host whose page one user with a token may see and act on; nothing runs on it yet.
fn host(slack: &Slack, from: u64, more: &str) -> Host {
    let mut setup = Setup::new(&slack.base_url(), from);
    setup.slack = "settle = \"5s\"\ninterval = \"1s\"\n".into();
    setup.more = format!("[store]\nmin_free = \"16MiB\"\n[web]\n{more}\n{}", user("ann", TOKEN, "act = [\"*\"]"));
    let host = Host::new(&setup);
    token(&host, "ann", TOKEN);
    host
}

fn user(name: &str, _token: &str, may: &str) -> String {
    format!("[[web.user]]\nname = \"{name}\"\ntoken_file = \"web-{name}\"\n{may}\n")
}

fn token(host: &Host, name: &str, token: &str) {
    let path = host.path(&format!("web-{name}"));
    std::fs::write(&path, token).expect("a token");
    private(&path);
}

/// Two days of an org with stories.
fn slack(seed: u64) -> (Slack, u64) {
    let (from, to) = (now() - 2 * 86_400, now() - 120);
    let plan = OrgPlan { seed, users: 40, from, to, entries: Some(800), around_the_clock: true, ..OrgPlan::default() };
    (Slack::start(generate(&plan)), from)
}

fn ran() -> Host {
    let (slack, from) = slack(4);
    let host = host(&slack, from, "");
    host.run_once_well();
    host
}

fn said(host: &Host, args: &[&str]) -> String {
    let output = ended(gridwatch().args(args).arg("--config").arg(host.path("gridwatch.toml")));
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn listed(host: &Host) -> Vec<Value> {
    let text = said(host, &["alerts", "list", "--json", "--limit", "0"]);
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

#[test]
fn the_page_tells_what_the_commands_tell() {
    let host = ran();
    let page = Page::serve(&host);
    for view in VIEWS {
        let answer = page.with(TOKEN, view);
        assert_eq!(answer.status, 200, "{view}: {}", answer.body);
        assert!(answer.body.contains("<main id=\"main\""), "{view}: {}", answer.body);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{view}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{view}");
        assert_eq!(answer.header("cross-origin-opener-policy"), Some("same-origin"), "{view}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{view}");
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{policy}");
    }
    let alerts = listed(&host);
    assert!(alerts.len() > 5, "{}", alerts.len());
    let list = page.with(TOKEN, "/alerts?since=all").body;
    for alert in alerts.iter().rev().take(50) {
        assert!(list.contains(text(alert, "uid")), "{alert} isn't listed");
    }
    assert!(list.contains(&format!("{} alerts", alerts.len())), "their number");
    let grave = alerts
        .iter()
        .max_by_key(|alert| ["low", "medium", "high", "critical"].iter().position(|s| *s == text(alert, "severity")));
    let grave = grave.expect("one");
    let uid = text(grave, "uid");
    let shown = page.with(TOKEN, &format!("/alerts/{uid}"));
    assert_eq!(shown.status, 200);
    for event in grave["evidence"].as_array().expect("evidence") {
        assert!(shown.body.contains(text(event, "action")), "{event}");
    }
    assert!(page.with(TOKEN, &format!("/alerts/{uid}?depth=why")).body.contains("What the rule detects"));
    assert!(page.with(TOKEN, &format!("/alerts/{uid}/plan")).body.contains("gridwatch respond"));
    assert!(page.with(TOKEN, &format!("/alerts/{uid}/entries")).body.contains("date_create"));
    let file = page.with(TOKEN, &format!("/alerts/{uid}/json"));
    assert_eq!(file.header("content-type"), Some("application/json"));
    let whole: Value = serde_json::from_str(&said(&host, &["alerts", "show", uid, "--json"])).expect("JSON");
    assert_eq!(serde_json::from_str::<Value>(&file.body).expect("JSON"), whole);
    let rule = text(grave, "rule");
    let of_rule = alerts.iter().filter(|alert| text(alert, "rule") == rule).count();
    let asked = page.with(TOKEN, &format!("/alerts?since=all&rule={rule}")).body;
    assert_eq!(asked.matches("<td class=\"what\"").count(), of_rule);
    assert!(page.with(TOKEN, &format!("/actor?who={}", text(&grave["actor"], "id"))).body.contains(uid));
    assert!(
        page.with(TOKEN, "/").body.contains("isn't running since") || page.with(TOKEN, "/").body.contains("stopped")
    );
    assert_eq!(page.with(TOKEN, "/alerts/gw-0").status, 404);
    assert_eq!(page.with(TOKEN, "/?org=other").status, 404);
    assert_eq!(page.with(TOKEN, "/elsewhere").status, 404);
}

#[test]
fn who_may_not_look_is_refused() {
    let host = ran();
    let page = Page::serve(&host);
    // Nobody is logged in.
    for view in VIEWS {
        let answer = page.get(view, &[]);
        assert_eq!(answer.status, 303, "{view}");
        assert!(answer.header("location").expect("where to").starts_with("/login"), "{answer:?}");
    }
    let led = page
        .get("/", &[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")]);
    assert!(
        led.status == 200 && led.body.contains("http-equiv=\"refresh\""),
        "a browser sends the cookie when it comes again"
    );
    // A name elsewhere that leads here.
    for host in ["evil.example", "evil.example:9900", "127.0.0.1.evil.example"] {
        let bearer = format!("Bearer {TOKEN}");
        assert_eq!(page.get("/", &[("Host", host), ("Authorization", &bearer)]).status, 421, "{host}");
    }
    // A page elsewhere that has a browser do something here.
    let form = format!("token={TOKEN}");
    for headers in [
        &[][..],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "same-site"), ("Origin", "http://localhost:1")],
        &[("Origin", "http://evil.example")],
        &[("Origin", "null")],
    ] {
        assert_eq!(page.post("/login", headers, &form).status, 403, "{headers:?}");
        assert_eq!(page.post("/modules/act", headers, "org=default&module=ai&act=disable").status, 403, "{headers:?}");
    }
    for mode in ["no-cors", "cors"] {
        assert_eq!(page.get("/files/x", &[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", mode)]).status, 403);
    }
    assert_eq!(ask(page.port, "DELETE", "/", &[], "").expect("an answer").status, 405);
    // Files that aren't the page's.
    for path in ["/files/..%2F..%2Ftoken", "/files/../../token", "/files/%2e%2e%2ftoken", "/files/style.css"] {
        let answer = page.get(path, &[]);
        assert!([303, 404].contains(&answer.status), "{path}: {}", answer.status);
    }
    for path in ["/alerts/..%2F..%2Ftoken", "/alerts/../token", "/alerts/%00", "/alerts/..%2F..%2Ftoken/entries"] {
        assert_eq!(page.with(TOKEN, path).status, 404, "{path}");
    }
    assert_eq!(page.get("/open/..%2Fstatus.json", &[]).status, 401);
    // A body without an end.
    let body = format!("token={}", "x".repeat(100_000));
    assert_eq!(page.post("/login", &[("Sec-Fetch-Site", "same-origin")], &body).status, 413);
}

#[test]
fn a_login_makes_a_session_of_its_own_and_guessing_one_ends() {
    let host = ran();
    let page = Page::serve(&host);
    // Somebody else chose the cookie before.
    let name = format!("gridwatch-{}", page.port);
    let fixed = format!("{name}={}", "a".repeat(64));
    let answer = page.log_in(TOKEN, &[("Cookie", &fixed)]);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/alerts")));
    let set = answer.header("set-cookie").expect("a cookie");
    assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{set}");
    let own = cookie(&answer);
    assert_ne!(own, fixed);
    assert_eq!(page.get("/", &[("Cookie", &fixed)]).status, 303, "what somebody else chose stands for nobody");
    let home = page.get("/", &[("Cookie", &own)]);
    assert!(home.status == 200 && home.body.contains("ann"), "{}", home.body);
    assert_ne!(cookie(&page.log_in(TOKEN, &[("Cookie", &own)])), own, "each login has a session of its own");
    // Where a login leads is on the page itself.
    let body = format!("token={TOKEN}&next=%2F%2Fevil.example");
    let led = page.post("/login", &[("Sec-Fetch-Site", "same-origin")], &body);
    assert_eq!(led.header("location"), Some("/"));
    let out = page.post("/logout", &[("Sec-Fetch-Site", "same-origin"), ("Cookie", &own)], "");
    assert!(out.header("set-cookie").expect("a cookie").contains("Max-Age=0"));
    assert_eq!(
        page.get("/", &[("Cookie", &own)]).status,
        303,
        "the session has ended at the page, not only in the browser"
    );
    // The link is good once.
    let open = || {
        let listen = format!("127.0.0.1:{}", page.port);
        let line = said(&host, &["web", "open", "--listen", &listen]);
        line.trim().strip_prefix(&format!("http://{listen}")).expect("an address").to_owned()
    };
    let link = open();
    let opened = page.get(&link, &[]);
    assert_eq!(opened.status, 200, "{}", opened.body);
    assert_eq!(page.get("/sinks", &[("Cookie", &cookie(&opened))]).status, 200);
    assert_eq!(page.get(&link, &[]).status, 401, "it was opened before");
    // Guessing ends, for the right one as well.
    let mut seen = Vec::new();
    for n in 0..8 {
        seen.push(page.log_in(&format!("{n:032}"), &[]).status);
    }
    assert_eq!(&seen[..3], [401; 3], "{seen:?}");
    assert_eq!(seen.last(), Some(&429), "{seen:?}");
    let late = page.log_in(TOKEN, &[]);
    assert_eq!((late.status, late.header("retry-after")), (429, None));
    assert_eq!(page.with(TOKEN, "/").status, 429);
    assert_eq!(page.get("/", &[("Cookie", &cookie(&opened))]).status, 200, "who is logged in goes on looking");
    let log = std::fs::read_to_string(host.path("web-log")).expect("its log");
    assert!(log.contains("wrong token") && !log.contains(TOKEN), "{log}");
}

/// Two organizations, read; ann sees the one, bob acts for the other.
fn two_organizations() -> Host {
    let ((acme, from), (globex, _)) = (slack(1), slack(2));
    let host = Host::new(&Setup::new(&acme.base_url(), from));
    std::fs::write(host.path("other-token"), "xoxp-other").expect("token");
    private(&host.path("other-token"));
    let start = gridwatch_event::time::UnixSeconds(from);
    let text = format!(
        "state_dir = \"state\"\n[slack]\nstart = \"{start}\"\nrequests_per_minute = 6000\nsettle = \"5s\"\ninterval = \"1s\"\n\
         [org.acme.slack]\nbase_url = \"{}\"\ntoken_file = \"token\"\n\
         [org.globex.slack]\nbase_url = \"{}\"\ntoken_file = \"other-token\"\n\
         [modules]\ndir = {:?}\n[modules.grants]\nsign-in = [\"lookup\"]\nsessions = [\"lookup\"]\nplaces = [\"lookup\"]\n\
         channels = [\"lookup\"]\nconnect = [\"lookup\"]\n[store]\nmin_free = \"16MiB\"\n[web]\nraw = false\n{}{}\
         [[sink]]\nname = \"alerts\"\ntype = \"file\"\npath = \"alerts.ndjson\"\ninclude = [\"alerts\"]\n",
        acme.base_url(),
        globex.base_url(),
        our_modules(),
        user("ann", "", "see = [\"acme\"]"),
        user("bob", "", "act = [\"globex\"]"),
    );
    std::fs::write(host.path("gridwatch.toml"), text).expect("configuration");
    token(&host, "ann", &"a".repeat(32));
    token(&host, "bob", &"b".repeat(32));
    host.run_once_well();
    host
}

#[test]
fn roles_count_for_each_organization() {
    let host = two_organizations();
    let page = Page::serve(&host);
    let (ann, bob) = ("a".repeat(32), "b".repeat(32));
    let alerts = listed(&host);
    let of = |org: &str| -> Vec<&str> {
        alerts.iter().filter(|alert| alert["org"] == org).map(|alert| text(alert, "uid")).collect()
    };
    let (acme, globex) = (of("acme"), of("globex"));
    assert!(!acme.is_empty() && !globex.is_empty());
    for (who, own, others) in [(&ann, &acme, &globex), (&bob, &globex, &acme)] {
        let list = page.with(who, "/alerts?since=all").body;
        assert!(own.iter().rev().take(50).all(|uid| list.contains(uid)));
        assert!(others.iter().all(|uid| !list.contains(uid)), "nothing of what they may not see");
        assert_eq!(page.with(who, &format!("/alerts/{}", own[0])).status, 200);
        for path in [String::new(), "/json".into(), "/plan".into(), "/entries".into()] {
            assert_eq!(page.with(who, &format!("/alerts/{}{path}", others[0])).status, 404, "{path}");
        }
    }
    assert_eq!(page.with(&ann, "/alerts?org=globex").status, 404);
    for view in VIEWS {
        assert!(!page.with(&ann, view).body.contains("globex"), "{view} names what ann may not see");
    }
    assert_eq!(
        page.with(&ann, &format!("/alerts/{}/entries", acme[0])).status,
        404,
        "`raw = false`: only for who may act"
    );
    assert_eq!(page.with(&bob, &format!("/alerts/{}/entries", globex[0])).status, 200);
    let act = |who: &str, org: &str| {
        let bearer = format!("Bearer {who}");
        page.post("/modules/act", &[("Authorization", &bearer)], &format!("org={org}&module=ai&act=disable")).status
    };
    assert_eq!((act(&ann, "acme"), act(&ann, "globex"), act(&bob, "acme")), (403, 403, 403));
    let note = |who: &str, uid: &str| {
        let bearer = format!("Bearer {who}");
        page.post(&format!("/alerts/{uid}/act"), &[("Authorization", &bearer)], "act=note&text=x").status
    };
    assert_eq!((note(&ann, acme[0]), note(&ann, globex[0]), note(&bob, acme[0])), (403, 404, 404));
    assert_eq!(act(&bob, "globex"), 303, "he may, though nothing runs that would do it");
}

#[test]
fn what_runs_serves_its_page_and_its_end_is_told() {
    let (slack, from) = slack(4);
    let port = free_port();
    let host = host(&slack, from, &format!("listen = \"127.0.0.1:{port}\""));
    let child = host.start(&[]);
    host.until_running(&child);
    until("alerts", || std::fs::read_dir(host.path("state/alerts")).is_ok_and(|files| files.count() > 1));
    let page = Page { port, child: None };
    until("it says that it runs", || page.with(TOKEN, "/").body.contains("gridwatch is <strong>running</strong>"));
    let act = |module: &str, act: &str| {
        let login = page.log_in(TOKEN, &[]);
        let headers = [("Sec-Fetch-Site", "same-origin"), ("Cookie", &*cookie(&login))]
            .map(|(name, value)| (name, value.to_owned()));
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let done = page.post("/modules/act", &headers, &format!("org=default&module={module}&act={act}"));
        assert_eq!(done.status, 303, "{}", done.body);
        done.header("location").expect("where to").to_owned()
    };
    assert!(act("ai", "disable").contains("?done=ai%20is%20disabled"), "as the socket does it");
    assert!(
        said(&host, &["module", "serving"]).lines().any(|line| line.starts_with("ai@") && line.contains("disabled"))
    );
    assert!(page.with(TOKEN, "/modules").body.contains("its rules watch nothing"));
    assert!(act("ai", "enable").contains("done=ai"));
    for (module, file) in [("..%2F..%2Ftoken", "install"), ("%2Fetc%2Fpasswd", "install"), ("ai", "respond")] {
        assert!(act(module, file).contains("?failed="), "{module} {file}");
    }
    assert!(host.log().contains("ordered on the page"), "who did it is written down");
    let uid = || listed(&host).first().map(|alert| text(alert, "uid").to_owned());
    until("an alert", || uid().is_some());
    let uid = uid().expect("one");
    let bearer = format!("Bearer {TOKEN}");
    let about = |body: &str| page.post(&format!("/alerts/{uid}/act"), &[("Authorization", &bearer)], body);
    let done = about("act=ack&text=on+it");
    assert_eq!(
        done.header("location"),
        Some(&*format!("/alerts/{uid}?done=acknowledged%20by%20ann.")),
        "{}",
        done.body
    );
    let handling = || {
        let shown = said(&host, &["alerts", "show", &uid, "--json"]);
        serde_json::from_str::<Value>(&shown).expect("JSON")["handling"].clone()
    };
    assert_eq!((&handling()["status"], &handling()["acts"][0]["by"]), (&"acknowledged".into(), &"ann".into()));
    assert!(
        about("act=close&text=x").header("location").is_some_and(|to| to.contains("?failed=")),
        "with what it turned out to be"
    );
    about("act=close&reason=expected&text=the+yearly+audit");
    assert_eq!((&handling()["status"], &handling()["reason"]), (&"closed".into(), &"expected".into()));
    assert!(page.with(TOKEN, &format!("/alerts/{uid}")).body.contains("the yearly audit"));
    assert!(!page.with(TOKEN, "/alerts?since=all&stands=unclosed").body.contains(&uid));
    // And open again: on the page, on the command line, and for who is told.
    let done = about("act=reopen&text=it+came+back");
    assert_eq!(
        done.header("location"),
        Some(&*format!("/alerts/{uid}?done=opened%20again%20by%20ann.")),
        "{}",
        done.body
    );
    let opened = handling();
    let last = opened["acts"].as_array().and_then(|acts| acts.last()).expect("an act");
    assert_eq!((&opened["status"], &last["text"]), (&"open".into(), &"it came back".into()));
    assert!(page.with(TOKEN, "/alerts?since=all&stands=open").body.contains(&uid));
    assert!(said(&host, &["alerts", "list", "--open", "--json", "--limit", "0"]).contains(&uid));
    until("the sink has it", || {
        let told = host.lines("alerts.ndjson");
        let of = told.iter().filter(|line| line["finding_info"]["uid"] == *uid);
        of.last().is_some_and(|line| (&line["status"], &line["status_code"]) == (&"New".into(), &"reopen".into()))
    });
    kill(child);
    let page = Page::serve(&host);
    for view in VIEWS {
        assert!(
            page.with(TOKEN, view).body.contains("gridwatch isn&#39;t running since")
                || page.with(TOKEN, view).body.contains("gridwatch isn't running since"),
            "{view}"
        );
    }
}

#[test]
fn the_page_elsewhere_has_tls_or_is_refused() {
    let (slack, from) = slack(4);
    let open = host(&slack, from, "listen = \"0.0.0.0:9900\"\nhosts = [\"gridwatch.example.com\"]");
    let check = ended(gridwatch().arg("check").arg("--config").arg(open.path("gridwatch.toml")));
    let told = String::from_utf8_lossy(&check.stderr).into_owned();
    assert_eq!(check.status.code(), Some(2), "{told}");
    assert!(told.contains("without TLS everybody on the way reads along"), "{told}");
    let mut serve = gridwatch();
    serve.args(["web", "serve", "--listen", "0.0.0.0:0", "--state-dir"]).arg(open.path("state"));
    assert_eq!(ended(&mut serve).status.code(), Some(2));
    let has_curl = Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_ok();
    let (Some(certificates), true) = (Certificates::make(), has_curl) else { return };
    let (cert, key) = (certificates.path("server.pem"), certificates.path("server.key"));
    let host = host(&slack, from, &format!("cert_file = {cert:?}\nkey_file = {key:?}"));
    let port = free_port();
    let mut command = gridwatch();
    command.args(["web", "serve", "--listen", &format!("127.0.0.1:{port}"), "--config"]);
    let child = command.arg(host.path("gridwatch.toml")).stderr(Stdio::null()).spawn().expect("gridwatch starts");
    let page = Page { port, child: Some(child) };
    let curl = |args: &[&str]| {
        let authority = certificates.path("ca.pem");
        let output = Command::new("curl").args(["-s", "-i", "--cacert"]).arg(authority).args(args).output();
        String::from_utf8_lossy(&output.expect("curl").stdout).into_owned()
    };
    let login = format!("https://localhost:{port}/login");
    until("the page is served", || curl(&[&login]).starts_with("HTTP/1.1 200"));
    let form = format!("token={TOKEN}");
    let answer = curl(&["-H", "Sec-Fetch-Site: same-origin", "-d", &form, &login]);
    assert!(answer.contains("set-cookie: __Host-gridwatch=") && answer.contains("; Secure"), "{answer}");
    assert!(ask(page.port, "GET", "/login", &[], "").is_none(), "it speaks nothing but TLS");
}

#[test]
fn browsers_that_are_slow_or_say_nothing_hold_nobody_up() {
    let host = ran();
    let page = Page::serve(&host);
    let connect = || TcpStream::connect(("127.0.0.1", page.port)).expect("a connection");
    let idle: Vec<TcpStream> = (0..200).map(|_| connect()).collect();
    let slow: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = connect();
            let head = format!("GET /detections HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
            stream.write_all(head.as_bytes()).expect("sent");
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("the first byte");
            stream
        })
        .collect();
    for _ in 0..10 {
        assert_eq!(page.with(TOKEN, "/").status, 200);
    }
    drop((idle, slow));
    // A head that never ends, and one that is too long.
    let mut long = connect();
    long.set_read_timeout(Some(Duration::from_secs(10))).expect("a bound");
    let _ = long.write_all(format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(100_000)).as_bytes());
    let mut answer = Vec::new();
    let _ = long.read_to_end(&mut answer);
    assert!(!String::from_utf8_lossy(&answer).contains(" 200 "), "a head has a bound");
    terminate_page(page);
}

/// It ends when it is told to, whoever is connected.
fn terminate_page(mut page: Page) {
    let child = page.child.take().expect("a process");
    let _open = TcpStream::connect(("127.0.0.1", page.port)).expect("a connection");
    terminate(child);
}
