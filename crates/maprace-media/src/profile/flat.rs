//! From TOML to one flat map of keys, each with its value and its place in the text.
//!
//! Tables become dotted names, so that a profile based on another overrides it field by field.
//! Everything is checked against the table of keys here: what comes out has the right types, lies in
//! range and has no key that means nothing. What values mean together is `build`'s affair.

use super::keys::{self, KEYS, Key, Kind, LIST_MAX};
use crate::error::{Error, ErrorKind, Position, nearest};
use crate::units::rounded;
use std::collections::BTreeMap;
use std::rc::Rc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A text, under the name that errors call it.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) origin: String,
    pub(super) text: String,
}

/// A value that has been checked.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Value {
    Whole(u64),
    Number(f64),
    Switch(bool),
    Text(String),
    Numbers(Vec<f64>),
    Points(Vec<(f64, f64)>),
    Tables(Vec<Flat>),
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    source: Rc<Source>,
    at: usize,
    pub(super) value: Value,
}

impl PartialEq for Leaf {
    fn eq(&self, other: &Leaf) -> bool {
        self.value == other.value
    }
}

/// Keys and values of a profile, or of one table of a list.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Flat {
    /// The source, for what is missing.
    source: Rc<Source>,
    /// Where the table begins; none for the whole.
    at: Option<usize>,
    /// The name of the list it is of, with a dot, or nothing.
    within: String,
    leaves: BTreeMap<String, Leaf>,
}

impl PartialEq for Source {
    fn eq(&self, other: &Source) -> bool {
        self.origin == other.origin
    }
}

impl Flat {
    /// The whole document.
    pub(super) fn parse(source: &Rc<Source>) -> Result<Flat, Error> {
        let document = DeTable::parse(&source.text).map_err(|error| {
            let at = error.span().map_or(source.text.len(), |span| span.start);
            error_at(source, at, ErrorKind::Toml(error))
        })?;
        let mut flat = Flat {
            source: Rc::clone(source),
            at: None,
            within: String::new(),
            leaves: BTreeMap::new(),
        };
        flat.take(document.get_ref(), "", KEYS)?;
        Ok(flat)
    }

