//! Look-ups and inserts in the extent status tree, with as many extents as a fragmented file has, and the
//! counters of reservation.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use maprace_extent::{Blocks, EsEntry, EsStatus, EsTree, Space};
use std::hint::black_box;

/// `--bench` is given by `cargo bench` only: without it, as a test, the sizes are small.
fn sizes() -> &'static [u32] {
    if std::env::args().any(|arg| arg == "--bench") { &[16, 256, 4_096] } else { &[4] }
}

/// A tree in which every other block is delayed.
fn fragmented(extents: u32) -> EsTree {
    let mut tree = EsTree::default();
    for at in 0..extents {
        tree.insert(Blocks::one(2 * at), EsEntry::bare(EsStatus::Delayed));
    }
    tree
}

fn status_tree(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("extent status tree");
    for extents in sizes() {
        let tree = fragmented(*extents);
        let middle = Blocks::one(*extents);
        group.bench_function(BenchmarkId::new("lookup", extents), |bench| {
            bench.iter(|| black_box(&tree).lookup(black_box(middle)));
        });
        // The insert splits nothing and the remove merges nothing: the tree is the same after both.
        let (mut tree, hole) = (tree.clone(), Blocks::one(*extents | 1));
        group.bench_function(BenchmarkId::new("insert and remove", extents), |bench| {
            bench.iter(|| {
                tree.insert(black_box(hole), EsEntry::bare(EsStatus::Hole));
                tree.remove(black_box(hole))
            });
        });
        group.bench_function(BenchmarkId::new("insert over all", extents), |bench| {
            let all = Blocks::new(0, 2 * extents);
            let insert = |mut tree: EsTree| tree.insert(all, EsEntry::bare(EsStatus::Written));
            bench.iter_batched(|| tree.clone(), insert, criterion::BatchSize::SmallInput);
        });
    }
    group.finish();
}

/// The way of a delayed block through the counters: reserved, allocated, settled, freed.
fn reservation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reservation");
    let mut space = Space { free: 1 << 30, ..Space::default() };
    group.bench_function("reserve to free", |bench| {
        bench.iter(|| {
            let reserved = black_box(&mut space).reserve(black_box(1));
            space.allocate_reserved(1);
            let settled = space.settle(1, true);
            space.free_allocated(1);
            (reserved, settled)
        });
    });
    group.bench_function("reserve and release", |bench| {
        bench.iter(|| (black_box(&mut space).reserve(black_box(1)), space.release(1)));
    });
    group.finish();
}

criterion_group!(benches, status_tree, reservation);
criterion_main!(benches);
