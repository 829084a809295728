//! Requests by hand: what each is told, and what the rounds come to.

use super::*;
use crate::device::args::{StoreArg, ZeroesArg};
use crate::device::spec::FsSpec;
use maprace_ublk::Ring;

#[derive(Debug)]
struct Silent;

impl Ring for Silent {
    fn ring(&self) {}
}

fn spec(protocol: &str) -> RoundsSpec {
    let layers = Layers::builtin();
    let scenario = Scenario::open("mkwrite-fallocate", &layers.vocabulary()).unwrap();
    RoundsSpec {
        fs: FsSpec {
            layer: "ext4".into(),
            order: "iomap".into(),
            protocol: protocol.into(),
            set: Vec::new(),
            store: StoreArg::default(),
            zeroes: ZeroesArg::default(),
            cache_mb: 1,
        },
        scenario: scenario.to_toml(),
        media: MediaSpec::Fixed(1000),
        seed: 3,
    }
}

fn submit(service: &mut dyn Service, op: Op, pos: u64, len: u64) -> Outcome {
    let mut buffer = vec![1; usize::try_from(len).unwrap()];
    match service.submit(Tag(0), Io { op, pos, len }, &mut buffer, 0) {
        Answer::Now(outcome) => outcome,
        Answer::Later => panic!("every request is answered at once"),
    }
}

#[test]
fn a_round_is_two_requests_and_strays_are_told_so() {
    let backend = open(&Layers::builtin(), &spec("v6.12")).unwrap();
    let attach = |queue| backend.clone().attach(queue, Arc::new(Silent));
    let (mut fault, mut fallocate) = (attach(0), attach(1));
    let (write, zeroes) = (Op::Write { fua: false }, Op::WriteZeroes { unmap: false });
    // Before the first batch: whoever opens the device looks at it.
    assert_eq!(submit(&mut *fault, Op::Read, 0, 4096), Ok(()));
    assert_eq!(submit(&mut *fault, write, 0, 4096), Err(STRAY));
    assert_eq!(backend.asked(RoundsAsked::Begin(1)).unwrap(), RoundsReply::Begun);
    assert_eq!(submit(&mut *fault, write, 4096, 4096), Err(STRAY));
    assert_eq!(submit(&mut *fallocate, zeroes, 0, 8192), Ok(()));
    assert!(backend.asked(RoundsAsked::End).is_err(), "a task has not come to its end");
    assert_eq!(backend.asked(RoundsAsked::Begin(1)).unwrap(), RoundsReply::Begun);
    // One thread attends both here, the last one it was told.
    assert_eq!(submit(&mut *fallocate, zeroes, 0, 8192), Ok(()));
    assert_eq!(submit(&mut *fault, write, 0, 4096), Ok(()));
    let RoundsReply::Ended(rounds) = backend.asked(RoundsAsked::End).unwrap() else { panic!() };
    assert_eq!((rounds.len(), rounds[0].broken.len()), (1, 0));
    let RoundsReply::Sum(sum) = backend.asked(RoundsAsked::Sum).unwrap() else { panic!() };
    assert_eq!(
        (sum.measured.rounds, sum.measured.media.as_str(), sum.strays),
        (1, "fixed 1000 ns", 1)
    );
    assert_eq!((sum.log.len(), backend.told().len()), (0, 0));
}
