//! The licences of everything we link.

use cargo_metadata::Metadata;

use super::Finding;

/// Licences that ask for no more than a notice. One outside this list is a decision, made by
/// adding it here.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    // Its terms end at its own files. `bitmaps`, which libublk uses unchanged.
    "MPL-2.0+",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Rule: every package in the lock file may be used under an allowed licence.
pub(super) fn not_allowed(metadata: &Metadata) -> Vec<Finding> {
    metadata
        .packages
        .iter()
        .filter_map(|package| {
            let what = complaint(package.license.as_deref())?;
            Some(Finding::whole(&format!("{} {}", package.name, package.version), what))
        })
        .collect()
}

/// What is wrong with the licence of a package, if anything.
fn complaint(licence: Option<&str>) -> Option<String> {
    let Some(expression) = licence else {
        return Some("names no licence".to_owned());
    };
    match allows(expression) {
        Some(true) => None,
        Some(false) => Some(format!("its licence is not in the allow list: {expression}")),
        None => Some(format!("its licence is no SPDX expression: {expression}")),
    }
}

/// Whether the allow list satisfies an SPDX expression; none when it is not one.
fn allows(expression: &str) -> Option<bool> {
    // The old form `MIT/Apache-2.0` means "or".
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let allowed = any_of(&mut rest)?;
    rest.is_empty().then_some(allowed)
}

/// `a OR b OR ..`
fn any_of(words: &mut &[&str]) -> Option<bool> {
    let mut allowed = all_of(words)?;
    while next_if(words, "OR") {
        allowed |= all_of(words)?;
    }
    Some(allowed)
}

/// `a AND b AND ..`
fn all_of(words: &mut &[&str]) -> Option<bool> {
    let mut allowed = one(words)?;
    while next_if(words, "AND") {
        allowed &= one(words)?;
    }
    Some(allowed)
}

/// `( .. )`, `name` or `name WITH exception`
fn one(words: &mut &[&str]) -> Option<bool> {
    if next_if(words, "(") {
        let allowed = any_of(words)?;
        return next_if(words, ")").then_some(allowed);
    }
    let (name, rest) = words.split_first()?;
    if matches!(*name, "OR" | "AND" | "WITH" | ")") {
        return None;
    }
    *words = rest;
    if !next_if(words, "WITH") {
        return Some(ALLOWED.contains(name));
    }
    let (exception, rest) = words.split_first()?;
    *words = rest;
    Some(ALLOWED.contains(&format!("{name} WITH {exception}").as_str()))
}

/// Takes the next word if it is this one.
fn next_if(words: &mut &[&str], wanted: &str) -> bool {
    match words.split_first() {
        Some((word, rest)) if *word == wanted => {
            *words = rest;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_allowed_alternative_is_enough() {
        for expression in [
            "MIT",
            "MIT OR Apache-2.0",
            "MIT/Apache-2.0",
            "GPL-2.0-only OR MIT",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Zlib AND (GPL-3.0-only OR ISC)",
        ] {
            assert_eq!(complaint(Some(expression)), None, "{expression}");
        }
    }

    #[test]
    fn what_is_not_listed_is_found() {
        for expression in [
            "GPL-2.0-only",
            "MIT AND GPL-2.0-only",
            "Apache-2.0 WITH Classpath-exception-2.0",
            "(MIT OR ISC) AND AGPL-3.0-only",
        ] {
            let complaint = complaint(Some(expression)).unwrap();
            assert!(complaint.contains("not in the allow list"), "{expression}: {complaint}");
        }
    }

    #[test]
    fn no_licence_and_nonsense_are_found() {
        assert_eq!(complaint(None).unwrap(), "names no licence");
        for expression in ["", "MIT OR", "(MIT", "MIT)", "MIT ISC", "OR MIT", "MIT WITH"] {
            let complaint = complaint(Some(expression)).unwrap();
            assert!(complaint.contains("no SPDX expression"), "{expression}: {complaint}");
        }
    }
}
