//! The page as a file: that it is whole, small, asks for nothing, and cannot be broken by what it holds.

use super::testing::{measured, sweep};
use super::timeline::tests::{of, stale_map};
use super::*;
use serde_json::Value;

/// The data of a page, as the script reads it.
fn data(page: &str) -> Value {
    let open = "<script type=\"application/json\" id=\"data\">";
    let rest = &page[page.find(open).expect("it has data") + open.len()..];
    serde_json::from_str(&rest[..rest.find("</script>").expect("it ends")]).expect("it is JSON")
}

fn input(timelines: Vec<Timeline>) -> ReportInput<'static> {
    ReportInput {
        title: "A title".to_owned(),
        command: "maprace".to_owned(),
        timelines,
        ..ReportInput::default()
    }
}

#[test]
fn a_page_names_no_other_place() {
    let page = html(&input(vec![of("write-mkwrite", "iomap", "v6.8")])).unwrap();
    assert!(page.starts_with("<!doctype html>"));
    for asks in ["http:", "https:", "src=", "@import", "url(h", "fetch(", "XMLHttpRequest", "{{"] {
        let asking = page.matches(asks).count();
        // The name of a vocabulary, which nobody fetches.
        let names =
            if asks == "http:" { page.matches("'http://www.w3.org/2000/svg'").count() } else { 0 };
        assert_eq!(asking, names, "{asks}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn what_is_shown_cannot_end_the_element_it_stands_in() {
    let nasty = "</script><script>alert(1)</script> {{script}} & \"";
    let mut timeline = of("write-mkwrite", "iomap", "v6.8");
    timeline.steps[0].saw.push(nasty.to_owned());
    let page = html(&ReportInput { title: nasty.to_owned(), ..input(vec![timeline]) }).unwrap();
    assert_eq!(page.matches("<script").count(), 2);
    assert!(page.contains("<title>&lt;/script&gt;&lt;script&gt;alert(1)"));
    assert_eq!(data(&page)["title"], nasty);
    assert_eq!(data(&page)["timelines"][0]["steps"][0]["saw"][0], nasty);
}

#[test]
fn an_empty_page_is_a_page_and_the_same_input_gives_the_same_bytes() {
    let page = html(&input(Vec::new())).unwrap();
    assert_eq!(page, html(&input(Vec::new())).unwrap());
    assert_eq!(data(&page)["schema"], SCHEMA);
    assert_eq!(data(&page)["rows"], Value::Array(Vec::new()));
}

#[test]
fn runs_that_differ_in_the_preset_alone_are_shown_once() {
    let timelines = ["v5.10", "v6.8"].map(|protocol| stale_map().with(protocol));
    let page = html(&input(timelines.into())).unwrap();
    let shown = data(&page)["timelines"].as_array().unwrap().clone();
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0]["also"][0], "v6.8");
}

impl Timeline {
    fn with(mut self, protocol: &str) -> Timeline {
        self.protocol = protocol.to_owned();
        self
    }
}

#[test]
fn a_file_stays_below_its_size_and_says_what_was_left_out() {
    let mut timeline = stale_map();
    let many: Vec<Timeline> = (0..600)
        .map(|i| {
            timeline.scenario = format!("scenario {i}");
            timeline.clone()
        })
        .collect();
    let page = html(&input(many)).unwrap();
    assert!(page.len() < SIZE_MAX, "{}", page.len());
    let data = data(&page);
    let shown = data["timelines"].as_array().unwrap().len();
    assert!(shown > 100, "{shown}");
    assert_eq!(data["left_out"], 600 - shown);
}

#[test]
fn measurements_reach_the_page() {
    let all = [
        measured("write-mkwrite", "iomap", "v6.8", 900),
        measured("write-mkwrite", "iomap", "v6.12", 1_000),
        measured("write-mkwrite", "buffer_head", "v6.12", 1_200),
    ];
    let threads: Vec<Measured> = all[..2].iter().map(on_threads).collect();
    let sweeps = [sweep("write-mkwrite")];
    let input =
        ReportInput { measured: &all, threads: &threads, sweeps: &sweeps, ..input(Vec::new()) };
    let data = data(&html(&input).unwrap());
    // The browser tests draw it.
    insta::assert_snapshot!("sample", data.to_string());
    assert_eq!(data["rows"].as_array().unwrap().len(), 3);
    assert_eq!(data["rows"][0]["virtual"]["windows"][0]["name"], "W1");
    assert_eq!(data["rows"][0]["threads"]["differs"], false);
    assert_eq!(data["distributions"][0]["lines"].as_array().unwrap().len(), 5);
    assert_eq!(data["sweeps"][0]["lines"][0]["points"].as_array().unwrap().len(), 5);
}

fn on_threads(one: &Measured) -> Measured {
    let mut one = Measured { world: "threads", cpus: 8, ..one.clone() };
    let medians = maprace_scenario::MedianRange { low: 1_000, high: 1_200 };
    one.medians.insert("operation".to_owned(), medians);
    one
}
