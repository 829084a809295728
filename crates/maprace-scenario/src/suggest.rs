//! How a name the user typed is shown in an error, and which known name was probably meant.

use std::fmt;

/// Longest piece of the user's own text that an error repeats, in characters.
const SHOWN_MAX: usize = 48;

/// Longest name that is compared with the known ones, in characters: bounds the work on bad input.
const COMPARED_MAX: usize = 40;

/// The text between backticks, on one line whatever it holds, cut when it is long.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", Shortened(self.0))
    }
}

/// The text on one line whatever it holds, cut when it is long.
pub(crate) struct Shortened<'a>(pub(crate) &'a str);

impl fmt::Display for Shortened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.0.chars();
        chars.by_ref().take(SHOWN_MAX).try_for_each(|c| write_plain(f, c))?;
        f.write_str(if chars.next().is_some() { "..." } else { "" })
    }
}

/// The text as it is, but for what would break a line or hide what stands in it.
pub(crate) struct OneLine<'a>(pub(crate) &'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| write_plain(f, c))
    }
}

fn write_plain(f: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    if c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric() {
        write!(f, "{c}")
    } else {
        write!(f, "{}", c.escape_debug())
    }
}

/// `: known are a, b, c; did you mean `b`?`, the tail of every error about an unknown name.
pub(crate) struct Known<'a> {
    pub(crate) typed: &'a str,
    pub(crate) known: &'a [String],
}

/// More names than these are counted, not listed.
const LISTED_MAX: usize = 24;

impl fmt::Display for Known<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known {
            [] => return f.write_str(": none are known"),
            [one] => write!(f, ": known is {}", OneLine(one))?,
            many if many.len() > LISTED_MAX => write!(f, ": {} are known", many.len())?,
            [first, rest @ ..] => {
                write!(f, ": known are {}", OneLine(first))?;
                rest.iter().try_for_each(|name| write!(f, ", {}", OneLine(name)))?;
            }
        }
        match nearest(self.typed, self.known) {
            Some(name) => write!(f, "; did you mean {}?", Quoted(name)),
            None => Ok(()),
        }
    }
}

/// The known name nearest to the typed one, if one is near enough to be meant; the first wins a tie.
pub(crate) fn nearest<'a>(typed: &str, known: &'a [String]) -> Option<&'a str> {
    let typed: Vec<char> = typed.chars().take(COMPARED_MAX + 1).collect();
    if typed.is_empty() || typed.len() > COMPARED_MAX {
        return None;
    }
    known
        .iter()
        .map(|name| (distance(&typed, &name.chars().collect::<Vec<_>>()), name))
        .filter(|(distance, name)| *distance <= (name.chars().count().max(typed.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name.as_str())
}

/// Edits between two names: insert, delete, replace a character, swap two neighbours.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before_last[j - 2] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn distances_are_the_textbook_ones() {
        for (a, b, want) in [
            ("", "", 0),
            ("", "abc", 3),
            ("fallocat", "fallocate", 1),
            ("falloacte", "fallocate", 1),
            ("write", "read", 4),
            ("ca", "abc", 3),
        ] {
            let (x, y): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
            assert_eq!(distance(&x, &y), want, "{a} {b}");
            assert_eq!(distance(&y, &x), want, "{b} {a}");
        }
    }

    #[test]
    fn only_a_near_name_is_suggested() {
        let names = known(&["write", "read", "fallocate"]);
        assert_eq!(nearest("falocate", &names), Some("fallocate"));
        assert_eq!(nearest("raed", &names), Some("read"));
        assert_eq!(nearest("defragment", &names), None);
        assert_eq!(nearest("", &names), None);
        assert_eq!(nearest(&"w".repeat(1 << 20), &names), None);
    }

    #[test]
    fn what_the_user_typed_stays_on_one_line() {
        assert_eq!(Quoted("a\nb\u{202e}c").to_string(), "`a\\nb\\u{202e}c`");
        assert_eq!(Quoted(&"x".repeat(100)).to_string(), format!("`{}...`", "x".repeat(48)));
        assert_eq!(OneLine("a\r\nb").to_string(), "a\\r\\nb");
    }
}
