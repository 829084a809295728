//! Access to a TOML document that knows where everything stands.
//!
//! Mechanism only: what a key means is decided in `build`, and for tables of costs in `costs/parse`.

use super::limits;
use crate::error::{Error, ErrorKind, Position};
use crate::suggest::{Quoted, Shortened};
use std::borrow::Cow;
use std::ops::RangeInclusive;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A text, under the name that errors call it.
pub(crate) struct Source<'t> {
    pub(crate) origin: &'t str,
    pub(crate) text: &'t str,
}

impl Source<'_> {
    /// An error at that byte.
    pub(crate) fn error(&self, byte: usize, kind: ErrorKind) -> Error {
        Error::new(self.origin, Some(Position::of(self.text, byte)), kind)
    }
}

/// A table of the document.
pub(crate) struct Table<'d> {
    source: &'d Source<'d>,
    /// How errors call it, for example `[fs]`.
    name: &'static str,
    /// The byte it starts at; `None` for the whole document.
    at: Option<usize>,
    entries: &'d DeTable<'d>,
}

impl<'d> Table<'d> {
    /// The whole document, which errors call `name`.
    pub(crate) fn root(
        source: &'d Source<'d>,
        name: &'static str,
        entries: &'d DeTable<'d>,
    ) -> Table<'d> {
        Table { source, name, at: None, entries }
    }

    /// Its keys with the byte each stands at, in the order of the text.
    fn keys(&self) -> Vec<(usize, &'d str)> {
        let key = |key: &'d Spanned<Cow<'_, str>>| (key.span().start, key.get_ref().as_ref());
        let mut keys: Vec<_> = self.entries.keys().map(key).collect();
        keys.sort_unstable();
        keys
    }

    /// Refuses every key but these.
    pub(crate) fn allow(&self, known: &[&str]) -> Result<(), Error> {
        let known = known.iter().map(ToString::to_string).collect::<Vec<_>>();
        self.allow_only(&format!("key in {}", self.name), &known)
    }

    /// Refuses every key but these, which are called `what`.
    pub(crate) fn allow_only(&self, what: &str, known: &[String]) -> Result<(), Error> {
        match self.keys().into_iter().find(|(_, key)| !known.iter().any(|known| known == key)) {
            None => Ok(()),
            Some((at, key)) => Err(self.source.error(
                at,
                ErrorKind::Unknown {
                    what: what.to_owned().into(),
                    typed: key.to_owned(),
                    known: known.to_vec(),
                },
            )),
        }
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<Value<'d>> {
        let (key, value) = self.entries.get_key_value(key)?;
        Some(Value { source: self.source, key: key.get_ref(), value })
    }

    /// Every key and its value, in the order of the text.
    pub(crate) fn values(&self) -> Vec<Value<'d>> {
        self.keys().into_iter().filter_map(|(_, key)| self.get(key)).collect()
    }

    /// The value of a key that must be there.
    pub(crate) fn require(&self, key: &str, what: &'static str) -> Result<Value<'d>, Error> {
        self.get(key).ok_or_else(|| self.lacks(what))
    }

    /// An error: the table has no such thing.
    pub(crate) fn lacks(&self, what: &'static str) -> Error {
        let kind = ErrorKind::Missing { place: self.name, what };
        match self.at {
            Some(at) => self.source.error(at, kind),
            None => Error::new(self.source.origin, None, kind),
        }
    }
}

/// The value of a key, or an element of it.
#[derive(Clone, Copy)]
pub(crate) struct Value<'d> {
    source: &'d Source<'d>,
    key: &'d str,
    value: &'d Spanned<DeValue<'d>>,
}

