//! What a route is called with, read strictly.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Firmware;
use super::answer::{Answer, Strict};
use crate::model::Model;

/// One call of a route.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) model: &'a Model,
    pub(crate) firmware: Firmware,
    /// `/api/v3`, not `/api/v4`.
    pub(crate) v3: bool,
    /// What stands for the `{..}` of the route, decoded.
    pub(crate) values: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: &'a [u8],
}

impl Call<'_> {
    /// The n-th value of the path.
    pub(crate) fn value(&self, n: usize) -> &str {
        self.values.get(n).map_or("", String::as_str)
    }

    /// The value of a query parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// A number as the appliance writes it: as a string, or by recent software as it is.
    pub(crate) fn number(&self, number: u64) -> Value {
        match self.firmware {
            Firmware::Recent => number.into(),
            Firmware::Classic | Firmware::Old => number.to_string().into(),
        }
    }

    /// The answer to a change that tells nothing, with the status of [`Firmware`]'s classic, recent and old software:
    /// clients have to take every success as one.
    pub(crate) fn done(&self, [classic, recent, old]: [u16; 3]) -> Answer {
        let status = match self.firmware {
            Firmware::Classic => classic,
            Firmware::Recent => recent,
            Firmware::Old => old,
        };
        Answer::new(status, Value::Null)
    }

    /// The body; fields that `T` does not have are refused by its `deny_unknown_fields`.
    pub(crate) fn body<T: DeserializeOwned>(&self) -> Result<T, Strict> {
        serde_json::from_slice(self.body)
            .map_err(|error| Strict::new(400, "sim.InvalidBody", error.to_string()))
    }

    /// The body, or without one what `T` is by itself.
    pub(crate) fn body_if_any<T: DeserializeOwned + Default>(&self) -> Result<T, Strict> {
        if self.body.is_empty() {
            Ok(T::default())
        } else {
            self.body()
        }
    }
}

/// Splits a query string; a parameter given twice is refused.
pub(crate) fn parameters(query: &str) -> Result<Vec<(String, String)>, Strict> {
    let mut found: Vec<(String, String)> = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let (key, value) = (decode(key)?, decode(value)?);
        if found.iter().any(|(old, _)| *old == key) {
            return Err(parameter(format!("parameter '{key}' is there twice")));
        }
        found.push((key, value));
    }
    Ok(found)
}

/// A query parameter that the route does not take.
pub(crate) fn parameter(message: String) -> Strict {
    Strict::new(400, "sim.InvalidParameter", message)
}

/// Undoes percent-encoding.
pub(crate) fn decode(text: &str) -> Result<String, Strict> {
    let bad = || {
        Strict::new(
            400,
            "sim.InvalidEncoding",
            format!("'{text}' is not percent-encoded UTF-8"),
        )
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2).ok_or_else(bad)?;
        let value = |digit: u8| char::from(digit).to_digit(16);
        let (Some(high), Some(low)) = (value(digits[0]), value(digits[1])) else {
            return Err(bad());
        };
        bytes.push((high * 16 + low) as u8);
        rest = tail;
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoding_is_undone_and_broken_encoding_refused() {
        assert_eq!(
            decode("iqn.2025-04.a%3avm%2F1").unwrap(),
            "iqn.2025-04.a:vm/1"
        );
        for bad in ["%", "%4", "%zz", "%ff", "a%+1"] {
            assert_eq!(
                decode(bad).unwrap_err().class,
                "sim.InvalidEncoding",
                "{bad}"
            );
        }
    }

    #[test]
    fn only_the_first_equals_sign_ends_a_parameters_name() {
        let found = parameters("where=name==v_a&page=0&flag").unwrap();
        let expected = [("where", "name==v_a"), ("page", "0"), ("flag", "")];
        assert_eq!(
            found,
            expected.map(|(key, value)| (key.to_owned(), value.to_owned()))
        );
        assert!(parameters("page=1&page=2").is_err());
    }
}
