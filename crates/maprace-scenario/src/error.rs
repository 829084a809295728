//! What is wrong with a scenario or a schedule, and where: always one line.

use crate::format::limits;
use crate::op::OpError;
use crate::range::RangeError;
use crate::suggest::{Known, OneLine, Quoted};
use std::borrow::Cow;
use std::fmt;

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The character within the line, from 1.
    pub column: usize,
}

impl Position {
    /// The place of a byte of a text; a byte past the end is the end.
    pub(crate) fn of(text: &str, byte: usize) -> Position {
        let mut byte = byte.min(text.len());
        while !text.is_char_boundary(byte) {
            byte -= 1;
        }
        let before = &text[..byte];
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position {
            line: before.bytes().filter(|b| *b == b'\n').count() + 1,
            column: before[start..].chars().count() + 1,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A scenario or a schedule that cannot be used: `ORIGIN:LINE:COLUMN: what`, one line, no full stop.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}", Place(.0), .0.kind)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    origin: String,
    at: Option<Position>,
    kind: ErrorKind,
}

impl Error {
    pub(crate) fn new(origin: &str, at: Option<Position>, kind: ErrorKind) -> Error {
        Error(Box::new(Inner { origin: origin.to_owned(), at, kind }))
    }

    /// The file, or the built-in name, or what the caller named the text.
    pub fn origin(&self) -> &str {
        &self.0.origin
    }

    /// Where in it; `None` when something is missing from the whole, or the file cannot be read.
    pub fn position(&self) -> Option<Position> {
        self.0.at
    }

    /// What is wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }
}

/// `ORIGIN` or `ORIGIN:LINE:COLUMN`.
struct Place<'a>(&'a Inner);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        OneLine(&self.0.origin).fmt(f)?;
        match self.0.at {
            Some(at) => write!(f, ":{at}"),
            None => Ok(()),
        }
    }
}

/// The text that the bytes of a file are, if they are text of a length that is read.
pub(crate) fn text_of<'b>(origin: &str, bytes: &'b [u8]) -> Result<&'b str, Error> {
    if bytes.len() > limits::TEXT {
        return Err(Error::new(origin, None, ErrorKind::TooLong { limit: limits::TEXT }));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let at = Position::of(&valid, valid.len());
        Error::new(origin, Some(at), ErrorKind::NotUtf8)
    })
}

/// What is wrong with a scenario or a schedule.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file cannot be read.
    #[error("cannot read it: {0}")]
    Io(std::io::Error),
    /// More text than is read.
    #[error("longer than {limit} bytes, the limit")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The bytes are no text.
    #[error("not UTF-8 text")]
    NotUtf8,
    /// The text is no TOML.
    #[error("not valid TOML: {}", OneLine(.0.message()))]
    Toml(toml::de::Error),
    /// Written for another maprace.
    #[error("format {found} is not known: this maprace reads format 1")]
    Format {
        /// The number in the file.
        found: String,
    },
    /// A name that means nothing here.
    #[error("unknown {what} {}{}", Quoted(typed), Known { typed, known })]
    Unknown {
        /// What the name should name, for example `key` or `protocol`.
        what: Cow<'static, str>,
        /// The name.
        typed: String,
        /// The names that mean something.
        known: Vec<String>,
    },
    /// A value outside its range.
    #[error("{what} is {}, must be {range}", Quoted(typed))]
    Setting {
        /// What it is the value of, for example `workload key w`.
        what: String,
        /// The value.
        typed: String,
        /// The allowed range.
        range: &'static str,
    },
    /// No built-in scenario has that name.
    #[error(
        "no built-in scenario {}{} (`scenarios` lists them; a name with / or .toml is a file)",
        Quoted(typed),
        Known { typed, known }
    )]
    NoBuiltIn {
        /// The name.
        typed: String,
        /// The built-in ones.
        known: Vec<String>,
    },
    /// No built-in table of costs has that name.
    #[error(
        "no built-in table of costs {}{} (`costs` lists them; a name with / or .toml is a file)",
        Quoted(typed),
        Known { typed, known }
    )]
    NoBuiltInCosts {
        /// The name.
        typed: String,
        /// The built-in ones.
        known: Vec<String>,
    },
    /// A step or a call that has two prices.
    #[error("{what} {} has a price already", Quoted(name))]
    PricedTwice {
        /// `step` or `call`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A key or a table that must be there.
    #[error("{place} has no {what}")]
    Missing {
        /// The table.
        place: &'static str,
        /// What it lacks.
        what: &'static str,
    },
    /// A value of the wrong type or out of range.
    #[error("`{key}` must be {must}, found {found}")]
    Value {
        /// The key.
        key: String,
        /// What it must be.
        must: Cow<'static, str>,
        /// What it is.
        found: String,
    },
    /// More of something than a scenario may have.
    #[error("{what}: at most {limit} are allowed")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Two keys of which exactly one must be there.
    #[error("`blocks` and `size` both give the size of the file: keep one")]
    TwoSizes,
    /// A range of the file's initial state that is no range of blocks.
    #[error("`{key}`: {error}")]
    FileRange {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        error: RangeError,
    },
    /// A range of the file's initial state that leaves the file.
    #[error("`{key}`: {range} lies outside the file, which has {blocks} blocks")]
    OutsideFile {
        /// The key.
        key: &'static str,
        /// The range.
        range: crate::BlockRange,
        /// The size of the file in blocks.
        blocks: u64,
    },
    /// A block that is said to be both written and unwritten.
    #[error("`unwritten`: {range} is `written` too, and a block is one of the two")]
    WrittenTwice {
        /// The range of `unwritten`.
        range: crate::BlockRange,
    },
    /// Two tasks of one name.
    #[error("two tasks are named {}: names must differ", Quoted(name))]
    SameTask {
        /// The name.
        name: String,
    },
    /// An operation that is none.
    #[error(transparent)]
    Op(OpError),
    /// `evict` in a task.
    #[error("`evict` belongs to [after]: a file in use cannot leave memory")]
    EvictInTask,
    /// A safe expectation that names damage.
    #[error("`{key}` goes with verdict = \"damaged\", and this expectation is safe")]
    SafeWithDamage {
        /// The key.
        key: &'static str,
    },
    /// A schedule header after the first item.
    #[error("header {} stands after the first item: headers come first", Quoted(key))]
    LateHeader {
        /// The key.
        key: String,
    },
    /// A schedule header given twice.
    #[error("header {} is given twice", Quoted(key))]
    SameHeader {
        /// The key.
        key: String,
    },
    /// A schedule header with nothing or nonsense after the `=`.
    #[error("header {} must be {must}, found {}", Quoted(key), Quoted(found))]
    HeaderValue {
        /// The key.
        key: String,
        /// What it must be.
        must: &'static str,
        /// What it is.
        found: String,
    },
    /// A word that cannot name a task.
    #[error(
        "{} cannot name a task: a name is a small letter, then small letters, digits and - _ . :",
        Quoted(typed)
    )]
    TaskName {
        /// The word.
        typed: String,
    },
    /// An item that does not say how far its task runs.
    #[error(
        "{} does not say how far `{task}` runs: a number of steps, * to its end, ..STEP through a \
         step, or the name of one step",
        Quoted(typed)
    )]
    HowFar {
        /// The task.
        task: String,
        /// What stands in the place; may be empty.
        typed: String,
    },
    /// Parentheses in a step's name that do not match.
    #[error("the parentheses of {} do not match", Quoted(typed))]
    Parentheses {
        /// The item.
        typed: String,
    },
}
