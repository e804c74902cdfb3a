//! Quality inspection: hears every conversation, scores it when it closes.

use std::collections::BTreeSet;

use conversa_engine::content::Content;
use conversa_engine::conversation::{AuthorKind, Event, Said, Visibility};
use conversa_engine::ids::{ConversationId, PersonId};
use conversa_engine::quality::{self, Item, Medium, Moment, Role, ScoreCard, Totals, What};
use conversa_engine::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::tenant::Tenant;
use crate::watcher::Watcher;

/// Reads what visitors can read, and where the conversation goes.
#[derive(Debug)]
pub struct Quality;

/// What one conversation contributes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspected {
    inspected: quality::Contribution,
    /// The last human who held it.
    agent: Option<PersonId>,
    closed: Option<Time>,
}

/// What the conversations of a slot come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QualityTotals {
    /// The sums.
    pub scores: Totals,
    /// Scored conversations, the fewest points first.
    pub by_points: BTreeSet<(u32, ConversationId)>,
    /// Scored conversations by time of closing.
    pub by_close: BTreeSet<(Time, ConversationId)>,
}

impl Watcher for Quality {
    const NAME: &'static str = "quality";
    type Contribution = Inspected;
    type Totals = QualityTotals;

    fn interest(event: &Event) -> bool {
        what(event).is_some()
    }

    fn hear(contribution: &mut Inspected, tenant: &Tenant, seq: u64, event: &Event) {
        let Some(what) = what(event) else { return };
        match event {
            Event::Assigned { agent, .. } => contribution.agent = Some(agent.id.clone()),
            Event::Closed { at, .. } => contribution.closed = Some(*at),
            Event::Reopened { .. } => contribution.closed = None,
            Event::Opened(_)
            | Event::Said(_)
            | Event::Queued { .. }
            | Event::Offered { .. }
            | Event::OfferEnded { .. }
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
        contribution.inspected.hear(&tenant.score_card, &Moment { seq, ts: event.at().ms(), what });
    }

    fn add(totals: &mut QualityTotals, conversation: ConversationId, contribution: &Inspected) {
        totals.scores.add(&contribution.inspected);
        if let Some(points) = contribution.points() {
            totals.by_points.insert((points, conversation));
            totals.by_close.insert((contribution.closed.unwrap_or_default(), conversation));
        }
    }

    fn remove(totals: &mut QualityTotals, conversation: ConversationId, contribution: &Inspected) {
        totals.scores.remove(&contribution.inspected);
        if let Some(points) = contribution.points() {
            totals.by_points.remove(&(points, conversation));
            totals.by_close.remove(&(contribution.closed.unwrap_or_default(), conversation));
        }
    }
}

impl Inspected {
    /// Points of a conversation that was scored.
    fn points(&self) -> Option<u32> {
        self.inspected.score.as_ref().filter(|score| score.is_scored()).map(|score| score.points)
    }

    /// The score as boards show it, provisional while the conversation goes on.
    #[must_use]
    pub fn view(&self, conversation: ConversationId, card: &ScoreCard) -> Value {
        let score = self.inspected.score_so_far(card);
        let items: Vec<Value> = score.items.iter().map(item).collect();
        json!({
            "cv": conversation, "score": score.points, "fatal": score.fatal, "closed_ts": self.closed, "agent": self.agent,
            "items": items, "sections": score.sections, "features": score.features,
        })
    }
}

/// A verdict as boards show it: its evidence names messages by their offset.
fn item(item: &Item) -> Value {
    let evidence: Vec<Value> = item
        .evidence
        .iter()
        .map(|evidence| json!({ "o": evidence.seq, "ts": evidence.ts, "text": evidence.text }))
        .collect();
    json!({
        "rule": item.rule, "title": item.title, "section": item.section, "points": item.points, "max": item.max,
        "verdict": item.verdict, "evidence": evidence,
    })
}

/// The event as quality hears it; `None` for what is not for it, such as internal notes.
fn what(event: &Event) -> Option<What<'_>> {
    match event {
        Event::Opened(opening) => Some(What::Opened { channel: &opening.channel }),
        // What the system says by itself is nobody's service.
        Event::Said(said)
            if said.visibility == Visibility::Public && said.author.kind != AuthorKind::System =>
        {
            Some(said_to_quality(said))
        }
        Event::Queued { .. } => Some(What::Queued),
        Event::Assigned { .. } => Some(What::Assigned),
        Event::Closed { .. } => Some(What::Closed),
        Event::Reopened { .. } => Some(What::Reopened),
        Event::Said(_)
        | Event::Offered { .. }
        | Event::OfferEnded { .. }
        | Event::OfferRejected { .. }
        | Event::OfferVoided { .. }
        | Event::Desk(_)
        | Event::PlaceChecked { .. }
        | Event::Edited { .. }
        | Event::Recalled { .. }
        | Event::Reacted { .. }
        | Event::Marked { .. }
        | Event::Failed { .. }
        | Event::Forwarded(_) => None,
    }
}

fn said_to_quality(said: &Said) -> What<'_> {
    let role = match said.author.kind {
        AuthorKind::Visitor => Role::Visitor,
        AuthorKind::Agent => Role::Agent,
        AuthorKind::Bot => Role::Bot,
        AuthorKind::System => Role::System,
    };
    let medium = if matches!(said.content, Content::Text { .. }) { Medium::Text } else { Medium::Other };
    What::Said { role, text: said.content.plain(), medium, understanding: Some(&said.understanding) }
}
