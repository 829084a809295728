//! The newc archive that a kernel unpacks as its first root.
//!
//! Only what an initramfs needs: directories and files, all owned by root. Parents are made
//! by themselves, paths are written in order, times are zero: same entries, same bytes. Archives can be
//! written one behind the other; the kernel lets later files win.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

/// What stands at one path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    /// A directory.
    Directory,
    /// A file with its bytes.
    Bytes {
        /// Whether it can be executed.
        executable: bool,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// A file of the host, read when the archive is written.
    Copy {
        /// Whether it can be executed.
        executable: bool,
        /// Where it lies on the host.
        from: PathBuf,
    },
}

/// An archive in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct Archive {
    /// By path, without a slash in front.
    entries: BTreeMap<String, Entry>,
}

impl Archive {
    /// Adds a directory.
    pub(crate) fn directory(&mut self, path: &str) {
        self.put(path, Entry::Directory);
    }

    /// Adds a text or any other bytes.
    pub(crate) fn bytes(&mut self, path: &str, executable: bool, bytes: impl Into<Vec<u8>>) {
        self.put(path, Entry::Bytes { executable, bytes: bytes.into() });
    }

    /// Adds a file of the host.
    pub(crate) fn copy(&mut self, path: &str, executable: bool, from: impl Into<PathBuf>) {
        self.put(path, Entry::Copy { executable, from: from.into() });
    }

    /// Whether there is anything at this path.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.entries.contains_key(path.trim_matches('/'))
    }

    /// Adds an entry and the directories above it; what was there is replaced.
    fn put(&mut self, path: &str, entry: Entry) {
        let path = path.trim_matches('/');
        for (at, _) in path.match_indices('/') {
            self.entries.entry(path[..at].to_owned()).or_insert(Entry::Directory);
        }
        self.entries.insert(path.to_owned(), entry);
    }

    /// Writes the archive with its trailer.
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        for (number, (path, entry)) in (1..).zip(&self.entries) {
            match entry {
                Entry::Directory => member(out, number, 0o040_755, path, &[])?,
                Entry::Bytes { executable, bytes } => {
                    member(out, number, mode(*executable), path, bytes)?;
                }
                Entry::Copy { executable, from } => {
                    let mut bytes = Vec::new();
                    let told = |error: io::Error| {
                        io::Error::new(error.kind(), format!("{}: {error}", from.display()))
                    };
                    File::open(from).map_err(told)?.read_to_end(&mut bytes).map_err(told)?;
                    member(out, number, mode(*executable), path, &bytes)?;
                }
            }
        }
        member(out, 0, 0, "TRAILER!!!", &[])
    }
}

/// The mode of a file.
fn mode(executable: bool) -> u32 {
    if executable { 0o100_755 } else { 0o100_644 }
}

/// Writes one member: header, name, bytes, each up to the next multiple of four.
fn member(
    out: &mut impl Write,
    number: u32,
    mode: u32,
    name: &str,
    bytes: &[u8],
) -> io::Result<()> {
    let too_large = |_| io::Error::other(format!("{name}: too large for an initramfs"));
    let size = u32::try_from(bytes.len()).map_err(too_large)?;
    let name_size = u32::try_from(name.len() + 1).map_err(too_large)?;
    // Inode, mode, uid, gid, links, mtime, size, device (2), special device (2), name, checksum.
    let fields = [number, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
    let mut header = "070701".to_owned();
    for field in fields {
        header += &format!("{field:08X}");
    }
    out.write_all(header.as_bytes())?;
    out.write_all(name.as_bytes())?;
    out.write_all(&[0])?;
    out.write_all(padding(header.len() + name.len() + 1))?;
    out.write_all(bytes)?;
    out.write_all(padding(bytes.len()))
}

/// The zeros behind `length` bytes, up to a multiple of four.
fn padding(length: usize) -> &'static [u8] {
    &[0_u8; 4][..length.next_multiple_of(4) - length]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(archive: &Archive) -> Vec<u8> {
        let mut bytes = Vec::new();
        archive.write(&mut bytes).unwrap();
        bytes
    }

    /// Reads an archive again, by the format's own words: path, mode, bytes.
    fn read(mut rest: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut members = Vec::new();
        loop {
            assert_eq!(&rest[..6], b"070701");
            let field = |index: usize| {
                let at = 6 + index * 8;
                u32::from_str_radix(std::str::from_utf8(&rest[at..at + 8]).unwrap(), 16).unwrap()
            };
            let (mode, size, name_size) = (field(1), field(6) as usize, field(11) as usize);
            let name = String::from_utf8(rest[110..110 + name_size - 1].to_vec()).unwrap();
            assert_eq!(rest[110 + name_size - 1], 0);
            if name == "TRAILER!!!" {
                return members;
            }
            let data = (110 + name_size).next_multiple_of(4);
            members.push((name, mode, rest[data..data + size].to_vec()));
            rest = &rest[(data + size).next_multiple_of(4)..];
        }
    }

    #[test]
    fn what_was_put_in_is_there_with_its_parents() {
        let mut archive = Archive::default();
        archive.bytes("/a/b/run", true, "hello");
        archive.bytes("a/data", false, vec![0, 1, 2]);
        archive.directory("out");
        let expected = [
            ("a", 0o040_755, &b""[..]),
            ("a/b", 0o040_755, b""),
            ("a/b/run", 0o100_755, b"hello"),
            ("a/data", 0o100_644, &[0, 1, 2]),
            ("out", 0o040_755, b""),
        ];
        let members = read(&written(&archive));
        let members: Vec<_> =
            members.iter().map(|(name, mode, bytes)| (name.as_str(), *mode, &bytes[..])).collect();
        assert_eq!(members, expected);
    }

    #[test]
    fn every_length_of_name_and_data_is_padded() {
        for name in 1..9 {
            for data in 0..9 {
                let mut archive = Archive::default();
                archive.bytes(&"n".repeat(name), false, vec![7; data]);
                let bytes = written(&archive);
                assert_eq!(bytes.len() % 4, 0);
                assert_eq!(read(&bytes)[0].2, vec![7; data]);
            }
        }
    }

    #[test]
    fn same_entries_same_bytes() {
        let (mut one, mut other) = (Archive::default(), Archive::default());
        one.bytes("a", false, "1");
        one.bytes("b", false, "2");
        other.bytes("b", false, "2");
        other.bytes("a", false, "0");
        other.bytes("a", false, "1");
        assert_eq!(written(&one), written(&other));
        assert!(one.has("/a") && !one.has("c"));
    }

    #[test]
    fn files_of_the_host_are_read_when_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let mut archive = Archive::default();
        archive.copy("bin/x", true, &path);
        let error = archive.write(&mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("x: "), "{error}");
        std::fs::write(&path, "content").unwrap();
        assert_eq!(read(&written(&archive))[1].2, b"content");
    }
}
