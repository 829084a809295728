//! What a source file looks like from outside: its first line, its length, its characters, and
//! whether the test binary knows it.

use super::Finding;
use crate::workspace::TextFile;

/// Lines a source file may have, its tests not counted.
const LINES_MAX: usize = 800;

/// The root of the one integration binary.
const TEST_ROOT: &str = "tests/it/main.rs";

/// Rule: every source file opens with what it is for.
pub(super) fn without_module_doc(files: &[TextFile]) -> Vec<Finding> {
    rust(files)
        .filter(|file| !file.text.starts_with("//!"))
        .map(|file| Finding::at(file, 0, "the first line is not a `//!` that says what this is"))
        .collect()
}

/// Rule: no source file is longer than a person reads in one go.
pub(super) fn too_long(files: &[TextFile]) -> Vec<Finding> {
    rust(files)
        .filter(|file| !file.path.ends_with("/tests.rs"))
        .filter_map(|file| {
            let lines = lines_without_tests(&file.text);
            let what = format!("{lines} lines without tests, more than {LINES_MAX}: split it");
            (lines > LINES_MAX).then(|| Finding::whole(&file.path, what))
        })
        .collect()
}

/// Rule: sources are ASCII, so that what is compared is what is seen.
pub(super) fn not_ascii(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in rust(files) {
        for (index, line) in file.text.lines().enumerate() {
            if let Some(c) = line.chars().find(|c| !c.is_ascii()) {
                let what = format!("U+{:04X} is not ASCII", u32::from(c));
                findings.push(Finding::at(file, index, what));
            }
        }
    }
    findings
}

/// Rule: every file beside the integration binary's root is a module of it. Cargo does not look
/// for them, and a test that is not compiled passes for ever.
pub(super) fn unregistered_tests(files: &[TextFile]) -> Vec<Finding> {
    let root = files.iter().find(|file| file.path == TEST_ROOT).map_or("", |file| &file.text);
    let modules: Vec<&str> = root
        .lines()
        .filter_map(|line| line.trim().trim_start_matches("pub ").strip_prefix("mod "))
        .filter_map(|rest| rest.strip_suffix(';'))
        .collect();
    rust(files)
        .filter_map(|file| {
            let name = file.path.strip_prefix("tests/it/")?.strip_suffix(".rs")?;
            let hidden = !name.contains('/') && name != "main" && !modules.contains(&name);
            hidden.then(|| {
                Finding::whole(&file.path, format!("never run: add `mod {name};` to {TEST_ROOT}"))
            })
        })
        .collect()
}

/// The Rust sources.
fn rust(files: &[TextFile]) -> impl Iterator<Item = &TextFile> {
    files.iter().filter(|file| file.is_rust())
}

/// The number of lines outside `#[cfg(test)] mod .. { }` at the top level.
fn lines_without_tests(text: &str) -> usize {
    let mut count = 0;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        count += 1;
        if line != "#[cfg(test)]" {
            continue;
        }
        // Other attributes may stand between; rustfmt puts each on a line of its own.
        while lines.next_if(|next| next.starts_with("#[")).is_some() {
            count += 1;
        }
        let opens = |next: &&str| next.starts_with("mod ") && next.ends_with('{');
        if lines.next_if(opens).is_some() {
            // The attribute goes with the module; rustfmt closes it in column 0.
            count -= 1;
            for inner in lines.by_ref() {
                if inner == "}" {
                    break;
                }
            }
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::super::testing::{file, lines};
    use super::*;

    #[test]
    fn a_file_opens_with_its_purpose() {
        let files = [
            file("a.rs", "//! What.\n"),
            file("b.rs", "// What.\n"),
            file("c.rs", ""),
            file("d.md", "What.\n"),
        ];
        let found: Vec<String> = without_module_doc(&files).into_iter().map(|f| f.place).collect();
        assert_eq!(found, ["b.rs", "c.rs"]);
    }

    #[test]
    fn tests_do_not_count_towards_the_length() {
        let body = "x\n".repeat(900);
        let tests = format!("a\nb\n#[cfg(test)]\nmod tests {{\n{body}}}\nc\n");
        assert_eq!(lines_without_tests(&tests), 3);
        let not_a_module = format!("#[cfg(test)]\nfn helper() {{\n{body}}}\n");
        assert_eq!(lines_without_tests(&not_a_module), 903);
        let elsewhere = "a\n#[cfg(test)]\nmod tests;\nb\n";
        assert_eq!(lines_without_tests(elsewhere), 4);
    }

    #[test]
    fn eight_hundred_lines_pass_and_one_more_does_not() {
        let exactly = file("a.rs", &"x\n".repeat(LINES_MAX));
        let more = file("b.rs", &"x\n".repeat(LINES_MAX + 1));
        let unit_tests = file("a/tests.rs", &"x\n".repeat(LINES_MAX + 1));
        let data = file("c.txt", &"x\n".repeat(LINES_MAX + 1));
        let found = too_long(&[exactly, more, unit_tests, data]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].place, "b.rs");
        assert!(found[0].what.starts_with("801 lines"), "{}", found[0].what);
    }

    #[test]
    fn only_ascii_in_sources() {
        let found = not_ascii(&[
            file("a.rs", "ok\nna\u{ef}ve\n"),
            file("b.md", "na\u{ef}ve\n"),
            file("c.rs", "ok\n"),
        ]);
        assert_eq!(lines(&found), [2]);
        assert_eq!(found[0].what, "U+00EF is not ASCII");
    }

    #[test]
    fn a_test_file_must_be_a_module() {
        let found = unregistered_tests(&[
            file("tests/it/main.rs", "//! Tests.\n\nmod known;\n"),
            file("tests/it/known.rs", ""),
            file("tests/it/known/part.rs", ""),
            file("tests/it/forgotten.rs", ""),
            file("crates/a/src/other.rs", ""),
        ]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].place, "tests/it/forgotten.rs");
    }
}
