//! Every cell of the table of rights, asked of a real conversation; transfers and supervisors as scripts.

use std::collections::BTreeMap;

use super::{Asker, DeskCommand, Target};
use crate::content::Content;
use crate::conversation::{
    Author, AuthorKind, Closer, Command, Conversation, Event, HandoverCommand, Offer, Opening, Person, Phase,
    QueueReason, Rated, Say, Survey,
};
use crate::desk::{Op, Part, Relation, WrapPolicy, may};
use crate::ids::{BotId, OfferId, PersonId, QueueId};
use crate::refusal::{Code, Refusal};
use crate::time::Time;

fn person(id: &str) -> Person {
    Person { id: PersonId::new(id), name: id.to_owned() }
}

fn run(conversation: &mut Conversation, command: Command) -> Result<Vec<Event>, Refusal> {
    let events = conversation.decide(Time::from_ms(5), command)?;
    events.iter().for_each(|event| conversation.apply(event));
    Ok(events)
}

fn waiting() -> Conversation {
    let mut conversation = Conversation::default();
    let opening = Opening {
        visitor: person("vi_1"),
        channel: "web".into(),
        language: "en".into(),
        queue: QueueId::new("q"),
        bot: Some(BotId::new("bot")),
        at: Time::from_ms(1),
    };
    run(&mut conversation, Command::Open(opening)).expect("it opens");
    let by = Author::person(AuthorKind::Visitor, &person("vi_1"));
    run(&mut conversation, Command::AskHuman { by, reason: QueueReason::Asked }).expect("it waits");
    conversation
}

fn held() -> Conversation {
    held_by("ag_1")
}

fn held_by(agent: &str) -> Conversation {
    let mut conversation = waiting();
    let id = OfferId::new("of_1");
    let offer = Offer { id: id.clone(), agent: person(agent), expires: Time::from_ms(9), auto: false };
    run(&mut conversation, Command::Offer { queue: QueueId::new("q"), offer }).expect("offered");
    run(&mut conversation, Command::Accept { agent: PersonId::new(agent), offer: id }).expect("taken");
    conversation
}

/// It has ended, and the agent wraps it up.
fn ended(agent: &str) -> Conversation {
    let mut conversation = held_by(agent);
    let close = Command::Close { by: Closer::System, person: None, reason: String::new() };
    let mut events = conversation.decide(Time::from_ms(5), close).expect("it is open");
    let policy = WrapPolicy { wrap_ms: 1_000, codes: Vec::new() };
    conversation.begin_wrap(Time::from_ms(5), &policy, &mut events);
    conversation.ask_survey(Time::from_ms(5), Some(Survey::Csat), &mut events);
    events.iter().for_each(|event| conversation.apply(event));
    conversation
}

/// Agent `ag_3` is in it as a consultant.
fn consulted(mut conversation: Conversation) -> Conversation {
    let Phase::Assigned { agent, .. } = conversation.phase() else { panic!("it is held") };
    let by = Asker { person: agent.clone(), part: Part::Agent };
    let to = person("ag_3");
    let command = DeskCommand::Consult { to, summary: "s".into(), slots: BTreeMap::new() };
    let by = if agent.id.as_str() == "su_1" { Asker { part: Part::Supervisor, ..by } } else { by };
    run(&mut conversation, Command::Desk { by, command }).expect("it is held");
    let (agent, offer) = (PersonId::new("ag_3"), conversation.handover().expect("asked").ask.offer.clone());
    let granted = HandoverCommand::Granted { agent: agent.clone(), offer: offer.clone() };
    run(&mut conversation, Command::Handover(granted)).expect("it goes on");
    run(&mut conversation, Command::Accept { agent, offer }).expect("it stands");
    conversation
}

fn asks(id: &str, part: Part, command: DeskCommand) -> Command {
    Command::Desk { by: Asker { person: person(id), part }, command }
}

