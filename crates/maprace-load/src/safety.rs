//! May this target be written to? A pure function of what is known of it and of what was typed.

use crate::facts::{Facts, Kind, Use};
use std::path::Path;

/// Why not.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// It is something else.
    #[error("it is neither a block device nor a regular file")]
    Kind,
    /// The name that was typed is not the target's.
    #[error("--destroys names `{typed}`, which is not the target: nothing was touched")]
    Name {
        /// What was typed.
        typed: String,
    },
    /// Somebody uses it; `--destroys` does not help.
    #[error("it is in use ({first}): free it first, --destroys does not help")]
    Used {
        /// By whom.
        first: String,
    },
    /// Something is on it.
    #[error("it carries {signature}: if that may be lost, type --destroys {name}")]
    Signature {
        /// What.
        signature: &'static str,
        /// What would have to be typed.
        name: String,
    },
    /// A device that is not ours.
    #[error(
        "only /dev/ublkb* and regular files are written to unasked: if all on it may be lost, type --destroys {name}"
    )]
    NotOurs {
        /// What would have to be typed.
        name: String,
    },
}

/// Whether it is a device that serves to be tried out.
fn is_ublk(path: &Path) -> bool {
    let number = path.to_str().and_then(|path| path.strip_prefix("/dev/ublkb"));
    number.is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Decides. `writes`: whether the load changes anything. `destroys`: the name that was typed after
/// `--destroys`.
///
/// # Errors
///
/// It may not.
pub fn decide(facts: &Facts, writes: bool, destroys: Option<&str>) -> Result<(), Refusal> {
    let Facts { typed, path, kind, uses, signatures, .. } = facts;
    if *kind == Kind::Other {
        return Err(Refusal::Kind);
    }
    let names =
        |name: &&str| Path::new(name) == typed.as_path() || Path::new(name) == path.as_path();
    let named = match destroys {
        Some(name) if !names(&name) => return Err(Refusal::Name { typed: name.to_owned() }),
        named => named.is_some(),
    };
    if !writes {
        return Ok(());
    }
    if let Some(first) = uses.first().map(Use::to_string) {
        return Err(Refusal::Used { first });
    }
    let name = path.display().to_string();
    match signatures.first() {
        _ if named => Ok(()),
        Some(signature) => Err(Refusal::Signature { signature, name }),
        None if *kind == Kind::Block && !is_ublk(path) => Err(Refusal::NotOurs { name }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(path: &str, kind: Kind) -> Facts {
        let path = Path::new(path).to_owned();
        let typed = path.clone();
        Facts { typed, path, kind, size: 1 << 30, uses: Vec::new(), signatures: Vec::new() }
    }

    fn mounted() -> Use {
        Use::Mounted { device: "/dev/ublkb0p1".to_owned(), at: "/mnt".to_owned() }
    }

    #[test]
    fn what_is_ours_and_empty_may_be_written() {
        for (path, kind) in [("/dev/ublkb0", Kind::Block), ("/tmp/disk", Kind::File)] {
            assert_eq!(decide(&facts(path, kind), true, None), Ok(()));
        }
    }

    #[test]
    fn other_devices_need_their_name() {
        for path in
            ["/dev/sda", "/dev/nvme0n1", "/dev/ublkb", "/dev/ublkb0x", "/dev/loop0", "/x/ublkb0"]
        {
            let facts = facts(path, Kind::Block);
            let name = path.to_owned();
            assert_eq!(decide(&facts, true, None), Err(Refusal::NotOurs { name }));
            assert_eq!(decide(&facts, true, Some(path)), Ok(()));
            assert_eq!(decide(&facts, false, None), Ok(()), "reading harms nobody");
        }
    }

    #[test]
    fn what_carries_something_needs_its_name() {
        for (path, kind) in [("/dev/ublkb3", Kind::Block), ("/tmp/disk", Kind::File)] {
            let mut facts = facts(path, kind);
            facts.signatures = vec!["XFS", "MBR or a boot sector"];
            let told = decide(&facts, true, None).unwrap_err();
            assert_eq!(told, Refusal::Signature { signature: "XFS", name: path.to_owned() });
            assert!(told.to_string().contains(&format!("--destroys {path}")));
            assert_eq!(decide(&facts, true, Some(path)), Ok(()));
            assert_eq!(decide(&facts, false, None), Ok(()));
        }
    }

    #[test]
    fn what_is_used_is_refused_whatever_is_typed() {
        let held = Use::Held { device: "/dev/sda".to_owned(), by: "/dev/dm-0".to_owned() };
        let swap = Use::Swap { device: "/dev/sda2".to_owned() };
        let looped = Use::Loop { by: "/dev/loop0".to_owned() };
        for one in [mounted(), held, swap, looped] {
            let mut facts = facts("/dev/ublkb0", Kind::Block);
            let first = one.to_string();
            facts.uses = vec![one];
            for destroys in [None, Some("/dev/ublkb0")] {
                let want = Err(Refusal::Used { first: first.clone() });
                assert_eq!(decide(&facts, true, destroys), want);
            }
            assert_eq!(decide(&facts, false, None), Ok(()));
        }
    }

    #[test]
    fn a_name_that_is_not_the_targets_stops_everything() {
        let facts = facts("/dev/ublkb0", Kind::Block);
        for typed in ["/dev/ublkb1", "ublkb0", "", "/dev"] {
            for writes in [true, false] {
                let want = Err(Refusal::Name { typed: typed.to_owned() });
                assert_eq!(decide(&facts, writes, Some(typed)), want);
            }
        }
    }

    #[test]
    fn a_link_may_be_named_by_either_name() {
        let mut facts = facts("/dev/sda", Kind::Block);
        facts.typed = Path::new("/dev/disk/by-id/x").to_owned();
        for name in ["/dev/sda", "/dev/disk/by-id/x"] {
            assert_eq!(decide(&facts, true, Some(name)), Ok(()));
        }
    }

    #[test]
    fn what_is_no_target_is_refused_even_for_reads() {
        for writes in [true, false] {
            assert_eq!(decide(&facts("/dev/null", Kind::Other), writes, None), Err(Refusal::Kind));
        }
    }
}
