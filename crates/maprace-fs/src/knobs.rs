//! The knobs of a protocol: one enum each, so that every output can name every setting.

/// Makes an enum with a name for each value, and the reading of names.
macro_rules! knob {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// All values.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];
            /// The name, as typed after `--set`.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }
            /// The value with that name.
            pub fn from_name(text: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|value| value.name() == text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

knob! {
    /// In which mode of `i_data_sem` a delayed extent is inserted.
    Insert {
        /// Under a shared hold, as up to v6.7.
        Shared = "shared",
        /// Under an exclusive hold, after a look-up without it.
        Exclusive = "exclusive",
        /// Look-up and insertion in one exclusive hold.
        OneHold = "one-hold",
    }
}

knob! {
    /// A protection that is there or not.
    Switch {
        /// Not there.
        Off = "off",
        /// There.
        On = "on",
    }
}

knob! {
    /// Who releases a reservation, and when.
    Accounting {
        /// Allocating new blocks does; finding them allocated releases nothing. Up to v6.11.
        V5_10 = "v5.10",
        /// Inserting an allocated extent does, for as many delayed blocks as it replaces.
        V6_12 = "v6.12",
    }
}

knob! {
    /// When zero range preallocates.
    ZeroRange {
        /// With an unaligned end, the whole range before `invalidate_lock` is taken. Up to v6.14.
        V5_10 = "v5.10",
        /// All under `invalidate_lock`.
        V6_15 = "v6.15",
    }
}

knob! {
    /// How a mapping of an iomap write is dated.
    Cookie {
        /// Not at all: `iomap_valid` is not asked.
        Off = "off",
        /// By the sequence as it is after the locks were dropped.
        Late = "late",
        /// By the sequence under the lock of the look-up.
        On = "on",
    }
}

knob! {
    /// Under which locks collapse and insert range write out what they are about to move.
    Flush {
        /// Before `i_rwsem` is taken, under none. Up to v4.4.
        Unlocked = "unlocked",
        /// Under `i_rwsem` and `invalidate_lock`.
        Locked = "locked",
    }
}

knob! {
    /// How a short write in iomap order gives back what it reserved and did not use.
    DelallocRelease {
        /// Drops the page cache over it, then what is delayed, under no lock. XFS up to v6.1.
        Unlocked = "unlocked",
        /// The same under `invalidate_lock`: what others dirtied there goes too.
        Truncates = "truncates",
        /// Under `invalidate_lock`, and leaves what is dirty alone. From v6.2 on.
        SkipsDirty = "skips-dirty",
    }
}

knob! {
    /// Where a path that needs a transaction and a folio lock starts the transaction.
    Handle {
        /// Writeback starts it where the other order would: mixed, as no kernel is.
        Mixed = "mixed",
        /// Every path where its order has it: before the folio lock in buffer_head order, after it in
        /// iomap order.
        OfOrder = "of-order",
    }
}

knob! {
    /// What comes first in a buffered write.
    Order {
        /// Lock the folio, then map.
        BufferHead = "buffer_head",
        /// Map, then lock folio after folio.
        Iomap = "iomap",
    }
}

/// Every setting of a protocol.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Knobs {
    /// How delayed extents are inserted.
    pub insert: Insert,
    /// Whether the extent status is looked up again before inserting.
    pub recheck: Switch,
    /// Who releases reservations.
    pub accounting: Accounting,
    /// Whether reads that fill the page cache hold `invalidate_lock` shared (v5.15).
    pub fillers_take_invalidate_lock: Switch,
    /// Whether fallocate mode 0 holds `invalidate_lock` exclusively. ext4 never did; XFS does so.
    pub fallocate_takes_invalidate_lock: Switch,
    /// When zero range preallocates.
    pub zero_range: ZeroRange,
    /// How iomap mappings are dated.
    pub cookie: Cookie,
    /// Whether a delayed mapping that reserved something is `IOMAP_F_NEW`.
    pub iomap_f_new: Switch,
    /// Whether page faults hold `invalidate_lock` shared (`i_mmap_sem`, after v4.4).
    pub faults_take_invalidate_lock: Switch,
    /// Under which locks collapse and insert range flush.
    pub flush: Flush,
    /// How a short write gives back what is delayed and not used.
    pub delalloc_release: DelallocRelease,
    /// Whether zeroing part of a block looks at the page cache where the mapping says unwritten (v6.12).
    pub zero_looks_at_cache: Switch,
    /// Whether iomap writeback compares the sequence before it uses a mapping again.
    pub writeback_cookie: Switch,
    /// Whether fiemap holds `i_rwsem` shared (v6.16).
    pub fiemap_takes_i_rwsem: Switch,
    /// Whether writeback leaves alone what it reads of an extent leaf beside its own blocks (v6.16).
    pub writeback_nocache: Switch,
    /// Whether the same is true while an extent is split (v7.0).
    pub split_nocache: Switch,
    /// Whether a written extent in the status tree is never tagged delayed (v4.1).
    pub written_never_delayed: Switch,
    /// Where transactions start.
    pub handle: Handle,
}

/// The knobs that only iomap order feels.
pub const OF_IOMAP: [&str; 5] =
    ["cookie", "iomap_f_new", "delalloc_release", "zero_looks_at_cache", "writeback_cookie"];

/// Calls `$with!(field, Type)` for every knob, so that no list of them can be forgotten.
macro_rules! each_knob {
    ($with:ident) => {
        $with!(insert, Insert);
        $with!(recheck, Switch);
        $with!(accounting, Accounting);
        $with!(fillers_take_invalidate_lock, Switch);
        $with!(fallocate_takes_invalidate_lock, Switch);
        $with!(zero_range, ZeroRange);
        $with!(cookie, Cookie);
        $with!(iomap_f_new, Switch);
        $with!(faults_take_invalidate_lock, Switch);
        $with!(flush, Flush);
        $with!(delalloc_release, DelallocRelease);
        $with!(zero_looks_at_cache, Switch);
        $with!(writeback_cookie, Switch);
        $with!(fiemap_takes_i_rwsem, Switch);
        $with!(writeback_nocache, Switch);
        $with!(split_nocache, Switch);
        $with!(written_never_delayed, Switch);
        $with!(handle, Handle);
    };
}

/// A setting that does not exist.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KnobError {
    /// There is no such knob; these there are.
    Name(Vec<&'static str>),
    /// The knob has no such value; these it has.
    Value(Vec<&'static str>),
}

impl Knobs {
    /// Names of all knobs.
    pub fn names() -> Vec<&'static str> {
        let mut names = Vec::new();
        macro_rules! name {
            ($field:ident, $type:ty) => {
                names.push(stringify!($field));
            };
        }
        each_knob!(name);
        names
    }

    /// Every knob with the name of its value.
    pub fn values(&self) -> Vec<(&'static str, &'static str)> {
        let mut values = Vec::new();
        macro_rules! value {
            ($field:ident, $type:ty) => {
                values.push((stringify!($field), self.$field.name()));
            };
        }
        each_knob!(value);
        values
    }

    /// Turns the knob `name` to `value`.
    ///
    /// # Errors
    /// When there is no such knob or it has no such value: with what there is.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), KnobError> {
        macro_rules! set {
            ($field:ident, $type:ty) => {
                if name == stringify!($field) {
                    let known = || <$type>::ALL.iter().map(|v| v.name()).collect();
                    self.$field =
                        <$type>::from_name(value).ok_or_else(|| KnobError::Value(known()))?;
                    return Ok(());
                }
            };
        }
        each_knob!(set);
        Err(KnobError::Name(Knobs::names()))
    }

    /// Whether no kernel release ever had ext4 like this. The knobs of iomap order are left out: that
    /// order is a posted series in every setting.
    pub fn is_counterfactual(&self) -> bool {
        let of_ext4 = |knobs: &Knobs| {
            let mut values = knobs.values();
            values.retain(|(knob, _)| !OF_IOMAP.contains(knob));
            values
        };
        let own = of_ext4(self);
        !crate::protocol::releases().iter().any(|release| of_ext4(release) == own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol;

    #[test]
    fn every_knob_can_be_set_to_each_of_its_values_and_back() {
        let start = protocol::preset("v6.12").expect("it is one").knobs;
        for (name, value) in start.values() {
            let mut knobs = start;
            let Err(KnobError::Value(known)) = knobs.set(name, "no such value") else {
                panic!("{name} takes anything")
            };
            for other in known {
                knobs.set(name, other).unwrap();
                assert!(knobs.values().contains(&(name, other)));
            }
            knobs.set(name, value).unwrap();
            assert_eq!(knobs, start);
        }
        assert_eq!(start.clone().set("nope", "on"), Err(KnobError::Name(Knobs::names())));
    }

    #[test]
    fn what_no_kernel_had_is_told_apart() {
        for name in ["v5.10", "v6.8", "v6.11", "v6.12"] {
            assert!(!protocol::preset(name).unwrap().knobs.is_counterfactual(), "{name}");
        }
        let mut knobs = protocol::preset("v6.12").unwrap().knobs;
        knobs.set("recheck", "off").unwrap();
        assert!(knobs.is_counterfactual());
        assert!(protocol::preset("exclusive").unwrap().knobs.is_counterfactual());
    }

    #[test]
    fn releases_between_and_after_the_presets_are_known() {
        let turn = |preset: &str, knobs: &[(&str, &str)]| {
            let mut turned = protocol::preset(preset).unwrap().knobs;
            knobs.iter().for_each(|(knob, value)| turned.set(knob, value).unwrap());
            turned.is_counterfactual()
        };
        assert!(!turn("v5.10", &[("fillers_take_invalidate_lock", "on")]), "v5.15");
        assert!(!turn("v6.12", &[("zero_range", "v6.15")]), "v6.15");
        let v6_16 = [("zero_range", "v6.15"), ("fiemap_takes_i_rwsem", "on")];
        assert!(turn("v6.12", &v6_16), "both fixes came in v6.16");
        assert!(!turn("v6.12", &[v6_16[0], v6_16[1], ("writeback_nocache", "on")]), "v6.16");
        assert!(!turn("v6.12", &[("cookie", "off"), ("delalloc_release", "unlocked")]));
        assert!(turn("v5.10", &[("zero_range", "v6.15")]));
    }
}
