//! Where a downset is in a list: a table that is emptied in no time and used again.

use crate::packed::Packed;

#[derive(Clone, Copy, Debug, Default)]
struct Entry<P> {
    key: P,
    /// The round in which it was written; older ones are empty.
    round: u32,
    slot: u32,
}

/// From downsets to places.
#[derive(Debug)]
pub(crate) struct Table<P> {
    entries: Vec<Entry<P>>,
    /// How far a hash is shifted so that it is an index.
    shift: u32,
    round: u32,
    len: usize,
}

impl<P: Packed> Default for Table<P> {
    fn default() -> Self {
        let bits = 10;
        let entries = vec![Entry::default(); 1 << bits];
        Table { entries, shift: u64::BITS - bits, round: 1, len: 0 }
    }
}

impl<P: Packed> Table<P> {
    /// Empties it.
    pub(crate) fn clear(&mut self) {
        self.len = 0;
        self.round = self.round.checked_add(1).unwrap_or_else(|| {
            self.entries.fill(Entry::default());
            1
        });
    }

    /// The place of `key`; `new` and true if it was not there and is now.
    #[inline]
    pub(crate) fn place(&mut self, key: P, new: usize) -> (usize, bool) {
        if self.len * 2 >= self.entries.len() {
            self.grow();
        }
        let at = self.seek(key);
        let entry = &mut self.entries[at];
        if entry.round == self.round {
            return (entry.slot as usize, false);
        }
        let slot = u32::try_from(new).expect("the budget of downsets is far below");
        *entry = Entry { key, round: self.round, slot };
        self.len += 1;
        (new, true)
    }

    /// The place of `key`, if it has one.
    #[inline]
    pub(crate) fn find(&self, key: P) -> Option<usize> {
        let entry = self.entries[self.seek(key)];
        (entry.round == self.round).then_some(entry.slot as usize)
    }

    /// The entry of `key`, or the empty one where it belongs.
    #[inline]
    fn seek(&self, key: P) -> usize {
        let mask = self.entries.len() - 1;
        let mut at = usize::try_from(key.hashed() >> self.shift).expect("an index of a Vec");
        loop {
            let entry = &self.entries[at];
            if entry.round != self.round || entry.key == key {
                return at;
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        self.shift -= 1;
        let bigger = vec![Entry::default(); self.entries.len() * 2];
        let old = std::mem::replace(&mut self.entries, bigger);
        for entry in old.into_iter().filter(|entry| entry.round == self.round) {
            let at = self.seek(entry.key);
            self.entries[at] = entry;
        }
    }
}
