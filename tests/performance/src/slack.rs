//! A Slack that costs as little as it can: entries of a corpus, newest first, straight from memory.
//!
//! It is not the simulator, which checks and counts and can fail in many ways: here only gridwatch is to be busy.

use super::process::{now, seconds};
use super::scene::timestamp;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// A Slack that listens until this process ends.
#[derive(Debug)]
pub(super) struct Slack {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    bytes: Vec<u8>,
    /// Oldest first.
    entries: Vec<Entry>,
    served: Mutex<Served>,
}

#[derive(Clone, Debug)]
struct Entry {
    at: u64,
    json: Range<usize>,
}

/// What was asked for so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Served {
    /// When somebody first asked for entries.
    pub(super) first: Option<Instant>,
    pub(super) requests: u64,
    /// Of each last page of a range: how many of all entries are older than its end, and when it was sent.
    pub(super) drained: Vec<(usize, Instant)>,
}

impl Slack {
    /// Serves entries, with the time of each, oldest first. One whose time is in the future isn't shown before.
    pub(super) fn start(entries: impl IntoIterator<Item = (u64, String)>) -> Self {
        let mut shared = Shared { bytes: Vec::new(), entries: Vec::new(), served: Mutex::default() };
        for (at, json) in entries {
            let from = shared.bytes.len();
            shared.bytes.extend_from_slice(json.as_bytes());
            shared.entries.push(Entry { at, json: from..shared.bytes.len() });
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (address, shared) = (listener.local_addr().expect("an address"), Arc::new(shared));
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                let shared = serving.clone();
                // Whoever hangs up in the middle of an answer asks again.
                std::thread::spawn(move || _ = shared.serve(&stream));
            }
        });
        Self { address, shared }
    }

    pub(super) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked for so far, of which nothing is said again.
    pub(super) fn take_served(&self) -> Served {
        std::mem::take(&mut *self.shared.served.lock().expect("nobody panics with it"))
    }

    /// When somebody first asked for entries.
    pub(super) fn first_asked(&self) -> Option<Instant> {
        self.shared.served.lock().expect("nobody panics with it").first
    }
}

impl Shared {
    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let (mut reader, mut out) = (BufReader::new(stream), stream);
        loop {
            let (mut request, mut header) = (String::new(), String::new());
            if reader.read_line(&mut request)? == 0 {
                return Ok(());
            }
            while header != "\r\n" {
                header.clear();
                if reader.read_line(&mut header)? == 0 {
                    return Ok(());
                }
            }
            let url = request.split(' ').nth(1).unwrap_or_default();
            match url.strip_prefix("/audit/v1/logs") {
                Some(query) => self.page(query.trim_start_matches('?'), &mut out)?,
                None => out.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?,
            }
        }
    }

    fn page(&self, query: &str, out: &mut impl Write) -> std::io::Result<()> {
        {
            let mut served = self.served.lock().expect("nobody panics with it");
            served.requests += 1;
            served.first.get_or_insert_with(now);
        }
        let value = |name: &str| {
            let pair = |pair: &str| Some(pair.strip_prefix(name)?.strip_prefix('=')?.to_owned());
            query.split('&').find_map(pair)
        };
        let number = |name: &str, otherwise: u64| value(name).and_then(|text| text.parse().ok()).unwrap_or(otherwise);
        let (oldest, latest, date) = (number("oldest", 0), number("latest", u64::MAX), seconds());
        let before = |end: u64| self.entries.partition_point(|entry| entry.at <= end);
        let (from, ends) = (self.entries.partition_point(|entry| entry.at < oldest), before(latest.min(date)));
        // A cursor is how many entries are older than what it stands for, so that newer ones don't move it.
        let to = number("cursor", ends as u64) as usize;
        let next = to.saturating_sub(number("limit", 100) as usize).max(from);
        let mut body = b"{\"entries\":[".to_vec();
        for (n, entry) in self.entries[next.min(to)..to].iter().rev().enumerate() {
            if n > 0 {
                body.push(b',');
            }
            body.extend_from_slice(&self.bytes[entry.json.clone()]);
        }
        let is_last = next <= from;
        let cursor = if is_last { String::new() } else { next.to_string() };
        write!(body, "],\"response_metadata\":{{\"next_cursor\":\"{cursor}\"}}}}")?;
        let date = timestamp(date).strftime("%a, %d %b %Y %H:%M:%S GMT");
        let (kind, length) = ("application/json", body.len());
        let head =
            format!("HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
        out.write_all(head.as_bytes())?;
        out.write_all(&body)?;
        if is_last {
            self.served.lock().expect("nobody panics with it").drained.push((ends, now()));
        }
        Ok(())
    }
}
