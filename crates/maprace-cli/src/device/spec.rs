//! What a device is asked to be: everything that was typed, looked up and put together. Given to the
//! daemon as JSON, kept in the registry, read back by `recover`; so it needs no file but itself.

use super::args::{AddArgs, BackendArg, FsArgs, StoreArg, WaitingArg, ZeroesArg};
use super::values::{Dilate, exact};
use crate::answer::Context;
use crate::failure::Failure;
use crate::layers::Layers;
use crate::plan::one_config;
use crate::values::{self, Setting};
use maprace_media::Profile;
use maprace_media::params::{Cache, Fua};
use maprace_scenario::{Config, Media};
use maprace_ublk::{Attributes, Floor, Partitions, Plan, Timing, Waiting};
use serde::{Deserialize, Serialize};
use std::num::NonZero;
use std::path::{Path, PathBuf};

/// The page cache of a device without `--cache-mb`.
const CACHE_MB: u32 = 256;

/// Bytes that a raw device keeps or gives back at once.
const PAGE: u32 = 4096;

/// Requests at once, and bytes of the longest at least, of a device of rounds: each task has one in flight, and
/// whoever looks at the device has some.
const ROUNDS_DEPTH: u16 = 8;
const ROUNDS_BUFFER: u32 = 64 << 10;

/// A device.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spec {
    pub(crate) id: u32,
    pub(crate) queues: u16,
    pub(crate) depth: u16,
    pub(crate) buffer_bytes: u32,
    pub(crate) attributes: Attributes,
    pub(crate) recoverable: bool,
    pub(crate) partitions: Partitions,
    pub(crate) waiting: Waiting,
    pub(crate) medium: Medium,
    pub(crate) backend: BackendSpec,
}

/// The medium that requests wait for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Medium {
    /// The profile's name, or `ram` or `null`.
    pub(crate) name: String,
    /// The profile with all it inherits, as a text of its own; none: requests wait for nothing.
    pub(crate) profile: Option<String>,
    /// Where draws begin.
    pub(crate) seed: u64,
    /// How many times slower its time passes.
    pub(crate) dilate: u64,
    /// What to do if it is below this machine's floor.
    pub(crate) below: Below,
}

/// What to do with a medium that is faster than this machine can be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Below {
    /// Refuse it.
    Refuse,
    /// Choose a dilation that lifts it over the floor.
    Dilate,
    /// Take it, labelled.
    Limited,
}

/// Where bytes are.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum BackendSpec {
    /// Nowhere.
    Null,
    /// In a file in memory, which is the device's own.
    Memory(PathBuf),
    /// In a sparse file of the user's.
    File(PathBuf),
    /// In the modelled file system.
    Fs(FsSpec),
    /// In the files of a scenario's rounds.
    Rounds(RoundsSpec),
}

/// A scenario that is served in rounds.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoundsSpec {
    pub(crate) fs: FsSpec,
    /// The file's text.
    pub(crate) scenario: String,
    /// What is under the files.
    pub(crate) media: MediaSpec,
    /// Where its draws begin.
    pub(crate) seed: u64,
}

/// A medium of the worlds.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum MediaSpec {
    /// Takes no time.
    Instant,
    /// Takes so many nanoseconds.
    Fixed(u64),
    /// Takes what a profile says.
    Profile { name: String, text: String },
}

impl From<&Media> for MediaSpec {
    fn from(media: &Media) -> MediaSpec {
        match media {
            Media::Instantly => MediaSpec::Instant,
            Media::Fixed(ns) => MediaSpec::Fixed(*ns),
            Media::Profile(profile) => {
                MediaSpec::Profile { name: profile.name.clone(), text: whole_text(profile) }
            }
        }
    }
}

/// A modelled file system, by names.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FsSpec {
    pub(crate) layer: String,
    pub(crate) order: String,
    pub(crate) protocol: String,
    /// Knobs that are not the protocol's, with their values.
    pub(crate) set: Vec<(String, String)>,
    pub(crate) store: StoreArg,
    pub(crate) zeroes: ZeroesArg,
    pub(crate) cache_mb: u32,
}

