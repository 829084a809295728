//! Tests of the schedule text and of the driver.

use super::*;
use crate::any_layer::AnyLayer;
use crate::catalogue;
use crate::config::Config;
use crate::explore_world::Storied;
use crate::format::limits;
use crate::plan::Plan;
use maprace_explore::{Options, Replayed, explore, replay, replay_with};
use maprace_fs::Order;
use maprace_fs::ext4::Ext4Kind;
use maprace_runtime::sim::Exec;
use proptest::prelude::*;

fn parse(text: &str) -> Result<Schedule, Error> {
    Schedule::parse("--schedule", text)
}

fn check(text: &str, want: &str) {
    assert_eq!(parse(text).unwrap_err().to_string(), want, "{text:?}");
}

fn item(task: &str, run: Run) -> Item {
    Item::new(task, run)
}

fn through(step: &str) -> Run {
    Run::Through(step.to_owned())
}

fn exactly(step: &str) -> Run {
    Run::Exactly(step.to_owned())
}

#[test]
fn one_line_is_read_and_written() {
    let text = "fault 4, fallocate 9, io_end:flush.2 ..folio_end_writeback, fault *";
    let schedule = parse(text).unwrap();
    let want = [
        item("fault", Run::Steps(4)),
        item("fallocate", Run::Steps(9)),
        item("io_end:flush.2", through("folio_end_writeback")),
        item("fault", Run::ToEnd),
    ];
    assert_eq!(schedule.items, want);
    assert_eq!(schedule.to_string(), text);
    assert_eq!(parse("a 007,,b ..x ,\n").unwrap().to_string(), "a 7, b ..x");
    assert_eq!(parse("").unwrap(), Schedule::default());
    let places: Vec<String> = schedule.items.iter().map(|item| item.at.to_string()).collect();
    assert_eq!(places, ["1:1", "1:10", "1:23", "1:61"]);
}

const LONG: &str = "\
scenario = ./my scenarios/a.toml
protocol = v6.8
set = recheck=off, cookie=late

fault: ext4_es_lookup_extent
fallocate ..down_write(i_data_sem)
fault *
";

#[test]
fn a_file_is_read_and_written() {
    let schedule = parse(LONG).unwrap();
    assert_eq!(schedule.to_string(), LONG);
    assert_eq!(schedule.settings(), [("recheck", "off"), ("cookie", "late")]);
    assert_eq!(schedule.header["protocol"], "v6.8");
    let lines: Vec<usize> = schedule.items.iter().map(|item| item.at.line).collect();
    assert_eq!(lines, [5, 6, 7]);
    assert_eq!(parse("a: 4, b x, c:2: *").unwrap().to_string(), "a 4\nb: x\nc:2 *\n");
    assert_eq!(parse("order = iomap").unwrap().to_string(), "order = iomap\n");
    let edited = "# mine\r\n protocol=v6.8  # the one\n\n  a 1, b f(x, y#1) # two\n#c 3\n";
    let schedule = parse(edited).unwrap();
    assert_eq!(schedule.items, [item("a", Run::Steps(1)), item("b", exactly("f(x, y#1)"))]);
    assert_eq!(schedule.to_string(), "protocol = v6.8\n\na 1\nb: f(x, y#1)\n");
}

#[test]
fn a_bad_item_says_what_is_wrong_with_it() {
    let how = |typed: &str| {
        format!(
            "`{typed}` does not say how far `fault` runs: a number of steps, * to its end, ..STEP \
             through a step, or the name of one step"
        )
    };
    check("a 1, fault", &format!("--schedule:1:11: {}", how("")));
    for bad in ["0", "4x", "-1", "*2", "..", "..4", "99999999999", "?"] {
        check(&format!("a 1\n  fault {bad}"), &format!("--schedule:2:9: {}", how(bad)));
    }
    check(
        "Fault 4",
        "--schedule:1:1: `Fault` cannot name a task: a name is a small letter, then small letters, \
         digits and - _ . :",
    );
    check(
        "a 1, fault:: 4",
        "--schedule:1:6: `fault::` cannot name a task: a name is a small letter, then small letters, \
         digits and - _ . :",
    );
    check("a 1, fault:", &format!("--schedule:1:12: {}", how("")));
    check("a 1, b f(x, c 2", "--schedule:1:6: the parentheses of `b f(x, c 2` do not match");
    check("a 1, b f)x", "--schedule:1:6: the parentheses of `b f)x` do not match");
}

