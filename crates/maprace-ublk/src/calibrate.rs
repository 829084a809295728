//! The floor: what a request takes on this machine when it has nothing to wait for.
//!
//! Measured on the started device itself, past the page cache, one request at a time. Of the times
//! without a wait the 10th percentile is taken, so that a request is called infeasible only when it is.
//!
//! The credit is what a request takes beyond the time it was told to wait: of the times with a wait the
//! median, half of them early, half late. It is not the floor, since a processor that has slept wakes
//! slowly, and it is not any median: where somebody else had the processors it is milliseconds. So it is
//! taken in several short rounds, after enough waits for the queue to have learnt its margin, and a round
//! that contradicts itself or the floor is not cut to size but measured again.
//!
//! It is not the server that measures but a process that it starts ([`prober`]): a process that is killed
//! while it waits for a read of the device that it serves itself never ends, since nobody else answers
//! that read, and keeps the device from being deleted.

pub mod prober;

use crate::Floor;
use maprace_media::Profile;
use prober::Target;
use rustix::fs::{FallocateFlags, Mode, OFlags};
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Requests without a wait, of each kind.
const ROUNDS: usize = 200;
/// The fewest that still tell something.
const ROUNDS_MIN: usize = 20;
/// After so long no more rounds than those.
const PATIENCE: Duration = Duration::from_millis(250);
/// Bytes of a request.
const BYTES: usize = 4096;
/// The wait that the credit is measured with.
const WAIT_NS: u64 = 200_000;
/// Requests until a queue knows what its timers are late by.
const WARM_UP: usize = 48;
/// Requests in a round of the credit.
const CREDIT_REQUESTS: usize = 50;
/// Rounds that have to agree with themselves; the median of them is taken.
const CREDIT_ROUNDS: usize = 5;
/// Rounds at most.
const CREDIT_TRIES: u32 = 24;
/// After each round, so that not all of them meet the threads on the same processors; five times as
/// long after one that somebody else has disturbed.
const CREDIT_PAUSE: Duration = Duration::from_millis(10);
/// No round begins later than that after the first.
const CREDIT_LIMIT: Duration = Duration::from_secs(1);
/// A round is given up after so long: it has been disturbed.
const CREDIT_PATIENCE: Duration = Duration::from_millis(100);
/// More than so many floors of a read are not the doing of a processor that wakes up.
const CREDIT_FLOORS: u64 = 4;

/// Measures; on a fresh device it also writes, and gives back what it wrote. `wait` sets what every
/// request waits for, in ns.
fn floor(target: &Target, wait: &mut dyn FnMut(u64) -> io::Result<()>) -> io::Result<Floor> {
    let Target { path, size, is_fresh } = target;
    let mut flags = OFlags::DIRECT | OFlags::CLOEXEC;
    flags |= if *is_fresh { OFlags::RDWR } else { OFlags::RDONLY };
    let file = rustix::fs::open(path.as_str(), flags, Mode::empty())?;
    let mut memory = vec![0_u8; 2 * BYTES];
    let skip = memory.as_ptr().align_offset(BYTES);
    let bytes = BYTES.min(usize::try_from(*size).unwrap_or(BYTES));
    let buffer = &mut memory[skip..skip + bytes];
    let last = size - u64::try_from(bytes).expect("a page");

    wait(0)?;
    let mut reads =
        times(ROUNDS, PATIENCE, || rustix::io::pread(&file, &mut *buffer, 0).map(drop))?;
    let read_ns = percentile(&mut reads, 10);
    let write_ns = if *is_fresh { writes(&file, buffer, last)? } else { read_ns };
    wait(WAIT_NS)?;
    let mut read = || rustix::io::pread(&file, &mut *buffer, 0).map(drop);
    let credit = times(WARM_UP, CREDIT_PATIENCE, &mut read).and_then(|_| {
        let round = || times(CREDIT_REQUESTS, CREDIT_PATIENCE, &mut read);
        credit(read_ns, round, std::thread::sleep)
    });
    wait(0)?;
    Ok(Floor { read_ns, write_ns, credit_ns: credit? })
}

/// The credit, of rounds of requests that waited for [`WAIT_NS`]. Where none is undisturbed it is the
/// floor: what a request takes at least.
fn credit(
    read_ns: u64,
    mut round: impl FnMut() -> io::Result<Vec<u64>>,
    mut pause: impl FnMut(Duration),
) -> io::Result<u64> {
    let began = Instant::now();
    let mut found = Vec::new();
    for _ in 0..CREDIT_TRIES {
        let late_ns = late_ns(&mut round()?, read_ns);
        found.extend(late_ns);
        if found.len() == CREDIT_ROUNDS || began.elapsed() >= CREDIT_LIMIT {
            break;
        }
        pause(CREDIT_PAUSE * if late_ns.is_some() { 1 } else { 5 });
    }
    Ok(if found.is_empty() { read_ns } else { percentile(&mut found, 50) })
}

/// The median of what requests took beyond their wait; none where somebody else had the processors for
/// some of them. The median alone would not tell: beside a busy neighbour no processor sleeps, and the
/// other half of the requests is answered sooner than on a machine that is left alone.
fn late_ns(times: &mut [u64], read_ns: u64) -> Option<u64> {
    let mut late_ns = |percent| percentile(times, percent).saturating_sub(WAIT_NS);
    let (least_ns, median_ns, most_ns) = (late_ns(10), late_ns(50), late_ns(90));
    let is_steady = most_ns <= least_ns + least_ns / 2;
    (is_steady && median_ns <= CREDIT_FLOORS * read_ns).then_some(median_ns)
}

