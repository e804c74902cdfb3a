//! What simulated people do: visitors ask, insist, leave and come back late; agents take offers, let them pass, write, close, vanish.

use std::collections::BTreeMap;

use conversa_engine::conversation::{
    Asker, Closer, Command, DeskCommand, Person, QueueReason, Rated, Target,
};
use conversa_engine::desk::{Part, Presence};
use conversa_engine::ids::{ConversationId, QueueId};

use super::World;
use super::client::Offered;
use crate::history::What;

const QUESTIONS: &[&str] = &[
    "怎么退货",
    "我的快递到哪了",
    "where is my parcel",
    "how do I return an item",
    "the parcel is broken and the courier was very rude",
    "qwerty zxcvb",
    "谢谢",
];
const ASKS: &[&str] = &["转人工", "I want to talk to a human"];
const ANSWERS: &[&str] =
    &["hello, let me see", "您好，请稍等", "it is on its way", "I have sent you a new one"];

impl World {
    pub(super) fn visitor_acts(&mut self, client: usize) {
        if self.calm || self.clients[client].actions_left == 0 {
            return;
        }
        let Some(current) = self.clients[client].current else { return self.open(client) };
        self.clients[client].actions_left -= 1;
        let closed = self.clients[client].closed.contains(&current);
        match self.chance.below(100) {
            0..10 if closed => self.open(client),
            10..20 if closed => {
                let rated = Rated { score: 5 - u8::from(self.chance.hits(5_000)), ..Rated::default() };
                let by = self.asker(client, Part::Visitor);
                let command = DeskCommand::Rate(rated);
                self.command(client, current, What::Rate, Command::Desk { by, command });
            }
            0..55 => {
                for _ in 0..=self.chance.below(3) {
                    self.write_one_of(client, current, QUESTIONS);
                }
            }
            55..70 => self.write_one_of(client, current, ASKS),
            70..74 => {
                let command = DeskCommand::LeaveQueue;
                let by = self.asker(client, Part::Visitor);
                self.command(client, current, What::LeaveQueue, Command::Desk { by, command });
            }
            74..80 => {
                let by = self.author_of(client);
                self.command(
                    client,
                    current,
                    What::Human,
                    Command::AskHuman { by, reason: QueueReason::Asked },
                );
            }
            80..92 => {
                let person = Some(self.clients[client].person.clone());
                let close = Command::Close { by: Closer::Visitor, person, reason: "done".into() };
                self.command(client, current, What::Close, close);
                if self.chance.hits(4_000) {
                    // Perhaps the close is quicker than these.
                    self.write_one_of(client, current, QUESTIONS);
                    self.write_one_of(client, current, ASKS);
                }
            }
            92..97 => self.leave_for(client, 4_000),
            _ => self.open(client),
        }
    }

    fn write_one_of(&mut self, client: usize, conversation: ConversationId, words: &[&'static str]) {
        let words = self.chance.pick(words).copied().unwrap_or("hello");
        self.write(client, conversation, words);
    }

    fn leave_for(&mut self, client: usize, ms: i64) {
        self.clients[client].absent_until = self.now.after_ms(self.chance_ms(ms));
        if let Some(talk) = self.clients[client].talk {
            self.close_talk(talk);
        }
    }

    pub(super) fn agent_acts(&mut self, client: usize) {
        let one = &self.clients[client];
        if one.presence != Some(one.wants) {
            let wants = one.wants;
            return self.set_presence(client, wants);
        }
        self.answer_offers(client);
        self.wrap_up(client);
        if self.calm || self.clients[client].actions_left == 0 {
            return;
        }
        let held: Vec<ConversationId> = self.clients[client].held.iter().copied().collect();
        let one_of_them = self.chance.pick(&held).copied();
        let what = self.chance.below(100);
        if let (0..50, Some(conversation)) = (what, one_of_them) {
            self.clients[client].actions_left -= 1;
            return self.write_one_of(client, conversation, ANSWERS);
        }
        match (what, one_of_them) {
            (50..58, Some(conversation)) => {
                self.clients[client].actions_left -= 1;
                let person = Some(self.clients[client].person.clone());
                let close = Command::Close { by: Closer::Agent, person, reason: "solved".into() };
                self.command(client, conversation, What::Close, close);
            }
            (58..62, Some(conversation)) => self.transfer(client, conversation),
            (62..84, _) => self.hand_over(client, one_of_them),
            (84..88, _) => self.clients[client].wants = Presence::Away,
            (88..90, _) => self.clients[client].wants = Presence::Offline,
            (90..94, Some(conversation)) => self.snooze(client, conversation),
            (90..98, _) => self.clients[client].wants = Presence::Online,
            (98.., _) => self.leave_for(client, 40_000),
            _ => {}
        }
    }

    pub(super) fn asker(&self, client: usize, part: Part) -> Asker {
        let id = self.clients[client].person.clone();
        Asker { person: Person { name: id.to_string(), id }, part }
    }

    /// For a while, until the visitor writes, or no longer.
    fn snooze(&mut self, client: usize, conversation: ConversationId) {
        self.clients[client].actions_left -= 1;
        let until = self.now.after_ms(self.chance.between(500, 6_000));
        let (what, command) = match self.chance.below(4) {
            0 => (What::Unsnooze, DeskCommand::Unsnooze),
            1 => (What::Snooze, DeskCommand::Snooze { until: None }),
            _ => (What::Snooze, DeskCommand::Snooze { until: Some(until) }),
        };
        let by = self.asker(client, Part::Agent);
        self.command(client, conversation, what, Command::Desk { by, command });
    }

    /// To a queue, perhaps one that few serve, or back to the bot, which there may not be.
    fn transfer(&mut self, client: usize, conversation: ConversationId) {
        self.clients[client].actions_left -= 1;
        let queues: Vec<QueueId> = self.tenant.queues.iter().map(|queue| queue.id.clone()).collect();
        let queue = self.chance.pick(&queues).cloned().map(Target::Queue);
        let to = if self.chance.hits(3_000) { Target::Bot } else { queue.unwrap_or(Target::Bot) };
        let (summary, slots) = ("so far so good".to_owned(), BTreeMap::new());
        let by = self.asker(client, Part::Agent);
        let command = DeskCommand::Transfer { to, summary, slots };
        self.command(client, conversation, What::Transfer, Command::Desk { by, command });
    }

    /// Offers about which the agent has made up its mind; some it never answers.
    fn answer_offers(&mut self, client: usize) {
        let now = self.now;
        let due: Vec<Offered> =
            self.clients[client].offers.extract_if(.., |offered| offered.at <= now).collect();
        for Offered { conversation, offer, .. } in due {
            let agent = self.clients[client].person.clone();
            let mood = if self.calm { 0 } else { self.chance.below(10) };
            match mood {
                0..6 => self.command(client, conversation, What::Accept, Command::Accept { agent, offer }),
                6..8 => self.command(client, conversation, What::Decline, Command::Decline { agent, offer }),
                _ => {}
            }
        }
    }
}
