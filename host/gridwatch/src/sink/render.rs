//! Rendering: a record is made into a line once for each form that sinks ask for, not once for each sink.
//!
//! What several sinks ask for is kept until so much has been rendered after it that the slower ones are far behind; then they
//! render it again. Threads that want the same record at the same time wait for the one that renders it, and go on apart from
//! there, so two sinks of one view share the work.

use super::{Delivery, Kind};
use crate::record::{Form, Record};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What is kept of all forms together: some thousands of records.
const KEPT_BYTES: usize = 16 << 20;

#[derive(Debug)]
pub struct Renderer {
    /// Those that more than one sink asks for.
    shared: Vec<Form>,
    kept: Mutex<Kept>,
    most_bytes: usize,
}

/// Number of the record, and place of the form in `shared`.
type Key = (u64, usize);

#[derive(Debug, Default)]
struct Kept {
    cells: HashMap<Key, Cell>,
    /// The oldest first.
    order: VecDeque<Key>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Cell {
    delivery: Arc<OnceLock<Delivery>>,
    /// Bytes of it that `Kept::bytes` counts: none before it is rendered.
    counted: usize,
}

impl Renderer {
    /// For sinks that ask for these forms, one each.
    pub fn new(asked: impl IntoIterator<Item = Form>) -> Self {
        let (mut once, mut shared) = (Vec::new(), Vec::new());
        for form in asked {
            match (once.contains(&form), shared.contains(&form)) {
                (false, _) => once.push(form),
                (true, false) => shared.push(form),
                (true, true) => {}
            }
        }
        Self { shared, kept: Mutex::default(), most_bytes: KEPT_BYTES }
    }

    pub fn delivery(&self, number: u64, record: &Record, form: Form) -> Delivery {
        let Some(place) = self.shared.iter().position(|shared| *shared == form) else {
            return rendered(number, record, form);
        };
        let (key, mut is_ours) = ((number, place), false);
        let cell = self.lock().cell(key);
        let delivery = cell.get_or_init(|| {
            is_ours = true;
            rendered(number, record, form)
        });
        if is_ours {
            self.lock().count(key, &cell, delivery.bytes.len(), self.most_bytes);
        }
        delivery.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn cell(&mut self, key: Key) -> Arc<OnceLock<Delivery>> {
        if !self.cells.contains_key(&key) {
            self.order.push_back(key);
        }
        self.cells.entry(key).or_default().delivery.clone()
    }

    fn count(&mut self, key: Key, rendered: &Arc<OnceLock<Delivery>>, bytes: usize, most_bytes: usize) {
        // It may have gone already, and been asked for again.
        if let Some(cell) = self.cells.get_mut(&key).filter(|cell| Arc::ptr_eq(&cell.delivery, rendered)) {
            cell.counted = bytes;
            self.bytes += bytes;
        }
        while self.bytes > most_bytes {
            let Some(oldest) = self.order.pop_front() else { return };
            self.bytes -= self.cells.remove(&oldest).map_or(0, |cell| cell.counted);
        }
    }
}

fn rendered(number: u64, record: &Record, form: Form) -> Delivery {
    let kind = match record {
        Record::Event { .. } => Kind::Event,
        Record::Alert(_) => Kind::Alert,
        Record::Heartbeat(_) => Kind::Heartbeat,
        Record::Audited(_) => Kind::Audit,
    };
    let rendered = record.render(form);
    Delivery { number, id: rendered.id.into(), kind, time: rendered.time, bytes: rendered.line.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridwatch_event::event::Sight;
    use gridwatch_event::time::UnixMillis;
    use gridwatch_views::{RawData, View};

    const OCSF: Form = Form { view: View::Ocsf, raw_data: RawData::Include, max_line: 16 << 10 };
    const ECS: Form = Form { view: View::Ecs, raw_data: RawData::Include, max_line: 16 << 10 };

    fn record(number: u64) -> Record {
        let raw = format!(r#"{{"id":"e{number}","date_create":{number},"action":"user_login"}}"#);
        Record::Event {
            org: gridwatch_event::org::OrgId::default(),
            seq: number,
            sight: Sight::first(UnixMillis(0)),
            organization: None,
            raw,
        }
    }

    fn is_same(a: &Delivery, b: &Delivery) -> bool {
        Arc::ptr_eq(&a.bytes, &b.bytes)
    }

    #[test]
    fn what_two_sinks_ask_for_is_rendered_once_and_what_one_asks_for_isnt_kept() {
        let renderer = Renderer::new([OCSF, ECS, OCSF]);
        for number in 0..100 {
            let [first, second] = [(); 2].map(|()| renderer.delivery(number, &record(number), OCSF));
            assert!(is_same(&first, &second) && first.number == number && *first.id == *format!("e{number}"));
            let [first, second] = [(); 2].map(|()| renderer.delivery(number, &record(number), ECS));
            assert!(!is_same(&first, &second) && first == second);
        }
        assert_eq!(renderer.lock().cells.len(), 100);
    }

    #[test]
    fn threads_that_ask_at_once_get_the_same_one() {
        let renderer = Renderer::new([OCSF, OCSF, OCSF]);
        let ask = || (0..500).map(|number| renderer.delivery(number, &record(number), OCSF)).collect::<Vec<_>>();
        let all = std::thread::scope(|scope| {
            let threads = [(); 3].map(|()| scope.spawn(ask));
            threads.map(|thread| thread.join().unwrap())
        });
        for other in &all[1..] {
            assert!(all[0].iter().zip(other).all(|(a, b)| is_same(a, b)));
        }
    }

    #[test]
    fn what_is_kept_is_bounded_and_a_sink_far_behind_renders_again() {
        let renderer = Renderer { most_bytes: 10_000, ..Renderer::new([OCSF, OCSF]) };
        let first = renderer.delivery(0, &record(0), OCSF);
        for number in 1..200 {
            let _ = renderer.delivery(number, &record(number), OCSF);
            let kept = renderer.lock();
            assert!(kept.bytes <= 10_000 && kept.cells.len() == kept.order.len());
            let counted: usize = kept.cells.values().map(|cell| cell.counted).sum();
            assert_eq!(counted, kept.bytes);
        }
        let again = renderer.delivery(0, &record(0), OCSF);
        assert!(first == again && !is_same(&first, &again));
    }
}
