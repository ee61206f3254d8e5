//! gridwatch-looks: what a name looks like, whatever it is written with, and which of other names it could be taken for.
//!
//! The letters of Unicode's UTS #39 (`unicode-security`), made coarser: accents, case, spaces and punctuation don't count, `I`, `l` and `1`
//! are one, and so are `0` and `o`. What the standard keeps apart because small capitals exist is one here.

use unicode_security::confusable_detection::skeleton as confusable;

/// Longest name that is looked at, in characters; of a longer one, its beginning.
const MAX_NAME: usize = 128;
/// From so many letters on, one letter more, fewer, other or swapped makes a name that is taken for another: of shorter ones it makes
/// another word.
const ONE_OFF: usize = 6;
/// From so many on, two.
const TWO_OFF: usize = 12;

/// Letters and digits as they look. Names that look alike have the same skeleton; "" of a name without letters and digits.
pub fn skeleton(name: &str) -> String {
    let short: String = name.chars().filter(|c| !is_invisible(*c)).take(MAX_NAME).collect();
    let latin: String = confusable(&short).filter(|c| !is_mark(*c)).flat_map(char::to_lowercase).collect();
    // What was a capital may look like something else now that it is small.
    let again = confusable(&latin).filter(|c| !is_mark(*c)).flat_map(char::to_lowercase);
    let plain: String = again.map(one_of_its_kind).filter(|c| c.is_alphanumeric()).collect();
    plain.replace("vv", "w")
}

/// What people call the same letter, and UTS #39 doesn't.
fn one_of_its_kind(c: char) -> char {
    match c {
        'i' | '1' | '|' | 'ı' | 'ɩ' => 'l',
        '0' => 'o',
        'ʙ' | 'в' => 'b',
        'ĸ' | 'к' => 'k',
        'ᴍ' | 'м' => 'm',
        'ʜ' | 'н' => 'h',
        'ᴛ' | 'т' => 't',
        'ɡ' => 'g',
        'ɑ' => 'a',
        'ᴠ' => 'v',
        'ᴡ' => 'w',
        'ᴢ' => 'z',
        'ᴏ' => 'o',
        'ᴄ' => 'c',
        'ꜱ' => 's',
        other => other,
    }
}

fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}')
}

/// What takes no room, so that two names differ and nobody sees it.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}' | '\u{feff}')
        || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
}

/// Letters and digits as they are written, in small letters; and what can't be seen.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric() || is_invisible(*c))
        .flat_map(char::to_lowercase)
        .take(MAX_NAME)
        .collect()
}

/// How a name can be taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    /// A letter or two more, fewer, other or swapped.
    Near,
    /// The very name, but for case, spaces and punctuation.
    Same,
    /// The same to the eye, written with other letters.
    Confusable,
}

/// `None` of names that nobody takes for each other.
pub fn likeness(name: &str, of: &str) -> Option<Likeness> {
    compared(name, &skeleton(name), of)
}

fn compared(name: &str, looks: &str, of: &str) -> Option<Likeness> {
    let wanted = skeleton(of);
    if wanted.is_empty() || looks.is_empty() {
        return None;
    }
    match () {
        () if looks == wanted && plain(name) == plain(of) => Some(Likeness::Same),
        () if looks == wanted => Some(Likeness::Confusable),
        () => is_near(looks, &wanted).then_some(Likeness::Near),
    }
}

fn is_near(name: &str, of: &str) -> bool {
    let length = of.chars().count();
    let most = match length {
        TWO_OFF.. => 2,
        ONE_OFF.. => 1,
        _ => return false,
    };
    // The first letter is what the eye falls on: who changes it makes another word as a rule.
    name.chars().next() == of.chars().next()
        && name.chars().count().abs_diff(length) <= most
        && strsim::osa_distance(name, of) <= most
}

/// Of several names the one that it is likest.
pub fn likest<'n>(name: &str, names: &'n [String]) -> Option<(Likeness, &'n str)> {
    let looks = skeleton(name);
    let found = names.iter().filter_map(|of| Some((compared(name, &looks, of)?, of.as_str())));
    found.max_by_key(|(likeness, _)| *likeness)
}

/// How a domain can be taken for one of the organization's own, which it isn't: `nordl1cht.example`, `nordlicht-login.com`,
/// `nordlicht.co`. `None` of the own one and what is below it.
pub fn domain_likeness<'n>(domain: &str, own: &'n [String]) -> Option<(Likeness, &'n str)> {
    let domain = domain.trim().trim_end_matches('.').to_lowercase();
    let is_own = |own: &String| {
        let own = own.to_lowercase();
        domain == own || domain.strip_suffix(&own).is_some_and(|below| below.ends_with('.'))
    };
    if domain.is_empty() || own.iter().any(is_own) {
        return None;
    }
    let found = own.iter().filter_map(|own| {
        let name = registered(own);
        // A name of few letters is part of too many others.
        let long = name.chars().count() >= 5;
        let parts = domain.split('.').flat_map(|label| [label].into_iter().chain(label.split(['-', '_'])));
        let best = parts.filter_map(|part| likeness(part, name)).max()?;
        (long && best != Likeness::Near || best == Likeness::Near).then_some((best, own.as_str()))
    });
    found.max_by_key(|(likeness, _)| *likeness)
}

