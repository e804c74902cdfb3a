//! What sockets follow beside their own conversations: a conversation, or how a queue stands. A topic lives as long as its
//! socket's stream; a conversation's events come as all others do, so a gap is seen and read from the journal.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use conversa_engine::ids::TenantId;
use parking_lot::Mutex;

use super::socket::{Murmur, Socket};
use crate::address::Address;
use crate::cell::machine::Push;
use crate::host::{Ear, Far};

/// Topics of one socket.
pub const TOPICS_MAX: usize = 64;

/// Something to follow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// A conversation's events, by its key.
    Conversation(Arc<str>),
    /// How a queue stands, by its key.
    Queue(Arc<str>),
    /// How queues stand and what was done today: of one by its key or of all by `*`, within departments that are named with commas.
    Wall {
        /// The queue.
        queue: Arc<str>,
        /// Empty for the whole company.
        within: Arc<str>,
    },
    /// The place of a conversation in a queue, by both keys: for its visitor, who does not ask for it.
    Place {
        /// The queue.
        queue: Arc<str>,
        /// The conversation.
        conversation: Arc<str>,
    },
}

/// The socket follows [`TOPICS_MAX`] topics already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

type Followed = BTreeMap<(TenantId, Topic), Vec<Arc<Socket>>>;

/// Who follows what.
#[derive(Debug, Default)]
pub struct Topics {
    followed: Mutex<Followed>,
    /// Topics that anybody follows: events look no further while there are none.
    count: AtomicUsize,
    far: Option<Arc<Far>>,
}

impl Topics {
    pub(super) fn among(far: Option<Arc<Far>>) -> Self {
        Self { far, ..Self::default() }
    }

    /// The conversations that anybody follows.
    pub(super) fn followed(&self) -> Vec<Ear> {
        self.followed.lock().keys().filter_map(|(tenant, topic)| ear(tenant, topic)).collect()
    }

    /// From now on the socket follows `topic`. Again is no error.
    ///
    /// # Errors
    /// When it follows too many.
    pub fn follow(&self, socket: &Arc<Socket>, topic: &Topic) -> Result<(), TooMany> {
        let mut followed = self.followed.lock();
        if !socket.note_topic(topic)? {
            return Ok(());
        }
        let sockets = followed.entry((socket.tenant().clone(), topic.clone())).or_default();
        if sockets.is_empty()
            && let (Some(far), Some(ear)) = (&self.far, ear(socket.tenant(), topic))
        {
            far.here(ear);
        }
        sockets.push(Arc::clone(socket));
        self.count.store(followed.len(), Ordering::Release);
        Ok(())
    }

    /// Follows a conversation from `shown`: what came after it is read from the journal, then shown live.
    ///
    /// # Errors
    /// When the socket follows too many topics.
    pub fn follow_conversation(
        &self,
        socket: &Arc<Socket>,
        source: &Address,
        shown: u64,
    ) -> Result<(), TooMany> {
        // The position first, the reading last: what comes in between moves the head that is read up to.
        let began = socket.stand(source, shown);
        let topic = Topic::Conversation(Arc::clone(&source.key));
        if let Err(too_many) = self.follow(socket, &topic) {
            if began {
                socket.forget(source);
            }
            return Err(too_many);
        }
        if began {
            socket.read_on(source);
        }
        Ok(())
    }

    /// No longer. True when no other socket of the person follows it.
    pub fn unfollow(&self, socket: &Socket, topic: &Topic) -> bool {
        socket.drop_topic(topic);
        let mut followed = self.followed.lock();
        let key = (socket.tenant().clone(), topic.clone());
        let Some(sockets) = followed.get_mut(&key) else { return true };
        sockets.retain(|other| other.id() != socket.id());
        let last = sockets.iter().all(|other| other.person() != socket.person());
        if sockets.is_empty() {
            followed.remove(&key);
            if let (Some(far), Some(ear)) = (&self.far, ear(&key.0, topic)) {
                far.gone(ear);
            }
        }
        self.count.store(followed.len(), Ordering::Release);
        last
    }

    /// The socket goes, with all that it follows.
    pub(super) fn leave(&self, socket: &Socket) {
        for topic in socket.end_topics() {
            self.unfollow(socket, &topic);
        }
    }

    /// Different topics that anybody follows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// True while nobody follows anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What anybody follows, in order, and from `after` on: at most `limit`.
    #[must_use]
    pub fn page(&self, after: Option<&(TenantId, Topic)>, limit: usize) -> Vec<(TenantId, Topic)> {
        let followed = self.followed.lock();
        let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        followed.range((from, std::ops::Bound::Unbounded)).take(limit).map(|(key, _)| key.clone()).collect()
    }

    /// Shows how `topic` stands on every connected socket that follows it and was not shown `version` yet.
    pub fn tell(&self, tenant: &TenantId, topic: &Topic, version: u64, murmur: &Arc<Murmur>) {
        let followed = self.followed.lock();
        for socket in followed.get(&(tenant.clone(), topic.clone())).into_iter().flatten() {
            socket.tell(topic, version, murmur);
        }
    }

    /// From now on the socket is told the place of a conversation in `queue`, and in no other. Without a queue it is told none; nor
    /// is one that follows too many topics.
    pub fn wait_in(&self, socket: &Arc<Socket>, conversation: &Arc<str>, queue: Option<Arc<str>>) {
        let wanted = queue.map(|queue| Topic::Place { queue, conversation: Arc::clone(conversation) });
        let of_it = |topic: &Topic| matches!(topic, Topic::Place { conversation: known, .. } if known == conversation);
        for topic in socket.topics().into_iter().filter(of_it) {
            if Some(&topic) != wanted.as_ref() {
                self.unfollow(socket, &topic);
            }
        }
        if let Some(topic) = wanted {
            let _ = self.follow(socket, &topic);
        }
    }

