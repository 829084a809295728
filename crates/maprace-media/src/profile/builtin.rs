//! The built-in profiles: files like a user's own, inside the binary. Persistent memory comes first.
//!
//! Each figure carries its source in the file. To add one: write the file, then name it here.

/// A built-in profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// The text of its file, to be shown or copied.
    pub text: &'static str,
}

macro_rules! entries {
    ($($name:literal)+) => {
        /// In the order in which lists show them.
        const ENTRIES: &[Entry] = &[
            $(Entry { name: $name, text: include_str!(concat!("../../profiles/", $name, ".toml")) }),+
        ];
    };
}

entries! {
    "pmem-dcpmm100-6x"
    "pmem-dcpmm100-1x"
    "pmem-btt"
    "dram"
    "cxl-dram"
    "optane-ssd-p4800x"
    "optane-ssd-p5800x"
    "znand"
    "nvme-mlc-client"
    "nvme-tlc-dc"
    "nvme-tlc-client"
    "sata-tlc-dc"
    "hdd-7200"
    "null"
}

/// Every built-in profile, in the order in which lists show them.
pub fn all() -> &'static [Entry] {
    ENTRIES
}
