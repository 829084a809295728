//! Can this machine show this medium? What a request takes here at least, against what the medium takes.

use crate::Floor;
use maprace_media::check::load::{Load, quantile_ns, run};
use maprace_media::params::{Direction, Params, Pattern};
use maprace_media::{Alone, Profile, Work};
use std::sync::Arc;

/// The largest factor by which time is dilated.
pub const DILATE_MAX: u64 = 1 << 20;

/// What a request of these is about.
const BYTES: u64 = 4096;

/// What a medium is on this machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judgement {
    /// Its times can be shown.
    Fits,
    /// They are shorter than what this machine takes.
    Below {
        /// The median of a random 4096-byte read (a write where reads take no time), in ns, undilated.
        p50_ns: u64,
        /// What this machine takes for it, in ns.
        floor_ns: u64,
        /// The least dilation that lifts both medians over twice the floor: a power of two.
        dilate: u64,
    },
}

/// The medians of a random 4096-byte read and write that are alone on the medium, in ns.
pub fn p50s_ns(profile: &Profile) -> (u64, u64) {
    let p50 = |direction, work| {
        let alone = Alone { direction, pattern: Pattern::Random, len: BYTES };
        let closed_form = alone.quantile_ns(&profile.params, 0.5);
        closed_form.unwrap_or_else(|| sampled_p50_ns(&profile.params, work))
    };
    (p50(Direction::Read, Work::Read), p50(Direction::Write, Work::Write))
}

/// The same by trying, where there is no closed form.
fn sampled_p50_ns(params: &Arc<Params>, work: Work) -> u64 {
    // So far apart that buffers drain in between.
    let (pattern, bytes, depth, pause_ns) = (Pattern::Random, BYTES, 1, 1_000_000_000);
    let load = Load { work, pattern, bytes, depth, pause_ns, requests: 4_000, seed: params.seed };
    quantile_ns(&run(params, &load).latency_ns, 0.5)
}

/// Whether a medium whose time passes `dilate` times slower can be shown above a floor.
///
/// It is judged by its random reads, which no cache answers: what a medium is. Writes are often taken by a
/// cache that is faster than a slow machine, also that of a disk; such a disk is not refused, and its
/// writes that could not be shown are counted, as every request is. Only a medium whose reads take no
/// time is judged by its writes.
pub fn judge(profile: &Profile, floor: &Floor, dilate: u64) -> Judgement {
    let (p50_ns, floor_ns) = match p50s_ns(profile) {
        (0, write_ns) => (write_ns, floor.write_ns),
        (read_ns, _) => (read_ns, floor.read_ns),
    };
    if p50_ns == 0 || p50_ns.saturating_mul(dilate) >= floor_ns {
        return Judgement::Fits;
    }
    Judgement::Below { p50_ns, floor_ns, dilate: auto(profile, floor) }
}

/// The smallest power of two that lifts the smaller median over twice the greater floor; 1 where nothing
/// takes time, and at most [`DILATE_MAX`]. Reads and writes count alike: who dilates wants their ratio.
pub fn auto(profile: &Profile, floor: &Floor) -> u64 {
    let (read_ns, write_ns) = p50s_ns(profile);
    let Some(p50_ns) = [read_ns, write_ns].into_iter().filter(|p50_ns| *p50_ns > 0).min() else {
        return 1;
    };
    let over_ns = floor.read_ns.max(floor.write_ns).saturating_mul(2);
    let mut dilate = 1;
    while dilate < DILATE_MAX && p50_ns.saturating_mul(dilate) <= over_ns {
        dilate *= 2;
    }
    dilate
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floor(read_ns: u64, write_ns: u64) -> Floor {
        Floor { read_ns, write_ns, credit_ns: 0 }
    }

    #[test]
    fn medians_are_those_of_the_profile() {
        let nvme = p50s_ns(&Profile::open("nvme-tlc-dc").unwrap());
        assert!(
            (80_000..90_000).contains(&nvme.0) && (18_000..22_000).contains(&nvme.1),
            "{nvme:?}"
        );
        // A seek is drawn; the closed form knows its median.
        let disk = p50s_ns(&Profile::open("hdd-7200").unwrap());
        assert!((8_000_000..20_000_000).contains(&disk.0), "{disk:?}");
    }

    #[test]
    fn trying_agrees_with_the_closed_form() {
        let profile = Profile::open("nvme-tlc-dc").unwrap();
        let (read_ns, write_ns) = p50s_ns(&profile);
        for (work, want) in [(Work::Read, read_ns), (Work::Write, write_ns)] {
            let tried = sampled_p50_ns(&profile.params, work);
            assert!(tried.abs_diff(want) * 50 < want, "{work:?}: {tried} for {want}");
        }
    }

    #[test]
    fn auto_is_the_least_that_lifts_the_smaller_median_over_twice_the_floor() {
        let profile = Profile::open("pmem-dcpmm100-6x").unwrap();
        let (read_ns, write_ns) = p50s_ns(&profile);
        for floor_ns in [10, 500, 14_000, 100_000] {
            let floor = floor(floor_ns, floor_ns / 2);
            let dilate = auto(&profile, &floor);
            assert!(dilate.is_power_of_two());
            assert!(read_ns.min(write_ns) * dilate > 2 * floor_ns, "{floor_ns}");
            assert!(
                dilate == 1 || read_ns.min(write_ns) * dilate / 2 <= 2 * floor_ns,
                "{floor_ns}"
            );
            assert_eq!(judge(&profile, &floor, dilate), Judgement::Fits);
        }
    }

    #[test]
    fn reads_decide_and_a_cache_that_takes_writes_does_not() {
        let profile = Profile::open("nvme-tlc-dc").unwrap();
        let (read_ns, write_ns) = p50s_ns(&profile);
        assert!(write_ns < 80_000 && read_ns > 80_000);
        assert_eq!(judge(&profile, &floor(80_000, 80_000), 1), Judgement::Fits);
        let judged = judge(&profile, &floor(1_000_000, 0), 4);
        let dilate = auto(&profile, &floor(1_000_000, 0));
        assert_eq!(judged, Judgement::Below { p50_ns: read_ns, floor_ns: 1_000_000, dilate });
    }

    /// A slow guest has a floor of 444 us; the disk's cache takes a write in 133.
    #[test]
    fn a_disk_is_not_below_a_slow_machine() {
        let disk = Profile::open("hdd-7200").unwrap();
        assert_eq!(judge(&disk, &floor(444_000, 444_000), 1), Judgement::Fits);
    }

    #[test]
    fn writes_decide_where_reads_take_no_time() {
        let text = "name = \"w\"\n[write]\nlat_ns = { rand = 9000, seq = 9000 }\n";
        let profile = Profile::parse("w", text).unwrap();
        assert_eq!(judge(&profile, &floor(u64::MAX, 9_000), 1), Judgement::Fits);
        let judged = judge(&profile, &floor(0, 9_001), 1);
        assert_eq!(judged, Judgement::Below { p50_ns: 9_000, floor_ns: 9_001, dilate: 4 });
    }

    #[test]
    fn what_takes_no_time_fits_everywhere() {
        let null = Profile::open("null").unwrap();
        assert_eq!(judge(&null, &floor(u64::MAX, u64::MAX), 1), Judgement::Fits);
        assert_eq!(auto(&null, &floor(1 << 40, 1 << 40)), 1);
    }
}
