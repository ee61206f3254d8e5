//! Receivers of sinks, as strict as the real ones are documented to be, and as faulty as a test wants.
//!
//! [`Server`] speaks HTTP, over TLS too; what a request means is said by one of the kinds beside it. Each notes what it stored, and what
//! it stored in a request whose sender never heard of it: only that may be there twice.

pub mod elasticsearch;
pub mod messages;
pub mod plain;
pub mod splunk;
pub mod syslog;
pub mod tls;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Request {
    /// From 1.
    pub number: u64,
    pub method: String,
    pub path: String,
    pub query: String,
    /// By names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Unpacked.
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body in UTF-8")
    }
}

#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Answered without being looked at.
    Status(u16),
    /// The same, and to stay away for so many seconds.
    Away(u16, u64),
    /// It is looked at and stored, and then the connection dies.
    DieAfterStoring,
    /// The same, in the middle of the answer.
    CutAnswer,
    /// The connection is reset while the body comes.
    ResetMidBody,
    /// It is answered after so many milliseconds.
    Slow(u64),
    /// It is never answered, and not looked at.
    Hang,
}

impl Fault {
    /// May the sender have to send again what is stored?
    pub fn loses_answer(self) -> bool {
        matches!(self, Self::DieAfterStoring | Self::CutAnswer)
    }
}

/// Looks at a request. `is_heard`: the sender will hear the answer.
type Look = dyn Fn(&Request, bool) -> Reply + Send + Sync;
type Faults = dyn Fn(&Request) -> Option<Fault> + Send + Sync;

/// Listens until it is dropped.
pub struct Server {
    addr: SocketAddr,
    is_tls: bool,
    is_over: Arc<AtomicBool>,
    requests: Arc<AtomicU64>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({})", self.addr)
    }
}

impl Server {
    pub fn start(
        faults: impl Fn(&Request) -> Option<Fault> + Send + Sync + 'static,
        look: impl Fn(&Request, bool) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::listen(([127, 0, 0, 1], 0).into(), None, Arc::new(faults), Arc::new(look))
    }

    /// Over TLS, with these certificates.
    pub fn start_tls(
        tls: Arc<rustls::ServerConfig>,
        look: impl Fn(&Request, bool) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::listen(([127, 0, 0, 1], 0).into(), Some(tls), Arc::new(|_: &Request| None), Arc::new(look))
    }

    fn listen(addr: SocketAddr, tls: Option<Arc<rustls::ServerConfig>>, faults: Arc<Faults>, look: Arc<Look>) -> Self {
        let listener = TcpListener::bind(addr).expect("a port");
        let addr = listener.local_addr().expect("its address");
        let (is_over, requests) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (over, count, is_tls) = (is_over.clone(), requests.clone(), tls.is_some());
        std::thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (faults, look, count, tls) = (faults.clone(), look.clone(), count.clone(), tls.clone());
                std::thread::spawn(move || match tls {
                    None => serve(&stream, stream.try_clone().ok(), &count, &*faults, &*look),
                    Some(tls) => {
                        let connection = rustls::ServerConnection::new(tls).expect("a TLS server");
                        let stream = rustls::StreamOwned::new(connection, stream);
                        serve(stream, None, &count, &*faults, &*look);
                    }
                });
            }
        });
        Self { addr, is_tls, is_over, requests }
    }

    pub fn url(&self) -> String {
        match self.is_tls {
            true => format!("https://localhost:{}", self.addr.port()),
            false => format!("http://{}", self.addr),
        }
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.addr);
    }
}

