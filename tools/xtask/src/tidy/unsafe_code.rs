//! Where `unsafe` may stand.
//!
//! The lint table denies it everywhere; a module can open it for itself. This rule says which
//! modules may, in one list, so that opening a new one is a change a reviewer sees.

use super::Finding;
use super::code::{code_only, has_word};
use crate::workspace::TextFile;

/// Files that may hold `unsafe`, each of which opens with the reason.
const ALLOWED: &[&str] = &[
    "crates/maprace-load/src/ring.rs",
    "crates/maprace-load/src/ring/discard.rs",
    "crates/maprace-load/src/ring/memory.rs",
    "crates/maprace-ublk/src/control/command.rs",
    "crates/maprace-ublk/src/libublk/memory.rs",
    "crates/maprace-ublk/src/libublk/queue.rs",
    "crates/maprace-ublk/src/raw/map.rs",
];

/// Rule: `unsafe`, and the permission for it, stand in the listed files only.
pub(super) fn outside_allowed(files: &[TextFile]) -> Vec<Finding> {
    outside(ALLOWED, files)
}

/// The same for any list.
fn outside(allowed: &[&str], files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        if allowed.contains(&file.path.as_str()) {
            continue;
        }
        for (index, line) in code_only(&file.text).lines().enumerate() {
            if has_word(line, "unsafe") || opens(line) {
                let what = "unsafe code outside the files listed in \
                            tools/xtask/src/tidy/unsafe_code.rs";
                findings.push(Finding::at(file, index, what));
            }
        }
    }
    findings
}

/// Whether a line of an attribute gives the permission rather than taking it away.
fn opens(line: &str) -> bool {
    let takes_away = line.contains("deny(") || line.contains("forbid(");
    has_word(line, "unsafe_code") && line.contains('#') && !takes_away
        || line.trim() == "unsafe_code,"
}

#[cfg(test)]
mod tests {
    use super::super::testing::{file, lines};
    use super::*;

    #[test]
    fn unsafe_is_found_in_code_only() {
        let text =
            "//! No unsafe here.\nunsafe { f() }\nlet s = \"unsafe\";\nunsafe impl A for B {}\n";
        assert_eq!(lines(&outside_allowed(&[file("a.rs", text)])), [2, 4]);
    }

    #[test]
    fn the_permission_is_found_and_the_ban_is_not() {
        let text = "#![allow(unsafe_code, reason = \"x\")]\n#![forbid(unsafe_code)]\n#![allow(\n    \
                    unsafe_code,\n    reason = \"x\"\n)]\nmod unsafe_code;\n";
        assert_eq!(lines(&outside_allowed(&[file("a.rs", text)])), [1, 4]);
    }

    #[test]
    fn a_listed_file_may() {
        let files = [file("a/ring.rs", "unsafe { f() }\n"), file("a/other.rs", "unsafe { f() }\n")];
        let found = outside(&["a/ring.rs"], &files);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].place, "a/other.rs");
    }
}
