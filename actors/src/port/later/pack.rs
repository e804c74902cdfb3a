//! Adds a field that nobody knows to what is encoded as `MessagePack` with named fields, without knowing its type.

use bytes::Bytes;

use crate::letter::encode;

/// The name of the field.
pub const FIELD: &str = "of_the_next_version";

/// An event in its envelope, both with the field.
pub(super) fn event(bytes: &[u8]) -> Bytes {
    grown(bytes, Inner::Value("body"))
}

/// A snapshot and the state in it.
pub(super) fn snapshot(bytes: &[u8]) -> Bytes {
    grown(bytes, Inner::Encoded("state"))
}

/// A frame and the command in it.
pub(super) fn frame(bytes: &[u8]) -> Bytes {
    grown(bytes, Inner::Encoded("payload"))
}

/// A frame of a kind that nobody knows.
pub(super) fn strange() -> Bytes {
    encode(&std::collections::BTreeMap::from([("OfTheNextVersion", FIELD)]))
}

/// Which field of a record holds another record.
#[derive(Clone, Copy)]
enum Inner {
    None,
    /// Directly.
    Value(&'static str),
    /// As bytes.
    Encoded(&'static str),
}

/// What cannot be read stays as it is: whoever reads it says so.
fn grown(bytes: &[u8], inner: Inner) -> Bytes {
    let mut out = Vec::with_capacity(bytes.len() + 64);
    match grow(bytes, inner, &mut out) {
        Some(()) => out.into(),
        None => Bytes::copy_from_slice(bytes),
    }
}

/// A map of one entry whose key begins with a capital is a variant: its content grows. Other maps are records, from two fields on: what
/// has one may be a variant with a small name.
fn grow(bytes: &[u8], inner: Inner, out: &mut Vec<u8>) -> Option<()> {
    let (count, entries) = match map(bytes) {
        Some((count, entries)) if count > 0 => (count, entries),
        Some(_) | None => {
            out.extend_from_slice(bytes);
            return Some(());
        }
    };
    let is_variant = count == 1
        && entries.first().is_some_and(|(name, ..)| name.first().is_some_and(u8::is_ascii_uppercase));
    let is_record = count > 1;
    head(count + usize::from(is_record), out);
    for (name, key, value) in entries {
        out.extend_from_slice(key);
        match inner {
            _ if is_variant => grow(value, inner, out)?,
            Inner::Value(field) if is_record && name == field.as_bytes() => grow(value, Inner::None, out)?,
            Inner::Encoded(field) if is_record && name == field.as_bytes() && text(value, 0xc4).is_some() => {
                let mut content = Vec::new();
                grow(text(value, 0xc4)?, Inner::None, &mut content)?;
                out.push(0xc6);
                out.extend_from_slice(&u32::try_from(content.len()).ok()?.to_be_bytes());
                out.extend_from_slice(&content);
            }
            Inner::None | Inner::Value(_) | Inner::Encoded(_) => out.extend_from_slice(value),
        }
    }
    if is_record {
        out.extend_from_slice(&encode(&FIELD));
        out.extend_from_slice(&encode(&1));
    }
    Some(())
}

fn head(count: usize, out: &mut Vec<u8>) {
    out.push(0xdf);
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
}

/// A key's text, the key, and its value.
type Field<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// The entries of a map with text keys that is all of `bytes`.
fn map(bytes: &[u8]) -> Option<(usize, Vec<Field<'_>>)> {
    let (count, mut at) = match *bytes.first()? {
        first @ 0x80..=0x8f => (usize::from(first & 0x0f), 1),
        0xde => (number(bytes, 1, 2)?, 3),
        0xdf => (number(bytes, 1, 4)?, 5),
        _ => return None,
    };
    let mut fields = Vec::new();
    for _ in 0..count {
        let key = bytes.get(at..at + length(bytes.get(at..)?)?)?;
        at += key.len();
        let value = bytes.get(at..at + length(bytes.get(at..)?)?)?;
        at += value.len();
        fields.push((text(key, 0xd9)?, key, value));
    }
    (at == bytes.len()).then_some((count, fields))
}

/// The content of a text (`0xd9`) or of bytes (`0xc4`), whose three lengths of length have markers from `first` on.
fn text(value: &[u8], first: u8) -> Option<&[u8]> {
    match value.first()?.checked_sub(first) {
        Some(size @ 0..=2) => value.get(1 + (1 << size)..),
        _ if first == 0xd9 && (0xa0..=0xbf).contains(&value[0]) => value.get(1..),
        _ => None,
    }
}

/// A number of `size` bytes.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + size)?;
    Some(bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

/// The bytes of the first value.
fn length(bytes: &[u8]) -> Option<usize> {
    let sized = |size: usize, extra: usize| Some(1 + size + extra + number(bytes, 1, size)?);
    match *bytes.first()? {
        0x00..=0x7f | 0xc0..=0xc3 | 0xe0..=0xff => Some(1),
        first @ 0x80..=0x8f => values(bytes, 1, 2 * usize::from(first & 0x0f)),
        first @ 0x90..=0x9f => values(bytes, 1, usize::from(first & 0x0f)),
        first @ 0xa0..=0xbf => Some(1 + usize::from(first & 0x1f)),
        0xc4 | 0xd9 => sized(1, 0),
        0xc5 | 0xda => sized(2, 0),
        0xc6 | 0xdb => sized(4, 0),
        0xc7 => sized(1, 1),
        0xc8 => sized(2, 1),
        0xc9 => sized(4, 1),
        0xcc | 0xd0 => Some(2),
        0xcd | 0xd1 => Some(3),
        0xca | 0xce | 0xd2 => Some(5),
        0xcb | 0xcf | 0xd3 => Some(9),
        first @ 0xd4..=0xd8 => Some(2 + (1 << (first - 0xd4))),
        0xdc => values(bytes, 3, number(bytes, 1, 2)?),
        0xdd => values(bytes, 5, number(bytes, 1, 4)?),
        0xde => values(bytes, 3, 2 * number(bytes, 1, 2)?),
        0xdf => values(bytes, 5, 2 * number(bytes, 1, 4)?),
    }
}

/// Where `count` values end that begin at `at`.
fn values(bytes: &[u8], mut at: usize, count: usize) -> Option<usize> {
    for _ in 0..count {
        at += length(bytes.get(at..)?)?;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::letter::decode;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    enum Happened {
        Said { text: String, n: u64 },
        Closed,
        Nested(Box<Happened>),
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Record {
        v: u32,
        payload: Bytes,
        body: Happened,
        numbers: Vec<(i64, f64, Option<bool>)>,
    }

    /// As a reader sees it that refuses what it does not know.
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        #[serde(rename = "v")]
        _v: u32,
        #[serde(rename = "payload")]
        _payload: Bytes,
        #[serde(rename = "body")]
        _body: Happened,
        #[serde(rename = "numbers")]
        _numbers: Vec<(i64, f64, Option<bool>)>,
    }

    fn said(bytes: usize) -> Happened {
        Happened::Said { text: "x".repeat(bytes), n: 70_000 }
    }

    fn record(body: Happened) -> Record {
        let payload = encode(&said(300));
        Record { v: 1, payload, body, numbers: vec![(-1, 0.5, None), (i64::MIN, -2.0, Some(true))] }
    }

    fn fields(bytes: &[u8]) -> usize {
        bytes.windows(FIELD.len()).filter(|window| *window == FIELD.as_bytes()).count()
    }

    #[test]
    fn a_field_is_added_to_records_and_passed_over_by_readers() {
        for body in [said(5), said(70_000), Happened::Closed, Happened::Nested(Box::new(said(40)))] {
            let record = record(body.clone());
            let whole = encode(&record);
            let grown = event(&whole);
            assert_eq!(decode::<Record>(&grown).expect("readable"), record);
            assert_eq!(fields(&grown), if body == Happened::Closed { 1 } else { 2 });
            decode::<Strict>(&whole).expect("it knows all of it");
            decode::<Strict>(&grown).expect_err("it refuses the field");
        }
    }

    #[test]
    fn a_record_that_is_encoded_in_another_has_the_field_too() {
        let whole = encode(&record(Happened::Closed));
        let grown = frame(&whole);
        assert_eq!(fields(&grown), 2);
        let read: Record = decode(&grown).expect("readable");
        assert_eq!(fields(&read.payload), 1);
        assert_eq!(decode::<Happened>(&read.payload).expect("readable"), said(300));
    }

    #[test]
    fn what_is_no_record_stays() {
        for bytes in
            [encode(&7), encode(&"text"), encode(&Happened::Closed), Bytes::from_static(&[0x82, 0xa1])]
        {
            assert_eq!(event(&bytes), bytes);
        }
    }
}
