//! Members: what feeds windows. A member is an action list, conditions and a key; windows that are fed alike share one, whatever
//! their kind and span: five failures in ten minutes, fifty in a day, and how many people they were of.
//!
//! Only windows that began to watch together share a member, so that none finds hits from before it was declared.

use super::identity::SlotId;
use super::kind::{self, Cut};
use crate::reading::Reading;
use gridwatch_event::event::Event;
use gridwatch_event::time::UnixSeconds;
use gridwatch_manifest::{Baseline, Conditions, Field, FieldTest, WindowKind, WindowSpec, WindowTest};
use gridwatch_names::catalogue;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// One window of one module.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) id: SlotId,
    pub(super) module: String,
    /// With the windows it refers to by their positions among all.
    pub(super) spec: Arc<WindowSpec>,
    /// What feeds it; of a sequence, one for each step.
    pub(super) members: Vec<u32>,
    /// What is looked at in each one's hits, if anything is.
    pub(super) columns: Vec<Option<u16>>,
    /// Numbers of the keys that it is fed under.
    pub(super) feed_keys: Vec<u16>,
    pub(super) read_key: Option<u16>,
    /// Time of the first event it ever saw.
    pub(super) since: Option<UnixSeconds>,
}

impl Window {
    /// How long it has watched when an event comes.
    pub(super) fn watched_s(&self, event: &Event) -> u64 {
        self.since.map_or(0, |since| event.time.0.saturating_sub(since.0))
    }

    /// The steps that a class takes, as bits. A window of another kind is one step.
    pub(super) fn steps(&self, has: impl Fn(u32) -> bool) -> u64 {
        self.members.iter().enumerate().filter(|(_, member)| has(**member)).map(|(at, _)| 1 << at).sum()
    }
}

/// What is done with an event that feeds a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Hit,
    Seen { span_s: u64 },
    Tally { of: Option<u16>, cut: Cut },
}

/// What an event has to be to feed a member, and under which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Feed {
    actions: Vec<String>,
    /// Numbers of tests.
    tests: Vec<u16>,
    windows: Vec<WindowTest>,
    pub(super) key: u16,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) struct Member {
    /// `None` where no window is left that asks for it, or none is known yet.
    pub(super) feed: Option<Feed>,
    /// Has it been fed, or could it have been?
    pub(super) has_begun: bool,
    /// The longest span of the windows that count its hits.
    pub(super) life_s: u64,
    /// What those look at in its hits.
    pub(super) columns: Vec<u16>,
    /// How many members have to be fed before it at an event.
    stage: u32,
}

impl Member {
    /// Of a number that some window has, or that is free.
    pub(super) fn unknown(has_begun: bool) -> Self {
        Self { feed: None, has_begun, life_s: 0, columns: Vec::new(), stage: 0 }
    }
}

/// What a value is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Text(Field),
    /// Where the event's address is.
    Place,
}

/// A member that an action may feed.
#[derive(Clone, Debug)]
pub(super) struct Fed {
    pub(super) member: u32,
    pub(super) stage: u32,
    pub(super) tests: Box<[u16]>,
    pub(super) windows: Box<[WindowTest]>,
    pub(super) key: u16,
    pub(super) what: What,
    pub(super) columns: Box<[u16]>,
    pub(super) life_s: u64,
}

/// Everything that windows share: members, and by number what their feeds name.
#[derive(Debug, Default)]
pub(super) struct Members {
    pub(super) list: Vec<Member>,
    pub(super) keys: Vec<Vec<Field>>,
    pub(super) tests: Vec<FieldTest>,
    pub(super) columns: Vec<Column>,
    pub(super) fields: Numbered,
}

/// Numbers of the fields that keys, tests and columns name, in their order: a text is read once, whoever asks for it.
#[derive(Debug, Default)]
pub(super) struct Numbered {
    all: Vec<Field>,
    of_keys: Vec<Vec<u16>>,
    of_tests: Vec<u16>,
    of_columns: Vec<u16>,
}

