//! A visitor's session: keeps one live conversation per channel, also when two devices open at once or a message comes late.
//! It journals an opening before the conversation hears of it. Sockets, cursors and messages are not its business.

use std::collections::{BTreeMap, VecDeque};

use conversa_engine::conversation::{self as domain, Opening, Person, Said};
use conversa_engine::ids::{ConversationId, PersonId, shard_of};
use conversa_engine::refusal::{Code, Decision, Refusal};
use conversa_engine::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Conversation;
use crate::behaviour::{Behaviour, Context, Outbox};

/// A late message within this time opens the conversation again; later it opens the next, milliseconds.
pub const REOPEN_MS: i64 = 24 * 3_600_000;
/// Channels of one visitor.
const CHANNELS_MAX: usize = 16;
/// Conversations that a visitor's time line remembers; beyond it the oldest is forgotten there. Its own log stays.
const TRAIL_MAX: usize = 200;

/// The actor of one visitor; its key is the visitor's id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    live: BTreeMap<String, ConversationId>,
    /// The last conversation of each channel and when it closed.
    last: BTreeMap<String, (ConversationId, Time)>,
    /// All conversations that were opened, oldest first: part of the customer's time line.
    trail: VecDeque<(ConversationId, String)>,
    /// As whom, and in which language, the visitor opened last.
    name: String,
    language: String,
}

/// A request to a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// The visitor wants to talk.
    Open {
        /// Through which channel.
        channel: String,
        /// In which language.
        language: String,
        /// As whom.
        name: String,
    },
    /// A conversation has closed.
    End {
        /// Its channel.
        channel: String,
        /// Which.
        conversation: ConversationId,
        /// When.
        at: Time,
    },
    /// A message came through a channel that knows no conversations: it goes to the live or the last one, or opens the next.
    Deliver {
        /// Through which channel.
        channel: String,
        /// As whom.
        name: String,
        /// In which language.
        language: String,
        /// The message.
        said: Said,
    },
    /// A message came to a closed conversation.
    Carry {
        /// Its channel.
        channel: String,
        /// To which it came.
        conversation: ConversationId,
        /// The message.
        said: Said,
    },
}

/// What has happened to a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A conversation was opened.
    Opened {
        /// Which.
        conversation: ConversationId,
        /// How.
        opening: Opening,
    },
    /// A conversation has closed.
    Ended {
        /// Its channel.
        channel: String,
        /// Which.
        conversation: ConversationId,
        /// When.
        at: Time,
    },
    /// A late message goes to a conversation.
    Carried {
        /// Its channel.
        channel: String,
        /// To which.
        to: ConversationId,
        /// That conversation opens again for it.
        reopen: bool,
        /// The message.
        said: Said,
    },
}

impl Behaviour for Session {
    const KIND: &'static str = "session";
    /// 2: with the trail, which the journal has always told.
    const VERSION: u32 = 2;
    type Command = Command;
    type Event = Event;

    fn decide(&self, cx: &Context<'_>, command: Command) -> Decision<Event> {
        match command {
            Command::Open { channel, language, name } => self.open(cx, channel, language, name),
            Command::End { channel, conversation, at } => Ok(match self.live.get(&channel) {
                Some(live) if *live == conversation => vec![Event::Ended { channel, conversation, at }],
                Some(_) | None => Vec::new(),
            }),
            Command::Deliver { channel, name, language, said } => {
                let last = self.last.get(&channel).map(|(last, _)| *last);
                match self.live.get(&channel).copied().or(last) {
                    Some(to) => Ok(self.carry(cx, channel, to, said)),
                    // No refusal for too many channels: it was acknowledged, and only channels of the company deliver.
                    None => Ok(opened_for(cx, channel, language, name, said)),
                }
            }
            Command::Carry { channel, conversation, said } => Ok(self.carry(cx, channel, conversation, said)),
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Opened { conversation, opening } => {
                self.live.insert(opening.channel.clone(), *conversation);
                if self.trail.len() == TRAIL_MAX {
                    self.trail.pop_front();
                }
                self.trail.push_back((*conversation, opening.channel.clone()));
                self.name.clone_from(&opening.visitor.name);
                self.language.clone_from(&opening.language);
            }
            Event::Ended { channel, conversation, at } => {
                self.live.remove(channel);
                self.last.insert(channel.clone(), (*conversation, *at));
            }
            Event::Carried { channel, to, reopen, .. } => {
                if *reopen {
                    self.live.insert(channel.clone(), *to);
                }
            }
        }
    }

