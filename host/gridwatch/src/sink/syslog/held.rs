//! What was written and may not have arrived: it is kept for a while, and written again if the connection breaks. No network, no clock.

use gridwatch_event::time::UnixMillis;
use std::collections::VecDeque;
use std::time::Duration;

/// More than what two kernels keep in a connection between them.
const MAX_BYTES: usize = 32 << 20;
const MAX_RECORDS: usize = 20_000;

#[derive(Debug, Default)]
pub(super) struct Held {
    /// In the order of their numbers.
    frames: VecDeque<Frame>,
    bytes: usize,
}

#[derive(Debug)]
struct Frame {
    number: u64,
    bytes: Vec<u8>,
    at: UnixMillis,
}

impl Held {
    /// Beyond the bounds the oldest go, as if their time were over.
    pub(super) fn add(&mut self, number: u64, bytes: Vec<u8>, now: UnixMillis) {
        self.bytes += bytes.len();
        self.frames.push_back(Frame { number, bytes, at: now });
        while self.bytes > MAX_BYTES || self.frames.len() > MAX_RECORDS {
            self.drop_first();
        }
    }

    /// The connection works: what is older than this has arrived.
    pub(super) fn works(&mut self, now: UnixMillis, resend: Duration) {
        while self.frames.front().is_some_and(|first| Duration::from_millis(now.since(first.at)) >= resend) {
            self.drop_first();
        }
    }

    /// The receiver has read all of it.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn first(&self) -> Option<u64> {
        self.frames.front().map(|first| first.number)
    }

    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    pub(super) fn frames(&self) -> impl Iterator<Item = &[u8]> {
        self.frames.iter().map(|frame| &*frame.bytes)
    }

    /// All of it was written again.
    pub(super) fn again(&mut self, now: UnixMillis) {
        self.frames.iter_mut().for_each(|frame| frame.at = now);
    }

    fn drop_first(&mut self) {
        if let Some(first) = self.frames.pop_front() {
            self.bytes -= first.bytes.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESEND: Duration = Duration::from_secs(60);

    #[test]
    fn what_is_younger_than_the_span_is_kept_and_counts_anew_when_it_is_written_again() {
        let mut held = Held::default();
        held.add(1, b"a".to_vec(), UnixMillis(0));
        held.add(7, b"b".to_vec(), UnixMillis(30_000));
        held.works(UnixMillis(59_999), RESEND);
        assert_eq!((held.first(), held.len()), (Some(1), 2));
        held.works(UnixMillis(60_000), RESEND);
        assert_eq!(held.first(), Some(7));
        held.again(UnixMillis(80_000));
        held.works(UnixMillis(139_999), RESEND);
        assert_eq!(held.frames().collect::<Vec<_>>(), [b"b"]);
        held.works(UnixMillis(140_000), RESEND);
        assert_eq!((held.first(), held.bytes), (None, 0));
    }

    #[test]
    fn it_is_bounded_in_records_and_bytes() {
        let mut held = Held::default();
        (0..2 * MAX_RECORDS as u64).for_each(|n| held.add(n, vec![0; 9], UnixMillis(0)));
        assert_eq!((held.len(), held.first()), (MAX_RECORDS, Some(MAX_RECORDS as u64)));
        held.add(99_999, vec![0; MAX_BYTES], UnixMillis(0));
        assert_eq!((held.len(), held.bytes), (1, MAX_BYTES));
    }
}
