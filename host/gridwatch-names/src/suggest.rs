//! A slip of the pen: which known word somebody may have meant.

use strsim::osa_distance;

/// The known word that `word` may be a slip of, if there is one near enough.
pub fn did_you_mean<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    // Letters to change, add, drop or swap with their neighbour.
    let near = known.into_iter().map(|candidate| (osa_distance(word, candidate), candidate));
    let (distance, best) = near.min()?;
    (distance <= 2.max(best.len() / 4) && distance < best.len()).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        let known = ["page_limit", "interval", "settle", "start", "name"];
        for (word, expected) in [
            ("page_limt", Some("page_limit")),
            ("pagelimit", Some("page_limit")),
            ("intervall", Some("interval")),
            ("satrt", Some("start")),
            ("proxy", None),
            ("x", None),
        ] {
            assert_eq!(did_you_mean(word, known), expected, "{word}");
        }
    }
}
