//! Sizes in bytes, as people and the API write them.

use crate::error::{Error, Result};

/// Reads a size in bytes: a number, or one with K, M, G or T (powers of 1024), such as `10G`.
///
/// # Errors
///
/// [`Error::InvalidSizeText`] for everything else: signs, fractions, blanks, `GB`, or more than
/// fits into a file.
///
/// # Example
///
/// ```
/// assert_eq!(jdss_sim::parse_size("10G").unwrap(), 10 << 30);
/// assert!(jdss_sim::parse_size("10GB").is_err());
/// ```
pub fn parse_size(text: &str) -> Result<u64> {
    let bad = || Error::InvalidSizeText {
        text: text.to_owned(),
    };
    let shift = match text.as_bytes().last() {
        Some(b'K') => 10,
        Some(b'M') => 20,
        Some(b'G') => 30,
        Some(b'T') => 40,
        _ => 0,
    };
    let digits = if shift == 0 {
        text
    } else {
        &text[..text.len() - 1]
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    let number: u64 = digits.parse().map_err(|_| bad())?;
    number
        .checked_mul(1 << shift)
        .filter(|size| i64::try_from(*size).is_ok())
        .ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bytes_or_carry_a_unit() {
        assert_eq!(parse_size("34359738368").unwrap(), 34_359_738_368);
        assert_eq!(parse_size("1T").unwrap(), 1 << 40);
        for bad in [
            "",
            "G",
            "-1",
            "+1",
            "1.5G",
            "10GB",
            "1 G",
            "9999999999T",
            "10\u{212a}",
        ] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }
}
