//! Acknowledged writes, written down before they count, for a check after a crash.
//!
//! A file of one line of JSON and then records of 32 bytes, appended in one write for each batch of
//! answers. A flush is recorded with how many of its worker's records stood in the file when it began:
//! those it made durable. What a crash leaves of a last record is passed over.

use crate::error::Error;
use crate::request::Op;
use bytes::{Buf, BufMut, BytesMut};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

/// Bytes of a record.
const RECORD: usize = 32;
/// What the first line says it is.
const FORMAT: &str = "maprace.load.acks/1";

/// The first line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AckHeader {
    /// What this file is.
    pub format: String,
    /// The target, as it was typed.
    pub target: String,
    /// The run's id, which its blocks carry.
    pub run: u64,
    /// Bytes of a block.
    pub unit: u32,
    /// Workers.
    pub workers: u16,
}

impl AckHeader {
    /// For a run.
    pub fn new(target: &str, run: u64, unit: u32, workers: u16) -> AckHeader {
        AckHeader { format: FORMAT.to_owned(), target: target.to_owned(), run, unit, workers }
    }
}

/// An acknowledgement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Acked {
    /// Who was answered.
    pub worker: u16,
    /// What was asked: not a read.
    pub op: Op,
    /// Whether it was durable when it was acknowledged.
    pub fua: bool,
    /// The first block; 0 of a flush.
    pub block: u64,
    /// How many blocks; 0 of a flush.
    pub units: u32,
    /// The number of the write; of a flush, how many records of its worker it covers.
    pub sequence: u64,
}

impl Acked {
    fn put(&self, into: &mut BytesMut) {
        let from = into.len();
        into.put_u16_le(self.worker);
        into.put_u8(u8::try_from(self.op.index()).unwrap_or(u8::MAX));
        into.put_u8(u8::from(self.fua));
        into.put_u32_le(self.units);
        into.put_u64_le(self.block);
        into.put_u64_le(self.sequence);
        into.put_u32_le(0);
        into.put_u32_le(crc32fast::hash(&into[from..from + RECORD - 4]));
    }

    fn get(mut record: &[u8]) -> Option<Acked> {
        let (said, found) = (crc32fast::hash(record.get(..RECORD - 4)?), record);
        let worker = record.get_u16_le();
        let (op, fua) = (record.get_u8(), record.get_u8() != 0);
        let (units, block) = (record.get_u32_le(), record.get_u64_le());
        let sequence = record.get_u64_le();
        let mut checksum = found.get(RECORD - 4..)?;
        let op = *Op::ALL.get(usize::from(op))?;
        let is_whole = checksum.get_u32_le() == said;
        is_whole.then_some(Acked { worker, op, fua, block, units, sequence })
    }
}

/// The file, as one worker writes it.
#[derive(Debug)]
pub struct AckLog {
    file: File,
    pending: BytesMut,
    /// Whether each batch is on its medium before it counts.
    syncs: bool,
    /// Records of this worker in the file.
    written: u64,
    /// Records of this worker that wait.
    waiting: u64,
}

impl AckLog {
    /// Makes the file, which must not exist.
    ///
    /// # Errors
    ///
    /// It exists, or cannot be written.
    pub fn create(path: &Path, header: &AckHeader) -> Result<(), Error> {
        let made = OpenOptions::new().write(true).create_new(true).open(path);
        let line = serde_json::to_string(header).unwrap_or_default() + "\n";
        made.and_then(|mut file| {
            file.write_all(line.as_bytes())?;
            file.sync_all()
        })
        .map_err(|cause| Error::system("the ack log cannot be made", cause).at(path))
    }

    /// Opens it for one worker. `syncs`: each batch is on its medium before it counts, which a power cut
    /// of this machine needs and a crash of the device does not.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn append_to(path: &Path, syncs: bool) -> Result<AckLog, Error> {
        let file = OpenOptions::new()
            .append(true)
            .open(path)
            .map_err(|cause| Error::system("the ack log cannot be opened", cause).at(path))?;
        Ok(AckLog {
            file,
            pending: BytesMut::with_capacity(4096 * RECORD),
            syncs,
            written: 0,
            waiting: 0,
        })
    }

    /// How many records of this worker stand in the file.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Adds to the batch.
    pub(crate) fn add(&mut self, acked: &Acked) {
        acked.put(&mut self.pending);
        self.waiting += 1;
    }

    /// Writes the batch.
    pub(crate) fn write(&mut self) -> std::io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.file.write_all(&self.pending)?;
        if self.syncs {
            self.file.sync_data()?;
        }
        self.pending.clear();
        self.written += self.waiting;
        self.waiting = 0;
        Ok(())
    }

    /// Reads such a file whole.
    ///
    /// # Errors
    ///
    /// It cannot be read, is none, or is damaged before its end.
    pub fn read(path: &Path) -> Result<(AckHeader, Vec<Acked>), Error> {
        let bytes = std::fs::read(path)
            .map_err(|cause| Error::system("the ack log cannot be read", cause).at(path))?;
        let none = || Error::format(path, "this is no ack log of `load run --ack-log`");
        let line = bytes.iter().position(|byte| *byte == b'\n').ok_or_else(none)?;
        let header: AckHeader = serde_json::from_slice(&bytes[..line]).map_err(|_| none())?;
        if header.format != FORMAT || header.unit == 0 {
            return Err(none());
        }
        let records: Vec<Option<Acked>> =
            bytes[line + 1..].chunks_exact(RECORD).map(Acked::get).collect();
        let good = records.iter().take_while(|record| record.is_some()).count();
        // A crash tears the last batch at most; damage with whole records behind it is something else.
        if records[good..].iter().any(Option::is_some) {
            let what = format!("record {good} is damaged and others follow it");
            return Err(Error::format(path, what));
        }
        Ok((header, records.into_iter().flatten().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(sequence: u64) -> Acked {
        Acked { worker: 1, op: Op::Write, fua: sequence == 2, block: 7, units: 2, sequence }
    }

    fn log(dir: &Path) -> std::path::PathBuf {
        let path = dir.join("acks");
        AckLog::create(&path, &AckHeader::new("t", 5, 4096, 2)).unwrap();
        let mut log = AckLog::append_to(&path, true).unwrap();
        (1..=3).for_each(|sequence| log.add(&write(sequence)));
        assert_eq!(log.written(), 0);
        log.write().unwrap();
        assert_eq!(log.written(), 3);
        path
    }

    #[test]
    fn what_is_written_is_read_and_a_torn_end_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = log(dir.path());
        let (header, records) = AckLog::read(&path).unwrap();
        assert_eq!((header.run, header.unit), (5, 4096));
        assert_eq!(records, [write(1), write(2), write(3)]);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(AckLog::read(&path).unwrap().1, [write(1), write(2)]);
    }

    #[test]
    fn damage_before_the_end_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = log(dir.path());
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.len() - 2 * RECORD - 5;
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let told = AckLog::read(&path).unwrap_err().to_string();
        assert!(told.contains("record 0 is damaged"), "{told}");
        std::fs::write(&path, "hello\n").unwrap();
        assert!(AckLog::read(&path).unwrap_err().to_string().contains("no ack log"));
        assert!(AckLog::create(&path, &AckHeader::new("t", 5, 4096, 2)).is_err(), "it exists");
    }
}
