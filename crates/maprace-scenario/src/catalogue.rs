//! The built-in scenarios: files like a user's own, inside the binary.
//!
//! What each of them expects is what the kernel sources say, written down before it was run: a run
//! that differs is a finding, not a reason to edit the file. To add one: write the file, then name it
//! in the list below.

use crate::error::{Error, ErrorKind};
use crate::format::Scenario;
use crate::vocabulary::Vocabulary;
use std::sync::LazyLock;

/// A built-in scenario.
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
            $(Entry { name: $name, text: include_str!(concat!("../catalogue/", $name, ".toml")) }),+
        ];
    };
}

entries! {
    "mkwrite-fallocate"
    "mkwrite-fallocate-punched"
    "mkwrite-fallocate-cold"
    "write-mkwrite"
    "write-mkwrite-punched"
    "write-mkwrite-neighbours"
    "read-write-hole"
    "read-punch"
    "write-write"
    "write-fallocate"
    "write-punch"
    "write-truncate"
    "mkwrite-punch"
    "mkwrite-truncate"
    "mkwrite-collapse"
    "mkwrite-insert"
    "mkwrite-zero-range"
    "mkwrite-zero-range-unaligned"
    "stale-map"
    "writeback-mkwrite"
    "writeback-fallocate"
    "writeback-stale-map"
    "writeback-collapse"
    "writeback-truncate"
    "fiemap-collapse"
    "short-write-mkwrite"
    "iomap-f-new"
    "zero-dirty-unwritten"
    "zero-range-enospc"
    "dio-write"
    "dio-mkwrite"
    "dio-split-shrinker"
    "shrink-es-mkwrite"
    "fallocate-part-delayed"
    "bigalloc-shared-cluster"
    "leak-until-enospc"
    "lock-order"
}

static PARSED: LazyLock<Vec<Scenario>> = LazyLock::new(|| {
    let names = Vocabulary::builtin();
    let parse = |entry: &Entry| {
        Scenario::parse(entry.name, entry.text, &names)
            .expect("a test parses every built-in scenario")
    };
    ENTRIES.iter().map(parse).collect()
});

/// Every built-in scenario, in the order in which lists show them.
pub fn all() -> &'static [Entry] {
    ENTRIES
}

/// The built-in scenario of that name, parsed.
///
/// # Errors
///
/// When there is none: the names there are, and the one that may have been meant.
pub fn find(name: &str) -> Result<&'static Scenario, Error> {
    PARSED.iter().find(|scenario| scenario.name == name).ok_or_else(|| {
        let known = ENTRIES.iter().map(|entry| entry.name.to_owned()).collect();
        Error::new("scenarios", None, ErrorKind::NoBuiltIn { typed: name.to_owned(), known })
    })
}

