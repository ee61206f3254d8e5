//! HTTP as small as a test needs it: to ask, and to be asked.

use crate::sim::now_ms;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("its address").port()
}

/// Status and body of `GET path`; `None` if nobody answers.
pub fn get(port: u16, path: &str) -> Option<(u16, String)> {
    get_as(port, path, "*/*")
}

/// The same, for who accepts this kind.
pub fn get_as(port: u16, path: &str, accept: &str) -> Option<(u16, String)> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// A service that answers 200 to everything, and remembers method, path and body.
#[derive(Clone, Debug)]
pub struct Heard {
    pub port: u16,
    requests: Arc<Mutex<Vec<(String, String, String)>>>,
    /// When the last one came, in milliseconds since 1970.
    last_ms: Arc<AtomicU64>,
}

impl Heard {
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let heard = Self {
            port: listener.local_addr().expect("its address").port(),
            requests: Arc::default(),
            last_ms: Arc::default(),
        };
        let (requests, last_ms) = (heard.requests.clone(), heard.last_ms.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(request) = request(&stream) {
                    last_ms.store(now_ms(), Ordering::SeqCst);
                    requests.lock().expect("requests").push(request);
                    let _ = (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK");
                }
            }
        });
        heard
    }

    pub fn requests(&self) -> Vec<(String, String, String)> {
        self.requests.lock().expect("requests").clone()
    }

    /// Milliseconds since the last request; `None` before the first.
    pub fn silent_ms(&self) -> Option<u64> {
        let last_ms = self.last_ms.load(Ordering::SeqCst);
        (last_ms > 0).then(|| now_ms().saturating_sub(last_ms))
    }
}

fn request(stream: &TcpStream) -> Option<(String, String, String)> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    Some((method, path, String::from_utf8_lossy(&body).into_owned()))
}

/// What somebody was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in small letters, in their order.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Asks with these headers, `Host` among them where the test says one; `None` if nobody answers.
pub fn ask(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Option<Answer> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if headers.iter().all(|(name, _)| !name.eq_ignore_ascii_case("host")) {
        head.push_str(&format!("Host: localhost:{port}\r\n"));
    }
    if method == "POST" {
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        head.push_str(&format!("{kind}Content-Length: {}\r\n", body.len()));
    }
    headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    write!(stream, "{head}\r\n{body}").ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    Some(Answer { status, headers: lines.filter_map(pair).collect(), body: body.to_owned() })
}
