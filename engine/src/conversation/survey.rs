//! The survey after the end: how satisfied the visitor is, or whether it would recommend the company. One answer, which may be changed for a day.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::{Conversation, DeskEvent, Event, Phase};
use crate::content::{Choice, Content};
use crate::ids::{PersonId, QueueId};
use crate::refusal::{Code, Decision, Refusal};
use crate::time::Time;

/// A survey may be answered for this time after the end, milliseconds.
pub const SURVEY_MS: i64 = 7 * 86_400_000;
/// An answer may be changed for this time, milliseconds.
pub const ANSWER_MS: i64 = 86_400_000;
/// Reasons of one answer.
pub const RATE_REASONS_MAX: usize = 8;
/// Longest reason, characters.
const REASON_CHARS_MAX: usize = 64;
/// Longest comment, characters.
pub const COMMENT_CHARS_MAX: usize = 1_000;

/// What is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Survey {
    /// How satisfied: one to five stars.
    #[default]
    Csat,
    /// How likely a recommendation is: 0 to 10.
    Nps,
}

impl Survey {
    /// The question, with all answers to choose from.
    #[must_use]
    pub fn question(self) -> Content {
        match self {
            Self::Csat => {
                let options = (1..=5).rev().map(|n| Choice::new(n.to_string(), "★".repeat(n))).collect();
                Content::choices("您对这次服务满意吗？ How did we do?", options)
            }
            Self::Nps => {
                let options = (0..=10).rev().map(|n| Choice::new(n.to_string(), n.to_string())).collect();
                let text =
                    "您有多大可能把我们推荐给朋友？（0-10） How likely are you to recommend us? (0-10)";
                Content::choices(text, options)
            }
        }
    }

    fn takes(self, score: u8) -> bool {
        match self {
            Self::Csat => (1..=5).contains(&score),
            Self::Nps => score <= 10,
        }
    }

    /// The answer that a message is, when it is nothing but one: stars, or a bare number.
    fn read(self, content: &Content) -> Option<u8> {
        let text = content.plain().trim();
        let stars = text.chars().all(|c| c == '★').then(|| text.chars().count());
        let score = match self {
            Self::Csat => stars.and_then(|stars| u8::try_from(stars).ok()),
            Self::Nps => text.parse().ok().filter(|score: &u8| score.to_string() == text),
        };
        score.filter(|score| self.takes(*score))
    }
}

/// A survey that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// What.
    pub survey: Survey,
    /// The queue whose service it is about.
    pub queue: QueueId,
    /// The agent whose service it is about, if a human had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<PersonId>,
    /// When.
    pub at: Time,
}

/// What the visitor thinks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rated {
    /// Stars, or how likely a recommendation is.
    pub score: u8,
    /// Why, in words of the company.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Why, in the visitor's own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// What has happened to a survey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub enum SurveyEvent {
    /// The visitor is asked.
    Asked(Asked),
    /// The visitor has answered, or changed the answer.
    Received { asked: Asked, rated: Rated, at: Time },
}

impl SurveyEvent {
    /// When it happened.
    #[must_use]
    pub fn at(&self) -> Time {
        match self {
            Self::Asked(asked) => asked.at,
            Self::Received { at, .. } => *at,
        }
    }
}

/// A survey and its answer, with when that was first given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Surveyed {
    asked: Asked,
    answer: Option<(Rated, Time)>,
}

impl Conversation {
    /// What was asked, and the answer.
    #[must_use]
    pub fn survey(&self) -> Option<(&Asked, Option<&Rated>)> {
        let surveyed = self.survey.as_deref()?;
        Some((&surveyed.asked, surveyed.answer.as_ref().map(|(rated, _)| rated)))
    }

    /// The queue whose service is judged when the conversation ends now.
    #[must_use]
    pub fn served_by(&self) -> Option<&QueueId> {
        match &self.phase {
            Phase::Queued(wait) | Phase::Offered(wait, _) => Some(&wait.queue),
            Phase::Assigned { queue, .. } => Some(queue),
            Phase::Unopened | Phase::Bot | Phase::Closed { .. } => {
                self.opening.as_ref().map(|one| &one.queue)
            }
        }
    }

