//! The one place where text that somebody else wrote becomes a part of a page. Names, titles, user agents and file names are chosen by those
//! whom gridwatch watches.
//!
//! Such a text stands in a `<bdi>`, so that it can't turn what stands beside it around. What nobody would see is shown, and so are letters that pass for
//! others ([`foreign`]). It is bounded, and never a link. `maud` escapes whatever else is put into a page.

use crate::look::foreign;
use gridwatch_event::text::clip;
use maud::Render;
use std::fmt::Write;

/// Characters of a text in a table or a headline.
const SHORT: usize = 300;
/// Of one that has room.
const LONG: usize = 4_000;
/// Of a whole document, as an alert's JSON.
pub const DOCUMENT: usize = 200_000;

/// A text that somebody else wrote.
#[derive(Clone, Copy, Debug)]
pub struct Foreign<'t> {
    text: &'t str,
    most: usize,
    /// Line feeds are the text's own, as in a `<pre>`.
    has_lines: bool,
}

/// In a table, a headline.
pub fn text(text: &str) -> Foreign<'_> {
    Foreign { text, most: SHORT, has_lines: false }
}

/// Where there is room for more.
pub fn long(text: &str) -> Foreign<'_> {
    Foreign { text, most: LONG, has_lines: false }
}

/// In a `<pre>`.
pub fn document(text: &str) -> Foreign<'_> {
    Foreign { text, most: DOCUMENT, has_lines: true }
}

impl Render for Foreign<'_> {
    fn render_to(&self, out: &mut String) {
        out.push_str("<bdi>");
        shown(self.text, self.most, self.has_lines).render_to(out);
        out.push_str("</bdi>");
    }
}

/// The same where only text can stand: attributes, the page's title, what a drawing is called.
pub fn plain(text: &str) -> String {
    shown(text, SHORT, false)
}

fn shown(text: &str, most: usize, has_lines: bool) -> String {
    let (mut shown, has_more) = foreign::shown(text, most, |letter| has_lines && matches!(letter, '\n' | '\t'));
    if has_more {
        _ = write!(shown, " … ({} bytes in all)", text.len());
    }
    shown
}

/// An address on this page, whatever the parameters hold. What is longer than any id or name that is looked for is cut: it leads nowhere anyway.
pub fn address(path: &[&str], parameters: &[(&str, &str)]) -> String {
    let mut out = String::new();
    path.iter().for_each(|part| {
        out.push('/');
        encode(part, &mut out);
    });
    if out.is_empty() {
        out.push('/');
    }
    let filled = parameters.iter().filter(|(_, value)| !value.is_empty());
    for (n, (name, value)) in filled.enumerate() {
        out.push(if n == 0 { '?' } else { '&' });
        encode(name, &mut out);
        out.push('=');
        encode(value, &mut out);
    }
    out
}

fn encode(text: &str, out: &mut String) {
    for byte in clip(text, SHORT).bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            byte => _ = write!(out, "%{byte:02X}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(foreign: Foreign<'_>) -> String {
        foreign.render().into_string()
    }

    #[test]
    fn markup_stays_text_and_what_is_hidden_is_shown() {
        assert_eq!(html(text("<b>&\"")), "<bdi>&lt;b&gt;&amp;&quot;</bdi>");
        assert_eq!(html(text("a\u{202e}txt.exe\0\u{200b}")), "<bdi>a⟨U+202E⟩txt.exe⟨U+0000⟩⟨U+200B⟩</bdi>");
        assert_eq!(html(document("a\n\tb\r")), "<bdi>a\n\tb⟨U+000D⟩</bdi>");
        assert_eq!(plain("a\nb"), "a⟨U+000A⟩b");
        assert_eq!(html(text("Pаypal")), "<bdi>Pа⟨U+0430⟩ypal</bdi>");
    }

    #[test]
    fn a_text_is_bounded_and_says_so() {
        let long = "ü".repeat(10 << 20);
        assert!(html(text(&long)).len() < 1_000);
        assert!(html(text(&long)).contains("(20971520 bytes in all)"));
    }

    #[test]
    fn an_address_is_one_whatever_is_put_into_it() {
        assert_eq!(address(&[], &[]), "/");
        assert_eq!(address(&[], &[("q", &"x".repeat(10 << 20))]).len(), 4 + SHORT);
        assert_eq!(address(&["alerts", "../x?"], &[("a", "&b=\"<"), ("c", "")]), "/alerts/..%2Fx%3F?a=%26b%3D%22%3C");
    }
}
