//! Diagrams of the catalogue: the golden ones, and what every one of them keeps to.

use super::*;
use crate::verdict::{Question, Verdict, judge};
use crate::{AnyLayer, ExpectedVerdict, Scenario, Storied, catalogue};
use maprace_explore::{Options, Report, explore, replay};
use maprace_fs::Order;
use maprace_fs::ext4::Ext4Kind;

struct Explored {
    scenario: Scenario,
    config: Config,
    plan: Plan,
    program: Box<dyn Storied>,
    report: Report,
}

impl Explored {
    fn new(name: &str, config: Config) -> Explored {
        let scenario = Scenario::open(name, &crate::Vocabulary::builtin()).unwrap();
        let plan = Plan::new(&scenario, &config).unwrap();
        let program = Ext4Kind.program(&plan);
        let report = explore(&*program, &Options::default());
        Explored { scenario, config, plan, program, report }
    }

    fn verdict(&self) -> Verdict {
        let Explored { scenario, config, .. } = self;
        let question = Question { program: "maprace", typed: &scenario.name, scenario, config };
        judge(&question, &*self.program, &Options::default(), &self.report)
    }

    fn diagram(&self) -> Option<String> {
        let schedule = &self.report.counterexample.as_ref()?.schedule;
        let replay = replay(&*self.program, schedule).unwrap();
        let story = self.program.story();
        let scene =
            Scene { plan: &self.plan, config: &self.config, replay: &replay, story: &story };
        Some(diagram(&scene, Paint::Plain))
    }

    /// As the commands print it.
    fn drawn(&self) -> String {
        let diagram = self.diagram().expect("it is damaged");
        format!("{diagram}\n{}\n", self.verdict().replay.expect("it is damaged"))
    }
}

#[test]
fn the_seed_under_v5_10() {
    let seed = Explored::new("mkwrite-fallocate", Config::ext4("v5.10", Order::BufferHead));
    insta::assert_snapshot!("mkwrite-fallocate-v5.10", seed.drawn());
}

#[test]
fn the_seed_under_v6_8() {
    let seed = Explored::new("mkwrite-fallocate", Config::ext4("v6.8", Order::BufferHead));
    insta::assert_snapshot!("mkwrite-fallocate-v6.8", seed.drawn());
}

#[test]
fn two_insertions_in_iomap_order() {
    let w1 = Explored::new("write-mkwrite", Config::ext4("v6.8", Order::Iomap));
    insta::assert_snapshot!("write-mkwrite-iomap-v6.8", w1.drawn());
}

#[test]
fn a_stale_map_has_more_than_two_columns() {
    let config = Config::ext4("v6.12", Order::Iomap).with("cookie", "off");
    let w4 = Explored::new("stale-map", config);
    insta::assert_snapshot!("stale-map-iomap-cookie-off", w4.drawn());
}

/// Every configuration in which a scenario of the catalogue may be damaged.
fn configurations() -> impl Iterator<Item = Config> {
    let presets = maprace_fs::protocol::PRESETS.iter();
    let both = |preset: &'static maprace_fs::Protocol| {
        Order::ALL.iter().map(|order| (preset.name, *order))
    };
    presets.flat_map(both).flat_map(|(preset, order)| {
        let plain = Config::ext4(preset, order);
        let off = [("cookie", "off"), ("cookie", "late"), ("recheck", "off")];
        let without = off.map(|(knob, value)| plain.clone().with(knob, value));
        [plain].into_iter().chain(without)
    })
}

