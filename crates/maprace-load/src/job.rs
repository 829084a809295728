//! What is asked of a target. Plain data; [`Job::check`] says whether it makes sense.

use crate::error::Error;
use serde::{Deserialize, Serialize};

/// Which operations, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// Reads, one after the other.
    Read,
    /// Writes, one after the other.
    Write,
    /// Reads anywhere.
    Randread,
    /// Writes anywhere.
    Randwrite,
    /// Reads and writes, each one after the other.
    Rw,
    /// Reads and writes anywhere.
    Randrw,
    /// Trims, one after the other.
    Trim,
    /// Trims anywhere.
    Randtrim,
    /// Zeroes, one after the other.
    WriteZeroes,
    /// Zeroes anywhere.
    RandwriteZeroes,
    /// Writes, zeroes and trims of any length up to a block over the same few blocks, many at a time.
    Storm,
}

impl Pattern {
    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Pattern::Read => "read",
            Pattern::Write => "write",
            Pattern::Randread => "randread",
            Pattern::Randwrite => "randwrite",
            Pattern::Rw => "rw",
            Pattern::Randrw => "randrw",
            Pattern::Trim => "trim",
            Pattern::Randtrim => "randtrim",
            Pattern::WriteZeroes => "write-zeroes",
            Pattern::RandwriteZeroes => "randwrite-zeroes",
            Pattern::Storm => "storm",
        }
    }

    /// Whether nothing is asked that changes the target.
    pub fn only_reads(self) -> bool {
        matches!(self, Pattern::Read | Pattern::Randread)
    }

    /// Whether positions are drawn.
    pub(crate) fn is_random(self) -> bool {
        matches!(
            self,
            Pattern::Randread
                | Pattern::Randwrite
                | Pattern::Randrw
                | Pattern::Randtrim
                | Pattern::RandwriteZeroes
                | Pattern::Storm
        )
    }
}

/// When a job ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// After so many requests of each worker, those of the ramp and flushes not counted.
    Ios(u64),
    /// So many nanoseconds after the ramp.
    Ns(u64),
}

/// At whose pace requests are begun.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Pace {
    /// The target's: the next request begins when one has been answered.
    Closed,
    /// The clock's: requests begin at their times, whatever has been answered.
    Open {
        /// Requests a second of each worker, above 0.
        rate_iops: f64,
        /// How the times lie.
        arrivals: Arrival,
    },
}

/// How the times of an open loop lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrival {
    /// Evenly.
    Fixed,
    /// As of many users who do not know of each other: gaps are exponential.
    Poisson,
}

/// A job.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Which operations, and where.
    pub pattern: Pattern,
    /// Bytes of a request; of a storm, of the longest. A multiple of 512, from 512 to 16 MiB.
    pub bs: u32,
    /// Requests in flight of each worker, 1 to 4096.
    pub iodepth: u32,
    /// Of a closed loop, how many are queued at most before the kernel is told, from 1 on.
    pub iodepth_batch_submit: u32,
    /// Workers, each a thread, 1 to 1024.
    pub numjobs: u16,
    /// Processors; worker `j` stays on the one at `j` modulo their number. None: the scheduler decides.
    pub cpus_allowed: Vec<u32>,
    /// The first byte that is touched, a multiple of the block size.
    pub offset: u64,
    /// How many bytes may be touched.
    pub size: u64,
    /// Of a mix, how many requests of 100 are reads.
    pub rwmixread: u8,
    /// When it ends.
    pub until: Until,
    /// What passes before anything is counted, in nanoseconds.
    pub ramp_ns: u64,
    /// A flush after so many writes; 0: none.
    pub fsync: u32,
    /// Every so many-th write is durable when acknowledged; 0: none.
    pub fua: u32,
    /// At whose pace.
    pub pace: Pace,
    /// Where draws begin.
    pub seed: u64,
    /// Whether what is written can be told when it is read, and reads are checked.
    pub verify: bool,
    /// Whether a failed request does not end the job.
    pub continue_on_error: bool,
}

/// The longest request, in bytes.
const BS_MAX: u32 = 16 << 20;
/// Units that one worker keeps books of, 18 bytes of each that is touched.
const VERIFIED_MAX: u64 = 1 << 28;

impl Job {
    /// 4 KiB reads anywhere in `size` bytes, one at a time, `ios` of them.
    pub fn new(pattern: Pattern, size: u64, ios: u64) -> Job {
        Job {
            pattern,
            bs: 4096,
            iodepth: 1,
            iodepth_batch_submit: 8,
            numjobs: 1,
            cpus_allowed: Vec::new(),
            offset: 0,
            size,
            rwmixread: 50,
            until: Until::Ios(ios),
            ramp_ns: 0,
            fsync: 0,
            fua: 0,
            pace: Pace::Closed,
            seed: 0,
            verify: false,
            continue_on_error: false,
        }
    }

