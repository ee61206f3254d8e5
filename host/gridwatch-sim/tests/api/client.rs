//! A client that sees everything: raw bytes over TCP, no retries, no conveniences.

use std::net::SocketAddr;

use gridwatch_sim::{RunningSim, Sim, SimClock, SimConfig};
use gridwatch_stories::{Org, OrgPlan, SimEntry, generate};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const NOW: u64 = 1_790_000_000;
pub(crate) const TOKEN: &str = "xoxp-test";

/// An answer, or what there was of it before the connection ended.
#[derive(Debug)]
pub(crate) struct Reply {
    /// 0 when not even a head came.
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn complete(&self) -> bool {
        self.header("content-length").is_some_and(|length| length.parse() == Ok(self.body.len()))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        let entries = self.json()["entries"].as_array().expect("entries").clone();
        entries.iter().map(|entry| entry["id"].as_str().expect("id").to_owned()).collect()
    }

    /// Percent-encoded for the next request; `None` on the last page.
    pub(crate) fn cursor(&self) -> Option<String> {
        let cursor = self.json()["response_metadata"]["next_cursor"].as_str().unwrap_or("").to_owned();
        (!cursor.is_empty()).then(|| cursor.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D"))
    }
}

pub(crate) async fn send(addr: SocketAddr, method: &str, target: &str, token: Option<&str>, body: &str) -> Reply {
    let auth = token.map_or(String::new(), |token| format!("Authorization: Bearer {token}\r\n"));
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n{auth}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(addr).await.expect("connect");
    stream.write_all(request.as_bytes()).await.expect("send");
    let mut bytes = Vec::new();
    // A connection that is cut is part of what is tested; what came before it counts.
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8(bytes).expect("utf-8");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or(("", ""));
    let status = head.split(' ').nth(1).map_or(0, |status| status.parse().expect("status"));
    Reply { status, head: head.to_owned(), body: body.to_owned() }
}

pub(crate) async fn get(sim: &RunningSim, target: &str) -> Reply {
    send(sim.addr, "GET", target, Some(TOKEN), "").await
}

pub(crate) async fn logs(sim: &RunningSim, query: &str) -> Reply {
    get(sim, &format!("/audit/v1/logs?{query}")).await
}

/// Follows cursors to the end, repeating `query` with each, and returns the pages.
pub(crate) async fn walk(sim: &RunningSim, query: &str) -> Vec<Vec<String>> {
    const MOST_PAGES: usize = 500;
    let mut pages = Vec::new();
    let mut reply = logs(sim, query).await;
    loop {
        assert_eq!(reply.status, 200, "{}", reply.body);
        pages.push(reply.ids());
        assert!(pages.len() < MOST_PAGES, "the walk does not end");
        let Some(cursor) = reply.cursor() else { return pages };
        reply = logs(sim, &format!("{query}&cursor={cursor}")).await;
    }
}

pub(crate) fn entry(id: &str, at: u64, action: &str) -> SimEntry {
    let json = format!(
        r#"{{"id":"{id}","date_create":{at},"action":"{action}","actor":{{"type":"user","user":{{"id":"U{id}","name":"Zo\u00eb"}}}},"entity":{{"type":"channel","channel":{{"id":"C1","name":"a\/b"}}}},"context":{{"ua":"","ip_address":"","session_id":null}}}}"#
    );
    SimEntry::from_wire(&json).expect("wire form")
}

/// An organization whose log is exactly these: (id, seconds before [`NOW`]), given oldest last or in any order.
pub(crate) fn org(entries: &[(&str, u64)]) -> Org {
    let entries = entries.iter().map(|(id, ago)| entry(id, NOW - ago, "file_downloaded")).collect();
    let plan = OrgPlan { users: 1, entries: Some(0), stories: false, ..OrgPlan::default() };
    Org { entries, ..generate(&plan) }
}

/// Standing at [`NOW`], with no rate limit.
pub(crate) fn config() -> SimConfig {
    SimConfig {
        clock: SimClock::manual(NOW),
        token: Some(TOKEN.into()),
        knobs: gridwatch_sim::Knobs::unlimited(),
        faults: Vec::new(),
    }
}

pub(crate) async fn start(org: Org, config: SimConfig) -> RunningSim {
    Sim::start(org, config, SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("start")
}
