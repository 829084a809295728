//! What comes next: the requests of one worker, in order. The same job and seed give the same requests,
//! on every machine. It knows neither time nor answers.

use crate::job::{Job, Pattern};
use crate::request::{Op, Request};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

/// The requests of one worker.
#[derive(Debug)]
pub(crate) struct Generator {
    draws: Xoshiro256PlusPlus,
    pattern: Pattern,
    bs: u32,
    unit: u32,
    offset: u64,
    /// Blocks of the range: of `bs`, of a storm of `unit`.
    blocks: u64,
    /// A draw of 64 bits below it is a read.
    reads_below: u64,
    /// The block of the next sequential read and of the next of another kind.
    next: [u64; 2],
    fsync: u32,
    fua: u32,
    writes_to_flush: u32,
    writes_to_fua: u32,
}

/// The stream of one worker among those of its seed.
fn stream(seed: u64, worker: u16) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed ^ u64::from(worker).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

impl Generator {
    /// The requests of worker `worker`.
    pub(crate) fn new(job: &Job, worker: u16) -> Generator {
        let (offset, size) = job.part(worker);
        let unit = job.unit();
        let block = if job.pattern == Pattern::Storm { unit } else { job.bs };
        let share = u64::MAX / 100 * u64::from(job.rwmixread);
        Generator {
            draws: stream(job.seed, worker),
            pattern: job.pattern,
            bs: job.bs,
            unit,
            offset,
            blocks: size / u64::from(block),
            reads_below: if job.rwmixread == 100 { u64::MAX } else { share },
            next: [0; 2],
            fsync: job.fsync,
            fua: job.fua,
            writes_to_flush: job.fsync,
            writes_to_fua: job.fua,
        }
    }

    /// The next request.
    #[inline]
    pub(crate) fn next(&mut self) -> Request {
        if self.fsync != 0 && self.writes_to_flush == 0 {
            self.writes_to_flush = self.fsync;
            return Request::FLUSH;
        }
        if self.pattern == Pattern::Storm {
            return self.storm();
        }
        let op = match self.pattern {
            Pattern::Read | Pattern::Randread => Op::Read,
            Pattern::Write | Pattern::Randwrite => Op::Write,
            Pattern::Trim | Pattern::Randtrim => Op::Trim,
            Pattern::WriteZeroes | Pattern::RandwriteZeroes => Op::WriteZeroes,
            _ if self.draws.next_u64() < self.reads_below => Op::Read,
            _ => Op::Write,
        };
        let block =
            if self.pattern.is_random() { self.below(self.blocks) } else { self.follow(op) };
        let pos = self.offset + block * u64::from(self.bs);
        let fua = op == Op::Write && self.wrote();
        Request { op, fua, pos, len: self.bs }
    }

    /// The block after the last of this kind; the first after the end.
    fn follow(&mut self, op: Op) -> u64 {
        let next = &mut self.next[usize::from(op != Op::Read)];
        let block = *next;
        *next = if block + 1 == self.blocks { 0 } else { block + 1 };
        block
    }

    /// Any length anywhere; writes, zeroes and trims alike often.
    fn storm(&mut self) -> Request {
        let op = if self.draws.next_u64() < self.reads_below {
            Op::Read
        } else {
            [Op::Write, Op::WriteZeroes, Op::Trim][self.below_usize(3)]
        };
        let first = self.below(self.blocks);
        let most = u64::from(self.bs / self.unit).min(self.blocks - first);
        let units = 1 + u32::try_from(self.below(most)).unwrap_or(0);
        let fua = op == Op::Write && self.wrote();
        let pos = self.offset + first * u64::from(self.unit);
        Request { op, fua, pos, len: units * self.unit }
    }

    /// Counts a write; whether it is one that is durable when acknowledged.
    #[inline]
    fn wrote(&mut self) -> bool {
        self.writes_to_flush = self.writes_to_flush.saturating_sub(1);
        if self.fua == 0 {
            return false;
        }
        self.writes_to_fua -= 1;
        let due = self.writes_to_fua == 0;
        if due {
            self.writes_to_fua = self.fua;
        }
        due
    }

