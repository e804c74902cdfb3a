//! A cluster as its operators meet it: from outside, over the register's rows. Looking changes nothing; asking a node to leave and taking
//! a dead one out are conditional changes, as every member makes them.

mod overview;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use conversa_actors::port::StoreError;
use futures_util::future::join_all;
use tokio::time::sleep;

pub use overview::{Beat, Overview, Seen, changes};

use crate::member::asked::Asked;
use crate::member::machine::Key;
use crate::member::row::Row;
use crate::member::sight::Sight;
use crate::member::view::{Standing, View};
use crate::member::{Life, Timing};
use crate::membership::LeaseClock;
use crate::register::{ChangeError, Held, Register};

/// A change that somebody else was in the way of is tried so often.
const ATTEMPTS: usize = 10;
/// A row that cannot be read or judged for so many leases is given up.
const PATIENCE_LEASES: u64 = 10;

/// Why what an operator asked was not done.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The register does not answer.
    #[error("the register cannot be read: {}; is the store up?", .0.0)]
    Store(#[from] StoreError),
    /// The register refuses a change, or nobody knows whether it was made.
    #[error("the register was not changed for sure: {0}; try again, what is already done stays done")]
    Change(#[from] ChangeError),
    /// It is of a later program.
    #[error("{0} was written by a later program: use the conversa that the nodes run")]
    Later(String),
    /// Nobody has founded a cluster.
    #[error(
        "there is no cluster yet: no node with a [cluster] section has started on this keyspace; check store.keyspace"
    )]
    NoCluster,
    /// There is no such member.
    #[error("there is no member {node:?}; there are: {members}")]
    NoMember {
        /// Who was named.
        node: String,
        /// Who is there.
        members: String,
    },
    /// It is over already.
    #[error(
        "{node} (generation {generation}) is over already: the others take it out by themselves, `conversa cluster watch` shows it"
    )]
    Over {
        /// Who.
        node: String,
        /// In which life.
        generation: u64,
    },
    /// Nobody else would serve.
    #[error(
        "{0} is the only member that serves: without it nobody does; start another one first, or say --last"
    )]
    Last(String),
    /// It lives.
    #[error(
        "{node} is alive: it renewed its row while it was looked at; let it leave with `conversa cluster drain {node}`, \
         or stop its process at {addr}: the others take it out 3 s later"
    )]
    Alive {
        /// Who.
        node: String,
        /// Where its links are.
        addr: String,
    },
    /// The row could not be judged.
    #[error(
        "the row of {0} could not be read for 3 s without a gap, so whether it stands still is unknown: is the store well?"
    )]
    Unknown(String),
}

/// What became of asking a node to leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drained {
    /// It was asked, and hears it with its next beat.
    Asked(Life),
    /// It was asked before.
    AskedBefore(Life),
    /// It leaves already.
    Leaves(Life),
}

/// What became of a dead node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Who.
    pub life: Life,
    /// The version of the view without it; none if it was in none.
    pub version: Option<u64>,
}

/// Somebody who looks at a cluster from outside.
pub struct Operator {
    register: Arc<dyn Register>,
    timing: Timing,
    clock: LeaseClock,
    began_ms: u64,
    /// The version of each row as it was seen last, when that was seen to change, and since when it is known.
    beats: BTreeMap<Arc<str>, Known>,
}

struct Known {
    version: u64,
    changed_ms: Option<u64>,
    known_ms: u64,
}

impl Operator {
    /// Of the cluster whose register that is.
    #[must_use]
    pub fn new(register: Arc<dyn Register>, timing: Timing, clock: LeaseClock) -> Self {
        let began_ms = clock().boot_ms;
        Self { register, timing, clock, began_ms, beats: BTreeMap::new() }
    }

