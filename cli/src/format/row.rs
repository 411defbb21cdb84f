//! A CSV row as a JSON object, and back: `{"unix":1704063600,"low":42066.35,"note":"a \"b\""}`.
//!
//! Columns keep their order. A field whose text is a JSON number stands as that number, digit for
//! digit; any other field is a string. So every field has exactly one form, and `decode` accepts
//! nothing else: what it accepts, `encode` gives back byte for byte.

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Writes a row as JSON. Requires: as many names as fields.
pub(crate) fn encode<'a>(row: &mut Vec<u8>, fields: impl Iterator<Item = (&'a str, &'a str)>) {
    row.push(b'{');
    for (index, (name, field)) in fields.enumerate() {
        if index > 0 {
            row.push(b',');
        }
        push_string(row, name);
        row.push(b':');
        if is_number(field) {
            row.extend_from_slice(field.as_bytes());
        } else {
            push_string(row, field);
        }
    }
    row.push(b'}');
}

fn push_string(row: &mut Vec<u8>, text: &str) {
    row.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
}

/// Whether `text` is a number as JSON writes it: no leading zeros or plus, no bare point, no spaces.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|text| digits(text.strip_prefix(['+', '-']).unwrap_or(text)))
}

/// The columns of a row and their fields, in order.
pub(crate) type Fields = Vec<(String, String)>;

/// Reads what [`encode`] writes, and nothing else.
pub(crate) fn decode(value: &[u8]) -> Option<Fields> {
    let Cells(cells) = serde_json::from_slice(value).ok()?;
    let mut fields = Vec::with_capacity(cells.len());
    for (name, cell) in cells {
        let field = match cell.get().as_bytes().first()? {
            b'"' => serde_json::from_str(cell.get()).ok()?,
            b'-' | b'0'..=b'9' => cell.get().to_owned(),
            _ => return None,
        };
        fields.push((name, field));
    }
    let mut again = Vec::with_capacity(value.len());
    encode(&mut again, fields.iter().map(|(name, field)| (&name[..], &field[..])));
    (again == value && !fields.is_empty()).then_some(fields)
}

struct Cells<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Cells<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Cells<'de>, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Cells<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Cells<'de>, M::Error> {
                let mut cells = Vec::new();
                while let Some(cell) = map.next_entry()? {
                    cells.push(cell);
                }
                Ok(Cells(cells))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use crate::format::row::{decode, encode, is_number};

    #[test]
    fn every_field_comes_back_exactly() {
        let fields = [
            ("b", "1.10"),
            ("a", "007"),
            ("é \"q\"", "-0"),
            ("n", "1e5"),
            ("N", "1E+05"),
            ("x", ""),
            ("s", " 1"),
            ("t", "line\nbreak \\ \"q\""),
            ("u", "true"),
            ("v", "+1"),
            ("w", ".5"),
            ("y", "5."),
            ("z", "123456789012345678901234567890.1234567890"),
            ("A", "null"),
        ];
        let mut row = Vec::new();
        encode(&mut row, fields.into_iter());
        let wanted = fields.map(|(name, field)| (name.to_owned(), field.to_owned()));
        assert_eq!(decode(&row).unwrap(), wanted);
        assert!(row.starts_with(br#"{"b":1.10,"a":"007","#), "{}", String::from_utf8_lossy(&row));
        serde_json::from_slice::<serde_json::Value>(&row).unwrap();
    }

    #[test]
    fn a_value_that_would_not_come_back_is_no_row() {
        for value in [
            r#"{"a":"1"}"#,
            r#"{"a": 1}"#,
            r#"{"a":true}"#,
            r#"{"a":null}"#,
            r#"{"a":[1]}"#,
            "{}",
            r#"{"a":"\u0041"}"#,
            "[1]",
            "1",
            "",
            r#"{"a":1} "#,
        ] {
            assert!(decode(value.as_bytes()).is_none(), "{value}");
        }
        assert!(decode(b"{\"a\":\"\xff\"}").is_none());
    }

    #[test]
    fn a_number_is_what_json_calls_one() {
        for text in ["0", "-0", "10", "0.0", "-12.5e-3", "1E5", "9e+1"] {
            assert!(is_number(text) && serde_json::from_str::<f64>(text).is_ok(), "{text}");
        }
        for text in ["", "-", "00", "01", "1.", ".1", "+1", "1e", "1e+", "0x1", "NaN", "1 x", "١"]
        {
            assert!(!is_number(text) && serde_json::from_str::<f64>(text).is_err(), "{text}");
        }
    }
}
