//! Slack's lists of actions and entity types. They need no token, and a token must not go where it isn't needed.

use crate::http::{self, Http};
use anyhow::{Result, anyhow};
use reqwest::StatusCode;
use reqwest::header::ACCEPT;

/// Largest list taken; the real ones have 30 KiB.
const MAX_LIST: usize = 8 << 20;

#[derive(Debug)]
pub struct PublicLists {
    pub(super) http: Http,
    pub(super) logs_url: reqwest::Url,
}

impl PublicLists {
    /// The body of `GET /audit/v1/actions`.
    ///
    /// # Errors
    ///
    /// When Slack can't be reached or answers with anything but a whole list.
    pub async fn actions(&self) -> Result<Vec<u8>> {
        self.get("actions").await
    }

    /// The body of `GET /audit/v1/schemas`.
    ///
    /// # Errors
    ///
    /// As [`PublicLists::actions`].
    pub async fn schemas(&self) -> Result<Vec<u8>> {
        self.get("schemas").await
    }

    async fn get(&self, name: &str) -> Result<Vec<u8>> {
        let url = self.logs_url.join(name)?;
        let response = self.http.get(url).header(ACCEPT, "application/json").send().await;
        let response = response.map_err(reqwest::Error::without_url)?;
        anyhow::ensure!(response.status() == StatusCode::OK, "/audit/v1/{name} answered {}", response.status());
        let broken = |_| anyhow!("the body of /audit/v1/{name} breaks off or is too large");
        http::body(response, MAX_LIST).await.map_err(broken)
    }
}
