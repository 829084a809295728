//! The folder of `docs/runs` that a full run leaves: a page for people, the same as JSON, what guests said.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::accel::Accel;
use crate::commands::run::keep_said;
use crate::figures::Sample;
use crate::host::{self, Host};
use crate::stage::{Ended, StageRan, file_name};
use crate::transcript::Verdict;

/// Writes the folder; returns where.
pub(super) fn write(host: &Host, name: &str, all: &[StageRan]) -> Result<PathBuf> {
    let date = host::output(Command::new("date").arg("+%F"))?;
    let folder = host.root.join("docs/runs").join(format!("{}-{name}", date.trim()));
    fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    for ran in all {
        if let Some((script, console)) = &ran.said {
            keep_said(&folder, &file_name(ran.name), script, console)?;
        }
    }
    host::write_whole(&folder.join("stages.json"), &(serde_json::to_string_pretty(all)? + "\n"))?;
    host::write_whole(&folder.join("README.md"), &page(date.trim(), &machine(&host.root)?, all))?;
    Ok(folder)
}

/// What it was measured on, in one line.
fn machine(root: &Path) -> Result<String> {
    let line = |command: &mut Command| host::output(command).map(|text| text.trim().to_owned());
    let commit =
        line(Command::new("git").args(["rev-parse", "--short", "HEAD"]).current_dir(root))?;
    let kernel = line(Command::new("uname").args(["-sr"]))?;
    let qemu = line(Command::new("qemu-system-x86_64").arg("--version"))?;
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpuinfo.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or(": unknown");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    Ok(format!(
        "Commit {commit}, {kernel}, {}, {}, {cores} cores, load {} at the end.",
        qemu.lines().next().unwrap_or("QEMU"),
        cpu.trim_start_matches([' ', '\t', ':']),
        load.split(' ').next().unwrap_or("unknown"),
    ))
}

/// The page.
fn page(date: &str, machine: &str, all: &[StageRan]) -> String {
    let mut page = format!(
        "# The device on stock kernels, {date}\n\n{machine}\n\n\
         Made by `cargo xtask lab full`. Figures are from inside the guest. In virtual time they repeat; in\n\
         real time only order and counts mean anything. `stages.json` has all of this, the `.log` files what\n\
         the guests printed (`script`) and what their kernels did (`console`).\n\n\
         | stage | ended | kernel | executed | seconds |\n|---|---|---|---|---|\n"
    );
    for ran in all {
        page += &format!(
            "| {} | {} | {} | {}, {} processors | {:.0} |\n",
            ran.name,
            ended(&ran.ended),
            ran.release.as_deref().unwrap_or("none"),
            ran.accel.map_or("not", Accel::name),
            ran.processors,
            ran.seconds
        );
    }
    for ran in all {
        page += &section(ran);
    }
    page
}

/// One stage.
fn section(ran: &StageRan) -> String {
    let mut text = format!("\n## {}\n\n{}: {}.\n", ran.name, ran.about, ended(&ran.ended));
    if let Some(first) = &ran.retried {
        text += &format!("Its first boot died before the script: {first}.\n");
    }
    text.push('\n');
    for check in &ran.checks {
        let word = match check.verdict {
            Verdict::Ok => "ok",
            Verdict::Fail => "**failed**",
            Verdict::Skip => "skipped",
        };
        text += &format!("- {}: {word}: {}\n", check.name, check.text);
    }
    let mut names: Vec<&str> = Vec::new();
    for figure in &ran.figures {
        if !names.contains(&figure.name.as_str()) {
            names.push(&figure.name);
        }
    }
    if !names.is_empty() {
        text += "\n| figure | median | least | most | spread | rounds | unit |\n|---|---|---|---|---|---|---|\n";
    }
    for name in names {
        let of_name = || ran.figures.iter().filter(|figure| figure.name == name);
        let unit = of_name().next().map_or("", |figure| figure.unit.as_str());
        if let Some(sample) = Sample::new(of_name().map(|figure| figure.value).collect()) {
            text += &format!(
                "| {name} | {:.4} | {:.4} | {:.4} | {:.3} | {} | {unit} |\n",
                sample.median(),
                sample.least(),
                sample.most(),
                sample.spread(),
                of_name().count()
            );
        }
    }
    text
}

/// How a stage ended, for the page.
fn ended(ended: &Ended) -> String {
    match ended {
        Ended::Passed => "passed".to_owned(),
        Ended::Failed(why) => format!("**failed**: {why}"),
        Ended::Skipped(reason) => format!("skipped: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage;
    use crate::transcript::Figure;

    #[test]
    fn a_page_has_every_check_and_every_figure_once() {
        let figure = |value| Figure { name: "iops".to_owned(), value, unit: "1/s".to_owned() };
        let ran = StageRan {
            checks: vec![stage::check("mount", false, "no such device")],
            figures: vec![figure(2.0), figure(4.0), figure(3.0)],
            ended: Ended::Failed("mount".to_owned()),
            ..stage::all()[0].blank()
        };
        let page = page("DATE", "MACHINE", &[ran]);
        assert!(page.contains("- mount: **failed**: no such device\n"), "{page}");
        assert!(page.contains("| iops | 3.0000 | 2.0000 | 4.0000 | 2.000 | 3 | 1/s |\n"), "{page}");
        assert!(page.contains("**failed**: mount"), "{page}");
    }
}
