//! Folding all journals again for one watcher, and comparing with what is stored: derived data is a pure fold, so it must be equal.

use std::sync::Arc;

use bytes::Bytes;
use conversa_engine::conversation::Event;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use xxhash_rust::xxh3::Xxh3Default;

use super::{CONTRIBUTIONS, Stored, Watcher, partition, slot_address};
use crate::address::Address;
use crate::behaviours::CONVERSATION;
use crate::cell::envelope::{Envelope, unseal};
use crate::letter::{decode, encode};
use crate::port::{Journal, Row, RowKey, Rows, StoreError};
use crate::tenant::Tenant;

const PAGE: usize = 512;

/// What a refold works on.
pub struct Refold {
    /// The journals.
    pub journal: Arc<dyn Journal>,
    /// The contributions.
    pub rows: Arc<dyn Rows>,
    /// The company.
    pub tenant: Arc<Tenant>,
    /// Told the number of conversations folded so far.
    pub progress: Box<dyn Fn(u64) + Send + Sync>,
}

impl std::fmt::Debug for Refold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "refold of {}", self.tenant.id)
    }
}

/// What a refold found; contributions that differed are stored anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refolded {
    /// Conversations folded.
    pub conversations: u64,
    /// Contributions that were stored byte for byte alike.
    pub equal: u64,
    /// Contributions that had not come so far yet: a node that was killed has not stored them.
    pub behind: u64,
    /// Contributions that differed otherwise.
    pub different: u64,
    /// Digest of all contributions as they were stored.
    pub stored_digest: u64,
    /// Digest of all contributions as they were folded.
    pub folded_digest: u64,
}

/// Folds every conversation of the company again.
pub(crate) fn refold<W: Watcher>(refold: &Refold) -> BoxFuture<'_, Result<Refolded, StoreError>> {
    async move {
        let mut found = Refolded::default();
        let (mut stored_digest, mut folded_digest) = (Xxh3Default::new(), Xxh3Default::new());
        let mut of = Address::new(refold.tenant.id.clone(), CONVERSATION, "");
        loop {
            let keys = refold.journal.keys(&of, PAGE).await?;
            for key in &keys {
                let conversation = of.beside(CONVERSATION, key.as_str());
                let slot = slot_address(&conversation, W::NAME);
                let row = RowKey { table: CONTRIBUTIONS, partition: partition(&slot), key: key.clone() };
                let stored = refold.rows.get(&row).await?;
                let folded = fold::<W>(refold, &conversation).await?;
                stored_digest.update(key.as_bytes());
                stored_digest.update(stored.as_deref().unwrap_or_default());
                folded_digest.update(key.as_bytes());
                folded_digest.update(folded.as_deref().unwrap_or_default());
                found.conversations += 1;
                compare::<W>(&mut found, stored.as_ref(), folded.as_ref());
                if stored != folded {
                    put(&refold.rows, Row { key: row, stamp: i64::MAX, value: folded }).await?;
                }
                (refold.progress)(found.conversations);
            }
            let Some(last) = keys.last() else { break };
            of.key = last.as_str().into();
        }
        (found.stored_digest, found.folded_digest) = (stored_digest.digest(), folded_digest.digest());
        Ok(found)
    }
    .boxed()
}

fn compare<W: Watcher>(found: &mut Refolded, stored: Option<&Bytes>, folded: Option<&Bytes>) {
    if stored == folded {
        found.equal += 1;
        return;
    }
    let cursor = |row: Option<&Bytes>| {
        row.and_then(|row| decode::<Stored<W::Contribution>>(row).ok()).map_or(0, |stored| stored.cursor)
    };
    if cursor(stored) < cursor(folded) {
        found.behind += 1;
    } else {
        found.different += 1;
    }
}

/// One conversation's contribution; `None` when nothing in it is of interest.
async fn fold<W: Watcher>(refold: &Refold, conversation: &Address) -> Result<Option<Bytes>, StoreError> {
    let mut stored = Stored::<W::Contribution>::default();
    let mut after = 0;
    loop {
        let entries = refold.journal.read(conversation, after, PAGE).await?;
        for entry in &entries {
            let envelope: Envelope<Event> = unseal(&entry.body).map_err(|error| {
                StoreError(format!("event {} of {conversation} cannot be read: {error}", entry.seq))
            })?;
            if W::interest(&envelope.body) {
                stored.cursor = entry.seq;
                W::hear(&mut stored.contribution, &refold.tenant, entry.seq, &envelope.body);
            }
            after = entry.seq;
        }
        if entries.len() < PAGE {
            break;
        }
    }
    Ok((stored.cursor > 0).then(|| encode(&stored)))
}

async fn put(rows: &Arc<dyn Rows>, row: Row) -> Result<(), StoreError> {
    let (done, outcome) = tokio::sync::oneshot::channel();
    rows.put(
        vec![row],
        Box::new(move |written| {
            // Nobody waits any more when the refold was given up.
            let _ = done.send(written);
        }),
    );
    outcome.await.unwrap_or_else(|_| Err(StoreError("the store has ended".into())))
}
