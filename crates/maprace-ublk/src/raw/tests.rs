//! Raw contents: what was written is there, what was not takes no room, what was discarded gives it back.

use super::*;
use crate::testing::{Suite, integrity};
use crate::{Backend, Op};
use std::sync::Arc;
use tempfile::TempDir;

/// A directory on a tmpfs if there is one.
fn dir() -> TempDir {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() { TempDir::new_in(shm) } else { TempDir::new() }.unwrap()
}

/// Files with a name each.
struct Files {
    dir: TempDir,
    made: std::cell::Cell<u64>,
}

impl Files {
    fn new() -> Files {
        Files { dir: dir(), made: std::cell::Cell::new(0) }
    }

    fn next(&self) -> PathBuf {
        self.made.set(self.made.get() + 1);
        self.dir.path().join(self.made.get().to_string())
    }
}

fn write<C: Content>(content: &C, pos: u64, bytes: &[u8]) {
    let io = Io { op: Op::Write { fua: false }, pos, len: bytes.len() as u64 };
    assert_eq!(done(content, io, &mut bytes.to_vec()), Ok(()));
}

fn read<C: Content>(content: &C, pos: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0xEE; len];
    let io = Io { op: Op::Read, pos, len: len as u64 };
    assert_eq!(done(content, io, &mut bytes), Ok(()));
    bytes
}

fn discard<C: Content>(content: &C, pos: u64, len: u64) {
    assert_eq!(done(content, Io { op: Op::Discard, pos, len }, &mut []), Ok(()));
}

#[test]
fn memory_keeps_what_is_written() {
    let files = Files::new();
    integrity(|size| Arc::new(Memory::create(&files.next(), size).unwrap()));
}

#[test]
fn a_sparse_file_keeps_what_is_written() {
    let files = Files::new();
    let suite = Suite { cases: 16, ..Suite::default() };
    suite.run(|size| Arc::new(SparseFile::create(&files.next(), size).unwrap())).unwrap();
}

#[test]
fn a_terabyte_takes_what_is_written_and_gives_it_back() {
    const TIB: u64 = 1 << 40;
    let path = Files::new();
    let memory = Memory::create(&path.next(), TIB).unwrap();
    let page = [7; 4096];
    for i in 0..1_000_u64 {
        write(&memory, i * (TIB / 1_000) / 4096 * 4096, &page);
    }
    assert_eq!(read(&memory, TIB - 4096, 4096), [0; 4096]);
    let kept = memory.kept_bytes();
    assert!((4_096_000..4_505_600).contains(&kept), "{kept}");
    // By the longest requests that the kernel sends.
    for pos in (0..TIB).step_by(1 << 32) {
        discard(&memory, pos, (1 << 32) - 4096);
        discard(&memory, pos + (1 << 32) - 4096, 4096);
    }
    let left = memory.kept_bytes();
    assert!(left * 20 <= kept, "{left} of {kept}");
    assert_eq!(read(&memory, 0, 4096), [0; 4096]);
}

#[test]
fn queues_that_share_pages_do_not_lose_each_others_blocks() {
    const BLOCKS: u64 = 4096;
    let memory = Memory::create(&Files::new().next(), BLOCKS * 512).unwrap();
    // Each thread has every fourth block, so that each page has blocks of two rounds of all threads, and
    // discards half of what it wrote.
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let memory = &memory;
            scope.spawn(move || {
                for block in (u64::from(thread)..BLOCKS).step_by(4) {
                    write(memory, block * 512, &[thread + 1; 512]);
                    if block % 8 < 4 {
                        discard(memory, block * 512, 512);
                    }
                }
            });
        }
    });
    for block in 0..BLOCKS {
        let thread = u8::try_from(block % 4).unwrap();
        let want = if block % 8 < 4 { 0 } else { thread + 1 };
        assert_eq!(read(&memory, block * 512, 512), [want; 512], "{block}");
    }
}

