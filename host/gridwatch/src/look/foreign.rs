//! Text that somebody else wrote, as a person has to see it, on the page and in a terminal. Names, titles, user agents and file names are chosen by those
//! whom gridwatch watches.
//!
//! What nobody would see, or what changes how other text is seen, is shown as `⟨U+202E⟩` in its place. A letter of another alphabet that passes for a Latin
//! one is shown with its number behind it, `Pа⟨U+0430⟩ypal`, where it stands in a word with Latin letters, or in a text whose other letters are Latin, or pass
//! for such. A text of another alphabet alone is what it is; whose name it may be taken for, the module `lookalikes` tells.

use gridwatch_event::text::{clip, is_hidden};
use gridwatch_looks::skeleton;
use std::fmt::Write;

/// What is shown of a text, at most so many characters of it, and whether there is more. `keeps` are characters that are the text's own, as line feeds of
/// a document.
pub fn shown(text: &str, most: usize, keeps: impl Fn(char) -> bool) -> (String, bool) {
    let text_shown = clip(text, most);
    let mut out = String::with_capacity(text_shown.len());
    for (letter, passes) in letters(text_shown).iter().copied() {
        match letter {
            letter if keeps(letter) => out.push(letter),
            letter if is_hidden(letter) => _ = write!(out, "⟨U+{:04X}⟩", u32::from(letter)),
            letter if passes => _ = write!(out, "{letter}⟨U+{:04X}⟩", u32::from(letter)),
            letter => out.push(letter),
        }
    }
    (out, text_shown.len() < text.len())
}

/// Each letter, and whether it passes for another one where it stands.
fn letters(text: &str) -> Vec<(char, bool)> {
    let mut letters: Vec<(char, bool)> = text.chars().map(|letter| (letter, false)).collect();
    if text.is_ascii() {
        return letters;
    }
    let has_latin = |letters: &[(char, bool)]| letters.iter().any(|(letter, _)| letter.is_ascii_alphabetic());
    let mut foreign = text.chars().filter(|letter| letter.is_alphabetic() && !letter.is_ascii());
    let is_all_alike =
        has_latin(&letters) && foreign.all(is_twin) && text.chars().any(|c| is_twin(c) && c.is_lowercase());
    // A mark without a width doesn't end a word: nobody sees it.
    let is_of_word =
        |(letter, _): &(char, bool)| letter.is_alphanumeric() || is_hidden(*letter) && !letter.is_control();
    for word in letters.chunk_by_mut(|one, next| is_of_word(one) && is_of_word(next)) {
        if is_all_alike || has_latin(word) {
            word.iter_mut().for_each(|(letter, passes)| *passes = passes_for_latin(*letter));
        }
    }
    letters
}

/// Nobody can tell it from a Latin letter. Some others pass for small capitals.
fn is_twin(letter: char) -> bool {
    passes_for_latin(letter) && !matches!(letter, 'в' | 'к' | 'м' | 'н' | 'т')
}

/// Of another alphabet, or in another width or face, and the same to the eye as a Latin letter. Latin letters with accents are none.
fn passes_for_latin(letter: char) -> bool {
    let is_foreign = matches!(letter,
        '\u{370}'..='\u{3ff}' | '\u{400}'..='\u{52f}' | '\u{530}'..='\u{58f}' | '\u{13a0}'..='\u{13ff}' | '\u{1d400}'..='\u{1d7ff}' | '\u{ff21}'..='\u{ff5a}');
    is_foreign && letter.is_alphabetic() && {
        let looks = skeleton(letter.encode_utf8(&mut [0; 4]));
        looks.len() == 1 && looks.bytes().all(|byte| byte.is_ascii_alphanumeric())
    }
}

/// The same on one line.
pub fn line(text: &str, most: usize) -> String {
    let (mut line, has_more) = shown(text, most, |_| false);
    if has_more {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> String {
        shown(text, 100, |_| false).0
    }

    #[test]
    fn what_nobody_would_see_is_shown() {
        assert_eq!(all("a\u{202e}txt.exe\0\u{200b}\n"), "a⟨U+202E⟩txt.exe⟨U+0000⟩⟨U+200B⟩⟨U+000A⟩");
        assert_eq!(all("\u{1b}[31méè 日本"), "⟨U+001B⟩[31méè 日本");
        assert_eq!(shown("a\nb", 9, |letter| letter == '\n'), ("a\nb".into(), false));
    }

    #[test]
    fn a_text_is_bounded() {
        assert_eq!((line("abc", 3).as_str(), line("abcd", 3).as_str()), ("abc", "abc…"));
        let (shown, has_more) = shown(&"ü".repeat(10 << 20), 300, |_| false);
        assert!(has_more && shown.chars().count() == 300);
    }

    #[test]
    fn letters_that_pass_for_others_have_their_number_behind_them() {
        for (name, want) in [
            ("Pаypal Inc", "Pа⟨U+0430⟩ypal Inc"),
            ("gοοgle.com", "gο⟨U+03BF⟩ο⟨U+03BF⟩gle.com"),
            ("Ok\u{200b}tа", "Ok⟨U+200B⟩tа⟨U+0430⟩"),
            ("ｐaypal", "ｐ⟨U+FF50⟩aypal"),
            ("асе.com", "а⟨U+0430⟩с⟨U+0441⟩е⟨U+0435⟩.com"),
            ("Москва, Pаy", "Москва, Pа⟨U+0430⟩y"),
        ] {
            assert_eq!(all(name), want);
        }
        for name in [
            "Иван Петров",
            "НОМЕР.xlsx",
            "тема.docx",
            "Ελένη",
            "Zoë Müller",
            "山田太郎",
            "Łukasz",
            "Team Москва",
            "сахар",
            "kısa",
        ] {
            assert_eq!(all(name), name);
        }
    }
}
