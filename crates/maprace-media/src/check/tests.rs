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
            println!("{line}");
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
