//! What keeps a load from running: a kind, what it is about, and the cause. Not what a target answers to
//! a request: that is counted.

use std::io;
use std::path::{Path, PathBuf};

/// What kind of obstacle it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    /// A job that contradicts itself or the target.
    #[error("{0}")]
    Job(String),
    /// The safety rule.
    #[error("{0}")]
    Refused(String),
    /// A system call failed.
    #[error("{0}")]
    System(&'static str),
    /// A file that is not what it should be.
    #[error("{0}")]
    Format(String),
}

/// Why a load could not be run.
#[derive(Debug, thiserror::Error)]
pub struct Error {
    kind: ErrorKind,
    path: Option<PathBuf>,
    #[source]
    cause: Option<io::Error>,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}: ", path.display())?;
        }
        write!(f, "{}", self.kind)?;
        match &self.cause {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

impl Error {
    /// A job that cannot be.
    pub(crate) fn job(what: impl Into<String>) -> Error {
        Error { kind: ErrorKind::Job(what.into()), path: None, cause: None }
    }

    /// What the safety rule forbids.
    pub(crate) fn refused(path: &Path, what: impl Into<String>) -> Error {
        Error { kind: ErrorKind::Refused(what.into()), path: Some(path.to_owned()), cause: None }
    }

    /// A system call that failed.
    pub(crate) fn system(what: &'static str, cause: impl Into<io::Error>) -> Error {
        Error { kind: ErrorKind::System(what), path: None, cause: Some(cause.into()) }
    }

    /// A file that is not what it should be.
    pub(crate) fn format(path: &Path, what: impl Into<String>) -> Error {
        Error { kind: ErrorKind::Format(what.into()), path: Some(path.to_owned()), cause: None }
    }

    /// The same, about a file.
    #[must_use]
    pub(crate) fn at(mut self, path: &Path) -> Error {
        self.path = Some(path.to_owned());
        self
    }

    /// What kind it is.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The errno of the system call, where one failed.
    pub fn errno(&self) -> Option<i32> {
        self.cause.as_ref().and_then(io::Error::raw_os_error)
    }
}