    /// Evenly below `n`, by the high half of a product: off by at most `n` in 2^64.
    #[inline]
    fn below(&mut self, n: u64) -> u64 {
        let wide = u128::from(self.draws.next_u64()) * u128::from(n);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    fn below_usize(&mut self, n: u64) -> usize {
        usize::try_from(self.below(n)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(job: &Job, n: usize) -> Vec<Request> {
        let mut generator = Generator::new(job, 0);
        (0..n).map(|_| generator.next()).collect()
    }

    #[test]
    fn a_seed_is_a_stream() {
        let mut job = Job::new(Pattern::Randrw, 1 << 30, 1);
        let first = requests(&job, 100);
        assert_eq!(requests(&job, 100), first);
        job.seed = 1;
        assert_ne!(requests(&job, 100), first);
        assert_ne!((0..9).map(|_| Generator::new(&job, 1).next()).next(), first.first().copied());
    }

    #[test]
    fn the_mix_is_what_was_asked() {
        for percent in [0, 30, 100] {
            let mut job = Job::new(Pattern::Randrw, 1 << 30, 1);
            job.rwmixread = percent;
            let reads = requests(&job, 10_000).iter().filter(|r| r.op == Op::Read).count();
            let want = usize::from(percent) * 100;
            assert!(reads.abs_diff(want) < 200, "{reads} of {want}");
            assert!(reads == want || percent == 30);
        }
    }

    #[test]
    fn sequences_go_round_and_reads_and_writes_each_have_theirs() {
        let mut job = Job::new(Pattern::Write, 3 * 4096 + 100, 1);
        job.offset = 8192;
        let at: Vec<u64> = requests(&job, 4).iter().map(|r| r.pos).collect();
        assert_eq!(at, [8192, 12_288, 16_384, 8192]);
        job.pattern = Pattern::Rw;
        job.size = 1 << 20;
        for op in [Op::Read, Op::Write] {
            let at = requests(&job, 50).into_iter().filter(|r| r.op == op).map(|r| r.pos);
            let at: Vec<u64> = at.collect();
            assert!(at.windows(2).all(|two| two[1] == two[0] + 4096), "{at:?}");
        }
    }

    #[test]
    fn flushes_and_fua_come_every_so_many_writes() {
        let mut job = Job::new(Pattern::Write, 1 << 20, 1);
        job.fsync = 2;
        job.fua = 3;
        let seen = requests(&job, 9).into_iter().map(|r| (r.op == Op::Flush, r.fua));
        let (no, fua, flush) = ((false, false), (false, true), (true, false));
        assert_eq!(seen.collect::<Vec<_>>(), [no, no, flush, fua, no, flush, no, fua, flush]);
    }

    #[test]
    fn random_positions_are_even_and_inside() {
        let mut job = Job::new(Pattern::Randread, 16 * 4096, 1);
        job.offset = 4096;
        let mut seen = [0_u32; 16];
        for request in requests(&job, 16_000) {
            seen[usize::try_from(request.pos / 4096 - 1).unwrap()] += 1;
        }
        assert!(seen.iter().all(|n| n.abs_diff(1000) < 150), "{seen:?}");
    }

    #[test]
    fn a_storm_overlaps_in_all_three_ways_and_stays_inside() {
        let mut job = Job::new(Pattern::Storm, 8 * 4096, 1);
        (job.bs, job.rwmixread) = (4 * 4096, 0);
        let seen = requests(&job, 3_000);
        for op in [Op::Write, Op::WriteZeroes, Op::Trim] {
            let n = seen.iter().filter(|r| r.op == op).count();
            assert!(n.abs_diff(1_000) < 150, "{op:?} {n}");
        }
        assert!(seen.iter().all(|r| r.pos + u64::from(r.len) <= 8 * 4096 && r.len > 0));
        for units in 1..=4 {
            assert!(seen.iter().any(|r| r.len == units * 4096), "{units}");
        }
    }
}
