//! A machine for a store that is new although time was read before: it reads from its start again, and of older time only what was
//! never read.

use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_poll::{Lane, Machine, Now, Outcome, PageReceived, PageSummary, PollConfig, PollSettings, Request, Step};

const T: u64 = 1_750_000_000;
const START: u64 = T - 7_200;
const DRAINED_FROM: u64 = T - 100_000;

fn next(machine: &mut Machine, now: &mut UnixMillis) -> Request {
    for _ in 0..10_000 {
        match machine.next(Now { wall: *now }) {
            Step::Fetch(request) => return request,
            Step::Wait { until, .. } => *now = until,
        }
    }
    panic!("nothing to fetch");
}

fn empty(machine: &mut Machine, now: UnixMillis, request: Request) {
    let _saved = machine.apply(Outcome::Page(PageReceived {
        request,
        received_at: now,
        server_date: Some(now.seconds()),
        page: PageSummary::default(),
        next_cursor: None,
    }));
}

#[test]
fn it_reads_from_its_start_and_backfills_only_what_was_never_read() {
    let backfill = Some(UnixSeconds(T - 200_000));
    let settings = PollSettings { backfill, ..PollSettings::new(UnixSeconds(START)) };
    let config = PollConfig::new(settings).unwrap();
    let mut machine = Machine::start_again(config.clone(), UnixSeconds(DRAINED_FROM), UnixSeconds(T - 90_000));
    let mut now = UnixSeconds(T).millis();
    let first = next(&mut machine, &mut now);
    assert_eq!((first.lane, first.range.oldest().0), (Lane::Live, START));
    empty(&mut machine, now, first);
    // Saved and read back in the middle, as by a restart.
    let saved = serde_json::to_vec(machine.state()).unwrap();
    let ledger = machine.ledger().clone();
    let mut machine = Machine::resume(config, serde_json::from_slice(&saved).unwrap(), ledger).unwrap();
    let older = loop {
        let request = next(&mut machine, &mut now);
        if request.lane == Lane::Backfill {
            break request;
        }
        empty(&mut machine, now, request);
    };
    assert_eq!(older.range.latest().0, DRAINED_FROM - 1, "what was drained before isn't read again");
    assert_eq!(machine.state().origin(), Some(UnixSeconds(START)));
}
