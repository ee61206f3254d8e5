//! Indexer acknowledgement: which requests an indexer has, asked for by the ids that the collector gave them. No network.
//!
//! "true" is told once and then forgotten; "false" may be pending, lost, or told already. So only time says that one is lost, and then
//! everything open is sent again over another channel, since ids of the old one may come to mean other requests.

use gridwatch_event::time::UnixMillis;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Requests that an indexer may have, and of which it hasn't said so.
#[derive(Debug, Default)]
pub(super) struct Open {
    by_id: BTreeMap<u64, Request>,
    last: Option<u64>,
}

#[derive(Debug)]
struct Request {
    numbers: Vec<u64>,
    at: UnixMillis,
}

#[derive(Deserialize)]
struct Acks {
    acks: BTreeMap<String, bool>,
}

impl Open {
    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(super) fn ids(&self) -> Vec<u64> {
        self.by_id.keys().copied().collect()
    }

    /// Notes a request. `false`: the id is not above the one before, so the collector was restarted, and what is open is lost.
    #[must_use]
    pub(super) fn add(&mut self, id: u64, numbers: Vec<u64>, at: UnixMillis) -> bool {
        let is_next = self.last.is_none_or(|last| id > last);
        self.last = Some(id);
        self.by_id.insert(id, Request { numbers, at });
        is_next
    }

    /// Takes out what an answer acknowledges.
    pub(super) fn acknowledged(&mut self, body: &[u8]) -> Option<Vec<u64>> {
        let answer: Acks = serde_json::from_slice(body).ok()?;
        let ids = answer.acks.iter().filter(|(_, is_there)| **is_there).filter_map(|(id, _)| id.parse::<u64>().ok());
        let requests = ids.filter_map(|id| self.by_id.remove(&id)).collect::<Vec<_>>();
        Some(requests.into_iter().flat_map(|request| request.numbers).collect())
    }

    /// Has one waited for too long?
    pub(super) fn is_late(&self, now: UnixMillis, within: Duration) -> bool {
        self.by_id.values().any(|request| Duration::from_millis(now.since(request.at)) >= within)
    }

    /// Gives all of them up, and says of how many records.
    pub(super) fn give_up(&mut self) -> usize {
        self.last = None;
        std::mem::take(&mut self.by_id).values().map(|request| request.numbers.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_acknowledged_is_taken_out_once() {
        let mut open = Open::default();
        assert!(open.add(0, vec![1, 2], UnixMillis(0)) && open.add(1, vec![3], UnixMillis(5_000)));
        assert_eq!(open.acknowledged(br#"{"acks":{"0":true,"1":false,"9":true}}"#), Some(vec![1, 2]));
        assert_eq!(open.acknowledged(br#"{"acks":{"0":true}}"#), Some(vec![]));
        assert_eq!(open.acknowledged(b"<html>"), None);
        assert_eq!(open.ids(), [1]);
        assert!(!open.is_late(UnixMillis(9_999), Duration::from_secs(5)));
        assert!(open.is_late(UnixMillis(10_000), Duration::from_secs(5)));
        assert_eq!((open.give_up(), open.is_empty()), (1, true));
    }

    #[test]
    fn an_id_that_doesnt_rise_is_of_another_life_of_the_collector() {
        let mut open = Open::default();
        assert!(open.add(7, vec![1], UnixMillis(0)) && open.add(8, vec![2], UnixMillis(0)));
        assert!(!open.add(0, vec![3], UnixMillis(0)));
    }
}
