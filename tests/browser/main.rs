//! The report in a browser: that it opens from a file, can be stepped, asks for nothing and complains
//! about nothing.
//!
//! A binary of its own beside `tests/it`, because it needs a Chromium: the stage `browser` of `cargo xtask
//! ci` runs it, and `cargo test --workspace` does not. What the page says of the figures is tested where
//! it is put together, in `maprace-cli`.

mod chromium;

use chromium::Tab;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The greatest size that a report may have, in bytes.
const SIZE_MAX: u64 = 3 << 20;

/// A page with measurements, as the tests of `maprace-cli` keep it.
const SAMPLE: &str = include_str!(
    "../../crates/maprace-cli/src/report/snapshots/maprace_cli__report__tests__sample.snap"
);

/// Runs a command that writes a report.
fn report(dir: &TempDir, words: &[&str]) -> PathBuf {
    let path = dir.path().join("report.html");
    let file = path.to_str().expect("temporary paths are text");
    let words = [&["maprace"], words, &["--report", file, "-q"]].concat();
    let code = maprace_cli::Maprace::new().run_as(words);
    assert!(code <= 1, "{code}");
    path
}

/// The same page with other data in it.
fn with_data(page: &Path, json: &str) -> PathBuf {
    let text = std::fs::read_to_string(page).expect("it was just written");
    let open = "id=\"data\">";
    let from = text.find(open).expect("a page has data") + open.len();
    let to = from + text[from..].find("</script>").expect("and data ends");
    let path = page.with_file_name("sample.html");
    std::fs::write(&path, [&text[..from], json, &text[to..]].concat())
        .expect("the directory is ours");
    path
}

/// Every word that the browser had to say, and every request but that for the page.
fn assert_quiet(tab: &mut Tab) {
    let complaints = tab.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
    let requests = tab.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert!(requests[0].starts_with("file://"), "{requests:?}");
}

#[test]
fn a_report_opens_from_a_file_and_its_timeline_steps_forward_and_back() {
    let dir = tempfile::tempdir().expect("there is room");
    let page = report(&dir, &["compare", "mkwrite-fallocate", "write-mkwrite"]);
    assert!(std::fs::metadata(&page).expect("it was written").len() < SIZE_MAX);
    let mut tab = Tab::open(&dir, &page);

    assert_eq!(tab.eval("document.querySelectorAll('#rows tbody tr').length"), 40);
    assert_eq!(tab.text("#choices .answer"), "Choose v6.12.");
    let first = "#timeline-0";
    tab.eval("document.querySelector('#timeline-0').open = true");
    tab.settle();
    let head = format!("{first} .detail .head");
    assert!(tab.text(&head).starts_with("Before the first of 18 steps"), "{}", tab.text(&head));

    let forward = format!("{first} [aria-label=\"One step forward\"]");
    let back = format!("{first} [aria-label=\"One step back\"]");
    for _ in 0..4 {
        tab.click(&forward);
    }
    assert_eq!(tab.text(&head), "Step 4 of 18: fault, ext4_es_lookup_extent");
    assert!(tab.text(&format!("{first} .detail")).contains("hole"));
    tab.click(&back);
    assert_eq!(tab.text(&head), "Step 3 of 18: fault, folio_lock");

    tab.eval(&format!("document.querySelector('{first} .player').focus()"));
    for _ in 0..8 {
        tab.key("ArrowRight");
    }
    assert_eq!(tab.text(&head), "Step 11 of 18: fallocate, ext4_es_insert_extent");
    let detail = tab.text(&format!("{first} .detail"));
    assert!(detail.contains("W2 of fault is open: this change lands in it"), "{detail}");
    assert!(detail.contains("fault waits for i_data_sem"), "{detail}");
    tab.key("ArrowLeft");
    assert_eq!(tab.text(&head), "Step 10 of 18: fallocate, ext4_es_scan_range");
    tab.key("End");
    let detail = tab.text(&format!("{first} .detail"));
    assert!(detail.contains("i_reserved_data_blocks (1) not cleared!"), "{detail}");
    assert_quiet(&mut tab);
}

#[test]
fn it_sorts_filters_explains_and_has_two_sets_of_colours() {
    let dir = tempfile::tempdir().expect("there is room");
    let page = report(&dir, &["compare", "mkwrite-fallocate", "write-mkwrite"]);
    let mut tab = Tab::open(&dir, &page);

    let paper = "getComputedStyle(document.body).backgroundColor";
    let before = tab.eval(paper);
    tab.click("#theme");
    assert_ne!(tab.eval(paper), before);
    tab.click("#theme");
    assert_eq!(tab.eval(paper), before);

    let verdicts =
        "[...document.querySelectorAll('#rows .badge')].map((badge) => badge.textContent)";
    tab.eval("[...document.querySelectorAll('button.sort')].find((b) => b.textContent === 'verdict').click()");
    let sorted = tab.eval(verdicts);
    assert_eq!(sorted[0], "safe");
    tab.eval("document.activeElement.click()");
    assert_eq!(tab.eval(&format!("{verdicts}[0].slice(0, 3)")), "BAD");

    let choose = "const select = document.querySelector('#by-order'); select.value = 'iomap'; \
                  select.dispatchEvent(new Event('change')); document.querySelectorAll('#rows tbody tr').length";
    assert_eq!(tab.eval(choose), 30);
    assert_eq!(tab.text("#filtered"), "30 of 40 rows");

    tab.click("#rows button.q");
    assert!(tab.text("#def").contains("a preset of knobs"), "{}", tab.text("#def"));
    tab.key("Escape");
    assert_eq!(tab.eval("document.querySelector('#def').hidden"), true);
    assert_quiet(&mut tab);
}

