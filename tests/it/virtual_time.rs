//! The virtual clock at round costs: windows as exact equalities, computed by hand here.

use maprace_fs::Order;
use maprace_fs::ext4::Ext4Kind;
use maprace_runtime::sim::{Costs, Machine, Sim};
use maprace_runtime::{Foot, Step};
use maprace_scenario::measure::Tally;
use maprace_scenario::{
    AnyLayer, Config, Media, Plan, Round, Scenario, SeededCosts, Starts, Terms, Timed, Vocabulary,
    catalogue,
};

/// Ten nanoseconds a step, but for those named.
struct Round10(Vec<(&'static str, u64)>);

impl Costs for Round10 {
    fn step_ns(&mut self, step: &'static Step, _: &Foot) -> u64 {
        self.0.iter().find(|(name, _)| *name == step.name).map_or(10, |(_, ns)| *ns)
    }
    fn call_ns(&mut self, _: &'static str) -> u64 {
        0
    }
}

impl SeededCosts for Round10 {
    fn reseed(&mut self, _: u64) {}
    fn looks_at_footprints(&self) -> bool {
        false
    }
}

fn timed(scenario: &str, preset: &str, order: Order) -> Box<dyn Timed> {
    let text = catalogue::text(scenario).expect("it is built in");
    let scenario = Scenario::parse(scenario, text, &Vocabulary::builtin()).expect("it parses");
    let plan = Plan::new(&scenario, &Config::ext4(preset, order)).expect("it is modelled");
    let machine = Machine { cpus: 2, wake_ns: 0, slice_ns: 1_000_000, spin_ns: 50 };
    let terms = Terms { machine, media: Media::Instantly, keep_windows: true };
    let costs = |_: &Sim| Box::new(Round10(Vec::new())) as Box<dyn SeededCosts>;
    Ext4Kind.timed(&plan, terms, &costs)
}

#[test]
fn speed() {
    for preset in ["v5.10", "v6.12"] {
        let mut world = timed("mkwrite-fallocate", preset, Order::BufferHead);
        let mut tally = Tally::default();
        let t = std::time::Instant::now();
        let n = 50_000;
        for number in 0..n {
            let starts = Starts::Drawn { within_ns: 200 };
            world.round(&Round { number, seed: 1, starts }, &mut tally);
        }
        let config = Config::ext4(preset, Order::BufferHead);
        let m = tally.measured(&maprace_scenario::measure::About {
            world: "virtual",
            subject: "x",
            config: &config,
            media: "instant",
            costs: None,
            cpus: 2,
            seed: 1,
        });
        let s = t.elapsed().as_secs_f64();
        eprintln!(
            "{} steps {} in {s} s: {} M/s; damaged {} {:?} {:#?}",
            n,
            m.steps,
            m.steps as f64 / s / 1e6,
            m.damaged,
            m.checkers,
            m.windows
        );
        eprintln!("{:#?}", m.cost);
    }
}

#[test]
fn crowd() {
    use maprace_scenario::Workload;
    for order in [Order::BufferHead, Order::Iomap] {
        for preset in ["v5.10", "v6.12", "exclusive"] {
            let w: Workload = "w=4,m=4,f=1,r=8,file=16m,hit=0.9,ops=8000".parse().unwrap();
            let config = Config::ext4(preset, order);
            let machine = Machine { cpus: 32, wake_ns: 2000, slice_ns: 1_000_000, spin_ns: 50 };
            let terms = Terms { machine, media: Media::Instantly, keep_windows: false };
            let costs = |_: &Sim| Box::new(Round10(Vec::new())) as Box<dyn SeededCosts>;
            let mut world = Ext4Kind.crowded(w, &config, terms, &costs);
            let mut tally = Tally::default();
            let t = std::time::Instant::now();
            for number in 0..w.epochs() {
                let r = world.round(
                    &Round { number, seed: 1, starts: Starts::Drawn { within_ns: 100 } },
                    &mut tally,
                );
                assert!(!r.stuck);
            }
            let m = tally.measured(&maprace_scenario::measure::About {
                world: "virtual",
                subject: "x",
                config: &config,
                media: "instant",
                costs: None,
                cpus: 2,
                seed: 1,
            });
            let s = t.elapsed().as_secs_f64();
            eprintln!(
                "{order} {preset}: {s} s, {} steps {} M/s; ops/s {:.0} p50 {} p99 {} hit {:.3} lookups/op {:.2} wait p99 {} damaged {} {:?} {:?}",
                m.steps,
                m.steps as f64 / s / 1e6,
                m.cost.operations_per_second,
                m.cost.operation.p50,
                m.cost.operation.p99,
                m.cost.lookups_hit,
                m.cost.lookups_per_operation,
                m.cost.lock_wait.p99,
                m.damaged,
                m.checkers,
                m.windows
                    .iter()
                    .map(|w| (
                        w.name,
                        w.length.count,
                        w.length.p50,
                        w.length.p99,
                        w.hits,
                        w.catches
                    ))
                    .collect::<Vec<_>>()
            );
        }
    }
}
