//! What the two ends of a stream say first, and whether they may talk to each other.

use std::sync::Arc;

use super::Class;
use crate::member::Life;

/// Ends that speak different versions do not talk. All versions begin their hello with this number.
pub(super) const PROTOCOL: u16 = 2;
/// The longest name of a cluster or node, bytes.
pub(super) const NAME_MAX: usize = 255;

/// The first message of a stream, in both directions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) cluster: Arc<str>,
    pub(super) from: Life,
    /// Whom the sender means to talk to.
    pub(super) to: Life,
    pub(super) class: Class,
    /// Grows with every attempt of a dialling life; the two streams of one attempt belong together.
    pub(super) attempt: u64,
}

/// Why an end does not talk to another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("it speaks version {0} of the links' protocol, this node {PROTOCOL}")]
    Protocol(u16),
    #[error("it belongs to the cluster {0:?}")]
    Cluster(Arc<str>),
    #[error("its certificate is not for the node {0:?}")]
    Certificate(Arc<str>),
    #[error("it wants to talk to generation {} of {:?}, which is not this life of this node", .0.generation, .0.node)]
    NotMe(Life),
    #[error("it is generation {} of {:?}, another life than this node's view has", .0.generation, .0.node)]
    AnotherLife(Life),
    #[error("no node {0:?} is in this node's view")]
    NotAMember(Arc<str>),
    #[error("the node whose name is less dials, that is not {0:?}")]
    WrongSide(Arc<str>),
    #[error("a later attempt is known, or this stream is")]
    Late,
    #[error("it does not begin with a hello: {0}")]
    NoHello(&'static str),
    #[error("it says nothing")]
    Silent,
}

impl Refusal {
    /// One word for metrics.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Protocol(_) => "protocol",
            Self::Cluster(_) => "cluster",
            Self::Certificate(_) => "certificate",
            Self::NotMe(_) => "not_me",
            Self::AnotherLife(_) => "another_life",
            Self::NotAMember(_) => "not_a_member",
            Self::WrongSide(_) => "wrong_side",
            Self::Late => "late",
            Self::NoHello(_) => "no_hello",
            Self::Silent => "silent",
        }
    }

    /// True for what passes by itself while views spread: not worth a line in the log.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::NotMe(_) | Self::AnotherLife(_) | Self::NotAMember(_) | Self::Late => true,
            Self::Protocol(_)
            | Self::Cluster(_)
            | Self::Certificate(_)
            | Self::WrongSide(_)
            | Self::NoHello(_)
            | Self::Silent => false,
        }
    }
}

/// Who this end is.
#[derive(Clone, Debug)]
pub(super) struct Own {
    pub(super) cluster: Arc<str>,
    pub(super) life: Life,
}

impl Own {
    pub(super) fn hello(&self, to: &Life, class: Class, attempt: u64) -> Hello {
        Hello { cluster: Arc::clone(&self.cluster), from: self.life.clone(), to: to.clone(), class, attempt }
    }

    /// Of the two ends of a link one dials.
    pub(super) fn dials(&self, node: &str) -> bool {
        *self.life.node < *node
    }

    /// Is the other end of this cluster, the node that its certificate says, and does it mean this life?
    pub(super) fn greeted(&self, hello: &Hello, is_certified: impl Fn(&str) -> bool) -> Result<(), Refusal> {
        if hello.cluster != self.cluster {
            return Err(Refusal::Cluster(Arc::clone(&hello.cluster)));
        }
        if !is_certified(&hello.from.node) {
            return Err(Refusal::Certificate(Arc::clone(&hello.from.node)));
        }
        if hello.to != self.life {
            return Err(Refusal::NotMe(hello.to.clone()));
        }
        Ok(())
    }

    /// Does the stream that this end asked for lead where it was to?
    pub(super) fn answered(&self, asked: &Hello, answer: &Hello) -> Result<(), Refusal> {
        // That the node is who it says was checked when the connection was made: it was dialled by its name.
        self.greeted(answer, |_| true)?;
        if answer.from != asked.to {
            return Err(Refusal::AnotherLife(answer.from.clone()));
        }
        if (answer.class, answer.attempt) != (asked.class, asked.attempt) {
            return Err(Refusal::NoHello("the answer is to another stream"));
        }
        Ok(())
    }
}
