//! What operators ask of a life, as the register has it: the one who is asked reads it with each beat.

use bytes::Bytes;

/// A life is asked to leave. Its node's next life is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The generation of the life that is to leave.
    pub leave: u64,
}

impl Asked {
    /// As it is written.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        format!("1 leave {}", self.leave).into()
    }

    /// Reads what [`Asked::bytes`] wrote; what a later program asks is not understood, and not done.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(value).ok()?.split(' ');
        match (words.next()?, words.next()?) {
            ("1", "leave") => Some(Self { leave: words.next()?.parse().ok()? }),
            _ => None,
        }
    }
}
