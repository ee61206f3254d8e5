//! The content of an entry: its bytes and what is read of them, once for all who hold it.

use crate::entry::Marks;
use crate::json;
use crate::part::{Part, Spelling};
use crate::spans::{At, Kind, Spans};
use serde_json::Value;
use std::sync::{Arc, OnceLock};

/// Never changes, so that an entry and its events share it.
#[derive(Clone, Debug)]
pub(crate) struct Content(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    raw: Box<str>,
    /// Of an ordinary entry, which is nearly every one.
    spans: Option<(Spans, Heads)>,
    /// Made when it is first asked for: of an odd entry, or by who needs a value of its own.
    read: OnceLock<(Value, Marks)>,
}

/// Where in an ordinary entry stands what nearly everybody asks of it; 0 where it isn't there.
#[derive(Clone, Copy, Debug, Default)]
struct Heads {
    id: At,
    date_create: At,
    action: At,
    actor: At,
    actor_id: At,
    entity: At,
    entity_id: At,
    entity_type: At,
    context: At,
    location: At,
    location_id: At,
    ip_address: At,
    ua: At,
    details: At,
}

/// What nearly everybody asks of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    Id,
    DateCreate,
    Action,
    /// The object under `actor.<actor.type>`.
    Actor,
    ActorId,
    Entity,
    EntityId,
    EntityType,
    Context,
    Location,
    LocationId,
    IpAddress,
    Ua,
    Details,
}

impl Content {
    pub(crate) fn of(raw: &str) -> Self {
        let spans = Spans::of(raw).and_then(|spans| Heads::of(raw, &spans).map(|heads| (spans, heads)));
        Self(Arc::new(Inner { raw: raw.into(), spans, read: OnceLock::new() }))
    }

    pub(crate) fn raw(&self) -> &str {
        &self.0.raw
    }

    /// Was there nothing out of the ordinary? Then id, action and types are written without escapes.
    pub(crate) fn is_ordinary(&self) -> bool {
        self.0.spans.is_some()
    }

    /// What had to be mended; of what is ordinary, nothing.
    pub(crate) fn mended(&self) -> Marks {
        match self.0.spans {
            Some(_) => Marks::new(),
            None => self.read().1.clone(),
        }
    }

    pub(crate) fn json(&self) -> &Value {
        &self.read().0
    }

    /// All of it.
    pub(crate) fn whole(&self) -> Part<'_> {
        match &self.0.spans {
            Some((spans, _)) => Part::at_span(self.raw(), spans, 0),
            None => Part::read(self.json()),
        }
    }

    pub(crate) fn head(&self, head: Head) -> Option<Part<'_>> {
        if let Some((spans, heads)) = &self.0.spans {
            let at = heads.at(head);
            return (at != 0).then(|| Part::at_span(self.raw(), spans, at));
        }
        let json = self.json();
        let value = match head {
            Head::Id => json.get("id"),
            Head::DateCreate => json.get("date_create"),
            Head::Action => json.get("action"),
            Head::Actor => typed(json.get("actor")?),
            Head::ActorId => typed(json.get("actor")?)?.get("id"),
            Head::Entity => typed(json.get("entity")?),
            Head::EntityId => typed(json.get("entity")?)?.get("id"),
            Head::EntityType => json.get("entity")?.get("type"),
            Head::Context => json.get("context"),
            Head::Location => json.get("context")?.get("location"),
            Head::LocationId => json.get("context")?.get("location")?.get("id"),
            Head::IpAddress => json.get("context")?.get("ip_address"),
            Head::Ua => json.get("context")?.get("ua"),
            Head::Details => json.get("details"),
        };
        value.map(Part::read)
    }

    /// The text there; "" of anything else. Not of what may be written with escapes.
    pub(crate) fn plain(&self, head: Head) -> &str {
        match self.head(head).and_then(Part::spelling) {
            Some(Spelling::Plain(text)) => text,
            _ => "",
        }
    }

    fn read(&self) -> &(Value, Marks) {
        self.0.read.get_or_init(|| json::read(&self.0.raw))
    }
}

/// `{"type": T, T: {...}}` → the object under T.
fn typed(outer: &Value) -> Option<&Value> {
    outer.get(outer.get("type")?.as_str()?)
}

impl Heads {
    /// `None` where something of it is written with escapes, which Slack has no reason to.
    fn of(raw: &str, spans: &Spans) -> Option<Self> {
        let mut heads = Self::default();
        let plain = |at: At| (spans.kind(at) != Kind::Escaped).then_some(at);
        let id_of = |object: At| plain(spans.get(raw, object, "id").unwrap_or(0));
        let typed = |outer: At| -> Option<[At; 3]> {
            let Some(kind) = spans.get(raw, outer, "type") else { return Some([0; 3]) };
            let object = match plain(kind).map(|kind| spans.kind(kind))? {
                Kind::Text => spans.get(raw, outer, spans.written(raw, kind)).unwrap_or(0),
                _ => 0,
            };
            let id = if object == 0 { 0 } else { id_of(object)? };
            Some([kind, object, id])
        };
        for at in spans.inside(0) {
            match spans.key(raw, at) {
                "id" => heads.id = plain(at)?,
                "date_create" => heads.date_create = at,
                "action" => heads.action = plain(at)?,
                "actor" => [_, heads.actor, heads.actor_id] = typed(at)?,
                "entity" => [heads.entity_type, heads.entity, heads.entity_id] = typed(at)?,
                "context" => {
                    heads.context = at;
                    for inner in spans.inside(at).filter(|_| spans.kind(at) == Kind::Object) {
                        match spans.key(raw, inner) {
                            "location" => (heads.location, heads.location_id) = (inner, id_of(inner)?),
                            "ip_address" => heads.ip_address = plain(inner)?,
                            "ua" => heads.ua = inner,
                            _ => {}
                        }
                    }
                }
                "details" => heads.details = at,
                _ => {}
            }
        }
        Some(heads)
    }

    fn at(&self, head: Head) -> At {
        match head {
            Head::Id => self.id,
            Head::DateCreate => self.date_create,
            Head::Action => self.action,
            Head::Actor => self.actor,
            Head::ActorId => self.actor_id,
            Head::Entity => self.entity,
            Head::EntityId => self.entity_id,
            Head::EntityType => self.entity_type,
            Head::Context => self.context,
            Head::Location => self.location,
            Head::LocationId => self.location_id,
            Head::IpAddress => self.ip_address,
            Head::Ua => self.ua,
            Head::Details => self.details,
        }
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.raw() == other.raw()
    }
}

impl Eq for Content {}

#[cfg(test)]
mod tests;
