//! How to reach a person who holds no socket: the devices that registered, and the messages that no socket has acknowledged.
//!
//! A message counts as missed when `away_ms` have passed; then every device is told once, with all that was missed meanwhile. A
//! live socket that has acknowledged it by then makes the call needless. A person without devices costs no event.

use std::collections::BTreeMap;
use std::sync::Arc;

use conversa_engine::conversation::{self as domain, Said, Visibility};
use conversa_engine::ids::{ConversationId, PersonId};
use conversa_engine::refusal::{Code, Decision, Refusal};
use conversa_engine::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::courier::{self, Courier};
use crate::behaviour::{Behaviour, Context, Outbox};
use crate::port::outside::{Call, Notification, Platform, Seen, To};

/// Devices of one person; beyond it the next is refused.
pub const DEVICES_MAX: usize = 10;
/// Longest token or URL of a device, bytes. The longest of FCM's have some 300.
pub const TOKEN_BYTES_MAX: usize = 1_024;
/// Conversations with something unseen; beyond it the one that was silent longest is forgotten.
const UNSEEN_MAX: usize = 32;
/// Characters of a notification's body: what a lock screen shows.
const BODY_CHARS_MAX: usize = 180;
/// Characters of its title.
const TITLE_CHARS_MAX: usize = 64;

/// The actor of one person; its key is the person's id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    devices: BTreeMap<String, Device>,
    unseen: BTreeMap<ConversationId, Unseen>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Device {
    platform: Platform,
    token: String,
}

/// The messages of one conversation that the person has not seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Unseen {
    /// The last one: offset, author, words.
    o: u64,
    title: String,
    body: String,
    count: u32,
    /// When the devices are told; `None` when they were.
    due: Option<Time>,
    at: Time,
}

/// A request to a person's reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// A device can be reached.
    Register {
        /// Which.
        device: String,
        /// Through which service.
        platform: Platform,
        /// The service's name for it; for a webhook its URL.
        token: String,
    },
    /// A device is not to be reached any more.
    Remove {
        /// Which.
        device: String,
    },
    /// A service says that it does not know the device any more.
    Forget {
        /// Which.
        device: String,
        /// Under which token: a newer one stays.
        token: String,
    },
    /// A message for this person was accepted.
    Notice(Message),
    /// The person has seen a conversation.
    Seen {
        /// Which.
        conversation: ConversationId,
        /// Up to where.
        o: u64,
    },
    /// Tell the devices what is missed.
    Tell,
}

/// A message for somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Where.
    pub conversation: ConversationId,
    /// Its offset.
    pub o: u64,
    /// Who wrote it.
    pub title: String,
    /// The words that stand for it.
    pub body: String,
}

/// What has happened to a person's reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A device can be reached.
    Registered {
        /// Which.
        device: String,
        /// Through which service.
        platform: Platform,
        /// The service's name for it.
        token: String,
        /// When.
        at: Time,
    },
    /// A device is not reached any more.
    Removed {
        /// Which.
        device: String,
        /// When.
        at: Time,
    },
    /// A message may be missed.
    Noticed {
        /// The message.
        message: Message,
        /// When the devices are told.
        due: Time,
        /// When it came.
        at: Time,
    },
    /// The devices are told.
    Told {
        /// Of which conversation.
        conversation: ConversationId,
        /// When.
        at: Time,
    },
    /// The person has seen a conversation.
    Seen {
        /// Which.
        conversation: ConversationId,
        /// Up to where.
        o: u64,
        /// When.
        at: Time,
    },
}

impl Behaviour for Reach {
    const KIND: &'static str = "reach";
    type Command = Command;
    type Event = Event;

    fn decide(&self, cx: &Context<'_>, command: Command) -> Decision<Event> {
        let at = cx.now;
        match command {
            Command::Register { device, platform, token } => self.register(at, device, platform, token),
            Command::Remove { device } => match self.devices.contains_key(&device) {
                true => Ok(vec![Event::Removed { device, at }]),
                false => Err(Refusal::new(Code::NotFound, "there is no such device")),
            },
            Command::Forget { device, token } => {
                let known = self.devices.get(&device).is_some_and(|known| known.token == token);
                Ok(known.then_some(Event::Removed { device, at }).into_iter().collect())
            }
            Command::Notice(message) => Ok(self.notice(cx, message)),
            Command::Seen { conversation, o } => {
                // What came later is still unseen.
                let news = self.unseen.get(&conversation).is_some_and(|unseen| unseen.o <= o);
                Ok(news.then_some(Event::Seen { conversation, o, at }).into_iter().collect())
            }
            Command::Tell => {
                let due = self.unseen.iter().filter(|(_, unseen)| unseen.due.is_some_and(|due| due <= at));
                Ok(due.map(|(conversation, _)| Event::Told { conversation: *conversation, at }).collect())
            }
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Registered { device, platform, token, .. } => {
                // A token names one device: one that was installed anew has both.
                self.devices.retain(|_, known| known.token != *token);
                let token = token.clone();
                self.devices.insert(device.clone(), Device { platform: *platform, token });
            }
            Event::Removed { device, .. } => {
                self.devices.remove(device);
                if self.devices.is_empty() {
                    self.unseen.clear();
                }
            }
            Event::Noticed { message, due, at } => self.note(message, *due, *at),
            Event::Told { conversation, .. } => {
                if let Some(unseen) = self.unseen.get_mut(conversation) {
                    unseen.due = None;
                }
            }
            Event::Seen { conversation, .. } => {
                self.unseen.remove(conversation);
            }
        }
    }