fn command_of(op: Op) -> Option<DeskCommand> {
    let to = Target::Queue(QueueId::new("other"));
    Some(match op {
        Op::Transfer => DeskCommand::Transfer { to, summary: "s".into(), slots: BTreeMap::new() },
        Op::LeaveQueue => DeskCommand::LeaveQueue,
        Op::Watch => DeskCommand::Watch(true),
        Op::Whisper => DeskCommand::Whisper(Content::text("psst")),
        Op::BargeIn => DeskCommand::BargeIn(true),
        Op::Consult => {
            DeskCommand::Consult { to: person("ag_4"), summary: "s".into(), slots: BTreeMap::new() }
        }
        Op::Wrap => DeskCommand::Wrap { disposition: "solved".into(), tags: Vec::new() },
        Op::Rate => DeskCommand::Rate(Rated { score: 5, ..Rated::default() }),
        Op::Snooze => DeskCommand::Snooze { until: None },
        Op::Complete => DeskCommand::Complete,
        Op::Withdraw => DeskCommand::Withdraw,
        Op::Conference => DeskCommand::Conference(true),
        Op::TakeOver => DeskCommand::TakeOver,
        Op::ForceAssign => DeskCommand::ForceAssign { to: person("ag_4"), summary: "s".into() },
        // Asked of the queue, or of the edge, which alone knows who follows what.
        Op::PauseQueue | Op::SeeCustomer | Op::MergeCustomer | Op::Follow | Op::SeeQueue | Op::SeeWall => {
            return None;
        }
    })
}

#[test]
fn each_cell_of_the_table_is_what_a_conversation_does() {
    let mut allowed = Vec::new();
    for op in Op::ALL {
        for part in Part::ALL {
            for relation in Relation::ALL {
                let right = may(*op, *part, *relation);
                if right {
                    allowed.push(format!("{op:?} {part:?} {relation:?}"));
                }
                // Where a conversation belongs is in the company's settings, which the engine does not know.
                let here = *relation != Relation::Elsewhere;
                let Some(command) = command_of(*op).filter(|_| here) else { continue };
                let supervisors = (*part, *relation) == (Part::Supervisor, Relation::Own);
                let mut conversation = match op {
                    Op::LeaveQueue => waiting(),
                    Op::Rate => ended("ag_1"),
                    Op::Wrap => ended(if supervisors { "su_1" } else { "ag_1" }),
                    Op::Complete | Op::Withdraw | Op::Conference if supervisors => consulted(held_by("su_1")),
                    Op::Complete | Op::Withdraw | Op::Conference => consulted(held()),
                    // It has what it would take.
                    Op::TakeOver => held(),
                    _ if supervisors => held_by("su_1"),
                    // A second consultation is refused to everybody.
                    Op::Consult if *relation == Relation::Own => held(),
                    _ => consulted(held()),
                };
                // Neither a visitor nor a supervisor is ever asked to take one over.
                let id = match (part, relation) {
                    (Part::Visitor, Relation::Own) => "vi_1",
                    (Part::Visitor, Relation::Asked | Relation::Other | Relation::Elsewhere) => "vi_2",
                    (Part::Agent, Relation::Own) => "ag_1",
                    (Part::Agent, Relation::Asked) => "ag_3",
                    (Part::Agent, Relation::Other | Relation::Elsewhere) => "ag_2",
                    (Part::Supervisor, _) => "su_1",
                };
                let done = run(&mut conversation, asks(id, *part, command));
                let refused = done.as_ref().err().map(|refusal| refusal.code);
                let right_answer = match refused {
                    None => right,
                    Some(code) => !right && matches!(code, Code::Forbidden | Code::NotAssigned),
                };
                assert!(right_answer, "{op:?} by {part:?} ({relation:?}): {done:?}");
            }
        }
    }
    assert_eq!(
        allowed,
        [
            "Transfer Agent Own",
            "Transfer Supervisor Own",
            "LeaveQueue Visitor Own",
            "Watch Supervisor Own",
            "Watch Supervisor Asked",
            "Watch Supervisor Other",
            "Whisper Supervisor Own",
            "Whisper Supervisor Asked",
            "Whisper Supervisor Other",
            "BargeIn Supervisor Own",
            "BargeIn Supervisor Asked",
            "BargeIn Supervisor Other",
            "PauseQueue Supervisor Own",
            "PauseQueue Supervisor Asked",
            "PauseQueue Supervisor Other",
            "Consult Agent Own",
            "Consult Supervisor Own",
            "Complete Agent Own",
            "Complete Supervisor Own",
            "Withdraw Agent Own",
            "Withdraw Agent Asked",
            "Withdraw Supervisor Own",
            "Withdraw Supervisor Asked",
            "Withdraw Supervisor Other",
            "Conference Agent Own",
            "Conference Supervisor Own",
            "TakeOver Supervisor Own",
            "TakeOver Supervisor Asked",
            "TakeOver Supervisor Other",
            "ForceAssign Supervisor Own",
            "ForceAssign Supervisor Asked",
            "ForceAssign Supervisor Other",
            "Wrap Agent Own",
            "Wrap Supervisor Own",
            "Snooze Agent Own",
            "Snooze Supervisor Own",
            "Rate Visitor Own",
            "SeeCustomer Agent Other",
            "SeeCustomer Supervisor Other",
            "MergeCustomer Agent Other",
            "MergeCustomer Supervisor Other",
            "Follow Visitor Own",
            "Follow Agent Own",
            "Follow Agent Asked",
            "Follow Agent Other",
            "Follow Supervisor Own",
            "Follow Supervisor Asked",
            "Follow Supervisor Other",
            "SeeQueue Agent Own",
            "SeeQueue Agent Asked",
            "SeeQueue Agent Other",
            "SeeQueue Supervisor Own",
            "SeeQueue Supervisor Asked",
            "SeeQueue Supervisor Other",
            "SeeWall Supervisor Own",
            "SeeWall Supervisor Asked",
            "SeeWall Supervisor Other",
        ]
    );
}

