//! One HTTP client for all that is said to Slack: how it connects, how much of an answer it takes, and how long it stays away.
//!
//! It keeps no state but the connection. The token never enters an error or a log; neither does an address, which may hold any
//! word.

use crate::config::Network;
use anyhow::{Context, Result};
use gridwatch_event::time::UnixSeconds;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Certificate, Proxy, RequestBuilder, redirect};
use std::path::Path;
use std::time::Duration;

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
}

fn client(network: &Network, timeout: Duration) -> Result<reqwest::Client> {
    // Only fails if a provider is set already, and then there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("gridwatch/", env!("CARGO_PKG_VERSION")))
        .timeout(timeout)
        // A redirect would carry the token to wherever it points.
        .redirect(redirect::Policy::none());
    if let Some(proxy) = &network.proxy {
        builder = builder.proxy(Proxy::all(proxy).map_err(reqwest::Error::without_url).context("slack.proxy")?);
    }
    if let Some(file) = &network.ca_file {
        builder = builder.tls_certs_merge(certificates(file)?);
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
        let network = Network { ca_file: Some(file), proxy: None };
        let error = Http::new(&network, Duration::from_secs(1)).unwrap_err().to_string();
        assert!(error.contains("ca.pem holds no certificate in PEM"), "{error}");
    }
}
