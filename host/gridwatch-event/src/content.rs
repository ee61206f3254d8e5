//! The content of an entry: its bytes and what is read of them, once for all who hold it.

use crate::entry::Marks;
use crate::json;
use crate::part::{Part, Spelling};
use crate::spans::{At, Kind, Span, Spans};
use serde_json::Value;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Never changes. An entry and its events share the bytes, and with them all entries that were read as one text.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    block: Arc<Block>,
    /// Where in the block's text it stands.
    at: Range<u32>,
    /// Which of the block's spans are its own; none of what isn't ordinary, as nearly every entry is.
    spans: Range<u32>,
    heads: Heads,
    /// Made when it is first asked for: of an odd entry, or by who needs a value of its own.
    read: OnceLock<Arc<(Value, Marks)>>,
}

/// A text that was read as one, and the spans of all ordinary entries in it.
#[derive(Debug)]
struct Block {
    text: Box<str>,
    spans: Box<[Span]>,
}

/// An entry of a block that isn't made yet.
struct Draft {
    at: Range<u32>,
    spans: Range<u32>,
    heads: Heads,
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
    session_id: At,
    app: At,
    acting_agent: At,
    details: At,
    /// Has it Slack's own keys and no other, and enough of them?
    is_as_written: bool,
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
    SessionId,
    App,
    ActingAgent,
    Details,
}

/// Longest text whose places can be told.
const MAX_BLOCK: usize = u32::MAX as usize;

impl Content {
    pub(crate) fn of(raw: &str) -> Self {
        let mut spans = Vec::new();
        let heads = Draft::scan(raw, &mut spans).unwrap_or_else(|| {
            spans.clear();
            Heads::default()
        });
        // No span is of a text beyond 64 KiB, and no entry is as long as 4 GiB.
        let (to, count) = (raw.len() as u32, spans.len() as u32);
        let block = Arc::new(Block { text: raw.into(), spans: spans.into() });
        Self { block, at: 0..to, spans: 0..count, heads, read: OnceLock::new() }
    }

    /// Those of a text that has one a line, up to the first line that isn't as Slack writes them, and how many bytes they take.
    pub(crate) fn of_lines(text: &str) -> (impl Iterator<Item = Self> + use<>, usize) {
        let (mut drafts, mut spans, mut taken) = (Vec::new(), Vec::new(), 0);
        while taken < text.len().min(MAX_BLOCK) {
            let rest = &text[taken..];
            let line = &rest[..memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len())];
            // What other space stands before an entry is for whoever looks closer.
            let (raw, first) = (line.trim_ascii_start().trim_end(), spans.len() as u32);
            if line.trim_ascii().is_empty() {
                taken = text.len().min(taken + line.len() + 1);
                continue;
            }
            let Some(heads) = Draft::scan(raw, &mut spans).filter(|heads| heads.is_as_written) else {
                spans.truncate(first as usize);
                break;
            };
            let from = (taken + line.len() - line.trim_ascii_start().len()) as u32;
            drafts.push(Draft { at: from..from + raw.len() as u32, spans: first..spans.len() as u32, heads });
            taken = text.len().min(taken + line.len() + 1);
        }
        let block = Arc::new(Block { text: text[..taken].into(), spans: spans.into() });
        let content =
            move |Draft { at, spans, heads }| Self { block: block.clone(), at, spans, heads, read: OnceLock::new() };
        (drafts.into_iter().map(content), taken)
    }

    #[inline]
    pub(crate) fn raw(&self) -> &str {
        &self.block.text[self.at.start as usize..self.at.end as usize]
    }

    /// Was there nothing out of the ordinary? Then id, action and types are written without escapes.
    #[inline]
    pub(crate) fn is_ordinary(&self) -> bool {
        !self.spans.is_empty()
    }

    /// Is it as Slack writes one: an object with Slack's own keys and no other?
    pub(crate) fn is_as_written(&self) -> bool {
        self.heads.is_as_written
    }

    /// What had to be mended; of what is ordinary, nothing.
    pub(crate) fn mended(&self) -> Marks {
        if self.is_ordinary() { Marks::new() } else { self.read().1.clone() }
    }

    pub(crate) fn json(&self) -> &Value {
        &self.read().0
    }

    #[inline]
    fn spans(&self) -> Spans<'_> {
        Spans::new(&self.block.spans[self.spans.start as usize..self.spans.end as usize])
    }

    /// All of it.
    #[inline]
    pub(crate) fn whole(&self) -> Part<'_> {
        match self.is_ordinary() {
            true => Part::at_span(self.raw(), self.spans(), 0),
            false => Part::read(self.json()),
        }
    }

    #[inline]
    pub(crate) fn head(&self, head: Head) -> Option<Part<'_>> {
        if self.is_ordinary() {
            let at = self.heads.at(head);
            return (at != 0).then(|| Part::at_span(self.raw(), self.spans(), at));
        }
        self.odd_head(head)
    }

    #[cold]
    fn odd_head(&self, head: Head) -> Option<Part<'_>> {
        let json = self.json();
        let context = |name: &str| json.get("context")?.get(name);
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
            Head::Location => context("location"),
            Head::LocationId => context("location")?.get("id"),
            Head::IpAddress => context("ip_address"),
            Head::Ua => context("ua"),
            Head::SessionId => context("session_id"),
            Head::App => context("app"),
            Head::ActingAgent => context("acting_agent"),
            Head::Details => json.get("details"),
        };
        value.map(Part::read)
    }

    /// The text there; "" of anything else. Not of what may be written with escapes.
    #[inline]
    pub(crate) fn plain(&self, head: Head) -> &str {
        match self.head(head).and_then(Part::spelling) {
            Some(Spelling::Plain(text)) => text,
            _ => "",
        }
    }

    fn read(&self) -> &(Value, Marks) {
        self.read.get_or_init(|| Arc::new(json::read(self.raw())))
    }
}

/// `{"type": T, T: {...}}` → the object under T.
fn typed(outer: &Value) -> Option<&Value> {
    outer.get(outer.get("type")?.as_str()?)
}

impl Draft {
    /// Adds an ordinary entry's spans; what it adds of another is of no use.
    fn scan(raw: &str, spans: &mut Vec<Span>) -> Option<Heads> {
        let before = spans.len();
        Spans::scan(raw, spans)?;
        Heads::of(raw, Spans::new(&spans[before..]))
    }
}

impl Heads {
    /// `None` where something of it is written with escapes, which Slack has no reason to.
    fn of(raw: &str, spans: Spans<'_>) -> Option<Self> {
        let (mut heads, mut known, mut is_own) = (Self::default(), 0, true);
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
                            "session_id" => heads.session_id = inner,
                            "app" => heads.app = inner,
                            "acting_agent" => heads.acting_agent = inner,
                            _ => {}
                        }
                    }
                }
                "details" => heads.details = at,
                _ => {
                    is_own = false;
                    continue;
                }
            }
            known += 1;
        }
        heads.is_as_written = known >= 2 && is_own && (heads.action != 0 || heads.date_create != 0);
        Some(heads)
    }

    #[inline]
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
            Head::SessionId => self.session_id,
            Head::App => self.app,
            Head::ActingAgent => self.acting_agent,
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
