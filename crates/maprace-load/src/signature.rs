//! What tells that somebody keeps something on a device: magic numbers, one table. Not a way to find out
//! what exactly it is.

use std::os::unix::fs::FileExt;

/// Where a magic number stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum At {
    /// So many bytes from the start.
    Start(u64),
    /// So many bytes before the end.
    End(u64),
}

/// A magic number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signature {
    /// What it is a sign of.
    pub name: &'static str,
    /// Where it stands.
    pub at: At,
    /// The bytes.
    pub magic: &'static [u8],
}

const fn start(name: &'static str, at: u64, magic: &'static [u8]) -> Signature {
    Signature { name, at: At::Start(at), magic }
}

const fn end(name: &'static str, before_end: u64, magic: &'static [u8]) -> Signature {
    Signature { name, at: At::End(before_end), magic }
}

/// The magic of md, as it lies on a little-endian disk.
const MD: &[u8] = &[0xfc, 0x4e, 0x2b, 0xa9];
/// That of bcache and of bcachefs.
const BCACHE: &[u8] = &[0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca];

/// All that are known. What is most telling comes first: a partition table is named as such although its
/// boot sector looks like one of MBR too.
pub const SIGNATURES: &[Signature] = &[
    start("GPT", 512, b"EFI PART"),
    start("GPT (4K sectors)", 4096, b"EFI PART"),
    end("GPT (backup)", 512, b"EFI PART"),
    end("GPT (backup, 4K sectors)", 4096, b"EFI PART"),
    start("ext2, ext3 or ext4", 1080, &[0x53, 0xef]),
    start("XFS", 0, b"XFSB"),
    start("btrfs", 65_600, b"_BHRfS_M"),
    start("F2FS", 1024, &[0x10, 0x20, 0xf5, 0xf2]),
    start("bcache or bcachefs", 4120, BCACHE),
    start("EROFS", 1024, &[0xe2, 0xe1, 0xf5, 0xe0]),
    start("squashfs", 0, b"hsqs"),
    start("NTFS", 3, b"NTFS    "),
    start("exFAT", 3, b"EXFAT   "),
    start("FAT32", 82, b"FAT32   "),
    start("FAT", 54, b"FAT1"),
    start("ISO 9660", 32_769, b"CD001"),
    start("UDF", 32_769, b"BEA01"),
    start("JFS", 32_768, b"JFS1"),
    start("ReiserFS", 65_588, b"ReIsEr"),
    start("NILFS2", 1030, &[0x34, 0x34]),
    start("ZFS", 131_072, &[0x0c, 0xb1, 0xba, 0x00]),
    start("ZFS (big-endian)", 131_072, &[0, 0, 0, 0, 0x00, 0xba, 0xb1, 0x0c]),
    start("LUKS", 0, b"LUKS\xba\xbe"),
    start("LVM", 512, b"LABELONE"),
    start("LVM", 0, b"LABELONE"),
    start("LVM", 1024, b"LABELONE"),
    start("LVM", 1536, b"LABELONE"),
    start("swap", 4086, b"SWAPSPACE2"),
    start("swap (64K pages)", 65_526, b"SWAPSPACE2"),
    start("swap, hibernated", 4086, b"S1SUSPEND"),
    start("md RAID 1.1", 0, MD),
    start("md RAID 1.2", 4096, MD),
    end("md RAID 1.0", 8192, MD),
    end("md RAID 0.90", 65_536, MD),
    start("Ceph BlueStore", 0, b"bluestore block device"),
    start("VDO", 0, b"dmvdo001"),
    start("qcow2", 0, b"QFI\xfb"),
    start("MBR or a boot sector", 510, &[0x55, 0xaa]),
];

/// What is found on `file` of `size` bytes, in the order of the table. What cannot be read is not found.
pub fn known(file: &impl FileExt, size: u64) -> Vec<&'static str> {
    let stands = |signature: &&Signature| {
        let len = signature.magic.len() as u64;
        let at = match signature.at {
            At::Start(at) => Some(at),
            At::End(before) => size.checked_sub(before),
        };
        let at = at.filter(|at| at.checked_add(len).is_some_and(|end| end <= size));
        let mut found = vec![0; signature.magic.len()];
        at.is_some_and(|at| file.read_exact_at(&mut found, at).is_ok()) && found == signature.magic
    };
    SIGNATURES.iter().filter(stands).map(|signature| signature.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_where_it_stands_and_nothing_on_an_empty_disk() {
        let size = 1 << 20;
        for signature in SIGNATURES {
            let file = tempfile::tempfile().unwrap();
            file.set_len(size).unwrap();
            assert!(known(&file, size).is_empty());
            let at = match signature.at {
                At::Start(at) => at,
                At::End(before) => size - before,
            };
            file.write_all_at(signature.magic, at).unwrap();
            assert!(known(&file, size).contains(&signature.name), "{}", signature.name);
        }
    }

    #[test]
    fn a_tiny_file_has_no_end_to_look_at() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"XFS", 0).unwrap();
        assert!(known(&file, 3).is_empty());
    }
}
