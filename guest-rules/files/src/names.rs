//! What a file's name gives away.

/// Ends of names of what people open without a thought.
const HARMLESS: [&str; 23] = [
    "pdf", "doc", "docx", "odt", "rtf", "txt", "csv", "xls", "xlsx", "ods", "ppt", "pptx", "key", "pages", "jpg",
    "jpeg", "png", "gif", "heic", "mp3", "mp4", "mov", "eml",
];

/// Ends of names of what runs when it is opened.
const RUNS: [&str; 25] = [
    "exe", "scr", "com", "pif", "bat", "cmd", "ps1", "vbs", "vbe", "js", "jse", "wsf", "wsh", "hta", "msi", "msix",
    "lnk", "cpl", "jar", "iso", "img", "vhd", "appx", "dmg", "pkg",
];

/// Of those, what is source code or an address as often.
const OFTEN_HARMLESS: [&str; 2] = ["js", "com"];

/// Characters that turn the direction of writing around, so that "fdp.exe" reads "exe.pdf".
const TURNS: [char; 4] = ['\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}'];

/// The one of `listed` by which the name is sensitive.
pub(crate) fn sensitive<'l>(name: &str, listed: &'l [String]) -> Option<&'l str> {
    let lower = name.trim().to_lowercase();
    let words = words(name);
    let fits = |listed: &str| match listed.strip_prefix('.') {
        Some(_) => lower.ends_with(&listed.to_lowercase()),
        None => words.contains(&self::words(listed)) && !self::words(listed).trim().is_empty(),
    };
    listed.iter().map(String::as_str).find(|listed| fits(listed))
}

/// The words of a text, each between spaces: "DB-Passwords_2.txt" and "dbPasswords 2.txt" both have " db passwords 2 txt ".
fn words(text: &str) -> String {
    let mut out = String::from(" ");
    let mut before = ' ';
    for c in text.chars() {
        let ends = !c.is_alphanumeric() || (before.is_lowercase() && c.is_uppercase());
        if ends && !out.ends_with(' ') {
            out.push(' ');
        }
        if c.is_alphanumeric() {
            out.extend(c.to_lowercase());
        }
        before = c;
    }
    if !out.ends_with(' ') {
        out.push(' ');
    }
    out
}

/// How a name poses as another type, if it does.
pub(crate) fn disguise(name: &str) -> Option<String> {
    if name.contains(TURNS) {
        return Some("turns the direction of writing around".into());
    }
    let lower = name.trim().to_lowercase();
    let mut ends = lower.rsplit('.').map(str::trim);
    let (last, before) = (ends.next()?, ends.next()?);
    // A name that is nothing but the two ends isn't one.
    ends.next()?;
    let poses = RUNS.contains(&last) && HARMLESS.contains(&before);
    poses.then(|| format!("{before} before {last}"))
}

/// Does the name say that it runs when it is opened?
pub(crate) fn runs(name: &str) -> bool {
    let lower = name.trim().to_lowercase();
    let end = lower.rsplit_once('.').map_or("", |(_, end)| end);
    RUNS.contains(&end) && !OFTEN_HARMLESS.contains(&end)
}

/// A name as it is written, for reading.
pub(crate) fn plain(name: &str) -> String {
    name.replace(TURNS, "�")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    #[test]
    fn words_are_whole_whatever_is_between_them() {
        let listed = listed(&["key", "passwords", "api key", ".npmrc", ".pem", "id rsa"]);
        for (name, by) in [
            ("DB-Passwords_2026.txt", "passwords"),
            ("dbPasswords.txt", "passwords"),
            ("my key.txt", "key"),
            ("api_key", "key"),
            (".npmrc", ".npmrc"),
            ("server.PEM", ".pem"),
            ("id_rsa", "id rsa"),
            ("backup of ID-RSA", "id rsa"),
        ] {
            assert_eq!(sensitive(name, &listed), Some(by), "{name}");
        }
        for name in ["", "keynote.key.pdf.zipped-keys", "monkey.png", "passwordless.pdf", "grid_rsam.txt", "npmrc.txt"]
        {
            assert_ne!(sensitive(name, &listed), Some("passwords"), "{name}");
            assert_ne!(sensitive(name, &listed), Some("id rsa"), "{name}");
        }
        assert_eq!(sensitive("keynote.pdf", &listed), None);
        assert_eq!(sensitive("anything", &["".to_owned(), " - ".to_owned()]), None);
    }

    #[test]
    fn a_disguise_is_a_program_behind_a_document() {
        for name in ["invoice.pdf.exe", "Invoice.PDF.Exe ", "a.b.jpg.scr", "cv.doc .js", "\u{202e}fdp.exe"] {
            assert!(disguise(name).is_some(), "{name}");
        }
        for name in
            ["setup.exe", "report.tar.gz", "pdf.exe", "v1.2.exe", "report.exe.pdf", "", "jquery.min.js", "notes.txt"]
        {
            assert_eq!(disguise(name), None, "{name}");
        }
    }

    #[test]
    fn a_program_is_told_by_its_end() {
        for name in ["setup.exe", "Setup.MSI ", "a.pdf.lnk", ".bat"] {
            assert!(runs(name), "{name}");
        }
        for name in ["exe", "setup.exe.txt", "jquery.min.js", "booking.com", "", "report."] {
            assert!(!runs(name), "{name}");
        }
    }

    /// The rules wait for names with these ends, and a manifest can't name the lists.
    #[test]
    fn triggers_have_every_end_of_what_runs() {
        let lists = |field: &str| -> Vec<Vec<&str>> {
            let before = format!("\"{field}#ending\" = [");
            let rest = include_str!("../module.toml").lines().filter_map(|line| Some(line.split_once(&before)?.1));
            let list = |rest: &'static str| rest.split_once(']').map_or(rest, |(list, _)| list).split(", ");
            rest.map(|rest| list(rest).map(|text| text.trim_matches('"')).collect()).collect()
        };
        let always: Vec<&str> = RUNS.into_iter().filter(|end| !OFTEN_HARMLESS.contains(end)).collect();
        for field in ["entity.name", "entity.title"] {
            assert_eq!(lists(field), [&RUNS[..], &always], "{field}");
        }
        for turn in TURNS {
            let text = format!("\"*\\u{:04x}*\"", u32::from(turn));
            assert_eq!(include_str!("../module.toml").matches(&text).count(), 2, "{text}");
        }
    }

    #[test]
    fn nothing_turns_around_in_a_title() {
        assert_eq!(plain("a\u{202e}b"), "a�b");
    }
}
