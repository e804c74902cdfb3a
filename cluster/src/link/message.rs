//! What travels on a stream: messages, and their bytes.
//!
//! ```text
//! message = kind u8, view u64, told, body; of a hello told is last   (numbers are little-endian)
//! view    = the version that the sender knows                     told = those that it has adopted and serves, u64 each
//! hello   = protocol u16, class u8, attempt u64, generation u64 and node of the sender, of the receiver, cluster
//! frames  = (length u32, bytes)*                                  none: only to tell
//! beat    = stamp u64                                             echo: the same stamp
//! ```
//! Names are their length as u8 and UTF-8.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes};

use super::hello::{Hello, PROTOCOL};
use super::{Class, FRAME_MAX};
use crate::member::Life;
use crate::member::told::Told;

/// The longest message, bytes: one frame of the largest size. Batches are shorter.
pub(super) const MESSAGE_MAX: usize = HEAD + FRAME_HEAD + FRAME_MAX;
pub(super) const FRAME_HEAD: usize = 4;
const HEAD: usize = 1 + 3 * 8;

const HELLO: u8 = 0;
const FRAMES: u8 = 1;
const BEAT: u8 = 2;
const ECHO: u8 = 3;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) told: Told,
    pub(super) body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Hello(Hello),
    Frames(Vec<Bytes>),
    /// The sender's time, to be sent back.
    Beat(u64),
    Echo(u64),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("it ends too early")]
    Short,
    #[error("it goes on where it should end")]
    Long,
    #[error("a frame is larger than {FRAME_MAX} bytes")]
    TooLarge,
    #[error("there is no message of kind {0}")]
    Kind(u8),
    #[error("there is no class {0}")]
    Class(u8),
    #[error("a name is not text")]
    Name,
    #[error("version {0} of the protocol is not spoken here")]
    Protocol(u16),
}

impl Message {
    /// How many bytes [`Self::encode`] writes.
    pub(super) fn len(&self) -> usize {
        HEAD + match &self.body {
            Body::Hello(hello) => {
                let names = [&hello.cluster, &hello.from.node, &hello.to.node];
                2 + 1 + 3 * 8 + names.iter().map(|name| 1 + name.len()).sum::<usize>()
            }
            Body::Frames(frames) => frames.iter().map(|frame| FRAME_HEAD + frame.len()).sum(),
            Body::Beat(_) | Body::Echo(_) => 8,
        }
    }

    pub(super) fn encode(&self, to: &mut impl BufMut) {
        to.put_u8(match self.body {
            Body::Hello(_) => HELLO,
            Body::Frames(_) => FRAMES,
            Body::Beat(_) => BEAT,
            Body::Echo(_) => ECHO,
        });
        to.put_u64_le(self.told.view);
        let told = [self.told.adopted, self.told.served];
        // Whatever the version: behind the view a hello has the protocol's.
        if !matches!(self.body, Body::Hello(_)) {
            told.into_iter().for_each(|version| to.put_u64_le(version));
        }
        match &self.body {
            Body::Hello(hello) => {
                encode_hello(hello, to);
                told.into_iter().for_each(|version| to.put_u64_le(version));
            }
            Body::Frames(frames) => {
                for frame in frames {
                    to.put_u32_le(u32::try_from(frame.len()).expect("a frame is checked when it is sent"));
                    to.put_slice(frame);
                }
            }
            Body::Beat(stamp) | Body::Echo(stamp) => to.put_u64_le(*stamp),
        }
    }

    pub(super) fn decode(mut from: Bytes) -> Result<Self, Malformed> {
        let kind = from.try_get_u8().map_err(|_| Malformed::Short)?;
        let view = take_u64(&mut from)?;
        if kind == HELLO {
            let hello = decode_hello(&mut from)?;
            let told = Told { view, adopted: take_u64(&mut from)?, served: take_u64(&mut from)? };
            let whole = Self { told, body: Body::Hello(hello) };
            return if from.has_remaining() { Err(Malformed::Long) } else { Ok(whole) };
        }
        let told = Told { view, adopted: take_u64(&mut from)?, served: take_u64(&mut from)? };
        let body = match kind {
            FRAMES => Body::Frames(decode_frames(&mut from)?),
            BEAT => Body::Beat(take_u64(&mut from)?),
            ECHO => Body::Echo(take_u64(&mut from)?),
            kind => return Err(Malformed::Kind(kind)),
        };
        if from.has_remaining() { Err(Malformed::Long) } else { Ok(Self { told, body }) }
    }
}

fn encode_hello(hello: &Hello, to: &mut impl BufMut) {
    to.put_u16_le(PROTOCOL);
    to.put_u8(match hello.class {
        Class::Interactive => 0,
        Class::Bulk => 1,
    });
    to.put_u64_le(hello.attempt);
    for life in [&hello.from, &hello.to] {
        to.put_u64_le(life.generation);
        put_name(&life.node, to);
    }
    put_name(&hello.cluster, to);
}

fn decode_hello(from: &mut Bytes) -> Result<Hello, Malformed> {
    let protocol = from.try_get_u16_le().map_err(|_| Malformed::Short)?;
    if protocol != PROTOCOL {
        return Err(Malformed::Protocol(protocol));
    }
    let class = match from.try_get_u8().map_err(|_| Malformed::Short)? {
        0 => Class::Interactive,
        1 => Class::Bulk,
        class => return Err(Malformed::Class(class)),
    };
    let attempt = take_u64(from)?;
    let (sender, to) = (take_life(from)?, take_life(from)?);
    Ok(Hello { cluster: take_name(from)?, from: sender, to, class, attempt })
}

/// What is kept of a batch should not keep all of it: small frames are copied out, one that is most of its batch is not.
fn decode_frames(from: &mut Bytes) -> Result<Vec<Bytes>, Malformed> {
    let whole = from.len();
    let mut frames = Vec::new();
    while from.has_remaining() {
        let length = from.try_get_u32_le().map_err(|_| Malformed::Short)?;
        let length = usize::try_from(length).map_err(|_| Malformed::TooLarge)?;
        if length > FRAME_MAX {
            return Err(Malformed::TooLarge);
        }
        if length > from.len() {
            return Err(Malformed::Short);
        }
        let frame = from.split_to(length);
        frames.push(if length * 2 > whole { frame } else { Bytes::copy_from_slice(&frame) });
    }
    Ok(frames)
}

fn take_u64(from: &mut Bytes) -> Result<u64, Malformed> {
    from.try_get_u64_le().map_err(|_| Malformed::Short)
}

fn take_life(from: &mut Bytes) -> Result<Life, Malformed> {
    let generation = take_u64(from)?;
    Ok(Life { node: take_name(from)?, generation })
}

fn take_name(from: &mut Bytes) -> Result<Arc<str>, Malformed> {
    let length = usize::from(from.try_get_u8().map_err(|_| Malformed::Short)?);
    if length > from.len() {
        return Err(Malformed::Short);
    }
    let name = from.split_to(length);
    std::str::from_utf8(&name).map(Arc::from).map_err(|_| Malformed::Name)
}

fn put_name(name: &str, to: &mut impl BufMut) {
    to.put_u8(u8::try_from(name.len()).expect("names are checked when the links start"));
    to.put_slice(name.as_bytes());
}
