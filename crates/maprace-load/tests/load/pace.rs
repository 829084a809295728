//! Open and closed loop, in virtual time: what a stall does to each is arithmetic.

use crate::devices::{Fails, Stalls};
use crate::{flag, run};
use maprace_load::{
    Arrival, Doubt, Ended, Ending, Finished, Job, Op, Pace, Pattern, Progress, Record, RunSpec,
    Seen, Until, Watch, run_in_process,
};
use std::cell::Cell;

const SECOND: u64 = 1_000_000_000;
/// The 10 us of the server, as a histogram of three digits tells them: the end of a bin of eight.
const SERVICE: u64 = 10_007;

/// Ten seconds on a server that can do 100 000 requests a second.
fn job(pace: Pace) -> Job {
    let mut job = Job::new(Pattern::Randread, 1 << 30, 1);
    (job.until, job.pace) = (Until::Ns(10 * SECOND), pace);
    job
}

fn stalled(pace: Pace, iodepth: u32) -> Record {
    let mut job = job(pace);
    job.iodepth = iodepth;
    let device = Stalls { from_ns: 2 * SECOND, free_ns: 0 };
    Record::of(&run(&job, device), &Seen::default())
}

fn open(rate_iops: f64, arrivals: Arrival) -> Pace {
    Pace::Open { rate_iops, arrivals }
}

/// At 80 % of capacity a stall of 100 ms leaves 8 000 requests, which shrink by 20 000 a second: for half
/// a second, 40 000 requests are late, the first by 100 ms, the last by nothing, evenly. Of 800 000 in ten
/// seconds 800 are beyond p99.9: a fiftieth of the late ones, so that it is 98 ms.
#[test]
fn an_open_loop_shows_a_stall_as_arithmetic_says() {
    for iodepth in [1, 32, 1024] {
        let record = stalled(open(80_000.0, Arrival::Fixed), iodepth);
        let read = record.op(Op::Read).unwrap();
        assert_eq!((record.pace.as_str(), read.ios), ("open", 800_000));
        let p999 = read.latency.at(99.9).unwrap();
        assert!(p999.abs_diff(98_000_000) < 300_000, "depth {iodepth}: {p999}");
        assert!(read.latency.max_ns.abs_diff(100_000_000) < 200_000, "{}", read.latency.max_ns);
        // A twentieth is late at all.
        assert_eq!(read.latency.at(90.0), Some(SERVICE));
    }
}

/// What a generator sees that waits for answers, and what it would call latency: the few in flight.
#[test]
fn service_time_hides_what_latency_shows() {
    let record = stalled(open(80_000.0, Arrival::Fixed), 32);
    let read = record.op(Op::Read).unwrap();
    let service = read.service.as_ref().unwrap();
    // 32 of 800 000 met the stall; those behind them waited for 32 others.
    assert!(service.at(99.9).unwrap() <= 321_000, "{:?}", service.at(99.9));
    assert_eq!(service.count, 800_000);
}

#[test]
fn a_closed_loop_does_not_show_it() {
    let record = stalled(Pace::Closed, 1);
    let read = record.op(Op::Read).unwrap();
    assert_eq!(record.pace, "closed");
    assert_eq!(read.latency.at(99.9), Some(SERVICE));
    assert_eq!(read.latency.at(99.999), Some(SERVICE));
    assert!(read.latency.max_ns > 100_000_000 && read.service.is_none());
    // The one that met it, and the time it took away.
    assert_eq!(read.ios, 990_000);
}

#[test]
fn many_users_see_the_stall_too() {
    let record = stalled(open(80_000.0, Arrival::Poisson), 64);
    let read = record.op(Op::Read).unwrap();
    let p999 = read.latency.at(99.9).unwrap();
    assert!(p999.abs_diff(98_000_000) < 2_000_000, "{p999}");
    // At 80 % of a server with even service, queueing theory has a mean wait of two services.
    let quiet = job(open(80_000.0, Arrival::Poisson));
    let quiet = run(&Job { iodepth: 1024, ..quiet }, Stalls { from_ns: u64::MAX / 2, free_ns: 0 });
    let mean = Record::of(&quiet, &Seen::default()).op(Op::Read).unwrap().latency.mean_ns;
    assert!((mean - 30_000.0).abs() < 1_500.0, "{mean}");
}

