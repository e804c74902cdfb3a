//! The port to the other nodes of a cluster: who serves a shard, and frames to a node. A host without one is alone and serves everything.

use std::sync::Arc;

use bytes::Bytes;

/// How soon a frame must go. Frames of one class and node arrive in the order in which they were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Somebody waits for it.
    Interactive,
    /// Nobody does: it must not delay what somebody waits for.
    Bulk,
}

/// Why a frame was not sent: it never arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// There is no link to the node now.
    #[error("there is no link to that node")]
    Down,
    /// The node takes frames too slowly: the queue of its link is at its bound.
    #[error("the queue of the link to that node is full")]
    Full,
    /// No frame may be so large.
    #[error("the frame is too large for a link")]
    TooLarge,
}

/// The cluster, as a host sees it. A frame arrives once, in order, or not at all; then the link goes down, and its user is told.
pub trait Mesh: Send + Sync {
    /// The name of this node.
    fn me(&self) -> &Arc<str>;

    /// Which of its lives this is: later ones have larger numbers, below 2^24.
    fn life(&self) -> u64;

    /// The node that the latest view gives a shard to; it may not have begun to serve it. `None` when the view gives it to nobody.
    fn owner(&self, shard: u16) -> Option<Arc<str>>;

    /// The nodes that have a link with this one now.
    fn linked(&self) -> Vec<Arc<str>>;

    /// Sends a frame; never waits.
    ///
    /// # Errors
    /// See [`NotSent`].
    fn send(&self, to: &str, class: Class, frame: Bytes) -> Result<(), NotSent>;
}
