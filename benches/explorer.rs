//! Executions per second of each engine on the little model: a fault on each block, `fallocate`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use maprace_explore::little::{Grain, Insert, Little};
use maprace_explore::{Budget, Engine, Options, explore};

/// `--bench` is given by `cargo bench` only: without it, as a test, the sizes are small.
fn is_measured() -> bool {
    std::env::args().any(|arg| arg == "--bench")
}

fn run(little: &Little, engine: Engine, executions: u64) -> u64 {
    let budget = Budget { executions, ..Budget::default() };
    explore(little, &Options { engine, budget, ..Options::default() }).executions
}

fn engines(criterion: &mut Criterion) {
    let (executions, tasks): (u64, &[u64]) =
        if is_measured() { (10_000, &[2, 3, 4]) } else { (20, &[2]) };
    let mut group = criterion.benchmark_group("explorer");
    for engine in [Engine::Naive, Engine::Random, Engine::Pct, Engine::Dpor, Engine::States] {
        for tasks in tasks {
            let little = Little::faults(*tasks, Insert::Fixed, Grain::Sync);
            group.throughput(Throughput::Elements(run(&little, engine, executions)));
            let id = BenchmarkId::new(engine.name(), format!("f{tasks}"));
            group.bench_function(id, |bench| bench.iter(|| run(&little, engine, executions)));
        }
    }
    group.finish();
}

criterion_group!(benches, engines);
criterion_main!(benches);
