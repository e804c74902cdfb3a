//! A core whose inputs and effects are tampered with.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::{Agent, Bot, Conversation, Queue};
use conversa_actors::cell::envelope::{Envelope, Snapshot};
use conversa_actors::cell::machine::{Effect, Input, Machine, Push, Request, Ticket};
use conversa_actors::letter::{Letter, LetterId, Payload, decode, encode};
use conversa_actors::port::{Append, Row, RowKey};
use conversa_engine::conversation::{AuthorKind, Command, HandoverCommand};
use conversa_engine::desk::{AgentCommand, Ask, QueueCommand};
use conversa_engine::time::Time;
use serde_json::Value;

use super::Plant;

/// A lease is longer than this; the pauses of letters are not.
const LEASE_LIKE_MS: i64 = 40_000;

/// The real core, and what is wrong with it.
pub(in crate::sim) struct Tampered {
    core: Box<dyn Machine>,
    plant: Plant,
    address: Address,
    /// Inputs that the core gets next, made up here.
    inputs: VecDeque<Input>,
    /// Appends of which the core believes that they are written.
    unwritten: VecDeque<Append>,
    flying: bool,
    /// Fresh names of letters, and their own.
    letters: BTreeMap<(Address, LetterId), LetterId>,
    named: u64,
    /// The rows that a watcher has stored, and those whose cursors are stored and whose contributions are not.
    stored: BTreeMap<RowKey, Bytes>,
    effects_to_come: Option<Vec<Row>>,
}

impl Tampered {
    pub(in crate::sim) fn new(core: Box<dyn Machine>, plant: Plant, address: Address) -> Self {
        Self {
            core,
            plant,
            address,
            inputs: VecDeque::new(),
            unwritten: VecDeque::new(),
            flying: false,
            letters: BTreeMap::new(),
            named: 0,
            stored: BTreeMap::new(),
            effects_to_come: None,
        }
    }

    /// The input as the core gets it; `None` when it does not.
    fn input(&mut self, now: Time, input: Input, out: &mut Vec<Effect>) -> Option<Input> {
        match (self.plant, input) {
            (Plant::NoLetterDedupe, Input::Letter(letter)) => Some(Input::Letter(self.renamed(now, letter))),
            (Plant::NoClientDedupe, Input::Request(request)) => Some(Input::Request(self.keyless(request))),
            (Plant::BotTalksOn, Input::Letter(letter)) if letter.from.kind == Bot::KIND => {
                Some(Input::Letter(in_disguise(letter)))
            }
            (Plant::WatchedAhead, Input::Watched { watcher, .. }) => {
                Some(Input::Watched { watcher, cursor: u64::MAX })
            }
            (Plant::AckBeforeAppend, Input::Appended(outcome)) if self.flying => {
                self.flying = false;
                match outcome {
                    Ok(()) => self.write_next(out),
                    Err(error) => out.push(Effect::Die(error.to_string())),
                }
                None
            }
            (Plant::CursorBeforeEffect, Input::RowsPut(ticket, outcome)) => {
                match (self.effects_to_come.take(), &outcome) {
                    (Some(rows), Ok(())) => {
                        out.push(Effect::PutRows(Ticket::Flush, rows));
                        None
                    }
                    (Some(_) | None, _) => Some(Input::RowsPut(ticket, outcome)),
                }
            }
            (_, input) => Some(input),
        }
    }

