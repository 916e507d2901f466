use data_encoding::BASE32;

/// Encodes text as the appliance's clients do: RFC 4648 base32 with `-` as padding.
///
/// # Example
///
/// ```
/// assert_eq!(jdss_rest::names::base32_encode("abc"), "MFRGG---");
/// ```
#[must_use]
pub fn encode(text: &str) -> String {
    BASE32.encode(text.as_bytes()).replace('=', "-")
}

/// Decodes what [`encode`](crate::names::base32_encode) makes; `None` for anything else.
///
/// Lower case, `=` as padding, stray bits and bytes that are not UTF-8 are
/// all refused: one text has one encoding.
///
/// # Example
///
/// ```
/// use jdss_rest::names::base32_decode;
/// assert_eq!(base32_decode("MFRGG---").as_deref(), Some("abc"));
/// assert_eq!(base32_decode("mfrgg---"), None);
/// ```
#[must_use]
pub fn decode(text: &str) -> Option<String> {
    let bytes = BASE32.decode(text.replace('-', "=").as_bytes()).ok()?;
    // The decoder takes `=` and several padded blocks in a row as well.
    let text_again = String::from_utf8(bytes).ok()?;
    (encode(&text_again) == text).then_some(text_again)
}
