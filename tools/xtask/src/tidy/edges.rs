//! Which of our packages may use which, and that each takes the workspace's lints.

use std::path::Path;

use cargo_metadata::Metadata;

use super::Finding;
use crate::workspace::TextFile;

/// What one package may use of ours.
#[derive(Clone, Copy, Debug)]
enum May {
    /// These, and nothing else.
    Use(&'static [&'static str]),
    /// Any of ours: it puts the parts together or tests across them.
    UseAny,
}

/// The whole table. An absence here is a promise of the design: extent has no clock, the file
/// system does not know the explorer, only ublk knows the kernel's side.
const TABLE: &[(&str, May)] = &[
    ("maprace-runtime", May::Use(&[])),
    ("maprace-extent", May::Use(&[])),
    ("maprace-load", May::Use(&[])),
    ("maprace-media", May::Use(&["maprace-runtime"])),
    ("maprace-explore", May::Use(&["maprace-runtime"])),
    ("maprace-fs", May::Use(&["maprace-extent", "maprace-media", "maprace-runtime"])),
    (
        "maprace-scenario",
        May::Use(&["maprace-explore", "maprace-fs", "maprace-media", "maprace-runtime"]),
    ),
    ("maprace-ublk", May::Use(&["maprace-media", "maprace-runtime"])),
    ("maprace-cli", May::UseAny),
    ("maprace-tests", May::UseAny),
    ("maprace-benches", May::UseAny),
    ("maprace-lab", May::UseAny),
    ("xtask", May::Use(&[])),
];

/// The edges that leave one package.
#[derive(Debug)]
pub(super) struct Uses {
    /// The package.
    package: String,
    /// Packages of ours it depends on, of every kind: normal, dev, build.
    ours: Vec<String>,
}

/// The edges between packages of the workspace.
pub(super) fn of(metadata: &Metadata) -> Vec<Uses> {
    let packages = metadata.workspace_packages();
    let is_ours = |name: &str| packages.iter().any(|package| package.name.as_str() == name);
    packages
        .iter()
        .map(|package| Uses {
            package: package.name.to_string(),
            ours: package
                .dependencies
                .iter()
                .map(|dependency| dependency.name.clone())
                .filter(|name| is_ours(name))
                .collect(),
        })
        .collect()
}

/// Rule: packages use each other only as the table says.
pub(super) fn forbidden(edges: &[Uses]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Uses { package, ours } in edges {
        match TABLE.iter().find(|(name, _)| name == package).map(|(_, may)| may) {
            None => {
                let what = "not in the table of tools/xtask/src/tidy/edges.rs: say what it may use";
                findings.push(Finding::whole(package, what));
            }
            Some(May::UseAny) => {}
            Some(May::Use(allowed)) => {
                let extra = ours.iter().filter(|used| !allowed.contains(&used.as_str()));
                findings.extend(extra.map(|used| {
                    let allowed = if allowed.is_empty() {
                        "nothing of ours".to_owned()
                    } else {
                        allowed.join(", ")
                    };
                    Finding::whole(package, format!("depends on {used}; it may use {allowed}"))
                }));
            }
        }
    }
    findings
}

/// Rule: every member takes the lints of the workspace.
pub(super) fn without_lints(metadata: &Metadata, root: &Path, files: &[TextFile]) -> Vec<Finding> {
    metadata
        .workspace_packages()
        .iter()
        .filter_map(|package| package.manifest_path.as_std_path().strip_prefix(root).ok())
        .filter_map(|manifest| files.iter().find(|file| Path::new(&file.path) == manifest))
        .filter(|file| !takes_lints(&file.text))
        .map(|file| Finding::whole(&file.path, "lacks `[lints]` with `workspace = true`"))
        .collect()
}

/// Whether a manifest inherits the lints.
fn takes_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().map(str::trim);
    lines.any(|line| line == "[lints]") && lines.next() == Some("workspace = true")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(package: &str, ours: &[&str]) -> Uses {
        Uses {
            package: package.to_owned(),
            ours: ours.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    #[test]
    fn edges_of_the_table_pass() {
        let edges = [
            uses("maprace-fs", &["maprace-extent", "maprace-runtime"]),
            uses("maprace-extent", &[]),
            uses("maprace-tests", &["maprace-explore", "maprace-extent"]),
        ];
        assert_eq!(forbidden(&edges), []);
    }

    #[test]
    fn any_other_edge_is_found() {
        let found = forbidden(&[
            uses("maprace-extent", &["maprace-runtime"]),
            uses("maprace-fs", &["maprace-explore"]),
        ]);
        let text: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                "maprace-extent: depends on maprace-runtime; it may use nothing of ours",
                "maprace-fs: depends on maprace-explore; \
                 it may use maprace-extent, maprace-media, maprace-runtime",
            ]
        );
    }

    #[test]
    fn a_package_must_be_in_the_table() {
        assert_eq!(forbidden(&[uses("maprace-new", &[])]).len(), 1);
    }

    #[test]
    fn lints_are_inherited_by_two_lines() {
        assert!(takes_lints("[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n"));
        assert!(!takes_lints("[package]\nname = \"a\"\n"));
        assert!(!takes_lints("[lints]\n[dependencies]\n"));
    }
}
