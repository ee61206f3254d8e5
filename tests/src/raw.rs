//! A server that answers what a test says, byte by byte: for answers that Slack itself doesn't give and that come in its place
//! all the same.

use gridwatch_sim::SimClock;
use gridwatch_stories::SimEntry;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// A request, as far as tests want to know.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    pub path: String,
    pub query: BTreeMap<String, String>,
    /// By names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Seen {
    pub fn number(&self, name: &str) -> u64 {
        self.query.get(name).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no `{name}`: {self:?}"))
    }

    pub fn token(&self) -> &str {
        self.headers.get("authorization").and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default()
    }
}

#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    /// The connection breaks after so many bytes of the body.
    pub cut: Option<usize>,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new(), cut: None }
    }

    pub fn json(body: impl Into<String>) -> Self {
        Self { body: body.into(), ..Self::status(200) }
    }

    /// A last page with what of these entries was asked for, newest first.
    pub fn page(entries: &[SimEntry], seen: &Seen) -> Self {
        let (oldest, latest) = (seen.number("oldest"), seen.number("latest"));
        let mut found: Vec<_> = entries.iter().filter(|e| (oldest..=latest).contains(&e.date_create)).collect();
        found.sort_by_key(|entry| std::cmp::Reverse(entry.date_create));
        let found: Vec<_> = found.iter().map(|entry| entry.json.as_str()).collect();
        Self::json(format!(r#"{{"entries":[{}],"response_metadata":{{"next_cursor":""}}}}"#, found.join(",")))
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// Listens until the test ends.
#[derive(Debug)]
pub struct Raw {
    addr: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Raw {
    pub fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let (addr, seen) = (listener.local_addr().expect("its address"), Arc::new(Mutex::new(Vec::new())));
        let (answer, noted) = (Arc::new(answer), seen.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                let (answer, noted) = (answer.clone(), noted.clone());
                std::thread::spawn(move || serve(&stream, &noted, &*answer));
            }
        });
        Self { addr, seen }
    }

    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Requests of `/logs` so far.
    pub fn asked(&self) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|seen| seen.path == "/audit/v1/logs").cloned().collect()
    }
}

fn serve(mut stream: &TcpStream, noted: &Mutex<Vec<Seen>>, answer: &dyn Fn(&Seen) -> Reply) {
    let mut reader = BufReader::new(stream);
    let Some(seen) = read(&mut reader) else { return };
    noted.lock().unwrap_or_else(PoisonError::into_inner).push(seen.clone());
    let reply = answer(&seen);
    let mut text = format!("HTTP/1.1 {} Test\r\nconnection: close\r\n", reply.status);
    reply.headers.iter().for_each(|(name, value)| text += &format!("{name}: {value}\r\n"));
    if reply.status != 204 {
        text += &format!("content-length: {}\r\n", reply.body.len());
    }
    text += "\r\n";
    // Whoever has hung up doesn't want to know.
    let body = &reply.body.as_bytes()[..reply.cut.unwrap_or(reply.body.len())];
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.write_all(body));
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Seen> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let target = line.split(' ').nth(1)?.to_owned();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let query = query.split('&').filter_map(|pair| pair.split_once('='));
    let query = query.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    std::io::Read::read_exact(reader, &mut body).ok()?;
    let body = String::from_utf8_lossy(&body).into_owned();
    Some(Seen { at_ms: SimClock::Real.now_ms(), path: path.to_owned(), query, headers, body })
}

/// A time as an HTTP header has it.
pub fn http_date(seconds: u64) -> String {
    let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // RFC 3339, as in 2026-01-31T00:00:00Z.
    let text = gridwatch_event::time::UnixSeconds(seconds).to_string();
    let month: usize = text[5..7].parse().expect("a month");
    let day = days[(seconds / 86_400 % 7) as usize];
    format!("{day}, {} {} {} {} GMT", &text[8..10], months[month - 1], &text[..4], &text[11..19])
}
