//! Sweeps: one setting, several values, everything else as it is.
//!
//! `folios=1,4,16`, `folio-size=4k,64k,1m`, `cpus=1,2,8`, `latency=0,10us,1ms`, `offset=-2us..2us/100ns`.
//! A sweep says what is changed, in a scenario or a workload and in the terms of the run; it runs
//! nothing.

use crate::error::ErrorKind;
use crate::format::Scenario;
use crate::op::Op;
use crate::range::{BlockRange, Range};
use crate::virtual_world::{Media, Starts, Terms};
use crate::workload::{Workload, bytes};
use std::str::FromStr;

/// What is swept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SweepKey {
    /// Folios of the file, and so of one mapping.
    Folios,
    /// Bytes of a folio.
    FolioSize,
    /// Processors.
    Cpus,
    /// Latency of every access of the medium.
    Latency,
    /// How much later the second task starts than the first.
    Offset,
}

/// A key, what it counts, and what values it may have.
struct Row(SweepKey, &'static str, &'static str, &'static str);

const ROWS: [Row; 5] = [
    Row(SweepKey::Folios, "folios", "folios", "1 to 4096"),
    Row(SweepKey::FolioSize, "folio-size", "bytes", "4k to 4m, a power of two"),
    Row(SweepKey::Cpus, "cpus", "processors", "1 to 1024"),
    Row(SweepKey::Latency, "latency", "ns", "0 to 10s, with ns, us, ms or s"),
    Row(SweepKey::Offset, "offset", "ns", "LO..HI/STEP within 10s, at most 100000 values"),
];

/// The most values of one sweep.
const VALUES_MAX: usize = 100_000;
/// The longest time that may be typed, in nanoseconds.
const TIME_MAX_NS: i64 = 10_000_000_000;
/// When the first task of an offset sweep starts: a second task may start before it.
const BASE_NS: u64 = 10_000_000_000;

/// A value of a sweep.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SweepValue {
    /// As it was typed.
    pub typed: String,
    /// In the unit of the key.
    pub value: i64,
}

/// One setting and its values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SweepSpec {
    /// What is swept.
    pub key: SweepKey,
    /// The values, each once, ascending.
    pub values: Vec<SweepValue>,
}

impl SweepKey {
    fn row(self) -> &'static Row {
        ROWS.iter().find(|row| row.0 == self).expect("every key has a row")
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// What its values count.
    pub fn unit(self) -> &'static str {
        self.row().2
    }

    fn value(self, text: &str) -> Option<i64> {
        let number = |lo, hi| text.parse::<i64>().ok().filter(|n| (lo..=hi).contains(n));
        match self {
            SweepKey::Folios => number(1, 4096),
            SweepKey::Cpus => number(1, 1024),
            SweepKey::FolioSize => {
                let size = bytes(text).filter(|n| n.is_power_of_two());
                size.filter(|n| (4096..=4 << 20).contains(n)).and_then(|n| i64::try_from(n).ok())
            }
            SweepKey::Latency => nanoseconds(text).filter(|ns| *ns >= 0),
            SweepKey::Offset => nanoseconds(text),
        }
    }
}

/// `250`, `10us`, `-2ms`: a time in nanoseconds, at most 10 s either way.
pub fn nanoseconds(text: &str) -> Option<i64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        _ => return None,
    };
    let ns = digits.parse::<i64>().ok()?.checked_mul(unit)?;
    (-TIME_MAX_NS..=TIME_MAX_NS).contains(&ns).then_some(ns)
}

impl FromStr for SweepSpec {
    type Err = ErrorKind;

    fn from_str(text: &str) -> Result<SweepSpec, ErrorKind> {
        let (key, list) = text.split_once('=').unwrap_or((text, ""));
        let Some(Row(key, name, _, range)) = ROWS.iter().find(|row| row.1 == key) else {
            let known = ROWS.iter().map(|row| row.1.to_owned()).collect();
            let typed = key.to_owned();
            return Err(ErrorKind::Unknown { what: "sweep".into(), typed, known });
        };
        let refused = |typed: &str| ErrorKind::Setting {
            what: format!("sweep {name}"),
            typed: typed.to_owned(),
            range,
        };
        let mut values = Vec::new();
        for part in list.split(',') {
            let more = expanded(*key, part).ok_or_else(|| refused(part))?;
            values.extend(more);
            if values.len() > VALUES_MAX {
                return Err(refused(part));
            }
        }
        values.sort_by_key(|value| value.value);
        values.dedup_by_key(|value| value.value);
        Ok(SweepSpec { key: *key, values })
    }
}

/// One value, or for offsets a range with a step.
fn expanded(key: SweepKey, part: &str) -> Option<Vec<SweepValue>> {
    let one = |typed: &str, value| SweepValue { typed: typed.to_owned(), value };
    let Some((lo, rest)) = part.split_once("..").filter(|_| key == SweepKey::Offset) else {
        return key.value(part).map(|value| vec![one(part, value)]);
    };
    let (hi, step) = rest.split_once('/')?;
    let (lo, hi, step) = (key.value(lo)?, key.value(hi)?, key.value(step)?);
    let count = usize::try_from((hi - lo).checked_div(step)?).ok().filter(|_| step > 0)?;
    let values = (0..).map(|i| lo + i * step).take(count.min(VALUES_MAX) + 1);
    Some(values.map(|value| one(&value.to_string(), value)).collect())
}

fn positive(value: i64) -> u64 {
    u64::try_from(value).expect("only offsets may be negative")
}

