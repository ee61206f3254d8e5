//! Through whom the actor acted: Slack's `context.acting_agent`, `context.agent_message` and `context.app`.
//!
//! One place in every class and both versions, because no other has one: the enrichment of type `acted_through`. Its `data`
//! has the three keys as Slack writes them, as far as they say anything. Where a class has attributes for them too (`actor`'s
//! app in 1.8.0, `message_context` of API Activity), those repeat it.

use super::schema::Version;
use super::vocabulary as v;
use crate::leaves::Leaves;
use crate::shown::{Fields, Shown};
use gridwatch_event::part::Part;

const KEYS: [&str; 3] = ["acting_agent", "agent_message", "app"];

/// The enrichment, about the attribute called `name` that has this value; `None` where the actor acted by themselves.
pub(super) fn enrichment<'e>(
    version: Version,
    leaves: &mut Leaves<'e>,
    name: &'e str,
    value: &Shown<'e>,
) -> Option<Shown<'e>> {
    let data = KEYS.into_iter().fold(Fields::new(), |data, key| data.maybe(key, leaves.saying(&["context", key])));
    let data = data.non_empty()?;
    let enrichment = version.make(&v::ENRICHMENT).set("name", name).set("value", value.clone());
    Some(enrichment.set("type", "acted_through").set("data", data).set("provider", "Slack").into())
}

/// `message_context`: the agent that acted, for classes that OCSF gives the profile `ai_operation`.
pub(super) fn message_context<'e>(version: Version, leaves: &Leaves<'e>) -> Option<Shown<'e>> {
    let agent = leaves.get(&["context", "acting_agent"]).and_then(Part::as_str).filter(|text| !text.is_empty())?;
    let context = version
        .make(&v::MESSAGE_CONTEXT)
        .id("ai_role_id", "ai_role", 4, "Agent")
        .set("name", agent)
        .set("service", super::objects::service(version, "Slack"));
    Some(context.into())
}
