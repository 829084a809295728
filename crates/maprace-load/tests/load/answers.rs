//! What is made of runs: comparisons, doubts, fio's JSON.

use crate::devices::{Liar, Lie, Stalls};
use crate::{run, skipped};
use maprace_load::{
    Doubt, Job, Metric, Op, Pattern, Record, Said, Seen, Until, compare, fio_json_plus, records,
};
use std::path::Path;
use std::process::Command;

/// A run of a server of 100 000 requests a second, which stalls once if it is asked to.
fn record(stalls: bool) -> Record {
    let mut job = Job::new(Pattern::Randread, 1 << 30, 1);
    job.until = Until::Ns(1_000_000_000);
    let from_ns = if stalls { 500_000_000 } else { u64::MAX / 2 };
    let seen = Seen { target: "t".to_owned(), ..Seen::default() };
    Record::of(&run(&job, Stalls { from_ns, free_ns: 0 }), &seen)
}

/// Runs with these rates.
fn rates(iops: &[f64]) -> Vec<Record> {
    let one = record(false);
    iops.iter().map(|iops| Record { iops: *iops, ..one.clone() }).collect()
}

fn said(a: &[f64], b: &[f64], aa: Option<&[f64]>) -> Said {
    let aa = aa.map(rates);
    let comparison = compare(&rates(a), &rates(b), aa.as_deref()).unwrap();
    let row = comparison.rows.iter().find(|row| row.metric == Metric::Iops).unwrap();
    let is_doubted =
        comparison.doubts.iter().any(|one| matches!(one.doubt, Doubt::NoiseAboveDifference { .. }));
    assert_eq!(is_doubted, row.said == Said::NoDifference, "{comparison:?}");
    row.said
}

#[test]
fn a_winner_is_named_only_if_the_noise_lets() {
    let a = [100.0, 101.0, 99.0, 100.0, 100.5];
    let faster = [120.0, 121.0, 119.5, 120.0, 119.0];
    let slower = [90.0, 91.0, 89.0, 90.0, 90.0];
    let quiet = [100.2, 100.6, 99.5, 100.0, 100.1];
    let noisy = [100.0, 130.0, 80.0, 125.0, 100.0];
    assert_eq!(said(&a, &faster, Some(&quiet)), Said::BBetter);
    assert_eq!(said(&a, &slower, Some(&quiet)), Said::ABetter);
    assert_eq!(said(&a, &faster, None), Said::NoAa);
    // The same difference, but two runs of A differ as much.
    assert_eq!(said(&a, &faster, Some(&noisy)), Said::NoDifference);
    assert_eq!(said(&a, &quiet, Some(&quiet)), Said::NoDifference);
    assert_eq!(said(&a, &noisy, Some(&quiet)), Said::NoDifference);
}

#[test]
fn pairs_see_through_what_drifts_in_both() {
    // Both double on the way, and B is 5 % better each time.
    let a = [100.0, 125.0, 150.0, 175.0, 200.0];
    let b: Vec<f64> = a.iter().map(|rate| rate * 1.05).collect();
    let comparison = compare(&rates(&a), &rates(&b), Some(&rates(&a))).unwrap();
    let row = comparison.rows.iter().find(|row| row.metric == Metric::Iops).unwrap();
    assert!((row.ratio - 1.05).abs() < 1e-9 && row.said == Said::BBetter, "{row:?}");
    assert!((row.low.unwrap() - 1.05).abs() < 1e-6, "{row:?}");
}

#[test]
fn one_run_has_its_slices_for_an_interval_or_none() {
    let (even, stalled) = (record(false), record(true));
    let one = std::slice::from_ref;
    let comparison = compare(one(&even), one(&stalled), None).unwrap();
    assert_eq!(comparison.interval_of, "slices of one run");
    let of = |metric| comparison.rows.iter().find(|row| row.metric == metric).map(|row| row.said);
    // Two slices of twenty were empty: that is no steady difference.
    assert!(matches!(of(Metric::Iops), Some(Said::NoDifference | Said::NoAa)));
    assert_eq!(of(Metric::P99), Some(Said::TooFewRuns));
    let (mut a, mut b) = (even, stalled);
    (a.slices, b.slices) = (Vec::new(), Vec::new());
    let comparison = compare(&[a], &[b], None).unwrap();
    assert_eq!(comparison.rows[0].said, Said::TooFewRuns);
}

