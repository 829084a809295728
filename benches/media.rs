//! What it costs to ask a medium's model when a request will be done. No time passes but the model's.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use maprace_media::{Model, Profile, Request};
use std::hint::black_box;

/// A cache that fills and drains, a seek, several levels of parallelism, a line's bandwidth.
const PROFILES: [&str; 4] = ["nvme-tlc-dc", "hdd-7200", "optane-ssd-p5800x", "pmem-dcpmm100-6x"];

const BLOCK: u64 = 4096;
const BLOCKS: u64 = 1 << 20;

/// Asks for one request after the other, each when the one before is done.
struct Asker {
    model: Model,
    now_ns: u64,
    next: u64,
}

impl Asker {
    fn ask(&mut self, request: impl Fn(u64) -> Request) {
        self.next = (self.next + 7919) % BLOCKS;
        let served = self.model.serve(request(self.next * BLOCK), self.now_ns);
        self.now_ns = black_box(served).done_ns;
    }
}

fn media(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("media");
    group.throughput(Throughput::Elements(1));
    for name in PROFILES {
        let profile = Profile::open(name).expect("it comes with maprace");
        let model = Model::new(profile.params.clone());
        let mut asker = Asker { model, now_ns: 0, next: 0 };
        group.bench_function(BenchmarkId::new("read", name), |bench| {
            bench.iter(|| asker.ask(|pos| Request::Read { pos, len: BLOCK }));
        });
        group.bench_function(BenchmarkId::new("write", name), |bench| {
            bench.iter(|| asker.ask(|pos| Request::Write { pos, len: BLOCK }));
        });
        group.bench_function(BenchmarkId::new("flush", name), |bench| {
            bench.iter(|| asker.ask(|_| Request::Flush));
        });
    }
    group.finish();
}

criterion_group!(benches, media);
criterion_main!(benches);
