//! `maprace load` beside fio, in one boot: as many requests a second, and no more of the processor.
//!
//! The bar is on an interval, not on a median: of ten ratios the 95 % interval of their mean, on a scale of
//! logarithms, has to reach it. What load measures, and whether it measures right, is tested beside it.

use std::time::Duration;

use maprace_load::ratio_interval;

use super::{Built, Clock, GuestWork, Seen, Stage, Suite, Work, check};
use crate::figures::Sample;
use crate::transcript::Check;

/// Devices and jobs, as the script names them.
const DEVICES: [&str; 2] = ["null", "brd"];
const JOBS: [&str; 6] =
    ["randread.qd1", "randwrite.qd1", "randread.qd32", "randwrite.qd32", "read.qd1", "write.qd1"];

/// Of fio's requests a second, so many at least.
const IOPS_LEAST: f64 = 0.95;
/// Of fio's time on the processor for a request, so much at most.
const CPU_MOST: f64 = 1.0;

/// One guest.
pub(super) fn stages() -> Vec<Stage> {
    vec![Stage {
        name: "load/bookworm-backports",
        about: "load beside fio, ten rounds in turns: requests a second, and time on the processor",
        suite: Suite::Full,
        kernel: "bookworm-backports",
        work: Work::Guest(GuestWork {
            clock: Clock::Virtual,
            processors: 2,
            memory_mib: 1024,
            settings: "",
            script: concat!(
                include_str!("../../guest/device.sh"),
                include_str!("../../guest/load.sh")
            ),
            modules: &["ublk_drv", "brd"],
            programs: &["fio"],
            built: &[Built::Device],
            limit: Duration::from_secs(2400),
            judge,
        }),
    }]
}

fn judge(seen: &Seen<'_>) -> Vec<Check> {
    let names = DEVICES.iter().flat_map(|device| JOBS.map(|job| format!("{device}.{job}")));
    names.flat_map(|name| judged(seen, &name)).collect()
}

/// One job on one device.
fn judged(seen: &Seen<'_>, name: &str) -> [Check; 2] {
    let ratio = |what: &str| {
        let of = |who| Sample::new(seen.transcript.values(&format!("{who}.{name}.{what}")));
        of("load")?.ratio_to(&of("fio")?)
    };
    let iops = match ratio("iops").and_then(|ratio| ratio_interval(ratio.values())) {
        Some((low, high)) => check(
            &format!("{name}.iops"),
            high >= IOPS_LEAST,
            format!("{low:.3} to {high:.3} of fio's, has to reach {IOPS_LEAST}"),
        ),
        None => check(&format!("{name}.iops"), false, "not measured in ten rounds"),
    };
    let cpu = match ratio("cpu") {
        Some(ratio) => check(
            &format!("{name}.cpu"),
            ratio.median() <= CPU_MOST,
            format!("a request costs {} of fio's, at most {CPU_MOST}", ratio.text()),
        ),
        None => check(&format!("{name}.cpu"), false, "not measured"),
    };
    [iops, cpu]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{Guest, verdicts};

    fn figures(rounds: usize, iops: f64, cpu: f64) -> Guest {
        let mut text = String::new();
        for name in DEVICES.iter().flat_map(|device| JOBS.map(|job| format!("{device}.{job}"))) {
            for round in 0..rounds {
                let noise = if round.is_multiple_of(2) { 1.01 } else { 1.0 / 1.01 };
                text += &format!("FIGURE load.{name}.iops {} 1/s\n", iops * noise);
                text += &format!("FIGURE load.{name}.cpu {cpu} ns\n");
                text += &format!("FIGURE fio.{name}.iops 1 1/s\nFIGURE fio.{name}.cpu 1 ns\n");
            }
        }
        Guest::new(&text)
    }

    #[test]
    fn both_bars_are_asserted_of_each_job() {
        let all = |guest: &Guest, end: &str| {
            let verdicts = verdicts(&guest.judge(judge));
            assert_eq!(verdicts.len(), 24);
            verdicts.iter().filter(|line| line.ends_with(end)).count()
        };
        assert_eq!(all(&figures(10, 1.0, 1.0), " ok"), 24);
        assert_eq!(all(&figures(10, 0.9, 1.0), "iops fail"), 12);
        assert_eq!(all(&figures(10, 1.0, 1.1), "cpu fail"), 12);
        assert_eq!(all(&figures(1, 1.0, 1.0), "iops fail"), 12, "one round has no interval");
        assert_eq!(all(&Guest::new(""), " fail"), 24);
    }
}
