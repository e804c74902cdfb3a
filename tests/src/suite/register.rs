//! What a register promises.

use std::sync::Arc;

use bytes::Bytes;
use conversa_cluster::register::{ChangeError, Held, Register, VALUE_BYTES_MAX};
use futures_util::FutureExt;
use futures_util::future::join_all;

use super::RegisterCase;

/// All promises of a register.
pub const REGISTER: &[RegisterCase] = &[
    RegisterCase { promise: "a value is made once", check: |register| made_once(register).boxed() },
    RegisterCase {
        promise: "a change needs the version that stands",
        check: |register| changed(register).boxed(),
    },
    RegisterCase {
        promise: "the same change again succeeds again, as long as it stands",
        check: |register| repeated(register).boxed(),
    },
    RegisterCase { promise: "keys do not see each other", check: |register| apart(register).boxed() },
    RegisterCase {
        promise: "of several that change the same version one wins",
        check: |register| at_once(register).boxed(),
    },
    RegisterCase {
        promise: "a value has its bound, and may be empty",
        check: |register| bounds(register).boxed(),
    },
];

async fn read(register: &Arc<dyn Register>, key: &str) -> Option<(u64, String)> {
    let held = register.read(key).await.expect("the register answers");
    held.map(|Held { version, value }| (version, String::from_utf8_lossy(&value).into_owned()))
}

async fn change(
    register: &Arc<dyn Register>,
    key: &str,
    expected: u64,
    value: &str,
) -> Result<u64, ChangeError> {
    register.change(key, expected, Bytes::copy_from_slice(value.as_bytes())).await
}

fn held(version: u64, value: &str) -> Option<(u64, String)> {
    Some((version, value.to_owned()))
}

async fn made_once(register: Arc<dyn Register>) {
    assert_eq!(read(&register, "a").await, None);
    assert_eq!(change(&register, "a", 3, "early").await, Err(ChangeError::Lost { found: 0 }));
    assert_eq!(change(&register, "a", 0, "one").await, Ok(1));
    assert_eq!(change(&register, "a", 0, "another").await, Err(ChangeError::Lost { found: 1 }));
    assert_eq!(read(&register, "a").await, held(1, "one"));
}

async fn changed(register: Arc<dyn Register>) {
    assert_eq!(change(&register, "a", 0, "one").await, Ok(1));
    assert_eq!(change(&register, "a", 1, "two").await, Ok(2));
    assert_eq!(change(&register, "a", 1, "late").await, Err(ChangeError::Lost { found: 2 }));
    assert_eq!(change(&register, "a", 3, "early").await, Err(ChangeError::Lost { found: 2 }));
    assert_eq!(change(&register, "a", 2, "three").await, Ok(3));
    assert_eq!(read(&register, "a").await, held(3, "three"));
}

async fn repeated(register: Arc<dyn Register>) {
    for _ in 0..3 {
        assert_eq!(change(&register, "a", 0, "one").await, Ok(1));
    }
    for _ in 0..3 {
        assert_eq!(change(&register, "a", 1, "two").await, Ok(2));
    }
    assert_eq!(change(&register, "a", 0, "one").await, Err(ChangeError::Lost { found: 2 }));
    assert_eq!(read(&register, "a").await, held(2, "two"));
}

async fn apart(register: Arc<dyn Register>) {
    assert_eq!(change(&register, "a", 0, "one").await, Ok(1));
    assert_eq!(read(&register, "b").await, None);
    assert_eq!(change(&register, "b", 0, "other").await, Ok(1));
    assert_eq!(read(&register, "a").await, held(1, "one"));
}

async fn at_once(register: Arc<dyn Register>) {
    for version in 0..3 {
        let names: Vec<String> = (0..4).map(|writer| format!("{writer} after {version}")).collect();
        let outcomes = join_all(names.iter().map(|name| change(&register, "a", version, name))).await;
        let winners: Vec<&String> = outcomes
            .iter()
            .zip(&names)
            .filter(|(outcome, _)| outcome.is_ok())
            .map(|(_, name)| name)
            .collect();
        let [winner] = winners[..] else { panic!("one of four wins: {outcomes:?}") };
        assert_eq!(read(&register, "a").await, held(version + 1, winner));
    }
}

async fn bounds(register: Arc<dyn Register>) {
    let large = |bytes| register.change("a", 0, vec![b'x'; bytes].into());
    assert_eq!(large(VALUE_BYTES_MAX + 1).await, Err(ChangeError::TooLarge));
    assert_eq!(large(VALUE_BYTES_MAX).await, Ok(1));
    assert_eq!(change(&register, "a", 1, "").await, Ok(2));
    assert_eq!(read(&register, "a").await, held(2, ""));
}
