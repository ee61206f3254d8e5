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
    door: Door,
    is_tls: bool,
    requests: Arc<AtomicU64>,
}

/// An address at which somebody listens, or for a while nobody.
#[derive(Clone, Debug)]
pub struct Door {
    addr: SocketAddr,
    is_over: Arc<AtomicBool>,
    is_shut: Arc<AtomicBool>,
}

impl Door {
    /// Each connection is for a thread of its own.
    pub fn open(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let addr = listener.local_addr().expect("its address");
        let door = Self { addr, is_over: Arc::default(), is_shut: Arc::default() };
        let (own, serve) = (door.clone(), Arc::new(serve));
        std::thread::spawn(move || own.listen(listener, &serve));
        door
    }

    fn listen(&self, listener: TcpListener, serve: &Arc<impl Fn(TcpStream) + Send + Sync + 'static>) {
        let mut open = Some(listener);
        while !self.is_over.load(Ordering::SeqCst) {
            if self.is_shut.load(Ordering::SeqCst) {
                // Nobody listens at the port now: connections are refused.
                open = None;
            } else if open.is_none() {
                // Somebody's connection may have the port for a moment.
                open = TcpListener::bind(self.addr).ok();
            }
            let Some(listener) = &open else {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            };
            let Ok((stream, _)) = listener.accept() else { continue };
            if !self.is_shut.load(Ordering::SeqCst) {
                let serve = serve.clone();
                std::thread::spawn(move || serve(stream));
            }
        }
    }

    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// Connections are refused from now on.
    pub fn shut(&self) {
        self.is_shut.store(true, Ordering::SeqCst);
        self.knock();
    }

    /// They are taken again.
    pub fn unshut(&self) {
        self.is_shut.store(false, Ordering::SeqCst);
    }

    /// For whoever waits for a connection to look around.
    fn knock(&self) {
        let _ = TcpStream::connect(self.addr);
    }

    fn close(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.knock();
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({})", self.door.addr)
    }
}

impl Server {
    pub fn start(
        faults: impl Fn(&Request) -> Option<Fault> + Send + Sync + 'static,
        look: impl Fn(&Request, bool) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::listen(None, Arc::new(faults), Arc::new(look))
    }

    /// Over TLS, with these certificates.
    pub fn start_tls(
        tls: Arc<rustls::ServerConfig>,
        look: impl Fn(&Request, bool) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Some(tls), Arc::new(|_: &Request| None), Arc::new(look))
    }

    fn listen(tls: Option<Arc<rustls::ServerConfig>>, faults: Arc<Faults>, look: Arc<Look>) -> Self {
        let requests = Arc::new(AtomicU64::new(0));
        let (count, is_tls) = (requests.clone(), tls.is_some());
        let door = Door::open(move |stream| match &tls {
            None => serve(&stream, stream.try_clone().ok(), &count, &*faults, &*look),
            Some(tls) => {
                let connection = rustls::ServerConnection::new(tls.clone()).expect("a TLS server");
                serve(rustls::StreamOwned::new(connection, stream), None, &count, &*faults, &*look);
            }
        });
        Self { door, is_tls, requests }
    }

    pub fn url(&self) -> String {
        match self.is_tls {
            true => format!("https://localhost:{}", self.door.port()),
            false => format!("http://{}", self.door.addr),
        }
    }

    /// The way in, to be shut for a while.
    pub fn door(&self) -> &Door {
        &self.door
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.door.close();
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
        // A word of Slack's for a message that it will never take.
        Some(Fault::Status(400)) => Reply::new(400, "invalid_payload"),
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

    /// How often each is there.
    pub fn times(&self) -> BTreeMap<String, u64> {
        self.lock().times.clone()
    }

    /// How often each came in a request whose answer got lost.
    pub fn unheard(&self) -> BTreeMap<String, u64> {
        self.lock().unheard.clone()
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

/// What goes wrong with every request, until it is said otherwise.
#[derive(Clone, Debug, Default)]
pub struct Weather(Arc<Mutex<Option<Fault>>>);

impl Weather {
    pub fn set(&self, fault: Option<Fault>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    pub fn now(&self) -> Option<Fault> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn faults(&self) -> impl Fn(&Request) -> Option<Fault> + Send + Sync + 'static {
        let weather = self.clone();
        move |_| weather.now()
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
