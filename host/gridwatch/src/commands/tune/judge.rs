//! Is a rule louder than its budget? Only said where the numbers bear it: an alert or two in a small organization, or a day of an
//! archive that has just begun, make any rate one likes.

use serde::Serialize;

/// Fewer alerts than this, where the budget wouldn't allow more either, say nothing.
const FEWEST: f64 = 3.0;
/// Weekdays and weekends, as it were: less time than this is no rate.
const FEWEST_DAYS: f64 = 3.0;
/// More than the budget is judged if a rule that keeps to it would be this loud at most so often by chance.
const CHANCE: f64 = 0.05;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    Within,
    Over,
    /// Too few alerts, people or days to judge.
    TooFew,
}

impl Judgement {
    /// Of alerts where the budget allows `allowed` in the time and for the people that there were.
    pub fn of(alerts: u64, allowed: f64, days: f64) -> Self {
        let n = alerts as f64;
        if days < FEWEST_DAYS || n.max(allowed) < FEWEST {
            Self::TooFew
        } else if n <= allowed {
            Self::Within
        } else if at_least(alerts, allowed) <= CHANCE {
            Self::Over
        } else {
            Self::TooFew
        }
    }

    pub fn is_over(self) -> Option<bool> {
        match self {
            Self::Within => Some(false),
            Self::Over => Some(true),
            Self::TooFew => None,
        }
    }
}

/// How probable `n` or more are where `mean` are to be expected and each comes by itself (Poisson).
fn at_least(n: u64, mean: f64) -> f64 {
    // By logarithms: the first terms of a large mean are smaller than any number there is.
    let (mut term, mut fewer) = (-mean, 0.0);
    for k in 0..n {
        fewer += term.exp();
        term += (mean / (k + 1) as f64).ln();
    }
    (1.0 - fewer).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_chance_makes_of_small_numbers_is_no_judgement() {
        for (alerts, allowed, days, want) in [
            (2, 0.01, 30.0, Judgement::TooFew),
            (2, 0.0, 30.0, Judgement::TooFew),
            (3, 0.01, 30.0, Judgement::Over),
            (40, 3.0, 2.0, Judgement::TooFew),
            (5, 3.0, 30.0, Judgement::TooFew),
            (8, 3.0, 30.0, Judgement::Over),
            (0, 3.0, 30.0, Judgement::Within),
            (1, 1.5, 30.0, Judgement::TooFew),
            (3, 3.0, 30.0, Judgement::Within),
            (900, 800.0, 30.0, Judgement::Over),
            (810, 800.0, 30.0, Judgement::TooFew),
        ] {
            assert_eq!(Judgement::of(alerts, allowed, days), want, "{alerts} of {allowed} in {days}");
        }
    }

    #[test]
    fn probabilities_are_those_of_the_tables() {
        // P(X >= 5 | 2) = 0.0527, P(X >= 1 | 0.1) = 0.0952.
        assert!((at_least(5, 2.0) - 0.0527).abs() < 1e-4 && (at_least(1, 0.1) - 0.0952).abs() < 1e-4);
        assert_eq!(at_least(0, 2.0), 1.0);
    }
}