impl Members {
    /// To be called when keys, tests or columns have come. None ever goes.
    pub(super) fn number_fields(&mut self) {
        let Self { keys, tests, columns, fields, .. } = self;
        let Numbered { all, of_keys, of_tests, of_columns } = fields;
        for key in &keys[of_keys.len()..] {
            of_keys.push(key.iter().map(|field| number(all, field.clone())).collect());
        }
        for test in &tests[of_tests.len()..] {
            of_tests.push(number(all, test.field.clone()));
        }
        for column in &columns[of_columns.len()..] {
            of_columns.push(match column {
                Column::Text(field) => number(all, field.clone()),
                Column::Place => 0,
            });
        }
    }

    /// The fields of a key, with their numbers.
    pub(super) fn key_fields(&self, key: usize) -> impl Iterator<Item = (u16, &Field)> {
        self.fields.of_keys[key].iter().copied().zip(&self.keys[key])
    }

    pub(super) fn test_holds(&self, test: u16, reading: &Reading<'_>) -> bool {
        let at = usize::from(test);
        let test = &self.tests[at];
        reading.with_text(self.fields.of_tests[at], &test.field, |text| test.holds(text))
    }

    /// A column's value, as a hash; `None` of nothing.
    pub(super) fn column_value(&self, column: u16, reading: &Reading<'_>, seed: u64) -> Option<u64> {
        let at = usize::from(column);
        match &self.columns[at] {
            Column::Text(field) => reading.with_text(self.fields.of_columns[at], field, |text| {
                (!text.is_empty()).then(|| xxh3_64_with_seed(text.as_bytes(), seed))
            }),
            Column::Place => kind::place_of(reading),
        }
    }

    /// Finds or makes the members of a window. `known` are those that it is saved to have.
    pub(super) fn join(&mut self, window: &mut Window, above: &[Window], known: &[Option<u32>]) {
        let spec = window.spec.clone();
        window.read_key = spec.read_key.as_ref().map(|key| self.key(key));
        (window.feed_keys, window.columns) = (Vec::new(), Vec::new());
        let columns = self.columns_of(&spec);
        let joined: Vec<u32> = self
            .feeds(&spec)
            .into_iter()
            .zip(&columns)
            .enumerate()
            .map(|(at, (feed, column))| {
                window.feed_keys.push(feed.key);
                let member = known.get(at).copied().flatten().unwrap_or_else(|| self.like(&feed));
                self.serve(member, feed, &spec, *column, above);
                member
            })
            .collect();
        (window.members, window.columns) = (joined, columns);
    }

    /// A member that is fed so and hasn't begun, or a new one.
    fn like(&mut self, feed: &Feed) -> u32 {
        let fits = |member: &Member| !member.has_begun && member.feed.as_ref() == Some(feed);
        let at =
            self.list.iter().position(fits).or_else(|| self.list.iter().position(|m| m.feed.is_none() && !m.has_begun));
        at.unwrap_or_else(|| {
            self.list.push(Member::unknown(false));
            self.list.len() - 1
        }) as u32
    }

    fn serve(&mut self, member: u32, feed: Feed, spec: &WindowSpec, column: Option<u16>, above: &[Window]) {
        let stages = feed.windows.iter().filter_map(|test| above.get(test.window)).flat_map(|window| &window.members);
        let stage = stages.map(|member| self.list[*member as usize].stage + 1).max().unwrap_or(0);
        let member = &mut self.list[member as usize];
        (member.feed, member.stage) = (Some(feed), stage);
        member.life_s = member.life_s.max(spec.span_s);
        member.columns.extend(column.filter(|column| !member.columns.contains(column)));
    }

