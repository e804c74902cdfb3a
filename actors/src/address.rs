//! Addresses of actors: a tenant, a kind and a key within the kind.

use std::fmt;
use std::sync::Arc;

use conversa_engine::ids::{BotId, ConversationId, PersonId, QueueId, SHARDS, TenantId, shard_of};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::registry;

/// One actor of one tenant.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Whose.
    pub tenant: TenantId,
    /// Which behaviour: its `KIND`.
    pub kind: &'static str,
    /// Which one of that kind.
    pub key: Arc<str>,
}

impl Address {
    /// The address of the actor `key` of `kind`.
    #[must_use]
    pub fn new(tenant: TenantId, kind: &'static str, key: impl Into<Arc<str>>) -> Self {
        Self { tenant, kind, key: key.into() }
    }

    /// The same tenant's actor of another kind or key.
    #[must_use]
    pub fn beside(&self, kind: &'static str, key: impl Into<Arc<str>>) -> Self {
        Self::new(self.tenant.clone(), kind, key)
    }

    /// The shard that owns this actor: the one inside a conversation id, else the hash of the key.
    #[must_use]
    pub fn shard(&self) -> u16 {
        match self.key.parse::<ConversationId>() {
            Ok(conversation) => conversation.shard(),
            Err(_) => match self.key.strip_prefix(SLOT_PREFIX).and_then(|slot| slot.parse::<u16>().ok()) {
                Some(slot) => slot * SLOT_SHARDS,
                None => shard_of(&self.tenant, &self.key),
            },
        }
    }
}

/// As it goes to other nodes: tenant, kind, key.
impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&self.tenant, self.kind, &self.key).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (tenant, kind, key): (TenantId, &str, Arc<str>) = Deserialize::deserialize(deserializer)?;
        let kind = registry::kind(kind)
            .ok_or_else(|| de::Error::custom(format!("this version knows no kind of actor {kind:?}")))?;
        Ok(Self { tenant, kind, key })
    }
}

/// Slots of one watcher and tenant.
pub const SLOTS: u16 = 16;
const SLOT_SHARDS: u16 = SHARDS / SLOTS;
const SLOT_PREFIX: &str = "slot-";

/// The slot that watches the conversations of `shard`.
#[must_use]
pub fn slot_of(shard: u16) -> u16 {
    shard / SLOT_SHARDS
}

/// The key of a watcher's slot.
#[must_use]
pub fn slot_key(slot: u16) -> String {
    format!("{SLOT_PREFIX}{slot}")
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.tenant, self.kind, self.key)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What may be the key of an actor.
pub trait Key {
    /// The key's text.
    fn key(&self) -> Arc<str>;
}

impl Key for ConversationId {
    fn key(&self) -> Arc<str> {
        self.to_string().into()
    }
}

impl Key for PersonId {
    fn key(&self) -> Arc<str> {
        self.shared()
    }
}

impl Key for QueueId {
    fn key(&self) -> Arc<str> {
        self.shared()
    }
}

impl Key for BotId {
    fn key(&self) -> Arc<str> {
        self.shared()
    }
}

impl Key for Arc<str> {
    fn key(&self) -> Arc<str> {
        Arc::clone(self)
    }
}