impl FsSpec {
    fn typed(context: &Context<'_>, args: &FsArgs) -> Result<FsSpec, Failure> {
        let config = one_config(context, &args.config)?;
        Ok(FsSpec {
            store: args.store.unwrap_or_default(),
            zeroes: args.zeroes.unwrap_or_default(),
            cache_mb: args.cache_mb.unwrap_or(CACHE_MB),
            ..FsSpec::of(&config)
        })
    }

    /// A configuration by its names.
    pub(crate) fn of(config: &Config) -> FsSpec {
        let own = |(knob, value): (&str, &str)| (knob.to_owned(), value.to_owned());
        FsSpec {
            set: config.moved().into_iter().map(own).collect(),
            order: config.order.name().to_owned(),
            protocol: config.protocol.name.to_owned(),
            layer: config.layer.clone(),
            store: StoreArg::default(),
            zeroes: ZeroesArg::default(),
            cache_mb: CACHE_MB,
        }
    }

    /// The configuration that the names mean here.
    pub(crate) fn config(&self, layers: &Layers) -> Result<Config, Failure> {
        layers.get(&self.layer)?;
        let set = self.set.iter().map(|(knob, value)| Setting::of(knob, value));
        let set: Vec<Setting> = set.collect::<Result<_, _>>()?;
        let protocol = values::turned(values::protocol(&self.protocol)?, &set);
        let order = values::order(&self.order)?;
        Ok(Config { layer: self.layer.clone(), protocol, order })
    }
}

impl Medium {
    /// The medium of that name.
    pub(crate) fn open(name: &str, seed: Option<u64>) -> Result<Medium, Failure> {
        if matches!(name, "ram" | "null") {
            let seed = seed.unwrap_or(0);
            let name = name.to_owned();
            return Ok(Medium { name, profile: None, seed, dilate: 1, below: Below::Refuse });
        }
        let profile = Profile::open(name)?;
        Ok(Medium {
            name: profile.name.clone(),
            profile: Some(whole_text(&profile)),
            seed: seed.unwrap_or(profile.params.seed),
            dilate: 1,
            below: Below::Refuse,
        })
    }

    /// The same, with what was typed about its time.
    pub(crate) fn with(mut self, dilate: Dilate, floor_limited: bool) -> Medium {
        (self.dilate, self.below) = match dilate {
            Dilate::Auto => (1, Below::Dilate),
            Dilate::Times(times) if floor_limited => (times, Below::Limited),
            Dilate::Times(times) => (times, Below::Refuse),
        };
        self
    }

    /// Its profile.
    pub(crate) fn profile(&self) -> Result<Option<Profile>, Failure> {
        let parsed = self.profile.as_ref().map(|text| Profile::parse(&self.name, text));
        Ok(parsed.transpose()?.map(|profile| profile.with_seed(self.seed)))
    }

    /// Queues where none were asked for. Where nothing is waited for, what a request costs is all there
    /// is, and it costs least where it is answered on the processor that sent it; the parts of a medium
    /// that takes time are slower each than the whole.
    fn queues(&self) -> u16 {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        match self.profile {
            None => u16::try_from(processors.min(64)).unwrap_or(64),
            Some(_) => 1,
        }
    }

    /// As a device takes it.
    pub(crate) fn timing(&self) -> Result<Timing, Failure> {
        Ok(Timing { profile: self.profile()?, seed: self.seed, dilate: self.dilate })
    }
}

/// A profile as one text that stands on no other.
fn whole_text(profile: &Profile) -> String {
    let quoted = |text: &str| toml_string(text);
    let head = format!("name = {}\ntitle = {}\n", quoted(&profile.name), quoted(&profile.title));
    let settings = profile.settings.iter().filter(|(key, _)| key != "base");
    head + &settings.map(|(key, value)| format!("{key} = {value}\n")).collect::<String>()
}

/// A basic string of TOML.
fn toml_string(text: &str) -> String {
    let escaped = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
        c => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}

