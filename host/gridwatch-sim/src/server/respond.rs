//! Answers as Slack sends them.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};

use crate::knobs::{ErrorBody, Knobs};

/// Slack's content type for everything here, the empty 401 included.
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// What is answered, before it becomes HTTP.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) retry_after: Option<u64>,
}

impl Answer {
    pub(crate) fn ok(body: String) -> Self {
        Self::with_status(200, body)
    }

    pub(crate) fn with_status(status: u16, body: String) -> Self {
        Self { status, body, retry_after: None }
    }

    /// One of Slack's error codes. A 401 was recorded with an empty body; the others are up to the knobs.
    pub(crate) fn error(code: &str, knobs: &Knobs) -> Self {
        let status = knobs.status_of(code);
        let body = match knobs.error_body {
            ErrorBody::Json if status != 401 => ok_false(code),
            _ => String::new(),
        };
        Self::with_status(status, body)
    }

    pub(crate) fn into_response(self, date: &str) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, JSON);
        if let Ok(date) = HeaderValue::from_str(date) {
            headers.insert(header::DATE, date);
        }
        if let Some(secs) = self.retry_after {
            headers.insert(header::RETRY_AFTER, secs.into());
        }
        response
    }
}

/// `{"ok":false,"error":…}`.
pub(crate) fn ok_false(code: &str) -> String {
    gridwatch_stories::wire::object(|o| {
        o.flag("ok", false).str("error", code);
    })
}
