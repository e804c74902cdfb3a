//! The bot of one conversation: answers from the company's knowledge, asks what was meant, or hands over to a human.
//! Its answers enter the conversation by the same door as everybody's; once a human holds it, the conversation refuses them.

use conversa_engine::bot::{Hit, Outcome, Reason, judge};
use conversa_engine::content::{Choice, Content};
use conversa_engine::conversation::{self as domain, Author, AuthorKind, QueueReason, Say};
use conversa_engine::ids::{ConversationId, PersonId};
use conversa_engine::refusal::Decision;
use conversa_engine::text::{Language, language};
use serde::{Deserialize, Serialize};

use super::Conversation;
use crate::behaviour::{Behaviour, Context, Outbox};
use crate::tenant::BotSetting;

/// Questions in a row without an answer after which the bot hands over.
const MISSES_MAX: u8 = 2;

/// The actor of one conversation's bot; its key is the conversation's id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bot {
    /// Questions in a row that it had no answer for.
    misses: u8,
    /// The last message it has heard.
    heard: u64,
}

/// A request to a bot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// The visitor has said something while the bot controls the conversation.
    Hear {
        /// The message's offset.
        seq: u64,
        /// Its plain words.
        text: String,
    },
}

/// What a bot has done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// It answered, or asked what was meant.
    Replied {
        /// The message.
        seq: u64,
        /// The knowledge entries that it drew on.
        entries: Vec<String>,
        /// Its reply.
        content: Content,
    },
    /// It did not understand and said so.
    NotUnderstood {
        /// The message.
        seq: u64,
        /// Its reply.
        content: Content,
    },
    /// It hands over to a human.
    HandedOver {
        /// The message.
        seq: u64,
        /// Why.
        reason: QueueReason,
        /// Its parting words.
        content: Content,
    },
}

impl Behaviour for Bot {
    const KIND: &'static str = "bot";
    type Command = Command;
    type Event = Event;

    fn decide(&self, cx: &Context<'_>, command: Command) -> Decision<Event> {
        let Command::Hear { seq, text } = command;
        let Some(setting) = &cx.tenant.bot else { return Ok(Vec::new()) };
        if seq <= self.heard {
            return Ok(Vec::new());
        }
        Ok(vec![self.reply(setting, seq, &text)])
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Replied { seq, .. } | Event::HandedOver { seq, .. } => {
                (self.heard, self.misses) = (*seq, 0)
            }
            Event::NotUnderstood { seq, .. } => (self.heard, self.misses) = (*seq, self.misses + 1),
        }
    }

    fn react(&self, cx: &Context<'_>, event: &Event, out: &mut Outbox) {
        let (Some(setting), Ok(conversation)) = (&cx.tenant.bot, cx.key().parse::<ConversationId>()) else {
            return;
        };
        let author = Author {
            kind: AuthorKind::Bot,
            id: PersonId::new(setting.id.shared()),
            name: setting.name.clone(),
        };
        match event {
            Event::Replied { content, .. } | Event::NotUnderstood { content, .. } => {
                say(conversation, author, content, out);
            }
            Event::HandedOver { reason, content, .. } => {
                say(conversation, author.clone(), content, out);
                out.tell::<Conversation>(
                    &conversation,
                    domain::Command::AskHuman { by: author, reason: *reason },
                );
            }
        }
    }
}

fn say(conversation: ConversationId, author: Author, content: &Content, out: &mut Outbox) {
    let say = Say::new(author, content.clone());
    out.tell::<Conversation>(&conversation, domain::Command::Say(say));
}

impl Bot {
    fn reply(&self, setting: &BotSetting, seq: u64, text: &str) -> Event {
        let in_chinese = language(text) == Language::Chinese;
        let words = |zh: &str, en: &str| Content::text(if in_chinese { zh } else { en });
        match judge(&setting.index, text, &setting.thresholds) {
            Outcome::Answer { entry, .. } => Event::Replied {
                seq,
                entries: vec![entry.id.clone()],
                content: Content::text(entry.answer.clone()),
            },
            Outcome::Clarify { entries } => clarify(seq, &entries, in_chinese),
            Outcome::SmallTalk { reply, .. } => {
                Event::Replied { seq, entries: Vec::new(), content: Content::text(reply) }
            }
            Outcome::HandOver { reason: Reason::AskedForHuman } => {
                let content = words(
                    "好的，正在为您转接人工客服，请稍候。",
                    "Of course. I am passing you to a colleague, one moment please.",
                );
                Event::HandedOver { seq, reason: QueueReason::Asked, content }
            }
            Outcome::HandOver { .. } if self.misses + 1 >= MISSES_MAX => {
                let content = words(
                    "这个问题我还答不上来，正在为您转接人工客服。",
                    "I cannot answer this one; I am passing you to a colleague.",
                );
                Event::HandedOver { seq, reason: QueueReason::NoAnswer, content }
            }
            Outcome::HandOver { .. } => {
                let content = words(
                    "抱歉，我没有完全明白。您可以换个说法，或者回复“转人工”。",
                    "Sorry, I did not quite get that. Please put it another way, or say “agent” to talk to a person.",
                );
                Event::NotUnderstood { seq, content }
            }
        }
    }
}

fn clarify(seq: u64, hits: &[Hit<'_>], in_chinese: bool) -> Event {
    let text = if in_chinese { "您是想问：" } else { "Did you mean:" };
    let entries: Vec<_> = hits.iter().map(|hit| hit.entry).collect();
    let options: Vec<Choice> =
        entries.iter().map(|entry| Choice::new(&entry.id, &entry.question).says(&entry.question)).collect();
    let listed: Vec<&str> = options.iter().map(|option| option.label.as_str()).collect();
    let alt = format!("{text} {}", listed.join(" / "));
    let content = Content::Choices { alt, text: text.to_owned(), options, multi: false, block_input: false };
    Event::Replied { seq, entries: entries.iter().map(|entry| entry.id.clone()).collect(), content }
}
