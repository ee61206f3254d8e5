//! One HTTP client for all that is said to Slack and to receivers: how it connects, how much of an answer it takes, and how long it
//! stays away.
//!
//! It keeps no state but the connection. A secret never enters an error or a log; neither does an address, which may hold any
//! word.

use crate::reader::{Edge, MIB, Purpose, Section, read_text};
use crate::secret;
use anyhow::{Context, Result};
use gridwatch_event::time::UnixSeconds;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Certificate, Identity, Method, Proxy, RequestBuilder, Url, redirect};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How others are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Instead of what `HTTPS_PROXY` and `NO_PROXY` say. Without a user or a password, which belong in the environment.
    pub proxy: Option<String>,
    /// Certificates, in PEM, that are trusted beside the system's: of a proxy that looks into TLS, or of a receiver's own authority.
    pub ca_file: Option<PathBuf>,
    /// What we show whoever asks who we are.
    pub client: Option<ClientCertificate>,
}

/// A certificate and its key, in PEM; the key's file is read like any other secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
}

/// What begins each certificate of a PEM file.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
/// A file of certificates that is larger is none.
const MAX_PEM_BYTES: u64 = 4 * MIB;

impl Network {
    /// From the keys `proxy` and `ca_file`.
    pub fn read(section: &mut Section<'_>, edge: &Edge<'_>) -> Self {
        let proxy = section.text("proxy");
        match proxy.as_deref().map(Url::parse) {
            Some(Ok(url)) if !url.username().is_empty() || url.password().is_some() => {
                let hint = "leave `proxy` out, and give the whole URL in the environment as HTTPS_PROXY".to_owned();
                section.problem("proxy", "holds a user or a password, which don't belong in this file", hint);
            }
            Some(Ok(url)) if ["http", "https"].contains(&url.scheme()) => {}
            Some(_) => section.problem(
                "proxy",
                "is no http or https URL",
                "as in \"http://proxy.example.com:3128\"".to_owned(),
            ),
            None => {}
        }
        Self { proxy, ca_file: certificate_file(section, "ca_file", edge), client: None }
    }

    /// From `ca_file`, `client_cert_file` and `client_key_file`, for what isn't HTTP.
    pub fn read_certificates(section: &mut Section<'_>, edge: &Edge<'_>) -> Self {
        let ca_file = certificate_file(section, "ca_file", edge);
        Self { proxy: None, ca_file, client: ClientCertificate::read(section, edge) }
    }

    /// And from `client_cert_file` and `client_key_file`.
    pub fn with_client(self, section: &mut Section<'_>, edge: &Edge<'_>) -> Self {
        Self { client: ClientCertificate::read(section, edge), ..self }
    }
}

impl ClientCertificate {
    pub fn read(section: &mut Section<'_>, edge: &Edge<'_>) -> Option<Self> {
        let cert_file = certificate_file(section, "client_cert_file", edge);
        let key_file = section.text("client_key_file").map(|path| edge.folder.join(path));
        match (&cert_file, &key_file) {
            (Some(_), None) => section.problem("client_key_file", "is missing beside `client_cert_file`", None),
            (None, Some(_)) => section.problem("client_cert_file", "is missing beside `client_key_file`", None),
            (_, Some(path)) if edge.purpose == Purpose::Run => {
                if let Err((what, hint)) = secret::pem_of(path) {
                    section.problem("client_key_file", what, hint);
                }
            }
            _ => {}
        }
        Some(Self { cert_file: cert_file?, key_file: key_file? })
    }

    /// Both, as PEM.
    ///
    /// # Errors
    /// One of them can't be read, or the key by others too.
    pub fn pem(&self) -> Result<Vec<u8>> {
        let mut pem =
            std::fs::read(&self.cert_file).with_context(|| format!("can't read {}", self.cert_file.display()))?;
        pem.push(b'\n');
        pem.extend(secret::pem_of(&self.key_file).map_err(|(what, _)| anyhow::anyhow!(what))?);
        Ok(pem)
    }
}

fn certificate_file(section: &mut Section<'_>, key: &'static str, edge: &Edge<'_>) -> Option<PathBuf> {
    let path = section.text(key).map(|path| edge.folder.join(path))?;
    match read_text(&path, MAX_PEM_BYTES) {
        Err(error) => section.problem(key, format!("cannot be read: {error}"), None),
        Ok(text) if !text.contains(CERTIFICATE) => {
            section.problem(key, "holds no certificate", format!("each begins with {CERTIFICATE}"));
        }
        Ok(_) => {}
    }
    Some(path)
}

/// Is it this machine? Then a secret may go there without TLS.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

/// A client; its clones share connections.
#[derive(Clone, Debug)]
pub struct Http {
    client: reqwest::Client,
    network: Network,
    timeout: Duration,
}

impl Http {
    /// # Errors
    ///
    /// When the proxy is no URL, or the file of certificates can't be read or holds none.
    pub fn new(network: &Network, timeout: Duration) -> Result<Self> {
        let client = client(network, timeout)?;
        Ok(Self { client, network: network.clone(), timeout })
    }

