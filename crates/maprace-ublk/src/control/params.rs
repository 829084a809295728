//! A device's attributes as the kernel's `struct ublk_params`, and back.

use crate::{Attributes, RANGE_BYTES_MAX, SECTOR};
use libublk::sys;

/// As the kernel takes them; `buffer_bytes` is the longest transfer.
pub(crate) fn encode(attributes: &Attributes, buffer_bytes: u32) -> sys::ublk_params {
    let mut attrs = 0;
    for (set, attr) in [
        (attributes.volatile_cache, sys::UBLK_ATTR_VOLATILE_CACHE),
        (attributes.fua, sys::UBLK_ATTR_FUA),
        (attributes.rotational, sys::UBLK_ATTR_ROTATIONAL),
    ] {
        attrs |= if set { attr } else { 0 };
    }
    let range_sectors = u32::try_from(RANGE_BYTES_MAX / SECTOR).expect("23 bits");
    sys::ublk_params {
        len: u32::try_from(size_of::<sys::ublk_params>()).expect("a small structure"),
        types: sys::UBLK_PARAM_TYPE_BASIC | sys::UBLK_PARAM_TYPE_DISCARD,
        basic: sys::ublk_param_basic {
            attrs,
            logical_bs_shift: shift(attributes.logical_block),
            physical_bs_shift: shift(attributes.physical_block),
            io_opt_shift: shift(attributes.physical_block),
            io_min_shift: shift(attributes.physical_block),
            max_sectors: buffer_bytes / 512,
            dev_sectors: attributes.size / SECTOR,
            ..Default::default()
        },
        discard: sys::ublk_param_discard {
            discard_granularity: attributes.discard_granularity,
            max_discard_sectors: range_sectors,
            max_write_zeroes_sectors: range_sectors,
            max_discard_segments: 1,
            ..Default::default()
        },
        ..Default::default()
    }
}

/// What the kernel says a device is.
pub(crate) fn decode(params: &sys::ublk_params) -> Attributes {
    let sys::ublk_params { basic, discard, .. } = params;
    Attributes {
        size: basic.dev_sectors * SECTOR,
        logical_block: 1 << basic.logical_bs_shift,
        physical_block: 1 << basic.physical_bs_shift,
        volatile_cache: basic.attrs & sys::UBLK_ATTR_VOLATILE_CACHE != 0,
        fua: basic.attrs & sys::UBLK_ATTR_FUA != 0,
        rotational: basic.attrs & sys::UBLK_ATTR_ROTATIONAL != 0,
        discard_granularity: discard.discard_granularity,
    }
}

/// The exponent of a power of two.
fn shift(bytes: u32) -> u8 {
    u8::try_from(bytes.trailing_zeros()).expect("at most 32")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes() -> Attributes {
        Attributes {
            size: 3 << 30,
            logical_block: 512,
            physical_block: 4096,
            volatile_cache: true,
            fua: true,
            rotational: false,
            discard_granularity: 8192,
        }
    }

    #[test]
    fn what_is_told_is_what_is_read_back() {
        for (volatile_cache, fua, rotational) in
            [(true, true, false), (true, false, true), (false, false, false)]
        {
            let told = Attributes { volatile_cache, fua, rotational, ..attributes() };
            assert_eq!(decode(&encode(&told, 1 << 16)), told);
        }
    }

    #[test]
    fn a_range_is_cut_where_its_bytes_fit_into_32_bits() {
        let params = encode(&attributes(), 1 << 16);
        let most = u64::from(params.discard.max_write_zeroes_sectors) * SECTOR;
        assert!(most == RANGE_BYTES_MAX && u32::try_from(most).is_ok());
        assert_eq!(params.discard.max_discard_sectors, params.discard.max_write_zeroes_sectors);
        assert_eq!((params.basic.max_sectors, params.basic.dev_sectors), (128, 6 << 20));
    }
}
