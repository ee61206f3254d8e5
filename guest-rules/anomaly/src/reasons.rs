//! Slack's reasons for an anomaly, and how much each one weighs, unless a team says otherwise.

use gridwatch_sdk::Severity::{self, High, Low, Medium};

/// (reason, severity alone, what Slack means by it). The names are those of Slack's "Anomalous events reference".
const REASONS: &[(&str, Severity, &str)] = &[
    ("session_fingerprint", High, "session cookie or client is not the one the session began with"),
    ("unexpected_admin_action", High, "unusual act of an administrator's account"),
    ("unexpected_credential_testing", High, "a credential is being tried out"),
    ("tor", Medium, "request from a Tor exit"),
    ("excessive_downloads", Medium, "far more downloads than normal"),
    ("excessive_malware_uploads", Medium, "many malicious files uploaded or shared"),
    ("spoofed_user_agent", Medium, "client's traits contradict its user agent"),
    ("unexpected_message_deletion", Medium, "abnormal deletion of messages"),
    ("unexpected_scraping", Medium, "a tool that can scrape"),
    ("asn", Low, "network on Slack's list of suspicious ones"),
    ("excessive_file_shares", Low, "far more file shares than normal"),
    // By itself it is somebody's script, or their work: it says how many, and not that anything is wrong.
    ("unexpected_api_call_volume", Low, "more API calls than a client makes"),
    ("ip_address", Low, "address does not fit the token's history"),
    ("potential_spam", Low, "very many calls of one API method"),
    // Deprecated since May 2025; old entries have it.
    ("search_volume", Low, "suspicious searching"),
    ("unexpected_client", Low, "unusual Slack client"),
    ("unexpected_user_agent", Low, "user agent that no person's client sends"),
    ("user_agent", Low, "user agent changed oddly"),
];

/// How a team wants reasons rated.
pub(crate) struct Rating<'c> {
    /// Before the built-in severities; `None` is no anomaly at all.
    pub(crate) own: [(&'c Vec<String>, Option<Severity>); 4],
    /// Two of these together say that the session is being used by somebody else from somewhere else.
    pub(crate) pairs: &'c [String],
}

impl Rating<'_> {
    /// Severity of all reasons together. `None` if there are some, and all are ignored.
    pub(crate) fn severity(&self, reasons: &[String]) -> Option<Severity> {
        let rated: Vec<_> = reasons.iter().filter_map(|reason| Some((reason, self.of(reason)?))).collect();
        let paired = rated.iter().filter(|(reason, _)| self.pairs.contains(reason)).count() >= 2;
        match rated.iter().map(|(_, severity)| *severity).max() {
            _ if paired => Some(High),
            Some(worst) => Some(worst),
            None => reasons.is_empty().then_some(Medium),
        }
    }

    fn of(&self, reason: &String) -> Option<Severity> {
        let own = self.own.iter().find(|(list, _)| list.contains(reason));
        own.map_or(Some(find(reason).0), |(_, severity)| *severity)
    }
}

pub(crate) fn meaning(reason: &str) -> &'static str {
    find(reason).1
}

fn find(reason: &str) -> (Severity, &'static str) {
    let known = REASONS.iter().find(|(name, ..)| *name == reason);
    known.map_or((Medium, "not known to this module"), |(_, severity, meaning)| (*severity, *meaning))
}
