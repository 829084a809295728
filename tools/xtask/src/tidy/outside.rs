//! Traces of the machine something was written on: its paths, its hosts, its registry.

use super::Finding;
use super::code::has_word;
use crate::workspace::TextFile;

/// Directories that are one machine's own. Written in parts, so that this file passes its own rule.
const PATHS: &[&str] =
    &[concat!("/", "work", "/"), concat!("/", "root", "/"), concat!("/", "home", "/")];

/// The only place packages come from, as the lock file writes it.
const PUBLIC_INDEX: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Keys that send cargo to another registry.
const REGISTRY_KEYS: &[&str] = &["replace-with", "registry", "registry-index", "index"];

/// Name endings that only a private network resolves.
const PRIVATE: &[&str] = &[".local", ".internal", ".intranet", ".lan", ".corp", ".home"];

/// Rule: no absolute path of one machine.
pub(super) fn machine_paths(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        for (index, line) in file.text.lines().enumerate() {
            let found = PATHS.iter().filter(|path| has_absolute(line, path));
            findings.extend(found.map(|path| {
                Finding::at(file, index, format!("`{path}` is a path of one machine"))
            }));
        }
    }
    findings
}

/// Rule: no registry but the public one, and no host that only one network knows.
pub(super) fn hosts(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        for (index, line) in file.text.lines().enumerate() {
            if file.path.ends_with("Cargo.lock") && is_foreign_source(line) {
                findings.push(Finding::at(
                    file,
                    index,
                    "a package from outside the public registry",
                ));
            }
            if file.has_extension("toml") && is_registry_setting(line) {
                findings.push(Finding::at(
                    file,
                    index,
                    "a registry setting: it belongs to the machine",
                ));
            }
            findings.extend(hosts_of_urls(line).filter(|host| is_private(host)).map(|host| {
                Finding::at(file, index, format!("`{host}` is a host that others do not know"))
            }));
        }
    }
    findings
}

/// Whether an absolute path begins with this: not the middle of a relative one.
fn has_absolute(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        !before
            .is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '*' | '}' | '>'))
    })
}

/// Whether a line of the lock file names another source.
fn is_foreign_source(line: &str) -> bool {
    line.strip_prefix("source = ").is_some_and(|source| source.trim_matches('"') != PUBLIC_INDEX)
}

/// Whether a line of a manifest or of cargo's configuration sets a registry.
fn is_registry_setting(line: &str) -> bool {
    let line = line.trim();
    let key = line.split_once('=').map_or("", |(key, _)| key.trim());
    REGISTRY_KEYS.contains(&key)
        || line.starts_with("[source")
        || line.starts_with("[registr")
        || (line.contains('{') && has_word(line, "registry"))
}

/// The host of every URL in the line.
fn hosts_of_urls(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("://").map(|(at, separator)| {
        let rest = &line[at + separator.len()..];
        let end = rest.find(|c: char| !is_host_character(c)).unwrap_or(rest.len());
        let authority = &rest[..end];
        authority.rsplit_once('@').map_or(authority, |(_, host)| host)
    })
}

/// Whether the character can stand in a host name or in the user name before it.
fn is_host_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '@')
}

/// Whether a host means something on one network only.
fn is_private(host: &str) -> bool {
    if host.is_empty() || matches!(host, "localhost" | "127.0.0.1") {
        return false;
    }
    let host = host.trim_end_matches('.');
    let address = host.chars().all(|c| c.is_ascii_digit() || c == '.');
    address || !host.contains('.') || PRIVATE.iter().any(|ending| host.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{file, lines};
    use super::*;

    #[test]
    fn absolute_paths_are_found_and_relative_ones_are_not() {
        let path = PATHS[0];
        let text = format!(
            "cd {path}main\nsee ..{path}x\nframe{path}x\n\"{path}\"\na/b{path}c\n(={path}x)\n"
        );
        assert_eq!(lines(&machine_paths(&[file("a.md", &text)])), [1, 4, 6]);
    }

    #[test]
    fn the_lock_file_names_the_public_registry_only() {
        let text = format!("source = \"{PUBLIC_INDEX}\"\nsource = \"git+somewhere\"\n");
        assert_eq!(lines(&hosts(&[file("Cargo.lock", &text)])), [2]);
        assert_eq!(hosts(&[file("other.txt", &text)]), []);
    }

    #[test]
    fn registry_settings_are_found() {
        let text = "[source.x]\nreplace-with = \"y\"\n[registries.z]\nregistry = \"z\"\n\
                    a = { version = \"1\", registry = \"z\" }\nversion = \"1\"\n";
        assert_eq!(lines(&hosts(&[file(".cargo/config.toml", text)])), [1, 2, 3, 4, 5]);
        assert_eq!(hosts(&[file("a.md", text)]), []);
    }

    #[test]
    fn hosts_of_one_network_are_found() {
        // The scheme stands apart, so that these lines pass the rule they test.
        let url = |rest: &str| format!("see http:{rest} there");
        for rest in ["//proxy:3128/x", "//10.0.0.7/x", "//a.b.internal", "//user@mirror/x"] {
            let found = hosts(&[file("a.md", &url(rest))]);
            assert_eq!(found.len(), 1, "{rest}");
        }
        for rest in ["//git.kernel.org/x", "//localhost:80", "//example.com.", "//{host}/", "//$H"]
        {
            assert_eq!(hosts(&[file("a.md", &url(rest))]), [], "{rest}");
        }
    }
}
