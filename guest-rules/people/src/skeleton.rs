//! Skeletons: what a name looks like, whatever it is written with. Names that look alike have the same one.
//!
//! After the skeletons of Unicode's UTS #39, but with a table of our own of what passes for Latin in Slack's font: Cyrillic,
//! Greek, accented and full-width letters, digits and signs. Coarser than that standard: `I`, `l` and `1` are one.

/// What a name pretends, the worse the greater.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Likeness {
    /// Like none that is protected; but a word of it mixes alphabets, which no language does.
    TwoAlphabets,
    /// The very name.
    Same(String),
    /// The name, written with other letters; or the name in a longer one that mixes alphabets.
    OtherLetters(String),
}

/// Latin letter, and what passes for it.
const LOOKALIKES: &[(char, &str)] = &[
    ('a', "аΑαɑàáâãäåāăąǎȧạảάАӑӓ"),
    ('b', "ВвΒβЬьƅḃḅ"),
    ('c', "сСϲçćĉċčƈ"),
    ('d', "ԁďđḋḍɗ"),
    ('e', "еЕΕεёЁѐèéêëēĕėęěẹẻέ"),
    ('f', "ƒϝḟ"),
    ('g', "ɡĝğġģǧց"),
    ('h', "НнһҺΗĥħḣḥհ"),
    ('i', "іІїЇΙιíìîïĩīĭįıỉịίӏӀ"),
    ('j', "јЈĵϳ"),
    ('k', "КкΚκķĸǩḱ"),
    ('l', "łĺļľŀḷ"),
    ('m', "МмΜṁṃ"),
    ('n', "ΝηñńņňŉŋṅṇոпП"),
    ('o', "оОΟοσòóôõöøōŏőơǒọỏόöօӧ"),
    ('p', "рРΡρṗþ"),
    ('q', "ԛգ"),
    ('r', "гŕŗřṙ"),
    ('s', "ѕЅśŝşšșṡṣʂ"),
    ('t', "ТтΤτţťŧțṫṭ"),
    ('u', "υùúûüũūŭůűųưǔụủսц"),
    ('v', "ѵѴνṽṿ"),
    ('w', "ԝԜωŵẁẃẅщш"),
    ('x', "хХΧχẋẍ"),
    ('y', "уУΥγýÿŷỳỹүҮў"),
    ('z', "ΖžźżẑẓᴢЗ"),
];

/// How a name compares with those that nobody may look like; `None` if it is like none and mixes nothing.
pub(crate) fn likeness(name: &str, protected: &[String]) -> Option<Likeness> {
    let mixed = words(name).iter().any(|word| mixes_alphabets(word));
    let whole = skeleton(name);
    let like = protected.iter().filter(|like| !is_empty(like));
    let found = like.filter_map(|like| match () {
        () if whole == skeleton(like) && plain(name) == plain(like) => Some(Likeness::Same(like.clone())),
        () if whole == skeleton(like) => Some(Likeness::OtherLetters(like.clone())),
        () if mixed && has_within(name, like) => Some(Likeness::OtherLetters(like.clone())),
        () => None,
    });
    found.max().or_else(|| mixed.then_some(Likeness::TwoAlphabets))
}

/// Has the name nothing to look like?
pub(crate) fn is_empty(name: &str) -> bool {
    skeleton(name).is_empty()
}

/// All words of `part`, one after the other.
fn has_within(name: &str, part: &str) -> bool {
    let (name, part) = (words(name), words(part));
    let skeletons = |words: &[String]| words.iter().map(|word| skeleton(word)).collect::<Vec<_>>();
    let (name, part) = (skeletons(&name), skeletons(&part));
    name.windows(part.len().max(1)).any(|words| words == part)
}

