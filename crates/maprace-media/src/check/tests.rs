//! The built-in profiles against their figures, and figures that are wrong on purpose.

use super::*;

/// What is judged: every asserted row of every built-in profile, each closed form within 0.1 %.
#[test]
fn every_built_in_profile_meets_its_figures() {
    let mut off = Vec::new();
    for entry in crate::all() {
        let report = check(&Profile::open(entry.name).unwrap());
        for row in &report.rows {
            let line = format!(
                "{:18} {:40} {:8} {:>10.4} {:>10.4} {:>10.4} {:+.2} % {:?} {:?}",
                report.profile,
                row.what,
                row.measure,
                row.target.lo,
                row.target.hi,
                row.model,
                row.error * 100.0,
                row.known,
                row.outcome
            );
            if row.outcome == Outcome::Off {
                off.push(line.clone());
            }
            if row.kind == RowKind::ClosedForm && row.error.abs() > 0.001 {
                off.push(line);
            }
        }
    }
    assert!(off.is_empty(), "{}", off.join("\n"));
}

fn check_text(text: &str) -> Report {
    check(&Profile::parse("planted", text).unwrap())
}

/// A tester is tested: a model that is 20 % slow, and a figure that nobody has.
#[test]
fn a_planted_wrong_profile_is_caught() {
    let honest =
        crate::profile::all().iter().find(|entry| entry.name == "optane-ssd-p4800x").unwrap().text;
    let slow = honest.replacen("occ_ns = { rand = 5500", "occ_ns = { rand = 7300", 1);
    assert_ne!(slow, honest);
    let report = check_text(&slow);
    let off: Vec<&str> = report
        .rows
        .iter()
        .filter(|row| row.outcome == Outcome::Off)
        .map(|row| row.measure.as_str())
        .collect();
    assert_eq!(off, ["p50_us", "p99_us", "p99_us"]);
    assert!(!report.is_ok());
    let wrong = honest.replacen("target = 584.8", "target = 700", 1);
    assert!(!check_text(&wrong).is_ok());
    let unconfirmed = wrong.replace("known = \"secondary\"", "known = \"memory\"");
    let report = check_text(&unconfirmed);
    assert!(report.is_ok(), "what is only remembered is shown");
    assert!(report.rows.iter().any(|row| row.outcome == Outcome::Shown && row.error < -0.1));
}

/// The closed form is a second computation: a model that is off by half a percent does not pass.
#[test]
fn a_model_that_is_off_by_half_a_percent_is_caught() {
    let params = &Profile::open("nvme-tlc-dc").unwrap().params;
    let mut wrong = Params::clone(params);
    wrong.read.post_ns.random += 425;
    let alone_of = Alone { direction: Direction::Read, pattern: Pattern::Random, len: 4096 };
    let latency = idle(&Arc::new(wrong), 1, alone_of);
    let target = alone_of.quantile_ns(params, 0.5).unwrap();
    let error = float(load::quantile_ns(&latency, 0.5)) / float(target) - 1.0;
    assert!((0.004..0.006).contains(&error), "{error}");
    let rows = alone(params, 1, Direction::Read, Pattern::Random);
    assert!(rows.iter().all(|row| row.outcome == Outcome::Ok), "{rows:?}");
}

#[test]
fn the_same_profile_gives_the_same_report() {
    let profile = Profile::open("hdd-7200").unwrap();
    assert_eq!(check(&profile), check(&profile));
}

/// The sums of the documentation, in figures: 5.5 + 3.4 us, and 99 % at 2.326 sigma.
#[test]
fn the_closed_form_is_the_sum_of_its_parts() {
    let params = &Profile::open("optane-ssd-p4800x").unwrap().params;
    let alone = Alone { direction: Direction::Read, pattern: Pattern::Random, len: 4096 };
    assert_eq!(alone.quantile_ns(params, 0.5), Some(8_900));
    let p99 = float(alone.quantile_ns(params, 0.99).unwrap());
    assert!((p99 / (8_900.0 * libm::exp(2.326_35 * 0.045)) - 1.0).abs() < 1e-4, "{p99}");
    let seek = Profile::open("hdd-7200").unwrap().params;
    assert_eq!(alone.quantile_ns(&seek, 0.99), None, "the sum of two even draws has no such form");
    assert_eq!(Alone { len: 1 << 20, ..alone }.quantile_ns(params, 0.5), None);
}
