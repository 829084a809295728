//! The record: its keys and their order, its words, its table; the same bytes every time.

use super::*;
use crate::{AnyLayer, Config, Plan, Scenario, Vocabulary};
use maprace_explore::{Budget, Engine, Options, explore};
use maprace_fs::Order;
use maprace_fs::ext4::Ext4Kind;

fn judged(name: &str, config: &Config, options: &Options<'_>) -> Verdict {
    let scenario = Scenario::open(name, &Vocabulary::builtin()).unwrap();
    let program = Ext4Kind.program(&Plan::new(&scenario, config).unwrap());
    let report = explore(&*program, options);
    let question = Question { program: "maprace", typed: name, scenario: &scenario, config };
    judge(&question, &*program, options, &report)
}

fn seed(preset: &str) -> Verdict {
    let config = Config::ext4(preset, Order::BufferHead);
    judged("mkwrite-fallocate", &config, &Options::default())
}

fn json(verdict: &Verdict) -> String {
    serde_json::to_string_pretty(verdict).unwrap()
}

/// What the format promises, in its order.
const KEYS: [&str; 32] = [
    "schema",
    "world",
    "scenario",
    "layer",
    "protocol",
    "order",
    "knobs",
    "counterfactual",
    "engine",
    "granularity",
    "dependency",
    "verdict",
    "complete",
    "executions",
    "traces",
    "bad_traces",
    "outcomes",
    "bad_outcomes",
    "certificate",
    "certificate_missing",
    "min_preemptions",
    "p_random",
    "deadlocks",
    "damage",
    "steps_max",
    "schedule",
    "replay",
    "expected",
    "stopped",
    "seed",
    "budget",
    "machine",
];

#[test]
fn every_key_is_there_and_in_order() {
    let mut verdict = seed("v6.8");
    verdict.machine = Some(Machine {
        seconds: 1.0,
        executions_per_second: 4.0,
        host: "here".to_owned(),
        cpu: None,
        cores: Some(2),
    });
    let keys = |text: &str| -> Vec<String> {
        let top = text.lines().filter(|line| line.starts_with("  \""));
        top.filter_map(|line| Some(line.trim().split_once('"')?.1.split_once('"')?.0.to_owned()))
            .collect()
    };
    assert_eq!(keys(&json(&verdict)), KEYS);
    verdict.machine = None;
    assert_eq!(keys(&json(&verdict)), KEYS[..KEYS.len() - 1]);
}

#[test]
fn the_seed_is_told_by_its_checkers() {
    let verdict = seed("v6.8");
    assert_eq!((verdict.verdict, verdict.complete), (Judgement::Damaged, true));
    assert_eq!(verdict.min_preemptions, Some(1));
    let found = |name: &str| verdict.damage.iter().find(|found| found.checker == name).unwrap();
    let first = found("delayed_not_allocated").first_broken.as_deref();
    assert_eq!(first, Some("fault ext4_es_insert_delayed_block"));
    assert!(!found("delayed_not_allocated").kernel_visible);
    assert_eq!(found("reserved_at_evict").first_broken.as_deref(), Some("after: evict"));
    assert!(found("reserved_at_evict").kernel_visible);
    let expected = verdict.expected.unwrap();
    assert_eq!((expected.verdict.as_str(), expected.as_expected), ("damaged", Some(true)));
}

#[test]
fn a_safe_protocol_has_nothing_to_replay() {
    let verdict = seed("v6.12");
    assert_eq!(verdict.verdict, Judgement::Safe);
    assert_eq!((verdict.schedule, verdict.replay, verdict.min_preemptions), (None, None, None));
    assert!((verdict.certificate.unwrap() - 1.0).abs() < 1e-6);
    assert_eq!(verdict.certificate_missing, None);
}

#[test]
fn what_an_engine_cannot_know_is_null_with_the_reason() {
    let config = Config::ext4("v6.12", Order::Iomap);
    let budget = Budget { executions: 50, ..Budget::default() };
    let options = Options { engine: Engine::Random, seed: 7, budget, ..Options::default() };
    let verdict = judged("write-mkwrite", &config, &options);
    assert_eq!(verdict.verdict, Judgement::Incomplete);
    assert_eq!((verdict.certificate, verdict.traces, verdict.bad_traces), (None, None, None));
    assert_eq!(verdict.certificate_missing.as_deref(), Some("random gives none"));
    assert_eq!(verdict.stopped, Some("budget of executions"));
    assert_eq!((verdict.seed, verdict.budget), (7, 50));
    assert_eq!(json(&verdict), json(&judged("write-mkwrite", &config, &options)));
}

#[test]
fn what_no_kernel_had_says_so() {
    let config = Config::ext4("v6.12", Order::BufferHead).with("recheck", "off");
    let verdict = judged("mkwrite-fallocate", &config, &Options::default());
    assert!(verdict.counterfactual);
    assert!(verdict.replay.as_deref().unwrap().contains("--protocol v6.12 --set recheck=off"));
    let page = page("title", &verdict, Paint::Plain);
    assert!(page.contains("recheck=off (counterfactual: no kernel had it)"), "{page}");
}

#[test]
fn orders_that_agree_share_a_line() {
    let mut verdicts = Vec::new();
    for order in [Order::BufferHead, Order::Iomap] {
        for preset in ["v6.8", "exclusive"] {
            for name in ["mkwrite-fallocate", "write-mkwrite"] {
                let config = Config::ext4(preset, order);
                verdicts.push(judged(name, &config, &Options::default()));
            }
        }
    }
    verdicts.sort_by(|a, b| a.scenario.cmp(&b.scenario));
    let rows: Vec<Row<'_>> =
        verdicts.iter().map(|verdict| Row { name: &verdict.scenario, verdict }).collect();
    let table = table("scenario", &rows, Paint::Plain);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], "scenario            order        v6.8     exclusive");
    assert!(lines[1].starts_with("mkwrite-fallocate   both         BAD "), "{table}");
    assert_eq!(lines[2], "write-mkwrite       buffer_head  safe     safe");
    assert!(lines[3].starts_with("                    iomap        BAD "), "{table}");
    assert!(lines[4].ends_with("safe: all were tried (certificate 1.000000)"), "{table}");
    assert_eq!(lines[5], "exclusive: counterfactual, no kernel had it");
    assert_eq!(lines.len(), 6);
}

#[test]
fn what_was_not_expected_or_not_finished_is_marked() {
    let mut damaged = seed("v6.8");
    damaged.expected = Some(Expected { verdict: "safe".to_owned(), as_expected: Some(false) });
    let mut open = seed("v6.12");
    (open.verdict, open.complete, open.certificate) = (Judgement::Incomplete, false, None);
    let rows = [&damaged, &open].map(|verdict| Row { name: "x", verdict });
    let table = table("scenario", &rows, Paint::Plain);
    assert!(table.contains("BAD 1/4 !  open 4"), "{table}");
    assert!(table.contains("\nopen n: no damage in n executions"), "{table}");
    assert!(table.contains("\n!: not as the scenario expects"), "{table}");
}
