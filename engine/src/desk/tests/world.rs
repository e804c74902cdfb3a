//! A desk without actors: what `actors/src/behaviours` tells whom, told here.

use std::collections::{BTreeMap, VecDeque};

use super::chance::Chance;
use crate::conversation::{
    Command, Conversation, DeskEvent, Event, HandoverAsk, HandoverCommand, HandoverEnd, HandoverEvent,
    HandoverKind, IdleEvent, Offer, OfferEnd, Person, Phase, WrapEvent,
};
use crate::desk::{
    Agent, AgentCommand, AgentEvent, AgentPolicy, Ask, PlaceAsk, Presence, Queue, QueueCommand, QueueEvent,
    QueuePolicy, Skills,
};
use crate::ids::{ConversationId, OfferId, PersonId, QueueId};
use crate::refusal::{Code, Refusal};
use crate::time::Time;

/// A letter.
#[derive(Clone, Debug)]
pub(super) enum Letter {
    Queue(QueueCommand),
    Agent(PersonId, AgentCommand),
    Conversation(ConversationId, Command),
}

/// Sender and receiver.
type Pair = (String, String);

#[derive(Default)]
pub(super) struct World {
    pub(super) now: i64,
    pub(super) queue: Queue,
    pub(super) queue_policy: QueuePolicy,
    pub(super) agents: BTreeMap<PersonId, Agent>,
    pub(super) agent_policy: BTreeMap<PersonId, AgentPolicy>,
    pub(super) skills: BTreeMap<PersonId, Skills>,
    pub(super) conversations: BTreeMap<ConversationId, Conversation>,
    /// What conversations that begin to wait need and weigh.
    pub(super) needs: BTreeMap<ConversationId, (Skills, u16)>,
    letters: BTreeMap<Pair, VecDeque<Letter>>,
    /// Everything that happened, in words.
    pub(super) story: Vec<String>,
}

pub(super) fn queue_id() -> QueueId {
    QueueId::new("q")
}

impl World {
    pub(super) fn time(&self) -> Time {
        Time::from_ms(self.now)
    }

    fn post(&mut self, from: &str, letter: Letter) {
        let to = match &letter {
            Letter::Queue(_) => "q".to_owned(),
            Letter::Agent(agent, _) => agent.to_string(),
            Letter::Conversation(conversation, _) => conversation.to_string(),
        };
        self.letters.entry((from.to_owned(), to)).or_default().push_back(letter);
    }

    /// Delivers the next letter of some pair; false when there is none.
    pub(super) fn deliver(&mut self, chance: &mut Chance) -> bool {
        let pairs: Vec<&Pair> = self.letters.keys().collect();
        let Some(pair) = chance.pick(&pairs).map(|pair| (*pair).clone()) else { return false };
        let Some(letters) = self.letters.get_mut(&pair) else { return false };
        let letter = letters.pop_front();
        if letters.is_empty() {
            self.letters.remove(&pair);
        }
        match letter {
            Some(Letter::Queue(command)) => self.queue_does(command),
            Some(Letter::Agent(agent, command)) => self.agent_does(&agent, command),
            // A refused letter is taken over.
            Some(Letter::Conversation(conversation, command)) => {
                drop(self.conversation_does(conversation, command))
            }
            None => {}
        }
        true
    }

    pub(super) fn deliver_all(&mut self, chance: &mut Chance) {
        while self.deliver(chance) {}
    }

    /// What is due happens.
    pub(super) fn tick(&mut self) {
        let now = self.time();
        for _ in 0..64 {
            let Some((_, command)) = self.queue.due().filter(|(at, _)| *at <= now) else { break };
            self.queue_does(command);
        }
        for agent in self.agents.keys().cloned().collect::<Vec<_>>() {
            let due = self.agents[&agent].due().filter(|(at, _)| *at <= now);
            if let Some((_, command)) = due {
                self.agent_does(&agent, command);
            }
        }
        for id in self.conversations.keys().copied().collect::<Vec<_>>() {
            let due = self.conversations[&id].due().filter(|(at, _)| *at <= now);
            if let Some((_, command)) = due {
                drop(self.conversation_does(id, command));
            }
        }
    }

