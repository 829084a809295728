//! What usual operations cost by a table, alone on the machine: the figures to hold against a kernel's.

use super::{CostTable, Priced};
use crate::any_layer::AnyLayer;
use crate::config::Config;
use crate::format::Scenario;
use crate::plan::Plan;
use maprace_fs::Order;
use maprace_fs::ext4::Ext4Kind;
use maprace_runtime::sim::{Clock, Exec, Keep, Sim};
use serde::Serialize;
use std::ops::ControlFlow;

/// What an operation costs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Typical {
    /// The operation, in a few words.
    pub what: &'static str,
    /// From its begin to its end with nobody beside it, draws left out, in nanoseconds.
    pub ns: u64,
}

struct Case {
    what: &'static str,
    order: Order,
    /// The part of a scenario file that says how the file starts.
    file: &'static str,
    op: &'static str,
}

const CASES: [Case; 7] = [
    Case {
        what: "write 4 KiB over cached data",
        order: Order::BufferHead,
        file: "blocks = 1\nwritten = [\"0..1\"]\ndirty = [\"0..1\"]\nes = \"full\"",
        op: "write 0..1",
    },
    Case {
        what: "write 4 KiB into a hole",
        order: Order::BufferHead,
        file: "blocks = 1",
        op: "write 0..1",
    },
    Case {
        what: "write 64 KiB into a hole",
        order: Order::BufferHead,
        file: "blocks = 16",
        op: "write 0..16",
    },
    Case {
        what: "write 64 KiB into a hole, iomap",
        order: Order::Iomap,
        file: "blocks = 16",
        op: "write 0..16",
    },
    Case {
        what: "read 4 KiB of a hole",
        order: Order::BufferHead,
        file: "blocks = 1",
        op: "read 0..1",
    },
    Case {
        what: "store to a mapped hole: page_mkwrite",
        order: Order::BufferHead,
        file: "blocks = 1\nprefault = [\"0..1\"]",
        op: "mmap_write 0..1",
    },
    Case {
        what: "fallocate one extent",
        order: Order::BufferHead,
        file: "blocks = 2",
        op: "fallocate 0..2",
    },
];

impl CostTable {
    /// What usual operations cost on ext4 of the newest release, in nanoseconds.
    pub fn typical(&self) -> Vec<Typical> {
        self.typical_of("v6.12")
    }

    /// The same of the release whose preset has that name.
    ///
    /// # Panics
    /// When there is no such preset.
    pub fn typical_of(&self, preset: &str) -> Vec<Typical> {
        let exact = self.clone().with_spread_ppm(0);
        let cost = |case: &Case| Typical { what: case.what, ns: alone(&exact, preset, case) };
        CASES.iter().map(cost).collect()
    }
}

/// Runs one operation on a processor of its own.
fn alone(table: &CostTable, preset: &str, case: &Case) -> u64 {
    let text = format!(
        "format = 1\nname = \"typical\"\n[file]\n{}\n[[task]]\nname = \"task\"\nops = [\"{}\"]\n",
        case.file, case.op
    );
    let scenario: Scenario = text.parse().expect("a test parses every one");
    let config = Config::ext4(preset, case.order);
    let plan = Plan::new(&scenario, &config).expect("all of it is modelled");
    let sim = Sim::new(Keep { events: true, ..Keep::default() });
    let costs = Priced::new(table, &sim, plan.setup.geometry);
    let mut clock = Clock::new(&sim, table.machine(1), costs);
    clock.reset();
    let program = Ext4Kind.program(&plan);
    // What watches holds the file system that the tasks work on.
    let world = program.start(&sim);
    let mut exec = Exec::new(&sim);
    exec.start(world.tasks);
    clock.run(&mut exec, &[], |_, _| ControlFlow::Continue(())).now_ns
}
