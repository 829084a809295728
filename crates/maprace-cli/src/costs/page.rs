//! Tables of costs as text for people.

use super::Checked;
use crate::media::page::table;
use maprace_scenario::CostTable;
use maprace_scenario::costs::{CALLS, STEPS};

/// `list`.
pub(super) fn list(tables: &[CostTable]) -> String {
    let mut rows = vec![["table", "good for", "what it is"].map(str::to_owned).to_vec()];
    let row =
        |table: &CostTable| vec![table.name.clone(), table.good_for.clone(), table.title.clone()];
    rows.extend(tables.iter().map(row));
    self::table(&rows)
}

/// `check`.
pub(super) fn checks(tables: &[Checked<'_>]) -> String {
    tables.iter().map(check).collect::<Vec<_>>().join("\n")
}

fn check(checked: &Checked<'_>) -> String {
    let priced = |known: &[&str], left: &[&str]| {
        format!("{} of {} by name", known.len() - left.len(), known.len())
    };
    let mut text = format!(
        "{}: {}\n  steps: {}\n  calls: {}\n",
        checked.name,
        checked.good_for,
        priced(STEPS, &checked.steps_by_default),
        priced(CALLS, &checked.calls_by_default),
    );
    for (what, names) in [
        ("steps by default", &checked.steps_by_default),
        ("calls by default", &checked.calls_by_default),
    ] {
        if !names.is_empty() {
            text += &format!("  {what}: {}\n", names.join(", "));
        }
    }
    if !checked.own.is_empty() {
        text += &format!("  of layers of their own: {}\n", checked.own.join(", "));
    }
    let mut rows = vec![vec!["  alone, on ext4 v6.12".to_owned(), "us".to_owned()]];
    let micros = |ns: u64| format!("{}.{:03}", ns / 1000, ns % 1000);
    let row = |typical: &maprace_scenario::costs::Typical| {
        vec![format!("  {}", typical.what), micros(typical.ns)]
    };
    rows.extend(checked.typical.iter().map(row));
    text + &table(&rows)
}