impl Spec {
    /// What was typed. The number is 0 where none was: who has the registry's lock finds one; then
    /// [`Spec::numbered`] puts it in.
    pub(crate) fn typed(context: &Context<'_>, args: &AddArgs) -> Result<Spec, Failure> {
        let medium = Medium::open(&args.media, args.seed)?.with(args.dilate, args.floor_limited);
        let backend = backend(context, args)?;
        let attributes = attributes(args.size.0, &medium, &backend)?;
        let spec = Spec {
            id: args.queues.id.unwrap_or(0),
            queues: args.queues.queues.unwrap_or_else(|| medium.queues()),
            depth: args.queues.depth,
            buffer_bytes: args.queues.buffer,
            attributes,
            // What a file system has in flight ends with its process.
            recoverable: !args.queues.no_recovery && !matches!(backend, BackendSpec::Fs(_)),
            partitions: match args.queues.partscan {
                true => Partitions::Scanned,
                false => Partitions::Ignored,
            },
            waiting: match args.queues.waiting {
                WaitingArg::Sleep => Waiting::Sleep,
                WaitingArg::Hybrid => Waiting::Hybrid,
                WaitingArg::Spin => Waiting::Spin,
            },
            medium,
            backend,
        };
        Ok(spec)
    }

    /// A device of a scenario's rounds: `queues` of them, `size` bytes, requests with up
    /// to `data` bytes of data.
    pub(crate) fn of_rounds(rounds: RoundsSpec, queues: u16, size: u64, data: u64) -> Spec {
        let data = u32::try_from(data.next_multiple_of(PAGE.into())).unwrap_or(ROUNDS_BUFFER);
        Spec {
            id: 0,
            queues,
            depth: ROUNDS_DEPTH,
            buffer_bytes: data.max(ROUNDS_BUFFER),
            attributes: Attributes {
                size,
                logical_block: 512,
                physical_block: 512,
                volatile_cache: true,
                fua: false,
                rotational: false,
                discard_granularity: 512,
            },
            recoverable: false,
            partitions: Partitions::Ignored,
            waiting: Waiting::Hybrid,
            medium: Medium {
                name: "ram".to_owned(),
                profile: None,
                seed: 0,
                dilate: 1,
                below: Below::Refuse,
            },
            backend: BackendSpec::Rounds(rounds),
        }
    }

    /// The same with that number; bytes in memory are then kept at that path.
    pub(crate) fn numbered(mut self, id: u32, memory: PathBuf) -> Spec {
        self.id = id;
        if let BackendSpec::Memory(path) = &mut self.backend {
            *path = memory;
        }
        self
    }

    /// As a device takes it.
    pub(crate) fn plan(&self, floor: Option<Floor>) -> Result<Plan, Failure> {
        let mut timing = self.medium.timing()?;
        let mut floor = floor;
        match self.backend {
            // It waits for its medium itself.
            BackendSpec::Fs(_) => timing.profile = None,
            // Its requests are no reads and writes of a device, to be measured as such.
            BackendSpec::Rounds(_) => floor = Some(Floor::default()),
            BackendSpec::Null | BackendSpec::Memory(_) | BackendSpec::File(_) => {}
        }
        Ok(Plan {
            id: Some(self.id),
            queues: self.queues,
            depth: self.depth,
            buffer_bytes: self.buffer_bytes,
            attributes: self.attributes.clone(),
            recoverable: self.recoverable,
            partitions: self.partitions,
            waiting: self.waiting,
            timing,
            floor,
            prober: super::prober::own()?,
        })
    }

    /// The file that bytes are in.
    pub(crate) fn data(&self) -> Option<&Path> {
        match &self.backend {
            BackendSpec::Memory(path) | BackendSpec::File(path) => Some(path),
            BackendSpec::Null | BackendSpec::Fs(_) | BackendSpec::Rounds(_) => None,
        }
    }

    /// Bytes of all buffers.
    pub(crate) fn buffers(&self) -> u64 {
        u64::from(self.queues) * u64::from(self.depth) * u64::from(self.buffer_bytes)
    }