    pub(super) fn queue_does(&mut self, command: QueueCommand) {
        let events = self.queue.decide(self.time(), &self.queue_policy, command).expect("far from its bound");
        assert!(events.len() <= 32, "one command makes at most half of what an append takes");
        for event in events {
            self.queue.apply(&event);
            let queue = queue_id();
            match event {
                QueueEvent::PlaceAsked(PlaceAsk { conversation, agent, offer, weight }) => {
                    self.story.push(format!("{agent} is asked"));
                    let ask = AgentCommand::AskPlace { queue, conversation, offer, weight, ask: Ask::Queue };
                    self.post("q", Letter::Agent(agent, ask));
                }
                QueueEvent::OfferMade { conversation, offer, agent, expires, auto } => {
                    let agent = Person { name: agent.to_string(), id: agent };
                    let offer = Offer { id: offer, agent, expires, auto };
                    self.post("q", Letter::Conversation(conversation, Command::Offer { queue, offer }));
                }
                QueueEvent::PlaceUnused { conversation, offer, agent } => {
                    let release = AgentCommand::Release { conversation, offer, missed: false };
                    self.post("q", Letter::Agent(agent, release));
                }
                QueueEvent::Enqueued { .. }
                | QueueEvent::LeftQueue { .. }
                | QueueEvent::AgentNoted { .. }
                | QueueEvent::OfferFailed { .. }
                | QueueEvent::AvoidsOver { .. }
                | QueueEvent::Unkept { .. }
                | QueueEvent::Relaxed { .. }
                | QueueEvent::PauseSet { .. }
                | QueueEvent::Swept
                | QueueEvent::RoomAsked { .. }
                | QueueEvent::RoomAnswered { .. }
                | QueueEvent::RoomLost { .. }
                | QueueEvent::OverflowPut { .. }
                | QueueEvent::Overflowing { .. } => {}
            }
        }
    }

    pub(super) fn agent_does(&mut self, id: &PersonId, command: AgentCommand) {
        let now = self.time();
        let policy = self.agent_policy.get(id).cloned().unwrap_or_default();
        let agent = self.agents.entry(id.clone()).or_default();
        let events = agent.decide(now, &policy, command).expect("in bounds");
        for event in events {
            let agent = self.agents.entry(id.clone()).or_default();
            agent.apply(&event);
            if let AgentEvent::PlaceGranted { ask: Ask::Queue | Ask::Handover, .. } = &event {
                assert!(agent.taken() <= agent.capacity(), "{id} is over capacity");
            }
            let (me, free) = (id.to_string(), agent.free());
            let mut tell = true;
            match event {
                AgentEvent::PlaceGranted { conversation, offer, ask, .. } if ask != Ask::Queue => {
                    let granted = HandoverCommand::Granted { agent: id.clone(), offer };
                    self.post(&me, Letter::Conversation(conversation, Command::Handover(granted)));
                }
                AgentEvent::PlaceDenied { conversation, offer, ask, .. } if ask != Ask::Queue => {
                    tell = false;
                    let denied = HandoverCommand::Denied { agent: id.clone(), offer };
                    self.post(&me, Letter::Conversation(conversation, Command::Handover(denied)));
                }
                AgentEvent::PlaceGranted { conversation, offer, .. } => {
                    let granted = QueueCommand::Granted { conversation, offer, agent: id.clone() };
                    self.post(&me, Letter::Queue(granted));
                }
                AgentEvent::PlaceDenied { conversation, offer, .. } => {
                    let taken = agent.places().contains_key(&conversation);
                    tell = taken || free > 0;
                    let denied = QueueCommand::Denied { conversation, offer, agent: id.clone(), taken };
                    self.post(&me, Letter::Queue(denied));
                }
                AgentEvent::Left { lost, .. } => {
                    for (conversation, offer) in lost {
                        let gone = Command::AgentGone { agent: id.clone(), offer };
                        self.post(&me, Letter::Conversation(conversation, gone));
                    }
                }
                AgentEvent::Doubted { places, .. } => {
                    tell = false;
                    for (conversation, offer) in places {
                        let check = Command::CheckPlace { agent: id.clone(), offer };
                        self.post(&me, Letter::Conversation(conversation, check));
                    }
                }
                AgentEvent::PresenceSet { presence, reason, .. } => {
                    self.story.push(format!(
                        "{id} is {presence:?}{}",
                        reason.map_or(String::new(), |why| format!(": {why}"))
                    ));
                }
                AgentEvent::PlaceReleased { .. } | AgentEvent::Resettled { .. } => {}
                AgentEvent::Renewed { .. }
                | AgentEvent::PlaceConfirmed { .. }
                | AgentEvent::AwayAsked { .. }
                | AgentEvent::AwayAnswered { .. } => tell = false,
            }
            if tell {
                self.post(&me, Letter::Queue(self.seen(id)));
            }
        }
    }

