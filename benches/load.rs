//! What a request costs the load generator itself: `null:`, where the target takes no time.
//!
//! In a closed and in an open loop. Starting the worker is in it, spread over the requests of one run.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use maprace_load::{Arrival, Finished, Job, Pace, Pattern, Progress, RunSpec, Watch, run_null};
use std::sync::atomic::AtomicBool;

/// `--bench` is given by `cargo bench` only: without it, as a test, there are few requests.
fn requests() -> u64 {
    if std::env::args().any(|arg| arg == "--bench") { 1_000_000 } else { 1_000 }
}

static STOP: AtomicBool = AtomicBool::new(false);

fn run(job: &Job) -> Finished {
    let tell = |_: Progress| ();
    let watch = Watch { stop: &STOP, tell: &tell };
    run_null(job, &RunSpec::new(), watch).expect("nothing can fail")
}

fn null(criterion: &mut Criterion) {
    let requests = requests();
    let mut group = criterion.benchmark_group("load on null:");
    group.throughput(Throughput::Elements(requests)).sample_size(10);
    for iodepth in [1, 32] {
        for pattern in [Pattern::Randread, Pattern::Write] {
            let job = Job { iodepth, ..Job::new(pattern, 1 << 30, requests) };
            let id = BenchmarkId::new(pattern.name(), iodepth);
            group.bench_function(id, |bench| bench.iter(|| run(&job)));
        }
    }
    // So fast that every arrival is due at once: what is measured is the drawing of times.
    let pace = Pace::Open { rate_iops: 1e9, arrivals: Arrival::Poisson };
    let job = Job { iodepth: 32, pace, ..Job::new(Pattern::Randread, 1 << 30, requests) };
    group.bench_function("open loop/32", |bench| bench.iter(|| run(&job)));
    group.finish();
}

criterion_group!(benches, null);
criterion_main!(benches);
