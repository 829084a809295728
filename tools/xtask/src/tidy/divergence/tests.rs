//! Tests of the collected page.

use super::super::testing::{file, lines};
use super::*;

/// A source of the model with one section on a function.
fn source() -> TextFile {
    file(
        "crates/maprace-fs/src/fault.rs",
        "//! Faults.\n\
         \n\
         /// Makes a page writable.\n\
         ///\n\
         /// # Divergence from Linux\n\
         ///\n\
         /// One folio,\n\
         /// always.\n\
         ///\n\
         /// # Panics\n\
         ///\n\
         /// Never.\n\
         pub async fn page_mkwrite() {}\n",
    )
}

/// The part that `source` gives.
const GENERATED: &str =
    "\n## crates/maprace-fs/src/fault.rs\n\n### `page_mkwrite()`\n\nOne folio,\nalways.\n\n";

#[test]
fn a_section_ends_at_the_next_heading() {
    let (entries, findings) = collect(&[source()]);
    assert_eq!(findings, []);
    assert_eq!(
        entries,
        [Entry {
            file: "crates/maprace-fs/src/fault.rs".to_owned(),
            item: "page_mkwrite()".to_owned(),
            text: "One folio,\nalways.".to_owned(),
        }]
    );
    assert_eq!(render(&entries), GENERATED);
}

#[test]
fn a_module_can_diverge_and_a_code_block_does_not_end_the_section() {
    let text = "//! What.\n//!\n//! # Divergence from Linux\n//!\n//! Text.\n//!\n//! ```\n//! # hidden\n\
                //! ```\n//! More.\n\nfn f() {}\n";
    let (entries, findings) = collect(&[file("crates/maprace-extent/src/es.rs", text)]);
    assert_eq!(findings, []);
    assert_eq!(entries[0].item, "mod es");
    assert_eq!(entries[0].text, "Text.\n\n```\n# hidden\n```\nMore.");
}

#[test]
fn other_packages_are_not_collected() {
    let text = "//! # Divergence from Linux\n//!\n//! Text.\n";
    assert_eq!(collect(&[file("crates/maprace-cli/src/lib.rs", text)]), (vec![], vec![]));
}

#[test]
fn an_empty_or_misnamed_section_is_found() {
    let text =
        "//! What.\n//!\n//! # Divergence from Linux\n//!\n//! # Divergences\n//!\n//! Text.\n";
    let (entries, findings) = collect(&[file("crates/maprace-fs/src/a.rs", text)]);
    assert_eq!(entries, []);
    assert_eq!(lines(&findings), [3, 5]);
}

#[test]
fn a_page_that_agrees_passes() {
    let page = rewritten(None, GENERATED).unwrap();
    assert_eq!(stale(&[source(), file(PAGE, &page)]), []);
}

#[test]
fn a_page_that_is_missing_stale_or_without_markers_is_found() {
    let complaint = |files: &[TextFile]| stale(files).pop().unwrap().what;
    assert!(complaint(&[source()]).starts_with("is missing"));
    assert!(complaint(&[source(), file(PAGE, "# Page\n")]).starts_with("lacks the lines"));
    let old = rewritten(None, "\nNone recorded.\n\n").unwrap();
    assert!(complaint(&[source(), file(PAGE, &old)]).starts_with("is not what the sources say"));
}

#[test]
fn a_fix_keeps_the_text_around() {
    let page = format!("# Page\n\nBefore.\n\n{BEGIN}\nold\n{END}\n\nAfter.\n");
    let fixed = rewritten(Some(&page), GENERATED).unwrap();
    assert_eq!(fixed, format!("# Page\n\nBefore.\n\n{BEGIN}\n{GENERATED}{END}\n\nAfter.\n"));
    assert_eq!(rewritten(Some(&fixed), GENERATED).unwrap(), fixed);
    assert_eq!(rewritten(Some("# Page\n"), GENERATED), None);
}