    /// The device on one line, less where it is.
    pub(crate) fn title(&self) -> String {
        let backend = match &self.backend {
            BackendSpec::Fs(fs) => format!("fs ({} {} {})", fs.layer, fs.protocol, fs.order),
            BackendSpec::Rounds(rounds) => {
                let FsSpec { layer, protocol, order, .. } = &rounds.fs;
                format!("rounds of a scenario ({layer} {protocol} {order})")
            }
            _ => "raw".to_owned(),
        };
        format!("{}, {}, {backend}", self.medium.name, exact(self.attributes.size))
    }
}

fn backend(context: &Context<'_>, args: &AddArgs) -> Result<BackendSpec, Failure> {
    let clash = |what: &str| Err(Failure::Device(what.to_owned()));
    let named = args.data != Path::new("memory");
    match args.backend {
        BackendArg::Fs if args.media == "null" => {
            clash("--media null keeps nothing and fs keeps what is written: use --media ram")
        }
        BackendArg::Fs if named => {
            clash("--data is where a raw device keeps its bytes: leave it out with --backend fs")
        }
        BackendArg::Fs => Ok(BackendSpec::Fs(FsSpec::typed(context, &args.fs)?)),
        BackendArg::Raw if is_typed(&args.fs) => clash(
            "--layer, --order, --protocol, --set, --store, --zeroes and --cache-mb need --backend fs",
        ),
        BackendArg::Raw if args.media == "null" && named => {
            clash("--media null keeps nothing: leave --data out, or use --media ram")
        }
        BackendArg::Raw if args.media == "null" => Ok(BackendSpec::Null),
        // Where in memory is known with the number.
        BackendArg::Raw if !named => Ok(BackendSpec::Memory(PathBuf::new())),
        BackendArg::Raw => std::path::absolute(&args.data)
            .map(BackendSpec::File)
            .map_err(|error| Failure::File { path: args.data.clone(), error }),
    }
}

fn is_typed(fs: &FsArgs) -> bool {
    let config = &fs.config;
    config.layer.layer != "ext4"
        || !config.layer.settings.is_empty()
        || config.protocol.is_some()
        || config.order.is_some()
        || fs.store.is_some()
        || fs.zeroes.is_some()
        || fs.cache_mb.is_some()
}

/// What the block layer is told: from the profile, and from what keeps the bytes.
fn attributes(size: u64, medium: &Medium, backend: &BackendSpec) -> Result<Attributes, Failure> {
    let profile = medium.profile()?;
    let (volatile, fua) = match (&profile, backend) {
        // What is in the page cache of the modelled file system may be lost.
        (_, BackendSpec::Fs(_)) => (true, true),
        // Where a write through is a write and a flush, the kernel is to send both.
        (Some(profile), _) => {
            let flush = profile.params.flush;
            let volatile = flush.cache == Cache::Volatile;
            (volatile, volatile && flush.fua == Fua::Native)
        }
        (None, _) => (false, false),
    };
    let grain = profile.as_ref().map_or(u64::from(PAGE), |profile| profile.params.geometry.grain);
    let grain = u32::try_from(grain).ok().filter(|grain| grain.is_power_of_two());
    let attributes = Attributes {
        size,
        logical_block: match backend {
            BackendSpec::Fs(_) => PAGE,
            _ => 512,
        },
        // Not above a page: the kernel takes it as a hint, file systems as their least block.
        physical_block: grain.unwrap_or(PAGE).clamp(512, PAGE),
        volatile_cache: volatile,
        fua,
        rotational: profile.is_some_and(|profile| profile.params.read.seeks()),
        discard_granularity: PAGE,
    };
    let attributes = Attributes {
        physical_block: attributes.physical_block.max(attributes.logical_block),
        ..attributes
    };
    attributes.check_size().map_err(|error| Failure::Device(format!("--size: {error}")))?;
    Ok(attributes)
}

#[cfg(test)]
pub(crate) mod tests;
