//! The world outside: what is a terminal, what the environment asks for, how an answer is written.
//!
//! The environment is read in [`Terminal::found`], and what it calls here, and nowhere else.

use crate::args::{Progress, When};
use clap::ColorChoice;
use maprace_scenario::{Paint, quoted};
use std::ffi::{OsStr, OsString};
use std::io::{IsTerminal, Write};
use std::path::Path;
#[cfg(feature = "ublk")]
use std::path::PathBuf;

/// Where devices are kept, and whom they are asked of.
#[cfg(feature = "ublk")]
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    /// `MAPRACE_RUN_DIR`: the registry of devices.
    pub(crate) run_dir: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub(crate) user_run_dir: Option<PathBuf>,
    /// `MAPRACE_DEVICE_DIE_AT`: a step of a daemon's start.
    pub(crate) die_at: Option<String>,
    /// The kernel's devices.
    pub(crate) devices: std::sync::Arc<dyn crate::device::devices::Devices>,
}

#[cfg(feature = "ublk")]
impl Surroundings {
    fn found() -> Surroundings {
        let path = |name: &str| {
            std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
        };
        Surroundings {
            run_dir: path("MAPRACE_RUN_DIR"),
            user_run_dir: path("XDG_RUNTIME_DIR"),
            die_at: std::env::var("MAPRACE_DEVICE_DIE_AT").ok(),
            devices: std::sync::Arc::new(crate::device::kernel::Kernel),
        }
    }
}

/// What the program was started in.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// What the program is called.
    pub(crate) program: String,
    /// The command line, as a shell would take it.
    pub(crate) typed: String,
    out_is_terminal: bool,
    error_is_terminal: bool,
    /// `NO_COLOR` is set and not empty.
    no_color: bool,
    /// `RUST_BACKTRACE` is set: a panic is to be seen whole.
    pub(crate) wants_backtrace: bool,
    /// What `--color` says, before anything else is parsed: help has colours too.
    color: Option<When>,
    #[cfg(feature = "ublk")]
    pub(crate) surroundings: Surroundings,
}

impl Terminal {
    /// What there is; `words` are the command line.
    pub(crate) fn found(words: &[OsString]) -> Terminal {
        let program = words.first().map(Path::new).and_then(Path::file_stem);
        let program = program.and_then(OsStr::to_str).unwrap_or("maprace").to_owned();
        let typed = words.iter().skip(1).map(|word| quoted(&word.to_string_lossy()));
        Terminal {
            typed: [program.clone()].into_iter().chain(typed).collect::<Vec<_>>().join(" "),
            program,
            out_is_terminal: std::io::stdout().is_terminal(),
            error_is_terminal: std::io::stderr().is_terminal(),
            no_color: std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
            wants_backtrace: std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0"),
            color: typed_color(words),
            #[cfg(feature = "ublk")]
            surroundings: Surroundings::found(),
        }
    }

    /// The same, asking these for devices.
    #[cfg(feature = "ublk")]
    pub(crate) fn with_devices(
        mut self,
        devices: std::sync::Arc<dyn crate::device::devices::Devices>,
    ) -> Terminal {
        self.surroundings.devices = devices;
        self
    }

    /// Whether and how output is coloured.
    pub(crate) fn paint(&self, when: When) -> Paint {
        let colored = match when {
            When::Always => true,
            When::Never => false,
            When::Auto => self.out_is_terminal && !self.no_color,
        };
        if colored { Paint::Ansi } else { Paint::Plain }
    }

    /// Whether the help is coloured.
    pub(crate) fn color_of_help(&self) -> ColorChoice {
        match (self.color, self.no_color) {
            (Some(When::Always), _) => ColorChoice::Always,
            (Some(When::Never), _) | (_, true) => ColorChoice::Never,
            _ => ColorChoice::Auto,
        }
    }

    /// Whether progress is shown.
    pub(crate) fn shows_progress(&self, when: Progress) -> bool {
        when == Progress::Auto && self.error_is_terminal
    }

    /// The same terminal, piped and under a name, for tests.
    #[cfg(test)]
    pub(crate) fn piped(program: &str) -> Terminal {
        Terminal {
            program: program.to_owned(),
            typed: program.to_owned(),
            out_is_terminal: false,
            error_is_terminal: false,
            no_color: false,
            wants_backtrace: false,
            color: None,
            #[cfg(feature = "ublk")]
            surroundings: Surroundings::found(),
        }
    }
}

/// The value of `--color`, if it is one that is known.
fn typed_color(words: &[OsString]) -> Option<When> {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let value = words.iter().enumerate().find_map(|(i, word)| match word.strip_prefix("--color") {
        Some("") => words.get(i + 1).copied(),
        Some(rest) => rest.strip_prefix('='),
        None => None,
    });
    value.and_then(|value| <When as clap::ValueEnum>::from_str(value, false).ok())
}

/// Writes an answer; the exit code is its code. That nobody reads any more is no error.
pub(crate) fn write(program: &str, text: &str, errors: &str, code: u8) -> u8 {
    let written = put(&mut std::io::stdout().lock(), text);
    // Where standard error cannot be written either, there is nobody left to tell.
    let _ = put(&mut std::io::stderr().lock(), errors);
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            let _ = put(
                &mut std::io::stderr().lock(),
                &format!("{program}: cannot write the answer: {error}\n"),
            );
            crate::answer::BAD_INPUT
        }
        _ => code,
    }
}

fn put(to: &mut impl Write, text: &str) -> std::io::Result<()> {
    to.write_all(text.as_bytes())?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(Into::into).collect()
    }

    #[test]
    fn colour_is_for_terminals_and_for_who_asks() {
        let mut terminal = Terminal::piped("maprace");
        assert_eq!(terminal.paint(When::Auto), Paint::Plain);
        assert_eq!(terminal.paint(When::Always), Paint::Ansi);
        terminal.out_is_terminal = true;
        assert_eq!(terminal.paint(When::Auto), Paint::Ansi);
        terminal.no_color = true;
        assert_eq!(terminal.paint(When::Auto), Paint::Plain);
        assert_eq!(terminal.paint(When::Always), Paint::Ansi);
    }

    #[test]
    fn the_colour_of_help_is_known_before_the_rest() {
        assert_eq!(typed_color(&words("maprace --color never --help")), Some(When::Never));
        assert_eq!(typed_color(&words("maprace --help --color=always")), Some(When::Always));
        assert_eq!(typed_color(&words("maprace --help --color=blue")), None);
    }
}