    /// What feeds a window; a sequence, step by step.
    fn feeds(&mut self, spec: &WindowSpec) -> Vec<Feed> {
        match &spec.kind {
            WindowKind::Sequence { steps } => {
                let step = |step: &gridwatch_manifest::SequenceStep| {
                    self.feed(&step.actions, [&spec.when, &step.when], &step.key, What::Hit)
                };
                steps.iter().map(step).collect()
            }
            kind => {
                let what = match kind {
                    WindowKind::FirstSeen | WindowKind::LastSeen => What::Seen { span_s: spec.span_s },
                    WindowKind::Baseline(Baseline { of, bucket_s, period_s, .. }) => What::Tally {
                        of: of.as_ref().map(|of| self.column(Column::Text(of.clone()))),
                        cut: Cut {
                            bucket_s: *bucket_s,
                            period_s: *period_s,
                            span_s: spec.span_s,
                            is_distinct: of.is_some(),
                        },
                    },
                    _ => What::Hit,
                };
                vec![self.feed(&spec.actions, [&spec.when, &Conditions::default()], &spec.key, what)]
            }
        }
    }

    fn feed(&mut self, actions: &[String], when: [&Conditions; 2], key: &[Field], what: What) -> Feed {
        let tests: Vec<FieldTest> = when.into_iter().flat_map(|when| when.fields.clone()).collect();
        let tests = self.tests_of(&tests);
        let windows = when.into_iter().flat_map(|when| when.windows.clone()).collect();
        Feed { actions: actions.to_vec(), tests, windows, key: self.key(key), what }
    }

    fn columns_of(&mut self, spec: &WindowSpec) -> Vec<Option<u16>> {
        let mut text = |of: &Field| self.column(Column::Text(of.clone()));
        match &spec.kind {
            WindowKind::Distinct { of } | WindowKind::Turns { of } => vec![Some(text(of))],
            WindowKind::Sequence { steps } => steps.iter().map(|step| step.distinct.as_ref().map(&mut text)).collect(),
            WindowKind::Travel { .. } => vec![Some(self.column(Column::Place))],
            _ => vec![None],
        }
    }

    /// Numbers of tests, in any order.
    pub(super) fn tests_of(&mut self, tests: &[FieldTest]) -> Vec<u16> {
        let mut tests: Vec<u16> = tests.iter().map(|test| number(&mut self.tests, test.clone())).collect();
        tests.sort_unstable();
        tests.dedup();
        tests
    }

    fn key(&mut self, fields: &[Field]) -> u16 {
        number(&mut self.keys, fields.to_vec())
    }

    fn column(&mut self, column: Column) -> u16 {
        number(&mut self.columns, column)
    }

    /// What an action may feed, in the order in which it is to be looked at.
    pub(super) fn fed_by(&self, action: &str) -> Vec<Fed> {
        let matches = |patterns: &[String]| patterns.iter().any(|p| catalogue::pattern_matches(p, action));
        let feeds = self.list.iter().enumerate().filter_map(|(at, member)| Some((at, member, member.feed.as_ref()?)));
        let of_action = |test: &FieldTest| test.field.name() == "action";
        let mut fed: Vec<Fed> = feeds
            .filter(|(_, _, feed)| {
                let mut tests = feed.tests.iter().map(|test| &self.tests[usize::from(*test)]);
                matches(&feed.actions) && tests.all(|test| !of_action(test) || test.holds(action))
            })
            .map(|(at, member, feed)| Fed {
                member: at as u32,
                stage: member.stage,
                tests: feed.tests.iter().copied().filter(|test| !of_action(&self.tests[usize::from(*test)])).collect(),
                windows: feed.windows.clone().into(),
                key: feed.key,
                what: feed.what.clone(),
                columns: member.columns.clone().into(),
                life_s: member.life_s,
            })
            .collect();
        fed.sort_by_key(|fed| fed.stage);
        fed
    }

    /// Members go that none of these windows has.
    pub(super) fn keep_only(&mut self, windows: &[Window]) {
        for member in &mut self.list {
            *member = Member::unknown(member.has_begun);
        }
        let mut is_kept = vec![false; self.list.len()];
        windows.iter().flat_map(|window| &window.members).for_each(|member| is_kept[*member as usize] = true);
        for (member, is_kept) in self.list.iter_mut().zip(is_kept) {
            member.has_begun &= is_kept;
        }
    }
}

fn number<T: PartialEq>(list: &mut Vec<T>, wanted: T) -> u16 {
    let at = list.iter().position(|known| *known == wanted).unwrap_or_else(|| {
        list.push(wanted);
        list.len() - 1
    });
    at as u16
}
