//! `sequence`: how many steps were done, in order, by a chain of events within one span that this event is part of.
//!
//! A chain is taken greedily: each step by the first hits that take it, after those of the step before. So once a step is
//! done, further events that would do it too are not part of that chain.

use crate::windows::hit::{Hit, Keep, Near, drop_oldest};
use crate::windows::slot::{Fed, Slot};
use crate::windows::{MAX_HITS, Seeing, row};
use gridwatch_manifest::{MAX_AT_LEAST, SequenceStep};
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;

/// When a step has more hits than it can ask for, so many go at once: finding them costs a look at all hits.
const STEP_DROPPED_AT_ONCE: usize = MAX_AT_LEAST as usize / 8;
/// Hits kept for one key of one step, never fewer than a step can ask for.
const MAX_STEP_HITS: usize = MAX_AT_LEAST as usize + STEP_DROPPED_AT_ONCE;

/// The newest of each step, repetitions first.
const KEEP: Keep = Keep {
    is_over: |hits, added| {
        hits.len() > MAX_STEP_HITS
            && (hits.len() > MAX_HITS || hits.iter().filter(|h| h.tag == added.tag).count() > MAX_STEP_HITS)
    },
    thin: |hits, added, gone| match hits.len() > MAX_HITS {
        true => gone.extend(hits.pop_front()),
        false => drop_of_step(hits, added.tag, gone),
    },
};

/// The steps that an event takes under one key, and the values it brings to those that count them.
struct Taken {
    key: Rc<str>,
    /// As bits.
    steps: u64,
    values: Vec<(u8, u64)>,
}

pub(super) fn feed(slot: &mut Slot, fed: &mut Fed<'_, '_, '_>, may: u64, specs: &[SequenceStep]) {
    for Taken { key, steps, values } in taken(slot, fed.seeing, may, specs) {
        slot.add_hit(&key, fed.hit(steps, values), &KEEP, fed.seeing);
    }
}

/// The steps that an event takes, of those its action may take, by key.
fn taken(slot: &Slot, seeing: &Seeing<'_, '_>, may: u64, specs: &[SequenceStep]) -> Vec<Taken> {
    let mut taken: Vec<Taken> = Vec::new();
    for (at, step) in specs.iter().enumerate().filter(|(at, _)| may & (1 << at) != 0) {
        let text = step.distinct.as_ref().map(|of| seeing.reading.text(of));
        let is_nothing = text.as_ref().is_some_and(|text| text.is_empty());
        let key = seeing.keys.text(slot.feed_keys[at], seeing.reading);
        let Some(key) = key.filter(|_| !is_nothing && seeing.hold(&step.when)) else {
            continue;
        };
        let value = text.map(|text| (at as u8, row::hash(&text)));
        match taken.iter_mut().find(|known| known.key == key) {
            Some(known) => {
                known.steps |= 1 << at;
                known.values.extend(value);
            }
            None => taken.push(Taken { key, steps: 1 << at, values: value.into_iter().collect() }),
        }
    }
    taken
}

/// The best chain under any key that the event fed; if it fed none, under the key it reads by.
pub(super) fn chain<'s>(slot: &'s Slot, seeing: &Seeing<'_, '_>, steps: &[SequenceStep]) -> Chain<'s> {
    let event = seeing.event();
    let (mut longest, mut fed): (Chain<'_>, bool) = ((0, Vec::new()), false);
    let different = |(at, number): &(usize, &usize)| !slot.feed_keys[..*at].contains(number);
    for (_, number) in slot.feed_keys.iter().enumerate().filter(different) {
        let Some(key) = seeing.keys.text(*number, seeing.reading) else { continue };
        let near = slot.near(&key, seeing);
        if near.hits.iter().any(|hit| hit.stub.seq == event.seq) {
            let chain = best(&near, event.seq, steps);
            fed = true;
            if chain.0 > longest.0 {
                longest = chain;
            }
        }
    }
    match slot.read_text(seeing).filter(|_| !fed) {
        Some(key) => best(&slot.near(&key, seeing), event.seq, steps),
        None => longest,
    }
}

/// Steps done by the best chain, and its hits.
pub(super) type Chain<'k> = (u64, Vec<&'k Hit>);

/// The best chain within one span that includes event `seq`; any chain near it, if `seq` is none of the hits.
fn best<'k>(near: &Near<'k>, seq: u64, steps: &[SequenceStep]) -> Chain<'k> {
    let hits = &near.hits;
    let own = hits.iter().position(|h| h.stub.seq == seq);
    let mut best: Chain<'_> = (0, Vec::new());
    for start in (0..=own.unwrap_or(hits.len())).filter(|at| hits.get(*at).is_some_and(|h| h.tag & 1 != 0)) {
        let limit = hits[start].stub.time.plus(near.span_s);
        let end = hits.partition_point(|h| h.stub.time < limit);
        let chain = chain_from(&hits[start..end], steps);
        if chain.0 > best.0 && (own.is_none() || chain.1.iter().any(|h| h.stub.seq == seq)) {
            best = chain;
        }
        if best.0 == steps.len() as u64 {
            break;
        }
    }
    best
}

/// Walks a run in order: each hit that takes the current step counts towards it.
fn chain_from<'k>(run: &[&'k Hit], steps: &[SequenceStep]) -> Chain<'k> {
    let (mut chain, mut done, mut rest) = (Vec::new(), 0, run.iter());
    for (at, step) in steps.iter().enumerate() {
        let (mut taken, mut values) = (0, Vec::new());
        while taken < step.at_least.number {
            let Some(hit) = rest.find(|h| h.tag & (1 << at) != 0) else {
                return (done, chain);
            };
            let value = hit.of.iter().find(|(step, _)| usize::from(*step) == at).map(|(_, value)| *value);
            if step.distinct.is_some() && values.contains(&value) {
                continue;
            }
            values.push(value);
            chain.push(*hit);
            taken += 1;
        }
        done += 1;
    }
    (done, chain)
}

/// The oldest hits of a step, those first whose values stand again later.
fn drop_of_step(hits: &mut VecDeque<Hit>, tag: u64, gone: &mut Vec<Hit>) {
    let before = gone.len();
    let mut later = HashSet::new();
    let is_repeated = |hit: &Hit| hit.tag == tag && !hit.of.is_empty() && !later.insert(hit.of.clone());
    drop_oldest(hits, STEP_DROPPED_AT_ONCE, gone, is_repeated);
    let left = STEP_DROPPED_AT_ONCE - (gone.len() - before);
    drop_oldest(hits, left, gone, |hit| hit.tag == tag);
}
