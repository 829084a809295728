//! Small scenarios drawn by chance, always the same ones: the newest protocol is clean under every
//! checker in both orders, and traces and states count alike whatever the protocol.

use crate::support::{ORDERS, failed, parsed, program};
use maprace_explore::{Budget, Engine, Options, Report, explore};
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

const OPS: [&str; 17] = [
    "write",
    "read",
    "mmap_write",
    "mmap_read",
    "dio_write",
    "fallocate",
    "zero_range",
    "punch_hole",
    "collapse_range",
    "insert_range",
    "truncate",
    "fiemap",
    "writeback",
    "fsync",
    "commit",
    "reclaim",
    "shrink_es",
];

fn op(chance: &mut Chance, blocks: u64, block: u64) -> String {
    let name = chance.of(&OPS);
    match name {
        "fsync" | "commit" => return format!("\"{name}\""),
        "truncate" => return format!("\"truncate {}\"", chance.below((blocks + 1) * block)),
        _ => {}
    }
    if chance.one_in(4) {
        let pos = chance.below(blocks * block);
        let len = 1 + chance.below(blocks * block - pos);
        return format!("\"{name} {len}@{pos}\"");
    }
    let lo = chance.below(blocks);
    let hi = lo + 1 + chance.below(blocks - lo);
    let fails = match name == "write" && chance.one_in(4) {
        true => format!(" fail@{}", lo + chance.below(hi - lo)),
        false => String::new(),
    };
    format!("\"{name} {lo}..{hi}{fails}\"")
}

/// The geometry: now and then large folios, clusters, no delayed allocation, few credits, few blocks.
fn file_system(chance: &mut Chance, block: u64) -> String {
    let mut text = format!(
        "[fs]\nblock = {block}\nfolio_blocks = {}\nbitmaps = \"{}\"\n",
        1 + chance.below(2),
        chance.of(&["warm", "cold"])
    );
    if chance.one_in(6) {
        text += "cluster_blocks = 2\n";
    }
    if chance.one_in(6) {
        text += "delalloc = false\n";
    }
    if chance.one_in(4) {
        text += "journal_credits = 1\n";
    }
    if chance.one_in(8) {
        text += &format!("free_blocks = {}\n", chance.below(6));
    }
    text
}

fn scenario(chance: &mut Chance) -> String {
    let (blocks, block) = (1 + chance.below(3), [16, 1024, 4096][chance.index(3)]);
    let mut text = "format = 1\nname = \"generated\"\n".to_owned();
    text += &file_system(chance, block);
    text +=
        &format!("[file]\nblocks = {blocks}\nes = \"{}\"\n", chance.of(&["hole", "cold", "full"]));
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

/// What later releases fixed in paths that v6.12 has: their scenarios are in the catalogue.
const FIXED_LATER: [(&str, &str); 4] = [
    ("zero_range", "v6.15"),
    ("fiemap_takes_i_rwsem", "on"),
    ("writeback_nocache", "on"),
    ("split_nocache", "on"),
];

/// Direct I/O beside stores or loads through a mapping, or beside reads that fill the page cache from
/// the medium meanwhile: not coherent, and documented.
fn is_incoherent(text: &str, failed: &[&str]) -> bool {
    failed == ["data"] && text.contains("dio_write") && text.contains("mmap_")
}

fn traces(text: &str, config: &Config) -> Report {
    let program = program(&parsed("generated", text), config);
    let budget = Budget { executions: 1_000, ..Budget::default() };
    explore(&*program, &Options { engine: Engine::Dpor, budget, ..Options::default() })
}

/// Zero range over a delayed block drops the page cache and then finds nothing to allocate: the
/// catalogue's `zero-range-enospc`. With space enough nothing of it is left.
fn without_enospc(text: &str) -> String {
    if !text.contains("zero_range") {
        return text.to_owned();
    }
    let plenty = |line: &str| !line.starts_with("free_blocks");
    text.lines().filter(|line| plenty(line)).fold(String::new(), |all, line| all + line + "\n")
}

/// A finding must be one that the catalogue has.
fn assert_known(text: &str, config: &Config, report: &Report) {
    if report.bad == 0 || is_incoherent(text, &failed(report)) {
        return;
    }
    let turn = |config: Config, (knob, value): &(&str, &str)| config.with(knob, value);
    let fixed = FIXED_LATER.iter().fold(config.clone(), turn);
    let again = traces(&without_enospc(text), &fixed);
    let clean = again.bad == 0 || is_incoherent(text, &failed(&again));
    assert!(clean, "{} {}: {:?}\n{text}", config.protocol.name, config.order, failed(&again));
}

/// Draws scenarios and explores each; returns how many were small enough to finish.
fn draw(seed: u64, count: u32, preset: &str, clean: bool) -> u32 {
    let mut chance = Chance(seed);
    let mut complete = 0;
    for _ in 0..count {
        let text = scenario(&mut chance);
        for order in ORDERS {
            let config = Config::ext4(preset, order);
            let traces = traces(&text, &config);
            if clean {
                assert_known(&text, &config, &traces);
            }
            let budget = Budget { executions: 10_000, ..Budget::default() };
            let states = explore(
                &*program(&parsed("generated", &text), &config),
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

/// A number from the environment, for runs longer than a test should be.
fn number(variable: &str, usual: u32) -> u32 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// How many scenarios are drawn: by default for seconds.
fn draws() -> u32 {
    number("MAPRACE_DRAWS", 150)
}

#[test]
fn the_newest_protocol_is_clean_whatever_is_drawn() {
    let seed = number("MAPRACE_SEED", 1);
    assert!(draw(seed.into(), draws(), "v6.12", true) > draws());
}

#[test]
fn traces_and_states_count_alike_in_the_oldest_protocol_too() {
    assert!(draw(2, draws() * 2 / 3, "v5.10", false) > draws() * 2 / 3);
}
