//! What the checkers have found in the life of a device: each kind once, and how often.

use maprace_fs::{Broken, Checker};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The first of each kind, and how many there were.
#[derive(Debug, Default)]
pub(crate) struct Findings(Mutex<BTreeMap<Checker, (Broken, u64)>>);

impl Findings {
    /// Counts them.
    pub(crate) fn add(&self, broken: Vec<Broken>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for broken in broken {
            all.entry(broken.checker).or_insert((broken, 0)).1 += 1;
        }
    }

    /// A line each, in the kernel's words where it has any.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let line = |(first, count): &(Broken, u64)| match count {
            1 => first.words(),
            count => format!("{} (the first of {count})", first.words()),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_a_line_and_the_kernel_s_words_are_the_kernel_s() {
        let findings = Findings::default();
        findings.add(vec![Broken::of(Checker::ReservedAtEvict, 3, 0)]);
        let data = |at| Broken { checker: Checker::Data, values: None, place: Some(at) };
        findings.add(vec![data(4096), data(8192)]);
        let mut remarks = findings.remarks();
        remarks.sort();
        let expected =
            ["i_reserved_data_blocks (3) not cleared!", "wrong byte at 4096 (the first of 2)"];
        assert_eq!(remarks, expected);
    }
}
