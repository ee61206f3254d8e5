//! A TLS connection that is only written to. A close by the other side comes in what is read, so that is looked at all the time.

use crate::http::{self, Network};
use crate::secret;
use crate::sink::Problem;
use anyhow::{Context, Result, anyhow};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::{SockRef, TcpKeepalive};
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

/// The port of RFC 5425.
const PORT: u16 = 6_514;
/// How long the other side may take to close a connection that we are done with.
const CLOSING: Duration = Duration::from_secs(2);
/// How long a new connection is looked at before it is written to.
const PROBES: u32 = 6;
const BETWEEN_PROBES: Duration = Duration::from_millis(50);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    host: String,
    port: u16,
    name: ServerName<'static>,
}

impl Address {
    /// `host:port`, `[::1]:port`, or `host`; and the name that its certificate has, if that is another one.
    pub(super) fn read(text: &str, name: Option<&str>) -> Result<Self, (&'static str, String)> {
        let bad = || ("address", format!("`{text}` is no host and port"));
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Ok(PORT), str::parse).map_err(|_| bad())?;
        let key = if name.is_some() { "server_name" } else { "address" };
        let wanted = name.unwrap_or(host);
        let name =
            ServerName::try_from(wanted.to_owned()).map_err(|_| (key, format!("`{wanted}` is no name of a host")))?;
        Ok(Self { host: host.to_owned(), port, name })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let brackets = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{}{}{}:{}", brackets.0, self.host, brackets.1, self.port)
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum NoStream {
    Later(Problem),
    Stop(Problem),
}

impl NoStream {
    pub(super) fn problem(self) -> Problem {
        match self {
            Self::Later(problem) | Self::Stop(problem) => problem,
        }
    }
}

#[derive(Debug)]
pub(super) struct Connector {
    address: Address,
    tls: Arc<ClientConfig>,
    timeout: Duration,
    /// What isn't acknowledged by the other side's kernel within this breaks the connection.
    unheard: Duration,
}

impl Connector {
    /// # Errors
    /// A file of certificates can't be used, or the system has none.
    pub(super) fn new(address: &Address, network: &Network, timeout: Duration, resend: Duration) -> Result<Self> {
        // Before what was written is no longer kept.
        let unheard = (resend / 2).max(Duration::from_secs(2));
        Ok(Self { address: address.clone(), tls: Arc::new(config(network)?), timeout, unheard })
    }

    pub(super) fn connect(&self) -> Result<Stream, NoStream> {
        let Address { host, port, name } = &self.address;
        let later = |what: String| NoStream::Later(Problem { what, hint: None });
        let resolved = (host.as_str(), *port).to_socket_addrs();
        let mut why = later(format!("{} has no address", self.address));
        for addr in resolved.map_err(|error| later(format!("{host} can't be resolved: {error}")))? {
            match TcpStream::connect_timeout(&addr, self.timeout) {
                Ok(socket) => return self.over(socket, name),
                Err(error) => why = later(format!("no connection to {addr}: {error}")),
            }
        }
        Err(why)
    }

    fn over(&self, socket: TcpStream, name: &ServerName<'static>) -> Result<Stream, NoStream> {
        let later = |error: &io::Error| {
            NoStream::Later(Problem {
                what: format!("TLS with {} doesn't come about: {error}", self.address),
                hint: None,
            })
        };
        self.prepare(&socket).map_err(|error| later(&error))?;
        let tls = ClientConnection::new(self.tls.clone(), name.clone());
        let tls = tls.map_err(|error| later(&io::Error::other(error)))?;
        let mut stream = StreamOwned::new(tls, socket);
        while stream.conn.is_handshaking() {
            if let Err(error) = stream.conn.complete_io(&mut stream.sock) {
                return Err(match certificate_problem(&error) {
                    Some(problem) => NoStream::Stop(problem),
                    None => later(&error),
                });
            }
        }
        Ok(Stream(stream))
    }

