//! The files that the page is made with. They are in the program, and each is asked for by a name with its hash in it, so that a browser keeps
//! it for good and gets another one with another gridwatch.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use gridwatch_event::text::hex;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// One of them.
struct Kept {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

const STYLE: Kept =
    Kept { name: "style.css", kind: "text/css; charset=utf-8", bytes: include_bytes!("static/style.css") };
/// Of version 4.0.1, as it is in its package; its licence is beside it.
const HTMX: Kept =
    Kept { name: "htmx.js", kind: "text/javascript; charset=utf-8", bytes: include_bytes!("static/htmx-4.0.1.min.js") };
const SCRIPT: Kept =
    Kept { name: "page.js", kind: "text/javascript; charset=utf-8", bytes: include_bytes!("static/page.js") };
const ICON: Kept = Kept { name: "icon.svg", kind: "image/svg+xml", bytes: include_bytes!("static/icon.svg") };

/// Where each of them is.
pub static STYLE_AT: LazyLock<String> = LazyLock::new(|| STYLE.address());
pub static HTMX_AT: LazyLock<String> = LazyLock::new(|| HTMX.address());
pub static SCRIPT_AT: LazyLock<String> = LazyLock::new(|| SCRIPT.address());
pub static ICON_AT: LazyLock<String> = LazyLock::new(|| ICON.address());

impl Kept {
    fn named(&self) -> String {
        let hash = hex(&Sha256::digest(self.bytes)[..8]);
        let (name, ending) = self.name.split_once('.').unwrap_or((self.name, ""));
        format!("{name}-{hash}.{ending}")
    }

    fn address(&self) -> String {
        format!("/files/{}", self.named())
    }
}

/// Only names that are known are looked up: nothing is read from the disk.
pub async fn file(Path(name): Path<String>) -> Response {
    let found = [STYLE, HTMX, SCRIPT, ICON].into_iter().find(|kept| kept.named() == name);
    match found {
        Some(kept) => {
            let headers =
                [(header::CONTENT_TYPE, kept.kind), (header::CACHE_CONTROL, "private, max-age=31536000, immutable")];
            (headers, kept.bytes).into_response()
        }
        None => (StatusCode::NOT_FOUND, "there is no such file\n").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_that_others_wrote_is_the_one_that_was_looked_at() {
        assert_eq!(
            hex(&Sha256::digest(HTMX.bytes)),
            "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130"
        );
    }

    #[test]
    fn nothing_of_ours_writes_markup_at_the_browser() {
        let text = |kept: Kept| std::str::from_utf8(kept.bytes).unwrap();
        for word in ["url(", "@import", "expression("] {
            assert!(!text(STYLE).contains(word), "{word}: the sheet asks for nothing");
        }
        for word in ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval", "Function", "parseHTML"] {
            assert!(!text(SCRIPT).contains(word), "{word}");
        }
    }
}
