//! A batch that is sent part by part: a part that is refused is halved until the record is found that the receiver won't take, and
//! what was taken in the middle isn't sent again.
//!
//! What was learned of a batch is kept over attempts, so that a receiver that fails in between doesn't make it begin anew. No network
//! here: `send` is an argument.

use super::Verdict;
use crate::sink::{Answer, Delivery, Next, Problem, Refused};
use std::collections::BTreeSet;

/// Requests of one attempt, so that it ends though many records are refused.
const MAX_REQUESTS: usize = 64;
/// When so many records in a row were refused and none was taken, it isn't the records.
pub const MAX_REFUSED: u64 = 100;

/// What is known of the batch at hand, and of what came before it.
#[derive(Debug, Default)]
pub struct Parts {
    /// Where parts end that are halved, by the first number after them; the innermost last.
    ends: Vec<u64>,
    /// Taken, though one before them isn't.
    taken: BTreeSet<u64>,
    /// Sent, and the receiver has yet to say that it has them.
    sent: BTreeSet<u64>,
    /// Refused in this attempt.
    refused: Vec<Refused>,
    streak: Streak,
    /// Records of one request; nothing: as many as there are.
    most: Option<usize>,
}

/// Of one record of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Taken,
    Refused(String),
    /// Not now; why is said of the whole.
    Left,
}

impl Parts {
    /// At most so many records in a request.
    pub fn of_at_most(records: usize) -> Self {
        Self { most: Some(records), ..Self::default() }
    }

    /// Hands over as much of a batch as can be. `may_go_on`: there is time for another request.
    pub fn deliver(
        &mut self,
        batch: &[Delivery],
        may_go_on: impl FnMut() -> bool,
        send: impl FnMut(&[&Delivery]) -> Verdict,
    ) -> Answer {
        let next = self.send(batch, may_go_on, send);
        self.answer(batch, next)
    }

    /// Sends what wasn't yet.
    pub fn send(
        &mut self,
        batch: &[Delivery],
        mut may_go_on: impl FnMut() -> bool,
        mut send: impl FnMut(&[&Delivery]) -> Verdict,
    ) -> Next {
        for request in 0..MAX_REQUESTS {
            let part = self.part(batch);
            if part.is_empty() || request > 0 && !may_go_on() {
                break;
            }
            let halt = match send(&part) {
                Verdict::Taken => self.each(&part, vec![Outcome::Taken; part.len()]),
                Verdict::Sent => {
                    self.sent.extend(part.iter().map(|delivery| delivery.number));
                    None
                }
                Verdict::Refused(_) | Verdict::TooLarge(_) if part.len() > 1 => {
                    self.ends.push(part[part.len() / 2].number);
                    None
                }
                Verdict::Refused(reason) | Verdict::TooLarge(reason) => {
                    self.each(&part, vec![Outcome::Refused(reason)])
                }
                Verdict::Each(outcomes, halt) => self.each(&part, outcomes).or(halt),
                Verdict::Later(at_least, why) => Some(Next::Wait { at_least, why }),
                Verdict::Stop(why) => Some(Next::Stop(why)),
            };
            if let Some(halt) = halt {
                return halt;
            }
        }
        Next::Go
    }

    /// The receiver has these.
    pub fn confirm(&mut self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            if self.sent.remove(&number) {
                self.streak.taken();
                self.taken.insert(number);
            }
        }
    }

    /// These have to be sent again.
    pub fn unsend(&mut self) {
        self.sent.clear();
    }

    /// What it all came to.
    pub fn answer(&mut self, batch: &[Delivery], next: Next) -> Answer {
        let refused = std::mem::take(&mut self.refused);
        let is_settled =
            |number: u64| self.taken.contains(&number) || refused.iter().any(|refused| refused.number == number);
        let open = batch.iter().find(|delivery| !is_settled(delivery.number));
        let settled = open.map_or(batch[batch.len() - 1].number + 1, |delivery| delivery.number);
        self.taken.retain(|number| *number >= settled);
        self.sent.retain(|number| *number >= settled);
        let next = match next {
            Next::Go if settled == batch[0].number && refused.is_empty() => {
                let what = "the receiver refuses a batch, and which record it is isn't found yet".to_owned();
                Next::Wait { at_least: None, why: Problem { what, hint: None } }
            }
            next => next,
        };
        Answer { settled, refused, resume: None, next }
    }

    /// What is sent next: records that nothing is known of, up to where a part ends.
    fn part<'b>(&mut self, batch: &'b [Delivery]) -> Vec<&'b Delivery> {
        let is_open = |delivery: &&Delivery| {
            let number = delivery.number;
            !self.taken.contains(&number)
                && !self.sent.contains(&number)
                && self.refused.iter().all(|refused| refused.number != number)
        };
        let open: Vec<&Delivery> = batch.iter().filter(is_open).collect();
        let Some(first) = open.first() else { return open };
        while self.ends.last().is_some_and(|end| *end <= first.number) {
            self.ends.pop();
        }
        let end = self.ends.last().copied().unwrap_or(u64::MAX);
        let most = self.most.unwrap_or(usize::MAX);
        open.into_iter().take_while(|delivery| delivery.number < end).take(most).collect()
    }

    fn each(&mut self, part: &[&Delivery], outcomes: Vec<Outcome>) -> Option<Next> {
        let is_any_taken = outcomes.contains(&Outcome::Taken);
        let reason = outcomes.iter().find_map(|outcome| match outcome {
            Outcome::Refused(reason) => Some(reason.clone()),
            Outcome::Taken | Outcome::Left => None,
        });
        let count = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Refused(_))).count() as u64;
        if is_any_taken {
            self.streak.taken();
        } else if let Some(reason) = reason
            && let Err(why) = self.streak.refused(count, &reason)
        {
            return Some(Next::Stop(why));
        }
        for (delivery, outcome) in part.iter().zip(outcomes) {
            match outcome {
                Outcome::Taken => _ = self.taken.insert(delivery.number),
                Outcome::Refused(reason) => self.refused.push(Refused { number: delivery.number, reason }),
                Outcome::Left => {}
            }
        }
        None
    }
}