/// One request; the connection isn't kept.
fn serve(stream: impl Read + Write, raw: Option<TcpStream>, count: &AtomicU64, faults: &Faults, look: &Look) {
    let mut reader = BufReader::new(stream);
    let Some((mut request, length)) = head(&mut reader) else { return };
    request.number = count.fetch_add(1, Ordering::SeqCst) + 1;
    let fault = faults(&request);
    if fault == Some(Fault::ResetMidBody) {
        let mut half = vec![0; (length / 2).min(2_000)];
        let _ = reader.read_exact(&mut half);
        // What is unread makes closing a reset.
        return;
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    request.body = unpacked(request.header("content-encoding"), body);
    let reply = match fault {
        Some(Fault::Status(status)) => Reply::new(status, "out of order"),
        Some(Fault::Away(status, seconds)) => Reply::new(status, "").with("retry-after", seconds.to_string()),
        Some(Fault::Hang) => {
            std::thread::sleep(Duration::from_secs(30));
            return;
        }
        Some(Fault::Slow(ms)) => {
            std::thread::sleep(Duration::from_millis(ms));
            look(&request, true)
        }
        fault => look(&request, !fault.is_some_and(Fault::loses_answer)),
    };
    if fault == Some(Fault::DieAfterStoring) {
        if let Some(raw) = raw {
            let _ = raw.shutdown(std::net::Shutdown::Both);
        }
        return;
    }
    let mut text = format!("HTTP/1.1 {} Test\r\nconnection: close\r\n", reply.status);
    reply.headers.iter().for_each(|(name, value)| text += &format!("{name}: {value}\r\n"));
    if reply.status != 204 {
        text += &format!("content-length: {}\r\n", reply.body.len().max(usize::from(fault == Some(Fault::CutAnswer))));
    }
    text += "\r\n";
    let cut = if fault == Some(Fault::CutAnswer) { reply.body.len() / 2 } else { reply.body.len() };
    let stream = reader.get_mut();
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.write_all(&reply.body.as_bytes()[..cut]));
    let _ = stream.flush();
}

fn head(reader: &mut impl BufRead) -> Option<(Request, usize)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        assert!(headers.insert(name.to_lowercase(), value.to_owned()).is_none(), "a header is there twice: {line}");
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let request = Request { number: 0, method, path: path.into(), query: query.into(), headers, body: Vec::new() };
    Some((request, length))
}

fn unpacked(encoding: &str, body: Vec<u8>) -> Vec<u8> {
    match encoding {
        "" => body,
        "gzip" => {
            let mut out = Vec::new();
            flate2::read::GzDecoder::new(&*body).read_to_end(&mut out).expect("gzip");
            out
        }
        "zstd" => zstd::decode_all(&*body).expect("zstd"),
        other => panic!("encoding {other}"),
    }
}

/// What a receiver has, by id.
#[derive(Debug, Clone, Default)]
pub struct Stored(Arc<Mutex<Inside>>);

#[derive(Debug, Default)]
struct Inside {
    times: BTreeMap<String, u64>,
    /// In the order in which they came.
    order: Vec<String>,
    /// Of requests whose answer got lost, so that they may come again.
    unheard: BTreeMap<String, u64>,
}

impl Stored {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn add(&self, id: &str, is_heard: bool) {
        let mut inside = self.lock();
        *inside.times.entry(id.to_owned()).or_default() += 1;
        inside.order.push(id.to_owned());
        if !is_heard {
            *inside.unheard.entry(id.to_owned()).or_default() += 1;
        }
    }

    pub fn has(&self, id: &str) -> bool {
        self.lock().times.contains_key(id)
    }

    pub fn count(&self) -> usize {
        self.lock().times.len()
    }

    pub fn order(&self) -> Vec<String> {
        self.lock().order.clone()
    }

    /// All are there, nothing else is, and none came again whose sender had heard that it is stored.
    pub fn assert_complete<'i>(&self, ids: impl IntoIterator<Item = &'i String>) {
        let inside = self.lock();
        let ids: std::collections::BTreeSet<&String> = ids.into_iter().collect();
        let missing: Vec<&&String> = ids.iter().filter(|id| !inside.times.contains_key(**id)).collect();
        let foreign: Vec<&String> = inside.times.keys().filter(|id| !ids.contains(id)).collect();
        let allowed = |id: &String| 1 + inside.unheard.get(id).copied().unwrap_or(0);
        let doubled: Vec<&String> = inside.times.iter().filter(|(id, n)| **n > allowed(id)).map(|(id, _)| id).collect();
        let few = |ids: &[String]| format!("{} {:?}", ids.len(), &ids[..ids.len().min(3)]);
        let owned = |ids: Vec<&String>| ids.into_iter().cloned().collect::<Vec<_>>();
        assert!(
            missing.is_empty() && foreign.is_empty() && doubled.is_empty(),
            "of {}: missing {}, foreign {}, doubled without need {}",
            ids.len(),
            few(&owned(missing.into_iter().copied().collect())),
            few(&owned(foreign)),
            few(&owned(doubled))
        );
    }
}

/// A fault for each third request, by its number, through the list and from its beginning again.
pub fn sometimes(faults: &'static [Fault]) -> impl Fn(&Request) -> Option<Fault> + Send + Sync + 'static {
    move |request| {
        // Two requests in three go well, so that there is progress.
        let turn = (request.number - 1) as usize;
        (turn % 3 == 1).then(|| faults[turn / 3 % faults.len()])
    }
}
