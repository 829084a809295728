//! What is typed, against what a device is asked to be.

use super::*;
use crate::args::{Command, LowArgs};
use crate::device::args::DeviceCommand;
use crate::terminal::Terminal;
use clap::Parser;
use maprace_scenario::Paint;

/// A device as it is typed behind `device add`.
pub(crate) fn typed(words: &[&str]) -> Result<Spec, String> {
    let words = [&["maprace", "device", "add"], words].concat();
    let parsed = LowArgs::try_parse_from(words).map_err(|error| error.to_string())?;
    let Some(Command::Device(args)) = parsed.command else { unreachable!("it was typed") };
    let DeviceCommand::Add(args) = args.command else { unreachable!("it was typed") };
    let (layers, terminal) = (Layers::builtin(), Terminal::piped("maprace"));
    let context = Context {
        layers: &layers,
        terminal: &terminal,
        paint: Paint::Plain,
        quiet: true,
        progress: false,
    };
    Spec::typed(&context, &args).map_err(|failure| failure.to_string())
}

#[test]
fn what_is_not_typed_is_a_gibibyte_of_memory() {
    let spec = typed(&[]).unwrap();
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get().min(64));
    assert_eq!(usize::from(spec.queues), processors, "nothing is waited for");
    assert_eq!((spec.depth, spec.buffer_bytes), (128, 256 << 10));
    assert_eq!(spec.buffers(), u64::from(spec.queues) * (32 << 20));
    assert_eq!(typed(&["--media", "hdd-7200"]).unwrap().queues, 1, "one whole medium");
    assert!(spec.recoverable && spec.medium.profile.is_none());
    assert_eq!(spec.backend, BackendSpec::Memory(PathBuf::new()));
    let attributes = Attributes {
        size: 1 << 30,
        logical_block: 512,
        physical_block: 4096,
        volatile_cache: false,
        fua: false,
        rotational: false,
        discard_granularity: 4096,
    };
    assert_eq!(spec.attributes, attributes);
    assert_eq!(typed(&["--media", "null"]).unwrap().backend, BackendSpec::Null);
}

#[test]
fn the_block_layer_is_told_what_the_profile_says() {
    let of = |words: &[&str]| typed(words).unwrap().attributes;
    let disk = of(&["--media", "hdd-7200"]);
    assert!(disk.rotational && disk.volatile_cache && !disk.fua && disk.physical_block == 512);
    let flash = of(&["--media", "nvme-tlc-dc"]);
    assert!(!flash.rotational && !flash.volatile_cache && flash.physical_block == 4096);
    // A grain of 256 bytes is below a sector.
    assert_eq!(of(&["--media", "pmem-dcpmm100-6x"]).physical_block, 512);
    for entry in maprace_media::all() {
        let profile = Profile::open(entry.name).unwrap();
        let want = profile.params.flush.cache == Cache::Volatile;
        let attributes = of(&["--media", entry.name]);
        // `null` is a word of its own here, and says the same.
        assert_eq!(attributes.volatile_cache, want, "{}", entry.name);
        assert!(attributes.volatile_cache || !attributes.fua, "{}", entry.name);
    }
    let fs = of(&["--backend", "fs"]);
    assert!(fs.volatile_cache && fs.fua && fs.logical_block == 4096);
}

#[test]
fn a_profile_survives_as_a_text_of_its_own() {
    for entry in maprace_media::all() {
        let profile = Profile::open(entry.name).unwrap();
        let text = whole_text(&profile);
        let again = Profile::parse("kept", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(again.params, profile.params, "{}", entry.name);
        assert_eq!((again.name, again.title), (profile.name, profile.title));
        assert_eq!(again.faults, profile.faults);
    }
    assert_eq!(toml_string("a\"b\\c\n"), "\"a\\\"b\\\\c\\u000A\"");
}

#[test]
fn a_file_system_is_kept_by_names_and_found_again() {
    let words =
        ["--backend", "fs", "--order", "iomap", "--protocol", "v6.8", "--set", "cookie=late"];
    let spec = typed(&words).unwrap();
    assert!(!spec.recoverable, "what is in flight ends with the process");
    let kept = serde_json::to_string(&spec).unwrap();
    let BackendSpec::Fs(fs) = serde_json::from_str::<Spec>(&kept).unwrap().backend else {
        panic!("{kept}");
    };
    let config = fs.config(&Layers::builtin()).unwrap();
    assert_eq!((config.protocol.name, config.order.name()), ("v6.8", "iomap"));
    assert!(config.moved().contains(&("cookie", "late")));
    assert_eq!((fs.cache_mb, fs.store, fs.zeroes), (256, StoreArg::Write, ZeroesArg::ZeroRange));
    let unknown = FsSpec { layer: "mine".into(), ..fs };
    assert!(unknown.config(&Layers::builtin()).is_err(), "a layer that this program has not");
}

#[test]
fn the_number_names_the_file_in_memory_only() {
    let memory = typed(&[]).unwrap().numbered(5, "/m/5.data".into());
    assert_eq!((memory.id, memory.data()), (5, Some(Path::new("/m/5.data"))));
    let file = typed(&["--data", "/d/x"]).unwrap().numbered(5, "/m/5.data".into());
    assert_eq!(file.data(), Some(Path::new("/d/x")));
    assert!(typed(&["--data", "x"]).unwrap().data().unwrap().is_absolute());
}