    fn seen(&self, id: &PersonId) -> QueueCommand {
        let agent = &self.agents[id];
        QueueCommand::AgentSeen {
            agent: id.clone(),
            free: agent.free(),
            idle_since: agent.idle_since(),
            taken: agent.taken(),
            skills: self.skills.get(id).cloned().unwrap_or_default(),
        }
    }

    pub(super) fn conversation_does(&mut self, id: ConversationId, command: Command) -> Result<(), Refusal> {
        let now = self.time();
        let conversation = self.conversations.entry(id).or_default();
        let mut events = conversation.decide(now, command)?;
        conversation.begin_wrap(now, &self.queue_policy.wrap, &mut events);
        for event in &mut events {
            let Some((needs, weight)) = self.needs.get(&id) else { continue };
            if let Event::Queued { wait, .. } = event {
                (wait.needs, wait.weight) = (needs.clone(), *weight);
            } else if let Event::Desk(DeskEvent::Handover(HandoverEvent::Asked { ask, .. })) = event {
                ask.weight = *weight;
            }
        }
        for event in events {
            let conversation = self.conversations.entry(id).or_default();
            conversation.apply(&event);
            let phase = conversation.phase().clone();
            self.react(id, &phase, event);
        }
        Ok(())
    }

    fn react(&mut self, id: ConversationId, phase: &Phase, event: Event) {
        let me = id.to_string();
        let release = |agent: PersonId, offer: OfferId, missed: bool| {
            Letter::Agent(agent, AgentCommand::Release { conversation: id, offer, missed })
        };
        match event {
            Event::Queued { wait, .. } => {
                self.post(&me, Letter::Queue(QueueCommand::Enqueue { conversation: id, wait }))
            }
            Event::OfferEnded { offer, agent, why, .. } => {
                let (conversation, missed) = (id, why == OfferEnd::TimedOut);
                let returned =
                    QueueCommand::Returned { conversation, offer: offer.clone(), agent: agent.clone(), why };
                self.post(&me, Letter::Queue(returned));
                self.post(&me, release(agent, offer, missed));
            }
            Event::OfferRejected { offer, agent, .. } => {
                let waits = matches!(phase, Phase::Queued(_) | Phase::Offered(..));
                let command = if waits {
                    let (offer, agent) = (offer.clone(), agent.clone());
                    QueueCommand::Returned { conversation: id, offer, agent, why: OfferEnd::AgentGone }
                } else {
                    QueueCommand::Leave { conversation: id, served: false }
                };
                self.post(&me, Letter::Queue(command));
                self.post(&me, release(agent, offer, false));
            }
            Event::Assigned { agent, offer, .. } => {
                self.story.push(format!("{} has it", agent.id));
                self.post(&me, Letter::Queue(QueueCommand::Leave { conversation: id, served: true }));
                let confirm = AgentCommand::Confirm { conversation: id, offer };
                self.post(&me, Letter::Agent(agent.id, confirm));
            }
            Event::PlaceChecked { agent, offer, held, .. } => {
                match (held, self.conversations[&id].accepted(&agent, &offer)) {
                    (true, true) => {
                        let confirm = AgentCommand::Confirm { conversation: id, offer };
                        self.post(&me, Letter::Agent(agent, confirm));
                    }
                    (true, false) => {}
                    (false, _) => self.post(&me, release(agent, offer, false)),
                }
            }
            Event::Desk(DeskEvent::Transferred { released: (agent, offer), .. }) => {
                self.post(&me, release(agent, offer, false));
            }
            Event::Desk(DeskEvent::Wrap(WrapEvent::Ended { agent, offer, .. })) => {
                self.post(&me, release(agent, offer, false));
            }
            Event::Desk(DeskEvent::Idle(IdleEvent::TakenBack { agent, released, .. })) => {
                self.post(&me, release(agent, released, false));
            }
            Event::Desk(
                DeskEvent::Wrap(WrapEvent::Begun { .. })
                | DeskEvent::Sla(_)
                | DeskEvent::Idle(_)
                | DeskEvent::Snooze(_)
                | DeskEvent::Survey(_),
            ) => {}
            Event::Desk(DeskEvent::BotTook { held, .. }) | Event::Closed { held, .. } => {
                let wraps = self.conversations[&id].wrap().is_some();
                if held.queue.is_some() {
                    self.post(&me, Letter::Queue(QueueCommand::Leave { conversation: id, served: false }));
                }
                if let Some((agent, offer)) = held.place.filter(|_| !wraps) {
                    self.post(&me, release(agent, offer, false));
                }
            }
            Event::Desk(DeskEvent::Handover(event)) => self.react_handover(id, event),
            Event::Desk(DeskEvent::Watched { .. } | DeskEvent::BargedIn { .. })
            | Event::Opened(_)
            | Event::Said(_)
            | Event::Offered { .. }
            | Event::OfferVoided { .. }
            | Event::Edited { .. }
            | Event::Recalled { .. }
            | Event::Reacted { .. }
            | Event::Marked { .. }
            | Event::Failed { .. }
            | Event::Forwarded(_)
            | Event::Reopened { .. } => {}
        }
    }

