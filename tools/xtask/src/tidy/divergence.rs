//! `docs/DIVERGENCE.md`: every `# Divergence from Linux` of the model's documentation on one page.
//!
//! The headings stand where the difference is; this collects them between two markers, so that
//! hand-written text may stand around. The page is checked, and rewritten by `tidy --fix`.

mod item;

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result, bail};

use super::Finding;
use crate::workspace::{TextFile, Workspace};

/// The page.
pub(super) const PAGE: &str = "docs/DIVERGENCE.md";

/// The sources that are collected.
const SOURCES: &[&str] =
    &["crates/maprace-extent/src/", "crates/maprace-fs/src/", "crates/maprace-runtime/src/"];

/// The heading, without its `#`.
const HEADING: &str = "Divergence from Linux";

/// The line before the generated part.
const BEGIN: &str = "<!-- generated -->";

/// The line after it.
const END: &str = "<!-- end -->";

/// What a page that does not exist yet begins with.
const INTRODUCTION: &str = "\
# Divergence from Linux

Where the model does something else than the kernel it follows, the documentation of the item says
so under a heading of its own. `cargo xtask tidy --fix` collects those here.
";

/// One heading in the sources.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    /// The file.
    file: String,
    /// The item whose documentation holds it.
    item: String,
    /// The section's text, as written.
    text: String,
}

/// A run of documentation lines.
#[derive(Debug)]
struct Doc {
    /// The index of its first line.
    start: usize,
    /// The index of the line after it.
    end: usize,
    /// Whether it documents what it stands in (`//!`) rather than what follows (`///`).
    inner: bool,
    /// Its lines without marker.
    lines: Vec<String>,
}

/// Rule: the page is what the sources say, and no section is empty or misnamed.
pub(super) fn stale(files: &[TextFile]) -> Vec<Finding> {
    let (entries, mut findings) = collect(files);
    let page = files.iter().find(|file| file.path == PAGE);
    let repair = "run `cargo xtask tidy --fix`";
    match page.map(|page| generated_part(&page.text)) {
        None => findings.push(Finding::whole(PAGE, format!("is missing: {repair}"))),
        Some(None) => findings.push(Finding::whole(PAGE, no_markers())),
        Some(Some(part)) if part != render(&entries) => {
            findings.push(Finding::whole(PAGE, format!("is not what the sources say: {repair}")));
        }
        Some(Some(_)) => {}
    }
    findings
}

/// Rewrites the generated part; true when that changed the page.
pub(super) fn fix(workspace: &Workspace, files: &[TextFile]) -> Result<bool> {
    let page = files.iter().find(|file| file.path == PAGE).map(|file| file.text.as_str());
    let (entries, _) = collect(files);
    let Some(fixed) = rewritten(page, &render(&entries)) else { bail!("{PAGE}: {}", no_markers()) };
    if page == Some(fixed.as_str()) {
        return Ok(false);
    }
    let path = workspace.root.join(PAGE);
    let directory = path.parent().expect("the page stands in a directory");
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(&path, fixed))
        .with_context(|| format!("cannot write {PAGE}"))?;
    Ok(true)
}

/// The complaint about a page without markers.
fn no_markers() -> String {
    format!("lacks the lines `{BEGIN}` and `{END}`, in this order")
}

/// The page with another generated part; none when an existing page has no markers.
fn rewritten(page: Option<&str>, generated: &str) -> Option<String> {
    let Some(page) = page else {
        return Some(format!("{INTRODUCTION}\n{BEGIN}\n{generated}{END}\n"));
    };
    let part = generated_part(page)?;
    let start = page.find(BEGIN)? + BEGIN.len() + 1;
    Some(format!("{}{generated}{}", &page[..start], &page[start + part.len()..]))
}

/// What stands between the markers, each on a line of its own.
fn generated_part(page: &str) -> Option<&str> {
    let (_, after) = page.split_once(&format!("{BEGIN}\n"))?;
    let end = after.find(END)?;
    Some(&after[..end])
}

