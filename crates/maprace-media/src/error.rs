//! What is wrong with a profile, and where: always one line, `ORIGIN:LINE:COLUMN: what`.

use std::fmt;

/// Longest piece of the user's own text that an error repeats, in characters.
const SHOWN_MAX: usize = 48;

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
            line: before.matches('\n').count() + 1,
            column: before[start..].chars().count() + 1,
        }
    }
}

/// A profile that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}", Place(origin, *at), kind)]
pub struct Error {
    /// The file, or the built-in name, or what the caller called the text.
    pub origin: String,
    /// Where in it; `None` when the file cannot be read or something is missing from the whole.
    pub at: Option<Position>,
    /// What is wrong.
    pub kind: Box<ErrorKind>,
}

impl Error {
    pub(crate) fn new(origin: &str, at: Option<Position>, kind: ErrorKind) -> Error {
        Error { origin: origin.to_owned(), at, kind: Box::new(kind) }
    }
}

/// `ORIGIN` or `ORIGIN:LINE:COLUMN`.
struct Place<'a>(&'a str, Option<Position>);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        OneLine(self.0).fmt(f)?;
        match self.1 {
            Some(at) => write!(f, ":{}:{}", at.line, at.column),
            None => Ok(()),
        }
    }
}

/// What is wrong with a profile.
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
    /// A key that means nothing.
    #[error("unknown key `{}`{}", Shown(key), DidYouMean(near.as_deref()))]
    Key {
        /// The key with its tables, for example `read.lat_ns.rand`.
        key: String,
        /// A key that exists and looks like it.
        near: Option<String>,
    },
    /// A value of the wrong type or out of range.
    #[error("`{}` must be {must}, found {}", Shown(key), Shown(found))]
    Value {
        /// The key with its tables.
        key: String,
        /// What it must be, with the allowed range.
        must: String,
        /// What it is.
        found: String,
    },
    /// A key that must be there.
    #[error("`{key}` is missing: it must be {must}")]
    Missing {
        /// The key with its tables.
        key: String,
        /// What it must be, with the allowed range.
        must: String,
    },
    /// Two values that contradict each other.
    #[error("`{key}` {what}")]
    Clash {
        /// The key with its tables.
        key: String,
        /// What it must be, given the other.
        what: String,
    },
    /// No built-in profile has that name.
    #[error(
        "no built-in profile `{}`: known are {}{} (a name with / or .toml is a file)",
        Shown(typed),
        known.join(", "),
        DidYouMean(near.as_deref())
    )]
    NoBuiltIn {
        /// The name.
        typed: String,
        /// The built-in ones.
        known: Vec<String>,
        /// The one that looks like it.
        near: Option<String>,
    },
    /// Profiles that are based on each other.
    #[error("`base` goes deeper than {limit} profiles: is one based on itself?")]
    BaseTooDeep {
        /// The limit.
        limit: usize,
    },
}

/// The text on one line whatever it holds.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| write_plain(f, c))
    }
}

/// The same, cut when it is long.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.0.chars();
        chars.by_ref().take(SHOWN_MAX).try_for_each(|c| write_plain(f, c))?;
        f.write_str(if chars.next().is_some() { "..." } else { "" })
    }
}

fn write_plain(f: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    if c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric() {
        write!(f, "{c}")
    } else {
        write!(f, "{}", c.escape_debug())
    }
}

/// `; did you mean ..?`, or nothing.
struct DidYouMean<'a>(Option<&'a str>);

impl fmt::Display for DidYouMean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |near| write!(f, "; did you mean `{near}`?"))
    }
}

/// The known name nearest to the typed one, if one is near enough to be meant; the first wins a tie.
pub(crate) fn nearest(typed: &str, known: &[&str]) -> Option<String> {
    let limit = (typed.len() / 3).clamp(1, SHOWN_MAX);
    if typed.is_empty() || typed.len() > SHOWN_MAX {
        return None;
    }
    let far = |name: &str| distance(typed.as_bytes(), name.as_bytes());
    let best = known.iter().map(|name| (far(name), *name)).min_by_key(|(distance, _)| *distance)?;
    (best.0 <= limit).then(|| best.1.to_owned())
}

/// Edits between two names: insert, delete or replace a byte.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(x != y);
            row.push(replaced.min(last[j + 1] + 1).min(row[j] + 1));
        }
        last = row;
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_name_is_suggested() {
        let names = ["read.sigma", "write.sigma", "flush.ns"];
        assert_eq!(nearest("read.sgima", &names).as_deref(), Some("read.sigma"));
        assert_eq!(nearest("flush.n", &names).as_deref(), Some("flush.ns"));
        assert_eq!(nearest("geometry.units", &names), None);
        assert_eq!(nearest("", &names), None);
        assert_eq!(distance(b"kitten", b"sitting"), 3);
    }

    #[test]
    fn what_the_user_typed_stays_on_one_line() {
        let kind = ErrorKind::Key { key: "a\nb\u{202e}".to_owned(), near: None };
        assert_eq!(kind.to_string(), "unknown key `a\\nb\\u{202e}`");
        assert_eq!(Shown(&"x".repeat(100)).to_string(), format!("{}...", "x".repeat(48)));
    }
}
