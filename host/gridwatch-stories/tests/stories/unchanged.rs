//! What the plans of before give: the figures and budgets of other tests hang on these bytes.

use gridwatch_stories::{Benchmark, OrgPlan, generate};
use std::io::Write;

/// FNV-1a over everything that was written.
struct Sum(u64);

impl Write for Sum {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Entries, labels and networks in one number.
fn sum(plan: &Benchmark) -> u64 {
    let (mut sum, labelled) = (Sum(0xcbf2_9ce4_8422_2325), plan.run());
    labelled.write_entries(&mut sum).expect("a sum takes all");
    labelled.write_labels(&mut sum).expect("a sum takes all");
    labelled.write_networks(&mut sum).expect("a sum takes all");
    sum.0
}

/// The sums were taken before there were shapes and more stories.
#[test]
fn plans_of_before_give_the_same_bytes() {
    let small = |seed| Benchmark { seed, users: 300, days: 11, ..Benchmark::default() };
    assert_eq!(sum(&small(1)), 5299303420883163326);
    assert_eq!(sum(&small(2)), 6425640700466598436);
    assert_eq!(sum(&Benchmark { stories: false, users: 420, ..small(5) }), 8884039455891352021);
    let mut org = Sum(0xcbf2_9ce4_8422_2325);
    let plan = OrgPlan { every_action: true, ..OrgPlan::default() };
    generate(&plan).entries.iter().for_each(|entry| org.write_all(entry.json.as_bytes()).expect("a sum takes all"));
    assert_eq!(org.0, 5218862396686799503);
}