    /// The same over a connection of its own, which may lead to another machine.
    ///
    /// # Errors
    ///
    /// As [`Http::new`].
    pub fn anew(&self) -> Result<Self> {
        Self::new(&self.network, self.timeout)
    }

    pub fn get(&self, url: impl reqwest::IntoUrl) -> RequestBuilder {
        self.client.get(url)
    }

    pub fn post(&self, url: impl reqwest::IntoUrl) -> RequestBuilder {
        self.client.post(url)
    }

    pub fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url)
    }
}

/// Which implementation of TLS's algorithms all of this process uses.
pub fn use_ring() {
    // Only fails if a provider is set already, and then there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn client(network: &Network, timeout: Duration) -> Result<reqwest::Client> {
    use_ring();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("gridwatch/", env!("CARGO_PKG_VERSION")))
        .timeout(timeout)
        // A redirect would carry the token to wherever it points.
        .redirect(redirect::Policy::none());
    if let Some(proxy) = &network.proxy {
        builder = builder.proxy(Proxy::all(proxy).map_err(reqwest::Error::without_url).context("proxy")?);
    }
    if let Some(file) = &network.ca_file {
        builder = builder.tls_certs_merge(certificates(file)?);
    }
    if let Some(client) = &network.client {
        let identity = Identity::from_pem(&client.pem()?).map_err(|_| {
            let (cert, key) = (client.cert_file.display(), client.key_file.display());
            anyhow::anyhow!("{cert} and {key} are no certificate and its key in PEM")
        })?;
        builder = builder.identity(identity);
    }
    builder.build().context("the HTTP client can't be made")
}

/// The certificates of a PEM file, of which there has to be one.
fn certificates(file: &Path) -> Result<Vec<Certificate>> {
    let pem = std::fs::read(file).with_context(|| format!("can't read {}", file.display()))?;
    let found = Certificate::from_pem_bundle(&pem).unwrap_or_default();
    anyhow::ensure!(!found.is_empty(), "{} holds no certificate in PEM", file.display());
    Ok(found)
}

/// Why there is no whole body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoBody {
    TimedOut,
    /// It breaks off, or is larger than what is taken.
    Broken,
}

/// The whole body, of at most `max` bytes.
///
/// # Errors
///
/// When it breaks off, doesn't come in time, or is too large.
pub async fn body(mut response: reqwest::Response, max: usize) -> Result<Vec<u8>, NoBody> {
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(bytes),
            Ok(Some(chunk)) if bytes.len() + chunk.len() <= max => bytes.extend_from_slice(&chunk),
            Err(error) if error.is_timeout() => return Err(NoBody::TimedOut),
            Ok(Some(_)) | Err(_) => return Err(NoBody::Broken),
        }
    }
}

/// How long to stay away. RFC 9110: seconds, or a date. Fractions have been seen from proxies. Rounded up, never down; a date is
/// held against the answer's own clock where it has one, else against ours.
pub fn retry_after(headers: &HeaderMap, now: UnixSeconds) -> Option<u64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        // `as` ends at the largest number, which is capped later, and told.
        return (seconds >= 0.0).then(|| seconds.ceil() as u64);
    }
    let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_second();
    Some(u64::try_from(until).unwrap_or(0).saturating_sub(date(headers).unwrap_or(now).0))
}

/// Slack's clock.
pub fn date(headers: &HeaderMap) -> Option<UnixSeconds> {
    let date = headers.get(DATE)?.to_str().ok()?;
    let seconds = jiff::fmt::rfc2822::parse(date).ok()?.timestamp().as_second();
    u64::try_from(seconds).ok().map(UnixSeconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn retry_after_is_read_in_each_of_its_forms_and_never_shortened() {
        let now = UnixSeconds(784_111_777);
        for (text, seconds) in [
            ("20", Some(20)),
            (" 20 ", Some(20)),
            ("20.5", Some(21)),
            ("0", Some(0)),
            ("99999999999999999999", Some(u64::MAX.min(99_999_999_999_999_999_999_f64 as u64))),
            ("Sun, 06 Nov 1994 08:49:57 GMT", Some(20)),
            ("Sun, 06 Nov 1994 08:49:27 GMT", Some(0)),
            ("soon", None),
            ("-3", None),
            ("NaN", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
            assert_eq!(retry_after(&headers, now), seconds, "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn a_date_to_come_back_at_is_held_against_the_answers_own_clock() {
        let headers = HeaderMap::from_iter([
            (RETRY_AFTER, HeaderValue::from_static("Sun, 06 Nov 1994 08:49:57 GMT")),
            (DATE, HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT")),
        ]);
        assert_eq!(retry_after(&headers, UnixSeconds(0)), Some(20));
    }

    #[test]
    fn a_file_without_a_certificate_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        std::fs::write(&file, "not a certificate").unwrap();
        let network = Network { ca_file: Some(file), ..Network::default() };
        let error = Http::new(&network, Duration::from_secs(1)).unwrap_err().to_string();
        assert!(error.contains("ca.pem holds no certificate in PEM"), "{error}");
    }
}