    /// Puts the leaves of a table under their dotted names.
    fn take(
        &mut self,
        table: &DeTable<'_>,
        prefix: &str,
        known: &'static [Key],
    ) -> Result<(), Error> {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let name = format!("{prefix}{}", key.get_ref());
            let inside = format!("{name}.");
            let found = known.iter().find(|key| key.name == name);
            match (found, value.get_ref()) {
                (Some(key), _) => {
                    let shown = format!("{}{name}", self.within);
                    let read = Reading { source: &self.source, name: &shown, kind: key.kind };
                    let checked = read.value(value)?;
                    let leaf = Leaf {
                        source: Rc::clone(&self.source),
                        at: value.span().start,
                        value: checked,
                    };
                    self.leaves.insert(name, leaf);
                }
                (None, DeValue::Table(inner))
                    if known.iter().any(|key| key.name.starts_with(&inside)) =>
                {
                    self.take(inner, &inside, known)?;
                }
                (None, _) => return Err(self.unknown(key.span().start, &name, known)),
            }
        }
        Ok(())
    }

    fn unknown(&self, at: usize, name: &str, known: &'static [Key]) -> Error {
        let must: Vec<&str> = known
            .iter()
            .filter(|key| key.name.starts_with(&format!("{name}.")))
            .map(|key| &key.name[name.len() + 1..])
            .collect();
        let key = format!("{}{name}", self.within);
        if !must.is_empty() {
            let must = format!("a table of {}", must.join(", "));
            let found = "something else".to_owned();
            return error_at(&self.source, at, ErrorKind::Value { key, must, found });
        }
        let names: Vec<&str> = known.iter().map(|key| key.name).collect();
        let near = nearest(name, &names).map(|near| format!("{}{near}", self.within));
        error_at(&self.source, at, ErrorKind::Key { key, near })
    }

    /// Lays these keys over those of a base; what a profile says of itself is not inherited.
    pub(super) fn over(mut self, base: Flat) -> Flat {
        const OWN: [&str; 4] = ["name", "title", "base", "expect"];
        for (name, leaf) in base.leaves {
            if !OWN.contains(&name.as_str()) {
                self.leaves.entry(name).or_insert(leaf);
            }
        }
        self
    }

    /// The value of a key.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.leaves.get(name).map(|leaf| &leaf.value)
    }

    pub(super) fn whole(&self, name: &str) -> Option<u64> {
        match self.get(name) {
            Some(Value::Whole(value)) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn number(&self, name: &str) -> Option<f64> {
        match self.get(name) {
            Some(Value::Number(value)) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Value::Text(value)) => Some(value),
            _ => None,
        }
    }

    pub(super) fn is_on(&self, name: &str) -> bool {
        self.get(name) == Some(&Value::Switch(true))
    }

    pub(super) fn points(&self, name: &str) -> &[(f64, f64)] {
        match self.get(name) {
            Some(Value::Points(points)) => points,
            _ => &[],
        }
    }

    pub(super) fn numbers(&self, name: &str) -> Option<&[f64]> {
        match self.get(name) {
            Some(Value::Numbers(numbers)) => Some(numbers),
            _ => None,
        }
    }

    pub(super) fn tables(&self, name: &str) -> &[Flat] {
        match self.get(name) {
            Some(Value::Tables(tables)) => tables,
            _ => &[],
        }
    }

    /// Every key and its value, by name.
    pub(super) fn leaves(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.leaves.iter().map(|(name, leaf)| (name.as_str(), &leaf.value))
    }

    /// An error: a key that must be there is not.
    pub(super) fn lacks(&self, name: &str, known: &[Key]) -> Error {
        let must = known.iter().find(|key| key.name == name).map(|key| key.kind.must_be());
        let key = format!("{}{name}", self.within);
        let kind = ErrorKind::Missing { key, must: must.unwrap_or_default() };
        match self.at {
            Some(at) => error_at(&self.source, at, kind),
            None => Error::new(&self.source.origin, None, kind),
        }
    }

    /// An error: the value of a key contradicts another.
    pub(super) fn clash(&self, name: &str, what: impl Into<String>) -> Error {
        let kind = ErrorKind::Clash { key: format!("{}{name}", self.within), what: what.into() };
        match (self.leaves.get(name), self.at) {
            (Some(leaf), _) => error_at(&leaf.source, leaf.at, kind),
            (None, Some(at)) => error_at(&self.source, at, kind),
            (None, None) => Error::new(&self.source.origin, None, kind),
        }
    }
}

fn error_at(source: &Source, at: usize, kind: ErrorKind) -> Error {
    Error::new(&source.origin, Some(Position::of(&source.text, at)), kind)
}

/// One value, and what it must be.
struct Reading<'a> {
    source: &'a Rc<Source>,
    name: &'a str,
    kind: Kind,
}

