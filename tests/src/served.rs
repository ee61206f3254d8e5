//! A server that answers `/audit/v1/logs` with whatever bytes a test wants: for what no simulator of Slack would write.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The range that a request asks for, and what number it has.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub number: u64,
    pub oldest: u64,
    pub latest: u64,
}

/// A server that listens until the test ends.
#[derive(Debug)]
pub struct Served {
    address: std::net::SocketAddr,
    asked: Arc<AtomicU64>,
}

type Answer = dyn Fn(Asked) -> Vec<u8> + Send + Sync;

impl Served {
    /// Each request of `/logs` is answered with 200 and what `answer` says.
    pub fn start(answer: impl Fn(Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (address, asked) = (listener.local_addr().expect("an address"), Arc::new(AtomicU64::new(0)));
        let (answer, count): (Arc<Answer>, _) = (Arc::new(answer), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                let (answer, count) = (answer.clone(), count.clone());
                std::thread::spawn(move || serve(&stream, &*answer, &count));
            }
        });
        Self { address, asked }
    }

    /// These entries, byte for byte, in one page, whatever range is asked for.
    pub fn always(entries: Vec<String>) -> Self {
        Self::start(move |_| page(&entries))
    }

    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Requests so far.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

/// The body of a last page.
pub fn page(entries: &[String]) -> Vec<u8> {
    format!(r#"{{"entries":[{}],"response_metadata":{{"next_cursor":""}}}}"#, entries.join(",")).into_bytes()
}

/// One request; the connection isn't kept.
fn serve(mut stream: &TcpStream, answer: &Answer, count: &AtomicU64) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let url = request.split(' ').nth(1).unwrap_or_default();
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let (status, body) = if path.ends_with("/audit/v1/logs") {
        let query: BTreeMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let number = |name: &str| query.get(name).and_then(|text| text.parse().ok()).unwrap_or_default();
        let asked = Asked {
            number: count.fetch_add(1, Ordering::SeqCst) + 1,
            oldest: number("oldest"),
            latest: number("latest"),
        };
        ("200 OK", answer(asked))
    } else {
        ("404 Not Found", b"{}".to_vec())
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}
