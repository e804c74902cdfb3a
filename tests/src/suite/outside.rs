//! What a way to the outside promises, whoever stands at its end.

use std::sync::Arc;

use conversa_actors::port::outside::{Call, CallError, Outside, Taken};
use conversa_engine::ids::TenantId;
use futures_util::FutureExt;

use super::Case;

/// What the foreign side does with the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// It has too much to do for 7 seconds.
    Busy,
    /// It is broken.
    Broken,
    /// It does not want this call, now or later.
    Refuses,
    /// It knows the receiver no more.
    Gone,
}

/// A way to the outside and the foreign side at its end.
pub trait Stand: Send + Sync {
    /// The way.
    fn outside(&self) -> Arc<dyn Outside>;
    /// A call that it can make; the same `n` is the same call.
    fn call(&self, n: u64) -> Call;
    /// What the foreign side does with the next call; else it takes it.
    fn next(&self, does: Foreign);
    /// How many calls have reached the foreign side.
    fn reached(&self) -> usize;
}

/// A case of the suite.
pub type OutsideCase = Case<dyn Stand>;

/// All promises of a way to the outside.
pub const OUTSIDE: &[OutsideCase] = &[
    OutsideCase {
        promise: "what is delivered has reached the other side, each time",
        check: |stand| delivered(stand).boxed(),
    },
    OutsideCase {
        promise: "a receiver with too much to do is called again, when it says",
        check: |stand| busy(stand).boxed(),
    },
    OutsideCase { promise: "a broken receiver is called again", check: |stand| broken(stand).boxed() },
    OutsideCase { promise: "a refusal is final", check: |stand| refuses(stand).boxed() },
    OutsideCase { promise: "a receiver that is no more is gone", check: |stand| gone(stand).boxed() },
    OutsideCase {
        promise: "after every failure the next call is made as if there had been none",
        check: |stand| recovers(stand).boxed(),
    },
];

async fn call(stand: &Arc<dyn Stand>, n: u64) -> Result<Taken, CallError> {
    stand.outside().call(&TenantId::new("clearbrook"), &stand.call(n)).await
}

async fn delivered(stand: Arc<dyn Stand>) {
    for (n, reached) in [(1, 1), (2, 2), (2, 3)] {
        assert_eq!(call(&stand, n).await, Ok(Taken::Delivered));
        assert_eq!(stand.reached(), reached);
    }
}

async fn busy(stand: Arc<dyn Stand>) {
    stand.next(Foreign::Busy);
    let error = call(&stand, 1).await.expect_err("it is busy");
    assert!(matches!(error, CallError::Retry { after_ms: Some(7_000), .. }), "{error:?}");
}

async fn broken(stand: Arc<dyn Stand>) {
    stand.next(Foreign::Broken);
    let error = call(&stand, 1).await.expect_err("it is broken");
    assert!(matches!(error, CallError::Retry { .. }), "{error:?}");
}

async fn refuses(stand: Arc<dyn Stand>) {
    stand.next(Foreign::Refuses);
    let error = call(&stand, 1).await.expect_err("it refuses");
    assert!(matches!(error, CallError::Refused { .. }), "{error:?}");
}

async fn gone(stand: Arc<dyn Stand>) {
    stand.next(Foreign::Gone);
    let error = call(&stand, 1).await.expect_err("it is gone");
    assert!(matches!(error, CallError::Gone { .. }), "{error:?}");
}

async fn recovers(stand: Arc<dyn Stand>) {
    for (n, does) in (1..).zip([Foreign::Busy, Foreign::Broken, Foreign::Refuses, Foreign::Gone]) {
        stand.next(does);
        call(&stand, n).await.expect_err("as told");
        assert_eq!(call(&stand, n).await, Ok(Taken::Delivered), "after {does:?}");
    }
}
