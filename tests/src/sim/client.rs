//! A simulated client: what it knows from its socket, what it still has to send. It sends again under the same key until it has a
//! definite answer, across sockets and crashes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use conversa_actors::cell::machine::Answer;
use conversa_engine::content::Content;
use conversa_engine::conversation::{
    Author, AuthorKind, ClientKey, Command, DeskEvent, Event, Person, Say, WrapEvent,
};
use conversa_engine::desk::Presence;
use conversa_engine::ids::{ConversationId, OfferId, PersonId};
use conversa_engine::refusal::{Code, Refusal};
use conversa_engine::time::Time;
use serde_json::Value;

use super::World;
use super::agenda::Action;
use super::errand::Errand;
use crate::history::{Asked, Message, Outcome, What};

/// On which side of the desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Visitor,
    Agent,
}

/// A client: one device of one person.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) part: Part,
    pub(super) person: PersonId,
    pub(super) device: String,
    /// The node that it connects to.
    pub(super) node: usize,
    pub(super) talk: Option<usize>,
    pub(super) errand: Option<Errand>,
    /// It looks up what it has as soon as it can.
    pub(super) looks_up: bool,
    /// The last event known of each conversation.
    pub(super) positions: BTreeMap<ConversationId, u64>,
    /// Requests without an answer.
    waiting: BTreeMap<u64, Waiting>,
    requests: u64,
    lines: BTreeMap<ConversationId, Line>,
    /// The conversation that a visitor speaks in.
    pub(super) current: Option<ConversationId>,
    /// Conversations known to be closed.
    pub(super) closed: BTreeSet<ConversationId>,
    /// Conversations that an agent holds, and those offered.
    pub(super) held: BTreeSet<ConversationId>,
    pub(super) offers: Vec<Offered>,
    /// Those in which the agent has a consultant.
    pub(super) consults: BTreeSet<ConversationId>,
    /// Those that the agent may wrap up.
    pub(super) wraps: Vec<ConversationId>,
    pub(super) presence: Option<Presence>,
    pub(super) wants: Presence,
    pub(super) actions_left: u32,
    /// Does not connect before this time.
    pub(super) absent_until: Time,
    written: u64,
}

/// An offer, and when the agent will have made up its mind.
#[derive(Clone, Debug)]
pub(super) struct Offered {
    pub(super) conversation: ConversationId,
    pub(super) offer: OfferId,
    pub(super) at: Time,
}

#[derive(Clone, Copy, Debug)]
enum Waiting {
    Message(ConversationId, usize),
    Command(ConversationId, What),
}

/// The messages to one conversation that have no definite answer, in order.
#[derive(Debug, Default)]
struct Line {
    /// The last key's number.
    numbered: u64,
    unsettled: VecDeque<Unsettled>,
}

#[derive(Debug)]
struct Unsettled {
    message: usize,
    request: Option<u64>,
    not_before: Time,
}

impl Client {
    pub(super) fn new(part: Part, person: PersonId, device: String, actions: u32) -> Self {
        Self {
            part,
            person,
            device,
            node: 0,
            talk: None,
            errand: None,
            looks_up: false,
            positions: BTreeMap::new(),
            waiting: BTreeMap::new(),
            requests: 0,
            lines: BTreeMap::new(),
            current: None,
            closed: BTreeSet::new(),
            held: BTreeSet::new(),
            offers: Vec::new(),
            consults: BTreeSet::new(),
            wraps: Vec::new(),
            presence: None,
            wants: Presence::Online,
            actions_left: actions,
            absent_until: Time::default(),
            written: 0,
        }
    }

    fn author(&self) -> Author {
        let kind = if self.part == Part::Visitor { AuthorKind::Visitor } else { AuthorKind::Agent };
        Author::person(kind, &Person { id: self.person.clone(), name: self.person.to_string() })
    }

    /// True when it never comes back.
    pub(super) fn gone(&self) -> bool {
        self.absent_until.ms() == i64::MAX
    }

    /// True when nothing waits to be sent.
    pub(super) fn idle(&self) -> bool {
        self.lines.values().all(|line| line.unsettled.is_empty())
    }
}

impl World {
    /// A client does something, and comes again.
    pub(super) fn turn(&mut self, client: usize) {
        let pause = if self.calm { self.chance.between(300, 1_500) } else { self.chance.between(30, 900) };
        self.agenda.put(self.now.after_ms(pause), Action::Turn(client));
        let Some(talk) = self.clients[client].talk else {
            let one = &self.clients[client];
            if one.errand.is_none() && one.absent_until <= self.now && self.choose_node(client) {
                self.connect(client);
            }
            return;
        };
        self.talk_alarm(talk);
        if self.clients[client].errand.is_none() && std::mem::take(&mut self.clients[client].looks_up) {
            self.look_up(talk);
        }
        if self.clients[client].errand.is_none() {
            match self.clients[client].part {
                Part::Visitor => self.visitor_acts(client),
                Part::Agent => self.agent_acts(client),
            }
        }
        self.send_lines(client);
    }

