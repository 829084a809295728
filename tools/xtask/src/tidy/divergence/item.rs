//! The name of the item that a documentation text belongs to, read off the lines around it.
//!
//! Relies on rustfmt's layout: one item to a line, contents indented.

/// Words before an item's keyword.
const MODIFIERS: &[&str] = &["default", "async", "unsafe", "extern"];

/// Keywords that a name follows.
const KEYWORDS: &[&str] =
    &["fn", "struct", "enum", "trait", "type", "mod", "const", "static", "union"];

/// The module a file is: its path below `src` with `::`, or its crate.
pub(super) fn of_file(path: &str) -> String {
    let (package, inside) = path.split_once("/src/").unwrap_or(("", path));
    let module = inside.trim_end_matches(".rs").trim_end_matches("/mod");
    if matches!(module, "lib" | "main") {
        let name = package.rsplit('/').next().unwrap_or(package);
        return format!("crate {}", name.replace('-', "_"));
    }
    format!("mod {}", module.replace('/', "::"))
}

/// The item after the documentation that ends before line `end`.
pub(super) fn after(lines: &[&str], end: usize) -> String {
    let Some(index) = first_code(lines, end) else { return "?".to_owned() };
    let name = name(lines[index]);
    match container(lines, index) {
        Some(container) => format!("{container}::{name}"),
        None => name,
    }
}

/// The first line from `start` that is neither attribute nor comment nor blank.
fn first_code(lines: &[&str], start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, line) in lines.iter().enumerate().skip(start) {
        let text = line.trim();
        if depth > 0 || text.starts_with("#[") {
            depth += text.matches('[').count();
            depth = depth.saturating_sub(text.matches(']').count());
        } else if !text.is_empty() && !text.starts_with("//") {
            return Some(index);
        }
    }
    None
}

/// What a line defines: `name()` for a function, `name` for anything else.
fn name(line: &str) -> String {
    let text = without_visibility(line.trim());
    if let Some(rest) = text.strip_prefix("impl").filter(|rest| rest.starts_with([' ', '<'])) {
        return implementor(rest).to_owned();
    }
    if let Some(rest) = text.strip_prefix("macro_rules!") {
        return format!("{}!", identifier(rest.trim()));
    }
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let next = words.peek().copied().unwrap_or("");
        // `const fn`, `unsafe fn`, `extern "C" fn`: the keyword comes later.
        let before_keyword = MODIFIERS.contains(&word) || word.starts_with('"');
        if before_keyword || KEYWORDS.contains(&next) {
            continue;
        }
        if word == "fn" {
            return format!("{}()", identifier(next));
        }
        if KEYWORDS.contains(&word) {
            return identifier(next).to_owned();
        }
        return identifier(word).to_owned();
    }
    "?".to_owned()
}

/// The type, trait or module a line stands in, by indentation.
fn container(lines: &[&str], index: usize) -> Option<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut limit = indent(lines[index]);
    for line in lines[..index].iter().rev().filter(|line| !line.trim().is_empty()) {
        if limit == 0 {
            return None;
        }
        if indent(line) >= limit {
            continue;
        }
        let text = without_visibility(line.trim());
        if let Some(rest) = text.strip_prefix("unsafe impl").or_else(|| text.strip_prefix("impl")) {
            return Some(implementor(rest).to_owned());
        }
        let keyword = text.split_whitespace().next().unwrap_or("");
        if matches!(keyword, "struct" | "enum" | "trait" | "union" | "mod") {
            return Some(name(line));
        }
        // The closing line of a header over several lines: what opened it has the same indent.
        limit = indent(line) + usize::from(matches!(keyword, "{" | "where" | ")"));
    }
    None
}

/// The type an `impl` is for, given what follows the word.
fn implementor(rest: &str) -> &str {
    let rest = after_generics(rest).trim();
    let subject = rest.split_once(" for ").map_or(rest, |(_, subject)| subject);
    let path_end = subject.find(['<', ' ', '{']).unwrap_or(subject.len());
    subject[..path_end].rsplit("::").next().unwrap_or(subject)
}

/// What follows the `<..>` of an `impl`, if it has one. The `>` of `->` does not close.
fn after_generics(rest: &str) -> &str {
    if !rest.starts_with('<') {
        return rest;
    }
    let mut depth = 0_usize;
    let mut previous = ' ';
    for (at, c) in rest.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if previous != '-' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &rest[at + 1..];
        }
        previous = c;
    }
    rest
}

/// The line without `pub` and its scope.
fn without_visibility(text: &str) -> &str {
    let Some(rest) = text.strip_prefix("pub") else { return text };
    match rest.strip_prefix('(').and_then(|scope| scope.split_once(')')) {
        Some((_, rest)) => rest.trim_start(),
        None if rest.starts_with(' ') => rest.trim_start(),
        None => text,
    }
}

/// The identifier a text begins with.
fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_its_module() {
        assert_eq!(of_file("crates/maprace-fs/src/lib.rs"), "crate maprace_fs");
        assert_eq!(of_file("crates/maprace-fs/src/iomap.rs"), "mod iomap");
        assert_eq!(of_file("crates/maprace-fs/src/check/data.rs"), "mod check::data");
    }

    #[test]
    fn every_kind_of_item_has_its_name() {
        for (line, expected) in [
            ("pub async fn page_mkwrite<R: Runtime>(", "page_mkwrite()"),
            ("pub(crate) const fn new(x: u32) -> Self {", "new()"),
            ("pub unsafe extern \"C\" fn f() {", "f()"),
            ("struct Inode<R> {", "Inode"),
            ("pub enum Status {", "Status"),
            ("pub(in crate::a) trait Layer: Send {", "Layer"),
            ("const LIMIT: u32 = 3;", "LIMIT"),
            ("type A = B;", "A"),
            ("macro_rules! check {", "check!"),
            ("impl<R: Runtime> Layer<R> for Ext4<R> {", "Ext4"),
            ("    Written,", "Written"),
            ("    Delayed { since: u64 },", "Delayed"),
            ("    pub(crate) es_lblk: Lblk,", "es_lblk"),
        ] {
            assert_eq!(name(line), expected, "{line}");
        }
    }

    #[test]
    fn attributes_and_comments_stand_between() {
        let lines = [
            "/// Doc.",
            "#[derive(Debug)]",
            "#[allow(",
            "    clippy::x,",
            "    reason = \"y\"",
            ")]",
            "// Why.",
            "",
            "pub struct S;",
        ];
        assert_eq!(after(&lines, 1), "S");
        assert_eq!(after(&["/// Doc."], 1), "?");
    }

    #[test]
    fn an_item_is_named_with_its_container() {
        let text = "pub struct Inode {\n    size: u64,\n}\n\nimpl<F: Fn(u8) -> u8> Layer for ext::Ext4<F> \
                    {\n    fn a(&self) {\n        b();\n    }\n\n    async fn map(&self) {\n    }\n}\n";
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(after(&lines, 1), "Inode::size");
        assert_eq!(after(&lines, 9), "Ext4::map()");
        assert_eq!(after(&lines, 0), "Inode");
    }

    #[test]
    fn a_header_over_several_lines_is_followed_up() {
        let text =
            "impl<R> Inode<R>\nwhere\n    R: Runtime,\n{\n    fn a(&self) {}\n}\n\nfn free() {}\n";
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(after(&lines, 4), "Inode::a()");
        assert_eq!(after(&lines, 7), "free()");
    }
}
