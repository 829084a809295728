//! A served file beside a vector of bytes, the tasks it is asked through, and the bound of its page cache.

use super::*;
use maprace_fs::Order;
use maprace_fs::ext4::Ext4Kind;
use std::cell::RefCell;
use std::collections::BTreeMap;

const BLOCK: u64 = SERVED_BLOCK as u64;
const BLOCKS: u64 = 512;

fn file(order: Order, cache_bytes: u64) -> Arc<dyn Served> {
    let config = Config::ext4("v6.12", order);
    let (under, store, zeroes) = (Under::Instantly, Store::Write, Zeroes::ZeroRange);
    serve(
        &Ext4Kind,
        &ServedFile { config, size: BLOCKS * BLOCK, cache_bytes, under, store, zeroes },
    )
}

/// What has ended: tokens in their order, and the bytes of reads.
#[derive(Default)]
struct Sink(RefCell<Vec<(u64, Vec<u8>)>>);

impl Answered for Sink {
    fn answered(&self, token: u64, outcome: Result<Content, Errno>) {
        let mut bytes = vec![0xEE; SERVED_BLOCK as usize];
        outcome.expect("nothing fails").fill(token, &mut bytes);
        self.0.borrow_mut().push((token, bytes));
    }
}

struct Asker {
    served: Arc<dyn Served>,
    slots: Slots,
    worker: Worker,
    sink: Rc<Sink>,
}

impl Asker {
    fn of(served: &Arc<dyn Served>) -> Asker {
        let sink = Rc::<Sink>::default();
        let slots = Slots::new(served.clone(), sink.clone());
        let worker = Worker::new(Arc::new(|| {}));
        Asker { served: served.clone(), slots, worker, sink }
    }

    /// A request for a block; its token is its position.
    fn ask(&self, pos: u64, op: Option<u8>) {
        let asked = match op {
            Some(byte) => {
                let bytes = self.served.take(pos, &[byte; SERVED_BLOCK as usize]);
                Asked::Write { pos, bytes, durable: false }
            }
            None => Asked::Read { pos, len: BLOCK },
        };
        self.slots.start(&self.worker, pos, asked);
    }

    /// What has ended once nothing goes on.
    fn ended(&self) -> Vec<(u64, Vec<u8>)> {
        let mut now_ns = 0;
        while let Some(next_ns) = self.worker.run(now_ns) {
            now_ns = next_ns;
        }
        self.sink.0.take()
    }
}

#[test]
fn blocks_read_as_they_were_written_last() {
    for order in [Order::BufferHead, Order::Iomap] {
        let served = file(order, 1 << 20);
        let asker = Asker::of(&served);
        let mut plain = BTreeMap::new();
        for turn in 0..400u64 {
            // Eight blocks at once, all different; each third turn reads them.
            let blocks = (0..8).map(|i| (turn * 37 + i * 61) % BLOCKS);
            let byte = (turn % 3 > 0).then_some(turn.to_le_bytes()[0]);
            for block in blocks.clone() {
                asker.ask(block * BLOCK, byte);
                plain.extend(byte.map(|byte| (block * BLOCK, byte)));
            }
            let ended = asker.ended();
            assert_eq!(ended.len(), 8);
            if byte.is_none() {
                for (pos, bytes) in ended {
                    let expected = plain.get(&pos).unwrap_or(&0);
                    assert!(bytes.iter().all(|byte| byte == expected), "{order} {turn} {pos}");
                }
            }
        }
        drop(asker);
        assert_eq!(served.evict(), []);
    }
}

#[test]
fn there_are_as_many_tasks_as_requests_were_in_flight_and_they_end_with_the_slots() {
    let asker = Asker::of(&file(Order::Iomap, 1 << 20));
    for in_flight in [3, 1, 5, 2] {
        (0..in_flight).for_each(|block| asker.ask(block * BLOCK, Some(1)));
        let tokens: Vec<u64> = asker.ended().into_iter().map(|(token, _)| token).collect();
        assert_eq!(tokens, (0..in_flight).map(|block| block * BLOCK).collect::<Vec<_>>());
    }
    assert_eq!(asker.worker.live(), 5);
    asker.ask(0, None);
    asker.slots.close();
    assert_eq!(asker.ended().len(), 1, "what was asked before is answered");
    assert_eq!(asker.worker.live(), 0);
}

#[test]
fn the_page_cache_stays_within_its_bound() {
    const BOUND: u32 = 256;
    let served = file(Order::BufferHead, u64::from(BOUND) * BLOCK);
    let asker = Asker::of(&served);
    for block in 0..BLOCKS {
        asker.ask(block * BLOCK, Some(7));
        asker.ended();
        let Cached { folios, dirty, writeback } = served.cached();
        assert!(folios <= BOUND + 1, "{folios} folios after block {block}");
        assert!(dirty + writeback <= BOUND / 5 + 1, "{dirty} dirty after block {block}");
    }
    assert!(served.kept_bytes() >= BLOCKS * BLOCK);
    assert_eq!(served.broken(), []);
}
