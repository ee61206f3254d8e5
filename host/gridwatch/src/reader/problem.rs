//! What is wrong with a file: every problem, each with its place and a way out.

use gridwatch_manifest::document;
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

/// Everything wrong at once, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems {
    file: PathBuf,
    problems: Vec<Problem>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub file: PathBuf,
    /// Counted from 1, as columns are; both `None` when it is about the file as a whole.
    pub line: Option<usize>,
    pub column: Option<usize>,
    /// As in `slack.page_limit`; empty when no key is to blame.
    pub key: String,
    pub what: String,
    pub hint: Option<String>,
}

impl Problems {
    /// What was found while reading a file.
    pub fn of_file(file: PathBuf, problems: Vec<document::Problem>) -> Self {
        let problem = |problem: document::Problem| Problem {
            file: file.clone(),
            line: problem.place.map(|place| place.line),
            column: problem.place.map(|place| place.column),
            key: redacted(&problem.key),
            what: redacted(&problem.what),
            hint: problem.hint.map(|hint| redacted(&hint)),
        };
        Self { problems: problems.into_iter().map(problem).collect(), file }
    }

    /// One problem that keeps the file from being read at all.
    pub fn of_whole_file(file: PathBuf, what: String, hint: &str) -> Self {
        let problem = document::Problem { place: None, key: String::new(), what, hint: Some(hint.to_owned()) };
        Self::of_file(file, vec![problem])
    }

    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter()
    }
}

/// `gridwatch.toml:12:3: slack.page_limit: 20000 is …`, the hint on a line of its own.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{file}")?;
            if let (Some(line), Some(column)) = (problem.line, problem.column) {
                write!(f, ":{line}:{column}")?;
            }
            if !problem.key.is_empty() {
                write!(f, ": {}", problem.key)?;
            }
            write!(f, ": {}", problem.what)?;
            if let Some(hint) = &problem.hint {
                write!(f, "\n  hint: {hint}")?;
            }
        }
        Ok(())
    }
}

/// Shortest run of characters that could be a secret. Slack's are 32 (client secret) and more.
const SECRET_CHARS: usize = 24;

/// Takes out what may be a secret that was written where a name or a path belongs: a Slack token, or a long run of letters
/// and digits without a dot or a slash.
fn redacted(text: &str) -> String {
    let is_secret = |word: &str| {
        let token = ["xox", "xapp-", "xwfp-"].iter().any(|kind| word.contains(kind)) && word.len() > 8;
        let is_random = |part: &str| part.len() >= SECRET_CHARS && part.contains(|c: char| c.is_ascii_digit());
        token || word.split(['-', '_']).any(is_random)
    };
    let in_word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '+' | '=');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let word_end = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(word_end);
        out.push_str(if is_secret(word) { "[not shown]" } else { word });
        let gap_end = after.find(in_word).unwrap_or(after.len());
        out.push_str(&after[..gap_end]);
        rest = &after[gap_end..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_is_not_repeated() {
        for secret in ["xoxp-1234567890-abc", "xoxe.xoxp-1-Mi0yLTEyMzQ1Njc4OTA", "0123456789abcdef0123456789abcdef"] {
            let text = redacted(&format!("no such file: /etc/{secret}, or `{secret}`"));
            let told = secret.split('.').any(|part| part.len() > 6 && text.contains(part));
            assert!(!told, "{text}");
        }
        let plain = "no such file: /var/lib/gridwatch/slack-token-2026.txt (os error 2)";
        assert_eq!(redacted(plain), plain);
    }
}
