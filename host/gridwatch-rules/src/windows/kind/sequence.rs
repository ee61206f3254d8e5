//! `sequence`: how many steps were done, in order, by a chain of events within one span that this event is part of.
//!
//! A chain is taken greedily: each step by the first hits that take it, after those of the step before. So once a step is
//! done, further events that would do it too are not part of that chain.

use crate::windows::Seeing;
use crate::windows::member::Window;
use crate::windows::near::{Near, NearHit};
use crate::windows::table::Row;
use gridwatch_manifest::SequenceStep;

/// The best chain under any key that the event fed; if it fed none, under the key it reads by.
pub(in crate::windows) fn chain(window: &Window, steps: &[SequenceStep], seeing: &Seeing<'_, '_>) -> Chain {
    let seq = seeing.event().seq;
    let (mut longest, mut fed): (Chain, bool) = ((0, Vec::new()), false);
    let different = |(at, number): &(usize, &u16)| !window.feed_keys[..*at].contains(number);
    for (_, number) in window.feed_keys.iter().enumerate().filter(different) {
        let Some(key) = seeing.key(*number) else { continue };
        if window.read_key.is_none() && !seeing.has_step(window, key, 0) {
            // Nothing begins there, so there is no chain.
            continue;
        }
        let near = near(window, seeing, key);
        if near.hits.iter().any(|hit| hit.seq == seq) {
            let chain = best(&near, seq, window, steps, seeing);
            fed = true;
            if chain.0 > longest.0 {
                longest = chain;
            }
        }
    }
    match seeing.read_key(window).filter(|key| !fed && seeing.has_step(window, *key, 0)) {
        Some(key) => best(&near(window, seeing, key), seq, window, steps, seeing),
        None => longest,
    }
}

/// The most steps that any chain can have done: as many as there are hits for, in whatever order.
pub(in crate::windows) fn most(window: &Window, steps: &[SequenceStep], seeing: &Seeing<'_, '_>) -> u64 {
    let keys = window.feed_keys.iter().filter_map(|number| seeing.key(*number)).chain(seeing.read_key(window));
    let under = |key| {
        let hits = |member: u32| seeing.most(key, member, window.spec.span_s) as u64;
        steps
            .iter()
            .zip(&window.members)
            .take_while(|(step, member)| hits(**member) >= step.at_least.number.max(1))
            .count()
    };
    keys.map(under).max().unwrap_or(0) as u64
}

fn near(window: &Window, seeing: &Seeing<'_, '_>, key: u128) -> Near {
    seeing.near(window, key, |steps, row| {
        let taken = window
            .columns
            .iter()
            .enumerate()
            .filter(|(at, column)| steps >> at & 1 != 0 && column.is_none_or(|column| row.value(column).is_some()));
        Some(taken.map(|(at, _)| 1 << at).sum()).filter(|taken| *taken != 0)
    })
}

/// Steps done by the best chain, and its hits.
pub(in crate::windows) type Chain = (u64, Vec<NearHit>);

/// The best chain within one span that includes event `seq`; any chain near it, if `seq` is none of the hits.
fn best(near: &Near, seq: u64, window: &Window, steps: &[SequenceStep], seeing: &Seeing<'_, '_>) -> Chain {
    let hits = &near.hits;
    let own = hits.iter().position(|h| h.seq == seq);
    let mut best: Chain = (0, Vec::new());
    for start in (0..=own.unwrap_or(hits.len())).filter(|at| hits.get(*at).is_some_and(|h| h.tag & 1 != 0)) {
        let limit = hits[start].time.plus(near.span_s);
        let end = hits.partition_point(|h| h.time < limit);
        let chain = chain_from(&hits[start..end], window, steps, seeing);
        if chain.0 > best.0 && (own.is_none() || chain.1.iter().any(|h| h.seq == seq)) {
            best = chain;
        }
        if best.0 == steps.len() as u64 {
            break;
        }
    }
    best
}

/// Walks a run in order: each hit that takes the current step counts towards it.
fn chain_from(run: &[NearHit], window: &Window, steps: &[SequenceStep], seeing: &Seeing<'_, '_>) -> Chain {
    let (mut chain, mut done, mut rest) = (Vec::new(), 0, run.iter());
    let value = |hit: &NearHit, column: Option<u16>| Row::value(seeing.table.row(hit.row), column?);
    for (at, (step, column)) in steps.iter().zip(&window.columns).enumerate() {
        let (mut taken, mut values) = (0, Vec::new());
        while taken < step.at_least.number {
            let Some(hit) = rest.find(|h| h.tag & (1 << at) != 0) else {
                return (done, chain);
            };
            let value = value(hit, *column);
            if column.is_some() && values.contains(&value) {
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
