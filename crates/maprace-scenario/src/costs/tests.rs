//! The format, the built-in tables, exact prices, and the lists of names against the sources.

use super::*;
use crate::any_layer::AnyLayer;
use crate::catalogue;
use crate::config::Config;
use crate::plan::Plan;
use maprace_fs::ext4::Ext4Kind;
use maprace_fs::{Order, protocol};
use maprace_runtime::sim::{Clock, Costs, Exec, Keep, Machine, Sim};
use maprace_runtime::{Foot, Step};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::rc::Rc;

mod figures;
mod prices;

const SMALL: &str = "format = 1\nname = \"x\"\ngood_for = \"tests\"\nsource = \"a guess\"\n\
                     [machine]\nwake_ns = 2000\nslice_ns = 1\n[default]\nstep_ns = 50\n";

fn refused(text: &str) -> String {
    let error = CostTable::parse("x.toml", text).unwrap_err().to_string();
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

fn built_in() -> Vec<CostTable> {
    all().iter().map(|entry| CostTable::open(entry.name).unwrap()).collect()
}

fn built_in_with(name: &str) -> CostTable {
    built_in().into_iter().find(|table| table.name == name).unwrap()
}

#[test]
fn a_small_table_is_what_it_says() {
    let text = format!(
        "{SMALL}[[step]]\nname = \"folio_lock\"\nns = 20\nper_kib_ns = 3\nsource = \"a better guess\"\n\
         [[step]]\nname = \"ILOCK\"\nns = 7\nown = true\n[[call]]\nname = \"iomap_end\"\nns = 0\n"
    );
    let table = CostTable::parse("x.toml", &text).unwrap();
    assert_eq!((table.name.as_str(), table.title.as_str()), ("x", "x"));
    assert_eq!(table.label(), "x (tests)");
    let MachineCosts { wake_ns, slice_ns, spread_ppm, .. } = table.machine;
    assert_eq!((wake_ns, slice_ns, spread_ppm), (2000, 1, 0));
    assert_eq!((table.default.step_ns, table.default.call_ns), (50, 0));
    let lock = table.step("folio_lock").unwrap();
    assert_eq!((lock.ns, lock.per_kib_ns, lock.own), (20, 3, false));
    assert_eq!(lock.source, "a better guess");
    assert!(table.step("ILOCK").unwrap().own);
    assert_eq!(table.call("iomap_end").unwrap().source, "a guess");
    assert_eq!(table.step("iomap_end"), None);
}

#[test]
fn whatever_is_wrong_is_one_line_with_its_place() {
    let with = |more: &str| refused(&format!("{SMALL}{more}"));
    let step = |keys: &str| with(&format!("[[step]]\n{keys}"));
    let number = "a number from 0 to 1000000000";
    let cases = [
        (refused("fromat = 1\n"), "x.toml: the table of costs has no `format`: a table of this format starts with format = 1".to_owned()),
        (refused("format = 2\n"), "x.toml:1:10: format 2 is not known: this maprace reads format 1".to_owned()),
        (refused("format = 1\nname = \n"), "x.toml:2:8: not valid TOML: string values must be quoted, expected literal string".to_owned()),
        (refused("format = 1\nname = \"a b\"\n"), "x.toml:2:8: `name` must be 1 to 64 letters, digits, `.`, `-` or `_`, found `a b`".to_owned()),
        (refused("format = 1\nname = \"x\"\n"), "x.toml: the table of costs has no `good_for`, what it is good for".to_owned()),
        (refused(&SMALL.replace("wake_ns = 2000\n", "")), "x.toml:5:1: [machine] has no `wake_ns`".to_owned()),
        (refused(&SMALL.replace("slice_ns = 1", "slice_ns = 0")), "x.toml:7:12: `slice_ns` must be a number from 1 to 1000000000, found 0".to_owned()),
        (refused(&SMALL.replace("slice_ns = 1", "slice_ns = 1\nspread = 1.5")), "x.toml:8:10: `spread` must be a fraction from 0 to 1, found 1.5".to_owned()),
        (refused(&SMALL.replace("slice_ns = 1", "slice_ns = 1\nspread = nan")), "x.toml:8:10: `spread` must be a fraction from 0 to 1, found nan".to_owned()),
        (refused(&SMALL.replace("slice_ns = 1", "slice_ns = 1\nspread = \"a\"")), "x.toml:8:10: `spread` must be a fraction from 0 to 1, found `a`".to_owned()),
        (refused(&SMALL.replace("step_ns = 50", "step_ns = -1")), format!("x.toml:9:11: `step_ns` must be {number}, found -1")),
        (refused(&SMALL.replace("source = \"a guess\"\n", "")), "x.toml:4:1: [machine] has no `source`: every number says where it comes from".to_owned()),
        (refused(&SMALL.replace("a guess", " ")), "x.toml:5:1: [machine] has no `source`: every number says where it comes from".to_owned()),
        (with("cpus = 2\n"), "x.toml:10:1: unknown key in [default] `cpus`: known are step_ns, call_ns, source".to_owned()),
        (with("[[steps]]\n"), "x.toml:10:3: unknown key in the table of costs `steps`: known are format, name, title, good_for, source, machine, default, step, call; did you mean `step`?".to_owned()),
        (step("name = \"folio_lok\"\nns = 1\n"), "x.toml:11:8: unknown step `folio_lok`: 70 are known; did you mean `folio_lock`?".to_owned()),
        (step("name = \"folio_lock\"\n"), "x.toml:10:1: [[step]] has no `ns`".to_owned()),
        (step("name = \"folio_lock\"\nns = 1000000001\n"), format!("x.toml:12:6: `ns` must be {number}, found 1000000001")),
        (step("name = \"folio_lock\"\nns = 1.5\n"), format!("x.toml:12:6: `ns` must be {number}, found a fraction")),
        (step("name = \"folio_lock\"\nns = 1\nper_kb_ns = 1\n"), "x.toml:13:1: unknown key in [[step]] `per_kb_ns`: known are name, ns, per_kib_ns, own, source; did you mean `per_kib_ns`?".to_owned()),
        (step("name = \"folio_lock\"\nns = 1\n[[step]]\nname = \"folio_lock\"\nns = 2\n"), "x.toml:14:8: step `folio_lock` has a price already".to_owned()),
        (step("name = \"folio_lock\"\nns = 1\nsource = \"\"\n"), "x.toml:13:10: `source` must be one line of 1 to 400 characters, found ``".to_owned()),
        (with("[[call]]\nname = \"ext4_map_block\"\nns = 1\n"), "x.toml:11:8: unknown call `ext4_map_block`: 32 are known; did you mean `ext4_map_blocks`?".to_owned()),
        (with("[[call]]\nname = \"iomap_end\"\nns = 1\nper_kib_ns = 1\n"), "x.toml:13:1: unknown key in [[call]] `per_kib_ns`: known are name, ns, own, source".to_owned()),
    ];
    for (said, want) in cases {
        assert_eq!(said, want);
    }
    let error = CostTable::open("linux-x68").unwrap_err().to_string();
    assert_eq!(
        error,
        "costs: no built-in table of costs `linux-x68`: known are linux-x86, lab-tcg; did you mean \
         `linux-x86`? (`costs` lists them; a name with / or .toml is a file)"
    );
    assert!(CostTable::open("./no-such.toml").unwrap_err().to_string().contains("cannot read it"));
}

#[test]
fn what_is_printed_parses_as_the_same_table() {
    let odd =
        CostTable { source: "a \"round\" number \\ 2".to_owned(), ..CostTable::uniform(1, 2) }
            .with_step("folio_lock", 3, 4)
            .with_step("ILOCK", 5, 0)
            .with_call("mine", 6)
            .with_spread_ppm(100_001);
    for table in built_in().into_iter().chain([odd]) {
        assert_eq!(CostTable::parse("x", &table.to_toml()).unwrap(), table);
    }
}

#[test]
fn every_built_in_number_says_where_it_comes_from() {
    let lab = "measured on stock kernels under QEMU TCG, 2 vCPUs: ";
    for (table, entry) in built_in().iter().zip(all()) {
        assert_eq!((table.name.as_str(), super::text(entry.name)), (entry.name, Some(entry.text)));
        assert!(
            entry.text.starts_with("# ") && entry.text.is_ascii() && entry.text.ends_with('\n')
        );
        let own = |source: &String| source.len() > 10 && *source != table.source;
        assert!(own(&table.machine.source) && own(&table.default.source));
        let sources = table.steps.iter().map(|step| &step.source);
        for source in sources.chain(table.calls.iter().map(|call| &call.source)) {
            let says =
                source.starts_with("estimate: ") || source.contains(|c: char| c.is_ascii_digit());
            assert!(own(source) && says, "{}: {source}", table.name);
            let is_lab = source.starts_with(&lab[..lab.len() - 2]);
            let fits = table.name != "lab-tcg" || is_lab || source.starts_with("estimate: ");
            assert!(fits, "{source}");
        }
        assert!(
            !table.steps.iter().any(|step| step.own) && !table.calls.iter().any(|call| call.own)
        );
    }
    assert_eq!(built_in()[0].name, DEFAULT);
}

/// The names of `known` that have no price.
fn by_default(known: &[&'static str], has: impl Fn(&str) -> bool) -> Vec<&'static str> {
    known.iter().copied().filter(|name| !has(name)).collect()
}

#[test]
fn what_costs_the_default_does_so_deliberately() {
    let x86 = built_in_with("linux-x86");
    // The error path of an operation that fails half way.
    assert_eq!(by_default(STEPS, |name| x86.step(name).is_some()), ["ext4_std_error"]);
    assert_eq!(by_default(CALLS, |name| x86.call(name).is_some()), [""; 0]);
    // Of the lab's kernels only the steps of the traced paths are known.
    let lab = built_in_with("lab-tcg");
    let named: Vec<&str> = lab.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(
        named,
        [
            "down_write(i_rwsem)",
            "down_write(i_data_sem)",
            "ext4_es_lookup_extent",
            "ext4_mb_new_blocks",
            "ext4_es_delayed_clu",
            "ext4_es_scan_range",
            "ext4_es_insert_extent",
            "ext4_read_block_bitmap",
            "down_read(i_data_sem)",
            "ext4_da_reserve_space",
            "ext4_es_insert_delayed_block",
            "ext4_es_insert_delayed_extent",
            "balance_dirty_pages_ratelimited",
            "__filemap_get_folio",
            "folio_lock",
            "READ_ONCE(i_es_seq)",
            "copy_folio_from_iter_atomic",
            "i_size_write",
            "folio_unlock",
        ]
    );
    let calls: Vec<&str> = lab.calls.iter().map(|call| call.name.as_str()).collect();
    assert_eq!(calls, ["ext4_alloc_file_blocks", "ext4_page_mkwrite", "ext4_filemap_fault"]);
}

/// The sources of the model, tests left out.
fn sources(dir: &Path, into: &mut String) {
    let mut entries: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        match path.is_dir() {
            true => sources(&path, into),
            false if path.ends_with("tests.rs") => {}
            false => *into += &std::fs::read_to_string(&path).unwrap(),
        }
    }
}

/// The string literals that follow `before`, perhaps on the next line.
fn literals(text: &str, before: &str) -> BTreeSet<String> {
    let after = text.split(before).skip(1);
    let literal =
        |rest: &str| Some(rest.trim_start().strip_prefix('"')?.split_once('"')?.0.to_owned());
    after.filter_map(literal).collect()
}

#[test]
fn the_lists_of_names_are_those_of_the_sources() {
    let mut text = String::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../maprace-fs/src"), &mut text);
    let mut steps = literals(&text, "Step::new(");
    for name in literals(&text, "sem_steps!(") {
        steps.extend([format!("down_read({name})"), format!("down_write({name})")]);
    }
    assert!(steps.iter().map(String::as_str).eq(STEPS.iter().copied()), "{steps:#?}");
    let calls = literals(&text, ".call(");
    assert!(calls.iter().all(|name| CALLS.contains(&name.as_str())), "{calls:#?}");
    // Some names are chosen before the call.
    assert!(CALLS.iter().all(|name| text.contains(&format!("\"{name}\""))));
    assert!(STEPS.is_sorted() && CALLS.is_sorted());
}

/// Costs that differ from step to step and from seed to seed, and the names that were asked for.
struct Collector {
    random: u64,
    names: Rc<RefCell<[BTreeSet<&'static str>; 2]>>,
}

impl Collector {
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.random >> 33) % 1000
    }
}

impl Costs for Collector {
    fn step_ns(&mut self, step: &'static Step, _: &Foot) -> u64 {
        self.names.borrow_mut()[0].insert(step.name);
        self.draw()
    }

    fn call_ns(&mut self, name: &'static str) -> u64 {
        self.names.borrow_mut()[1].insert(name);
        self.draw()
    }
}

#[test]
fn whatever_the_catalogue_runs_has_a_name_that_is_known() {
    let names = Rc::new(RefCell::new([BTreeSet::new(), BTreeSet::new()]));
    for entry in catalogue::all() {
        let scenario = catalogue::find(entry.name).unwrap();
        for (preset, order) in
            protocol::PRESETS.iter().flat_map(|p| Order::ALL.iter().map(move |o| (p, *o)))
        {
            let plan = Plan::new(scenario, &Config::ext4(preset.name, order)).unwrap();
            for random in 0..3 {
                let sim = Sim::new(Keep { events: true, ..Keep::default() });
                let machine = Machine { cpus: 4, wake_ns: 10, slice_ns: 1_000, spin_ns: 5 };
                let costs = Collector { random, names: names.clone() };
                let mut clock = Clock::new(&sim, machine, costs);
                clock.reset();
                let world = Ext4Kind.program(&plan).start(&sim);
                let mut exec = Exec::new(&sim);
                exec.start(world.tasks);
                clock.run(&mut exec, &[], |_, _| ControlFlow::Continue(()));
            }
        }
    }
    let [steps, calls] = &*names.borrow();
    assert!(steps.iter().all(|name| names::is_step(name)), "{steps:?}");
    assert!(calls.iter().all(|name| names::is_call(name)), "{calls:?}");
    assert!(steps.len() > 50 && calls.len() > 20, "{} {}", steps.len(), calls.len());
}