#[test]
fn measurements_are_drawn() {
    let dir = tempfile::tempdir().expect("there is room");
    let page = report(&dir, &["explore", "write-mkwrite", "--protocol", "v6.12"]);
    let json = SAMPLE.splitn(3, "---\n").nth(2).expect("a kept file has a head");
    let mut tab = Tab::open(&dir, &with_data(&page, json));
    let charts = |id: &str| format!("document.querySelectorAll('#{id} svg.chart').length");
    assert_eq!(tab.eval(&charts("distributions")), 1);
    assert_eq!(tab.eval(&charts("swept")), 4);
    assert_eq!(tab.eval(&charts("costs")), 1);
    assert!(tab.text("#rows").contains("no difference shown"), "{}", tab.text("#rows"));
    // Virtual time by itself until the switch is turned; what coincides is one line and one row.
    let lines = "document.querySelectorAll('#distributions path.stairs').length";
    let rows = "document.querySelectorAll('#distributions .quantiles tbody tr').length";
    assert_eq!((tab.eval(lines), tab.eval(rows)), (json!(3), json!(3)));
    let turn = |world: &str| {
        format!(
            "{{ const select = document.querySelector('#by-world'); select.value = '{world}'; \
             select.dispatchEvent(new Event('change')); }} {lines}"
        )
    };
    assert_eq!(tab.eval(&turn("threads")), 2);
    assert_eq!(tab.eval(&turn("")), 5);
    // A staircase has no slanted piece.
    let slanted = "[...document.querySelectorAll('path.stairs')].some((path) => \
                   !/^M[\\d. ]+([HV][\\d.]+)+$/.test(path.getAttribute('d')))";
    assert_eq!(tab.eval(slanted), false);
    assert_eq!(tab.text("#by-risk option:checked"), "rounds that end in damage");
    let broken = "[...document.querySelectorAll('svg *')].filter((e) => [...e.attributes]\
                  .some((a) => /NaN|undefined|Infinity/.test(a.value))).length";
    assert_eq!(tab.eval(broken), 0);
    assert_quiet(&mut tab);
}

#[test]
fn a_crowd_stays_readable() {
    let dir = tempfile::tempdir().expect("there is room");
    let page = report(&dir, &["compare", "mkwrite-fallocate", "--world", "explore,virtual"]);
    let mut tab = Tab::open(&dir, &page);
    let on_another = "(() => { const boxes = [...document.querySelectorAll('#costs text.point')] \
         .map((text) => text.getBoundingClientRect()); \
         return boxes.filter((a, i) => boxes.some((b, j) => i < j && a.left < b.right && b.left < a.right \
           && a.top + 2 < b.bottom && b.top + 2 < a.bottom)).length; })()";
    assert_eq!(tab.eval(on_another), 0);
    let named = tab.eval("document.querySelectorAll('#costs text.point').length");
    assert!(named.as_u64().is_some_and(|named| (5..=12).contains(&named)), "{named}");
    let lines = tab.eval("document.querySelectorAll('#distributions path.stairs').length");
    assert!(lines.as_u64().is_some_and(|lines| (4..=12).contains(&lines)), "{lines}");

    // The checkers of a row and its other windows wait until they are asked for.
    assert_eq!(tab.eval("document.querySelector('#rows .checkers').open"), false);
    let more = "getComputedStyle(document.querySelector('#rows .block.more')).display";
    assert_eq!(tab.eval(more), "none");
    tab.click("#rows button.turn");
    assert_eq!(tab.eval(more), "block");
    let end = "[...document.querySelectorAll('#rows thead tr:last-child th')].findIndex((head) => \
               head.getBoundingClientRect().right > innerWidth)";
    assert!(tab.eval(end).as_i64().is_none_or(|end| !(0..10).contains(&end)), "{end}");
    assert_quiet(&mut tab);
}

#[test]
fn where_nothing_is_known_every_section_says_so() {
    let dir = tempfile::tempdir().expect("there is room");
    let page = report(&dir, &["explore", "write-mkwrite", "--protocol", "v6.12"]);
    let mut tab = Tab::open(&dir, &page);
    let said = tab
        .eval("[...document.querySelectorAll('main .none')].map((one) => one.textContent).length");
    assert_eq!(said, 5, "rows, windows, sweeps, costs, timelines");
    assert_quiet(&mut tab);
}

#[test]
fn no_request_could_go_out_if_one_were_made() {
    let dir = tempfile::tempdir().expect("there is room");
    let page = report(&dir, &["explore", "write-mkwrite", "--protocol", "v6.12"]);
    let mut tab = Tab::open(&dir, &page);
    let blocked = tab.eval(
        "new Promise((done) => { \
           addEventListener('securitypolicyviolation', (event) => done(event.violatedDirective)); \
           fetch('data:,x').catch(() => {}); })",
    );
    assert_eq!(blocked, "connect-src");
    // The driver itself would have seen it.
    assert!(!tab.complaints().is_empty());
}

#[test]
fn a_complaint_is_heard() {
    let dir = tempfile::tempdir().expect("there is room");
    let page = report(&dir, &["explore", "write-mkwrite", "--protocol", "v6.12"]);
    let mut tab = Tab::open(&dir, &page);
    tab.eval("setTimeout(() => { throw new Error('planted'); }, 0)");
    tab.settle();
    let heard = Value::Array(tab.complaints());
    assert!(heard.to_string().contains("planted"), "{heard}");
    assert_ne!(heard, json!([]));
}