impl SweepSpec {
    /// The scenario with that value; as it is where the value changes none.
    ///
    /// # Errors
    /// What the scenario cannot be, in words: a file too short for its own ranges.
    pub fn scenario(&self, scenario: &Scenario, value: i64) -> Result<Scenario, String> {
        let mut changed = scenario.clone();
        match self.key {
            SweepKey::Folios => {
                let blocks = positive(value) * scenario.fs.folio_blocks;
                resize(&mut changed, blocks)?;
            }
            SweepKey::FolioSize => {
                // All points have one size, so that only the folios differ.
                let largest = self.values.last().map_or(value, |last| last.value);
                let blocks = scenario.file.blocks(scenario.fs.block);
                let folio = positive(value) / scenario.fs.block;
                if folio == 0 {
                    return Err(format!("a folio of {value} bytes is less than a block"));
                }
                changed.fs.folio_blocks = folio;
                resize(&mut changed, blocks.max(positive(largest) / scenario.fs.block))?;
            }
            SweepKey::Cpus | SweepKey::Latency | SweepKey::Offset => {}
        }
        Ok(changed)
    }

    /// The workload with that value.
    ///
    /// # Errors
    /// Where the key does not fit a workload, and where the value does not fit this one.
    pub fn workload(&self, workload: &Workload, value: i64) -> Result<Workload, ErrorKind> {
        let mut changed = *workload;
        match self.key {
            SweepKey::Folios => changed.bs = positive(value) * workload.folio,
            SweepKey::FolioSize => changed.folio = positive(value),
            SweepKey::Cpus | SweepKey::Latency => {}
            SweepKey::Offset => {
                let (what, typed) = ("sweep".to_owned(), "offset".to_owned());
                let range = "folios, folio-size, cpus or latency for a workload";
                return Err(ErrorKind::Setting { what, typed, range });
            }
        }
        changed.to_string().parse()
    }

    /// The terms with that value.
    #[must_use]
    pub fn terms(&self, terms: &Terms, value: i64) -> Terms {
        let mut changed = terms.clone();
        match self.key {
            SweepKey::Cpus => {
                changed.machine.cpus = u32::try_from(value).expect("at most 1024");
            }
            SweepKey::Latency => changed.media = Media::Fixed(positive(value)),
            SweepKey::Folios | SweepKey::FolioSize | SweepKey::Offset => {}
        }
        changed
    }

    /// When tasks start, where that is swept: the first at a time, all others so much later.
    pub fn starts(&self, tasks: usize, value: i64) -> Option<Starts> {
        let later = BASE_NS.checked_add_signed(value)?;
        let starts = (0..tasks).map(|task| if task == 0 { BASE_NS } else { later });
        (self.key == SweepKey::Offset).then(|| Starts::At(starts.collect()))
    }
}

/// The file gets `blocks` blocks; what spans the whole file does so again.
fn resize(scenario: &mut Scenario, blocks: u64) -> Result<(), String> {
    let old = scenario.file.blocks(scenario.fs.block);
    let is_whole = |range: &BlockRange| range.start == 0 && range.end >= old;
    let whole = BlockRange { start: 0, end: blocks };
    let file = &mut scenario.file;
    for ranges in [&mut file.written, &mut file.unwritten, &mut file.dirty, &mut file.prefault] {
        for range in ranges.iter_mut().filter(|range| is_whole(range)) {
            *range = whole;
        }
        if let Some(range) = ranges.iter().find(|range| range.end > blocks) {
            return Err(format!("{range} is past a file of {blocks} blocks"));
        }
    }
    file.size = blocks * scenario.fs.block;
    let stretch = |op: &mut Op| {
        if let Some(Range::Blocks(range)) = &mut op.range
            && is_whole(range)
        {
            *range = whole;
        }
    };
    scenario.tasks.iter_mut().flat_map(|task| &mut task.ops).for_each(stretch);
    scenario.after.iter_mut().for_each(stretch);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<i64> {
        let spec: SweepSpec = text.parse().unwrap();
        spec.values.iter().map(|value| value.value).collect()
    }

    #[test]
    fn lists_and_ranges_are_read_in_their_units() {
        assert_eq!(values("folios=16,1,4,4"), [1, 4, 16]);
        assert_eq!(values("folio-size=4k,1m"), [4096, 1 << 20]);
        assert_eq!(values("latency=0,10us,1ms"), [0, 10_000, 1_000_000]);
        assert_eq!(values("offset=-20..20/10"), [-20, -10, 0, 10, 20]);
        assert_eq!(values("cpus=1024"), [1024]);
    }

    #[test]
    fn what_is_out_of_range_is_named_with_its_range() {
        for (text, line) in [
            ("folios=0", "sweep folios is `0`, must be 1 to 4096"),
            ("folio-size=5000", "sweep folio-size is `5000`, must be 4k to 4m, a power of two"),
            ("cpus=", "sweep cpus is ``, must be 1 to 1024"),
            ("latency=-1", "sweep latency is `-1`, must be 0 to 10s, with ns, us, ms or s"),
            (
                "offset=0..10s/1",
                "sweep offset is `0..10s/1`, must be LO..HI/STEP within 10s, at most 100000 values",
            ),
            (
                "offset=0..9/0",
                "sweep offset is `0..9/0`, must be LO..HI/STEP within 10s, at most 100000 values",
            ),
        ] {
            assert_eq!(text.parse::<SweepSpec>().unwrap_err().to_string(), line);
        }
        let unknown = "folio=1".parse::<SweepSpec>().unwrap_err().to_string();
        assert!(unknown.starts_with("unknown sweep `folio`"), "{unknown}");
    }

    #[test]
    fn a_workload_refuses_what_does_not_fit_it() {
        let workload: Workload = "w=1,file=64k,ops=16".parse().unwrap();
        let spec: SweepSpec = "folios=1,32".parse().unwrap();
        assert_eq!(spec.workload(&workload, 1).unwrap(), workload);
        assert!(spec.workload(&workload, 32).is_err());
    }
}
