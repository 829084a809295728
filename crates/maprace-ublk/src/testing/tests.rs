//! The testers tested: each breach of the protocol is found, and each way to lose bytes.

use super::{Clock, Fake, Script, Suite};
use crate::raw::Null;
use crate::{
    Answer, Arrival, Backend, Bell, Finish, Io, Op, Outcome, Service, State, Tag, Timed, Transport,
    Until,
};
use std::sync::{Arc, Mutex};

const READ: Io = Io { op: Op::Read, pos: 0, len: 4096 };
const VIRTUAL: Clock = Clock::Virtual { tick_ns: 100, late_ns: 0 };

/// What a loop that does these things with a read that has arrived is found to do wrong.
fn breaches(wrong: impl FnOnce(&mut &mut Fake<Script>, Tag)) -> Vec<String> {
    let mut fake = Fake::new(Script::new([(0, READ)]), VIRTUAL, 2, 4096)
        .expecting(Box::new(|_, arrived_ns| arrived_ns + 1_000))
        .closing_at(5_000);
    let mut arrived = None;
    let mut transport = &mut fake;
    transport.reap(&mut |Arrival { tag, .. }| arrived = Some(tag));
    wrong(&mut transport, arrived.expect("it was there at once"));
    fake.breaches
}

#[test]
fn a_loop_that_keeps_to_the_protocol_is_clean() {
    let found = breaches(|fake, tag| {
        fake.wait(Until::At(1_000)).unwrap();
        fake.buffer(tag).fill(1);
        fake.commit(tag, 4096);
        fake.wait(Until::Arrival).unwrap();
        assert_eq!(fake.reap(&mut |_| {}), State::Gone);
        assert_eq!(fake.guest.answers[0].result, 4096);
    });
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn every_breach_is_found() {
    let found = breaches(|fake, tag| {
        fake.commit(tag, 0);
        fake.commit(tag, 0);
    });
    assert!(found[0].ends_with("is committed 1000 ns before it is due"), "{found:?}");
    assert!(found[1].contains("is committed, which is Committed"), "{found:?}");
    let found = breaches(|fake, tag| fake.commit(Tag(1 - tag.0), 0));
    assert!(found[0].contains("is committed, which is Kernel"), "{found:?}");
    let found = breaches(|fake, tag| fake.buffer(Tag(1 - tag.0)).fill(0));
    assert!(found[0].contains("is used, which is Kernel"), "{found:?}");
    let found = breaches(|fake, tag| {
        fake.wait(Until::At(9_000)).unwrap();
        assert_eq!(fake.reap(&mut |_| {}), State::Closing);
        fake.commit(tag, 0);
    });
    assert!(found[0].ends_with("is committed while the queue is Closing"), "{found:?}");
}

#[test]
fn a_loop_that_waits_for_nothing_is_found() {
    let mut fake = Fake::new(Script::new([(0, READ)]), VIRTUAL, 1, 4096);
    let mut transport = &mut fake;
    transport.reap(&mut |_| {});
    transport.wait(Until::Arrival).unwrap();
    assert_eq!(fake.breaches, ["waits for ever with 1 requests unanswered"]);
}

/// What is wrong with a backend.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    Nothing,
    LosesAWrite,
    LosesTheLastByte,
    WritesTheNextBlock,
    ReadsWhatWasThereBefore,
    LeaksItsBuffer,
    DiscardsABlockLess,
    KeepsABufferOfItsOwnPerQueue,
    FailsAFlush,
    AnswersTooLateToKeepTheBytes,
}

/// An array, with a fault.
#[derive(Debug)]
struct Array {
    fault: Fault,
    later: bool,
    bytes: Mutex<Vec<u8>>,
    before: Mutex<Vec<u8>>,
}

struct Way {
    array: Arc<Array>,
    own: Vec<u8>,
    writes: u64,
    waiting: Vec<(Tag, Io, Outcome, Vec<u8>)>,
}

impl Backend for Array {
    fn attach(self: Arc<Self>, _: u16, _: Bell) -> Box<dyn Service> {
        let own = self.bytes.lock().unwrap().clone();
        Box::new(Way { array: self, own, writes: 0, waiting: Vec::new() })
    }

    fn timed(&self) -> Timed {
        Timed::ByBackend
    }

    fn kept_bytes(&self) -> u64 {
        0
    }
}

