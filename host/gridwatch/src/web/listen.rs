//! Connections of browsers, each with its bounds, so that a slow or greedy one costs others nothing: how many there are, how long one may
//! say nothing, take to say what it wants or to take what it gets, and how long it lasts at all.

use crate::config::web::Tls;
use crate::secret;
use anyhow::{Context, Result, anyhow};
use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsAcceptor;

/// At a time; more wait until one ends.
const MOST: usize = 512;
/// A browser asks anew every few seconds, or not at all.
const SILENCE: Duration = Duration::from_secs(20);
/// Between two requests as well: longer than a page waits before it renews itself, which would find its connection closed else.
const HEADERS: Duration = Duration::from_secs(15);
const HANDSHAKE: Duration = Duration::from_secs(10);
/// However busy: whoever takes one byte of a page at a time is done then.
const LONGEST: Duration = Duration::from_secs(300);
/// Of a request's head.
const MAX_HEAD: usize = 16 << 10;

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// What is needed to speak TLS.
///
/// # Errors
/// The files can't be read, or aren't what they should be.
pub fn tls(tls: &Tls) -> Result<TlsAcceptor> {
    let told = || format!("can't use {} (`web.cert_file`)", tls.cert_file.display());
    let certs: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&tls.cert_file)
        .with_context(told)?
        .collect::<Result<_, _>>()
        .with_context(told)?;
    let key = secret::pem_of(&tls.key_file).map_err(|(what, _)| anyhow!("{what} (`web.key_file`)"))?;
    let key = PrivateKeyDer::from_pem_slice(&key).context("`web.key_file` holds no private key")?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config =
        versions.with_no_client_auth().with_single_cert(certs, key).context("certificate and key don't fit")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Answers until the process ends.
pub async fn serve(listener: TcpListener, app: Router, tls: Option<TlsAcceptor>) {
    let places = Arc::new(Semaphore::new(MOST));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a browser can't be answered");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let (app, tls) = (app.clone(), tls.clone());
        tokio::spawn(async move {
            let answered = tokio::time::timeout(LONGEST, answer(stream, peer, app, tls)).await;
            if let Ok(Err(error)) = answered {
                tracing::debug!(%peer, error = format!("{error:#}"), "a browser's connection broke off");
            }
            drop(place);
        });
    }
}

async fn answer(stream: TcpStream, peer: SocketAddr, app: Router, tls: Option<TlsAcceptor>) -> Result<()> {
    stream.set_nodelay(true)?;
    let stream = Patient::new(stream);
    match tls {
        None => http(stream, peer, app).await,
        Some(tls) => http(tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await??, peer, app).await,
    }
}

async fn http(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    app: Router,
) -> Result<()> {
    let app = app.layer(axum::Extension(Peer(peer)));
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    Ok(served.await?)
}

/// A connection that breaks off when nothing has come or gone for a while that was waited for.
struct Patient {
    stream: TcpStream,
    deadline: Pin<Box<Sleep>>,
}

impl Patient {
    fn new(stream: TcpStream) -> Self {
        Self { stream, deadline: Box::pin(tokio::time::sleep(SILENCE)) }
    }

    /// After something moved, the wait begins anew; where nothing does, it may be over.
    fn waited<T>(&mut self, task: &mut Task<'_>, moved: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match moved {
            Poll::Ready(moved) => {
                self.deadline.as_mut().reset(Instant::now() + SILENCE);
                Poll::Ready(moved)
            }
            Poll::Pending => {
                ready!(self.deadline.as_mut().poll(task));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Task<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(task, into);
        self.waited(task, read)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Task<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(task, bytes);
        self.waited(task, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}
