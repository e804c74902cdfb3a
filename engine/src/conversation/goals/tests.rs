//! The clock as scripts: goals, silence and snooze. A line is a command at a second, and what came of it beside what was asked for.

use std::sync::Arc;

use crate::content::Content;
use crate::conversation::{
    Asker, Author, AuthorKind, Command, Conversation, DeskCommand, DeskEvent, Event, Goal, IdleEvent, Offer,
    Opening, Person, Phase, QueueReason, Say, Side, SlaEvent, SnoozeEnd, SnoozeEvent, Visibility,
};
use crate::desk::{Calendar, IdlePolicy, Part, SlaPolicy, TimePolicy};
use crate::ids::{BotId, OfferId, PersonId, QueueId};
use crate::refusal::{Code, Refusal};
use crate::time::Time;

fn person(id: &str) -> Person {
    Person { id: PersonId::new(id), name: id.to_owned() }
}

struct Script {
    conversation: Conversation,
    policy: TimePolicy,
}

impl Script {
    /// The bot has it; ten seconds to the first answer, five to the next, a minute to the end.
    fn new() -> Self {
        let ms = |seconds: i64| Some(seconds * 1_000);
        let sla = SlaPolicy {
            first_response_ms: ms(10),
            next_response_ms: ms(5),
            resolution_ms: ms(60),
            ..SlaPolicy::default()
        };
        Self::under(TimePolicy { sla, ..TimePolicy::default() })
    }

    fn under(policy: TimePolicy) -> Self {
        let mut script = Self { conversation: Conversation::default(), policy };
        let opening = Opening {
            visitor: person("vi"),
            channel: "web".into(),
            language: "en".into(),
            queue: QueueId::new("q"),
            bot: Some(BotId::new("bot")),
            at: Time::from_ms(0),
        };
        script.ask(0, Command::Open(opening)).expect("it opens");
        script
    }

    /// An agent has it since second 1.
    fn held(mut self) -> Self {
        self.human(0);
        let (queue, id) = (QueueId::new("q"), OfferId::new("of"));
        let offer =
            Offer { id: id.clone(), agent: person("ag"), expires: Time::from_ms(20_000), auto: false };
        self.ask(1, Command::Offer { queue, offer }).expect("it waits");
        self.ask(1, Command::Accept { agent: PersonId::new("ag"), offer: id }).expect("it stands");
        self
    }

    fn ask(&mut self, second: i64, command: Command) -> Result<Vec<Event>, Refusal> {
        let now = Time::from_ms(second * 1_000);
        let mut events = self.conversation.decide(now, command)?;
        self.conversation.keep_goals(now, |_| Some(&self.policy), &mut events);
        self.conversation.keep_idle(now, &self.policy.idle, &mut events);
        events.iter().for_each(|event| self.conversation.apply(event));
        Ok(events)
    }

    fn human(&mut self, second: i64) -> Vec<Event> {
        let by = Author::person(AuthorKind::Visitor, &person("vi"));
        self.ask(second, Command::AskHuman { by, reason: QueueReason::Asked }).expect("the bot has it")
    }

    fn say(&mut self, second: i64, who: &str) -> Vec<Event> {
        let kind = if who == "vi" { AuthorKind::Visitor } else { AuthorKind::Agent };
        let say = Say::new(Author::person(kind, &person(who)), Content::text("words"));
        self.ask(second, Command::Say(say)).expect("it may speak")
    }

    fn note(&mut self, second: i64) {
        let say = Say::new(Author::person(AuthorKind::Agent, &person("ag")), Content::text("note"));
        let say = Say { visibility: Visibility::Internal, ..say };
        self.ask(second, Command::Say(say)).expect("it holds it");
    }

    fn desk(&mut self, second: i64, command: DeskCommand) -> Result<Vec<Event>, Refusal> {
        let by = Asker { person: person("ag"), part: Part::Agent };
        self.ask(second, Command::Desk { by, command })
    }

    /// Seconds at which the open goals are due.
    fn due(&self) -> Vec<(Goal, i64)> {
        let clocks = self.conversation.clocks().iter();
        clocks.map(|clock| (clock.goal, clock.due.ms() / 1_000)).collect()
    }

