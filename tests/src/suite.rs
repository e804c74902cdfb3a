//! The suites that every implementor of a port passes: what a journal and what rows promise, case by case.
//!
//! A case gets a store that is new, asks it through the port only and panics with a sentence when a promise is broken.

mod channel;
mod journal;
mod outside;
mod register;
mod rows;

use std::sync::Arc;

use conversa_actors::port::{Journal, Rows};
use conversa_cluster::register::Register;
use futures_util::future::BoxFuture;

pub use channel::{CHANNEL, ChannelCase, Knock, System};
pub use journal::JOURNAL;
pub use outside::{Foreign, OUTSIDE, OutsideCase, Stand};
pub use register::REGISTER;
pub use rows::ROWS;

/// One promise of a port.
pub struct Case<P: ?Sized> {
    /// What is promised.
    pub promise: &'static str,
    /// Panics when it is broken.
    pub check: fn(Arc<P>) -> BoxFuture<'static, ()>,
}

impl<P: ?Sized> std::fmt::Debug for Case<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.promise)
    }
}

/// A case of the journal's suite.
pub type JournalCase = Case<dyn Journal>;
/// A case of the register's suite.
pub type RegisterCase = Case<dyn Register>;
/// A case of the rows' suite.
pub type RowsCase = Case<dyn Rows>;
