//! Answers of Slack's Web API about one thing, as far as alerts tell of them.

use gridwatch_event::text::clean;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Longest text kept of an answer.
pub(super) const MAX_TEXT: usize = 200;

/// What a method says of one thing.
pub trait Answer: Clone + Serialize + DeserializeOwned + Send + 'static {
    const METHOD: &'static str;
    /// The argument that names the thing, and others that go along.
    const ASKED_BY: &'static str;
    const ALSO: &'static [(&'static str, &'static str)];

    /// Reads the body of a response.
    fn from_body(body: &[u8]) -> Result<Self, NoAnswer>;
}

/// Why a body holds no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// Slack's own word, such as `user_not_found` or `missing_scope`.
    #[error("Slack said {0}")]
    Refused(String),
    #[error("the answer is none")]
    Unreadable,
}

#[derive(Deserialize)]
struct Envelope<T> {
    #[serde(default)]
    ok: bool,
    error: Option<String>,
    #[serde(flatten)]
    rest: T,
}

/// What stands beside `ok` in a body that says so.
pub(super) fn of_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, NoAnswer> {
    let envelope: Envelope<T> = serde_json::from_slice(body).map_err(|_| NoAnswer::Unreadable)?;
    match envelope.ok {
        true => Ok(envelope.rest),
        false => Err(NoAnswer::Refused(clean(&envelope.error.unwrap_or_else(|| "no reason".into()), MAX_TEXT))),
    }
}

/// What `conversations.info` says of a channel. What it leaves out is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Conversation {
    pub name: String,
    pub private: Option<bool>,
    /// With another organization.
    pub shared: Option<bool>,
    pub members: Option<u64>,
}

#[derive(Deserialize)]
struct ConversationBody {
    channel: Option<Channel>,
}

#[derive(Deserialize)]
struct Channel {
    name: Option<String>,
    is_private: Option<bool>,
    is_ext_shared: Option<bool>,
    num_members: Option<u64>,
}

impl Answer for Conversation {
    const METHOD: &'static str = "conversations.info";
    const ASKED_BY: &'static str = "channel";
    const ALSO: &'static [(&'static str, &'static str)] = &[("include_num_members", "true")];

    fn from_body(body: &[u8]) -> Result<Self, NoAnswer> {
        let channel = of_body::<ConversationBody>(body)?.channel.ok_or(NoAnswer::Unreadable)?;
        Ok(Self {
            name: clean(&channel.name.unwrap_or_default(), MAX_TEXT),
            private: channel.is_private,
            shared: channel.is_ext_shared,
            members: channel.num_members,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_is_read_down_to_what_is_told() {
        let body = br#"{"ok":true,"channel":{"id":"C1","name":"deals","is_private":true,"is_ext_shared":false,
            "num_members":42,"topic":{"value":"x"}}}"#;
        let told = Conversation { name: "deals".into(), private: Some(true), shared: Some(false), members: Some(42) };
        assert_eq!(Conversation::from_body(body), Ok(told));
        assert_eq!(Conversation::from_body(br#"{"ok":true,"channel":{}}"#), Ok(Conversation::default()));
        let refused = Conversation::from_body(br#"{"ok":false,"error":"channel_not_found"}"#);
        assert_eq!(refused, Err(NoAnswer::Refused("channel_not_found".into())));
        for body in [&b"<html>"[..], b"[]", br#"{"ok":true}"#, br#"{"ok":true,"channel":7}"#] {
            assert_eq!(Conversation::from_body(body), Err(NoAnswer::Unreadable));
        }
    }
}