#[test]
fn what_a_server_cannot_do_is_not_left_out() {
    let record = stalled(open(200_000.0, Arrival::Fixed), 16);
    let read = record.op(Op::Read).unwrap();
    // Half of what arrives is never begun, and what is has waited for half of the time that has passed.
    assert!(record.unserved.abs_diff(1_010_000) < 1_000, "{}", record.unserved);
    assert!(read.latency.max_ns > 5 * SECOND, "{}", read.latency.max_ns);
    let doubts: Vec<&Doubt> = record.doubts.iter().map(|one| &one.doubt).collect();
    assert!(doubts.iter().any(|doubt| matches!(doubt, Doubt::RateNotReached { .. })), "{doubts:?}");
}

#[test]
fn what_comes_before_the_ramps_end_does_not_count() {
    let mut job = job(Pace::Closed);
    job.ramp_ns = 3 * SECOND;
    // The stall lies in the ramp.
    let finished = run(&job, Stalls { from_ns: SECOND, free_ns: 0 });
    let record = Record::of(&finished, &Seen::default());
    assert_eq!(record.op(Op::Read).unwrap().latency.max_ns, SERVICE);
    assert_eq!((record.ios, record.elapsed_ns), (1_000_000, 10 * SECOND));
    assert_eq!(record.slices, vec![100_000.0; 20]);
}

#[test]
fn the_same_seed_is_the_same_run() {
    let once = || {
        let record = stalled(open(50_000.0, Arrival::Poisson), 4);
        serde_json::to_string(&Record { machine: None, ..record }).unwrap()
    };
    assert_eq!(once(), once());
}

#[test]
fn a_record_reads_back_as_it_was() {
    let record = stalled(open(50_000.0, Arrival::Poisson), 4);
    let text = serde_json::to_string(&record).unwrap();
    let back: Record = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&back).unwrap(), text);
}

fn failing(job: &Job, from: u64, errno: i32) -> (Finished, u64) {
    let asked = Cell::new(0);
    let finished = run(job, Fails { from, errno, asked: &asked, stop: None });
    (finished, asked.get())
}

#[test]
fn a_failure_ends_the_job_and_loses_nothing() {
    let mut job = Job::new(Pattern::Write, 1 << 20, 1_000);
    job.iodepth = 4;
    let (finished, asked) = failing(&job, 100, 28);
    let Ending::Failed(request, errno) = finished.ending else { panic!("{:?}", finished.ending) };
    assert_eq!((request.op, errno), (Op::Write, 28));
    // 99 were answered; what was in flight with the 100th was waited for and failed as well.
    let failed: u64 = finished.tally.errors.values().sum();
    assert_eq!((finished.tally.ios(), failed + 99, finished.tally.lost), (99, asked, 0));
    let record = Record::of(&failing(&job, 100, 28).0, &Seen::default());
    assert_eq!(record.ended, Ended::Failed);
    let by = record.ended_by.unwrap();
    assert!(by.contains("write of 4096 at ") && by.ends_with("No space left on device"), "{by}");
    assert_eq!(record.errors[0].says, "No space left on device");
}

#[test]
fn who_wants_to_goes_on_but_not_without_a_device() {
    let mut job = Job::new(Pattern::Read, 1 << 20, 1_000);
    job.continue_on_error = true;
    let (finished, asked) = failing(&job, 100, 5);
    assert!(matches!(finished.ending, Ending::Done), "{:?}", finished.ending);
    assert_eq!((asked, finished.tally.ios()), (1_000, 99));
    assert_eq!(finished.tally.errors[&(Op::Read, 5)], 901);
    // ENODEV: it will not come back.
    assert!(failing(&job, 100, 19).1 < 110);
}

#[test]
fn whoever_stops_it_gets_what_there_is() {
    let mut job = Job::new(Pattern::Randread, 1 << 20, 1_000_000);
    job.iodepth = 8;
    let (asked, stop) = (Cell::new(0), flag());
    let device = Fails { from: 500, errno: 0, asked: &asked, stop: Some(stop) };
    let watch = Watch { stop, tell: &|_: Progress| () };
    let finished = run_in_process(&job, device, &RunSpec::new(), watch).unwrap();
    assert!(matches!(finished.ending, Ending::Stopped), "{:?}", finished.ending);
    // All that was asked was answered and counted.
    assert_eq!(finished.tally.ios(), asked.get());
    assert!((500..520).contains(&asked.get()), "{}", asked.get());
}

#[test]
fn virtual_time_has_one_worker() {
    let mut job = Job::new(Pattern::Randread, 1 << 20, 10);
    (job.numjobs, job.iodepth) = (4, 8);
    let watch = Watch { stop: flag(), tell: &|_: Progress| () };
    let device = Stalls { from_ns: 0, free_ns: 0 };
    let told = run_in_process(&job, device, &RunSpec::new(), watch).unwrap_err().to_string();
    assert!(told.contains("type --iodepth 32"), "{told}");
}
