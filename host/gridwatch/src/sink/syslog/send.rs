//! Sending: a batch into the connection, and again what a broken one may have lost.

use super::ToSyslog;
use super::frame::Header;
use super::held::Held;
use super::stream::{Connector, NoStream, Stream};
use crate::clock::Clock;
use crate::sink::{Answer, Delivery, Problem, Sink};
use anyhow::Result;
use gridwatch_event::time::UnixMillis;
use std::time::Duration;

/// How soon an idle sink tries again to write what it holds.
const IDLE_RETRY: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct SyslogSink {
    connector: Connector,
    header: Header,
    resend: Duration,
    clock: Clock,
    stream: Option<Stream>,
    held: Held,
    /// When it was tried last, by an idle sink.
    tried: Option<UnixMillis>,
}

impl SyslogSink {
    pub(super) fn open(to: &ToSyslog, clock: Clock) -> Result<Self> {
        let connector = Connector::new(&to.address, &to.network, to.timeout, to.resend)?;
        let (header, resend) = (to.header.clone(), to.resend);
        Ok(Self { connector, header, resend, clock, stream: None, held: Held::default(), tried: None })
    }

    /// Opens a connection if there is none, and writes first what the one before may have lost.
    fn connect(&mut self) -> Result<(), NoStream> {
        if self.stream.as_mut().is_some_and(Stream::is_open) {
            return Ok(());
        }
        self.stream = None;
        let mut stream = self.connector.connect()?;
        if !stream.stays_open() {
            let what = "the receiver closes the connection at once".to_owned();
            let hint = "it may not accept our certificate, or our address; its log says more";
            return Err(NoStream::Later(Problem { what, hint: Some(hint) }));
        }
        if self.held.len() > 0 {
            let records = self.held.len();
            tracing::info!(
                records,
                "a new connection: what the last one may have lost is sent again, with the same ids"
            );
        }
        stream.write(self.held.frames()).map_err(|error| NoStream::Later(broke(&error)))?;
        self.held.again(self.clock.now());
        self.stream = Some(stream);
        Ok(())
    }
}

fn broke(error: &std::io::Error) -> Problem {
    Problem { what: format!("the connection broke: {error}"), hint: None }
}

impl Sink for SyslogSink {
    fn send(&mut self, batch: &[Delivery], _: Duration) -> Answer {
        let first = batch[0].number;
        match self.connect() {
            Ok(()) => {}
            Err(NoStream::Later(why)) => return Answer::wait(first, None, why),
            Err(NoStream::Stop(why)) => return Answer::stop(first, why),
        }
        let frames: Vec<Vec<u8>> = batch.iter().map(|delivery| self.header.frame(delivery)).collect();
        let written = match &mut self.stream {
            Some(stream) => stream.write(frames.iter().map(|frame| &**frame)),
            None => Err(std::io::ErrorKind::NotConnected.into()),
        };
        if let Err(error) = written {
            self.stream = None;
            return Answer::wait(first, None, broke(&error));
        }
        let now = self.clock.now();
        for (delivery, frame) in batch.iter().zip(frames) {
            self.held.add(delivery.number, frame, now);
        }
        Answer::settled(batch[batch.len() - 1].number + 1)
    }

    fn held(&mut self) -> Option<u64> {
        let now = self.clock.now();
        if self.stream.as_mut().is_some_and(Stream::is_open) {
            self.held.works(now, self.resend);
        } else if self.held.len() > 0
            && self.tried.is_none_or(|tried| Duration::from_millis(now.since(tried)) >= IDLE_RETRY)
        {
            self.tried = Some(now);
            if let Err(why) = self.connect() {
                let records = self.held.len();
                tracing::warn!(why = %why.problem(), records, "the connection broke, and what it may have lost can't be sent again yet");
            }
        }
        self.held.first()
    }

    fn finish(&mut self) {
        if self.stream.take().is_some_and(|mut stream| stream.is_open() && stream.close()) {
            self.held.clear();
        }
    }
}
