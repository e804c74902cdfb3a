//! What carries the frames of one client: a WebSocket, or requests one after the other where there is none. A talk knows only this.

use axum::body::Bytes;

use crate::wire::{Bye, Encoding};

/// Why there is no next frame.
pub(crate) type Ended = (Bye, &'static str);

/// Carries frames in both directions, in order, until it is closed.
pub(crate) trait Transport: Send {
    fn encoding(&self) -> Encoding;

    /// The next frame's bytes, or why there is none. Nothing is lost when the future is dropped.
    fn receive(&mut self) -> impl Future<Output = Result<Bytes, Ended>> + Send;

    /// Writes frames, and takes them out of the list; an error when the client does not take them.
    fn send(&mut self, frames: &mut Vec<Bytes>) -> impl Future<Output = Result<(), Bye>> + Send;

    /// Says why, and closes.
    fn close(self, bye: Bye, reason: &str) -> impl Future<Output = ()> + Send;
}
