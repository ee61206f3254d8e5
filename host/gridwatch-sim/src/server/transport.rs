//! TCP connections that can be told to misbehave: to stall after an answer's head, to end inside its body, or to end at once.
//!
//! This sits below HTTP because the framework, rightly, won't send a wrong `Content-Length` or hang up mid-answer.

use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};

/// What is to happen to the answer being written.
#[derive(Debug, Default)]
enum Plan {
    #[default]
    Nothing,
    StallAfterHead(Duration),
    Stalling(Pin<Box<Sleep>>),
    /// End the connection after the head and this many bytes of the body.
    CutAfterHead(usize),
    Cut(usize),
    Dead,
}

/// A request handler's hold on its own connection. HTTP/1 without pipelining: the next answer written is this request's.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wire(Arc<Mutex<Plan>>);

impl Wire {
    pub(crate) fn stall_after_head(&self, ms: u64) {
        self.set(Plan::StallAfterHead(Duration::from_millis(ms)));
    }

    pub(crate) fn cut_after_head(&self, body_bytes: usize) {
        self.set(Plan::CutAfterHead(body_bytes));
    }

    pub(crate) fn drop_now(&self) {
        self.set(Plan::Dead);
    }

    fn set(&self, plan: Plan) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = plan;
    }
}

impl Connected<IncomingStream<'_, WireListener>> for Wire {
    fn connect_info(stream: IncomingStream<'_, WireListener>) -> Self {
        stream.io().wire.clone()
    }
}

pub(crate) struct WireListener(pub(crate) TcpListener);

impl Listener for WireListener {
    type Io = WireStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (WireStream, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok((stream, addr)) => {
                    // Only speed depends on it.
                    let _ = stream.set_nodelay(true);
                    return (WireStream { stream, wire: Wire::default() }, addr);
                }
                // For example out of file descriptors: wait for some to come back.
                Err(error) => {
                    tracing::warn!(%error, "simulator could not accept");
                    sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

pub(crate) struct WireStream {
    stream: TcpStream,
    wire: Wire,
}

impl AsyncRead for WireStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for WireStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let mut plan = this.wire.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Plan::Stalling(pause) = &mut *plan {
            std::task::ready!(pause.as_mut().poll(cx));
            *plan = Plan::Nothing;
        }
        // The head is always written first and in one piece, as the answer starts with an empty buffer.
        let head = || buf.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
        let allowed = match &*plan {
            Plan::Nothing | Plan::Stalling(_) => buf.len(),
            Plan::StallAfterHead(_) => head(),
            Plan::CutAfterHead(body_bytes) => head() + body_bytes,
            Plan::Cut(bytes) => *bytes,
            Plan::Dead => 0,
        };
        if allowed == 0 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let written = std::task::ready!(Pin::new(&mut this.stream).poll_write(cx, &buf[..allowed.min(buf.len())]))?;
        *plan = match std::mem::take(&mut *plan) {
            Plan::StallAfterHead(pause) => Plan::Stalling(Box::pin(sleep(pause))),
            Plan::CutAfterHead(_) | Plan::Cut(_) if written >= allowed => Plan::Dead,
            Plan::CutAfterHead(_) | Plan::Cut(_) => Plan::Cut(allowed - written),
            other => other,
        };
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
