//! What a step touches: objects, ranges, and how.
//!
//! Two relations over footprints carry the whole exploration. [`Foot::clash`] says that the order of
//! two steps can matter. [`Foot::races`] says that it can be *reversed* by scheduling alone: it is the
//! same but for a release, which orders what waits for it and cannot change places with it.

/// How a step touches a place of an object.
///
/// The first three are for data, the others for locks and bits that tasks wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum Effect {
    /// Looks and changes nothing.
    Read,
    /// Commutes with itself: a counter, or creating what is already there.
    Add,
    /// Anything else.
    Write,
    /// Acquires a lock shared, or gives such a hold back.
    Shared,
    /// Acquires a lock exclusively, sets a bit, or gives an exclusive hold back.
    Exclusive,
    /// Waits until a bit is clear and takes nothing.
    Until,
    /// Looks at a lock or bit without waiting.
    Test,
    /// Takes a lock if it is free, without waiting.
    Try,
    /// Releases a lock, or clears a bit, that somebody may test without waiting.
    Open,
}

const fn bits(effects: &[Effect]) -> u16 {
    let mut mask = 0;
    let mut i = 0;
    while i < effects.len() {
        mask |= 1 << effects[i] as u16;
        i += 1;
    }
    mask
}

/// For each effect, the effects whose order against it can matter.
const CLASH: [u16; 9] = {
    use Effect::*;
    [
        bits(&[Add, Write]),
        bits(&[Read, Write]),
        bits(&[Read, Add, Write]),
        bits(&[Exclusive, Try, Open]),
        bits(&[Shared, Exclusive, Until, Test, Try, Open]),
        bits(&[Exclusive, Try, Open]),
        bits(&[Exclusive, Try, Open]),
        bits(&[Shared, Exclusive, Until, Test, Try, Open]),
        bits(&[Shared, Exclusive, Until, Test, Try, Open]),
    ]
};

/// As [`CLASH`], without the pairs that a scheduler cannot swap: a release against what waits for it.
const RACES: [u16; 9] = {
    use Effect::*;
    let mut table = CLASH;
    let waiting = bits(&[Shared, Exclusive, Until, Open]);
    table[Shared as usize] &= !bits(&[Open]);
    table[Exclusive as usize] &= !bits(&[Open]);
    table[Until as usize] &= !bits(&[Open]);
    table[Open as usize] &= !waiting;
    table
};

/// The identity of an object in footprints, unique within one execution.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct Object(pub(crate) u32);

impl Object {
    /// The object of runtimes that keep no footprints.
    pub const NONE: Object = Object(u32::MAX);

    /// A dense number, for tables.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One place of one object, and what happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The object.
    pub obj: Object,
    /// The first unit of the range; what a unit is, is the object's affair.
    pub lo: u32,
    /// One past the last unit.
    pub hi: u32,
    /// What is done there.
    pub effect: Effect,
}

impl Default for Foot {
    fn default() -> Foot {
        Foot::NONE
    }
}

impl Access {
    #[inline]
    fn meets(&self, other: &Access, table: &[u16; 9]) -> bool {
        self.obj == other.obj
            && self.lo < other.hi
            && other.lo < self.hi
            && table[self.effect as usize] & (1 << other.effect as u16) != 0
    }
}

const MOST: usize = 6;
const NOWHERE: Access = Access { obj: Object::NONE, lo: 0, hi: 0, effect: Effect::Read };

/// A set of accesses. Past six it becomes "everything", which is sound, only less precise.
#[derive(Clone, Copy, Debug)]
pub struct Foot {
    bloom: u64,
    len: u8,
    all: bool,
    accesses: [Access; MOST],
}

impl Foot {
    /// Touches nothing that another task can see.
    pub const NONE: Foot = Foot { bloom: 0, len: 0, all: false, accesses: [NOWHERE; MOST] };

    /// One access to the units `lo..hi` of `obj`. Positions past `u32::MAX` fold into the last unit.
    #[inline]
    pub fn at(obj: Object, lo: u64, hi: u64, effect: Effect) -> Foot {
        let fold = |v: u64| u32::try_from(v).unwrap_or(u32::MAX);
        let (lo, hi) = (fold(lo).min(u32::MAX - 1), fold(hi));
        let mut foot = Foot::NONE;
        if lo < hi {
            foot.push(Access { obj, lo, hi, effect });
        }
        foot
    }

    /// Reads `lo..hi` of `obj`.
    #[inline]
    pub fn read(obj: Object, lo: u64, hi: u64) -> Foot {
        Foot::at(obj, lo, hi, Effect::Read)
    }

