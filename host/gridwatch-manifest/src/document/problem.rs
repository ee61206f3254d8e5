//! Something wrong with a document, and where.

use serde::Serialize;
use std::fmt;

/// A place in a document, both counted from 1; columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

impl Place {
    /// Of the byte at this offset; the end of the text, if that is beyond it.
    pub fn of(text: &str, offset: usize) -> Self {
        let before = &text.as_bytes()[..offset.min(text.len())];
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        // Bytes that begin a character; the rest of one doesn't move the column.
        let column = 1 + before[line_start..].iter().filter(|byte| **byte & 0xC0 != 0x80).count();
        Self { line, column }
    }
}

/// `12:3`, as compilers write it after a file's name.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Something wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `None` when it is about the document as a whole.
    pub place: Option<Place>,
    /// As in `slack.page_limit`; empty when no key is to blame.
    pub key: String,
    pub what: String,
    pub hint: Option<String>,
}

/// `12:3: slack.page_limit: 20000 is …`, the hint on a line of its own.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.place {
            write!(f, "{place}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}", self.what)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_characters() {
        let text = "a\n\"é\" = x\n";
        let at = |offset| Place::of(text, offset).to_string();
        assert_eq!([at(0), at(2), at(8), at(text.len()), at(99)], ["1:1", "2:1", "2:6", "3:1", "3:1"]);
    }
}
