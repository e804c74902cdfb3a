//! Customer voice: hears what visitors say, while they say it.

use conversa_engine::conversation::{AuthorKind, Event, Visibility};
use conversa_engine::ids::ConversationId;
use conversa_engine::voice::{Contribution, Totals};

use crate::tenant::Tenant;
use crate::watcher::Watcher;

/// Reads visitors' messages for keywords and sentiment.
#[derive(Debug)]
pub struct Voice;

impl Watcher for Voice {
    const NAME: &'static str = "voice";
    type Contribution = Contribution;
    type Totals = Totals;

    fn interest(event: &Event) -> bool {
        matches!(event, Event::Said(said) if said.author.kind == AuthorKind::Visitor && said.visibility == Visibility::Public)
    }

    fn hear(contribution: &mut Contribution, _tenant: &Tenant, seq: u64, event: &Event) {
        if let Event::Said(said) = event {
            contribution.hear(seq, said.at.ms(), said.content.plain(), Some(&said.understanding));
        }
    }

    fn add(totals: &mut Totals, _conversation: ConversationId, contribution: &Contribution) {
        totals.add(contribution);
    }

    fn remove(totals: &mut Totals, _conversation: ConversationId, contribution: &Contribution) {
        totals.remove(contribution);
    }
}