/// The part of a domain that is somebody's: `nordlicht` of `mail.nordlicht.co.uk`.
fn registered(domain: &str) -> &str {
    let labels: Vec<&str> = domain.split('.').collect();
    let at = match labels.len() {
        0..=1 => 0,
        // `co.uk`, `com.br`: two short labels at the end.
        n if n >= 3 && labels[n - 1].len() == 2 && labels[n - 2].len() <= 3 => n - 3,
        n => n - 2,
    };
    labels[at]
}

/// Is the name written with letters that pass for others: of two alphabets in one word, or with digits for letters? Names that look alike
/// are suspicious if one of them is.
pub fn is_dressed_up(name: &str) -> bool {
    let words = name.split(|c: char| !c.is_alphanumeric() && !is_invisible(c)).filter(|word| !word.is_empty());
    name.chars().any(is_invisible) || words.into_iter().any(mixes)
}

fn mixes(word: &str) -> bool {
    let latin = word.chars().any(|c| c.is_ascii_alphabetic());
    let other = word.chars().any(|c| c.is_alphabetic() && !c.is_ascii() && looks_latin(c));
    let digit_for_letter = word.chars().any(|c| matches!(c, '0' | '1'))
        && word.chars().filter(|c| c.is_alphabetic()).count() >= 3
        && !word.trim_end_matches(|c: char| c.is_ascii_digit()).chars().all(char::is_alphabetic);
    latin && other || digit_for_letter
}

/// A letter of another alphabet that passes for a Latin one. Latin letters with accents are none.
fn looks_latin(c: char) -> bool {
    let of_another =
        matches!(c, '\u{370}'..='\u{3ff}' | '\u{400}'..='\u{52f}' | '\u{530}'..='\u{58f}' | '\u{13a0}'..='\u{13ff}');
    of_another && skeleton(&c.to_string()).chars().all(|c| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_have_one_skeleton() {
        for (name, of) in [
            ("Goog1e Drive", "Google Drive"),
            ("GооgIе Drivе", "Google Drive"),
            ("ΑDΜΙΝ", "Admin"),
            ("sеcurity", "security"),
            ("Secürity", "security"),
            ("rnicrosoft", "Microsoft"),
            ("Ok\u{200b}ta", "Okta"),
            ("ОКТА", "Okta"),
            ("0kta", "Okta"),
            ("Ｏｋｔａ", "Okta"),
            ("VVorkday", "Workday"),
        ] {
            assert_eq!(skeleton(name), skeleton(of), "{name} and {of}");
            assert_eq!(likeness(name, of), Some(Likeness::Confusable), "{name} and {of}");
        }
        assert_eq!(likeness("google-drive", "Google Drive"), Some(Likeness::Same));
        assert_eq!((likeness("", "Okta"), likeness("Okta", "-"), likeness("Jira", "Okta")), (None, None, None));
    }

    #[test]
    fn a_letter_off_is_near_where_the_name_is_long_enough() {
        for (name, of) in
            [("Githup", "GitHub"), ("Salesfroce", "Salesforce"), ("Servicedesk Portall", "Servicedesk Portal")]
        {
            assert_eq!(likeness(name, of), Some(Likeness::Near), "{name}");
        }
        for (name, of) in [
            ("Oktb", "Okta"),
            ("Bithub", "GitHub"),
            ("Zoom", "Room"),
            ("Mira", "Jira"),
            ("Salesforge Two", "Salesforce"),
        ] {
            assert_eq!(likeness(name, of), None, "{name}");
        }
    }

    #[test]
    fn domains_that_pass_for_our_own_are_told_and_our_own_are_not() {
        let own = ["nordlicht.example".to_owned(), "nl.example".to_owned()];
        let like = |domain| domain_likeness(domain, &own).map(|(likeness, _)| likeness);
        for (domain, want) in [
            ("nordl1cht.example", Likeness::Confusable),
            ("nordlicht.com", Likeness::Same),
            ("nordlicht-login.com", Likeness::Same),
            ("sso.nordlicht.io", Likeness::Same),
            ("nordlicth.example", Likeness::Near),
            ("nоrdlicht.example", Likeness::Confusable),
        ] {
            assert_eq!(like(domain), Some(want), "{domain}");
        }
        for domain in [
            "nordlicht.example",
            "mail.nordlicht.example",
            "Nordlicht.Example.",
            "",
            "sonne.example",
            "nl.com",
            "example.com",
        ] {
            assert_eq!(like(domain), None, "{domain}");
        }
        assert_eq!(
            (registered("mail.firm.co.uk"), registered("firm.com"), registered("firm")),
            ("firm", "firm", "firm")
        );
    }

    #[test]
    fn a_name_of_two_alphabets_or_with_digits_in_a_word_is_dressed_up() {
        for name in ["GооgIе", "Раypal Inc", "G0ogle", "Sl4ck 1n1t", "Ok\u{200b}ta", "m1crosoft"] {
            assert_eq!(is_dressed_up(name), name != "Sl4ck 1n1t", "{name}");
        }
        for name in [
            "Google Drive",
            "Müller",
            "Иван Петров",
            "Ελένη",
            "Area51",
            "Web2",
            "山田太郎",
            "Zoë",
            "O'Neill",
            "Team 10",
            "A1 Telekom",
            "Łukasz",
        ] {
            assert!(!is_dressed_up(name), "{name}");
        }
    }

    #[test]
    fn a_long_name_is_looked_at_up_to_a_bound() {
        let long = "а".repeat(100_000);
        assert_eq!(skeleton(&long).chars().count(), MAX_NAME);
    }
}
