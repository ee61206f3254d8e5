//! How somebody gets in: with a token, or by a one-time link.

use super::files;
use super::guard::Refusal;
use super::listen::Peer;
use super::site::Site;
use super::views::shell;
use axum::Extension;
use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Debug, Default, Deserialize)]
pub struct Login {
    #[serde(default)]
    token: String,
    #[serde(default)]
    next: String,
}

/// What somebody gets who isn't logged in. A browser that was led here by another site sends no strict cookie with that, so it is asked to
/// come again by itself; only then is it known who it is.
pub fn first(uri: &Uri, headers: &HeaderMap) -> Response {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let is_led = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site");
    if is_led && headers.contains_key("sec-fetch-mode") {
        return (StatusCode::OK, Html(again(target).into_string())).into_response();
    }
    if headers.contains_key("hx-request") {
        // A part of a page can't become the form: the whole page is to be asked for anew.
        return ([("hx-refresh", "true")], StatusCode::UNAUTHORIZED).into_response();
    }
    let login = super::html::address(&["login"], &[("next", if target == "/" { "" } else { target })]);
    see_other(&login, None)
}

fn see_other(address: &str, cookie: Option<String>) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, HeaderValue::try_from(address).unwrap_or(HeaderValue::from_static("/")));
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::try_from(cookie).ok()) {
        headers.insert(header::SET_COOKIE, cookie);
    }
    response
}

/// A page that asks for an address of ours by itself.
fn again(target: &str) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="refresh" content=(format!("0;url={}", local(target)));
                title { "gridwatch" }
                link rel="stylesheet" href=(*files::STYLE_AT);
            }
            body.alone { main { p { a href=(local(target)) { "Go on to gridwatch" } } } }
        }
    }
}

/// Nowhere else than on this page.
fn local(target: &str) -> &str {
    let is_local = target.starts_with('/') && !target.starts_with("//") && !target.contains(['\\', '\n', '\r', '\t']);
    if is_local { target } else { "/" }
}

pub async fn form(State(site): State<Arc<Site>>, Query(login): Query<Login>) -> Response {
    shown(&site, &login.next, None)
}

fn shown(site: &Site, next: &str, refusal: Option<Refusal>) -> Response {
    let status = refusal.map_or(StatusCode::OK, Refusal::status);
    let body = html! {
        main.login {
            h1 { "gridwatch" }
            @if let Some(refusal) = refusal { p.problem role="alert" { (refusal.text()) } }
            @if site.guard.has_tokens() {
                form method="post" action="/login" {
                    input type="hidden" name="next" value=(super::html::plain(local(next)));
                    label for="token" { "Token" }
                    input #token type="password" name="token" autocomplete="current-password" required autofocus;
                    button { "Log in" }
                }
                p { "Or by a link that is good once: run on gridwatch's own machine" }
            } @else {
                p { "A link that is good once logs you in. Run on gridwatch's own machine, as the user that it runs as:" }
            }
            pre tabindex="0" { code { "gridwatch web open --config FILE" } }
        }
    };
    (status, Html(shell("Log in", &body).into_string())).into_response()
}

pub async fn log_in(State(site): State<Arc<Site>>, peer: Extension<Peer>, Form(login): Form<Login>) -> Response {
    match site.guard.log_in(&login.token, peer.0.0.ip()) {
        Ok(cookie) => see_other(local(&login.next), Some(cookie)),
        Err(refusal) => shown(&site, &login.next, Some(refusal)),
    }
}

pub async fn open(State(site): State<Arc<Site>>, peer: Extension<Peer>, Path(link): Path<String>) -> Response {
    match site.guard.open_link(&link, peer.0.0.ip()) {
        Ok(cookie) => {
            // By a page of ours: the strict cookie goes along with what it asks for, whatever led here.
            let mut response = Html(again("/").into_string()).into_response();
            if let Ok(cookie) = HeaderValue::try_from(cookie) {
                response.headers_mut().insert(header::SET_COOKIE, cookie);
            }
            response
        }
        Err(Refusal::WrongToken) => {
            let body = html! {
                main.login {
                    h1 { "gridwatch" }
                    p.problem role="alert" { "This link was opened before, or is more than two minutes old." }
                    p { "Another one:" }
                    pre tabindex="0" { code { "gridwatch web open --config FILE" } }
                }
            };
            (StatusCode::UNAUTHORIZED, Html(shell("Link", &body).into_string())).into_response()
        }
        Err(refusal) => super::refused(refusal),
    }
}

pub async fn log_out(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    see_other("/login", Some(site.guard.log_out(&headers)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_away_from_here() {
        for target in
            ["//evil.example", "https://evil.example", "/\\evil.example", "", "javascript:alert(1)", "/a\n//b"]
        {
            assert_eq!(local(target), "/", "{target}");
        }
        assert_eq!(local("/alerts?since=7d"), "/alerts?since=7d");
    }
}