#[test]
fn a_bad_header_says_what_is_wrong_with_it() {
    check(
        "protocl = v6.8",
        "--schedule:1:1: unknown header `protocl`: known are scenario, protocol, order, layer, set; \
         did you mean `protocol`?",
    );
    check(
        "a 1\nset = a=b",
        "--schedule:2:1: header `set` stands after the first item: headers come first",
    );
    check("order = a\n order = b", "--schedule:2:2: header `order` is given twice");
    check("order = # x", "--schedule:1:9: header `order` must be one line of text, found ``");
    check(
        "set = a",
        "--schedule:1:7: header `set` must be KNOB=VALUE, more after commas, found `a`",
    );
    check(&"#".repeat(limits::TEXT + 1), "--schedule: longer than 1048576 bytes, the limit");
    let bytes = Schedule::parse_bytes("s", b"a 1\n\x80").unwrap_err().to_string();
    assert_eq!(bytes, "s:2:1: not UTF-8 text");
}

#[test]
fn a_recorded_run_is_compressed_to_its_switches() {
    let steps = ["fault", "fault", "fallocate", "fallocate", "fallocate", "fault", "fault"];
    assert_eq!(Schedule::compress(steps).to_string(), "fault 2, fallocate 3, fault *");
    assert_eq!(Schedule::compress(["a"]).to_string(), "a *");
    assert_eq!(Schedule::compress::<&str>([]).to_string(), "");
}

#[test]
fn the_long_form_names_every_step() {
    let steps = [("fault", "folio_lock"), ("fallocate", "down_write(i_data_sem)")];
    let schedule = Schedule::long(steps);
    let text = "fault: folio_lock\nfallocate: down_write(i_data_sem)\n";
    assert_eq!(schedule.to_string(), text);
    assert_eq!(parse(text).unwrap(), schedule);
    let schedule = schedule.with("scenario", "x").with("order", "iomap");
    assert_eq!(schedule.to_string(), format!("scenario = x\norder = iomap\n\n{text}"));
    assert_eq!(parse(&schedule.to_string()).unwrap(), schedule);
}

/// Tasks that take a list of steps each; a step `down(x)` waits while another task is between
/// `down(x)` and `up(x)`.
struct Script {
    tasks: Vec<(&'static str, Vec<&'static str>)>,
    at: Vec<usize>,
}

impl Script {
    fn new(tasks: &[(&'static str, &[&'static str])]) -> Script {
        let tasks: Vec<_> = tasks.iter().map(|(name, steps)| (*name, steps.to_vec())).collect();
        Script { at: vec![0; tasks.len()], tasks }
    }

    fn holder(&self) -> Option<usize> {
        let holds = |task: &usize| {
            let done = &self.tasks[*task].1[..self.at[*task]];
            done.contains(&"down(x)") && !done.contains(&"up(x)")
        };
        (0..self.tasks.len()).find(holds)
    }

    /// The tasks in the order in which the schedule runs them, and how it ended.
    fn replay(mut self, schedule: &str) -> (String, Result<(), String>) {
        let schedule = parse(schedule).unwrap();
        let mut driver = Driver::new(&schedule);
        let mut ran = String::new();
        loop {
            match driver.next(&self.views()) {
                Ok(None) => return (ran, Ok(())),
                Err(mismatch) => return (ran, Err(mismatch.to_string())),
                Ok(Some(number)) => {
                    self.at[number] += 1;
                    ran += self.tasks[number].0;
                }
            }
        }
    }

    fn views(&self) -> Vec<TaskView<'static>> {
        let view = |number: usize| {
            let (name, steps) = &self.tasks[number];
            let announced = steps.get(self.at[number]).copied();
            let holder = self.holder().filter(|h| announced == Some("down(x)") && *h != number);
            let waits_for = holder.map(|holder| self.tasks[holder].0.to_owned());
            TaskView {
                name,
                announced,
                enabled: announced.is_some() && holder.is_none(),
                waits_for,
            }
        };
        (0..self.tasks.len()).map(view).collect()
    }
}

