//! An ECS document under construction: fields are put in by their dotted names and come out nested.

use serde_json::{Map, Value};

#[derive(Debug, Default)]
pub(super) struct Document(Map<String, Value>);

impl Document {
    /// Puts a value in the place of a dotted name. Names are constants of this view, so none runs through a scalar.
    pub(super) fn put(&mut self, name: &str, value: impl Into<Value>) {
        let mut object = &mut self.0;
        let mut rest = name;
        while let Some((first, next)) = rest.split_once('.') {
            let inner = object.entry(first).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(inner) = inner else { return };
            (object, rest) = (inner, next);
        }
        object.insert(rest.to_owned(), value.into());
    }

    pub(super) fn maybe(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    /// Nothing for an empty text.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.maybe(name, (!text.is_empty()).then_some(text));
    }

    /// Nothing for an empty list.
    pub(super) fn list<T: Into<Value>>(&mut self, name: &str, all: impl IntoIterator<Item = T>) {
        let all: Vec<Value> = all.into_iter().map(Into::into).collect();
        self.maybe(name, (!all.is_empty()).then_some(all));
    }
}

impl From<Document> for Value {
    fn from(document: Document) -> Self {
        Self::Object(document.0)
    }
}
