//! The page token: base64 of the second where paging goes on.
//!
//! It remembers no `oldest`. The text is built so that the token always holds a `+` and ends in `==`: a client that does not
//! percent-encode it fails at once instead of once in a while.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::query::Filters;

/// Where a walk stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The page goes on with entries strictly older than this second.
    pub(crate) before: u64,
    /// Epoch seconds of when the token was given out.
    pub(crate) minted: u64,
    /// Tells the tokens of empty pages apart, which all stand at the same second: a token that comes twice is an endless
    /// walk, and an empty page isn't one. 0 on other pages.
    pub(crate) serial: u64,
    /// Only when the knobs let a cursor carry them.
    pub(crate) filters: Option<Filters>,
}

impl Cursor {
    pub(crate) fn encode(&self) -> String {
        let filters = self.filters.as_ref().map_or(String::new(), |f| serde_json::to_string(f).unwrap_or_default());
        // "ts>" makes the `+`; the spaces make the length one more than a multiple of three.
        let mut text = format!("ts>{}:{}:{}:{filters}", self.before, self.minted, self.serial);
        while text.len() % 3 != 1 {
            text.push(' ');
        }
        STANDARD.encode(text)
    }

    /// `None` for anything that [`Cursor::encode`] did not make.
    pub(crate) fn decode(token: &str) -> Option<Self> {
        let text = String::from_utf8(STANDARD.decode(token).ok()?).ok()?;
        let mut parts = text.strip_prefix("ts>")?.splitn(4, ':');
        let before = parts.next()?.parse().ok()?;
        let minted = parts.next()?.parse().ok()?;
        let serial = parts.next()?.parse().ok()?;
        let filters = match parts.next()?.trim() {
            "" => None,
            json => Some(serde_json::from_str(json).ok()?),
        };
        Some(Self { before, minted, serial, filters })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_padded_base64_of_a_timestamp() {
        let cursor = Cursor { before: 1_566_215_192, minted: 1_566_219_999, serial: 0, filters: None };
        let token = cursor.encode();
        assert!(token.ends_with("==") && token.contains('+'), "{token}");
        assert_eq!(Cursor::decode(&token), Some(cursor));
        for garbage in ["", "x", "bmV4dA==", "dHM+bm93Ojo="] {
            assert_eq!(Cursor::decode(garbage), None, "{garbage}");
        }
    }
}
