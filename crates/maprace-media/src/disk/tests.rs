//! The whole medium: bytes, flushes, errors and what is remembered.

use super::*;
use crate::durability::Fate;
use crate::store::Memory;

fn disk(text: &str, history: History) -> Disk<Memory> {
    let profile = Profile::parse("test", &format!("name = \"test\"\n{text}")).unwrap();
    Disk::new(&profile, 1, Keying::ByNumber, history, Memory::new(1 << 20))
}

const CACHE: &str = "[write]\nlat_ns.rand = 10\n[write.buffer]\nbytes = 1000000\ndrain_mb_s = 1000\n[flush]\n\
                     volatile = true\nns = 500\nfua_native = true\n";

fn fates(disk: &Disk<Memory>, at_ns: u64) -> Vec<Fate> {
    disk.log().records().map(|(_, record)| disk.log().fate(record, at_ns)).collect()
}

#[test]
fn what_is_written_is_read_and_what_is_cleared_is_zero() {
    let mut disk = disk("", History::Off);
    disk.write(0, Kind::Write, 100, b"hello").unwrap();
    let mut bytes = [0; 7];
    disk.read(0, 99, &mut bytes).unwrap();
    assert_eq!(&bytes, b"\0hello\0");
    disk.clear(0, Kind::Zero, 100, 1).unwrap();
    disk.clear(0, Kind::Discard, 104, 1).unwrap();
    disk.read(0, 99, &mut bytes).unwrap();
    assert_eq!(&bytes, b"\0\0ell\0\0");
    assert_eq!(disk.log().records().count(), 0, "nothing was to be remembered");
    assert!(matches!(disk.write(0, Kind::Write, 1 << 20, b"x"), Err(DiskError::Store(_))));
    assert!(matches!(disk.clear(0, Kind::Discard, 0, 1 << 21), Err(DiskError::Store(_))));
    assert!(
        disk.write(0, Kind::Discard, 0, b"x").is_err() && disk.clear(0, Kind::Write, 0, 1).is_err()
    );
}

#[test]
fn a_flush_makes_sure_of_what_was_complete_when_it_began() {
    let mut disk = disk(CACHE, History::Bytes);
    let first = disk.write(0, Kind::Write, 0, &[1; 4096]).unwrap();
    let flushed = disk.flush(first.done_ns).unwrap().done_ns;
    // In flight when the flush began, and complete before it ends: not covered.
    let late = disk.write(first.done_ns, Kind::Write, 0, &[2; 4096]).unwrap();
    assert!(late.done_ns < flushed);
    let through = disk.write(flushed, Kind::WriteThrough, 8192, &[3; 512]).unwrap();
    let (open, sure) = (Fate::Uncertain, Fate::Certain);
    assert_eq!(fates(&disk, flushed - 1), [open, open, Fate::Absent]);
    assert_eq!(fates(&disk, through.done_ns), [sure, open, sure]);
    let bytes: Vec<Option<u8>> = disk
        .log()
        .records()
        .map(|(_, record)| record.payload.as_ref().and_then(|bytes| bytes.first().copied()))
        .collect();
    assert_eq!(bytes, [Some(1), Some(2), Some(3)]);
    let settled = disk.log_mut().settle(through.done_ns);
    assert_eq!(settled.len(), 2);
    assert_eq!(disk.log().records().count(), 1, "the uncertain one stays");
}

#[test]
fn a_request_that_fails_changes_nothing_and_takes_its_time() {
    let bad = "[[fault]]\nop = \"read\"\nfrom = 4096\nbytes = 512\nlasts = \"until-written\"\n\
               [[fault]]\nop = \"write\"\nfrom = 65536\nbytes = 1\n[[fault]]\nop = \"flush\"\n\
               [write]\nlat_ns.rand = 10\n[read]\nlat_ns.rand = 20\n";
    let mut disk = disk(bad, History::Times);
    let mut bytes = [9; 8192];
    let error = disk.read(5, 0, &mut bytes).unwrap_err();
    let DiskError::Medium { error: MediumError { pos: 4096 }, served } = error else {
        panic!("{error}")
    };
    assert_eq!(served.done_ns, 25);
    disk.write(5, Kind::Write, 4096, &[1; 512]).unwrap();
    disk.read(5, 0, &mut bytes).unwrap();
    assert_eq!(
        disk.write(5, Kind::Write, 65_000, &[1; 1000]).unwrap_err().to_string(),
        "medium error at byte 65536"
    );
    let mut kept = [9; 1];
    disk.read(5, 65_000, &mut kept).unwrap();
    assert_eq!(kept, [0], "nothing of it is there");
    assert!(disk.flush(5).is_err());
    assert_eq!(disk.log().records().count(), 1, "what failed is not in the log");
}
