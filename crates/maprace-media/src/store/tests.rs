//! Both stores against a plain vector, and what a terabyte costs.

use super::*;
use proptest::prelude::*;

const SIZE: u64 = 40_000;

#[derive(Clone, Debug)]
enum Op {
    Write(u64, Vec<u8>),
    Discard(u64, u64),
    Read(u64, u64),
}

fn range() -> impl Strategy<Value = (u64, u64)> {
    // Ends beyond the medium are part of it.
    (0..SIZE + 100, prop_oneof![0_u64..600, 0_u64..20_000])
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (range(), any::<u8>()).prop_map(|((pos, len), byte)| {
            Op::Write(pos, (0..len).map(|i| byte.wrapping_add(i.to_le_bytes()[0])).collect())
        }),
        range().prop_map(|(pos, len)| Op::Discard(pos, len)),
        range().prop_map(|(pos, len)| Op::Read(pos, len)),
    ]
}

fn index(value: u64) -> usize {
    crate::units::index(value)
}

fn compare(store: &mut dyn Store, ops: &[Op]) -> Result<(), TestCaseError> {
    let mut plain = vec![0_u8; index(SIZE)];
    for op in ops {
        let (pos, len) = match op {
            Op::Write(pos, bytes) => (*pos, bytes.len() as u64),
            Op::Discard(pos, len) | Op::Read(pos, len) => (*pos, *len),
        };
        let inside = pos + len <= SIZE;
        let done = match op {
            Op::Write(pos, bytes) => store.write(*pos, bytes),
            Op::Discard(pos, len) => store.discard(*pos, *len),
            Op::Read(pos, len) => store.read(*pos, &mut vec![0; index(*len)]),
        };
        prop_assert_eq!(done.is_ok(), inside, "{:?}", op);
        if inside {
            let part = &mut plain[index(pos)..index(pos + len)];
            match op {
                Op::Write(_, bytes) => part.copy_from_slice(bytes),
                Op::Discard(..) => part.fill(0),
                Op::Read(pos, _) => {
                    let mut found = vec![0xaa; part.len()];
                    store.read(*pos, &mut found).expect("it was just read");
                    prop_assert_eq!(&found[..], &part[..]);
                }
            }
        }
    }
    let mut all = vec![0xaa; index(SIZE)];
    store.read(0, &mut all).expect("the whole medium");
    prop_assert_eq!(all, plain);
    Ok(())
}

proptest! {
    #[test]
    fn memory_is_a_vector(ops in prop::collection::vec(op(), 1..40)) {
        compare(&mut Memory::new(SIZE), &ops)?;
    }

    #[test]
    fn a_file_is_a_vector(ops in prop::collection::vec(op(), 1..20)) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut file = SparseFile::create(&dir.path().join("medium"), SIZE).expect("a new file");
        compare(&mut file, &ops)?;
    }
}

#[test]
fn a_terabyte_costs_what_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("medium");
    let stores: [Box<dyn Store>; 2] =
        [Box::new(Memory::new(1 << 40)), Box::new(SparseFile::create(&path, 1 << 40).unwrap())];
    for mut store in stores {
        let before = store.kept().unwrap();
        store.write((1 << 40) - 4096, &[7; 4096]).unwrap();
        store.write(1 << 39, &[7; 100_000]).unwrap();
        let kept = store.kept().unwrap() - before;
        // Whole blocks, and whatever a file system needs to find them.
        assert!((104_096..1_000_000).contains(&kept), "{store:?}: {kept}");
        store.discard(0, 1 << 40).unwrap();
        assert!(store.kept().unwrap() <= before + 100_000, "{store:?}: a discard gives back");
        let mut bytes = [1; 8192];
        store.read((1 << 40) - 8192, &mut bytes).unwrap();
        assert_eq!(bytes, [0; 8192]);
    }
}

#[test]
fn a_file_is_opened_again_and_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("medium");
    SparseFile::create(&path, 8192).unwrap().write(4000, b"there").unwrap();
    assert_eq!(SparseFile::create(&path, 1).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    let again = SparseFile::open(&path).unwrap();
    let mut bytes = [0; 5];
    again.read(4000, &mut bytes).unwrap();
    assert_eq!((&bytes, again.size()), (b"there", 8192));
    assert!(SparseFile::open(dir.path()).is_err(), "a directory is no medium");
}