    fn react(&self, cx: &Context<'_>, event: &Event, out: &mut Outbox) {
        let Event::Told { conversation, .. } = event else { return };
        let Some(unseen) = self.unseen.get(conversation) else { return };
        let person = PersonId::new(cx.key());
        let notification = Notification {
            title: unseen.title.clone(),
            body: unseen.body.clone(),
            conversation: *conversation,
            badge: self.badge(),
        };
        for (device, Device { platform, token }) in &self.devices {
            let call = Call {
                id: format!("{}.{device}", conversation.message(unseen.o)),
                to: To::Device {
                    person: person.clone(),
                    device: device.clone(),
                    platform: *platform,
                    token: token.clone(),
                    notification: notification.clone(),
                },
                attempt: 0,
                collapse: Some(conversation.to_string()),
                unless: Some(Seen { person: person.clone(), conversation: *conversation, o: unseen.o }),
            };
            let lane: Arc<str> = format!("{person}/{device}").into();
            out.tell::<Courier>(&lane, courier::Command::Post(Box::new(call)));
        }
    }

    fn due(&self) -> Option<(Time, Command)> {
        self.unseen.values().filter_map(|unseen| unseen.due).min().map(|due| (due, Command::Tell))
    }

    /// Without the tokens: whoever has one can write to the device.
    fn view(&self) -> Value {
        let device =
            |(device, known): (&String, &Device)| json!({ "device": device, "platform": known.platform });
        json!({ "items": self.devices.iter().map(device).collect::<Vec<_>>(), "badge": self.badge() })
    }
}

impl Reach {
    fn register(&self, at: Time, device: String, platform: Platform, token: String) -> Decision<Event> {
        if !(1..=TOKEN_BYTES_MAX).contains(&token.len()) {
            let detail = format!("a token or url has 1 to {TOKEN_BYTES_MAX} bytes");
            return Err(Refusal::new(Code::BadRequest, detail));
        }
        let known = self.devices.get(&device);
        if known.is_some_and(|known| known.platform == platform && known.token == token) {
            return Ok(Vec::new());
        }
        let moves = self.devices.values().any(|known| known.token == token);
        if known.is_none() && !moves && self.devices.len() >= DEVICES_MAX {
            let detail = format!("one person has at most {DEVICES_MAX} devices: remove one first");
            return Err(Refusal::new(Code::Conflict, detail));
        }
        Ok(vec![Event::Registered { device, platform, token, at }])
    }

    fn notice(&self, cx: &Context<'_>, message: Message) -> Vec<Event> {
        let Some(push) = &cx.tenant.push else { return Vec::new() };
        if self.devices.is_empty() {
            return Vec::new();
        }
        // Messages that come while one waits to be told are told with it.
        let standing = self.unseen.get(&message.conversation).and_then(|unseen| unseen.due);
        let due = standing.unwrap_or_else(|| cx.now.after_ms(push.away_ms));
        vec![Event::Noticed { message, due, at: cx.now }]
    }

    fn note(&mut self, message: &Message, due: Time, at: Time) {
        let known = self.unseen.get(&message.conversation).map_or(0, |unseen| unseen.count);
        if known == 0 && self.unseen.len() >= UNSEEN_MAX {
            let oldest = self.unseen.iter().min_by_key(|(_, unseen)| unseen.at).map(|(id, _)| *id);
            oldest.and_then(|id| self.unseen.remove(&id));
        }
        let unseen = Unseen {
            o: message.o,
            title: message.title.clone(),
            body: message.body.clone(),
            count: known + 1,
            due: Some(due),
            at,
        };
        self.unseen.insert(message.conversation, unseen);
    }

    fn badge(&self) -> u32 {
        self.unseen.values().map(|unseen| unseen.count).sum()
    }
}

/// Tells those who take part in a conversation of a message: who wrote it has seen all before it; the others may miss it.
pub(super) fn tell<'a>(
    cx: &Context<'_>,
    conversation: ConversationId,
    said: &Said,
    people: impl Iterator<Item = &'a domain::Person>,
    out: &mut Outbox,
) {
    if cx.tenant.push.is_none() || said.visibility != Visibility::Public {
        return;
    }
    let o = cx.seq;
    for person in people {
        if person.id == said.author.id {
            out.tell::<Reach>(&person.id, Command::Seen { conversation, o });
            continue;
        }
        let title = first_chars(&said.author.name, TITLE_CHARS_MAX);
        let body = first_chars(said.content.plain(), BODY_CHARS_MAX);
        out.tell::<Reach>(&person.id, Command::Notice(Message { conversation, o, title, body }));
    }
}

fn first_chars(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