fn scripted(schedule: &str) -> (String, Result<(), String>) {
    let f = ["look", "down(x)", "insert", "up(x)"];
    let a = ["down(x)", "work", "up(x)"];
    Script::new(&[("f", &f), ("a", &a)]).replay(schedule)
}

fn fails(schedule: &str, ran: &str, want: &str) {
    assert_eq!(scripted(schedule), (ran.to_owned(), Err(want.to_owned())), "{schedule}");
}

#[test]
fn the_driver_runs_each_item_so_far() {
    for (schedule, ran) in [
        ("f 1, a 3, f *", "faaafff"),
        ("f ..insert, f 1", "ffff"),
        ("f look, a down(x), a work", "faa"),
        ("f 2, a *, f *, a *", "ffffaaa"),
        ("f *, f *, a ..up(x)", "ffffaaa"),
        ("", ""),
    ] {
        assert_eq!(scripted(schedule), (ran.to_owned(), Ok(())), "{schedule}");
    }
}

#[test]
fn a_run_that_differs_is_told_apart_by_names() {
    fails("f look, f folio_lock", "f", "item 2: expected f to run folio_lock, found down(x)");
    fails("f look\n\nf folio_lock", "f", "line 3: expected f to run folio_lock, found down(x)");
    fails("f 2\na 1", "ff", "line 2: a cannot run here: it waits in down(x), held by f");
    fails("f 2, a work", "ff", "item 2: expected a to run work, found down(x)");
    fails("f 2, a down(x)", "ff", "item 2: a cannot run here: it waits in down(x), held by f");
    fails("f 1, ff 2", "f", "item 2: no task `ff`: tasks are f, a; did you mean `f`?");
    fails("falt 1", "", "item 1: no task `falt`: tasks are f, a");
    fails("f 5", "ffff", "item 1: f has ended; it was to run 1 more step");
    fails("f 2, f 9", "ffff", "item 2: f has ended; it was to run 7 more steps");
    fails("f ..store", "ffff", "item 1: f has ended; it was to run through store");
    fails("f *, f: look", "ffff", "item 2: f has ended; it was to run look");
}

#[test]
fn a_holder_that_is_not_known_is_left_out() {
    let task = TaskView { name: "f", announced: Some("down(x)"), enabled: false, waits_for: None };
    let schedule = parse("f 1").unwrap();
    let mut driver = Driver::new(&schedule);
    let mismatch = driver.next(&[task]).unwrap_err();
    assert_eq!(mismatch.to_string(), "item 1: f cannot run here: it waits in down(x)");
    assert_eq!((mismatch.item(), mismatch.line()), (1, None));
    let mismatch = Driver::new(&schedule).next(&[]).unwrap_err();
    assert_eq!(mismatch.to_string(), "item 1: no task `f`: there are none");
}

/// Replays a schedule's text on a program: the tasks of its steps, the names of its steps, the damage.
fn driven(program: &dyn Storied, text: &str) -> (Vec<String>, Vec<&'static str>, u64) {
    let schedule = parse(text).unwrap();
    let mut driver = Driver::new(&schedule);
    let replay = replay_with(program, &mut |exec: &Exec| {
        let label = |id: usize| program.label(exec.name(id));
        let labels: Vec<String> = (0..exec.len()).map(label).collect();
        let view = |(id, name)| TaskView {
            name,
            announced: exec.announced(id).map(|announced| announced.step.name),
            enabled: exec.is_enabled(id),
            waits_for: None,
        };
        let views: Vec<_> = labels.iter().map(String::as_str).enumerate().map(view).collect();
        let next = driver.next(&views);
        next.unwrap_or_else(|mismatch| panic!("{text}: {mismatch}"))
    });
    let replay = replay.unwrap();
    let task = |step: &Replayed| replay.labels[step.done.task].clone();
    let tasks = replay.steps.iter().map(task).collect();
    let names = replay.steps.iter().map(|step| step.done.step.name).collect();
    (tasks, names, replay.end.expect("the last item runs to the end").1.failed)
}

