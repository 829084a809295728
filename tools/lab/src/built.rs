//! Programs built here for the guests: static, so that they bring no library along.
//!
//! They have a target directory of their own, since other flags would make cargo build the workspace again.
//! It is the workspace's, not the cache's: cargo tells packages of two workspaces in one directory apart by
//! the age of their files alone.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::host::Host;

/// Given always: without a target, the flags would hit build scripts and macros too.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// What makes a program static.
const STATIC: &str = "target-feature=+crt-static";
/// The package whose program is under test, and the feature with the device in it.
const PACKAGE: &str = "maprace-cli";
const FEATURE: &str = "ublk";
/// The server that ours is compared with.
const PEER: &str = "rublk";
const PEER_VERSION: &str = "0.2.15";

/// Whether the program under test can have the device in it.
pub(crate) fn has_device(host: &Host) -> bool {
    let package = host.metadata.packages.iter().find(|package| package.name.as_str() == PACKAGE);
    package.is_some_and(|package| package.features.contains_key(FEATURE))
}

/// Builds the program under test.
pub(crate) fn maprace(host: &Host) -> Result<PathBuf> {
    let target = host.metadata.target_directory.join("lab/guest").into_std_path_buf();
    let mut cargo = host.cargo();
    cargo.args(["build", "--quiet", "--profile", "lab", "--target", TARGET]);
    cargo.args(["--package", PACKAGE, "--bin", "maprace"]);
    if has_device(host) {
        cargo.args(["--features", FEATURE]);
    }
    cargo.arg("--target-dir").arg(&target);
    run(&mut cargo, "maprace")?;
    Ok(target.join(TARGET).join("lab").join("maprace"))
}

/// Builds the server to compare with, once.
pub(crate) fn peer(host: &Host) -> Result<PathBuf> {
    let root = host.cache.join(format!("{PEER}-{PEER_VERSION}"));
    let program = root.join("bin").join(PEER);
    if !program.is_file() {
        let mut cargo = host.cargo();
        cargo.args(["install", PEER, "--version", PEER_VERSION, "--locked", "--quiet"]);
        cargo.args(["--no-default-features", "--target", TARGET, "--root"]).arg(&root);
        cargo.arg("--target-dir").arg(host.cache.join("peer"));
        run(&mut cargo, PEER)?;
    }
    Ok(program)
}

/// Runs cargo with the flags that make a program static, beside those of the environment.
fn run(cargo: &mut Command, what: &str) -> Result<()> {
    let (name, value) = flags(env::var("CARGO_ENCODED_RUSTFLAGS").ok(), env::var("RUSTFLAGS").ok());
    let status = cargo.env(name, value).status().context("cargo cannot be started")?;
    ensure!(status.success(), "{what} cannot be built for the guest: cargo ended with {status}");
    Ok(())
}

/// The variable that cargo heeds, extended.
fn flags(encoded: Option<String>, plain: Option<String>) -> (&'static str, String) {
    let joined = |given: Option<String>, between: &str| {
        let given = given.filter(|given| !given.is_empty());
        let given = given.map_or_else(String::new, |given| given + between);
        format!("{given}-C{between}{STATIC}")
    };
    match encoded {
        Some(encoded) => ("CARGO_ENCODED_RUSTFLAGS", joined(Some(encoded), "\u{1f}")),
        None => ("RUSTFLAGS", joined(plain, " ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_the_environment_are_kept() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(flags(None, None), ("RUSTFLAGS", format!("-C {STATIC}")));
        assert_eq!(flags(None, text("-g")), ("RUSTFLAGS", format!("-g -C {STATIC}")));
        let encoded = format!("-g\u{1f}-C\u{1f}{STATIC}");
        assert_eq!(flags(text("-g"), text("-x")), ("CARGO_ENCODED_RUSTFLAGS", encoded));
    }
}