    /// When `events` end the conversation, says before that what its visitor is asked. Who has answered is not asked again.
    pub fn ask_survey(&self, now: Time, survey: Option<Survey>, events: &mut Vec<Event>) {
        let answered = self.survey.as_ref().is_some_and(|surveyed| surveyed.answer.is_some());
        let Some(end) = events.iter().position(|event| matches!(event, Event::Closed { .. })) else { return };
        let (Some(survey), Some(queue), false) = (survey, self.served_by(), answered) else { return };
        let parted = self.parted().map(|(agent, _)| agent);
        let agent = self.agent().map(|agent| &agent.id).or(parted).cloned();
        let asked = SurveyEvent::Asked(Asked { survey, queue: queue.clone(), agent, at: now });
        events.insert(end, Event::Desk(DeskEvent::Survey(asked)));
    }

    pub(super) fn rate(&self, now: Time, rated: Rated) -> Decision<Event> {
        let Some(Surveyed { asked, answer }) = self.survey.as_deref() else {
            return Err(Refusal::new(Code::Gone, "nothing is asked about this conversation"));
        };
        if !asked.survey.takes(rated.score) {
            let range = if asked.survey == Survey::Csat { "1 to 5" } else { "0 to 10" };
            return Err(Refusal::new(Code::BadRequest, format!("a score is {range} here")).field("score"));
        }
        let long = |reason: &String| !(1..=REASON_CHARS_MAX).contains(&reason.chars().count());
        if rated.reasons.len() > RATE_REASONS_MAX || rated.reasons.iter().any(long) {
            let detail = format!("at most {RATE_REASONS_MAX} reasons of 1 to {REASON_CHARS_MAX} characters");
            return Err(Refusal::new(Code::BadRequest, detail).field("reasons"));
        }
        if rated.comment.chars().count() > COMMENT_CHARS_MAX {
            let detail = format!("a comment has at most {COMMENT_CHARS_MAX} characters");
            return Err(Refusal::new(Code::BadRequest, detail).field("comment"));
        }
        match answer {
            Some((known, _)) if *known == rated => return Err(Refusal::duplicate(None)),
            Some((_, first)) if now.ms_since(*first) > ANSWER_MS => {
                return Err(Refusal::new(Code::Gone, "an answer can be changed for 24 hours: it stands"));
            }
            None if now.ms_since(asked.at) > SURVEY_MS => {
                return Err(Refusal::new(Code::Gone, "the survey was open for seven days"));
            }
            Some(_) | None => {}
        }
        Ok(vec![received(asked, rated, now)])
    }

    /// True for what is nothing but an answer, whether or not it still counts.
    pub(super) fn answers(&self, content: &Content) -> bool {
        self.survey.as_ref().is_some_and(|surveyed| surveyed.asked.survey.read(content).is_some())
    }

    /// The answer that a message to the closed conversation is, where it is one and may be.
    pub(super) fn rating_in(&self, now: Time, content: &Content) -> Option<Event> {
        let score = self.survey.as_ref()?.asked.survey.read(content)?;
        self.rate(now, Rated { score, ..Rated::default() }).ok()?.pop()
    }

    pub(super) fn take_in_survey(&mut self, event: &SurveyEvent) {
        match event {
            SurveyEvent::Asked(asked) => {
                self.survey = Some(Box::new(Surveyed { asked: asked.clone(), answer: None }));
            }
            SurveyEvent::Received { rated, at, .. } => {
                if let Some(surveyed) = &mut self.survey {
                    let first = surveyed.answer.as_ref().map_or(*at, |(_, first)| *first);
                    surveyed.answer = Some((rated.clone(), first));
                }
            }
        }
    }
}

fn received(asked: &Asked, rated: Rated, at: Time) -> Event {
    Event::Desk(DeskEvent::Survey(SurveyEvent::Received { asked: asked.clone(), rated, at }))
}