    /// How the cluster stands. How old a beat is becomes known when it is looked at again.
    ///
    /// # Errors
    /// When the register does not answer, or nobody has founded a cluster.
    pub async fn look(&mut self) -> Result<Overview, OperatorError> {
        let view = self.view().await?;
        let rows = view.members.iter().map(|member| async {
            let node = &member.life.node;
            let row = self.register.read(&Key::Row(Arc::clone(node)).name()).await?;
            let asked = self.asked(node).await?;
            Ok::<_, StoreError>((row, asked.1))
        });
        let rows: Vec<_> = join_all(rows).await.into_iter().collect::<Result<_, _>>()?;
        let now_ms = (self.clock)().boot_ms;
        self.beats.retain(|node, _| view.member(node).is_some());
        let mut members = Vec::new();
        for (member, (held, asked)) in view.members.iter().zip(rows) {
            let beat = self.beat(&member.life.node, held.as_ref().map_or(0, |held| held.version), now_ms);
            let row = held.and_then(|held| Row::parse(&held.value));
            members.push(Seen::new(member, row, beat, asked));
        }
        Ok(Overview::new(now_ms - self.began_ms, &view, members))
    }

    /// How long ago a row changed, as far as that was seen; else for how long at least it has stood still.
    fn beat(&mut self, node: &Arc<str>, version: u64, now_ms: u64) -> Beat {
        let known = self.beats.entry(Arc::clone(node));
        let beat = known.or_insert(Known { version, changed_ms: None, known_ms: now_ms });
        if beat.version != version {
            *beat = Known { version, changed_ms: Some(now_ms), known_ms: beat.known_ms };
        }
        match beat.changed_ms {
            Some(at) => Beat { age_ms: now_ms - at, seen: true },
            None => Beat { age_ms: now_ms - beat.known_ms, seen: false },
        }
    }

    /// Asks the node's life of now to leave. It does so by itself: shard by shard, and is gone when others serve everything. A node that
    /// is started again is a new life, and was not asked.
    ///
    /// # Errors
    /// See [`OperatorError`]. `last`: also if nobody else would serve.
    pub async fn drain(&self, node: &str, last: bool) -> Result<Drained, OperatorError> {
        for _ in 0..ATTEMPTS {
            let view = self.view().await?;
            let Some(member) = view.member(node) else { return Err(no_member(node, &view)) };
            let life = member.life.clone();
            let row = self.row(&life.node).await?.1;
            if row.as_ref().is_none_or(|row| row.ends(&life)) {
                return Err(OperatorError::Over { node: node.to_owned(), generation: life.generation });
            }
            if member.standing != Standing::Active {
                return Ok(Drained::Leaves(life));
            }
            let serves = |member: &&crate::member::view::Member| {
                member.standing == Standing::Active && member.weight > 0
            };
            if !last && !view.members.iter().filter(serves).any(|other| other.life.node != life.node) {
                return Err(OperatorError::Last(node.to_owned()));
            }
            let (version, asked) = self.asked(&life.node).await?;
            let ask = Asked { leave: life.generation };
            if asked == Some(ask) {
                return Ok(Drained::AskedBefore(life));
            }
            let key = Key::Asked(Arc::clone(&life.node)).name();
            match self.change(&key, version, ask.bytes()).await {
                Ok(_) => return Ok(Drained::Asked(life)),
                Err(ChangeError::Lost { .. }) => sleep(self.look_time()).await,
                Err(error) => return Err(error.into()),
            }
        }
        Err(ChangeError::Unavailable("others change what is asked of this node all the time".into()).into())
    }

    /// Takes out a node that is dead, by the rule of every watcher: only a life whose row has stood still for the whole lease on our own
    /// clock, and only if the row still does when it is revoked.
    ///
    /// # Errors
    /// See [`OperatorError`]: a node that lives is not taken out.
    pub async fn remove(&self, node: &str) -> Result<Removed, OperatorError> {
        let view = self.view().await?;
        let node: Arc<str> = node.into();
        let Some(row) = self.row(&node).await?.1 else { return Err(no_member(&node, &view)) };
        let life = Life { node: Arc::clone(&node), generation: row.generation };
        if row.alive {
            self.revoke(&life).await?;
        } else if view.member(&node).is_none() {
            return Err(no_member(&node, &view));
        }
        for _ in 0..ATTEMPTS {
            let view = self.view().await?;
            // A view may still have an earlier life of the name: that is over as well.
            let earlier = view.member(&node).filter(|member| member.life.generation <= life.generation);
            let Some(next) = earlier.and_then(|member| view.without(&member.life)) else {
                return Ok(Removed { life, version: None });
            };
            match self.change(&Key::View.name(), view.version, next.bytes()).await {
                Ok(version) => return Ok(Removed { life, version: Some(version) }),
                // A member may have been first.
                Err(ChangeError::Lost { .. }) => sleep(self.look_time()).await,
                Err(error) => return Err(error.into()),
            }
        }
        Err(ChangeError::Unavailable("the view changes all the time".into()).into())
    }

