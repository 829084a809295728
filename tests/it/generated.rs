//! Small scenarios drawn by chance, always the same ones: the newest protocol is clean under every
//! checker in both orders, and traces and states count alike whatever the protocol.

use crate::support::{ORDERS, failed, parsed, program};
use maprace_explore::{Budget, Engine, Options, explore};
use maprace_scenario::Config;
use std::fmt::Write;

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }

    fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("below a length")
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.index(all.len())]
    }
}

const OPS: [&str; 10] = [
    "write",
    "read",
    "mmap_write",
    "mmap_read",
    "fallocate",
    "punch_hole",
    "writeback",
    "fsync",
    "reclaim",
    "shrink_es",
];

fn op(chance: &mut Chance, blocks: u64, block: u64) -> String {
    let name = chance.of(&OPS);
    if name == "fsync" {
        return "\"fsync\"".to_owned();
    }
    if chance.one_in(4) {
        let pos = chance.below(blocks * block);
        let len = 1 + chance.below(blocks * block - pos);
        return format!("\"{name} {len}@{pos}\"");
    }
    let lo = chance.below(blocks);
    let hi = lo + 1 + chance.below(blocks - lo);
    format!("\"{name} {lo}..{hi}\"")
}

fn scenario(chance: &mut Chance) -> String {
    let (blocks, block) = (1 + chance.below(3), [16, 1024, 4096][chance.index(3)]);
    let (folio, bitmaps) = (1 + chance.below(2), chance.of(&["warm", "cold"]));
    let mut text = format!(
        "format = 1\nname = \"generated\"\n[fs]\nblock = {block}\nfolio_blocks = {folio}\nbitmaps = \"{bitmaps}\"\n[file]\nblocks = {blocks}\nes = \"{}\"\n",
        chance.of(&["hole", "cold", "full"])
    );
    let kinds: Vec<u64> = (0..blocks).map(|_| chance.below(4)).collect();
    let mut list = |key: &str, is: &mut dyn FnMut(usize) -> bool| {
        let all: Vec<String> =
            (0..kinds.len()).filter(|b| is(*b)).map(|b| format!("\"{b}..{}\"", b + 1)).collect();
        writeln!(text, "{key} = [{}]", all.join(", ")).expect("a string takes all");
    };
    list("written", &mut |b| kinds[b] == 0);
    list("unwritten", &mut |b| kinds[b] == 1);
    list("dirty", &mut |_| chance.one_in(4));
    list("prefault", &mut |_| chance.one_in(2));
    for task in 0..2 + u64::from(chance.one_in(6)) {
        let ops: Vec<String> =
            (0..1 + u64::from(chance.one_in(4))).map(|_| op(chance, blocks, block)).collect();
        write!(text, "[[task]]\nname = \"t{task}\"\nops = [{}]\n", ops.join(", "))
            .expect("a string takes all");
    }
    let after = chance.of(&[
        "\"fsync\", \"evict\"",
        "\"punch_hole\", \"evict\"",
        "\"fsync\", \"reclaim\", \"read\"",
    ]);
    text + &format!("[after]\nops = [{after}]\n")
}

/// Draws scenarios and explores each; returns how many were small enough to finish.
fn draw(seed: u64, count: u32, preset: &str, clean: bool) -> u32 {
    let mut chance = Chance(seed);
    let mut complete = 0;
    for _ in 0..count {
        let text = scenario(&mut chance);
        for order in ORDERS {
            let program = program(&parsed("generated", &text), &Config::ext4(preset, order));
            let budget = Budget { executions: 3_000, ..Budget::default() };
            let traces =
                explore(&*program, &Options { engine: Engine::Dpor, budget, ..Options::default() });
            if clean {
                assert!(traces.bad == 0, "{preset} {order}: {:?}\n{text}", failed(&traces));
            }
            let budget = Budget { executions: 30_000, ..Budget::default() };
            let states = explore(
                &*program,
                &Options { engine: Engine::States, budget, ..Options::default() },
            );
            if !traces.complete || !states.complete {
                continue;
            }
            complete += 1;
            assert_eq!(traces.interleavings, states.interleavings, "{preset} {order}\n{text}");
            assert_eq!(traces.bad_interleavings, states.bad_interleavings, "{order}\n{text}");
            assert_eq!(traces.outcome_keys, states.outcome_keys, "{preset} {order}\n{text}");
        }
    }
    complete
}

#[test]
fn the_newest_protocol_is_clean_whatever_is_drawn() {
    assert!(draw(1, 150, "v6.12", true) > 250);
}

#[test]
fn traces_and_states_count_alike_in_the_oldest_protocol_too() {
    assert!(draw(2, 100, "v5.10", false) > 160);
}
