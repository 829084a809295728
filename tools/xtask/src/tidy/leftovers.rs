//! Marks of unfinished work.

use super::Finding;
use super::code::{code_only, has_word};
use crate::workspace::TextFile;

/// Words that mean "not done", anywhere in a source or a manifest. Written in two halves, so that
/// this file passes its own rule.
const WORDS: &[&str] = &[concat!("FIX", "ME"), concat!("XX", "X")];

/// Code that must not be committed. A test that cannot run here says so when it runs, and is
/// counted; it is not switched off.
const CODE: &[&str] = &["todo!(", "unimplemented!(", "dbg!(", "#[ignore"];

/// Rule: nothing is left to do in what is committed.
pub(super) fn leftovers(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust() || file.has_extension("toml")) {
        for (index, line) in file.text.lines().enumerate() {
            let found = WORDS.iter().filter(|word| has_word(line, word));
            findings.extend(found.map(|word| left_over(file, index, word)));
        }
        if file.is_rust() {
            for (index, line) in code_only(&file.text).lines().enumerate() {
                let found = CODE.iter().filter(|code| line.contains(**code));
                findings.extend(found.map(|code| left_over(file, index, code)));
            }
        }
    }
    findings
}

/// The finding.
fn left_over(file: &TextFile, index: usize, what: &str) -> Finding {
    Finding::at(file, index, format!("`{what}` is left over: finish it or write an issue"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{file, lines};
    use super::*;

    #[test]
    fn words_count_everywhere() {
        let text = format!("// {}: later\nfn f() {{}}\n// {}\n", WORDS[0], WORDS[1]);
        assert_eq!(lines(&leftovers(&[file("a.rs", &text)])), [1, 3]);
        assert_eq!(lines(&leftovers(&[file("a.toml", &format!("# {}\n", WORDS[0]))])), [1]);
        assert_eq!(leftovers(&[file("a.md", &text)]), []);
    }

    #[test]
    fn words_inside_others_do_not_count() {
        let text = format!("// {}X and pre{}\n", WORDS[1], WORDS[0]);
        assert_eq!(leftovers(&[file("a.rs", &text)]), []);
    }

    #[test]
    fn macros_and_attributes_count_in_code_only() {
        let text = "fn f() { todo!() }\n// todo!()\nlet s = \"dbg!(x)\";\ndbg!(x);\n\
                    #[ignore = \"slow\"]\nunimplemented!(\"x\")\n";
        assert_eq!(lines(&leftovers(&[file("a.rs", text)])), [1, 4, 5, 6]);
    }
}
