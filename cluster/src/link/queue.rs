//! The frames of one class that wait for one peer.

use std::collections::VecDeque;

use bytes::Bytes;

use super::message::FRAME_HEAD;
use super::{FRAME_MAX, NotSent, QueueBounds};

/// Frames that wait are sent together, up to so many bytes; a larger frame is sent alone.
pub(super) const BATCH: usize = 256 * 1024;

#[derive(Debug)]
pub(super) struct Queue {
    bounds: QueueBounds,
    frames: VecDeque<Bytes>,
    bytes: usize,
}

impl Queue {
    pub(super) fn new(bounds: QueueBounds) -> Self {
        Self { bounds, frames: VecDeque::new(), bytes: 0 }
    }

    pub(super) fn push(&mut self, frame: Bytes) -> Result<(), NotSent> {
        if frame.len() > FRAME_MAX {
            return Err(NotSent::TooLarge);
        }
        // A frame that is alone always fits, whatever the bound.
        let is_full = self.bytes + frame.len() > self.bounds.bytes || self.frames.len() >= self.bounds.frames;
        if is_full && !self.frames.is_empty() {
            return Err(NotSent::Full);
        }
        self.bytes += frame.len();
        self.frames.push_back(frame);
        Ok(())
    }

    /// The frames of one message, in order; none when none wait.
    pub(super) fn batch(&mut self) -> Vec<Bytes> {
        let mut bytes = 0;
        let fits = |frame: &&Bytes| {
            bytes += FRAME_HEAD + frame.len();
            bytes <= BATCH
        };
        let count = self.frames.iter().take_while(fits).count().max(1).min(self.frames.len());
        let batch: Vec<Bytes> = self.frames.drain(..count).collect();
        self.bytes -= batch.iter().map(Bytes::len).sum::<usize>();
        batch
    }

    /// Forgets what waits, with its memory.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.bounds);
    }

    pub(super) fn frames(&self) -> usize {
        self.frames.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