impl Reading<'_> {
    fn wrong(&self, at: usize, found: &DeValue<'_>) -> Error {
        let found = match found {
            DeValue::String(text) => format!("\"{text}\""),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(value) => value.to_string(),
            DeValue::Datetime(_) => "a date".to_owned(),
            DeValue::Array(list) => format!("a list of {}", list.len()),
            DeValue::Table(_) => "a table".to_owned(),
        };
        let kind = ErrorKind::Value { key: self.name.to_owned(), must: self.kind.must_be(), found };
        error_at(self.source, at, kind)
    }

    fn value(&self, spot: &Spanned<DeValue<'_>>) -> Result<Value, Error> {
        let (at, raw) = (spot.span().start, spot.get_ref());
        let wrong = || self.wrong(at, raw);
        match self.kind {
            Kind::Whole(lo, hi) => {
                let number = integer(raw).filter(|number| (lo..=hi).contains(number));
                number.map(Value::Whole).ok_or_else(wrong)
            }
            Kind::Number(lo, hi) => number(raw, lo, hi).map(Value::Number).ok_or_else(wrong),
            Kind::Switch => raw.as_bool().map(Value::Switch).ok_or_else(wrong),
            Kind::Word(words) => {
                let word = raw.as_str().filter(|word| words.contains(word));
                word.map(|word| Value::Text(word.to_owned())).ok_or_else(wrong)
            }
            Kind::Line(max) => {
                let fits = |text: &&str| {
                    !text.is_empty()
                        && !text.chars().any(char::is_control)
                        && text.chars().count() <= max
                };
                let line = raw.as_str().filter(fits);
                line.map(|line| Value::Text(line.to_owned())).ok_or_else(wrong)
            }
            Kind::Numbers(lo, hi) => numbers(raw, lo, hi).map(Value::Numbers).ok_or_else(wrong),
            Kind::Range(lo, hi) => {
                let ordered = |list: &Vec<f64>| list.len() == 2 && list[0] <= list[1];
                let list = numbers(raw, lo, hi).filter(ordered);
                list.map(Value::Numbers).ok_or_else(wrong)
            }
            Kind::Points(x, y) => points(raw, x, y).map(Value::Points).ok_or_else(wrong),
            Kind::Tables(max, known) => self.tables(spot, max, known),
        }
    }

    fn tables(
        &self,
        spot: &Spanned<DeValue<'_>>,
        max: usize,
        known: &'static [Key],
    ) -> Result<Value, Error> {
        let list = spot.get_ref().as_array().filter(|list| list.len() <= max);
        let list = list.ok_or_else(|| self.wrong(spot.span().start, spot.get_ref()))?;
        let mut tables = Vec::new();
        for element in list {
            let at = element.span().start;
            let DeValue::Table(inner) = element.get_ref() else {
                return Err(self.wrong(at, element.get_ref()));
            };
            let mut flat = Flat {
                source: Rc::clone(self.source),
                at: Some(at),
                within: format!("{}.", self.name),
                leaves: BTreeMap::new(),
            };
            flat.take(inner, "", known)?;
            tables.push(flat);
        }
        Ok(Value::Tables(tables))
    }
}

fn integer(raw: &DeValue<'_>) -> Option<u64> {
    let number = raw.as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// A finite number in range, whole or not.
fn number(raw: &DeValue<'_>, lo: f64, hi: f64) -> Option<f64> {
    let value = match raw {
        DeValue::Float(number) => number.as_str().parse::<f64>().ok()?,
        _ => crate::units::float(integer(raw)?),
    };
    (lo <= value && value <= hi).then_some(value)
}

fn numbers(raw: &DeValue<'_>, lo: f64, hi: f64) -> Option<Vec<f64>> {
    match raw.as_array() {
        None => number(raw, lo, hi).map(|one| vec![one]),
        Some(list) if list.is_empty() || list.len() > LIST_MAX => None,
        Some(list) => list.iter().map(|spot| number(spot.get_ref(), lo, hi)).collect(),
    }
}

fn points(raw: &DeValue<'_>, x: (f64, f64), y: (f64, f64)) -> Option<Vec<(f64, f64)>> {
    let point = |spot: &Spanned<DeValue<'_>>| match spot.get_ref().as_array()?.as_ref() {
        [a, b] => Some((number(a.get_ref(), x.0, x.1)?, number(b.get_ref(), y.0, y.1)?)),
        _ => None,
    };
    let list = raw.as_array().filter(|list| (1..=LIST_MAX).contains(&list.len()))?;
    let points: Vec<(f64, f64)> = list.iter().map(point).collect::<Option<_>>()?;
    points.windows(2).all(|pair| pair[0].0 < pair[1].0).then_some(points)
}

/// Whether a list of whole numbers is one: sizes and depths are.
pub(super) fn as_whole(numbers: &[f64]) -> Option<Vec<u64>> {
    let whole = |number: &f64| (number.fract() == 0.0).then(|| rounded(*number));
    numbers.iter().map(whole).collect()
}

/// What a key of the whole profile must be.
pub(super) fn must_be(name: &str) -> String {
    keys::find(name).map(|key| key.kind.must_be()).unwrap_or_default()
}
