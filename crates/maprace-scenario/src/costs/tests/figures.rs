//! What the built-in tables come to on the paths whose figures they were made from, and on some others.

use super::*;
use crate::format::Scenario;
use maprace_runtime::sim::{Event, Moment};

/// Runs a scenario of v5.10 in virtual time, each task from its start on, in nanoseconds.
fn follow(
    table: &CostTable,
    order: Order,
    text: &str,
    starts_ns: &[u64],
    mut tell: impl FnMut(&Moment<'_>),
) {
    let scenario: Scenario = format!("format = 1\nname = \"x\"\n{text}").parse().unwrap();
    let plan = Plan::new(&scenario, &Config::ext4("v5.10", order)).unwrap();
    let sim = Sim::new(Keep { events: true, ..Keep::default() });
    let costs = Priced::new(table, &sim, plan.setup.geometry);
    let mut clock = Clock::new(&sim, table.machine(2), costs);
    clock.reset();
    let world = Ext4Kind.program(&plan).start(&sim);
    let mut exec = Exec::new(&sim);
    exec.start(world.tasks);
    clock.run(&mut exec, starts_ns, |_, moment| {
        tell(moment);
        ControlFlow::Continue(())
    });
}

fn is(moment: &Moment<'_>, task: usize, step: &str) -> bool {
    moment.task == task && moment.step.is_some_and(|own| own.name == step)
}

/// A fault against a fallocate that starts so much later or earlier: from the fault's look-up to its
/// insert, and from the fallocate's start to its insert, in nanoseconds.
fn race(table: &CostTable, fault_ns: u64, fallocate_ns: u64) -> (u64, u64) {
    let text = "[file]\nblocks = 2\nprefault = [\"0..1\"]\n\
                [[task]]\nname = \"fault\"\nops = [\"mmap_write 0..1\"]\n\
                [[task]]\nname = \"fallocate\"\nops = [\"fallocate 0..2\"]\n";
    let (mut looked, mut window, mut allocated) = (0, 0, 0);
    follow(table, Order::BufferHead, text, &[fault_ns, fallocate_ns], |moment| {
        if is(moment, 0, "ext4_es_lookup_extent") {
            looked = moment.now_ns;
        }
        if is(moment, 0, "ext4_es_insert_delayed_block") {
            window = moment.now_ns - looked;
        }
        if is(moment, 1, "ext4_es_insert_extent") {
            allocated = moment.now_ns - fallocate_ns;
        }
    });
    (window, allocated)
}

#[test]
fn the_lab_windows_are_the_measured_ones() {
    let table = built_in_with("lab-tcg");
    let (alone, _) = race(&table, 0, 10_000_000);
    assert!((4_000..=5_000).contains(&alone), "{alone}");
    let (_, fallocate) = race(&table, 10_000_000, 0);
    assert!((87_000..=107_000).contains(&fallocate), "{fallocate}");
    // Measured: 60-73 us of a fallocate of 101-107 us, within half and twice of which the share is to
    // be. Faults that begin anywhere in a fallocate, then one that begins with it.
    let mut windows: Vec<u64> = (0..100).map(|us| race(&table, us * 1_000, 25_000).0).collect();
    windows.retain(|window| *window > 0);
    windows.sort_unstable();
    for window in [windows[windows.len() / 2], race(&table, 0, 0).0] {
        let share = window * 100 / fallocate;
        assert!((28..=144).contains(&share), "{window} ns, {share} in 100");
    }
}

/// How long one fallocate holds `i_data_sem`, in nanoseconds.
fn hold(bitmaps: &str) -> u64 {
    let text = format!(
        "[fs]\nbitmaps = \"{bitmaps}\"\n[file]\nblocks = 2\n\
         [[task]]\nname = \"fallocate\"\nops = [\"fallocate 0..2\"]\n"
    );
    let (mut from, mut to) = (0, 0);
    follow(&built_in_with("lab-tcg"), Order::BufferHead, &text, &[0], |moment| {
        if is(moment, 0, "down_write(i_data_sem)") {
            from = moment.now_ns;
        }
        if is(moment, 0, "ext4_es_insert_extent") {
            to = moment.now_ns;
        }
    });
    to - from
}

#[test]
fn the_lab_window_grows_with_a_slow_medium_as_measured() {
    // Every fourth fallocate reads a bitmap; the mean of four is what hits were counted in. Measured:
    // 0.22-0.35 ms on a medium without delay, 8 times that with 10 ms.
    let four = 3 * hold("warm") + hold("cold");
    assert!((220_000..=350_000).contains(&(four / 4)), "{four}");
    let times = (four + 10_000_000) / four;
    assert!((4..=16).contains(&times), "{times}");
}

/// How old the mapping of one write is when it has locked each folio, in nanoseconds.
fn ages(blocks: u64, folio_blocks: u64) -> Vec<u64> {
    let text = format!(
        "[fs]\nfolio_blocks = {folio_blocks}\n[file]\nblocks = {blocks}\n\
         [[task]]\nname = \"write\"\nops = [\"write 0..{blocks}\"]\n"
    );
    let (mut mapped, mut ages) = (0, Vec::new());
    follow(&built_in_with("lab-tcg"), Order::Iomap, &text, &[0], |moment| {
        if moment.events.iter().any(|(_, event)| *event == Event::Leave("iomap_begin")) {
            mapped = moment.now_ns;
        }
        if is(moment, 0, "folio_lock") {
            ages.push(moment.now_ns - mapped);
        }
    });
    ages
}

#[test]
fn the_lab_mappings_age_as_measured() {
    let first = ages(1, 1)[0];
    assert!((19_000..=27_000).contains(&first), "{first}");
    // The last of 16 small folios was measured at 41 times that, of 233 at 715 times.
    for (blocks, times) in [(16, 41), (256, 715)] {
        let last = *ages(blocks, 1).last().unwrap();
        let (low, high) = (first * times / 2, first * times * 2);
        assert!((low..=high).contains(&last), "{blocks}: {last} is not in {low}..{high}");
    }
    let last = *ages(16, 1).last().unwrap();
    assert!((745_000..=1_146_000).contains(&last), "{last}");
    let (small, large) = (ages(16, 16), ages(256, 256));
    assert_eq!((small.len(), large.len()), (1, 1), "one large folio each");
    assert!((244_000..=259_000).contains(&small[0]), "{small:?}");
    assert!((3_400_000..=4_100_000).contains(&large[0]), "{large:?}");
}

#[test]
fn a_server_is_as_fast_as_published() {
    let costs = built_in_with("linux-x86").typical();
    let ns = |what: &str| costs.iter().find(|typical| typical.what == what).unwrap().ns;
    let within = |what: &str, low, high| {
        let ns = ns(what);
        assert!((low..=high).contains(&ns), "{what}: {ns}");
    };
    within("write 4 KiB over cached data", 600, 1_200);
    within("write 4 KiB into a hole", 800, 2_000);
    // 576k/s, Xeon Gold 6240.
    within("read 4 KiB of a hole", 1_740 / 2, 1_740 * 2);
    within("store to a mapped hole: page_mkwrite", 1_000, 2_000);
    // 214k/s, AMD 9654.
    within("fallocate one extent", 3_000, 8_000);
}
