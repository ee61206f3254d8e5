//! Reads Slack's wire form from files: one entry a line, or saved response bodies, also pretty-printed ones.
//!
//! Total, like everything that meets entries: a line that is no JSON becomes a marked entry. Memory is bounded by the
//! longest single value, not by the file.

use anyhow::Context;
use gridwatch_core::entry::{Entry, Page};
use std::io::{BufRead, BufReader, Result};
use std::path::Path;

/// A value that spans lines is given up, line by line, beyond this.
const MAX_VALUE: usize = 256 << 20;

/// A file or, for `-`, standard input.
pub fn open(path: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let file = std::fs::File::open(path).with_context(|| format!("can't read {}", path.display()))?;
    Ok(Box::new(BufReader::with_capacity(1 << 20, file)))
}

/// Entries of a stream, in its order.
pub struct Entries<R> {
    lines: R,
    ready: std::collections::VecDeque<Entry>,
}

impl<R: BufRead> Entries<R> {
    pub fn new(lines: R) -> Self {
        Self { lines, ready: std::collections::VecDeque::new() }
    }

    /// Reads until something is ready; false at the end.
    fn fill(&mut self) -> Result<bool> {
        while self.ready.is_empty() {
            let (mut value, mut nesting) = (Vec::new(), Nesting::default());
            loop {
                let start = value.len();
                if self.lines.read_until(b'\n', &mut value)? == 0 {
                    break;
                }
                nesting.follow(&value[start..]);
                if nesting.is_closed() || value.len() > MAX_VALUE {
                    break;
                }
            }
            if value.is_empty() {
                return Ok(false);
            }
            self.take(&value);
        }
        Ok(true)
    }

    fn take(&mut self, value: &[u8]) {
        let text = String::from_utf8_lossy(value);
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        let is_body = text.starts_with('{') && text.contains("\"entries\"");
        match is_body.then(|| Page::from_body(value)) {
            Some(Ok(page)) => self.ready.extend(page.entries),
            // A value that was cut off swallowed the lines after it: give them back one by one.
            _ if serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() && text.contains('\n') => {
                self.ready.extend(text.lines().filter(|l| !l.trim().is_empty()).map(Entry::from_json));
            }
            _ => self.ready.push_back(Entry::from_json(text)),
        }
    }
}

impl<R: BufRead> Iterator for Entries<R> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.fill() {
            Ok(true) => self.ready.pop_front().map(Ok),
            Ok(false) => None,
            Err(e) => Some(Err(e)),
        }
    }
}

/// How deep in brackets a text is, strings apart: enough to know where a value ends.
#[derive(Default)]
struct Nesting {
    depth: i64,
    in_string: bool,
    escaped: bool,
}

impl Nesting {
    fn follow(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match (self.in_string, byte) {
                (true, _) if self.escaped => self.escaped = false,
                (true, b'\\') => self.escaped = true,
                (true, b'"') => self.in_string = false,
                (true, _) => {}
                (false, b'"') => self.in_string = true,
                (false, b'{' | b'[') => self.depth += 1,
                (false, b'}' | b']') => self.depth -= 1,
                (false, _) => {}
            }
        }
        if bytes.ends_with(b"\n") && self.in_string {
            // JSON strings hold no line feeds: the value is broken, its line is all there is of it.
            (self.in_string, self.escaped, self.depth) = (false, false, 0);
        }
    }

    fn is_closed(&self) -> bool {
        self.depth <= 0 && !self.in_string
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<String> {
        Entries::new(text.as_bytes()).map(|e| e.unwrap().id).collect()
    }

    #[test]
    fn lines_bodies_and_pretty_printed_bodies_are_read() {
        assert_eq!(ids("{\"id\":\"a\"}\n\n{\"id\":\"b\"}"), ["a", "b"]);
        assert_eq!(ids(r#"{"entries":[{"id":"a"},{"id":"b"}],"response_metadata":{"next_cursor":""}}"#), ["a", "b"]);
        assert_eq!(
            ids("{\n \"entries\": [\n  {\"id\": \"a\"},\n  {\"id\": \"}\"}\n ]\n}\n{\"id\":\"c\"}\n"),
            ["a", "}", "c"]
        );
        assert_eq!(ids("{\"id\":\"a\",\"details\":{\"entries\":[1]}}"), ["a"], "an entry may speak of entries");
    }

    #[test]
    fn a_broken_line_costs_itself_and_no_other() {
        let got = ids("{\"id\":\"a\"}\nnot json\n{\"id\":\"b\",\n{\"id\":\"c\"}\n{\"id\":\"d\"}");
        assert!(
            got.contains(&"a".to_owned()) && got.contains(&"c".to_owned()) && got.contains(&"d".to_owned()),
            "{got:?}"
        );
        assert_eq!(got.len(), 5);
    }
}
