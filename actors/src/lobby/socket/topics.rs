//! What a socket follows beside its own conversations.

use std::sync::Arc;

use super::{Inner, Murmur, Out, Position, Socket, weight};
use crate::address::Address;
use crate::behaviour::Behaviour;
use crate::behaviours::Conversation;
use crate::lobby::topics::{TOPICS_MAX, TooMany, Topic};

impl Socket {
    /// What it follows.
    #[must_use]
    pub fn topics(&self) -> Vec<Topic> {
        self.inner.lock().topics.keys().cloned().collect()
    }

    /// The socket goes: what it followed. Nothing is added any more.
    pub(in crate::lobby) fn end_topics(&self) -> Vec<Topic> {
        let mut inner = self.inner.lock();
        inner.gone = true;
        inner.topics.keys().cloned().collect()
    }

    /// True when it did not follow `topic` yet.
    pub(in crate::lobby) fn note_topic(&self, topic: &Topic) -> Result<bool, TooMany> {
        let mut inner = self.inner.lock();
        if inner.gone || inner.topics.contains_key(topic) {
            return Ok(false);
        }
        if inner.topics.len() >= TOPICS_MAX {
            return Err(TooMany);
        }
        inner.topics.insert(topic.clone(), None);
        Ok(true)
    }

    /// What is shown because of the topic alone is shown no longer.
    pub(in crate::lobby) fn drop_topic(&self, topic: &Topic) {
        let mut inner = self.inner.lock();
        inner.topics.remove(topic);
        if let Topic::Conversation(key) = topic {
            inner.forget(&Address::new(self.tenant.clone(), Conversation::KIND, Arc::clone(key)));
        }
    }

    /// A conversation that is not shown here yet is behind from now on, from `shown`; true when it was not.
    pub(in crate::lobby) fn stand(&self, source: &Address, shown: u64) -> bool {
        let mut inner = self.inner.lock();
        if inner.positions.contains_key(&source.key) {
            return false;
        }
        inner.positions.insert(Arc::clone(&source.key), Position::Behind { shown, head: shown });
        inner.followed.insert(Arc::clone(&source.key));
        true
    }

    pub(in crate::lobby) fn forget(&self, source: &Address) {
        self.inner.lock().forget(source);
    }

    /// Has the journal read from where the conversation stands here.
    pub fn read_on(&self, source: &Address) {
        self.push_out(Out::Behind { source: source.clone(), slow: false });
    }

    /// Shows how a topic stands, unless the client is away or was shown this version.
    pub(in crate::lobby) fn tell(&self, topic: &Topic, version: u64, murmur: &Arc<Murmur>) {
        let mut inner = self.inner.lock();
        if inner.topics.get(topic).is_none_or(|shown| *shown == Some(version)) || !inner.murmur(murmur) {
            return;
        }
        inner.topics.insert(topic.clone(), Some(version));
        drop(inner);
        self.bell.notify_one();
    }
}

impl Inner {
    /// What waits of a conversation goes with it; answers stay.
    fn forget(&mut self, source: &Address) {
        if !self.followed.remove(&source.key) {
            return;
        }
        self.positions.remove(&source.key);
        let mut gone = 0;
        self.queue.retain(|out| match out {
            Out::Event { source: of, event, .. } if of.key == source.key => {
                gone += weight(event);
                false
            }
            _ => true,
        });
        self.bytes = self.bytes.saturating_sub(gone);
        for (request, _, accepted) in self.held.extract_if(.., |(_, key, _)| *key == source.key) {
            self.queue.push_back(Out::Answer { request, source: source.clone(), answer: Ok(accepted) });
        }
    }
}
