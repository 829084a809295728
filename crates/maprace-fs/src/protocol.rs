//! The table of protocols. To try a patch: copy a file of `ext4/da_map/`, change it, add one line here.
//!
//! A line names the preset, the file with its `ext4_da_map_blocks`, and its knobs. A command's `--set`
//! turns single knobs; turning `insert` or `recheck` picks the function that fits the new setting.

use crate::knobs::{
    Accounting, Cookie, DelallocRelease, Flush, Handle, Insert, Knobs, Switch, ZeroRange,
};

/// ext4 of v5.10: shared insertion, no second look, fillers without `invalidate_lock`.
const V5_10: Knobs = Knobs {
    insert: Insert::Shared,
    recheck: Switch::Off,
    accounting: Accounting::V5_10,
    fillers_take_invalidate_lock: Switch::Off,
    fallocate_takes_invalidate_lock: Switch::Off,
    zero_range: ZeroRange::V5_10,
    cookie: Cookie::On,
    iomap_f_new: Switch::On,
    faults_take_invalidate_lock: Switch::On,
    flush: Flush::Locked,
    delalloc_release: DelallocRelease::SkipsDirty,
    zero_looks_at_cache: Switch::On,
    writeback_cookie: Switch::On,
    fiemap_takes_i_rwsem: Switch::Off,
    writeback_nocache: Switch::Off,
    split_nocache: Switch::Off,
    written_never_delayed: Switch::On,
    handle: Handle::OfOrder,
};
const V6_8: Knobs =
    Knobs { insert: Insert::Exclusive, fillers_take_invalidate_lock: Switch::On, ..V5_10 };
const V6_11: Knobs = Knobs { recheck: Switch::On, ..V6_8 };
const V6_12: Knobs = Knobs { accounting: Accounting::V6_12, ..V6_11 };
const EXCLUSIVE: Knobs = Knobs { insert: Insert::OneHold, ..V6_12 };

/// Every combination of knobs that some release had, oldest first: the presets, and the releases
/// between and after them that differ in a lock or a look-up. Not among the presets, which are one for
/// each `ext4_da_map_blocks`.
pub fn releases() -> Vec<Knobs> {
    let (off, on) = (Switch::Off, Switch::On);
    let v4_0 = Knobs {
        faults_take_invalidate_lock: off,
        flush: Flush::Unlocked,
        written_never_delayed: off,
        ..V5_10
    };
    let v4_4 = Knobs { written_never_delayed: on, ..v4_0 };
    let v5_15 = Knobs { fillers_take_invalidate_lock: on, ..V5_10 };
    let v6_15 = Knobs { zero_range: ZeroRange::V6_15, ..V6_12 };
    let v6_16 = Knobs { fiemap_takes_i_rwsem: on, writeback_nocache: on, ..v6_15 };
    let v7_0 = Knobs { split_nocache: on, ..v6_16 };
    vec![v4_0, v4_4, V5_10, v5_15, V6_8, V6_11, V6_12, v6_15, v6_16, v7_0]
}

/// A named protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Protocol {
    /// Its name, as typed after `--protocol`.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Which `ext4_da_map_blocks`.
    pub da_map: DaMap,
    /// Its settings.
    pub knobs: Knobs,
}

macro_rules! protocols {
    ($($name:literal $file:ident $variant:ident $knobs:expr, $about:literal;)+) => {
        /// Which `ext4_da_map_blocks` is used: one file of `ext4/da_map/` each.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum DaMap {
            $(#[doc = concat!("`", stringify!($file), ".rs`.")] $variant,)+
            /// `shared_recheck.rs`: no preset; what `--set insert=shared,recheck=on` asks for.
            SharedRecheck,
        }

        /// All presets, oldest first.
        pub const PRESETS: &[Protocol] = &[
            $(Protocol { name: $name, about: $about, da_map: DaMap::$variant, knobs: $knobs },)+
        ];

        /// Calls `$call!(variant, file)` for each function, inside a match on `$which`.
        macro_rules! dispatch_da_map {
            ($which:expr, $layer:expr, $want:expr) => {
                match $which {
                    $($crate::protocol::DaMap::$variant => da_map::$file::da_map_blocks($layer, $want).await,)+
                    $crate::protocol::DaMap::SharedRecheck => {
                        da_map::shared_recheck::da_map_blocks($layer, $want).await
                    }
                }
            };
        }
        pub(crate) use dispatch_da_map;
    };
}

protocols! {
    "v5.10" v5_10 V5_10 V5_10, "delayed extents go in under i_data_sem shared, after a look-up without it";
    "v6.8" v6_8 V6_8 V6_8, "under i_data_sem exclusive, without a second look";
    "v6.11" v6_11 V6_11 V6_11, "exclusive, and looked up again before inserting: the fix";
    "v6.12" v6_12 V6_12 V6_12, "the same with the newer accounting of reservations";
    "exclusive" exclusive Exclusive EXCLUSIVE, "look-up and insertion in one exclusive hold: correct and dear";
}

/// The newest release in the table: what a command uses when no protocol is named. A line added to the
/// table does not change it.
pub const NEWEST_RELEASE: &str = "v6.12";

/// The preset of that name.
pub fn preset(name: &str) -> Option<Protocol> {
    PRESETS.iter().copied().find(|p| p.name == name)
}

impl Protocol {
    /// This protocol with other settings: the function follows `insert` and `recheck` if they changed.
    #[must_use]
    pub fn with(self, knobs: Knobs) -> Protocol {
        let moved = (knobs.insert, knobs.recheck) != (self.knobs.insert, self.knobs.recheck);
        let da_map = if moved { fitting(&knobs) } else { self.da_map };
        Protocol { da_map, knobs, ..self }
    }
}

fn fitting(knobs: &Knobs) -> DaMap {
    match (knobs.insert, knobs.recheck) {
        (Insert::Shared, Switch::Off) => DaMap::V5_10,
        (Insert::Shared, Switch::On) => DaMap::SharedRecheck,
        (Insert::Exclusive, Switch::Off) => DaMap::V6_8,
        (Insert::Exclusive, Switch::On) => DaMap::V6_11,
        (Insert::OneHold, _) => DaMap::Exclusive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turned_knob_picks_the_function_that_fits() {
        for p in PRESETS {
            assert_eq!(p.with(p.knobs), *p);
            let off = p.with(Knobs { recheck: Switch::Off, ..p.knobs });
            assert_eq!(fitting(&off.knobs), off.da_map, "{}", p.name);
        }
        let v6_12 = preset("v6.12").unwrap();
        assert_eq!(v6_12.with(Knobs { recheck: Switch::Off, ..v6_12.knobs }).da_map, DaMap::V6_8);
    }
}
