//! What a list of conversations shows of each: who, where, since when, in which phase.

use std::collections::{BTreeMap, BTreeSet};

use conversa_engine::conversation::{Asked, DeskEvent, Event, Person, Survey, SurveyEvent};
use conversa_engine::ids::{ConversationId, QueueId};
use conversa_engine::time::Time;
use serde::{Deserialize, Serialize};

use super::ratings::{Rating, Ratings};
use crate::tenant::Tenant;
use crate::watcher::Watcher;

/// Reads what changes a conversation's place; messages do not.
#[derive(Debug)]
pub struct Summary;

/// One conversation in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub struct Line {
    pub phase: Option<String>,
    pub channel: String,
    pub language: String,
    pub visitor: Option<Person>,
    pub agent: Option<Person>,
    pub queue: Option<QueueId>,
    pub opened: Time,
    pub closed: Option<Time>,
    #[serde(default)]
    pub rating: Option<Rating>,
}

/// The conversations of a slot, by time of opening.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryTotals {
    /// All conversations.
    pub opened: BTreeSet<(Time, ConversationId)>,
    /// What visitors thought, by survey.
    #[serde(default)]
    pub ratings: BTreeMap<Survey, Ratings>,
}

impl Watcher for Summary {
    const NAME: &'static str = "summary";
    type Contribution = Line;
    type Totals = SummaryTotals;

    fn interest(event: &Event) -> bool {
        match event {
            Event::Said(_)
            | Event::Forwarded(_)
            | Event::PlaceChecked { .. }
            | Event::OfferRejected { .. }
            | Event::OfferVoided { .. }
            | Event::Edited { .. }
            | Event::Recalled { .. }
            | Event::Reacted { .. }
            | Event::Marked { .. }
            | Event::Failed { .. } => false,
            Event::Desk(event) => {
                matches!(event, DeskEvent::BotTook { .. } | DeskEvent::Survey(SurveyEvent::Received { .. }))
            }
            Event::Opened(_)
            | Event::Queued { .. }
            | Event::Offered { .. }
            | Event::OfferEnded { .. }
            | Event::Assigned { .. }
            | Event::Closed { .. }
            | Event::Reopened { .. } => true,
        }
    }

    fn hear(line: &mut Line, _tenant: &Tenant, _seq: u64, event: &Event) {
        let phase = match event {
            Event::Opened(opening) => {
                line.channel.clone_from(&opening.channel);
                line.language.clone_from(&opening.language);
                line.visitor = Some(opening.visitor.clone());
                line.opened = opening.at;
                "bot"
            }
            Event::Queued { wait, .. } => {
                (line.queue, line.agent) = (Some(wait.queue.clone()), None);
                "queued"
            }
            Event::Offered { .. } => "offered",
            Event::OfferEnded { .. } => "queued",
            Event::Assigned { agent, .. } => {
                line.agent = Some(agent.clone());
                "assigned"
            }
            Event::Closed { at, .. } => {
                line.closed = Some(*at);
                "closed"
            }
            Event::Desk(DeskEvent::BotTook { .. }) => {
                line.agent = None;
                "bot"
            }
            Event::Desk(DeskEvent::Survey(SurveyEvent::Received { asked, rated, .. })) => {
                let Asked { survey, queue, agent, .. } = asked.clone();
                line.rating = Some(Rating { survey, queue, agent, score: rated.score });
                return;
            }
            Event::Reopened { .. } => {
                line.closed = None;
                "bot"
            }
            Event::Said(_)
            | Event::Forwarded(_)
            | Event::PlaceChecked { .. }
            | Event::OfferRejected { .. }
            | Event::OfferVoided { .. }
            | Event::Edited { .. }
            | Event::Recalled { .. }
            | Event::Reacted { .. }
            | Event::Marked { .. }
            | Event::Failed { .. }
            | Event::Desk(
                DeskEvent::Transferred { .. }
                | DeskEvent::Watched { .. }
                | DeskEvent::BargedIn { .. }
                | DeskEvent::Handover(_)
                | DeskEvent::Wrap(_)
                | DeskEvent::Sla(_)
                | DeskEvent::Idle(_)
                | DeskEvent::Snooze(_)
                | DeskEvent::Survey(SurveyEvent::Asked(_)),
            ) => return,
        };
        line.phase = Some(phase.to_owned());
    }

    fn add(totals: &mut SummaryTotals, conversation: ConversationId, line: &Line) {
        totals.opened.insert((line.opened, conversation));
        if let Some(rating) = &line.rating {
            totals.ratings.entry(rating.survey).or_default().count(rating, 1);
        }
    }

    fn remove(totals: &mut SummaryTotals, conversation: ConversationId, line: &Line) {
        totals.opened.remove(&(line.opened, conversation));
        if let Some(rating) = &line.rating {
            let ratings = totals.ratings.entry(rating.survey).or_default();
            ratings.count(rating, -1);
            if ratings.all.answers == 0 {
                totals.ratings.remove(&rating.survey);
            }
        }
    }
}
