//! Writing to the stream.
//!
//! A pipe says nothing about who read what, so a record written just before a crash may come twice; its id tells. While the
//! process lives, an error in the middle of a line is resumed in the middle of that line: no torn line, none twice.

use crate::sink::{Answer, Delivery, Problem, Sink};
use std::io::{self, Write};
use std::time::Duration;

#[derive(Debug)]
pub struct StdoutSink<W = io::Stdout> {
    out: W,
    /// All records with a lower number are written.
    next: u64,
    /// Bytes of the one being written that the stream has taken, line break included.
    taken: usize,
}

impl StdoutSink {
    pub fn open() -> Self {
        Self::with(io::stdout())
    }
}

impl<W: Write> StdoutSink<W> {
    pub fn with(out: W) -> Self {
        Self { out, next: 0, taken: 0 }
    }

    fn write(&mut self, delivery: &Delivery) -> io::Result<()> {
        let bytes = &*delivery.bytes;
        while self.taken <= bytes.len() {
            let rest = bytes.get(self.taken..).filter(|rest| !rest.is_empty()).unwrap_or(b"\n");
            match self.out.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => self.taken += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        (self.next, self.taken) = (delivery.number + 1, 0);
        Ok(())
    }
}

impl<W: Write + Send> Sink for StdoutSink<W> {
    fn send(&mut self, batch: &[Delivery], _: Duration) -> Answer {
        let known = batch.partition_point(|delivery| delivery.number < self.next);
        let mut rest = batch[known..].iter();
        let written = rest.try_for_each(|delivery| self.write(delivery)).and_then(|()| self.out.flush());
        match written {
            Ok(()) => Answer::settled(self.next),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                let what = "nobody reads our standard output any more".to_owned();
                let hint = "restart gridwatch together with the program it is piped into, or use a file sink";
                Answer::stop(self.next, Problem { what, hint: Some(hint) })
            }
            Err(error) => {
                let what = format!("could not write to standard output: {error}");
                Answer::wait(self.next, None, Problem { what, hint: None })
            }
        }
    }
}

#[cfg(test)]
mod tests;
