//! What is done with a medium that is faster than this machine: refuse, dilate, or take it as it is.
//! Whether it is faster is `maprace_ublk::floor`'s affair.

use super::spec::{Below, Medium};
use crate::failure::Failure;
use maprace_ublk::Floor;
use maprace_ublk::floor::{DILATE_MAX, Judgement, auto, judge};

/// The medium as it will be, or why not; `command` is what works.
pub(crate) fn settled(medium: &Medium, floor: Floor, command: &str) -> Result<Medium, Failure> {
    let Some(profile) = medium.profile()? else { return Ok(medium.clone()) };
    let refused = |what: String| Err(Failure::Device(format!("{}: {what}", medium.name)));
    match (medium.below, judge(&profile, &floor, medium.dilate)) {
        (Below::Dilate, _) => {
            let dilate = auto(&profile, &floor);
            match judge(&profile, &floor, dilate) {
                Judgement::Fits => Ok(Medium { dilate, ..medium.clone() }),
                Judgement::Below { .. } => refused(format!(
                    "no dilation up to {DILATE_MAX} lifts it over this machine's floor ({}): \
                     use --media ram",
                    told(floor)
                )),
            }
        }
        (Below::Limited, _) | (Below::Refuse, Judgement::Fits) => Ok(medium.clone()),
        (Below::Refuse, Judgement::Below { p50_ns, floor_ns, .. }) => refused(format!(
            "a request of 4 KiB takes {}, this machine at least {} (floor: {}): \
             `{command} --dilate auto` works; --floor-limited takes it as it is",
            micros(p50_ns.saturating_mul(medium.dilate)),
            micros(floor_ns),
            told(floor),
        )),
    }
}

/// Whether a medium is labelled as limited by the floor.
pub(crate) fn is_limited(medium: &Medium, floor: Floor) -> bool {
    let profile = medium.profile().ok().flatten();
    profile.is_some_and(|profile| judge(&profile, &floor, medium.dilate) != Judgement::Fits)
}

/// A floor in words.
pub(crate) fn told(floor: Floor) -> String {
    format!("read {}, write {}", micros(floor.read_ns), micros(floor.write_ns))
}

/// Nanoseconds as microseconds.
pub(crate) fn micros(ns: u64) -> String {
    match ns {
        0..10_000 => format!("{}.{:02} us", ns / 1000, ns % 1000 / 10),
        _ => format!("{}.{} us", ns / 1000, ns % 1000 / 100),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::values::Dilate;

    const FLOOR: Floor = Floor { read_ns: 20_000, write_ns: 30_000, credit_ns: 0 };

    fn medium(name: &str, dilate: Dilate, limited: bool) -> Medium {
        Medium::open(name, None).unwrap().with(dilate, limited)
    }

    #[test]
    fn a_medium_below_the_floor_is_refused_with_the_command_that_works() {
        let medium = medium("pmem-dcpmm100-6x", Dilate::Times(1), false);
        let error = settled(&medium, FLOOR, "maprace device add --media pmem-dcpmm100-6x");
        assert_eq!(
            error.unwrap_err().to_string(),
            "pmem-dcpmm100-6x: a request of 4 KiB takes 1.45 us, this machine at least 20.0 us \
             (floor: read 20.0 us, write 30.0 us): `maprace device add --media pmem-dcpmm100-6x \
             --dilate auto` works; --floor-limited takes it as it is"
        );
    }

    #[test]
    fn auto_is_the_smallest_power_of_two_that_is_enough() {
        let wanted = medium("pmem-dcpmm100-6x", Dilate::Auto, false);
        let found = settled(&wanted, FLOOR, "").unwrap();
        assert_eq!(found.dilate, 64, "1.45 us times 64 is over twice 30 us");
        assert!(!is_limited(&found, FLOOR));
        let hopeless = Floor { read_ns: u64::MAX / 4, ..FLOOR };
        let error = settled(&wanted, hopeless, "").unwrap_err().to_string();
        assert!(error.contains("no dilation up to 1048576"), "{error}");
    }

    #[test]
    fn what_is_slow_or_takes_no_time_or_is_said_to_be_limited_is_taken() {
        for medium in [
            medium("hdd-7200", Dilate::Times(1), false),
            medium("ram", Dilate::Times(1), false),
            medium("dram", Dilate::Times(1), true),
            medium("dram", Dilate::Times(1 << 20), false),
        ] {
            assert_eq!(settled(&medium, FLOOR, "").unwrap(), medium);
        }
        assert!(is_limited(&medium("dram", Dilate::Times(1), true), FLOOR));
        assert!(!is_limited(&medium("hdd-7200", Dilate::Times(1), true), FLOOR));
        assert_eq!((micros(999), micros(12_345)), ("0.99 us".into(), "12.3 us".into()));
    }
}