#[test]
fn less_latency_is_better() {
    let (a, mut b) = (rates(&[1.0, 1.0, 1.0]), rates(&[1.0, 1.0, 1.0]));
    for record in &mut b {
        let latency = &mut record.ops[0].latency;
        latency.percentiles.iter_mut().for_each(|one| one.ns *= 2);
    }
    let comparison = compare(&a, &b, Some(&a)).unwrap();
    let p99 = comparison.rows.iter().find(|row| row.metric == Metric::P99).unwrap();
    assert_eq!((p99.said, p99.ratio), (Said::ABetter, 2.0));
}

#[test]
fn runs_of_different_jobs_are_not_compared() {
    let (a, mut b) = (rates(&[1.0]), rates(&[1.0]));
    b[0].job.bs = 8192;
    let told = compare(&a, &b, None).unwrap_err().to_string();
    assert!(told.contains("bs 4096 and 8192"), "{told}");
}

#[test]
fn a_file_of_runs_is_read_however_they_were_appended() {
    let path = Path::new("A.json");
    let one = serde_json::to_string_pretty(&record(false)).unwrap();
    assert_eq!(records(path, &format!("{one}\n{one}\n")).unwrap().len(), 2);
    for (text, told) in [
        ("", "no run"),
        ("{\"schema\":\"maprace.media.list/1\"}", "maprace.media.list/1"),
        ("{\"a\":1}", "nothing"),
        ("{", "no JSON"),
        ("{\"schema\":\"maprace.load.run/1\"}", "damaged"),
    ] {
        let error = records(path, text).unwrap_err().to_string();
        assert!(error.starts_with("A.json: ") && error.contains(told), "{text}: {error}");
    }
}

/// Each doubt of the list, from a record that deserves it and none that does not.
#[test]
fn doubts_stand_beside_figures_that_deserve_them() {
    let names = |record: &Record| -> Vec<String> {
        let says = |one: &maprace_load::DoubtRecord| {
            assert!(!one.advice.is_empty() && !one.says.is_empty());
            serde_json::to_value(&one.doubt).unwrap()["doubt"].as_str().unwrap().to_owned()
        };
        record.doubts.iter().map(says).collect()
    };
    assert_eq!(names(&record(false)), Vec::<String>::new(), "virtual time is exact");
    let few = Record::of(
        &run(&Job::new(Pattern::Randread, 1 << 20, 50), Stalls { from_ns: 0, free_ns: 0 }),
        &Seen::default(),
    );
    assert_eq!(names(&few), ["too_few_samples"]);
    let seen = Seen { is_cached: true, is_unwritten: true, ..Seen::default() };
    let mut finished = {
        let mut job = Job::new(Pattern::Randread, 1 << 30, 1);
        job.until = Until::Ns(1_000_000_000);
        run(&job, Stalls { from_ns: u64::MAX / 2, free_ns: 0 })
    };
    assert_eq!(names(&Record::of(&finished, &seen)), ["page_cache", "never_written"]);
    // As if it had been real time on a slow generator, a fast way and too few processors.
    finished.is_virtual = false;
    finished.busy = vec![0.99];
    finished.facts.floor_ns = Some(9_000);
    finished.job.numjobs = 1024;
    let all = names(&Record::of(&finished, &Seen::default()));
    assert_eq!(all, ["generator_saturated", "below_floor", "fewer_processors"]);
    finished.busy = vec![0.5];
    finished.facts.floor_ns = Some(4_000);
    finished.job.numjobs = 1;
    assert_eq!(names(&Record::of(&finished, &Seen::default())), Vec::<String>::new());
}