    /// Bytes of the unit that verification and storms count in: 4 KiB where it divides the block size,
    /// else the block size.
    pub fn unit(&self) -> u32 {
        if self.bs.is_multiple_of(4096) { 4096 } else { self.bs }
    }

    /// What of the range is worker `j`'s. All share the whole, but with verification each has an equal
    /// part of its own: nobody could say who wrote last.
    pub fn part(&self, worker: u16) -> (u64, u64) {
        if !self.verify {
            return (self.offset, self.size / u64::from(self.unit()) * u64::from(self.unit()));
        }
        let bs = u64::from(self.bs);
        let each = self.size / u64::from(self.numjobs) / bs * bs;
        (self.offset + u64::from(worker) * each, each)
    }

    /// Whether it makes sense.
    ///
    /// # Errors
    ///
    /// A value out of its range, or two that exclude each other.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |what: String| Err(Error::job(what));
        if !(512..=BS_MAX).contains(&self.bs) || !self.bs.is_multiple_of(512) {
            return wrong(format!("bs {}: a multiple of 512 from 512 to 16M is needed", self.bs));
        }
        if !(1..=4096).contains(&self.iodepth) {
            return wrong(format!("iodepth {}: 1 to 4096 are possible", self.iodepth));
        }
        if self.iodepth_batch_submit == 0 {
            return wrong("iodepth_batch_submit 0: at least 1 is needed".to_owned());
        }
        if !(1..=1024).contains(&self.numjobs) {
            return wrong(format!("numjobs {}: 1 to 1024 are possible", self.numjobs));
        }
        if self.rwmixread > 100 {
            return wrong(format!("rwmixread {}: it is of 100", self.rwmixread));
        }
        if !self.offset.is_multiple_of(u64::from(self.unit())) {
            let unit = self.unit();
            return wrong(format!("offset {}: it must be a multiple of {unit}", self.offset));
        }
        if self.offset.checked_add(self.size).is_none() {
            return wrong("offset and size leave 64 bits".to_owned());
        }
        if self.part(0).1 < u64::from(self.bs) {
            let size = self.size;
            return wrong(format!("size {size}: no request of {} fits for each job", self.bs));
        }
        if self.verify && self.part(0).1 / u64::from(self.unit()) > VERIFIED_MAX {
            let most = VERIFIED_MAX * u64::from(self.unit());
            let what = "bytes of a job can be verified: name a smaller size";
            return wrong(format!("size {}: at most {most} {what}", self.size));
        }
        match self.pace {
            Pace::Open { rate_iops, .. } if !(rate_iops > 0.0 && rate_iops <= 1e9) => {
                wrong(format!("rate_iops {rate_iops}: above 0 and up to 10^9 is needed"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_told() {
        let good = Job::new(Pattern::Randread, 1 << 20, 1);
        assert!(good.check().is_ok());
        type Spoil = fn(&mut Job);
        let bad: [(&str, Spoil); 10] = [
            ("iodepth_batch", |job| job.iodepth_batch_submit = 0),
            ("bs", |job| job.bs = 1000),
            ("bs", |job| job.bs = 32 << 20),
            ("iodepth", |job| job.iodepth = 0),
            ("numjobs", |job| job.numjobs = 0),
            ("rwmixread", |job| job.rwmixread = 101),
            ("offset", |job| job.offset = 512),
            ("size", |job| job.size = 4095),
            ("64 bits", |job| job.size = u64::MAX - 5),
            ("rate_iops", |job| {
                job.pace = Pace::Open { rate_iops: f64::NAN, arrivals: Arrival::Fixed };
            }),
        ];
        for (word, spoil) in bad {
            let mut job = good.clone();
            job.offset = 4096;
            spoil(&mut job);
            let told = job.check().unwrap_err().to_string();
            assert!(told.contains(word), "{word}: {told}");
        }
    }

    #[test]
    fn what_is_verified_has_a_limit() {
        let mut job = Job::new(Pattern::Randrw, 2 << 40, 1);
        assert!(job.check().is_ok());
        job.verify = true;
        let told = job.check().unwrap_err().to_string();
        assert!(told.contains("at most 1099511627776 bytes"), "{told}");
        job.numjobs = 2;
        assert!(job.check().is_ok(), "each has half of it");
    }

    #[test]
    fn with_verification_each_worker_has_a_part_of_its_own() {
        let mut job = Job::new(Pattern::Randrw, 100 * 4096, 1);
        job.numjobs = 3;
        assert_eq!(job.part(2), (0, 100 * 4096));
        job.verify = true;
        assert_eq!(job.part(0), (0, 33 * 4096));
        assert_eq!(job.part(2), (66 * 4096, 33 * 4096));
    }

    #[test]
    fn the_unit_is_a_page_where_it_can_be() {
        let mut job = Job::new(Pattern::Write, 1 << 20, 1);
        for (bs, unit) in [(4096, 4096), (131_072, 4096), (512, 512), (5120, 5120)] {
            job.bs = bs;
            assert_eq!(job.unit(), unit);
        }
    }
}
