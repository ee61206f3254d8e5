//! One page of `/logs`: newest first, whole seconds, the entries' exact bytes.

use super::State;
use super::cursor::Cursor;
use super::query::Query;
use super::timeline::Item;
use crate::faults::FaultKind;
use crate::knobs::{Knobs, LastPage, Reread};
use gridwatch_stories::wire::in_another_form;
use std::borrow::Cow;

/// A page and which entries of the timeline are on it.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) body: String,
    pub(crate) entries: u64,
    pub(crate) indexes: Vec<usize>,
}

impl State {
    /// Answers a valid query. `fault` may change the page's content.
    pub(crate) fn page(&mut self, query: &Query, fault: Option<&FaultKind>, now_ms: u64) -> Page {
        self.pages_asked += 1;
        let now_secs = now_ms / 1000;
        // Nothing shows before its second has come, so the top of the range is never in the future.
        let latest = query.filters.latest.unwrap_or(now_secs).min(now_secs);
        let top = query.before.map_or(latest, |before| latest.min(before.saturating_sub(1)));
        let found =
            if query.nothing || query.before == Some(0) { Found::default() } else { self.find(query, top, now_ms) };
        let empty_by_knob =
            self.knobs.empty_page_every > 0 && self.pages_asked.is_multiple_of(self.knobs.empty_page_every);
        let empty = fault == Some(&FaultKind::EmptyPageWithCursor) || (empty_by_knob && !found.indexes.is_empty());
        let mint = |before, serial| {
            let filters = self.knobs.cursor_carries_filters.then(|| query.filters.clone());
            Cursor { before, minted: now_secs, serial, filters }.encode()
        };
        if empty {
            let body = body("", Some(mint(top + 1, self.pages_asked)), &self.knobs, fault);
            return Page { body, entries: 0, indexes: Vec::new() };
        }
        let next = if found.more { found.indexes.last().map(|last| self.second(*last)) } else { None };
        let body = body(&self.spliced(&found.indexes, fault), next.map(|before| mint(before, 0)), &self.knobs, fault);
        Page { body, entries: found.indexes.len() as u64, indexes: found.indexes }
    }

    fn second(&self, index: usize) -> u64 {
        self.timeline.item(index).entry.date_create
    }

    /// The entries of one page. It grows past `limit` to finish its last second, or stops a second earlier, by the knob.
    fn find(&self, query: &Query, top: u64, now_ms: u64) -> Found {
        let mut found = Found::default();
        // How many entries of the page are in seconds that are known to be whole.
        let mut whole = 0;
        for index in self.timeline.range(query.oldest, top) {
            let item = self.timeline.item(index);
            if item.visible_at_ms > now_ms || !matches(item, query) {
                continue;
            }
            let new_second = found.indexes.last().is_some_and(|last| self.second(*last) != self.second(index));
            if new_second {
                whole = found.indexes.len();
            }
            if found.indexes.len() >= query.limit {
                let may_shrink = !self.knobs.page_overflow && whole > 0;
                if new_second || may_shrink {
                    found.indexes.truncate(whole);
                    found.more = true;
                    break;
                }
            }
            found.indexes.push(index);
        }
        found
    }

    fn spliced(&self, indexes: &[usize], fault: Option<&FaultKind>) -> String {
        let mut entries = String::with_capacity(indexes.len() * 800);
        for (i, index) in indexes.iter().enumerate() {
            if i > 0 {
                entries.push(',');
            }
            let item = self.timeline.item(*index);
            let json = &again(item, self.knobs.reread);
            let extra = match fault {
                Some(FaultKind::ChangeEntry) if i == 0 => r#","revision":2}"#,
                Some(FaultKind::ExtraUnknownKeys) => r#","x_future":{"deep":[1,null,{"k":"\u00e9"}]}}"#,
                _ => "",
            };
            match json.strip_suffix('}') {
                Some(open) if !extra.is_empty() => entries.extend([open, extra]),
                _ => entries.push_str(json),
            }
        }
        entries
    }
}

/// The bytes of an entry, which a knob may have change once it was shown.
fn again(item: &Item, reread: Reread) -> Cow<'_, str> {
    let json = item.entry.json.as_str();
    match reread {
        _ if !item.shown => json.into(),
        Reread::SameBytes => json.into(),
        Reread::OtherForm => in_another_form(json).into(),
        Reread::OtherFormAndNull => match in_another_form(json).strip_suffix('}') {
            Some(open) => format!("{open},\"review_state\":null}}").into(),
            None => json.into(),
        },
    }
}

#[derive(Debug, Default)]
struct Found {
    indexes: Vec<usize>,
    /// Whether an older entry matches as well.
    more: bool,
}

fn matches(item: &Item, query: &Query) -> bool {
    let filters = &query.filters;
    (filters.actions.is_empty() || filters.actions.contains(&item.entry.action))
        && filters.actor.as_ref().is_none_or(|actor| *actor == item.actor)
        && filters.entity.as_ref().is_none_or(|entity| *entity == item.entity)
}

/// The envelope. There is no `ok` in it, and it starts with `{"entries":[`.
fn body(entries: &str, next_cursor: Option<String>, knobs: &Knobs, fault: Option<&FaultKind>) -> String {
    let unknown = fault == Some(&FaultKind::ExtraUnknownKeys);
    let extra = if unknown { r#","x_trace":{"region":"eu"}"# } else { "" };
    let warnings = if unknown { r#","warnings":["superfluous_charset"]"# } else { "" };
    let metadata = match (next_cursor, knobs.last_page) {
        (Some(cursor), _) => {
            format!(r#","response_metadata":{{"next_cursor":"{}"{warnings}}}"#, cursor.replace('/', "\\/"))
        }
        (None, LastPage::EmptyString) => format!(r#","response_metadata":{{"next_cursor":""{warnings}}}"#),
        (None, LastPage::Null) => format!(r#","response_metadata":{{"next_cursor":null{warnings}}}"#),
        (None, LastPage::Missing) => r#","response_metadata":{}"#.to_owned(),
        (None, LastPage::NoMetadata) => String::new(),
    };
    format!(r#"{{"entries":[{entries}]{metadata}{extra}}}"#)
}
