//! The stdout sink: records as lines on a stream.
//!
//! A pipe says nothing about who read what, so a record written just before a crash may come twice; its id tells. While the
//! process lives, an error in the middle of a line is resumed in the middle of that line: no torn line, none twice.

use super::{Resume, Sink, SinkError};
use std::io::{self, Write};
use std::path::Path;

#[derive(Debug)]
pub struct StdoutSink<W = io::Stdout> {
    out: W,
    /// Number of the record that is next or being written.
    next: u64,
    /// Bytes of it that the stream has taken, line break included.
    taken: usize,
}

impl StdoutSink {
    pub fn open(resume: &Resume) -> Self {
        Self::with(io::stdout(), resume)
    }
}

impl<W: Write> StdoutSink<W> {
    pub fn with(out: W, resume: &Resume) -> Self {
        Self { out, next: resume.next, taken: 0 }
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        let bytes = line.as_bytes();
        while self.taken <= bytes.len() {
            let rest = bytes.get(self.taken..).filter(|rest| !rest.is_empty()).unwrap_or(b"\n");
            match self.out.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => self.taken += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        (self.next, self.taken) = (self.next + 1, 0);
        Ok(())
    }
}

impl<W: Write + Send> Sink for StdoutSink<W> {
    fn deliver(&mut self, first: u64, lines: &[String]) -> Result<Resume, SinkError> {
        if first > self.next {
            self.next = first;
        }
        let known = usize::try_from(self.next - first).unwrap_or(usize::MAX);
        let mut rest = lines.iter().skip(known);
        let written = rest.try_for_each(|line| self.write(line));
        written.and_then(|()| self.out.flush()).map_err(|e| match e.kind() {
            io::ErrorKind::BrokenPipe => SinkError::Closed,
            _ => SinkError::io("write to", Path::new("standard output"), e),
        })?;
        Ok(Resume { next: self.next, file: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_retry_goes_on_in_the_middle_of_a_line() {
        let mut sink = StdoutSink::with(Sticky::default(), &Resume::default());
        let lines = ["{\"id\":1}".to_owned(), "{\"id\":22}".to_owned(), String::new()];
        let resume = (0..100).find_map(|_| sink.deliver(5, &lines).ok()).unwrap();
        assert_eq!(resume.next, 8);
        assert_eq!(sink.out.taken, b"{\"id\":1}\n{\"id\":22}\n\n");
    }

    #[test]
    fn a_reader_that_went_away_is_told_apart() {
        let mut sink = StdoutSink::with(Broken, &Resume::default());
        assert!(matches!(sink.deliver(0, &["x".into()]), Err(SinkError::Closed)));
    }

    #[test]
    fn records_below_the_next_one_are_passed_over() {
        let resume = Resume { next: 7, file: None };
        let mut sink = StdoutSink::with(Vec::new(), &resume);
        sink.deliver(6, &["six".into(), "seven".into()]).unwrap();
        assert_eq!(sink.out, b"seven\n");
    }
}
