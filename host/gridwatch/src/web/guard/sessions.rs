//! Who is logged in: what a cookie stands for. It is in memory alone, so whoever restarts gridwatch logs everybody out.
//!
//! A cookie's value is 256 random bits that are made at each login; a value that comes from elsewhere stands for nothing and is never taken
//! over. Kept is what the listener's own secret makes of it.

use super::Visitor;
use anyhow::{Result, anyhow};
use gridwatch_event::text::hex;
use gridwatch_event::time::UnixMillis;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::HashMap;

/// At a time; who didn't look for longest goes first.
const MOST: usize = 1_000;
/// However busy somebody is.
const LONGEST_MS: u64 = 7 * 86_400_000;

pub struct Sessions {
    key: hmac::Key,
    idle_ms: u64,
    by_tag: HashMap<Vec<u8>, Session>,
}

struct Session {
    visitor: Visitor,
    began: UnixMillis,
    looked: UnixMillis,
}

/// 256 bits that nobody can foresee, in hexadecimal.
///
/// # Errors
/// The system has no random numbers.
pub fn random() -> Result<String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| anyhow!("the system gives no random numbers"))?;
    Ok(hex(&bytes))
}

impl Sessions {
    /// # Errors
    /// The system has no random numbers.
    pub fn new(idle_s: u64) -> Result<Self> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        let key = key.map_err(|_| anyhow!("the system gives no random numbers"))?;
        Ok(Self { key, idle_ms: idle_s * 1_000, by_tag: HashMap::new() })
    }

    /// Logs somebody in; the answer is what their cookie is to hold.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn begin(&mut self, visitor: Visitor, now: UnixMillis) -> Result<String> {
        if self.by_tag.len() >= MOST {
            let (idle_ms, before) = (self.idle_ms, self.by_tag.len());
            self.by_tag.retain(|_, session| session.is_there(idle_ms, now));
            let oldest = self.by_tag.iter().min_by_key(|(_, session)| session.looked).map(|(tag, _)| tag.clone());
            if let Some(oldest) = oldest.filter(|_| self.by_tag.len() == before) {
                self.by_tag.remove(&oldest);
            }
        }
        let value = random()?;
        self.by_tag.insert(self.tag(&value), Session { visitor, began: now, looked: now });
        Ok(value)
    }

    /// Who it is that sends this; `None` if it stands for nobody, or not any more.
    pub fn visitor(&mut self, value: &str, now: UnixMillis) -> Option<Visitor> {
        let (tag, idle_ms) = (self.tag(value), self.idle_ms);
        let session = self.by_tag.get_mut(&tag)?;
        if !session.is_there(idle_ms, now) {
            self.by_tag.remove(&tag);
            return None;
        }
        session.looked = now;
        Some(session.visitor.clone())
    }

    pub fn end(&mut self, value: &str) {
        self.by_tag.remove(&self.tag(value));
    }

    fn tag(&self, value: &str) -> Vec<u8> {
        hmac::sign(&self.key, value.as_bytes()).as_ref().to_vec()
    }
}

impl Session {
    fn is_there(&self, idle_ms: u64, now: UnixMillis) -> bool {
        now.since(self.looked) < idle_ms && now.since(self.began) < LONGEST_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::web::Orgs;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn visitor() -> Visitor {
        Visitor { name: "ann".into(), see: Orgs::All, act: Orgs::None }
    }

    #[test]
    fn a_session_ends_when_nobody_looks_and_at_last_in_any_case() {
        let mut sessions = Sessions::new(60).unwrap();
        let value = sessions.begin(visitor(), NOW).unwrap();
        assert!(sessions.visitor(&value, NOW.plus(59_999)).is_some());
        assert!(sessions.visitor(&value, NOW.plus(119_998)).is_some(), "a look counts");
        assert!(sessions.visitor(&value, NOW.plus(179_999)).is_none());
        let (value, mut now) = (sessions.begin(visitor(), NOW).unwrap(), NOW);
        while now < NOW.plus(LONGEST_MS - 50_000) {
            now = now.plus(50_000);
            assert!(sessions.visitor(&value, now).is_some());
        }
        assert!(sessions.visitor(&value, now.plus(50_000)).is_none());
    }

    #[test]
    fn a_value_from_elsewhere_stands_for_nobody_and_an_ended_one_neither() {
        let mut sessions = Sessions::new(60).unwrap();
        assert!(sessions.visitor(&"0".repeat(64), NOW).is_none());
        let value = sessions.begin(visitor(), NOW).unwrap();
        let mut others = Sessions::new(60).unwrap();
        assert!(others.visitor(&value, NOW).is_none(), "another listener's");
        sessions.end(&value);
        assert!(sessions.visitor(&value, NOW).is_none());
    }

    #[test]
    fn their_number_is_bounded() {
        let mut sessions = Sessions::new(60).unwrap();
        let first = sessions.begin(visitor(), NOW).unwrap();
        for n in 0..MOST as u64 {
            sessions.begin(visitor(), NOW.plus(n + 1)).unwrap();
        }
        assert_eq!(sessions.by_tag.len(), MOST);
        assert!(sessions.visitor(&first, NOW.plus(2_000)).is_none(), "who looked longest ago went");
    }
}