#[test]
fn every_diagram_of_the_catalogue_fits_into_mail() {
    let mut drawn = 0;
    for entry in catalogue::all() {
        let scenario = Scenario::open(entry.name, &crate::Vocabulary::builtin()).unwrap();
        let safe = |config: &Config| {
            let expected = scenario.expected(&config.names());
            expected.is_some_and(|expect| expect.verdict == ExpectedVerdict::Safe)
        };
        for config in configurations().filter(|config| !safe(config)) {
            let explored = Explored::new(entry.name, config);
            let Some(text) = explored.diagram() else { continue };
            let what = format!("{} {:?}\n{text}", entry.name, explored.config.names());
            let heads = text.lines().next().unwrap_or_default().split("  ");
            let columns = heads.filter(|head| !head.trim().is_empty()).count();
            let width = if columns <= 2 { 72 } else { 100 };
            assert!(text.is_ascii(), "{what}");
            assert!(text.lines().all(|line| line.len() <= width), "{what}");
            assert!(text.lines().all(|line| line == line.trim_end()), "{what}");
            assert!(text.contains("\nafter: "), "{what}");
            let in_a_step = explored
                .verdict()
                .damage
                .iter()
                .any(|found| is_step(found.first_broken.as_deref()));
            assert_eq!(in_a_step, text.contains("<< "), "{what}");
            drawn += 1;
        }
    }
    assert!(drawn > 50, "{drawn}");
}

/// Whether a place in words is a step of a task.
fn is_step(place: Option<&str>) -> bool {
    place.is_some_and(|place| place != "end" && !place.starts_with("after: "))
}

#[test]
fn a_schedule_that_is_printed_runs_again() {
    let seed = Explored::new("mkwrite-fallocate", Config::ext4("v6.8", Order::BufferHead));
    let verdict = seed.verdict();
    assert_eq!(verdict.schedule.as_deref(), Some("fault 4, fallocate 7, fault *"));
    let command = verdict.replay.unwrap();
    assert_eq!(
        command,
        "maprace replay mkwrite-fallocate --protocol v6.8 \
         --schedule \"fault 4, fallocate 7, fault *\""
    );
}

#[test]
fn a_deadlock_is_told_by_who_waits_where() {
    let seed = Explored::new("write-mkwrite", Config::ext4("v6.8", Order::BufferHead));
    let plan = seed.plan.clone().planted(maprace_fs::Planted::FolioLeftLocked);
    let program = Ext4Kind.program(&plan);
    let report = explore(&*program, &Options::default());
    let least = report.counterexample.expect("a folio that stays locked is waited for");
    let replay = replay(&*program, &least.schedule).unwrap();
    let story = program.story();
    let scene = Scene { plan: &plan, config: &seed.config, replay: &replay, story: &story };
    let text = diagram(&scene, Paint::Plain);
    assert!(text.contains("deadlock: all that are left wait\n  fault in folio_lock\n"), "{text}");
}

#[test]
fn heads_that_do_not_fit_beside_each_other_stand_in_steps() {
    let row = |task: usize, name: &str| rows::Row {
        task,
        depth: 1,
        name: name.to_owned(),
        found: String::new(),
        marks: Vec::new(),
    };
    let heads = ["filemap_read 2048@0", "ext4_buffered_write_iter 2048@8192", "ext4_es_scan 1..2"];
    let rows = rows::Rows {
        heads: heads
            .map(str::to_owned)
            .into_iter()
            .chain(["io_end:t0".to_owned()])
            .enumerate()
            .collect(),
        rows: vec![row(0, "folio_lock"), row(3, "ext4_convert_unwritten_extents")],
    };
    let text = layout::lay_out(&rows, Paint::Plain);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 6, "{text}");
    assert_eq!(lines[0], heads[0]);
    assert!(
        lines[3].ends_with("  io_end:t0") && lines.iter().all(|line| line.len() <= 100),
        "{text}"
    );
}

#[test]
fn marks_that_do_not_fit_behind_a_line_stand_below_it() {
    let marks = ["2 reserved, 1 delayed", "es of block 0 differs from the extent tree"];
    let row = rows::Row {
        task: 0,
        depth: 2,
        name: "ext4_es_insert_extent".to_owned(),
        found: "unwritten".to_owned(),
        marks: marks.map(str::to_owned).to_vec(),
    };
    let heads = [(0, "page_mkwrite".to_owned())].into();
    let text = layout::lay_out(&rows::Rows { heads, rows: vec![row] }, Paint::Plain);
    let want = "page_mkwrite\n  ext4_es_insert_extent: unwritten\n  << 2 reserved, 1 delayed\n  \
                << es of block 0 differs from the extent tree\n";
    assert_eq!(text, want);
}