/// The text of the built-in scenario of that name; [`find`] says what is wrong with a name.
pub fn text(name: &str) -> Option<&'static str> {
    ENTRIES.iter().find(|entry| entry.name == name).map(|entry| entry.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::format::ExpectedVerdict;
    use maprace_fs::{Order, protocol};

    #[test]
    fn every_file_parses_and_says_what_it_is() {
        for entry in all() {
            let Entry { name, text } = *entry;
            let scenario = find(name).unwrap();
            assert_eq!(scenario.name, name);
            assert!(scenario.title.contains(" against "), "{name} has no title");
            assert!(!scenario.source.is_empty(), "{name} has no source");
            assert!(!scenario.source.contains(".md"), "{name} cites a file of ours");
            assert!(text.starts_with("# ") && text.ends_with('\n') && text.is_ascii(), "{name}");
            assert_eq!(super::text(name), Some(text));
        }
    }

    #[test]
    fn what_a_store_through_a_mapping_meets_is_faulted_in_before() {
        for scenario in PARSED.iter() {
            let block = scenario.fs.block;
            let is_there = |lblk| scenario.file.prefault.iter().any(|range| range.contains(lblk));
            let ops = || scenario.tasks.iter().flat_map(|task| &task.ops);
            for op in ops().filter(|op| op.kind.name() == "mmap_write") {
                let range = op.blocks(block).expect("every store says where");
                assert!((range.start..range.end).all(is_there), "{}: {op}", scenario.name);
            }
            let starts = |name: &str| ops().any(|op| op.kind.name() == name);
            let none = scenario.file.prefault.is_empty();
            assert!(none || !(starts("read") || starts("reclaim")), "{}", scenario.name);
            assert_eq!(block, 4096);
        }
    }

    /// One letter for each preset, oldest first: damaged, safe or nothing expected.
    fn row(name: &str, order: Order, knobs: &[(&str, &str)]) -> String {
        let letter = |preset: &protocol::Protocol| {
            let config = Config::ext4(preset.name, order);
            let turn = |config: Config, (knob, value): &(&str, &str)| config.with(knob, value);
            let config = knobs.iter().fold(config, turn);
            match find(name).unwrap().expected(&config.names()).map(|expect| expect.verdict) {
                Some(ExpectedVerdict::Damaged) => 'D',
                Some(ExpectedVerdict::Safe) => 's',
                None => '-',
            }
        };
        protocol::PRESETS.iter().map(letter).collect()
    }

    #[test]
    fn every_file_expects_what_the_kernel_sources_say_of_every_preset_and_order() {
        let table = [
            ("mkwrite-fallocate", "DDsss", "DDsss"),
            ("mkwrite-fallocate-punched", "DDsss", "DDsss"),
            ("mkwrite-fallocate-cold", "DDsss", "DDsss"),
            ("write-mkwrite", "sssss", "DDsss"),
            ("write-mkwrite-punched", "sssss", "DDsss"),
            ("write-mkwrite-neighbours", "Dssss", "Dssss"),
            ("read-write-hole", "Dssss", "Dssss"),
            ("read-punch", "Dssss", "Dssss"),
            ("write-write", "sssss", "sssss"),
            ("write-fallocate", "sssss", "sssss"),
            ("write-punch", "sssss", "sssss"),
            ("write-truncate", "sssss", "sssss"),
            ("mkwrite-punch", "sssss", "sssss"),
            ("mkwrite-truncate", "sssss", "sssss"),
            ("mkwrite-collapse", "sssss", "sssss"),
            ("mkwrite-insert", "sssss", "sssss"),
            ("mkwrite-zero-range", "sssss", "sssss"),
            ("mkwrite-zero-range-unaligned", "DDsss", "DDsss"),
            ("stale-map", "sssss", "sssss"),
            ("writeback-mkwrite", "sssss", "sssss"),
            ("writeback-fallocate", "sssss", "sssss"),
            ("writeback-stale-map", "sssss", "sssss"),
            ("writeback-collapse", "DDDDD", "DDDDD"),
            ("writeback-truncate", "DDDDD", "DDDDD"),
            ("fiemap-collapse", "DDDDD", "DDDDD"),
            ("short-write-mkwrite", "sssss", "DDsss"),
            ("iomap-f-new", "-----", "sssss"),
            ("zero-dirty-unwritten", "sssss", "sssss"),
            ("zero-range-enospc", "DDDss", "DDDss"),
            ("dio-write", "sssss", "sssss"),
            ("dio-mkwrite", "DDDDD", "DDDDD"),
            ("dio-split-shrinker", "DDDDD", "DDDDD"),
            ("shrink-es-mkwrite", "sssss", "sssss"),
            ("fallocate-part-delayed", "DDsss", "DDsss"),
            ("bigalloc-shared-cluster", "Dssss", "Dssss"),
            ("leak-until-enospc", "DDsss", "DDsss"),
            ("lock-order", "sssss", "sssss"),
        ];
        let names: Vec<&str> = all().iter().map(|entry| entry.name).collect();
        assert_eq!(table.map(|(name, _, _)| name), names[..]);
        for (name, buffer_head, iomap) in table {
            assert_eq!(row(name, Order::BufferHead, &[]), buffer_head, "{name} buffer_head");
            assert_eq!(row(name, Order::Iomap, &[]), iomap, "{name} iomap");
        }
    }

    #[test]
    fn a_turned_knob_has_an_expectation_of_its_own_or_none() {
        for cookie in ["off", "late"] {
            let cookie = [("cookie", cookie)];
            assert_eq!(row("stale-map", Order::Iomap, &cookie), "DDDDD");
            assert_eq!(row("stale-map", Order::BufferHead, &cookie), "sssss");
            assert_eq!(row("write-mkwrite", Order::Iomap, &cookie), "-----");
        }
        let recheck_off = [("recheck", "off")];
        assert_eq!(row("mkwrite-fallocate", Order::Iomap, &recheck_off), "DD-D-");
        let accounting = [("accounting", "v6.12")];
        assert_eq!(row("mkwrite-fallocate", Order::Iomap, &accounting), "---ss");
    }

    #[test]
    fn a_wrong_name_gets_the_right_ones() {
        let error = find("mkwrite-falocate").unwrap_err().to_string();
        let names: Vec<&str> = all().iter().map(|entry| entry.name).collect();
        assert_eq!(
            error,
            format!(
                "scenarios: no built-in scenario `mkwrite-falocate`: known are {}; did you mean \
                 `mkwrite-fallocate`? (a name with / or .toml is a file)",
                names.join(", ")
            )
        );
        assert_eq!(text("stale"), None);
    }
}