    /// Shows an event of a conversation on the sockets that follow it. One that was shown it already passes it over.
    pub(super) fn push(&self, push: &Push) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let key = (push.source.tenant.clone(), Topic::Conversation(Arc::clone(&push.source.key)));
        let sockets = self.followed.lock().get(&key).cloned();
        sockets.into_iter().flatten().for_each(|socket| socket.show(push));
    }
}

/// What other nodes are told of a topic: how a queue stands is asked for.
fn ear(tenant: &TenantId, topic: &Topic) -> Option<Ear> {
    match topic {
        Topic::Conversation(key) => Some(Ear::Follower(tenant.clone(), Arc::clone(key))),
        Topic::Queue(_) | Topic::Wall { .. } | Topic::Place { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use conversa_engine::ids::PersonId;

    use super::*;
    use crate::lobby::{Lobby, Out};

    fn socket(id: u64, person: &str) -> Arc<Socket> {
        Socket::new(id, TenantId::new("acme"), PersonId::new(person), format!("d{id}"), 10_000)
    }

    fn queue(n: usize) -> Topic {
        Topic::Queue(format!("q{n}").into())
    }

    fn heard(seq: u64) -> Push {
        let source = Address::new(TenantId::new("acme"), "conversation", "cv_1");
        Push { person: PersonId::new("vi_1"), source, seq, event: None, origin: None, answer: None }
    }

    #[test]
    fn a_socket_follows_so_many_topics_and_no_more() {
        let (lobby, one) = (Lobby::default(), socket(1, "ag_1"));
        lobby.attach(&one);
        for n in 0..TOPICS_MAX {
            assert_eq!(lobby.topics().follow(&one, &queue(n)), Ok(()));
        }
        assert_eq!(lobby.topics().follow(&one, &queue(TOPICS_MAX)), Err(TooMany));
        assert_eq!(lobby.topics().follow(&one, &queue(0)), Ok(()), "one that it follows already");
        let source = heard(1).source;
        assert_eq!(lobby.topics().follow_conversation(&one, &source, 3), Err(TooMany));
        assert_eq!(one.behind(&source), None, "what was refused is not shown");
        lobby.topics().unfollow(&one, &queue(0));
        assert_eq!(lobby.topics().follow(&one, &queue(TOPICS_MAX)), Ok(()));
        lobby.detach(&one);
        assert!(lobby.topics().page(None, 1).is_empty());
        assert_eq!(lobby.topics().follow(&one, &queue(1)), Ok(()), "a request that was still under way");
        assert!(lobby.topics().page(None, 1).is_empty(), "a socket that is gone follows nothing");
    }

    #[test]
    fn events_before_the_reading_move_the_head_that_is_read_up_to() {
        let (lobby, one) = (Lobby::default(), socket(1, "ag_1"));
        lobby.attach(&one);
        let source = heard(1).source;
        lobby.topics().follow_conversation(&one, &source, 3).expect("there is room");
        lobby.push(&heard(5));
        assert!(matches!(one.next(), Some(Out::Behind { .. })));
        assert_eq!((one.behind(&source), one.missing(&source)), (Some(3), 2));
        assert!(!one.caught_up(&source, 4, true), "event 5 is known of");
        assert!(one.caught_up(&source, 5, true));
        lobby.push(&heard(6));
        assert_eq!(one.behind(&source), Some(5));
        assert!(lobby.topics().unfollow(&one, &Topic::Conversation(Arc::clone(&source.key))));
        lobby.push(&heard(7));
        assert_eq!(one.behind(&source), None);
    }

    #[test]
    fn a_conversation_waits_in_one_queue() {
        let (lobby, one) = (Lobby::default(), socket(1, "vi_1"));
        lobby.attach(&one);
        let (topics, cv) = (lobby.topics(), Arc::from("cv_1"));
        let place = |queue: &str| Topic::Place { queue: queue.into(), conversation: "cv_1".into() };
        topics.wait_in(&one, &cv, Some("q1".into()));
        topics.wait_in(&one, &Arc::from("cv_2"), Some("q1".into()));
        topics.wait_in(&one, &cv, Some("q2".into()));
        let other = Topic::Place { queue: "q1".into(), conversation: "cv_2".into() };
        assert_eq!((one.topics(), topics.len()), (vec![other.clone(), place("q2")], 2));
        topics.wait_in(&one, &cv, None);
        assert_eq!(one.topics(), [other]);
    }

    #[test]
    fn what_stands_is_shown_once_and_again_to_a_client_that_comes_back() {
        let (lobby, one) = (Lobby::default(), socket(1, "ag_1"));
        lobby.attach(&one);
        lobby.topics().follow(&one, &queue(1)).expect("there is room");
        let source = Address::new(TenantId::new("acme"), "queue", "q1");
        let murmur = Arc::new(Murmur { source, kind: "queue.updated".into(), d: serde_json::Value::Null });
        let shown = |version| {
            lobby.topics().tell(one.tenant(), &queue(1), version, &murmur);
            one.next().is_some()
        };
        assert_eq!([shown(7), shown(7), shown(8)], [true, false, true]);
        lobby.park(&one);
        assert!(!shown(9));
        lobby.unpark(&one);
        assert!(shown(9));
        lobby.park(&one);
        lobby.unpark(&one);
        assert!(shown(9), "it may have been lost with the line");
    }
}
