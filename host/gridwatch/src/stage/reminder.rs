//! Saying again what goes on: what is wrong is logged when it begins, and then every ten minutes with its age, so that who
//! looks at the end of a log sees it.

use gridwatch_event::time::UnixMillis;
use gridwatch_manifest::span_text;
use std::collections::BTreeMap;

/// How often something is said again.
const AGAIN_MS: u64 = 600_000;

/// What goes on, by name.
#[derive(Debug, Default)]
pub struct Reminders(BTreeMap<String, Since>);

#[derive(Clone, Copy, Debug)]
struct Since {
    began: UnixMillis,
    said: UnixMillis,
}

impl Reminders {
    /// Of all that goes on now, what is to be said again, each with how long it has gone on. What isn't named is over.
    pub fn due(&mut self, now: UnixMillis, names: impl IntoIterator<Item = String>) -> Vec<(String, String)> {
        let mut before = std::mem::take(&mut self.0);
        let mut due = Vec::new();
        for name in names {
            let mut since = before.remove(&name).unwrap_or(Since { began: now, said: now });
            // Our clock may step back.
            since = Since { began: since.began.min(now), said: since.said.min(now) };
            if now.since(since.said) >= AGAIN_MS {
                since.said = now;
                due.push((name.clone(), span_text(now.since(since.began) / 60_000 * 60)));
            }
            self.0.insert(name, since);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_said_again_and_what_ends_begins_anew() {
        let mut reminders = Reminders::default();
        let minute = |n: u64| UnixMillis(1_000_000_000 + n * 60_000);
        let mut said = Vec::new();
        for n in 0..35 {
            let names = if n == 25 { vec![] } else { vec!["a".to_owned()] };
            said.extend(reminders.due(minute(n), names).into_iter().map(|(name, age)| (n, name, age)));
        }
        let expected = [(10, "a".to_owned(), "10m".to_owned()), (20, "a".to_owned(), "20m".to_owned())];
        assert_eq!(said, expected);
    }
}
