//! Single values of `device` and `load`, from text to a type and back: sizes, ranges of bytes, chances.

use std::str::FromStr;

/// The largest dilation: a nanosecond becomes a millisecond.
pub(crate) const DILATE_MAX: u64 = 1 << 20;

/// A number of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bytes(pub(crate) u64);

const UNITS: [(&str, u32); 4] = [("T", 40), ("G", 30), ("M", 20), ("K", 10)];

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Bytes, String> {
        let wrong = || {
            format!("`{text}` is no size: write a whole number of bytes, with K, M, G or T behind")
        };
        let upper = text.to_ascii_uppercase();
        let short = upper.strip_suffix("IB").unwrap_or(&upper);
        let unit = UNITS.iter().find_map(|(unit, bits)| Some((short.strip_suffix(unit)?, *bits)));
        let (digits, bits) = match unit {
            Some(found) => found,
            None if short.len() == upper.len() => (short, 0),
            None => return Err(wrong()),
        };
        let whole = digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = whole.then(|| digits.parse::<u64>().ok()).flatten().ok_or_else(wrong)?;
        let bytes = number.checked_mul(1 << bits);
        bytes.map(Bytes).ok_or_else(|| format!("`{text}` is more than 64 bits of bytes"))
    }
}

/// Bytes as a person would type them, exactly.
pub(crate) fn exact(bytes: u64) -> String {
    let unit = UNITS.iter().find(|(_, bits)| bytes != 0 && bytes.trailing_zeros() >= *bits);
    match unit {
        Some((unit, bits)) => format!("{}{unit}", bytes >> bits),
        None => bytes.to_string(),
    }
}

/// A range of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Extent {
    pub(crate) from: u64,
    /// None: the end of the device.
    pub(crate) end: Option<u64>,
}

impl FromStr for Extent {
    type Err = String;

    fn from_str(text: &str) -> Result<Extent, String> {
        let wrong = || format!("`{text}` is no range: write FROM..END, such as 1M..2M");
        let (from, end) = text.split_once("..").ok_or_else(wrong)?;
        let from = from.parse::<Bytes>()?.0;
        let end = match end {
            "" => None,
            end => Some(end.parse::<Bytes>()?.0),
        };
        match end {
            Some(end) if end <= from => Err(format!("`{text}` is empty: the end must lie behind")),
            _ => Ok(Extent { from, end }),
        }
    }
}

/// How many times slower the medium's time passes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dilate {
    /// As many times as lift the medium over the floor.
    Auto,
    /// So many.
    Times(u64),
}

impl FromStr for Dilate {
    type Err = String;

    fn from_str(text: &str) -> Result<Dilate, String> {
        if text == "auto" {
            return Ok(Dilate::Auto);
        }
        let times = text.parse::<u64>().ok().filter(|times| times.is_power_of_two());
        match times {
            Some(times) if times <= DILATE_MAX => Ok(Dilate::Times(times)),
            _ => Err(format!("`{text}` is neither auto nor a power of two from 1 to {DILATE_MAX}")),
        }
    }
}

/// A device's number. The kernel counts minors in 20 bits.
pub(crate) fn id(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("/dev/ublkb").unwrap_or(text);
    let id = digits.parse::<u32>().ok().filter(|id| *id < 1 << 20);
    id.ok_or_else(|| format!("`{text}` is no device: write its number, 0 for /dev/ublkb0"))
}

/// Seconds, 1 to a day.
pub(crate) fn seconds(text: &str) -> Result<u32, String> {
    let seconds = text.parse::<u32>().ok().filter(|seconds| (1..=86_400).contains(seconds));
    seconds.ok_or_else(|| format!("`{text}` is not a whole number of seconds from 1 to 86400"))
}

/// From 0 to 1.
pub(crate) fn chance(text: &str) -> Result<f64, String> {
    let chance = text.parse::<f64>().ok().filter(|chance| (0.0..=1.0).contains(chance));
    chance.ok_or_else(|| format!("`{text}` is no chance: write a number from 0 to 1"))
}

/// Bytes of the longest transfer.
pub(crate) fn buffer(text: &str) -> Result<u32, String> {
    let bytes = text.parse::<Bytes>()?.0;
    let bytes = u32::try_from(bytes).ok().filter(|bytes| (4096..=1 << 20).contains(bytes));
    let bytes = bytes.filter(|bytes| bytes % 4096 == 0);
    bytes.ok_or_else(|| format!("`{text}` is not a whole number of pages from 4K to 1M"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bytes_with_powers_of_1024() {
        let bytes = |text: &str| text.parse::<Bytes>().map(|bytes| bytes.0);
        assert_eq!(bytes("0"), Ok(0));
        assert_eq!(bytes("512"), Ok(512));
        assert_eq!(bytes("4k"), Ok(4096));
        assert_eq!(bytes("1MiB"), Ok(1 << 20));
        assert_eq!(bytes("8388607T"), Ok(8_388_607 << 40));
        for wrong in ["", "K", "1.5G", "-1", "+1", "1iB", "1 G", "1KK", "0x10", "1B"] {
            assert!(bytes(wrong).unwrap_err().contains("no size"), "{wrong}");
        }
        assert!(bytes("16777216T").unwrap_err().contains("64 bits"));
        assert!(bytes("18446744073709551616").is_err());
    }

    #[test]
    fn what_is_shown_is_what_can_be_typed() {
        for bytes in [0, 1, 511, 4096, 4097, 1 << 20, (1 << 30) + 512, 3 << 40, u64::MAX] {
            assert_eq!(exact(bytes).parse::<Bytes>(), Ok(Bytes(bytes)));
        }
        assert_eq!(exact(1 << 30), "1G");
    }

    #[test]
    fn ranges_and_dilations_are_checked() {
        let range = |text: &str| text.parse::<Extent>();
        assert_eq!(range("4K..1M"), Ok(Extent { from: 4096, end: Some(1 << 20) }));
        assert_eq!(range("0.."), Ok(Extent { from: 0, end: None }));
        for wrong in ["", "1", "1..1", "2..1", "..", "a..b", "1...2"] {
            assert!(range(wrong).is_err(), "{wrong}");
        }
        let dilate = |text: &str| text.parse::<Dilate>();
        assert_eq!(dilate("auto"), Ok(Dilate::Auto));
        assert_eq!(dilate("1"), Ok(Dilate::Times(1)));
        assert_eq!(dilate("1048576"), Ok(Dilate::Times(1 << 20)));
        for wrong in ["0", "3", "2097152", "", "-2"] {
            assert!(dilate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_have_limits() {
        assert_eq!((id("7"), id("/dev/ublkb7")), (Ok(7), Ok(7)));
        assert!(id("/dev/sda").is_err() && id("-1").is_err() && id("1048576").is_err());
        assert!(seconds("0").is_err() && seconds("86400") == Ok(86_400));
        assert!(chance("1.1").is_err() && chance("NaN").is_err() && chance("0.5") == Ok(0.5));
        assert!(buffer("4K") == Ok(4096) && buffer("1M") == Ok(1 << 20));
        assert!(buffer("2M").is_err() && buffer("5000").is_err() && buffer("0").is_err());
    }
}
