//! Files and places that a message points at.

use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

/// A picture, sound, film or file with the words that stand for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Media {
    /// The words that stand for it; channels show them as the caption.
    pub alt: String,
    /// The stored file.
    pub att: Attachment,
    /// What is said in it, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
}

/// A stored file that a message points at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attachment {
    /// Its id, when Conversa stores it; a file that lies elsewhere has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Where it is: `http`, `https`, or a path of the node.
    pub url: String,
    /// Its media type.
    pub mime: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes, 64 lower-case hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Its name for people.
    pub name: String,
    /// Width, pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub w: Option<u32>,
    /// Height, pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub h: Option<u32>,
    /// How long it plays, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dur_ms: Option<u32>,
    /// Where a small picture of it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumb: Option<String>,
    /// A blurred preview in a few letters (<https://blurha.sh>).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blurhash: Option<String>,
}

/// A point on the map.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Location {
    /// The words that stand for it.
    pub alt: String,
    /// Latitude.
    pub lat: Degrees,
    /// Longitude.
    pub lng: Degrees,
    /// What is there.
    pub label: String,
    /// Its postal address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// A map of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map_url: Option<String>,
}

/// An angle in degrees, compared and hashed by its bits.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Degrees(pub f64);

impl PartialEq for Degrees {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Degrees {}

impl Hash for Degrees {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}