/// Refused records in a row. A receiver that refuses everything is set up wrongly, or we are: then nothing is given up.
#[derive(Debug, Default)]
pub struct Streak(u64);

impl Streak {
    pub fn taken(&mut self) {
        self.0 = 0;
    }

    /// So many were refused, and none taken with them. `Err`: they are to wait.
    ///
    /// # Errors
    /// There were too many in a row.
    pub fn refused(&mut self, count: u64, reason: &str) -> Result<(), Problem> {
        if self.0 + count > MAX_REFUSED {
            let what = format!("the receiver refuses one record after the other, and takes none: {reason}");
            let hint = "check this sink's settings and the receiver; nothing more is given up before it takes a record";
            return Err(Problem { what, hint: Some(hint) });
        }
        self.0 += count;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::testing::deliveries;
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};
    use std::collections::BTreeSet;

    /// All deliveries go through, in batches and attempts like the loop's; returns what was taken, what refused, and requests.
    fn run(count: u64, poison: &BTreeSet<u64>, rng: &mut SmallRng) -> (Vec<u64>, Vec<u64>, usize) {
        let all = deliveries(10, &vec!["{}".to_owned(); count as usize]);
        let (mut parts, mut taken, mut refused, mut requests, mut at) =
            (Parts::default(), Vec::new(), Vec::new(), 0, 0);
        let mut attempts = 0;
        while at < all.len() {
            attempts += 1;
            assert!(attempts < 10_000, "no end");
            let batch = &all[at..all.len().min(at + 50)];
            let fails = rng.random_range(0..40);
            let mut asked = 0;
            let answer = parts.deliver(
                batch,
                || true,
                |part| {
                    requests += 1;
                    asked += 1;
                    if asked == fails {
                        if part.len() > 2 && fails % 2 == 0 {
                            // The middle ones are taken, the others have to wait.
                            let inner = |n: usize| n > 0 && n + 1 < part.len() && !poison.contains(&part[n].number);
                            taken.extend((0..part.len()).filter(|n| inner(*n)).map(|n| part[n].number));
                            let of = |n| if inner(n) { Outcome::Taken } else { Outcome::Left };
                            let busy = Problem { what: "busy".into(), hint: None };
                            let halt = Next::Wait { at_least: None, why: busy };
                            return Verdict::Each((0..part.len()).map(of).collect(), Some(halt));
                        }
                        return Verdict::Later(None, Problem { what: "busy".into(), hint: None });
                    }
                    if part.iter().any(|delivery| poison.contains(&delivery.number)) {
                        return Verdict::Refused("no".into());
                    }
                    taken.extend(part.iter().map(|delivery| delivery.number));
                    Verdict::Taken
                },
            );
            refused.extend(answer.refused.iter().map(|refused| refused.number));
            at = all.partition_point(|delivery| delivery.number < answer.settled);
        }
        taken.sort_unstable();
        (taken, refused, requests)
    }

    #[test]
    fn each_record_is_taken_once_or_refused_once_whatever_fails_in_between() {
        let mut rng = SmallRng::seed_from_u64(11);
        for _ in 0..200 {
            let poison: BTreeSet<u64> = (0..rng.random_range(0..20)).map(|_| rng.random_range(10..410)).collect();
            let (taken, refused, _) = run(400, &poison, &mut rng);
            assert_eq!(refused, poison.iter().copied().collect::<Vec<_>>());
            assert_eq!(taken, (10..410).filter(|number| !poison.contains(number)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn one_bad_record_costs_few_requests() {
        let mut parts = Parts::default();
        let batch = deliveries(0, &vec!["{}".to_owned(); 1_000]);
        let mut requests = 0;
        let answer = parts.deliver(
            &batch,
            || true,
            |part| {
                requests += 1;
                match part.iter().any(|delivery| delivery.number == 617) {
                    true => Verdict::Refused("no".into()),
                    false => Verdict::Taken,
                }
            },
        );
        assert_eq!((answer.settled, answer.refused.len(), &answer.next), (1_000, 1, &Next::Go));
        assert!(requests <= 21, "{requests}");
    }

    #[test]
    fn a_receiver_that_refuses_everything_is_not_believed_for_long() {
        let mut parts = Parts::default();
        let batch = deliveries(0, &vec!["{}".to_owned(); 300]);
        let (mut at, mut buried) = (0, 0);
        let why = loop {
            let answer = parts.deliver(&batch[at..], || true, |_| Verdict::Refused("bad".into()));
            buried += answer.refused.len();
            at = answer.settled as usize;
            if let Next::Stop(why) = answer.next {
                break why;
            }
        };
        assert_eq!(buried as u64, MAX_REFUSED);
        assert!(why.what.contains("takes none: bad"), "{why}");
        // It goes on where it was as soon as one is taken.
        let answer = parts.deliver(&batch[at..], || true, |_| Verdict::Taken);
        assert_eq!(answer.next, Next::Go);
        assert!(parts.streak.refused(1, "").is_ok());
    }
}