    /// The client writes a message; it is sent as soon as those before it let it.
    pub(super) fn write(&mut self, client: usize, conversation: ConversationId, words: &str) {
        let one = &mut self.clients[client];
        one.written += 1;
        let text = format!("{words} #{}-{}", one.device, one.written);
        let line = one.lines.entry(conversation).or_default();
        // A visitor's key is given at once, an agent's when the message leaves: one that is refused leaves no gap.
        if one.part == Part::Visitor {
            line.numbered += 1;
        }
        let key = ClientKey { device: one.device.clone(), n: line.numbered };
        let place = self.history.messages.len();
        line.unsettled.push_back(Unsettled { message: place, request: None, not_before: Time::default() });
        let (sender, device) = (one.person.clone(), one.device.clone());
        self.tell(|| format!("{device} writes {text:?} as {key} to {conversation}"));
        self.history.messages.push(Message {
            sender,
            device,
            conversation,
            key,
            text,
            outcome: Outcome::Pending,
        });
    }

    /// Sends what waits, as much as may be on its way.
    fn send_lines(&mut self, client: usize) {
        let conversations: Vec<ConversationId> = self.clients[client].lines.keys().copied().collect();
        for conversation in conversations {
            let window = if self.clients[client].part == Part::Visitor { self.rates.window } else { 1 };
            for place in 0..window {
                let Some(line) = self.clients[client].lines.get(&conversation) else { break };
                let Some(next) = line.unsettled.get(place) else { break };
                if next.request.is_some() {
                    continue;
                }
                if next.not_before > self.now || !self.send_message(client, conversation, place) {
                    break;
                }
            }
        }
    }

    fn send_message(&mut self, client: usize, conversation: ConversationId, place: usize) -> bool {
        let one = &mut self.clients[client];
        let (Some(talk), author) = (one.talk, one.author()) else { return false };
        one.requests += 1;
        let request = one.requests;
        let Some(line) = one.lines.get_mut(&conversation) else { return false };
        let Some(next) = line.unsettled.get_mut(place) else { return false };
        next.request = Some(request);
        let message = &mut self.history.messages[next.message];
        if one.part == Part::Agent {
            message.key.n = line.numbered + 1;
        }
        let (key, content) = (Some(message.key.clone()), Content::text(message.text.clone()));
        one.waiting.insert(request, Waiting::Message(conversation, next.message));
        let say = Say { key, ..Say::new(author, content) };
        self.ask_conversation(talk, conversation, request, Command::Say(say));
        true
    }

    /// Asks a conversation for something beside messages, once.
    pub(super) fn command(
        &mut self,
        client: usize,
        conversation: ConversationId,
        what: What,
        command: Command,
    ) {
        let one = &mut self.clients[client];
        let Some(talk) = one.talk else { return };
        one.requests += 1;
        let request = one.requests;
        one.waiting.insert(request, Waiting::Command(conversation, what));
        self.ask_conversation(talk, conversation, request, command);
    }

    pub(super) fn author_of(&self, client: usize) -> Author {
        self.clients[client].author()
    }

    /// An answer comes.
    pub(super) fn client_hears(&mut self, client: usize, request: u64, answer: Answer) {
        let waiting = self.clients[client].waiting.get(&request).copied();
        self.tell(|| format!("{} hears of {waiting:?}: {answer:?}", self.clients[client].device));
        match self.clients[client].waiting.remove(&request) {
            None => {}
            Some(Waiting::Message(conversation, message)) => {
                self.message_answered(client, conversation, message, answer)
            }
            Some(Waiting::Command(conversation, what)) => {
                if let Ok(accepted) = answer {
                    let person = self.clients[client].person.clone();
                    self.history.asked.push(Asked { person, conversation, what, seq: accepted.last });
                }
            }
        }
    }

    fn message_answered(
        &mut self,
        client: usize,
        conversation: ConversationId,
        message: usize,
        answer: Answer,
    ) {
        match answer {
            Ok(accepted) => {
                self.note_own(client, conversation, accepted.first);
                let position = self.clients[client].positions.entry(conversation).or_default();
                *position = (*position).max(accepted.first);
                self.settled(client, conversation, message, Outcome::Accepted(Some(accepted.first)));
            }
            Err(Refusal { code: Code::Duplicate, seq, .. }) => {
                self.settled(client, conversation, message, Outcome::Accepted(seq));
            }
            Err(refusal) if refusal.code.retry() || refusal.code == Code::Conflict => {
                let not_before = self.now.after_ms(i64::from(refusal.retry_after_ms.unwrap_or(100)));
                if let Some(unsettled) = self.unsettled(client, conversation, message) {
                    (unsettled.request, unsettled.not_before) = (None, not_before);
                }
            }
            Err(refusal) => {
                self.clients[client].held.remove(&conversation);
                self.settled(client, conversation, message, Outcome::Refused(refusal.code));
            }
        }
    }

