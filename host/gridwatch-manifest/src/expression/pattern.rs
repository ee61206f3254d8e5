//! A pattern over a whole text: `*` for anything, `?` for one character, `\` before these two and itself for themselves; before anything
//! else `\` is itself.

use std::borrow::Cow;

/// Whether the case of letters counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Any,
    AsWritten,
}

/// Made once, so that a text is only compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    Whole(String),
    Start(String),
    End(String),
    Within(String),
    Wild(Vec<Piece>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    One(char),
    AnyOne,
    Any,
}

impl Pattern {
    /// Without regard to case, it is compared with texts that are [`folded`].
    pub(super) fn new(text: &str, case: Case) -> Self {
        Self::of(pieces(&if case == Case::Any { folded(text) } else { text.into() }))
    }

    /// A part of a text, whatever its case.
    pub(super) fn within(text: &str) -> Self {
        let mut all = vec![Piece::Any];
        all.extend(pieces(&folded(text)));
        all.push(Piece::Any);
        all.dedup_by(|a, b| *a == Piece::Any && *b == Piece::Any);
        Self::of(all)
    }

    fn of(pieces: Vec<Piece>) -> Self {
        let plain = |pieces: &[Piece]| -> Option<String> {
            pieces.iter().map(|piece| if let Piece::One(c) = piece { Some(*c) } else { None }).collect()
        };
        let made = match pieces.as_slice() {
            [Piece::Any, inner @ .., Piece::Any] => plain(inner).map(Self::Within),
            [Piece::Any, end @ ..] => plain(end).map(Self::End),
            [start @ .., Piece::Any] => plain(start).map(Self::Start),
            whole => plain(whole).map(Self::Whole),
        };
        made.unwrap_or(Self::Wild(pieces))
    }

    pub(super) fn fits(&self, text: &str) -> bool {
        match self {
            Self::Whole(whole) => whole == text,
            Self::Start(start) => text.starts_with(start.as_str()),
            Self::End(end) => text.ends_with(end.as_str()),
            Self::Within(part) => text.contains(part.as_str()),
            Self::Wild(pieces) => fits_wild(pieces, text),
        }
    }
}

/// Letters in the one case in which they are compared.
pub(super) fn folded(text: &str) -> Cow<'_, str> {
    match text.bytes().any(|b| b.is_ascii_uppercase() || !b.is_ascii()) {
        true => text.to_lowercase().into(),
        false => text.into(),
    }
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        pieces.push(match c {
            '\\' => Piece::One(chars.next_if(|next| matches!(next, '*' | '?' | '\\')).unwrap_or('\\')),
            '*' => Piece::Any,
            '?' => Piece::AnyOne,
            other => Piece::One(other),
        });
    }
    pieces.dedup_by(|a, b| *a == Piece::Any && *b == Piece::Any);
    pieces
}

/// Goes back to the last `*` alone, so that its time is bounded by the product of both lengths.
fn fits_wild(pieces: &[Piece], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut piece, mut back) = (0, 0, None);
    while at < text.len() {
        match pieces.get(piece) {
            Some(Piece::Any) => {
                back = Some((piece + 1, at));
                piece += 1;
            }
            Some(Piece::AnyOne) => (at, piece) = (at + 1, piece + 1),
            Some(Piece::One(c)) if *c == text[at] => (at, piece) = (at + 1, piece + 1),
            _ => match back {
                Some((after, from)) => {
                    back = Some((after, from + 1));
                    (piece, at) = (after, from + 1);
                }
                None => return false,
            },
        }
    }
    pieces[piece..].iter().all(|piece| *piece == Piece::Any)
}