/// A medium on which every read takes `wait_ns`, however many are in flight on however many queues.
pub(crate) fn medium(wait_ns: u64) -> Profile {
    let text = format!(
        "name = \"calibration\"\n[geometry]\nunits = 4096\nstripe = 4096\n\
         [read]\nlat_ns = {{ rand = {wait_ns}, seq = {wait_ns} }}\n"
    );
    Profile::parse("calibration", &text).expect("a profile of three keys")
}

/// Writes zeroes to the last block, then gives its memory back.
fn writes(file: &OwnedFd, buffer: &mut [u8], last: u64) -> io::Result<u64> {
    buffer.fill(0);
    let mut writes =
        times(ROUNDS, PATIENCE, || rustix::io::pwrite(file, &*buffer, last).map(drop))?;
    let len = u64::try_from(buffer.len()).expect("a page");
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(file, hole, last, len)?;
    Ok(percentile(&mut writes, 10))
}

/// How long `request` takes, in ns, so many times; fewer where that takes longer than `patience`.
fn times(
    rounds: usize,
    patience: Duration,
    mut request: impl FnMut() -> rustix::io::Result<()>,
) -> io::Result<Vec<u64>> {
    // The first pays for what the others find in place.
    request()?;
    let began = Instant::now();
    let mut times = Vec::with_capacity(rounds);
    while times.len() < rounds && (times.len() < ROUNDS_MIN || began.elapsed() < patience) {
        let start = Instant::now();
        request()?;
        times.push(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    Ok(times)
}

/// Of some values.
fn percentile(values: &mut [u64], percent: usize) -> u64 {
    let place = values.len().saturating_sub(1) * percent / 100;
    *values.select_nth_unstable(place).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let mut values: Vec<u64> = (1..=200).rev().collect();
        assert_eq!(percentile(&mut values, 10), 20);
        assert_eq!(percentile(&mut values, 50), 100);
        assert_eq!(percentile(&mut [7], 90), 7);
    }

    #[test]
    fn the_medium_takes_what_it_is_told_to() {
        let profile = medium(WAIT_NS);
        assert_eq!(crate::floor::p50s_ns(&profile).0, WAIT_NS);
        let timing = crate::Timing { profile: Some(profile), seed: 0, dilate: 1 };
        let read = crate::Io { op: crate::Op::Read, pos: 0, len: 4096 };
        for queues in [1, 2, 64] {
            let mut pace = crate::queue::Pace::new(&timing, queues - 1, queues).unwrap().unwrap();
            for now_ns in (1..100).map(|round| round * 300_000) {
                let due = pace.due(read, now_ns, &Floor::default());
                assert_eq!(due.at_ns, now_ns + WAIT_NS, "{queues} queues");
            }
        }
    }

    #[test]
    fn the_rounds_are_counted_and_an_error_ends_them() {
        let mut done = 0;
        let times_taken = times(7, PATIENCE, || {
            done += 1;
            Ok(())
        });
        assert_eq!((times_taken.unwrap().len(), done), (7, 8));
        assert!(times(7, PATIENCE, || Err(rustix::io::Errno::IO)).is_err());
    }

    /// A round in which one request in `every` took `late_ns` beyond its wait, the others `usual_ns`.
    fn round(usual_ns: u64, every: usize, late_ns: u64) -> Vec<u64> {
        let late = |i: usize| if i.is_multiple_of(every) { late_ns } else { usual_ns };
        (0..CREDIT_REQUESTS).map(|i| WAIT_NS + late(i)).collect()
    }

    /// What a machine with a floor of 80 us is credited for these rounds, and how many were looked at.
    fn credited(rounds: Vec<Vec<u64>>) -> (u64, usize) {
        let (mut rounds, mut seen) = (rounds.into_iter().cycle(), 0);
        let next = || {
            seen += 1;
            Ok(rounds.next().unwrap())
        };
        (credit(80_000, next, |_| {}).unwrap(), seen)
    }

    #[test]
    fn the_credit_is_the_median_of_the_rounds() {
        let rounds = [70_000, 90_000, 86_000, 87_000, 60_000].map(|ns| round(ns, 20, 4_000_000));
        assert_eq!(credited(rounds.to_vec()), (86_000, 5));
    }

    /// Beside what a guest's boot had left to do, requests took multiples of a tick: the credit was then
    /// twice the floor, and a medium of 200 us answered after 112.
    #[test]
    fn a_disturbed_round_is_measured_again() {
        let all = round(3_800_000, 3, 3_900_000);
        let some = round(72_000, 8, 3_800_000);
        let quiet = round(86_000, 25, 1_000_000);
        for disturbed in [&all, &some] {
            assert_eq!(late_ns(&mut disturbed.clone(), 80_000), None);
            let rounds = vec![disturbed.clone(), disturbed.clone(), quiet.clone()];
            assert_eq!(credited(rounds), (86_000, 15));
        }
        assert_eq!(credited(vec![all, some]), (80_000, 24), "the floor is what is certain");
    }

    #[test]
    fn no_processor_wakes_four_floors_late() {
        let mut times = round(80_000, 1, 80_000);
        assert_eq!(late_ns(&mut times, 20_000), Some(80_000));
        assert_eq!(late_ns(&mut times, 19_999), None);
    }

    #[test]
    fn an_error_ends_the_rounds() {
        assert!(credit(1, || Err(io::Error::other("planted")), |_| {}).is_err());
    }
}