    fn unsettled(
        &mut self,
        client: usize,
        conversation: ConversationId,
        message: usize,
    ) -> Option<&mut Unsettled> {
        let line = self.clients[client].lines.get_mut(&conversation)?;
        line.unsettled.iter_mut().find(|unsettled| unsettled.message == message)
    }

    fn settled(&mut self, client: usize, conversation: ConversationId, message: usize, outcome: Outcome) {
        self.history.messages[message].outcome = outcome;
        let one = &mut self.clients[client];
        let Some(line) = one.lines.get_mut(&conversation) else { return };
        line.unsettled.retain(|unsettled| unsettled.message != message);
        if one.part == Part::Agent && matches!(outcome, Outcome::Accepted(_)) {
            line.numbered += 1;
        }
    }

    /// The socket has gone: whatever had no answer has an unknown outcome.
    pub(super) fn client_cut(&mut self, client: usize, talk: usize) {
        if self.clients[client].talk != Some(talk) {
            return;
        }
        self.tell(|| format!("{} is cut off", self.clients[client].device));
        let one = &mut self.clients[client];
        (one.talk, one.errand, one.presence, one.looks_up) = (None, None, None, false);
        one.waiting.clear();
        for unsettled in one.lines.values_mut().flat_map(|line| &mut line.unsettled) {
            unsettled.request = None;
        }
        let pause = self.chance.between(0, 1_500);
        let one = &mut self.clients[client];
        one.absent_until = one.absent_until.max(self.now.after_ms(pause));
    }

    /// The session has said which conversation is open.
    pub(super) fn client_opened(&mut self, client: usize, conversation: ConversationId) {
        let one = &mut self.clients[client];
        one.current = Some(conversation);
        one.closed.remove(&conversation);
    }

    /// A conversation as the welcome shows it.
    pub(super) fn client_snapshot(&mut self, client: usize, conversation: ConversationId, view: &Value) {
        let one = &mut self.clients[client];
        let (phase, mine) = (
            view["phase"].as_str().unwrap_or_default(),
            view["agent"]["id"].as_str() == Some(one.person.as_str()),
        );
        if phase == "closed" {
            one.closed.insert(conversation);
        } else {
            one.closed.remove(&conversation);
        }
        if phase == "assigned" && mine {
            one.held.insert(conversation);
        } else {
            one.held.remove(&conversation);
        }
        let handover = &view["handover"];
        let asked =
            handover["state"] == "offered" && handover["to"]["id"].as_str() == Some(one.person.as_str());
        if let (true, Some(offer)) = (asked, handover["offer"].as_str()) {
            self.client_offered(client, conversation, &OfferId::new(offer));
        }
        if let ("offered", true, Some(offer)) = (phase, mine, view["offer"]["offer"].as_str()) {
            self.client_offered(client, conversation, &OfferId::new(offer));
        }
    }

    pub(super) fn client_offered(&mut self, client: usize, conversation: ConversationId, offer: &OfferId) {
        let ms = if self.calm { 50 } else { self.chance.between(50, 6_000) };
        let offered = Offered { conversation, offer: offer.clone(), at: self.now.after_ms(ms) };
        let offers = &mut self.clients[client].offers;
        if !offers.iter().any(|known| known.offer == *offer) {
            offers.push(offered);
        }
    }

    /// An event is shown.
    pub(super) fn client_sees(
        &mut self,
        client: usize,
        conversation: ConversationId,
        seq: u64,
        event: &Event,
    ) {
        let one = &mut self.clients[client];
        let position = one.positions.entry(conversation).or_default();
        *position = (*position).max(seq);
        let me = one.person.clone();
        match event {
            Event::Opened(_) | Event::Reopened { .. } => {
                one.closed.remove(&conversation);
                one.current = Some(conversation);
            }
            Event::Closed { .. } => {
                one.closed.insert(conversation);
                one.held.remove(&conversation);
            }
            Event::Offered { offer, .. } if offer.agent.id == me => {
                self.client_offered(client, conversation, &offer.id);
            }
            Event::Assigned { agent, .. } if agent.id == me => {
                one.held.insert(conversation);
            }
            Event::Desk(DeskEvent::Wrap(WrapEvent::Begun { wrap, .. })) if wrap.agent == me => {
                one.wraps.push(conversation);
            }
            Event::Desk(DeskEvent::Handover(event)) => self.client_sees_handover(client, conversation, event),
            Event::Queued { .. }
            | Event::Assigned { .. }
            | Event::OfferEnded { .. }
            | Event::Desk(DeskEvent::BotTook { .. }) => {
                one.held.remove(&conversation);
            }
            Event::Said(_)
            | Event::Offered { .. }
            | Event::OfferRejected { .. }
            | Event::OfferVoided { .. }
            | Event::Desk(_)
            | Event::PlaceChecked { .. }
            | Event::Edited { .. }
            | Event::Recalled { .. }
            | Event::Reacted { .. }
            | Event::Marked { .. }
            | Event::Failed { .. }
            | Event::Forwarded(_) => {}
        }
    }
}
