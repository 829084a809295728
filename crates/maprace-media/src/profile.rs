//! A medium as a text: what a profile file says, and the built-in ones.
//!
//! `keys` is the table of all keys with their ranges, `flat` reads a text against it, `build` makes
//! parameters of it, `builtin` holds the files inside the binary.

mod build;
mod builtin;
mod expect;
mod flat;
mod keys;
#[cfg(test)]
mod tests;

pub use builtin::{Entry, all};
pub use expect::{Expect, Known, Measure, Target, Work};
pub use keys::{KEYS, Key, Kind};

use crate::error::{Error, ErrorKind, nearest};
use crate::faults::Fault;
use crate::params::Params;
use flat::{Flat, Source, Value};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

/// Longest text of a profile in bytes.
const TEXT_MAX: usize = 1 << 20;

/// How many profiles may stand on each other.
const BASE_MAX: usize = 8;

/// A medium, as its file describes it.
#[derive(Clone, PartialEq, Debug)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// What it is, in one line; the name if nothing is said.
    pub title: String,
    /// The text of the file, without that of its base.
    pub text: String,
    /// The parameters of the latency model.
    pub params: Arc<Params>,
    /// Errors that the medium has.
    pub faults: Vec<Fault>,
    /// The figures it was made after.
    pub expect: Vec<Expect>,
    /// Every key in force with its value as text, what is inherited included, by name.
    pub settings: Vec<(String, String)>,
}

impl Profile {
    /// A built-in profile by name, or a file: a name with `/` or that ends in `.toml` is a path.
    ///
    /// # Errors
    ///
    /// No built-in profile has the name; the file cannot be read; its text is no profile.
    pub fn open(name: &str) -> Result<Profile, Error> {
        Profile::from_source(source_of(name, None)?, Path::new(name).parent())
    }

    /// From a text, which errors call `origin`. A `base` that is a path is looked up from the working
    /// directory.
    ///
    /// # Errors
    ///
    /// The text is no profile, or its base is none.
    pub fn parse(origin: &str, text: &str) -> Result<Profile, Error> {
        Profile::from_source(Source { origin: origin.to_owned(), text: text.to_owned() }, None)
    }

    /// The same medium with another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Profile {
        Arc::make_mut(&mut self.params).seed = seed;
        self
    }

    fn from_source(source: Source, dir: Option<&Path>) -> Result<Profile, Error> {
        let source = Rc::new(source);
        let mut flat = Flat::parse(&source)?;
        let name = build::checked_name(&flat)?;
        let mut dir = dir.map(Path::to_path_buf);
        let mut next = flat.text("base").map(str::to_owned);
        let mut depth = 0;
        while let Some(base) = next {
            depth += 1;
            if depth > BASE_MAX {
                let kind = ErrorKind::BaseTooDeep { limit: BASE_MAX };
                return Err(Error::new(&source.origin, None, kind));
            }
            let found = source_of(&base, dir.as_deref()).map_err(|error| match *error.kind {
                ErrorKind::NoBuiltIn { .. } => flat.clash("base", error.kind.to_string()),
                _ => error,
            })?;
            dir = is_path(&base)
                .then(|| Path::new(&found.origin).parent().map(Path::to_path_buf))
                .flatten();
            let below = Flat::parse(&Rc::new(found))?;
            next = below.text("base").map(str::to_owned);
            flat = flat.over(below);
        }
        let (params, faults, expect) = build::params(&flat)?;
        let title = flat.text("title").unwrap_or(&name).to_owned();
        let settings =
            flat.leaves().filter(|(name, _)| !matches!(*name, "expect" | "title" | "name"));
        let settings = settings.map(|(name, value)| (name.to_owned(), shown(value))).collect();
        let text = source.text.clone();
        Ok(Profile { name, title, text, params: Arc::new(params), faults, expect, settings })
    }
}

/// Whether a name is that of a file.
fn is_path(name: &str) -> bool {
    name.contains('/') || name.ends_with(".toml")
}

/// The text under that name; paths begin at `dir`.
fn source_of(name: &str, dir: Option<&Path>) -> Result<Source, Error> {
    if !is_path(name) {
        let entry = all().iter().find(|entry| entry.name == name);
        let known = || all().iter().map(|entry| entry.name.to_owned()).collect();
        let near = || nearest(name, &all().iter().map(|entry| entry.name).collect::<Vec<_>>());
        return match entry {
            Some(entry) => Ok(Source { origin: name.to_owned(), text: entry.text.to_owned() }),
            None => Err(Error::new(
                name,
                None,
                ErrorKind::NoBuiltIn { typed: name.to_owned(), known: known(), near: near() },
            )),
        };
    }
    let path = dir.map_or_else(|| Path::new(name).to_path_buf(), |dir| dir.join(name));
    let origin = path.display().to_string();
    let wrong = |kind: ErrorKind| Error::new(&origin, None, kind);
    let size = std::fs::metadata(&path).map_err(|error| wrong(ErrorKind::Io(error)))?.len();
    if size > TEXT_MAX as u64 {
        return Err(wrong(ErrorKind::TooLong { limit: TEXT_MAX }));
    }
    let bytes = std::fs::read(&path).map_err(|error| wrong(ErrorKind::Io(error)))?;
    let text = String::from_utf8(bytes).map_err(|_| wrong(ErrorKind::NotUtf8))?;
    Ok(Source { origin, text })
}

/// A value as a person would write it.
fn shown(value: &Value) -> String {
    match value {
        Value::Whole(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::Switch(value) => value.to_string(),
        Value::Text(text) => format!("\"{text}\""),
        Value::Numbers(list) => format!("{list:?}"),
        Value::Points(points) => {
            let point = |(x, y): &(f64, f64)| format!("[{x}, {y}]");
            format!("[{}]", points.iter().map(point).collect::<Vec<_>>().join(", "))
        }
        Value::Tables(tables) => {
            let table = |flat: &Flat| {
                let entry = |(name, value): (&str, &Value)| format!("{name} = {}", shown(value));
                format!("{{ {} }}", flat.leaves().map(entry).collect::<Vec<_>>().join(", "))
            };
            format!("[{}]", tables.iter().map(table).collect::<Vec<_>>().join(", "))
        }
    }
}