fn words(name: &str) -> Vec<String> {
    let visible: String = name.chars().filter(|c| !is_invisible(*c)).collect();
    visible.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Letters and digits as they look; spaces and punctuation left out.
fn skeleton(name: &str) -> String {
    let looks: String = name.chars().filter(|c| !is_invisible(*c)).flat_map(looks_like).collect();
    looks.replace("rn", "m").replace("vv", "w")
}

/// Only what can be typed on any keyboard.
fn plain(name: &str) -> String {
    let typed = |c: &char| c.is_ascii_alphanumeric() || !c.is_ascii();
    name.chars().filter(typed).flat_map(char::to_lowercase).collect()
}

fn looks_like(c: char) -> Option<char> {
    let latin = match undress(c) {
        c if c.is_ascii() => Some(c.to_ascii_lowercase()),
        c => LOOKALIKES.iter().find(|(_, alike)| alike.contains(c)).map(|(latin, _)| *latin).or_else(|| small(c)),
    };
    match latin? {
        'i' | 'l' | '1' | '|' | '!' => Some('l'),
        '0' => Some('o'),
        '3' => Some('e'),
        '5' | '$' => Some('s'),
        '@' | '4' => Some('a'),
        c => c.is_alphanumeric().then_some(c),
    }
}

/// A letter's small form, once more through the table; any other letter stands for itself.
fn small(c: char) -> Option<char> {
    let small = c.to_lowercase().next()?;
    let latin = LOOKALIKES.iter().find(|(_, alike)| alike.contains(small)).map(|(latin, _)| *latin);
    latin.or_else(|| small.is_alphanumeric().then_some(small))
}

/// The plain letter of full-width and mathematical ones.
fn undress(c: char) -> char {
    let letter = |nth: u32| match nth % 52 {
        nth @ 0..26 => char::from(b'A' + nth as u8),
        nth => char::from(b'a' + (nth - 26) as u8),
    };
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        '\u{1d400}'..='\u{1d6a3}' => letter(c as u32 - 0x1d400),
        c => c,
    }
}

/// Combining accents and characters without width.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// Latin and Cyrillic or Greek letters in one word.
fn mixes_alphabets(word: &str) -> bool {
    let latin = word.chars().any(|c| c.is_ascii_alphabetic());
    latin && word.chars().any(|c| matches!(c, '\u{370}'..='\u{52f}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(name: &str) -> Option<Likeness> {
        let protected = ["Slackbot", "IT Support", "Helpdesk", "Security", "Admin"].map(String::from);
        likeness(name, &protected)
    }

    #[test]
    fn other_letters_are_seen_through() {
        for (name, want) in [
            ("Slackbоt", "Slackbot"),
            ("SIackbot", "Slackbot"),
            ("S1ackb0t", "Slackbot"),
            ("Ѕlаckbоt", "Slackbot"),
            ("Ｓlackbot", "Slackbot"),
            ("𝐒𝐥𝐚𝐜𝐤𝐛𝐨𝐭", "Slackbot"),
            ("Slackb\u{200b}öt", "Slackbot"),
            ("Slackbo\u{301}t", "Slackbot"),
            ("Hеlр Desk", "Helpdesk"),
            ("ІT Support", "IT Support"),
            ("lT-Support", "IT Support"),
            ("Adrnin", "Admin"),
            ("АDMIN", "Admin"),
            ("Sеcurity", "Security"),
            ("ІT Helpdesk", "Helpdesk"),
            ("Νordlicht IT Suppоrt", "IT Support"),
        ] {
            assert_eq!(like(name), Some(Likeness::OtherLetters(want.into())), "{name}");
        }
    }

    #[test]
    fn the_very_name_is_the_same_in_any_case_and_spacing() {
        for name in ["Slackbot", "slackbot", "SLACK BOT", "it-support", "ITSupport", "Help.Desk"] {
            assert!(matches!(like(name), Some(Likeness::Same(_))), "{name}");
        }
    }

    #[test]
    fn people_of_all_alphabets_may_have_their_names() {
        for name in [
            "",
            "Ana Lima",
            "Łukasz Larsen",
            "Anaïs Chen",
            "Łucja Żółć",
            "Мария Иванова",
            "Сара Рос",
            "Νίκος Παππάς",
            "山田 太郎",
            "محمد",
            "Ana (Security)",
            "Security Team",
            "Adminah",
            "Sécurité",
            "Anna Иванова",
            "R2D2",
            "!!!",
        ] {
            assert_eq!(like(name), None, "{name}");
        }
    }

    #[test]
    fn one_word_in_two_alphabets_is_told() {
        for name in ["Оlga Wendt", "Pаula", "Βen Okafor"] {
            assert_eq!(like(name), Some(Likeness::TwoAlphabets), "{name}");
        }
    }

    #[test]
    fn no_character_passes_for_two_letters() {
        for (nth, (latin, alike)) in LOOKALIKES.iter().enumerate() {
            for c in alike.chars() {
                let others = LOOKALIKES[nth + 1..].iter().find(|(_, alike)| alike.contains(c));
                assert_eq!(others, None, "{c} of {latin}");
                assert!(!c.is_ascii(), "{c}");
            }
        }
    }
}