#[test]
fn what_the_explorer_finds_is_repeated_by_either_form() {
    let mut bad = 0;
    for entry in catalogue::all() {
        for order in Order::ALL {
            let scenario = catalogue::find(entry.name).unwrap();
            let config = Config::ext4("v5.10", *order).with("cookie", "off");
            let program = Ext4Kind.program(&Plan::new(scenario, &config).unwrap());
            let Some(found) = explore(&*program, &Options::default()).counterexample else {
                continue;
            };
            bad += 1;
            let run = replay(&*program, &found.schedule).unwrap();
            let tasks: Vec<&str> =
                found.schedule.iter().map(|task| run.labels[*task].as_str()).collect();
            let short = Schedule::compress(&tasks).to_string();
            let (ran, names, failed) = driven(&*program, &short);
            assert_eq!(ran, tasks, "{short}");
            assert_ne!(failed, 0, "{short}");
            let long = Schedule::long(tasks.iter().zip(&names)).to_string();
            assert_eq!(long.lines().count(), tasks.len());
            assert_eq!(driven(&*program, &long), (ran, names, failed), "{long}");
        }
    }
    assert_eq!(bad, 36);
}

fn any_name() -> impl Strategy<Value = String> {
    "[a-zA-Z_][a-z0-9_]{0,8}(\\([a-z0-9, #]{0,6}\\))?( [a-z=*.]{1,4})?"
        .prop_filter("a comment is no part of a name", |name| !name.contains(" #"))
}

fn any_item() -> impl Strategy<Value = Item> {
    let run = prop_oneof![
        (1_u32..).prop_map(Run::Steps),
        Just(Run::ToEnd),
        any_name().prop_map(Run::Through),
        any_name().prop_map(Run::Exactly),
    ];
    ("[a-z]([a-z0-9_.:-]{0,8}[a-z0-9_.-])?", run).prop_map(|(task, run)| Item::new(&task, run))
}

fn any_schedule() -> impl Strategy<Value = Schedule> {
    let key = proptest::sample::select(&HEADER_KEYS[..4]);
    let header = proptest::collection::btree_map(key, "[!-~&&[^#]]( ?[!-~]){0,10}", 0..4);
    let set = proptest::option::of("[a-z]{1,4}=[a-z]{1,4}(, [a-z]{1,4}=[a-z.0-9]{1,4}){0,2}");
    let items = proptest::collection::vec(any_item(), 0..8);
    (header, set, items).prop_map(|(header, set, items)| {
        let set = set.map(|set| ("set", set));
        let own = |(key, value): (&str, String)| {
            (key.to_owned(), value.replace(" #", "-").trim_end().to_owned())
        };
        Schedule { header: header.into_iter().chain(set).map(own).collect(), items }
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back(schedule in any_schedule()) {
        let text = schedule.to_string();
        prop_assert_eq!(parse(&text).map_err(|e| e.to_string()), Ok(schedule));
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Err(error) = Schedule::parse_bytes("s", &bytes) {
            prop_assert!(!error.to_string().contains('\n'));
        }
    }

    #[test]
    fn no_text_is_too_strange(text in "[a-c0-2*.,#()= \n\r\t\u{e9}]{0,30}") {
        match parse(&text) {
            Ok(schedule) => {
                let again = parse(&schedule.to_string()).map_err(|e| e.to_string());
                prop_assert_eq!(again, Ok(schedule));
            }
            Err(error) => prop_assert!(!error.to_string().contains('\n')),
        }
    }

    #[test]
    fn a_compressed_run_has_as_many_items_as_runs(tasks in proptest::collection::vec("[ab]", 0..20)) {
        let schedule = Schedule::compress(tasks.iter().map(String::as_str));
        let mut runs = tasks.clone();
        runs.dedup();
        prop_assert_eq!(schedule.items.len(), runs.len());
        prop_assert_eq!(parse(&schedule.to_string()).map_err(|e| e.to_string()), Ok(schedule));
    }
}