#[test]
fn reading_makes_no_pages() {
    let memory = Memory::create(&Files::new().next(), 1 << 30).unwrap();
    for pos in (0..1 << 30).step_by(1 << 20) {
        assert_eq!(read(&memory, pos, 8192), [0; 8192]);
    }
    assert_eq!(memory.kept_bytes(), 0);
}

#[test]
fn memory_outlives_who_served_it() {
    let files = Files::new();
    let path = files.next();
    // Not whole pages.
    let size = (1 << 20) + 512;
    let memory = Memory::create(&path, size).unwrap();
    write(&memory, 5_000, &[1; 100]);
    write(&memory, size - 512, &[2; 512]);
    drop(memory);
    let memory = Memory::open(&path, size).unwrap();
    assert_eq!(read(&memory, 5_000, 100), [1; 100]);
    assert_eq!(read(&memory, size - 512, 512), [2; 512]);
    assert_eq!(read(&memory, 1 << 19, 512), [0; 512]);
    let pages: Vec<u64> = (0..257).filter(|page| memory.pages.has(*page)).collect();
    assert_eq!(pages, [1, 256]);
    discard(&memory, 0, size);
    assert_eq!(memory.kept_bytes(), 0);
    let wrong = Memory::open(&path, 1 << 21).unwrap_err().to_string();
    assert!(wrong.ends_with("give the device that size, or another file"), "{wrong}");
}

#[test]
fn no_symlink_is_followed_and_nothing_is_overwritten() {
    let files = Files::new();
    let (path, link) = (files.next(), files.next());
    SparseFile::create(&path, 4096).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(Memory::open(&path, 4096).is_ok() && SparseFile::open(&path, 4096).is_ok());
    for error in [
        Memory::open(&link, 4096).unwrap_err(),
        SparseFile::open(&link, 4096).unwrap_err(),
        SparseFile::create(&path, 4096).unwrap_err(),
        SparseFile::create(&link, 4096).unwrap_err(),
        Memory::open(files.dir.path(), 4096).unwrap_err(),
    ] {
        assert!(matches!(error, Error::Io { .. }), "{error}");
        assert_eq!(error.to_string().lines().count(), 1);
    }
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_range_beyond_the_end_is_refused() {
    let memory = Memory::create(&Files::new().next(), 4096 + 512).unwrap();
    let ask = |op, pos, len| done(&memory, Io { op, pos, len }, &mut vec![0; 512]);
    assert_eq!(ask(Op::Read, 4096, 512), Ok(()));
    // In the file's last page, and not in the device.
    assert_eq!(ask(Op::Write { fua: false }, 4608, 512), Err(EINVAL));
    assert_eq!(ask(Op::Discard, u64::MAX, 2), Err(EINVAL));
    assert_eq!(ask(Op::Discard, 4096, 513), Err(EINVAL));
}

#[test]
fn an_error_of_the_machine_is_its_number() {
    assert_eq!(errno(&io::Error::from_raw_os_error(28)), 28);
    assert_eq!(errno(&io::Error::other("no number")), EIO);
    // A file that somebody has cut.
    let files = Files::new();
    let path = files.next();
    let content = SparseFile::create(&path, 8192).unwrap();
    std::fs::write(&path, "").unwrap();
    let io = Io { op: Op::Read, pos: 0, len: 512 };
    assert_eq!(done(&content, io, &mut [0; 512]), Err(EIO));
}

#[test]
fn nothing_is_kept_of_what_is_written_and_no_byte_is_moved() {
    let null = Null::new(1 << 50);
    write(&null, 0, &[1; 512]);
    assert_eq!(null.kept_bytes(), 0);
    assert!(!null.moves_bytes());
}

#[test]
fn what_is_no_memory_is_remarked() {
    let remarks = |dir: &Path| {
        let memory = Memory::create(&dir.join("a"), 4096).unwrap();
        memory.remarks().len()
    };
    let is_tmpfs = |dir: &Path| rustix::fs::statfs(dir).unwrap().f_type == 0x0102_1994;
    for dir in [dir(), TempDir::new().unwrap()] {
        assert_eq!(remarks(dir.path()), usize::from(!is_tmpfs(dir.path())));
    }
}