/// The generated part: a heading for each file, one below it for each item.
fn render(entries: &[Entry]) -> String {
    let mut text = String::new();
    if entries.is_empty() {
        text += "\nNone recorded.\n";
    }
    let mut file = "";
    for entry in entries {
        if entry.file != file {
            file = &entry.file;
            write!(text, "\n## {file}\n").expect("a string takes any text");
        }
        write!(text, "\n### `{}`\n\n{}\n", entry.item, entry.text)
            .expect("a string takes any text");
    }
    text.push('\n');
    text
}

/// Every section in the sources, by file and line, and what is wrong with some.
fn collect(files: &[TextFile]) -> (Vec<Entry>, Vec<Finding>) {
    let mut entries = Vec::new();
    let mut findings = Vec::new();
    let is_source = |file: &&TextFile| {
        file.is_rust() && SOURCES.iter().any(|source| file.path.starts_with(source))
    };
    for file in files.iter().filter(is_source) {
        let lines: Vec<&str> = file.text.lines().collect();
        for doc in docs(&lines) {
            for section in sections(&doc.lines) {
                let line = doc.start + section.line;
                if section.title != HEADING {
                    let what = format!("heading `{}`: write `# {HEADING}`", section.title);
                    findings.push(Finding::at(file, line, what));
                } else if section.text.is_empty() {
                    let what = "an empty section: say what differs and who could notice";
                    findings.push(Finding::at(file, line, what));
                } else {
                    let item = if doc.inner {
                        item::of_file(&file.path)
                    } else {
                        item::after(&lines, doc.end)
                    };
                    entries.push(Entry { file: file.path.clone(), item, text: section.text });
                }
            }
        }
    }
    (entries, findings)
}

/// The runs of documentation lines of one kind.
fn docs(lines: &[&str]) -> Vec<Doc> {
    let mut docs: Vec<Doc> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some((inner, text)) = doc_line(line) else { continue };
        match docs.last_mut() {
            Some(doc) if doc.end == index && doc.inner == inner => {
                doc.end += 1;
                doc.lines.push(text.to_owned());
            }
            _ => {
                docs.push(Doc { start: index, end: index + 1, inner, lines: vec![text.to_owned()] })
            }
        }
    }
    docs
}

/// Whether a line is documentation: of what it stands in or not, and its text.
fn doc_line(line: &str) -> Option<(bool, &str)> {
    let line = line.trim();
    let (inner, text) = if let Some(text) = line.strip_prefix("//!") {
        (true, text)
    } else {
        (false, line.strip_prefix("///").filter(|text| !text.starts_with('/'))?)
    };
    Some((inner, text.strip_prefix(' ').unwrap_or(text)))
}

/// A section about a divergence, by whatever title.
#[derive(Debug)]
struct Section {
    /// Its heading's line in the documentation.
    line: usize,
    /// Its heading.
    title: String,
    /// The text below, up to the next heading.
    text: String,
}

/// The sections of one documentation text whose title speaks of divergence.
fn sections(lines: &[String]) -> Vec<Section> {
    let mut found: Vec<Section> = Vec::new();
    let mut inside = false;
    let mut fenced = false;
    for (index, line) in lines.iter().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        let title = if fenced { None } else { heading(line) };
        if let Some(title) = title {
            inside = title.to_lowercase().contains("divergence");
            if inside {
                let section = Section { line: index, title: title.to_owned(), text: String::new() };
                found.push(section);
            }
        } else if inside && let Some(section) = found.last_mut() {
            section.text += line;
            section.text.push('\n');
        }
    }
    for section in &mut found {
        section.text = section.text.trim().to_owned();
    }
    found
}

/// The title of a heading of any level.
fn heading(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches('#');
    (rest.len() < line.len()).then(|| rest.strip_prefix(' ').map(str::trim)).flatten()
}

#[cfg(test)]
mod tests;
