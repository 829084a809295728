//! Measures, and keeps what it measured with the machine it was measured on: a folder of `docs/runs`.
//!
//! The criterion benches of the explorer, the extent trees, the media, the load generator, the served file
//! and the device's loop; the model beside real kernels; what virtual time and threads cost; the same
//! little model here and in shuttle; how long every scenario of the catalogue takes in every
//! configuration. Nothing here passes or fails a change.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args as ClapArgs;

use crate::workspace::Workspace;

/// Options of `cargo xtask bench`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    cargo xtask bench                  measure all, into docs/runs/DATE-benches\n  \
    cargo xtask bench --only shuttle   one part\n  \
    cargo xtask bench --name quiet     into docs/runs/DATE-quiet")]
pub(crate) struct Args {
    /// Only this part; may be given more than once
    #[arg(long, value_parser = PARTS.map(|(name, ..)| name))]
    only: Vec<String>,
    /// What the folder is called behind the date.
    #[arg(long, default_value = "benches")]
    name: String,
}

/// A part: its name, the file it fills, the command.
const PARTS: [(&str, &str, &[&str]); 10] = [
    (
        "criterion",
        "criterion.txt",
        &["bench", "--package", "maprace-benches", "--bench", "explorer", "--bench", "extent"],
    ),
    ("media", "media.txt", &["bench", "--package", "maprace-benches", "--bench", "media"]),
    ("load", "load.txt", &["bench", "--package", "maprace-benches", "--bench", "load"]),
    ("served", "served.txt", &["bench", "--package", "maprace-benches", "--bench", "served"]),
    (
        "queue_loop",
        "queue_loop.txt",
        &["bench", "--package", "maprace-benches", "--bench", "queue_loop"],
    ),
    ("shape", "shape.txt", &["bench", "--package", "maprace-benches", "--bench", "shape"]),
    (
        "virtual",
        "virtual.txt",
        &["bench", "--package", "maprace-benches", "--bench", "virtual_time"],
    ),
    ("threads", "threads.txt", &["bench", "--package", "maprace-benches", "--bench", "threads"]),
    (
        "shuttle",
        "shuttle.txt",
        &["run", "--release", "--manifest-path", "benches/shuttle/Cargo.toml"],
    ),
    (
        "catalogue",
        "catalogue.json",
        &["run", "--release", "--quiet", "--", "compare", "--world", "explore", "--json"],
    ),
];

/// Measures and writes; true, since a measurement cannot fail a check.
pub(crate) fn run(args: &Args, workspace: &Workspace) -> Result<bool> {
    let root = workspace.root.as_path();
    let date = output(Command::new("date").arg("+%F"))?;
    let folder = root.join("docs/runs").join(format!("{}-{}", date.trim(), args.name));
    fs::create_dir_all(&folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
    let mut commands = Vec::new();
    for (name, file, command) in PARTS {
        if !args.only.is_empty() && !args.only.iter().any(|only| only == name) {
            continue;
        }
        let mut words: Vec<String> = command.iter().map(ToString::to_string).collect();
        if name == "catalogue" {
            words.extend(scenarios(root)?);
        }
        eprintln!("== {name}: cargo {}", words.join(" "));
        let text = output(Command::new("cargo").args(&words).current_dir(root))?;
        write(&folder.join(file), &text)?;
        commands.push(format!("- `{file}`: `cargo {}`", command.join(" ")));
    }
    write(&folder.join("README.md"), &readme(date.trim(), root, &commands)?)?;
    println!("written to {}", folder.display());
    Ok(true)
}

/// The names of the catalogue.
fn scenarios(root: &Path) -> Result<Vec<String>> {
    let list = ["run", "--release", "--quiet", "--", "scenarios"];
    let text = output(Command::new("cargo").args(list).current_dir(root))?;
    Ok(text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}

fn readme(date: &str, root: &Path, commands: &[String]) -> Result<String> {
    let line = |command: &mut Command| output(command).map(|text| text.trim().to_owned());
    let commit =
        line(Command::new("git").args(["rev-parse", "--short", "HEAD"]).current_dir(root))?;
    let kernel = line(Command::new("uname").args(["-sr"]))?;
    let rustc = line(Command::new("rustc").arg("--version"))?;
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpuinfo.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or(": unknown");
    let cpu = cpu.trim_start_matches([' ', '\t', ':']);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("unknown");
    Ok(format!(
        "# Measured on {date}\n\n\
         Commit {commit}, {kernel}, {rustc}, {cpu}, {cores} cores, load {load} at the end.\n\n\
         A figure is good as a ratio within one file; the machine may have been shared.\n\n{}\n",
        commands.join("\n")
    ))
}

fn write(path: &PathBuf, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("{}: cannot be written", path.display()))
}

/// What a command prints; its errors go to ours.
fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let out = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("{program}: cannot be started"))?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    // A bar that is missed is a result, and is kept with the rest.
    if !out.status.success() && text.is_empty() {
        bail!("{program} ended with {}", out.status);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Five benches were written that no dated result ever had.
    #[test]
    fn every_bench_of_the_package_is_in_a_part() {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benches/Cargo.toml");
        let text = fs::read_to_string(manifest).unwrap();
        let mut is_bench = false;
        let mut benches = 0;
        for line in text.lines() {
            if line.starts_with('[') {
                is_bench = line == "[[bench]]";
            } else if is_bench && let Some(name) = line.strip_prefix("name = ") {
                let name = name.trim_matches('"');
                benches += 1;
                let has = |words: &[&str]| words.windows(2).any(|two| two == ["--bench", name]);
                assert!(PARTS.iter().any(|(_, _, words)| has(words)), "{name} is in no part");
            }
        }
        assert!(benches >= 9, "{benches}");
    }

    #[test]
    fn each_part_has_a_name_and_a_file_of_its_own() {
        let count = |mut all: Vec<&str>| {
            all.sort_unstable();
            all.dedup();
            all.len()
        };
        assert_eq!(count(PARTS.map(|(name, ..)| name).to_vec()), PARTS.len());
        assert_eq!(count(PARTS.map(|(_, file, _)| file).to_vec()), PARTS.len());
    }
}
