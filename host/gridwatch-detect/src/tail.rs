//! The end of a stream: what a module with WASI wrote to standard error last. Python tells there why it ends, and the reason
//! stands in the last lines. It takes everything and keeps little: a stream that is full would change what the module does.

use bytes::Bytes;
use gridwatch_event::text::clean;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Bytes that a module may hand over at once; any number, one after the other.
const AT_ONCE: usize = 64 << 10;

#[derive(Clone, Debug)]
pub(crate) struct Tail {
    most: usize,
    kept: Arc<Mutex<VecDeque<u8>>>,
}

impl Tail {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, kept: Arc::default() }
    }

    /// For people: on one line, without control characters.
    pub(crate) fn text(&self) -> String {
        let kept: Vec<u8> = self.kept().iter().copied().collect();
        let text = String::from_utf8_lossy(&kept);
        clean(text.split_whitespace().collect::<Vec<_>>().join(" ").as_str(), self.most)
    }

    pub(crate) fn clear(&self) {
        self.kept().clear();
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, VecDeque<u8>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, bytes: &[u8]) {
        let mut kept = self.kept();
        kept.extend(&bytes[bytes.len().saturating_sub(self.most)..]);
        let over = kept.len().saturating_sub(self.most);
        kept.drain(..over);
    }
}

impl IsTerminal for Tail {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Tail {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    /// Of WASI 0.3, which isn't linked.
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        MemoryOutputPipe::new(0).async_stream()
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Tail {
    async fn ready(&mut self) {}
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Tail {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(AT_ONCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_whatever_came_before() {
        let tail = Tail::new(12);
        tail.take(b"Traceback\n");
        tail.take(&[b'x'; 100_000]);
        tail.take(b"Key\x1b Error: \"a\"\n");
        assert_eq!(tail.text(), "Error: \"a\"");
        tail.clear();
        assert_eq!(tail.text(), "");
    }
}
