//! From what was asked for to who keeps the bytes: one arm for each backend.

use super::args::{StoreArg, ZeroesArg};
use super::fs_backend::{self, FsBackend, FsOptions};
use super::rounds_backend::{self, RoundsAsked, RoundsBackend, RoundsReply};
use super::spec::{BackendSpec, FsSpec, Spec};
use crate::failure::Failure;
use crate::layers::Layers;
use maprace_scenario::{Store, Zeroes};
use maprace_ublk::{Backend, Timing, raw};
use std::sync::Arc;

/// A backend that is open.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) backend: Arc<dyn Backend>,
    /// The same, if it waits for its medium itself.
    fs: Option<Arc<FsBackend>>,
    /// The same, if it serves a scenario.
    rounds: Option<Arc<RoundsBackend>>,
}

impl Opened {
    fn raw(backend: impl Backend) -> Opened {
        Opened { backend: Arc::new(backend), fs: None, rounds: None }
    }

    /// What the queue loop is to wait for; a medium that the backend waits for itself is put in force.
    pub(crate) fn set_timing(&self, timing: Timing) -> Timing {
        match &self.fs {
            None => timing,
            Some(fs) => {
                fs.set_timing(&timing);
                Timing { profile: None, ..timing }
            }
        }
    }

    /// To be called when the device has gone: what a person should know of its end. Who runs rounds has
    /// asked for it before; if they were killed, nobody will.
    pub(crate) fn close(&self) -> Vec<String> {
        self.fs.as_ref().map_or_else(Vec::new, |fs| fs.close())
    }

    /// Does what whoever runs a scenario's rounds asks for.
    pub(crate) fn rounds(&self, asked: RoundsAsked) -> Result<RoundsReply, Failure> {
        match &self.rounds {
            Some(rounds) => rounds.asked(asked),
            None => Err(Failure::Device("the device serves no scenario".to_owned())),
        }
    }
}

/// Opens what a device keeps its bytes in; `again`: it has been there before, and its bytes stay. A
/// medium that a backend waits for itself takes no time before [`Opened::set_timing`], so that the floor
/// can be measured.
pub(crate) fn open(layers: &Layers, spec: &Spec, again: bool) -> Result<Opened, Failure> {
    let size = spec.attributes.size;
    let wrong = |error: raw::Error| Failure::Device(error.to_string());
    match &spec.backend {
        BackendSpec::Null => Ok(Opened::raw(raw::Null::new(size))),
        BackendSpec::Memory(path) => {
            let open = if again { raw::Memory::open } else { raw::Memory::create };
            Ok(Opened::raw(open(path, size).map_err(wrong)?))
        }
        BackendSpec::File(path) => {
            // The user's: it may have been there before the device.
            let is_there = path.symlink_metadata().is_ok();
            let open = if is_there { raw::SparseFile::open } else { raw::SparseFile::create };
            Ok(Opened::raw(open(path, size).map_err(wrong)?))
        }
        BackendSpec::Fs(fs) => open_fs(layers, fs, size),
        BackendSpec::Rounds(spec) => {
            let rounds = rounds_backend::open(layers, spec)?;
            let backend: Arc<dyn Backend> = Arc::clone(&rounds) as _;
            Ok(Opened { backend, fs: None, rounds: Some(rounds) })
        }
    }
}

fn open_fs(layers: &Layers, fs: &FsSpec, size: u64) -> Result<Opened, Failure> {
    let options = FsOptions {
        size,
        config: fs.config(layers)?,
        store: match fs.store {
            StoreArg::Write => Store::Write,
            StoreArg::Mmap => Store::Mmap,
        },
        zeroes: match fs.zeroes {
            ZeroesArg::ZeroRange => Zeroes::ZeroRange,
            ZeroesArg::Fallocate => Zeroes::Fallocate,
        },
        cache_mb: fs.cache_mb,
        profile: None,
        seed: 0,
        dilate: 1,
    };
    let opened = fs_backend::open(layers.get(&fs.layer)?, options);
    let opened = opened.map_err(|error| Failure::Device(error.to_string()))?;
    let backend: Arc<dyn Backend> = Arc::clone(&opened) as _;
    Ok(Opened { backend, fs: Some(opened), rounds: None })
}
