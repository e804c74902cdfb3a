//! Surveys as scripts: who is asked about whom, which answers count, how long they may be changed.

use super::{ANSWER_MS, Rated, SURVEY_MS, Survey, SurveyEvent};
use crate::content::Content;
use crate::conversation::{
    Asker, Author, AuthorKind, Closer, Command, Conversation, DeskCommand, DeskEvent, Event, Offer, Opening,
    Person, Say,
};
use crate::desk::Part;
use crate::ids::{OfferId, PersonId, QueueId};
use crate::refusal::{Code, Refusal};
use crate::time::Time;

fn person(id: &str) -> Person {
    Person { id: PersonId::new(id), name: id.to_owned() }
}

struct Script(Conversation, Option<Survey>);

impl Script {
    /// `ag` had it and ended it at 10 ms.
    fn closed(survey: Option<Survey>) -> Self {
        let mut script = Self(Conversation::default(), survey);
        let (queue, id) = (QueueId::new("q"), OfferId::new("of"));
        let opening = Opening {
            visitor: person("vi"),
            channel: "web".into(),
            language: "en".into(),
            queue: queue.clone(),
            bot: None,
            at: Time::from_ms(1),
        };
        let offer = Offer { id: id.clone(), agent: person("ag"), expires: Time::from_ms(900), auto: false };
        let agent = PersonId::new("ag");
        script.run(1, Command::Open(opening)).expect("it opens");
        script.run(2, Command::Offer { queue, offer }).expect("it waits");
        script.run(3, Command::Accept { agent: agent.clone(), offer: id }).expect("it stands");
        let close = Command::Close { by: Closer::Agent, person: Some(agent), reason: String::new() };
        let events = script.run(10, close).expect("it is held");
        assert!(matches!(events.last(), Some(Event::Closed { .. })));
        script
    }

    fn run(&mut self, ms: i64, command: Command) -> Result<Vec<Event>, Refusal> {
        let now = Time::from_ms(ms);
        let mut events = self.0.decide(now, command)?;
        self.0.ask_survey(now, self.1, &mut events);
        events.iter().for_each(|event| self.0.apply(event));
        Ok(events)
    }

    fn rate(&mut self, ms: i64, score: u8) -> Result<u8, Code> {
        let rated = Rated { score, ..Rated::default() };
        let by = Asker { person: person("vi"), part: Part::Visitor };
        let command = DeskCommand::Rate(rated);
        self.run(ms, Command::Desk { by, command })
            .map(|events| scored(&events).expect("an answer"))
            .map_err(|refusal| refusal.code)
    }

    fn says(&mut self, ms: i64, text: &str) -> Vec<Event> {
        let say = Say::new(Author::person(AuthorKind::Visitor, &person("vi")), Content::text(text));
        self.run(ms, Command::Say(say)).expect("a visitor may")
    }
}

fn scored(events: &[Event]) -> Option<u8> {
    events.iter().find_map(|event| match event {
        Event::Desk(DeskEvent::Survey(SurveyEvent::Received { rated, .. })) => Some(rated.score),
        _ => None,
    })
}

#[test]
fn one_answer_that_may_be_changed_for_a_day() {
    let mut script = Script::closed(Some(Survey::Csat));
    let (asked, answer) = script.0.survey().expect("it is asked");
    assert_eq!((asked.queue.as_str(), asked.agent.as_ref().map(PersonId::as_str)), ("q", Some("ag")));
    assert_eq!(answer, None);
    assert_eq!(script.rate(20, 0), Err(Code::BadRequest));
    assert_eq!(script.rate(20, 6), Err(Code::BadRequest));
    assert_eq!(script.rate(20, 2), Ok(2));
    assert_eq!(script.rate(21, 2), Err(Code::Duplicate));
    assert_eq!(script.rate(20 + ANSWER_MS, 4), Ok(4));
    assert_eq!(script.rate(21 + ANSWER_MS, 5), Err(Code::Gone), "a day since the first answer");
    assert_eq!(script.0.survey().and_then(|(_, rated)| rated).map(|rated| rated.score), Some(4));
}

#[test]
fn a_late_answer_is_none_and_without_a_question_there_is_none() {
    assert_eq!(Script::closed(Some(Survey::Nps)).rate(10 + SURVEY_MS, 0), Ok(0));
    assert_eq!(Script::closed(Some(Survey::Nps)).rate(11 + SURVEY_MS, 0), Err(Code::Gone));
    assert_eq!(Script::closed(Some(Survey::Nps)).rate(20, 11), Err(Code::BadRequest));
    assert_eq!(Script::closed(None).rate(20, 5), Err(Code::Gone));
}

#[test]
fn long_reasons_and_comments_are_refused() {
    let mut script = Script::closed(Some(Survey::Csat));
    let mut ask = |rated: Rated| {
        let by = Asker { person: person("vi"), part: Part::Visitor };
        script.run(20, Command::Desk { by, command: DeskCommand::Rate(rated) })
    };
    let rated = Rated { score: 5, ..Rated::default() };
    let comment = Rated { comment: "x".repeat(1_001), ..rated.clone() };
    assert_eq!(ask(comment).expect_err("too long").field.as_deref(), Some("comment"));
    let reasons = Rated { reasons: vec!["x".into(); 9], ..rated.clone() };
    assert_eq!(ask(reasons).expect_err("too many").field.as_deref(), Some("reasons"));
    ask(Rated { reasons: vec!["quick".into()], comment: "thanks".into(), ..rated }).expect("it is right");
}

#[test]
fn stars_and_bare_numbers_are_answers_where_they_are_asked_for() {
    let mut script = Script::closed(Some(Survey::Csat));
    let events = script.says(20, "★★★★");
    assert!(matches!(events.first(), Some(Event::Said(_))), "it opens nothing");
    assert_eq!(scored(&events), Some(4));
    assert!(matches!(script.says(21, "4")[..], [Event::Forwarded(_)]), "no stars");
    let mut script = Script::closed(Some(Survey::Nps));
    assert_eq!(scored(&script.says(20, "10")), Some(10));
    assert!(matches!(script.says(20, "10")[..], [Event::Said(_)]), "said again it opens nothing either");
    assert!(matches!(script.says(21, "11")[..], [Event::Forwarded(_)]));
    let mut script = Script::closed(None);
    assert!(matches!(script.says(20, "9")[..], [Event::Forwarded(_)]));
}
