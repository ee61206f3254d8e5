//! Chains: how far a sequence of steps got, by a run of hits that includes a given event.
//!
//! A chain is taken greedily: each step by the first hits that take it, after those of the step before. So once a step is
//! done, further events that would do it too are not part of that chain.

use super::hit::{Hit, Near};
use gridwatch_manifest::SequenceStep;

/// Steps done by the best chain, and its hits.
pub(super) type Chain<'k> = (u64, Vec<&'k Hit>);

/// The best chain within one span that includes event `seq`; any chain near it, if `seq` is none of the hits.
pub(super) fn best<'k>(near: &Near<'k>, seq: u64, steps: &[SequenceStep]) -> Chain<'k> {
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