    fn effect(&mut self, now: Time, effect: Effect, revived: bool, out: &mut Vec<Effect>) {
        match (self.plant, effect) {
            (Plant::AckBeforeAppend, Effect::Append(append)) => {
                self.unwritten.push_back(append);
                self.inputs.push_back(Input::Appended(Ok(())));
                self.write_next(out);
            }
            (Plant::ReactLost, Effect::Send(letter)) if revived => {
                self.inputs.push_back(Input::Taken { by: letter.to, id: letter.id });
            }
            (Plant::NoLetterDedupe, Effect::Take { from, id }) => {
                let id = self.letters.get(&(from.clone(), id)).copied().unwrap_or(id);
                out.push(Effect::Take { from, id });
            }
            (Plant::PlaceKept | Plant::LeaverStays, Effect::Send(letter)) if self.swallows(&letter) => {
                self.inputs.push_back(Input::Taken { by: letter.to, id: letter.id });
            }
            (Plant::HandoverForced, Effect::Send(letter)) => out.push(Effect::Send(forced(letter))),
            (Plant::DeniedAsGranted, Effect::Send(letter)) => out.push(Effect::Send(granted(letter))),
            (Plant::OfferToTwo, Effect::Send(letter)) => {
                out.extend(self.to_another(&letter).map(Effect::Send));
                out.push(Effect::Send(letter));
            }
            (Plant::BotTalksOn, Effect::Append(append)) => out.push(Effect::Append(undisguised(append))),
            (Plant::ToldAhead, Effect::Append(append)) => out.push(Effect::Append(told(append))),
            (Plant::CursorBeforeEffect, Effect::PutRows(Ticket::Flush, rows)) => {
                self.cursors_first(rows, out)
            }
            (Plant::RestartUnannounced, Effect::Push(Push { event: None, .. })) => {}
            (Plant::WakeRowSkipped, Effect::PutRows(Ticket::Wake, _)) => {
                self.inputs.push_back(Input::RowsPut(Ticket::Wake, Ok(())))
            }
            (Plant::SnapshotWithoutUnsent, Effect::PutRows(ticket, rows)) => {
                out.push(Effect::PutRows(ticket, rows.into_iter().map(without_unsent).collect()));
            }
            (Plant::LeaseForgotten, Effect::Timer(Some(at)))
                if self.address.kind == Agent::KIND && at.ms_since(now) > LEASE_LIKE_MS =>
            {
                out.push(Effect::Timer(None));
            }
            (_, effect) => out.push(effect),
        }
    }

    fn write_next(&mut self, out: &mut Vec<Effect>) {
        if !self.flying
            && let Some(append) = self.unwritten.pop_front()
        {
            self.flying = true;
            out.push(Effect::Append(append));
        }
    }

    fn renamed(&mut self, now: Time, mut letter: Letter) -> Letter {
        self.named += 1;
        let fresh =
            LetterId { seq: now.ms().unsigned_abs(), index: u32::try_from(self.named).unwrap_or(u32::MAX) };
        self.letters.insert((letter.from.clone(), fresh), letter.id);
        letter.id = fresh;
        letter
    }

    fn keyless(&self, request: Request) -> Request {
        let Request { payload, asker } = request;
        if self.address.kind != Conversation::KIND {
            return Request { payload, asker };
        }
        let payload = match payload.clone().open::<Command>() {
            Ok(Command::Say(mut say)) => {
                say.key = None;
                Payload::of(Command::Say(say))
            }
            Ok(_) | Err(_) => payload,
        };
        Request { payload, asker }
    }

    /// True for the letter that the planted fault forgets.
    fn swallows(&self, letter: &Letter) -> bool {
        let from_conversation = self.address.kind == Conversation::KIND;
        let payload = || letter.payload.clone();
        from_conversation
            && match (self.plant, letter.to.kind) {
                (Plant::PlaceKept, Agent::KIND) => {
                    matches!(payload().open::<AgentCommand>(), Ok(AgentCommand::Release { .. }))
                }
                (Plant::LeaverStays, Queue::KIND) => {
                    matches!(payload().open::<QueueCommand>(), Ok(QueueCommand::Leave { .. }))
                }
                (_, _) => false,
            }
    }

    /// The same letter to another agent.
    fn to_another(&self, letter: &Letter) -> Option<Letter> {
        if self.address.kind != Queue::KIND || letter.to.kind != Agent::KIND {
            return None;
        }
        let asks = matches!(letter.payload.clone().open::<AgentCommand>(), Ok(AgentCommand::AskPlace { .. }));
        let other = if &*letter.to.key == "ag_0" { "ag_1" } else { "ag_0" };
        asks.then(|| Letter { to: letter.to.beside(Agent::KIND, other), ..letter.clone() })
    }

    /// Writes new cursors with old contributions first; what they stand for comes when that is written.
    fn cursors_first(&mut self, rows: Vec<Row>, out: &mut Vec<Effect>) {
        let ahead: Vec<Row> = rows
            .iter()
            .filter_map(|row| {
                let (old, new) = (self.stored.get(&row.key)?, row.value.as_ref()?);
                let value = [&new[..cursor_end(new)], &old[cursor_end(old)..]].concat();
                Some(Row { key: row.key.clone(), stamp: row.stamp, value: Some(value.into()) })
            })
            .collect();
        for row in &rows {
            self.stored.extend(row.value.clone().map(|value| (row.key.clone(), value)));
        }
        if ahead.is_empty() {
            return out.push(Effect::PutRows(Ticket::Flush, rows));
        }
        self.effects_to_come = Some(rows);
        out.push(Effect::PutRows(Ticket::Flush, ahead));
    }
}