    fn prepare(&self, socket: &TcpStream) -> io::Result<()> {
        socket.set_read_timeout(Some(self.timeout))?;
        socket.set_write_timeout(Some(self.timeout))?;
        let socket = SockRef::from(socket);
        socket.set_tcp_nodelay(true)?;
        // An idle connection that a firewall forgot is found before the next record is written into it.
        socket.set_tcp_keepalive(
            &TcpKeepalive::new().with_time(Duration::from_secs(20)).with_interval(Duration::from_secs(5)),
        )?;
        socket.set_tcp_user_timeout(Some(self.unheard))
    }
}

fn certificate_problem(error: &io::Error) -> Option<Problem> {
    let inner = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let hint = match inner {
        rustls::Error::InvalidCertificate(_) => {
            "name the receiver's authority as `ca_file`, and its name as `server_name`"
        }
        rustls::Error::AlertReceived(alert) if *alert != rustls::AlertDescription::InternalError => {
            "the receiver refuses us: it may want `client_cert_file` and `client_key_file`"
        }
        _ => return None,
    };
    Some(Problem { what: format!("TLS: {inner}"), hint: Some(hint) })
}

fn config(network: &Network) -> Result<ClientConfig> {
    http::use_ring();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let own = network.ca_file.as_deref().map(certificates).transpose()?.unwrap_or_default();
    let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(own, provider.clone());
    let verifier = verifier.context("no certificates to trust: name the receiver's authority as `ca_file`")?;
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    // rsyslog asks for our certificate and refuses a session that is resumed.
    let whole = |mut config: ClientConfig| {
        config.resumption = rustls::client::Resumption::disabled();
        config
    };
    let Some(client) = &network.client else { return Ok(whole(builder.with_no_client_auth())) };
    let key = secret::pem_of(&client.key_file).map_err(|(what, _)| anyhow!(what))?;
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|_| anyhow!("{} holds no private key", client.key_file.display()))?;
    let chain = certificates(&client.cert_file)?;
    let fits = builder.with_client_auth_cert(chain, key).map(whole);
    fits.with_context(|| format!("{} doesn't go with its key", client.cert_file.display()))
}

fn certificates(path: &std::path::Path) -> Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    found.map_err(|_| anyhow!("{} holds no certificate in PEM", path.display()))
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Stream(StreamOwned<ClientConnection, TcpStream>);

impl Stream {
    pub(super) fn write<'f>(&mut self, frames: impl Iterator<Item = &'f [u8]>) -> io::Result<()> {
        for frame in frames {
            self.0.write_all(frame)?;
        }
        self.0.flush()
    }

    /// Whoever is refused learns it a moment after the handshake (TLS 1.3), and would take what it writes for sent.
    pub(super) fn stays_open(&mut self) -> bool {
        (0..PROBES).all(|_| {
            std::thread::sleep(BETWEEN_PROBES);
            self.is_open()
        })
    }

    /// Has the other side neither closed it nor gone? Whatever it says is read and passed over.
    pub(super) fn is_open(&mut self) -> bool {
        let StreamOwned { conn, sock } = &mut self.0;
        if sock.set_nonblocking(true).is_err() {
            return false;
        }
        let is_open = loop {
            match conn.read_tls(sock) {
                Ok(0) => break false,
                Ok(_) => {
                    let is_good = conn.process_new_packets().is_ok_and(|state| !state.peer_has_closed());
                    let mut said = [0; 256];
                    while conn.reader().read(&mut said).is_ok_and(|n| n > 0) {}
                    if !is_good {
                        break false;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break false,
            }
        };
        sock.set_nonblocking(false).is_ok() && is_open
    }

    /// Ends it in order. True: the other side has read everything, for its own close comes after that.
    pub(super) fn close(&mut self) -> bool {
        let StreamOwned { conn, sock } = &mut self.0;
        conn.send_close_notify();
        let is_told = sock.set_read_timeout(Some(CLOSING)).is_ok()
            && conn.write_tls(sock).is_ok()
            && sock.shutdown(Shutdown::Write).is_ok();
        let mut rest = [0; 1_024];
        // What it still says is of no interest; the number of reads is bounded by their time.
        is_told
            && (0..1_000)
                .map(|_| sock.read(&mut rest))
                .find_map(|read| match read {
                    Ok(0) => Some(true),
                    Ok(_) => None,
                    Err(error) if error.kind() == ErrorKind::Interrupted => None,
                    Err(_) => Some(false),
                })
                .unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_with_or_without_a_port() {
        for (text, shown) in [
            ("syslog.example.com", "syslog.example.com:6514"),
            ("syslog.example.com:601", "syslog.example.com:601"),
            ("[::1]:6514", "[::1]:6514"),
            ("127.0.0.1:7000", "127.0.0.1:7000"),
        ] {
            assert_eq!(Address::read(text, None).unwrap().to_string(), shown);
        }
        for text in ["", ":6514", "host:port", "host:99999", "a b:1"] {
            assert!(Address::read(text, None).is_err(), "{text}");
        }
        assert_eq!(Address::read("10.0.0.1", Some("no name")).unwrap_err().0, "server_name");
    }
}