impl<'d> Value<'d> {
    /// The key it stands under.
    pub(crate) fn key(&self) -> &'d str {
        self.key
    }

    /// An error about it.
    pub(crate) fn error(&self, kind: ErrorKind) -> Error {
        self.source.error(self.value.span().start, kind)
    }

    /// An error about the byte at `offset` of this string: exact unless escapes moved it, then the
    /// start of the string.
    pub(crate) fn error_inside(&self, offset: usize, kind: ErrorKind) -> Error {
        let span = self.value.span();
        let content = self.value.get_ref().as_str().unwrap_or_default();
        let raw = self.source.text.get(span.start + 1..span.end.saturating_sub(1));
        let offset = if raw == Some(content) { offset + 1 } else { 0 };
        self.source.error(span.start + offset, kind)
    }

    /// An error: it must be something else.
    pub(crate) fn must_be(&self, must: impl Into<Cow<'static, str>>) -> Error {
        let found = match self.value.get_ref() {
            DeValue::String(text) => Quoted(text).to_string(),
            DeValue::Integer(number) => Shortened(&number.to_string()).to_string(),
            DeValue::Float(_) => "a fraction".to_owned(),
            DeValue::Boolean(value) => value.to_string(),
            DeValue::Datetime(_) => "a date".to_owned(),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        };
        self.error(ErrorKind::Value { key: self.key.to_owned(), must: must.into(), found })
    }

    /// A string.
    pub(crate) fn string(&self) -> Result<&'d str, Error> {
        self.value.get_ref().as_str().ok_or_else(|| self.must_be("a string"))
    }

    /// A short name: letters, digits, `.`, `-`, `_`.
    pub(crate) fn word(&self) -> Result<&'d str, Error> {
        let name = self.string()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        if name.is_empty() || name.len() > limits::NAME || !name.chars().all(plain) {
            let must = format!("1 to {} letters, digits, `.`, `-` or `_`", limits::NAME);
            return Err(self.must_be(must));
        }
        Ok(name)
    }

    /// Printable text of at most `chars` characters, on one line.
    pub(crate) fn line(&self, chars: usize) -> Result<&'d str, Error> {
        let text = self.string()?;
        if text.chars().any(char::is_control) || text.chars().count() > chars {
            return Err(self.must_be(format!("one line of at most {chars} characters")));
        }
        Ok(text)
    }

    /// A fraction within the range, in millionths.
    pub(crate) fn millionths(&self, range: RangeInclusive<u32>) -> Result<u32, Error> {
        let (low, high) = (f64::from(*range.start()), f64::from(*range.end()));
        let must = || format!("a fraction from {} to {}", low / 1e6, high / 1e6);
        let typed = match self.value.get_ref() {
            DeValue::Float(number) => number.as_str(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            _ => return Err(self.must_be(must())),
        };
        let value = typed.parse::<f64>().map_or(f64::NAN, |value| value * 1e6);
        if !(low..=high).contains(&value) {
            let (key, found) = (self.key.to_owned(), Shortened(typed).to_string());
            return Err(self.error(ErrorKind::Value { key, must: must().into(), found }));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in the range")]
        let whole = value.round() as u32;
        Ok(whole)
    }

    /// Yes or no.
    pub(crate) fn boolean(&self) -> Result<bool, Error> {
        self.value.get_ref().as_bool().ok_or_else(|| self.must_be("true or false"))
    }

    /// A whole number within the range.
    pub(crate) fn number(&self, range: RangeInclusive<u64>) -> Result<u64, Error> {
        self.whole().filter(|number| range.contains(number)).ok_or_else(|| {
            self.must_be(format!("a number from {} to {}", range.start(), range.end()))
        })
    }

    /// A power of two within the range.
    pub(crate) fn power_of_two(&self, range: RangeInclusive<u64>) -> Result<u64, Error> {
        let power = self.whole().filter(|n| n.is_power_of_two() && range.contains(n));
        power.ok_or_else(|| {
            self.must_be(format!("a power of two from {} to {}", range.start(), range.end()))
        })
    }

    /// Whether it is a number at all.
    pub(crate) fn is_number(&self) -> bool {
        self.value.get_ref().is_integer()
    }

    /// The number as it stands, if it is one.
    pub(crate) fn whole(&self) -> Option<u64> {
        let number = self.value.get_ref().as_integer()?;
        u64::from_str_radix(number.as_str(), number.radix()).ok()
    }

    /// One of the named values.
    pub(crate) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, Error> {
        let typed = self.value.get_ref().as_str();
        let chosen = choices.iter().find(|(name, _)| Some(*name) == typed);
        chosen.map(|(_, value)| *value).ok_or_else(|| {
            let names = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>();
            self.must_be(names.join(" or "))
        })
    }

    /// The elements of a list of at most `limit`.
    pub(crate) fn list(&self, what: &'static str, limit: usize) -> Result<Vec<Value<'d>>, Error> {
        let elements = self.value.get_ref().as_array().ok_or_else(|| self.must_be("a list"))?;
        if elements.len() > limit {
            return Err(self.error(ErrorKind::TooMany { what, limit }));
        }
        Ok(elements.iter().map(|value| Value { value, ..*self }).collect())
    }

    /// A table that errors call `name`.
    pub(crate) fn table(&self, name: &'static str) -> Result<Table<'d>, Error> {
        let entries = self.value.get_ref().as_table();
        let entries = entries.ok_or_else(|| self.must_be(format!("a table, {name}")))?;
        let at = Some(self.value.span().start);
        Ok(Table { source: self.source, name, at, entries })
    }

    /// The tables of an array of tables that errors call `name`.
    pub(crate) fn tables(&self, name: &'static str, limit: usize) -> Result<Vec<Table<'d>>, Error> {
        if !self.value.get_ref().is_array() {
            return Err(self.must_be(format!("a list of tables, {name}")));
        }
        self.list(name, limit)?.iter().map(|value| value.table(name)).collect()
    }

    /// A name out of the known ones, which are called `what`.
    pub(crate) fn name(&self, what: &'static str, known: &[String]) -> Result<String, Error> {
        let typed = self.string()?;
        if known.iter().any(|name| name == typed) {
            return Ok(typed.to_owned());
        }
        let (typed, known) = (typed.to_owned(), known.to_vec());
        Err(self.error(ErrorKind::Unknown { what: what.into(), typed, known }))
    }

    /// Names out of the known ones: a list, or one name alone.
    pub(crate) fn names(&self, what: &'static str, known: &[String]) -> Result<Vec<String>, Error> {
        match self.value.get_ref() {
            DeValue::String(_) => Ok(vec![self.name(what, known)?]),
            DeValue::Array(_) => {
                let list = self.list("names", known.len().max(1))?;
                list.iter().map(|value| value.name(what, known)).collect()
            }
            _ => Err(self.must_be("a string or a list of strings")),
        }
    }
}