    fn react_handover(&mut self, id: ConversationId, event: HandoverEvent) {
        let me = id.to_string();
        let release = |agent: PersonId, offer: OfferId, missed: bool| {
            Letter::Agent(agent, AgentCommand::Release { conversation: id, offer, missed })
        };
        match event {
            HandoverEvent::Asked { ask: HandoverAsk { kind, to, offer, weight, .. }, .. } => {
                let ask = match kind {
                    HandoverKind::Transfer | HandoverKind::Consult => Ask::Handover,
                    HandoverKind::ForceAssign => Ask::Force,
                    HandoverKind::TakeOver => Ask::TakeOver,
                };
                let queue = queue_id();
                let ask = AgentCommand::AskPlace { queue, conversation: id, offer, weight, ask };
                self.post(&me, Letter::Agent(to.id, ask));
            }
            HandoverEvent::Joined { offer, to, .. } => {
                let confirm = AgentCommand::Confirm { conversation: id, offer };
                self.post(&me, Letter::Agent(to.id, confirm));
            }
            HandoverEvent::Ended { offer, to, why, .. } => {
                self.post(&me, release(to.id, offer, why == HandoverEnd::TimedOut));
            }
            HandoverEvent::Taken { kind, to, released, .. } => {
                self.story.push(format!("{} takes it by {}", to.id, kind.as_str()));
                if let Some((agent, offer)) = released {
                    self.post(&me, release(agent, offer, false));
                }
            }
            HandoverEvent::Offered { .. } | HandoverEvent::Spoken { .. } => {}
        }
    }

    pub(super) fn presence(&mut self, agent: &PersonId, presence: Presence, capacity: u16) {
        let set = AgentCommand::SetPresence { presence, capacity: Some(capacity), reason: None };
        self.agent_does(agent, set);
    }

    /// The offer that stands for a conversation.
    pub(super) fn offer_of(&self, id: ConversationId) -> Option<Offer> {
        match self.conversations.get(&id)?.phase() {
            Phase::Offered(_, offer) => Some(offer.clone()),
            Phase::Unopened
            | Phase::Bot
            | Phase::Queued(_)
            | Phase::Assigned { .. }
            | Phase::Closed { .. } => None,
        }
    }

    /// One agent tries to take an offer; `Ok` when it has it.
    pub(super) fn accept(
        &mut self,
        id: ConversationId,
        agent: &PersonId,
        offer: &OfferId,
    ) -> Result<(), Code> {
        self.accepts(id, agent, offer).map_err(|refusal| refusal.code)
    }

    /// The same, with why not.
    pub(super) fn accepts(
        &mut self,
        id: ConversationId,
        agent: &PersonId,
        offer: &OfferId,
    ) -> Result<(), Refusal> {
        let accept = Command::Accept { agent: agent.clone(), offer: offer.clone() };
        self.conversation_does(id, accept)
    }
}