impl Way {
    fn done(&mut self, io: Io, buffer: &mut [u8]) -> Outcome {
        let fault = self.array.fault;
        let mut shared = self.array.bytes.lock().unwrap();
        let own = fault == Fault::KeepsABufferOfItsOwnPerQueue;
        let bytes = if own { &mut self.own } else { &mut *shared };
        let len = usize::try_from(io.len).unwrap();
        let mut from = usize::try_from(io.pos).unwrap();
        match io.op {
            Op::Read
                if fault == Fault::LeaksItsBuffer
                    && bytes[from..from + len].iter().all(|b| *b == 0) => {}
            Op::Read if fault == Fault::ReadsWhatWasThereBefore && io.pos > 4096 => {
                buffer.copy_from_slice(&self.array.before.lock().unwrap()[from..from + len]);
            }
            Op::Read => buffer.copy_from_slice(&bytes[from..from + len]),
            Op::Write { .. } => {
                self.writes += 1;
                self.array.before.lock().unwrap().copy_from_slice(bytes);
                let mut len = len;
                match fault {
                    Fault::LosesAWrite if self.writes % 7 == 6 => return Ok(()),
                    Fault::LosesTheLastByte if len > 20 * 512 => len -= 1,
                    Fault::WritesTheNextBlock if io.pos == 2048 => from += 512,
                    _ => {}
                }
                let len = len.min(bytes.len() - from);
                bytes[from..from + len].copy_from_slice(&buffer[..len]);
            }
            Op::Flush if fault == Fault::FailsAFlush => return Err(5),
            Op::Flush => {}
            Op::Discard if fault == Fault::DiscardsABlockLess => {
                bytes[from..from + len - 512].fill(0)
            }
            Op::Discard | Op::WriteZeroes { .. } => bytes[from..from + len].fill(0),
        }
        Ok(())
    }
}

impl Service for Way {
    fn submit(&mut self, tag: Tag, io: Io, buffer: &mut [u8], _: u64) -> Answer {
        let keeps = self.array.fault != Fault::AnswersTooLateToKeepTheBytes;
        let mut answer = vec![0; buffer.len()];
        let outcome = match io.op {
            Op::Read => self.done(io, if self.array.later { &mut answer } else { buffer }),
            _ => self.done(io, buffer),
        };
        if !self.array.later {
            return Answer::Now(outcome);
        }
        let bytes = match io.op {
            Op::Read if keeps => answer,
            Op::Read => buffer.to_vec(),
            _ => Vec::new(),
        };
        self.waiting.push((tag, io, outcome, bytes));
        Answer::Later
    }

    fn poll(&mut self, now_ns: u64, done: &mut dyn Finish) -> Option<u64> {
        let (tag, _, outcome, bytes) = self.waiting.pop()?;
        done.finish(tag, outcome, &bytes);
        Some(now_ns + 10)
    }
}

fn tried(fault: Fault, later: bool) -> Result<(), String> {
    let suite = Suite { size: (256 << 10) + 512, cases: 24, ..Suite::default() };
    suite.run(|size| {
        let zeroes = || Mutex::new(vec![0; usize::try_from(size).unwrap()]);
        Arc::new(Array { fault, later, bytes: zeroes(), before: zeroes() })
    })
}

#[test]
fn an_array_passes_at_once_and_later() {
    assert_eq!(tried(Fault::Nothing, false), Ok(()));
    assert_eq!(tried(Fault::Nothing, true), Ok(()));
}

#[test]
fn every_way_to_lose_bytes_is_found() {
    for fault in [
        Fault::LosesAWrite,
        Fault::LosesTheLastByte,
        Fault::WritesTheNextBlock,
        Fault::ReadsWhatWasThereBefore,
        Fault::LeaksItsBuffer,
        Fault::DiscardsABlockLess,
        Fault::KeepsABufferOfItsOwnPerQueue,
        Fault::FailsAFlush,
    ] {
        let found = tried(fault, false);
        assert!(found.is_err(), "{fault:?} is not found");
    }
    let late = tried(Fault::AnswersTooLateToKeepTheBytes, true);
    assert!(late.is_err(), "a read answered with what was in the buffer is not found");
}

#[test]
fn a_device_that_keeps_nothing_is_found() {
    let found = Suite::default().run(|size| Arc::new(Null::new(size)));
    assert!(found.unwrap_err().contains("where"));
}
