//! `ablate`: which protections of a protocol does a scenario need?
//!
//! The values of a knob are listed weakest first, so a protection is a value that is not the first, and
//! taking it away is any value before it: one step, or for the cookie each.

use crate::answer::{Answer, Context, INCOMPLETE};
use crate::explore::code_of;
use crate::failure::Failure;
use crate::plan::Explore;
use crate::search::{Bar, search};
use crate::values::{Setting, turned, values_of};
use maprace_fs::{OF_IOMAP, Order};
use maprace_scenario::{Config, Judgement, Paint, Verdict, Verdicts};

/// Explores the protocol as it is, then without each protection.
pub(crate) fn run(context: &Context<'_>, plan: &Explore) -> Result<Answer, Failure> {
    let Explore { subject, config, search: how, .. } = plan;
    let bar = Bar::new(context);
    let whole = search(context, &bar, subject, config, how)?.verdict;
    let mut rows = Vec::new();
    for setting in removals(config) {
        let protocol = turned(config.protocol, &[setting]);
        let without = Config { protocol, ..config.clone() };
        rows.push((setting, search(context, &bar, subject, &without, how)?.verdict));
    }
    drop(bar);
    let open = |verdict: &Verdict| verdict.verdict == Judgement::Incomplete;
    let any_open = rows.iter().any(|(_, verdict)| open(verdict));
    let code = match code_of(&whole) {
        0 if any_open => INCOMPLETE,
        code => code,
    };
    let text = if how.json {
        let all = [&whole].into_iter().chain(rows.iter().map(|(_, verdict)| verdict));
        serde_json::to_string_pretty(&Verdicts::of(all))? + "\n"
    } else {
        print(&whole, &rows, context.paint)
    };
    Ok(Answer { text, code, ..Answer::default() })
}

/// Each way to take one protection away.
pub(crate) fn removals(config: &Config) -> Vec<Setting> {
    let mut removals = Vec::new();
    for (knob, value) in config.protocol.knobs.values() {
        if config.order == Order::BufferHead && OF_IOMAP.contains(&knob) {
            continue;
        }
        let values = values_of(knob);
        let at = values.iter().position(|known| *known == value).unwrap_or(0);
        let from = if knob == "cookie" { 0 } else { at.saturating_sub(1) };
        removals.extend(values[from..at].iter().rev().map(|value| Setting { knob, value }));
    }
    removals
}

fn print(whole: &Verdict, rows: &[(Setting, Verdict)], paint: Paint) -> String {
    let Verdict { scenario, layer, protocol, order, .. } = whole;
    let mut text =
        format!("{scenario}: {layer}, {protocol}, {order} order, one protection less each\n");
    let knob_width = rows.iter().map(|(s, _)| s.knob.len()).max().unwrap_or(0).max("knob".len());
    let to_width = rows.iter().map(|(s, _)| s.value.len()).max().unwrap_or(0).max("set to".len());
    let mut line = |knob: &str, to: &str, verdict: Option<&Verdict>| {
        let head = format!("{knob:knob_width$}  {to:to_width$}  ");
        let tail =
            verdict.map_or("verdict     needed  damage".to_owned(), |v| cells(v, whole, paint));
        text += (head + &tail).trim_end();
        text.push('\n');
    };
    line("knob", "set to", None);
    line("(as it is)", "", Some(whole));
    for (setting, verdict) in rows {
        line(setting.knob, setting.value, Some(verdict));
    }
    if rows.iter().any(|(_, verdict)| verdict.counterfactual) || whole.counterfactual {
        text += "*: counterfactual, no kernel had it\n";
    }
    if whole.verdict != Judgement::Safe {
        text +=
            "the protocol is not safe as it is, so none of its protections is shown to be enough\n";
    }
    text
}

/// Verdict, whether the protection is needed, and the checkers that fail.
fn cells(verdict: &Verdict, whole: &Verdict, paint: Paint) -> String {
    let mark = if verdict.counterfactual { "*" } else { "" };
    let name = format!("{}{mark}", verdict.verdict);
    let shown = match verdict.verdict {
        Judgement::Safe => paint.good(&name),
        Judgement::Damaged => paint.bad(&name),
        Judgement::Incomplete => paint.open(&name),
    };
    let needed = match (whole.verdict, verdict.verdict) {
        (Judgement::Safe, Judgement::Damaged) if !std::ptr::eq(verdict, whole) => "yes",
        (Judgement::Safe, Judgement::Safe) if !std::ptr::eq(verdict, whole) => "no",
        _ => "",
    };
    let pad = " ".repeat("incomplete*".len().saturating_sub(name.len()) + 1);
    let checkers: Vec<&str> = verdict.damage.iter().map(|found| found.checker.as_str()).collect();
    let deadlock = if verdict.deadlocks > 0 { "deadlock " } else { "" };
    format!("{shown}{pad}{needed:6}  {deadlock}{}", checkers.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(preset: &str, order: Order) -> Vec<String> {
        let all = removals(&Config::ext4(preset, order));
        all.iter().map(|setting| format!("{}={}", setting.knob, setting.value)).collect()
    }

    #[test]
    fn only_protections_are_taken_away_one_step_each() {
        let of_v6_12 = [
            "insert=shared",
            "recheck=off",
            "accounting=v5.10",
            "fillers_take_invalidate_lock=off",
        ];
        let of_every_preset = [
            "faults_take_invalidate_lock=off",
            "flush=unlocked",
            "written_never_delayed=off",
            "handle=mixed",
        ];
        let v6_12 = names("v6.12", Order::BufferHead);
        assert_eq!(
            (&v6_12[..4], &v6_12[4..]),
            (&of_v6_12.map(String::from)[..], &of_every_preset.map(String::from)[..])
        );
        let iomap = names("v6.12", Order::Iomap);
        for of_iomap in [
            "cookie=late",
            "cookie=off",
            "iomap_f_new=off",
            "delalloc_release=truncates",
            "zero_looks_at_cache=off",
            "writeback_cookie=off",
        ] {
            assert!(iomap.contains(&of_iomap.to_owned()), "{of_iomap}");
        }
        assert_eq!(iomap.len(), v6_12.len() + 6);
        assert_eq!(names("v5.10", Order::BufferHead), of_every_preset);
        assert_eq!(names("exclusive", Order::BufferHead)[0], "insert=exclusive");
    }
}