    /// Adds to `lo..hi` of `obj`: commutes with other additions.
    #[inline]
    pub fn add(obj: Object, lo: u64, hi: u64) -> Foot {
        Foot::at(obj, lo, hi, Effect::Add)
    }

    /// Writes `lo..hi` of `obj`.
    #[inline]
    pub fn write(obj: Object, lo: u64, hi: u64) -> Foot {
        Foot::at(obj, lo, hi, Effect::Write)
    }

    /// The whole of `obj`.
    #[inline]
    pub fn whole(obj: Object, effect: Effect) -> Foot {
        let mut foot = Foot::NONE;
        foot.push(Access { obj, lo: 0, hi: u32::MAX, effect });
        foot
    }

    #[inline]
    fn push(&mut self, access: Access) {
        let len = usize::from(self.len);
        if self.accesses[..len].contains(&access) {
            return;
        }
        if len == MOST {
            self.all = true;
            self.bloom = u64::MAX;
            return;
        }
        self.accesses[len] = access;
        self.len += 1;
        self.bloom |= 1 << (access.obj.0 & 63);
    }

    /// Both footprints together.
    #[must_use]
    #[inline]
    pub fn and(mut self, other: Foot) -> Foot {
        self.join(&other);
        self
    }

    /// Adds what `other` touches.
    #[inline]
    pub(crate) fn join(&mut self, other: &Foot) {
        if other.all {
            (self.all, self.bloom) = (true, u64::MAX);
        }
        other.accesses().iter().for_each(|access| self.push(*access));
    }

    /// Forgets all that it touches.
    #[inline]
    pub(crate) fn clear(&mut self) {
        (self.bloom, self.len, self.all) = (0, 0, false);
    }

    /// What it touches; meaningless once it [is everything](Foot::is_everything).
    #[inline]
    pub fn accesses(&self) -> &[Access] {
        &self.accesses[..usize::from(self.len)]
    }

    /// Whether it has outgrown its six accesses.
    pub fn is_everything(&self) -> bool {
        self.all
    }

    /// Whether it touches nothing.
    pub fn is_none(&self) -> bool {
        self.len == 0 && !self.all
    }

    #[inline]
    fn meets(&self, other: &Foot, table: &[u16; 9]) -> bool {
        if self.bloom & other.bloom == 0 {
            return false;
        }
        if self.all || other.all {
            return true;
        }
        self.accesses().iter().any(|a| other.accesses().iter().any(|b| a.meets(b, table)))
    }

    /// Whether the order of two steps with these footprints can matter.
    #[inline]
    pub fn clash(&self, other: &Foot) -> bool {
        self.meets(other, &CLASH)
    }

    /// Whether a scheduler may be able to reverse two steps with these footprints.
    #[inline]
    pub fn races(&self, other: &Foot) -> bool {
        self.meets(other, &RACES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Object = Object(1);

    #[test]
    fn clash_is_symmetric_and_contains_races() {
        for (i, row) in CLASH.iter().enumerate() {
            for j in 0..CLASH.len() {
                assert_eq!(row >> j & 1, CLASH[j] >> i & 1, "{i} {j}");
                assert_eq!(RACES[i] >> j & 1, RACES[j] >> i & 1, "{i} {j}");
                assert!(RACES[i] & !CLASH[i] == 0);
            }
        }
    }

    #[test]
    fn ranges_readers_and_additions_commute() {
        assert!(!Foot::read(A, 0, 4).clash(&Foot::read(A, 0, 4)));
        assert!(!Foot::add(A, 0, 4).clash(&Foot::add(A, 0, 4)));
        assert!(Foot::add(A, 0, 4).clash(&Foot::read(A, 3, 4)));
        assert!(!Foot::write(A, 0, 4).clash(&Foot::write(A, 4, 8)));
        assert!(!Foot::write(A, 0, 4).clash(&Foot::write(Object(2), 0, 4)));
    }

    #[test]
    fn a_release_orders_and_does_not_race() {
        let (open, take) = (Foot::whole(A, Effect::Open), Foot::whole(A, Effect::Exclusive));
        assert!(open.clash(&take) && !open.races(&take));
        assert!(open.races(&Foot::whole(A, Effect::Try)));
    }

    #[test]
    fn past_its_room_a_footprint_is_everything() {
        let many = (0..7).fold(Foot::NONE, |f, i| f.and(Foot::read(Object(i), 0, 1)));
        assert!(many.is_everything() && many.clash(&Foot::read(Object(60), 0, 1)));
    }

    #[test]
    fn far_positions_fold_into_the_last_unit() {
        assert!(Foot::write(A, 1 << 40, (1 << 40) + 1).clash(&Foot::read(A, 1 << 50, 1 << 51)));
    }
}