    /// Waits until the row has stood still for the lease; then revokes it, if it still does.
    async fn revoke(&self, life: &Life) -> Result<(), OperatorError> {
        let alive = |row: &Row| OperatorError::Alive { node: life.node.to_string(), addr: row.addr.clone() };
        let mut sight: Option<Sight> = None;
        let looks = PATIENCE_LEASES * self.timing.lease_ms / self.timing.look_ms;
        for _ in 0..looks {
            // One that cannot be read is a gap in the sight: it counts from the start then.
            if let Ok((version, Some(row))) = self.row(&life.node).await {
                let now = (self.clock)();
                if row.ends(life) {
                    return Ok(());
                }
                match &mut sight {
                    Some(sight) if sight.version != version => return Err(alive(&row)),
                    Some(sight) => sight.look(version, now, &self.timing),
                    None => sight = Some(Sight::first(version, now)),
                }
                if sight.is_some_and(|sight| sight.is_over(now, &self.timing)) {
                    let key = Key::Row(Arc::clone(&life.node)).name();
                    return match self.change(&key, version, row.revoked().bytes()).await {
                        Ok(_) => Ok(()),
                        // It, or a watcher, was first: which of them shows the row.
                        Err(ChangeError::Lost { .. }) => match self.row(&life.node).await?.1 {
                            Some(row) if !row.ends(life) => Err(alive(&row)),
                            Some(_) | None => Ok(()),
                        },
                        Err(error) => Err(error.into()),
                    };
                }
            }
            sleep(self.look_time()).await;
        }
        Err(OperatorError::Unknown(life.node.to_string()))
    }

    /// A change of unknown outcome is made again unchanged, until it is known or has failed too often.
    async fn change(&self, key: &str, expected: u64, value: bytes::Bytes) -> Result<u64, ChangeError> {
        let mut outcome = self.register.change(key, expected, value.clone()).await;
        for _ in 1..ATTEMPTS {
            if !matches!(outcome, Err(ChangeError::Unknown(_))) {
                break;
            }
            sleep(self.look_time()).await;
            outcome = self.register.change(key, expected, value.clone()).await;
        }
        outcome
    }

    async fn view(&self) -> Result<View, OperatorError> {
        let Some(Held { version, value }) = self.register.read(&Key::View.name()).await? else {
            return Err(OperatorError::NoCluster);
        };
        View::parse(version, &value).ok_or_else(|| OperatorError::Later("the view".into()))
    }

    async fn row(&self, node: &Arc<str>) -> Result<(u64, Option<Row>), OperatorError> {
        let held = self.register.read(&Key::Row(Arc::clone(node)).name()).await?;
        let Some(Held { version, value }) = held else { return Ok((0, None)) };
        let row = Row::parse(&value).ok_or_else(|| OperatorError::Later(format!("the row of {node}")))?;
        Ok((version, Some(row)))
    }

    async fn asked(&self, node: &Arc<str>) -> Result<(u64, Option<Asked>), StoreError> {
        let held = self.register.read(&Key::Asked(Arc::clone(node)).name()).await?;
        Ok(held.map_or((0, None), |held| (held.version, Asked::parse(&held.value))))
    }

    fn look_time(&self) -> Duration {
        Duration::from_millis(self.timing.look_ms)
    }
}

fn no_member(node: &str, view: &View) -> OperatorError {
    let names: Vec<&str> = view.members.iter().map(|member| &*member.life.node).collect();
    let members = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    OperatorError::NoMember { node: node.to_owned(), members }
}
