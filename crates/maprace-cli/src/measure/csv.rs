//! Raw samples: a line a window, in order of configuration, round and time.

use crate::failure::Failure;
use crate::files::{Existing, check_file};
use maprace_scenario::measure::Outcome;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// The names of the columns.
const HEAD: &str = "world,subject,protocol,order,cookie,media,cpus,seed,swept,round,window,task,\
                    opened_ns,closed_ns,length_ns,first_block,blocks,hit,caught\n";

/// The file, written under another name until it is whole; or none.
pub(super) struct Csv(Option<(PathBuf, PathBuf, BufWriter<File>)>);

impl Csv {
    /// A new file.
    pub(super) fn create(path: Option<&Path>, existing: Existing) -> Result<Csv, Failure> {
        let Some(path) = path else { return Ok(Csv(None)) };
        check_file(path, existing)?;
        let name = path.file_name().map_or_else(Default::default, |name| name.to_string_lossy());
        let mut part = path.to_owned();
        part.set_file_name(format!(".{name}.{}.part", std::process::id()));
        let file = File::create(&part).map_err(|error| failure(path, error))?;
        let mut csv = Csv(Some((path.to_owned(), part, BufWriter::new(file))));
        csv.put(HEAD)?;
        Ok(csv)
    }

    fn put(&mut self, text: &str) -> Result<(), Failure> {
        let Some((path, _, file)) = &mut self.0 else { return Ok(()) };
        file.write_all(text.as_bytes()).map_err(|error| failure(path, error))
    }

    /// The windows of one measurement.
    pub(super) fn write(&mut self, outcome: &Outcome, swept: &str) -> Result<(), Failure> {
        if self.0.is_none() {
            return Ok(());
        }
        let m = &outcome.measured;
        let cookie = m.cookie.unwrap_or("");
        let head = format!(
            "{},\"{}\",{},{},{cookie},\"{}\",{},{},{swept}",
            m.world,
            m.subject.replace('"', "\"\""),
            m.protocol,
            m.order,
            m.media,
            m.cpus,
            m.seed
        );
        for (round, windows) in &outcome.windows {
            for w in windows {
                let (length, blocks) = (w.closed_ns - w.opened_ns, w.hi - w.lo);
                let (hit, caught) = (u8::from(w.hit), u8::from(w.caught));
                self.put(&format!(
                    "{head},{round},{},{},{},{},{length},{},{blocks},{hit},{caught}\n",
                    w.kind.name(),
                    w.task,
                    w.opened_ns,
                    w.closed_ns,
                    w.lo
                ))?;
            }
        }
        Ok(())
    }

    /// The file is whole: it gets its name.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        let Some((path, part, mut file)) = self.0.take() else { return Ok(()) };
        let done = file.flush().and_then(|()| file.get_ref().sync_all());
        let done = done.and_then(|()| std::fs::rename(&part, &path));
        done.map_err(|error| {
            // It may never have been there.
            let _ = std::fs::remove_file(&part);
            failure(&path, error)
        })
    }
}

impl Drop for Csv {
    fn drop(&mut self) {
        if let Some((_, part, _)) = &self.0 {
            // Nothing half done is left behind; it may never have been there.
            let _ = std::fs::remove_file(part);
        }
    }
}

fn failure(path: &Path, error: std::io::Error) -> Failure {
    Failure::File { path: path.to_owned(), error }
}
