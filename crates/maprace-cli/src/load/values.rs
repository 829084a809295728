//! Single values of `load`, from text to a type.

use maprace_load::Pattern;
use std::str::FromStr;

/// All patterns, as they are typed.
const PATTERNS: [Pattern; 11] = [
    Pattern::Read,
    Pattern::Write,
    Pattern::Randread,
    Pattern::Randwrite,
    Pattern::Rw,
    Pattern::Randrw,
    Pattern::Trim,
    Pattern::Randtrim,
    Pattern::WriteZeroes,
    Pattern::RandwriteZeroes,
    Pattern::Storm,
];

/// A pattern; fio's `readwrite` is `rw`.
pub(crate) fn pattern(text: &str) -> Result<Pattern, String> {
    let name = if text == "readwrite" { "rw" } else { text };
    let found = PATTERNS.into_iter().find(|pattern| pattern.name() == name);
    found.ok_or_else(|| {
        let known: Vec<&str> = PATTERNS.iter().map(|pattern| pattern.name()).collect();
        format!("`{text}` is no pattern; known: {}", known.join(", "))
    })
}

/// On or off.
pub(crate) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "1" => Ok(true),
        "0" => Ok(false),
        _ => Err(format!("`{text}` is neither 0 nor 1")),
    }
}

/// A number with a power of 1000 behind, or a fraction of one.
fn scaled(text: &str) -> Option<f64> {
    let (digits, times) = match text.chars().last()? {
        'k' | 'K' => (&text[..text.len() - 1], 1e3),
        'm' | 'M' => (&text[..text.len() - 1], 1e6),
        'g' | 'G' => (&text[..text.len() - 1], 1e9),
        _ => (text, 1.0),
    };
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number = digits.parse::<f64>().ok().filter(|_| plain)?;
    Some(number * times)
}

/// A number of requests, from 1 to 10^15.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    let wrong =
        || format!("`{text}` is no number of requests: write it with k or M behind if need be");
    let value = scaled(text).filter(|value| (1.0..=1e15).contains(value) && value.fract() == 0.0);
    // Whole and below 2^53.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was looked at")]
    value.map(|value| value as u64).ok_or_else(wrong)
}

/// Requests a second, above 0.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Rate(pub(crate) f64);

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Rate, String> {
        let value = scaled(text).filter(|value| *value > 0.0 && *value <= 1e9);
        value
            .map(Rate)
            .ok_or_else(|| format!("`{text}` is no rate: write requests a second, above 0"))
    }
}

/// A time, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Seconds(pub(crate) u64);

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Seconds, String> {
        let wrong = || format!("`{text}` is no time: write seconds, or ms, s, m or h behind");
        let units = [("us", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];
        let unit = units.iter().find_map(|(unit, ns)| Some((text.strip_suffix(unit)?, *ns)));
        let (digits, ns) = unit.unwrap_or((text, 1e9));
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let value = digits.parse::<f64>().ok().filter(|_| plain).map(|number| number * ns);
        // Thirty days are 2^51 ns.
        let value = value.filter(|ns| *ns <= 30.0 * 24.0 * 3600e9).ok_or_else(wrong)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it was looked at"
        )]
        let ns = value.round() as u64;
        Ok(Seconds(ns))
    }
}

/// Processors.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Cpus(pub(crate) Vec<u32>);

impl FromStr for Cpus {
    type Err = String;

    fn from_str(text: &str) -> Result<Cpus, String> {
        let wrong = || format!("`{text}` is no list of processors: write such as 0,2-3");
        let number = |text: &str| text.parse::<u32>().ok().filter(|cpu| *cpu < 1 << 16);
        let mut cpus = Vec::new();
        for part in text.split(',') {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let (from, to) = number(from).zip(number(to)).ok_or_else(wrong)?;
            if from > to {
                return Err(wrong());
            }
            cpus.extend(from..=to);
        }
        Ok(Cpus(cpus))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_what_is_meant() {
        assert_eq!(count("1M"), Ok(1_000_000));
        assert_eq!(count("1.5k"), Ok(1_500));
        assert_eq!("20k".parse(), Ok(Rate(20_000.0)));
        assert_eq!("0.5".parse(), Ok(Rate(0.5)));
        assert_eq!("30".parse(), Ok(Seconds(30_000_000_000)));
        assert_eq!("1.5ms".parse(), Ok(Seconds(1_500_000)));
        assert_eq!("2m".parse(), Ok(Seconds(120_000_000_000)));
        assert_eq!("0,2-4".parse(), Ok(Cpus(vec![0, 2, 3, 4])));
        assert_eq!(pattern("readwrite"), Ok(Pattern::Rw));
        assert_eq!(pattern("storm"), Ok(Pattern::Storm));
    }

    #[test]
    fn what_means_nothing_is_told() {
        for wrong in ["", "0", "0.5", "-1", "1e3", "NaN", "inf", "1kk", "1Q"] {
            assert!(count(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "0", "-1", "2000M", "x"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
        for wrong in ["", "s", "-1", "1e3", "9999999h", "NaN"] {
            assert!(wrong.parse::<Seconds>().is_err(), "{wrong}");
        }
        for wrong in ["", "a", "3-1", "1,", "-1", "99999999"] {
            assert!(wrong.parse::<Cpus>().is_err(), "{wrong}");
        }
        assert!(pattern("randstorm").unwrap_err().contains("known: read, "));
        assert!(switch("yes").is_err() && switch("1") == Ok(true));
    }
}
