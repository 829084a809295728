//! The registry on a real directory, with what others may have put there.

use super::*;
use crate::device::spec::Spec;
use crate::device::spec::tests::typed;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

fn surroundings(dir: &Path) -> Surroundings {
    Surroundings {
        run_dir: Some(dir.join("run")),
        user_run_dir: None,
        die_at: None,
        devices: std::sync::Arc::new(crate::device::kernel::Kernel),
    }
}

fn registry() -> (tempfile::TempDir, Registry) {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::open(&surroundings(dir.path())).unwrap();
    (dir, registry)
}

fn spec(id: u32) -> Spec {
    typed(&["--media", "hdd-7200"]).unwrap().numbered(id, "/nowhere".into())
}

#[test]
fn what_is_written_is_read() {
    let (_dir, registry) = registry();
    let entry = Entry::new(spec(3), 7);
    registry.write(&entry).unwrap();
    registry.write(&entry).unwrap();
    assert_eq!(registry.entry(3).unwrap(), entry);
    assert_eq!(registry.entries().unwrap(), [entry]);
    let memory = registry.memory(3).unwrap();
    std::fs::write(&memory, "bytes").unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(registry.path()), mode(memory.parent().unwrap())), (0o700, 0o700));
    assert_eq!(mode(&registry.path().join("3.json")), 0o600);
    assert_eq!(registry.remove(3), [registry.path().join("3.json"), memory]);
    assert!(registry.remove(3).is_empty());
    assert!(registry.entry(3).unwrap_err().to_string().contains("device 3 is not in "));
}

#[test]
fn what_is_left_of_a_device_is_found_without_its_entry() {
    let (_dir, registry) = registry();
    std::fs::write(registry.path().join("4.part"), "{").unwrap();
    std::fs::write(registry.path().join("5.log"), "a\nlast words\n\n").unwrap();
    std::fs::write(registry.memory(6).unwrap(), "").unwrap();
    for other in ["7.txt", "x.json", "8"] {
        std::fs::write(registry.path().join(other), "").unwrap();
    }
    let found = registry.all().unwrap();
    let ids: Vec<u32> = found.iter().map(|found| found.id).collect();
    assert_eq!(ids, [4, 5, 6]);
    assert!(found.iter().all(|found| found.entry.is_none()));
    assert_eq!(registry.last_words(5).as_deref(), Some("last words"));
    assert_eq!(registry.last_words(4), None);
}

#[test]
fn no_link_is_followed_where_files_are_made_or_read() {
    let (dir, registry) = registry();
    let victim = dir.path().join("victim");
    std::fs::write(&victim, "mine").unwrap();
    for name in ["3.json", "3.part", "3.log"] {
        symlink(&victim, registry.path().join(name)).unwrap();
    }
    assert!(registry.entry(3).is_err() && registry.last_words(3).is_none());
    assert!(registry.log_file(3, true).is_err());
    registry.log_file(3, false).unwrap().write_all(b"log").unwrap();
    registry.write(&Entry::new(spec(3), 7)).unwrap();
    assert_eq!(registry.entry(3).unwrap().spec.id, 3);
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine");
    symlink(dir.path(), registry.path().join("memory")).unwrap();
    assert!(registry.memory(3).is_err() && registry.all().unwrap().len() == 1);
}

#[test]
fn entries_of_others_are_refused() {
    let (_dir, registry) = registry();
    let text = |text: &str| std::fs::write(registry.path().join("3.json"), text).unwrap();
    let entry = serde_json::to_string(&Entry::new(spec(3), 7)).unwrap();
    text(&entry);
    registry.entry(3).unwrap();
    let told = || registry.entry(3).unwrap_err().to_string();
    text(&entry.replacen("\"format\":1", "\"format\":9", 1));
    assert!(
        told().contains("an entry of format 9, not 1: `maprace device gc` removes it"),
        "{}",
        told()
    );
    text(&entry.replacen("\"id\":3", "\"id\":4", 1));
    assert!(told().contains("the entry of another device"), "{}", told());
    for wrong in ["", "[]", "{}", "{\"format\":1}", &entry[..entry.len() - 1]] {
        text(wrong);
        assert!(told().contains("not an entry"), "{wrong}: {}", told());
    }
}

#[test]
fn one_at_a_time_has_the_lock() {
    let (_dir, registry) = registry();
    let soon = || Deadline::after(Duration::ZERO);
    let lock = registry.lock(soon()).unwrap();
    let error = registry.lock(soon()).unwrap_err().to_string();
    assert!(error.contains("another maprace command is changing devices"), "{error}");
    drop(lock);
    registry.lock(soon()).unwrap();
}

#[test]
fn where_it_is_depends_on_who_asks() {
    let of = |run: Option<&str>, user: Option<&str>, root| {
        let surroundings = Surroundings {
            run_dir: run.map(PathBuf::from),
            user_run_dir: user.map(PathBuf::from),
            ..surroundings(Path::new("/"))
        };
        directory(&surroundings, root).map_err(|failure| failure.to_string())
    };
    assert_eq!(of(Some("/a"), Some("/b"), true), Ok("/a".into()));
    assert_eq!(of(None, Some("/b"), true), Ok("/run/maprace".into()));
    assert_eq!(of(None, Some("/b"), false), Ok("/b/maprace".into()));
    assert!(of(None, None, false).unwrap_err().contains("set MAPRACE_RUN_DIR"));
    assert!(of(None, Some("b"), false).is_err() && of(Some("a"), None, true).is_err());
}