#[test]
fn a_transfer_gives_the_place_back_and_waits_before_others_elsewhere() {
    let mut conversation = held();
    let to = Target::Queue(QueueId::new("billing"));
    let slots = BTreeMap::from([("order".to_owned(), "A-1".to_owned())]);
    let transfer = DeskCommand::Transfer { to, summary: "wants a refund".into(), slots };
    let events = run(&mut conversation, asks("ag_1", Part::Agent, transfer)).expect("it is held");
    assert!(!events[0].public(), "what an agent writes about a visitor is not for the visitor");
    let Phase::Queued(wait) = conversation.phase() else { panic!("{:?}", conversation.phase()) };
    assert_eq!((wait.queue.as_str(), wait.priority), ("billing", 1));
    assert_eq!(conversation.parted().map(|(agent, _)| agent.as_str()), Some("ag_1"));
}

#[test]
fn a_visitor_who_leaves_the_queue_is_with_the_bot_again() {
    let mut conversation = waiting();
    run(&mut conversation, asks("vi_1", Part::Visitor, DeskCommand::LeaveQueue)).expect("it waits");
    assert_eq!(conversation.controller().as_deref(), Some("bot:bot"));
    let again = run(&mut conversation, asks("vi_1", Part::Visitor, DeskCommand::LeaveQueue));
    assert_eq!(again.expect_err("it does not wait").code, Code::Gone);
}

#[test]
fn a_supervisor_watches_unseen_whispers_to_the_company_and_speaks_only_after_barging_in() {
    let mut conversation = held();
    let say = || {
        let author = Author::person(AuthorKind::Agent, &person("su_1"));
        let content = Content::text("good day");
        Command::Say(Say::new(author, content))
    };
    let mut ask = |command| run(&mut conversation, asks("su_1", Part::Supervisor, command));
    let watched = ask(DeskCommand::Watch(true)).expect("a supervisor may");
    let whispered = ask(DeskCommand::Whisper(Content::text("offer a refund"))).expect("a supervisor may");
    assert!(!watched[0].public() && !whispered[0].public());
    assert_eq!(ask(DeskCommand::Watch(true)).expect_err("it does").code, Code::Duplicate);
    assert_eq!(run(&mut conversation, say()).expect_err("not yet").code, Code::NotAssigned);
    let barge = asks("su_1", Part::Supervisor, DeskCommand::BargeIn(true));
    assert!(run(&mut conversation, barge).expect("a supervisor may")[0].public());
    run(&mut conversation, say()).expect("now it may speak");
    assert_eq!(conversation.controller().as_deref(), Some("agent:ag_1"), "the agent goes on");
    let out = asks("su_1", Part::Supervisor, DeskCommand::BargeIn(false));
    run(&mut conversation, out).expect("it is in");
    assert_eq!(run(&mut conversation, say()).expect_err("not any more").code, Code::NotAssigned);
}
