//! Streams that are slow, and that break.

use super::*;
use crate::sink::Next;
use crate::sink::testing::delivery;

/// Takes three bytes at a time and refuses every other time.
#[derive(Default)]
struct Sticky {
    taken: Vec<u8>,
    calls: u32,
}

impl Write for Sticky {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.calls += 1;
        if self.calls.is_multiple_of(2) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let n = bytes.len().min(3);
        self.taken.extend(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const TIMEOUT: Duration = Duration::from_secs(1);

#[test]
fn a_retry_goes_on_in_the_middle_of_a_line() {
    let mut sink = StdoutSink::with(Sticky::default());
    // Numbers with gaps, as `include` leaves them.
    let batch = [delivery(5, "{\"id\":1}"), delivery(9, "{\"id\":22}"), delivery(11, "")];
    let mut settled = Vec::new();
    for _ in 0..100 {
        let answer = sink.send(&batch, TIMEOUT);
        settled.push(answer.settled);
        if answer.next == Next::Go {
            break;
        }
        assert!(matches!(answer.next, Next::Wait { .. }));
    }
    assert!(settled.is_sorted() && settled.contains(&6) && settled.last() == Some(&12), "{settled:?}");
    assert_eq!(sink.out.taken, b"{\"id\":1}\n{\"id\":22}\n\n");
}

#[test]
fn a_reader_that_went_away_takes_a_person() {
    let answer = StdoutSink::with(Broken).send(&[delivery(0, "x")], TIMEOUT);
    assert!(matches!(answer, Answer { settled: 0, next: Next::Stop(Problem { hint: Some(_), .. }), .. }), "{answer:?}");
}

#[test]
fn records_that_were_taken_are_passed_over() {
    let mut sink = StdoutSink::with(Vec::new());
    assert_eq!(sink.send(&[delivery(6, "six")], TIMEOUT), Answer::settled(7));
    assert_eq!(sink.send(&[delivery(6, "six"), delivery(8, "eight")], TIMEOUT), Answer::settled(9));
    assert_eq!(sink.out, b"six\neight\n");
}