    /// Lets every timer ring that is due by then, and says when each did what.
    fn until(&mut self, second: i64) -> Vec<String> {
        let mut told = Vec::new();
        while let Some((at, command)) = self.conversation.due().filter(|(at, _)| at.ms() <= second * 1_000) {
            let events = self.ask(at.ms() / 1_000, command).expect("timers are not refused");
            assert!(!events.is_empty(), "it would ring for ever");
            told.extend(events.iter().map(|event| format!("{} {}", at.ms() / 1_000, word(event))));
        }
        told
    }
}

fn word(event: &Event) -> String {
    match event {
        Event::Desk(DeskEvent::Sla(SlaEvent::Warned { goal, .. })) => format!("warned: {}", goal.as_str()),
        Event::Desk(DeskEvent::Sla(SlaEvent::Breached { goal, .. })) => format!("missed: {}", goal.as_str()),
        Event::Desk(DeskEvent::Sla(SlaEvent::Set { .. })) => "clocks set".into(),
        Event::Desk(DeskEvent::Idle(IdleEvent::Warned { side, .. })) => format!("{side:?} reminded"),
        Event::Desk(DeskEvent::Idle(IdleEvent::TakenBack { agent, .. })) => format!("taken from {agent}"),
        Event::Desk(DeskEvent::Snooze(SnoozeEvent::Ended { why, .. })) => format!("awake: {why:?}"),
        Event::Said(said) => format!("{:?}: {}", said.visibility, said.content.plain()),
        Event::Queued { reason, .. } => format!("queued: {}", reason.as_str()),
        Event::Closed { reason, .. } => format!("closed: {reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_answer_is_a_humans_and_the_wait_is_due_when_it_is() {
    let mut script = Script::new();
    script.say(0, "vi");
    assert_eq!(script.due(), [], "the bot has it");
    let events = script.human(2);
    assert!(matches!(events.last(), Some(Event::Queued { .. })), "whoever asked is told where that stands");
    let Phase::Queued(wait) = script.conversation.phase() else { panic!("it waits") };
    assert_eq!(wait.due, Some(Time::from_ms(12_000)));
    assert_eq!(script.due(), [(Goal::FirstResponse, 12), (Goal::Resolution, 62)]);
    script.say(3, "vi");
    assert_eq!(script.until(13), ["10 warned: first_response", "12 missed: first_response"]);
    assert_eq!(script.until(40), [""; 0], "each is told once");
}

#[test]
fn an_answer_in_time_is_no_note_and_the_next_goal_begins_with_the_visitor() {
    let mut script = Script::new().held();
    script.note(3);
    assert_eq!(script.until(8), ["8 warned: first_response"], "a note is no answer");
    script.say(9, "ag");
    assert_eq!(script.due(), [(Goal::Resolution, 60)]);
    let events = script.say(20, "vi");
    assert!(matches!(events.first(), Some(Event::Said(_))), "the message is where the sender is told");
    script.say(22, "vi");
    assert_eq!(script.due(), [(Goal::Resolution, 60), (Goal::NextResponse, 25)]);
    assert_eq!(script.until(30), ["24 warned: next_response", "25 missed: next_response"]);
    script.say(31, "ag");
    assert_eq!(script.until(70), ["48 warned: resolution", "60 missed: resolution"]);
}

#[test]
fn clocks_stand_still_while_it_is_snoozed() {
    let mut script = Script::new().held();
    script.desk(4, DeskCommand::Snooze { until: Some(Time::from_ms(30_000)) }).expect("it holds it");
    assert_eq!(script.until(29), [""; 0]);
    assert_eq!(script.until(30), ["30 clocks set", "30 awake: Due"]);
    assert_eq!(script.due(), [(Goal::FirstResponse, 36), (Goal::Resolution, 86)]);
    assert_eq!(script.until(36), ["34 warned: first_response", "36 missed: first_response"]);
}

#[test]
fn goals_go_by_the_hours_of_the_queue() {
    let week = [("thu".to_owned(), vec!["00:00-00:01".to_owned(), "02:00-03:00".to_owned()])];
    let calendar = Calendar { zone: "UTC".into(), week: week.into(), ..Calendar::default() };
    let sla = SlaPolicy { first_response_ms: Some(90_000), ..SlaPolicy::default() };
    let hours = Some(Arc::new(calendar.hours().expect("a good calendar")));
    let mut script = Script::under(TimePolicy { hours, sla, ..TimePolicy::default() });
    // The epoch was a Thursday: 20 s are left of its first minute.
    script.human(40);
    assert_eq!(script.due(), [(Goal::FirstResponse, 2 * 3_600 + 70)]);
}

#[test]
fn the_visitors_word_wakes_it_and_so_does_what_takes_it_elsewhere() {
    let ends = |events: &[Event]| {
        events.iter().find_map(|event| match event {
            Event::Desk(DeskEvent::Snooze(SnoozeEvent::Ended { why, .. })) => Some(*why),
            _ => None,
        })
    };
    let mut script = Script::new().held();
    let snooze = || DeskCommand::Snooze { until: None };
    script.desk(2, snooze()).expect("it holds it");
    assert_eq!(script.desk(2, snooze()).expect_err("it rests").code, Code::Duplicate);
    assert!(ends(&script.say(3, "ag")).is_none(), "the agent may say that it will take a while");
    assert_eq!(ends(&script.say(4, "vi")), Some(SnoozeEnd::VisitorWrote));
    script.desk(5, snooze()).expect("it holds it");
    assert_eq!(ends(&script.desk(6, DeskCommand::Unsnooze).expect("it rests")), Some(SnoozeEnd::Woken));
    assert_eq!(script.desk(6, DeskCommand::Unsnooze).expect_err("it is awake").code, Code::Duplicate);
    script.desk(7, snooze()).expect("it holds it");
    let gone = Command::AgentGone { agent: PersonId::new("ag"), offer: OfferId::new("of") };
    let events = script.ask(8, gone).expect("it is told");
    assert_eq!(ends(&events), Some(SnoozeEnd::Overtaken));
    assert!(script.conversation.snoozed().is_none());
    for until in [8, 8 + 31 * 86_400] {
        let mut script = Script::new().held();
        let until = Some(Time::from_ms(until * 1_000));
        assert_eq!(script.desk(8, DeskCommand::Snooze { until }).expect_err("when?").code, Code::BadRequest);
    }
}

fn idle() -> Script {
    let ms = |seconds: i64| Some(seconds * 1_000);
    let idle = IdlePolicy {
        visitor_warn_ms: ms(100),
        visitor_close_ms: ms(300),
        agent_warn_ms: ms(20),
        agent_requeue_ms: ms(50),
    };
    Script::under(TimePolicy { idle, ..TimePolicy::default() }).held()
}

#[test]
fn a_silent_visitor_is_reminded_and_then_it_ends() {
    let mut script = idle();
    script.say(10, "ag");
    let told = script.until(309);
    assert_eq!(told[0], "110 Visitor reminded");
    assert!(told[1].starts_with("110 Public: Are you still there?"), "{told:?}");
    script.say(309, "vi");
    script.say(311, "ag");
    let told = script.until(1_000);
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told[2].starts_with("611 Public: We have not heard"), "{told:?}");
    assert_eq!(told[3], "611 closed: idle_visitor");
}

#[test]
fn a_silent_agent_is_reminded_among_colleagues_and_then_loses_it() {
    let mut script = idle();
    script.say(10, "ag");
    script.say(12, "vi");
    script.say(30, "vi");
    assert_eq!(
        script.conversation.turn().map(|turn| (turn.side, turn.since.ms())),
        Some((Side::Agent, 12_000))
    );
    assert_eq!(
        script.until(70),
        [
            "32 Agent reminded",
            "32 Internal: The visitor is waiting for your answer.",
            "62 taken from ag",
            "62 queued: agent_idle"
        ]
    );
    assert_eq!(script.conversation.parted().map(|(agent, _)| agent.as_str()), Some("ag"));
}

#[test]
fn nobody_is_idle_while_it_is_snoozed() {
    let mut script = idle();
    script.say(10, "ag");
    script.desk(20, DeskCommand::Snooze { until: Some(Time::from_ms(1_000_000)) }).expect("it holds it");
    assert_eq!(script.until(1_099), ["1000 awake: Due"]);
    assert_eq!(script.until(1_100)[0], "1100 Visitor reminded");
}
