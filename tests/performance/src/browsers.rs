//! Browsers that have the page open: some that renew it every ten seconds, as its script does, and some that take what they asked for a few bytes at a
//! time.

use super::process::now;
use socket2::{Domain, Socket, Type};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often a page that is open renews itself.
const EVERY: Duration = Duration::from_secs(10);
/// What renews itself, and what is long.
const LIVE: [&str; 4] = ["/", "/alerts", "/ingestion", "/sinks"];
const LONG: &str = "/detections";
/// Browsers of one thread.
const OF_A_THREAD: usize = 25;
/// A slow one takes so many bytes each time, and has room for few more.
const SOME: usize = 1_024;
const SLOWLY: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How many there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crowd {
    pub(super) open: usize,
    pub(super) slow: usize,
}

/// What they have seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Seconds that each page took which was renewed.
    pub(super) took: Mutex<Vec<f64>>,
    /// Bytes that slow ones got.
    pub(super) slowly: AtomicU64,
    /// Requests without an answer, or with another one than the page.
    pub(super) failed: AtomicU64,
}

/// Browsers that look until this is dropped.
#[derive(Debug)]
pub(super) struct Browsers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Browsers {
    /// Logs in once the page is there, and begins to look.
    pub(super) fn open(address: SocketAddr, token: &str, crowd: Crowd, seen: &Arc<Seen>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let look = Arc::new(Look { address, token: token.to_owned(), stop: stop.clone(), seen: seen.clone() });
        let numbers: Vec<usize> = (0..crowd.open).collect();
        let open = numbers.chunks(OF_A_THREAD).map(|numbers| {
            let (look, numbers) = (look.clone(), numbers.to_vec());
            std::thread::spawn(move || look.renew(&numbers, crowd.open))
        });
        let slow = (0..crowd.slow).map(|_| {
            let look = look.clone();
            std::thread::spawn(move || look.slowly())
        });
        let threads = open.chain(slow).collect();
        Self { stop, threads }
    }
}

impl Drop for Browsers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            thread.join().expect("no browser panics");
        }
    }
}

#[derive(Debug)]
struct Look {
    address: SocketAddr,
    token: String,
    stop: Arc<AtomicBool>,
    seen: Arc<Seen>,
}

impl Look {
    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Waits; false if it is over before.
    fn wait_until(&self, due: Instant) -> bool {
        while !self.is_over() {
            let left = due.saturating_duration_since(now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(LOOK_EVERY));
        }
        false
    }

    /// The cookie of somebody who has logged in; `None` if it is over before the page is there.
    fn cookie(&self) -> Option<String> {
        while self.wait_until(now() + LOOK_EVERY) {
            if let Ok(cookie) = self.log_in() {
                return Some(cookie);
            }
        }
        None
    }

    fn log_in(&self) -> Result<String> {
        let mut stream = connected(self.address)?;
        let body = format!("token={}", self.token);
        write!(
            stream,
            "POST /login HTTP/1.1\r\nHost: {}\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )?;
        let (head, _) = answer(&mut stream)?;
        let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")?.split(';').next());
        cookie.map(str::to_owned).ok_or_else(|| Error::other("nobody is logged in"))
    }

    fn ask(&self, stream: &mut impl Write, path: &str, cookie: &str) -> Result<()> {
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\nHX-Request: true\r\n\r\n", self.address)
    }

    /// Some of all the browsers that renew their page. Each has a connection of its own, which it keeps.
    fn renew(&self, numbers: &[usize], all: usize) {
        let Some(cookie) = self.cookie() else { return };
        let began = now();
        let mut streams: Vec<Option<TcpStream>> = numbers.iter().map(|_| None).collect();
        for round in 0.. {
            for (number, stream) in numbers.iter().zip(&mut streams) {
                // They were opened one after another.
                let due = began + EVERY * round + EVERY * *number as u32 / all as u32;
                if !self.wait_until(due) {
                    return;
                }
                let asked = now();
                match self.page(stream, LIVE[number % LIVE.len()], &cookie) {
                    Ok(()) => {
                        let took = asked.elapsed().as_secs_f64();
                        self.seen.took.lock().expect("nobody panics with it").push(took);
                    }
                    Err(_) => {
                        *stream = None;
                        self.seen.failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
    }

    fn page(&self, stream: &mut Option<TcpStream>, path: &str, cookie: &str) -> Result<()> {
        let stream = match stream {
            Some(stream) => stream,
            None => stream.insert(connected(self.address)?),
        };
        self.ask(stream, path, cookie)?;
        let (head, _) = answer(stream)?;
        if head.starts_with("HTTP/1.1 200 ") { Ok(()) } else { Err(Error::other(head)) }
    }

    /// One that takes little at a time: the system holds no more of a page for it than it asks for.
    fn slowly(&self) {
        let Some(cookie) = self.cookie() else { return };
        while !self.is_over() {
            if self.take_slowly(&cookie).is_err() {
                self.seen.failed.fetch_add(1, Ordering::Relaxed);
                if !self.wait_until(now() + SLOWLY) {
                    return;
                }
            }
        }
    }

    fn take_slowly(&self, cookie: &str) -> Result<()> {
        let socket = Socket::new(Domain::for_address(self.address), Type::STREAM, None)?;
        socket.set_recv_buffer_size(SOME)?;
        socket.connect_timeout(&self.address.into(), PATIENCE)?;
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE))?;
        self.ask(&mut stream, LONG, cookie)?;
        let (mut some, mut head) = ([0; SOME], Vec::new());
        let mut left = None;
        while left != Some(0) && self.wait_until(now() + SLOWLY) {
            let n = stream.read(&mut some)?;
            if n == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.seen.slowly.fetch_add(n as u64, Ordering::Relaxed);
            left = match left {
                Some(left) => Some(usize::saturating_sub(left, n)),
                None => {
                    head.extend_from_slice(&some[..n]);
                    end(&head).map(|end| length(&head[..end]).saturating_sub(head.len() - end))
                }
            };
        }
        Ok(())
    }
}

fn connected(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Where a head is over.
fn end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// Of the body, as its head says.
fn length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head);
    let said = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
    said.unwrap_or(0)
}

/// Head and body of an answer, with which the connection isn't over.
fn answer(stream: &mut impl Read) -> Result<(String, Vec<u8>)> {
    let (mut bytes, mut some) = (Vec::new(), [0; 16 << 10]);
    loop {
        if let Some(end) = end(&bytes)
            && bytes.len() >= end + length(&bytes[..end])
        {
            let body = bytes.split_off(end);
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), body));
        }
        match stream.read(&mut some)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            n => bytes.extend_from_slice(&some[..n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_as_long_as_its_head_says() {
        let text = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabcde";
        let (head, body) = answer(&mut text.as_bytes()).expect("an answer");
        assert!(head.ends_with("\r\n\r\n") && body == b"abcde", "{head}");
        assert!(answer(&mut &text.as_bytes()[..text.len() - 1]).is_err(), "it broke off");
    }
}