impl Machine for Tampered {
    fn step(&mut self, now: Time, input: Input, out: &mut Vec<Effect>) {
        let mut next = self.input(now, input, out);
        while let Some(input) = next {
            let revived = matches!(input, Input::Loaded(_));
            let mut effects = Vec::new();
            self.core.step(now, input, &mut effects);
            if self.plant == Plant::AnswersSwapped {
                swap_answers(&mut effects);
            }
            for effect in effects {
                self.effect(now, effect, revived, out);
            }
            next = self.inputs.pop_front();
        }
    }
}

/// A bot's words as the system's, which nobody refuses.
fn in_disguise(letter: Letter) -> Letter {
    let payload = match letter.payload.clone().open::<Command>() {
        Ok(Command::Say(mut say)) => {
            say.author.kind = AuthorKind::System;
            Payload::of(Command::Say(say))
        }
        Ok(_) | Err(_) => letter.payload.clone(),
    };
    Letter { payload, ..letter }
}

/// The same letter as if a supervisor had asked.
fn forced(letter: Letter) -> Letter {
    match letter.payload.clone().open::<AgentCommand>() {
        Ok(AgentCommand::AskPlace { queue, conversation, offer, weight, ask: Ask::Handover }) => {
            let ask = AgentCommand::AskPlace { queue, conversation, offer, weight, ask: Ask::Force };
            Letter { payload: Payload::of(ask), ..letter }
        }
        Ok(_) | Err(_) => letter,
    }
}

/// The same letter as if there were a place.
fn granted(letter: Letter) -> Letter {
    match letter.payload.clone().open::<Command>() {
        Ok(Command::Handover(HandoverCommand::Denied { agent, offer }))
            if letter.from.kind == Agent::KIND =>
        {
            let granted = Command::Handover(HandoverCommand::Granted { agent, offer });
            Letter { payload: Payload::of(granted), ..letter }
        }
        Ok(_) | Err(_) => letter,
    }
}

fn edited(append: Append, edit: impl Fn(&mut Envelope<Value>, u64)) -> Append {
    let bodies = append.bodies.iter().zip(append.first..).map(|(body, seq)| {
        let mut envelope: Envelope<Value> = decode(body).expect("events have names for their fields");
        edit(&mut envelope, seq);
        encode(&envelope)
    });
    Append { bodies: bodies.collect(), ..append }
}

/// And back again in what is stored.
fn undisguised(append: Append) -> Append {
    edited(append, |envelope, _| {
        let author = envelope.body.pointer_mut("/Said/author");
        if let Some(author) = author.filter(|author| author["id"] == "bot") {
            author["kind"] = "bot".into();
        }
    })
}

fn told(append: Append) -> Append {
    edited(append, |envelope, seq| envelope.told = seq)
}

fn without_unsent(row: Row) -> Row {
    let snapshot = row
        .value
        .as_ref()
        .filter(|_| row.key.table == "snapshot")
        .and_then(|value| decode::<Snapshot<()>>(value).ok());
    match snapshot {
        Some(mut snapshot) => {
            (snapshot.told, snapshot.unsent) = (snapshot.seq, Vec::new());
            Row { value: Some(encode(&snapshot)), ..row }
        }
        None => row,
    }
}

/// Where the cursor ends in a stored contribution: a map whose first field it is, in `MessagePack`.
fn cursor_end(row: &[u8]) -> usize {
    const BEFORE: usize = 1 + 1 + "cursor".len();
    BEFORE
        + match row.get(BEFORE) {
            Some(0xcc) => 2,
            Some(0xcd) => 3,
            Some(_) | None => 1,
        }
}

fn swap_answers(effects: &mut [Effect]) {
    let places: Vec<usize> =
        (0..effects.len()).filter(|place| matches!(effects[*place], Effect::Answer(..))).collect();
    if let [first, .., last] = places[..] {
        let (head, tail) = effects.split_at_mut(last);
        if let (Effect::Answer(_, one), Effect::Answer(_, other)) = (&mut head[first], &mut tail[0]) {
            std::mem::swap(one, other);
        }
    }
}
