//! What a step of virtual time costs in processor time: the seed scenario, four tasks and sixty-four,
//! a workload of millions of operations.
//!
//! Figures are per second of processor time (`getrusage`), since the machine may be shared; each is
//! taken several times in turn with the others, and shown as least, median and greatest. No criterion:
//! its clock is the wall's. Without `--bench` sizes are small and only what is exact is checked.

#![expect(clippy::print_stdout, reason = "what it measured is what it is run for")]

use maprace_fs::Order;
use maprace_fs::ext4::Ext4Kind;
use maprace_runtime::sim::Sim;
use maprace_scenario::costs::{CostTable, Priced};
use maprace_scenario::measure::Tally;
use maprace_scenario::{
    AnyLayer, Config, Media, Plan, Round, Scenario, SeededCosts, Starts, Terms, Timed, Vocabulary,
    Workload, catalogue,
};

fn is_measured() -> bool {
    std::env::args().any(|arg| arg == "--bench")
}

/// Processor time of this process so far, in seconds.
#[expect(clippy::cast_precision_loss, reason = "seconds and microseconds of one run")]
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The most memory that this process ever had, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("");
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn table() -> CostTable {
    CostTable::open("linux-x86").expect("it is built in")
}

fn seed() -> Box<dyn Timed> {
    let text = catalogue::text("mkwrite-fallocate").expect("the seed is built in");
    let scenario = Scenario::parse("seed", text, &Vocabulary::builtin()).expect("it parses");
    let plan =
        Plan::new(&scenario, &Config::ext4("v6.8", Order::BufferHead)).expect("it is modelled");
    let table = table();
    let terms = Terms { machine: table.machine(2), media: Media::Instantly, keep_windows: false };
    let geometry = plan.setup.geometry;
    let costs =
        |sim: &Sim| -> Box<dyn SeededCosts> { Box::new(Priced::new(&table, sim, geometry)) };
    Ext4Kind.timed(&plan, terms, &costs)
}

fn crowd(workload: Workload, cpus: u32) -> Box<dyn Timed> {
    let table = table();
    let terms =
        Terms { machine: table.machine(cpus), media: Media::Instantly, keep_windows: false };
    let geometry = workload.geometry();
    let costs =
        |sim: &Sim| -> Box<dyn SeededCosts> { Box::new(Priced::new(&table, sim, geometry)) };
    Ext4Kind.crowded(workload, &Config::ext4("v6.12", Order::BufferHead), terms, &costs)
}

/// Runs rounds; how many steps, those of fsync and evict after the tasks among them, and in how much
/// processor time, that of building the file and of the checkers among it.
fn rounds(world: &mut dyn Timed, count: u64, starts: &Starts) -> (u64, f64) {
    let mut tally = Tally::default();
    let (before, mut steps) = (cpu_seconds(), 0);
    for number in 0..count {
        let round = Round { number, seed: 0, starts: starts.clone() };
        let rounded = world.round(&round, &mut tally);
        assert!(!rounded.stuck, "it comes to an end");
        steps += rounded.steps + rounded.after_steps;
    }
    (steps, cpu_seconds() - before)
}

fn shown(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let (first, last) = (values[0], values[values.len() - 1]);
    format!("{:.2} [{first:.2} .. {last:.2}]", values[values.len() / 2])
}

#[expect(clippy::cast_precision_loss, reason = "steps of one run")]
fn main() {
    let (repeats, seeds, ops, most) =
        if is_measured() { (9, 20_000, 50_000, 4_000_000) } else { (1, 50, 500, 1_000) };
    let starts = Starts::Drawn { within_ns: 4_000 };
    let (mut seed_world, mut rates, mut per_step) = (seed(), Vec::new(), [Vec::new(), Vec::new()]);
    let mut ratios = Vec::new();
    for _ in 0..repeats {
        let (steps, seconds) = rounds(&mut *seed_world, seeds, &starts);
        rates.push(steps as f64 / seconds / 1e6);
        for (i, tasks) in [4, 64].into_iter().enumerate() {
            let workload =
                Workload { writers: 0, storers: tasks, fallocators: 0, ops, ..crowd_of() };
            let (steps, seconds) = rounds(&mut *crowd(workload, tasks), workload.epochs(), &starts);
            per_step[i].push(seconds * 1e9 / steps as f64);
        }
        ratios.push(per_step[1][per_step[1].len() - 1] / per_step[0][per_step[0].len() - 1]);
    }
    println!("median [least .. greatest] of {repeats}, per second of processor time");
    println!("seed scenario, million steps a second      {}", shown(rates));
    println!("4 tasks, ns a step                         {}", shown(per_step[0].clone()));
    println!("64 tasks, ns a step                        {}", shown(per_step[1].clone()));
    println!("64 tasks to 4, ratio                       {}", shown(ratios));
    let workload = Workload { writers: 4, storers: 28, fallocators: 0, ops: most, ..crowd_of() };
    let workload = Workload { file: 1 << 30, ..workload };
    let workload = if is_measured() { workload } else { Workload { file: 1 << 22, ..workload } };
    let (steps, seconds) = rounds(&mut *crowd(workload, 32), workload.epochs(), &starts);
    println!(
        "{most} operations on 32 cpus: {steps} steps, {seconds:.1} s of processor time, {} MiB at most",
        peak_mib()
    );
}

/// A file in memory on which nine of ten look-ups hit.
fn crowd_of() -> Workload {
    Workload { readers: 0, hit: 0.9, cached: 0.5, ..Workload::default() }
}