#[test]
fn a_coarse_clock_is_doubted() {
    let doubt = Doubt::ClockCoarse { step_ns: 1_000, p50_ns: 3_000 };
    assert_eq!(doubt.says(), "the clock steps by 1.00 us at a median of 3.00 us");
    // A device that takes as long as the clock's step, whatever that is here.
    let mut job = Job::new(Pattern::Randread, 1 << 20, 20_000);
    job.iodepth = 1;
    let mut finished = run(&job, Liar::new(Lie::Nothing, 1));
    finished.is_virtual = false;
    let record = Record::of(&finished, &Seen::default());
    let step = record.machine.as_ref().unwrap().clock_step_ns;
    let p50 = record.op(Op::Read).unwrap().latency.at(50.0).unwrap();
    let is_doubted = record.doubts.iter().any(|one| matches!(one.doubt, Doubt::ClockCoarse { .. }));
    assert_eq!(is_doubted, p50 < 20 * step);
}

/// fio's own script, where it is.
const SCRIPT: &str = "/usr/bin/fio_jsonplus_clat2csv";

/// What the script makes of a record, with its own check of it; none if it cannot run here.
fn as_csv(record: &Record) -> Option<Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let (json, csv) = (dir.path().join("out.json"), dir.path().join("out.csv"));
    std::fs::write(&json, fio_json_plus(record, "0").to_string()).unwrap();
    let run = |more: &[&str]| {
        let mut command = Command::new("python3");
        command.arg(SCRIPT).arg(&json).arg(&csv).args(more).output()
    };
    if !Path::new(SCRIPT).exists() || !run(&["--help"]).is_ok_and(|out| out.status.success()) {
        skipped(&format!("python3 with {SCRIPT} of fio is not here"));
        return None;
    }
    let made = run(&[]).unwrap();
    let told = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(made.status.success(), "{told}");
    let checked = run(&["--validate"]).unwrap();
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success() && said.contains("out_job0.csv validated"), "{said}");
    let text = std::fs::read_to_string(dir.path().join("out_job0.csv")).unwrap();
    Some(text.lines().map(str::to_owned).collect())
}

#[test]
fn fios_script_takes_a_mix_and_an_empty_run() {
    let mut job = Job::new(Pattern::Storm, 64 << 10, 5_000);
    (job.bs, job.fsync) = (16_384, 10);
    let mix = Record::of(&run(&job, Liar::new(Lie::Nothing, 1)), &Seen::default());
    if let Some(lines) = as_csv(&mix) {
        assert!(lines[0].starts_with("nsec, read_slat_ns_count, "), "{}", lines[0]);
        // A line for each time that any of the three operations took.
        assert!(lines.len() > 5, "{lines:?}");
    }
    let none = Job::new(Pattern::Randread, 1 << 20, 1);
    let asked = std::cell::Cell::new(0);
    let device = crate::devices::Fails { from: 0, errno: 5, asked: &asked, stop: None };
    let empty = Record::of(&run(&none, device), &Seen::default());
    if let Some(lines) = as_csv(&empty) {
        assert_eq!(lines.len(), 1, "{lines:?}");
    }
}

/// The script looks for the least time below 17.1 s, and looks for ever if there is none.
#[test]
fn no_bin_is_above_fios_own() {
    let mut long = record(false);
    long.ops[0].latency.bins = vec![(1_000, 5), (60_000_000_000, 2), (90_000_000_000, 1)];
    long.ops[0].latency.count = 8;
    let json = fio_json_plus(&long, "0");
    let bins = json["jobs"][0]["read"]["lat_ns"]["bins"].as_object().unwrap();
    assert_eq!(bins["1000"], 5);
    assert_eq!(bins["17112760320"], 3);
    assert_eq!(bins.len(), 2);
    if let Some(lines) = as_csv(&long) {
        assert_eq!(lines.len(), 3, "{lines:?}");
    }
}

#[test]
fn fios_fields_have_what_ours_have() {
    let record = record(true);
    let json = fio_json_plus(&record, "1.2");
    assert_eq!(json["fio version"], "maprace-1.2");
    let read = &json["jobs"][0]["read"];
    assert_eq!(read["total_ios"], record.ios);
    assert_eq!(read["io_bytes"], record.ios * 4096);
    let p = &read["clat_ns"]["percentile"];
    assert_eq!(p["99.000000"], record.ops[0].latency.at(99.0).unwrap());
    assert_eq!(json["jobs"][0]["write"]["total_ios"], 0);
}