    fn react(&self, _cx: &Context<'_>, event: &Event, out: &mut Outbox) {
        match event {
            Event::Opened { conversation, opening } => {
                out.tell::<Conversation>(conversation, domain::Command::Open(opening.clone()))
            }
            Event::Carried { to, reopen, said, .. } => {
                out.tell::<Conversation>(to, domain::Command::Carry { said: said.clone(), reopen: *reopen });
            }
            Event::Ended { .. } => {}
        }
    }

    fn view(&self) -> Value {
        let trail = self.trail.iter().map(|(id, channel)| json!({ "cv": id, "channel": channel }));
        json!({ "live": self.live, "trail": trail.collect::<Vec<_>>(), "last": self.last.iter().map(|(channel, (id, _))| (channel, id)).collect::<BTreeMap<_, _>>() })
    }
}

impl Session {
    fn open(&self, cx: &Context<'_>, channel: String, language: String, name: String) -> Decision<Event> {
        if self.live.contains_key(&channel) {
            return Err(Refusal::duplicate(None));
        }
        if self.live.len() + self.last.len() >= 2 * CHANNELS_MAX && !self.last.contains_key(&channel) {
            return Err(Refusal::new(
                Code::BadRequest,
                format!("one visitor has at most {CHANNELS_MAX} channels"),
            ));
        }
        Ok(vec![opened(cx, channel, language, name)])
    }

    /// The live conversation of the channel takes it; else the one that closed not long ago opens again; else the next opens.
    fn carry(
        &self,
        cx: &Context<'_>,
        channel: String,
        conversation: ConversationId,
        said: Said,
    ) -> Vec<Event> {
        // A key names a message where it was written: elsewhere it would name another message of that device.
        let elsewhere = |said: Said| Said { key: None, ..said };
        if let Some(to) = self.live.get(&channel) {
            let said = if *to == conversation { said } else { elsewhere(said) };
            return vec![Event::Carried { channel, to: *to, reopen: false, said }];
        }
        let recent = self
            .last
            .get(&channel)
            .filter(|(last, at)| *last == conversation && cx.now.ms_since(*at) <= REOPEN_MS);
        if let Some((to, _)) = recent {
            return vec![Event::Carried { channel, to: *to, reopen: true, said }];
        }
        opened_for(cx, channel, self.language.clone(), self.name.clone(), elsewhere(said))
    }
}

/// The next conversation, and the message with which it begins.
fn opened_for(cx: &Context<'_>, channel: String, language: String, name: String, said: Said) -> Vec<Event> {
    let next = opened(cx, channel.clone(), language, name);
    let Event::Opened { conversation: to, .. } = &next else { return Vec::new() };
    let to = *to;
    vec![next, Event::Carried { channel, to, reopen: false, said }]
}

fn opened(cx: &Context<'_>, channel: String, language: String, name: String) -> Event {
    let shard = shard_of(&cx.address.tenant, cx.key());
    let conversation = ConversationId::new(cx.now, shard, cx.bits(0));
    let visitor = Person { id: PersonId::new(cx.key()), name };
    let bot = cx.tenant.bot.as_ref().map(|bot| bot.id.clone());
    let opening =
        Opening { visitor, channel, language, queue: cx.tenant.default_queue().clone(), bot, at: cx.now };
    Event::Opened { conversation, opening }
}
