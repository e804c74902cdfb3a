//! Which client messages were taken in: a mark per device and digests of the last ones, so that a retry is recognised for ever
//! and its body compared while that is affordable.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_64;

use super::Author;
use crate::content::Content;
use crate::ids::decimal;
use crate::refusal::{Code, Refusal};

/// Devices whose marks are kept; beyond it the one that spoke longest ago is forgotten.
const DEVICES_MAX: usize = 32;
/// Messages whose digests are kept.
const WINDOW_MAX: usize = 256;

/// The client's name for one message: its device and the number of the message there, 1, 2, 3 … per conversation. Text: `device.n`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientKey {
    /// The device, 1 to 48 of `A-Z a-z 0-9 _ -`.
    pub device: String,
    /// The number, from 1.
    pub n: u64,
}

/// The text is not `device.n`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "key is <device>.<n>: the device of 1 to 48 letters, digits, _ or -, and n = 1, 2, 3 … for each message of that device in this conversation"
)]
pub struct NotAClientKey;

impl FromStr for ClientKey {
    type Err = NotAClientKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (device, n) = text.rsplit_once('.').ok_or(NotAClientKey)?;
        let named = (1..=48).contains(&device.len())
            && device.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        let number = !n.starts_with('0') && n.bytes().all(|byte| byte.is_ascii_digit());
        match n.parse() {
            Ok(n) if named && number => Ok(Self { device: device.to_owned(), n }),
            Ok(_) | Err(_) => Err(NotAClientKey),
        }
    }
}

impl ClientKey {
    /// Its text form.
    #[must_use]
    pub fn text(&self) -> String {
        let mut digits = [0; 20];
        let digits = decimal(self.n, &mut digits);
        let mut text = String::with_capacity(self.device.len() + 1 + digits.len());
        text.push_str(&self.device);
        text.push('.');
        text.push_str(digits);
        text
    }
}

impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl Serialize for ClientKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl<'de> Deserialize<'de> for ClientKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The marks and digests of one conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    /// (device, highest n), least recently heard first.
    marks: Vec<(u64, u64)>,
    /// (device, n, digest, seq), oldest first.
    window: VecDeque<(u64, u64, u64, u64)>,
    /// True once a device was forgotten: an unknown device may then continue anywhere.
    forgot: bool,
}

/// The device within its author: two people may use the same device name.
fn device_of(author: &Author, key: &ClientKey) -> u64 {
    let (author, device) = (author.id.as_str().as_bytes(), key.device.as_bytes());
    let mut name = Vec::with_capacity(author.len() + 1 + device.len());
    name.extend_from_slice(author);
    name.push(0);
    name.extend_from_slice(device);
    xxh3_64(&name)
}

impl Seen {
    /// Judges a client message by its key.
    ///
    /// # Errors
    /// `duplicate` with its offset when it was taken in before, `conflict` when the key stands for another body or leaves a gap.
    pub(super) fn judge(&self, author: &Author, key: &ClientKey, content: &Content) -> Result<(), Refusal> {
        let device = device_of(author, key);
        let Some(&(_, mark)) = self.marks.iter().find(|(known, _)| *known == device) else {
            return if key.n == 1 || self.forgot { Ok(()) } else { Err(gap(key, 1)) };
        };
        if key.n == mark + 1 {
            return Ok(());
        }
        if key.n > mark {
            return Err(gap(key, mark + 1));
        }
        match self.window.iter().rev().find(|(of, n, ..)| *of == device && *n == key.n) {
            Some((_, _, digest, seq)) if *digest == content.digest() => Err(Refusal::duplicate(Some(*seq))),
            Some(_) => Err(Refusal::new(
                Code::Conflict,
                format!("key {key} already names another message: use the next n"),
            )),
            None => Err(Refusal::duplicate(None)),
        }
    }

    /// True when a message of this key was taken in before.
    pub(super) fn knows(&self, author: &Author, key: &ClientKey) -> bool {
        let device = device_of(author, key);
        self.marks.iter().any(|(known, mark)| *known == device && *mark >= key.n)
    }

    /// Takes in the key of an accepted message.
    pub(super) fn note(&mut self, author: &Author, key: &ClientKey, content: &Content, seq: u64) {
        let device = device_of(author, key);
        // A message that was passed on after a close comes back after later ones: the mark never falls.
        let mut highest = key.n;
        if let Some(place) = self.marks.iter().position(|(known, _)| *known == device) {
            highest = highest.max(self.marks.remove(place).1);
        } else if self.marks.len() == DEVICES_MAX {
            self.marks.remove(0);
            self.forgot = true;
        }
        self.marks.push((device, highest));
        if self.window.len() == WINDOW_MAX {
            self.window.pop_front();
        }
        self.window.push_back((device, key.n, content.digest(), seq));
    }
}

fn gap(key: &ClientKey, expected: u64) -> Refusal {
    Refusal::new(Code::Conflict, format!("key {key} leaves a gap: send n = {expected} of this device first"))
}
