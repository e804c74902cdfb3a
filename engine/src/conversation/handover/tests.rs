//! Handovers as scripts: who has the conversation after each line, and who is asked.

use std::collections::BTreeMap;
use std::fmt::Write;

use expect_test::{Expect, expect};

use super::{HandoverCommand, HandoverEvent, Stage};
use crate::content::Content;
use crate::conversation::{
    Asker, Author, AuthorKind, Closer, Command, Conversation, DeskCommand, DeskEvent, Event, Offer, Opening,
    Person, QueueReason, Say, Target, Visibility,
};
use crate::desk::Part;
use crate::ids::{OfferId, PersonId, QueueId};
use crate::time::Time;

fn person(id: &str) -> Person {
    Person { id: PersonId::new(id), name: id.to_uppercase() }
}

fn asker(id: &str) -> Asker {
    let part = match &id[..2] {
        "vi" => Part::Visitor,
        "su" => Part::Supervisor,
        _ => Part::Agent,
    };
    Asker { person: person(id), part }
}

fn say(who: &str, visibility: Visibility) -> Command {
    let author = Author::person(AuthorKind::Agent, &person(who));
    Command::Say(Say { visibility, ..Say::new(author, Content::text("words")) })
}

/// `OFFER` stands for the offer of the handover that was asked for last.
fn command(line: &str, now: Time, last: &OfferId) -> Command {
    let words: Vec<&str> = line.split(' ').collect();
    let desk = |who: &str, command| Command::Desk { by: asker(who), command };
    let (summary, slots) = (String::new(), BTreeMap::new());
    let offer = |word: &str| if word == "OFFER" { last.clone() } else { OfferId::new(word) };
    let agent = PersonId::new;
    match words[..] {
        ["open"] => Command::Open(Opening {
            visitor: person("vi"),
            channel: "web".into(),
            language: "en".into(),
            queue: QueueId::new("q"),
            bot: Some(crate::ids::BotId::new("bot")),
            at: now,
        }),
        ["human"] => {
            let by = Author::person(AuthorKind::Visitor, &person("vi"));
            Command::AskHuman { by, reason: QueueReason::Asked }
        }
        ["offer", to, id] => {
            let offer =
                Offer { id: offer(id), agent: person(to), expires: now.after_ms(60_000), auto: false };
            Command::Offer { queue: QueueId::new("q"), offer }
        }
        ["accept", who, id] => Command::Accept { agent: agent(who), offer: offer(id) },
        ["decline", who, id] => Command::Decline { agent: agent(who), offer: offer(id) },
        ["gone", who, id] => Command::AgentGone { agent: agent(who), offer: offer(id) },
        ["check", who, id] => Command::CheckPlace { agent: agent(who), offer: offer(id) },
        ["granted", who, id] => {
            Command::Handover(HandoverCommand::Granted { agent: agent(who), offer: offer(id) })
        }
        ["denied", who, id] => {
            Command::Handover(HandoverCommand::Denied { agent: agent(who), offer: offer(id) })
        }
        ["expire", id] => Command::Handover(HandoverCommand::Expire { offer: offer(id) }),
        [who, "transfers", "to", to] => {
            let to = Target::Agent(person(to));
            desk(who, DeskCommand::Transfer { to, summary, slots })
        }
        [who, "queues"] => {
            let to = Target::Queue(QueueId::new("other"));
            desk(who, DeskCommand::Transfer { to, summary, slots })
        }
        [who, "consults", to] => desk(who, DeskCommand::Consult { to: person(to), summary, slots }),
        [who, "completes"] => desk(who, DeskCommand::Complete),
        [who, "withdraws"] => desk(who, DeskCommand::Withdraw),
        [who, "confers"] => desk(who, DeskCommand::Conference(true)),
        [who, "takes"] => desk(who, DeskCommand::TakeOver),
        [who, "forces", to] => desk(who, DeskCommand::ForceAssign { to: person(to), summary }),
        [who, "notes"] => say(who, Visibility::Internal),
        [who, "speaks"] => say(who, Visibility::Public),
        ["close"] => Command::Close { by: Closer::System, person: None, reason: String::new() },
        _ => panic!("{line}"),
    }
}

fn word(event: &Event) -> String {
    match event {
        Event::Desk(DeskEvent::Handover(event)) => match event {
            HandoverEvent::Asked { ask, .. } => format!("{} is asked for a place", ask.to.id),
            HandoverEvent::Offered { to, .. } => format!("{} is asked", to.id),
            HandoverEvent::Joined { to, .. } => format!("{} is in", to.id),
            HandoverEvent::Spoken { to, on, .. } => format!("{} speaks: {on}", to.id),
            HandoverEvent::Ended { why, .. } => format!("it ends: {}", why.as_str()),
            HandoverEvent::Taken { kind, released, .. } => {
                let from = released.as_ref().map_or("nobody", |(agent, _)| agent.as_str());
                format!("{}, from {from}", kind.as_str())
            }
        },
        Event::Desk(event) => format!("{event:?}").split(' ').next().unwrap_or_default().to_owned(),
        Event::PlaceChecked { held, .. } => format!("place held: {held}"),
        event => format!("{event:?}").split([' ', '(']).next().unwrap_or_default().to_owned(),
    }
}

fn check(script: &str, expected: &Expect) {
    let (mut conversation, mut transcript) = (Conversation::default(), String::new());
    let mut last = OfferId::new("none");
    for (second, line) in script.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        let now = Time::from_ms(i64::try_from(second).expect("short") * 1_000);
        let outcome = match conversation.decide(now, command(line, now, &last)) {
            Ok(events) => {
                events.iter().for_each(|event| conversation.apply(event));
                let words: Vec<String> = events.iter().map(word).collect();
                if words.is_empty() { "nothing".to_owned() } else { words.join("; ") }
            }
            Err(refusal) => format!("REFUSED {refusal}"),
        };
        if let Some(handover) = conversation.handover() {
            last = handover.ask.offer.clone();
        }
        let beside = conversation.handover().map_or(String::new(), |handover| match handover.stage {
            Stage::Asked => format!(" ({}?)", handover.ask.to.id),
            Stage::Offered => format!(" ({}!)", handover.ask.to.id),
            Stage::Joined { .. } => format!(" + {}", handover.ask.to.id),
        });
        let has = conversation.controller().unwrap_or_else(|| "nobody".into());
        writeln!(transcript, "{line:<24} {outcome}  [{has}{beside}]").expect("a string takes all");
    }
    expected.assert_eq(&transcript);
}

const HELD: &str = "open\nhuman\noffer ag of_1\naccept ag of_1\n";

fn held(script: &str, expected: &Expect) {
    check(&format!("{HELD}{script}"), expected);
}

#[test]
fn a_transfer_to_one_agent_is_the_others_once_it_accepts() {
    held(
        "ag transfers to bo
         bo speaks
         granted bo OFFER
         ag speaks
         accept bo OFFER
         ag speaks
         bo speaks
         accept bo OFFER
         accept ag of_1",
        &expect![[r#"
            open                     Opened  [bot:bot]
            human                    Queued  [queue:q]
            offer ag of_1            Offered  [queue:q]
            accept ag of_1           Assigned  [agent:ag]
            ag transfers to bo       bo is asked for a place  [agent:ag (bo?)]
            bo speaks                REFUSED not_assigned: this conversation is not assigned to you: accept its offer first  [agent:ag (bo?)]
            granted bo OFFER         bo is asked  [agent:ag (bo!)]
            ag speaks                Said  [agent:ag (bo!)]
            accept bo OFFER          transfer, from ag; Assigned  [agent:bo]
            ag speaks                REFUSED not_assigned: this conversation is not assigned to you: accept its offer first  [agent:bo]
            bo speaks                Said  [agent:bo]
            accept bo OFFER          REFUSED duplicate: it was done before  [agent:bo]
            accept ag of_1           REFUSED already_taken: BO (bo) has this conversation now  [agent:bo]
        "#]],
    );
}

#[test]
fn a_refusal_leaves_it_where_it_was() {
    held(
        "ag transfers to bo
         denied bo OFFER
         ag transfers to bo
         granted bo OFFER
         decline bo OFFER
         accept bo OFFER
         ag transfers to bo
         expire OFFER
         granted bo OFFER
         check bo OFFER
         ag transfers to bo
         granted bo OFFER
         expire OFFER
         ag transfers to bo
         granted bo OFFER
         gone bo OFFER
         ag transfers to bo
         ag transfers to bo
         ag transfers to ag
         ag transfers to cy
         ag withdraws
         ag withdraws",
        &expect![[r#"
            open                     Opened  [bot:bot]
            human                    Queued  [queue:q]
            offer ag of_1            Offered  [queue:q]
            accept ag of_1           Assigned  [agent:ag]
            ag transfers to bo       bo is asked for a place  [agent:ag (bo?)]
            denied bo OFFER          it ends: denied  [agent:ag]
            ag transfers to bo       bo is asked for a place  [agent:ag (bo?)]
            granted bo OFFER         bo is asked  [agent:ag (bo!)]
            decline bo OFFER         it ends: declined  [agent:ag]
            accept bo OFFER          REFUSED gone: the offer does not stand any more: wait for the next one  [agent:ag]
            ag transfers to bo       bo is asked for a place  [agent:ag (bo?)]
            expire OFFER             it ends: unanswered  [agent:ag]
            granted bo OFFER         nothing  [agent:ag]
            check bo OFFER           place held: false  [agent:ag]
            ag transfers to bo       bo is asked for a place  [agent:ag (bo?)]
            granted bo OFFER         bo is asked  [agent:ag (bo!)]
            expire OFFER             it ends: timed_out  [agent:ag]
            ag transfers to bo       bo is asked for a place  [agent:ag (bo?)]
            granted bo OFFER         bo is asked  [agent:ag (bo!)]
            gone bo OFFER            it ends: agent_gone  [agent:ag]
            ag transfers to bo       bo is asked for a place  [agent:ag (bo?)]
            ag transfers to bo       REFUSED duplicate: it was done before  [agent:ag (bo?)]
            ag transfers to ag       REFUSED conflict: AG (ag) has this conversation, or its offer, already  [agent:ag (bo?)]
            ag transfers to cy       REFUSED conflict: BO (bo) is asked already: withdraw that first  [agent:ag (bo?)]
            ag withdraws             it ends: withdrawn  [agent:ag]
            ag withdraws             REFUSED gone: nobody is asked or consulted now  [agent:ag]
        "#]],
    );
}

#[test]
fn a_consultant_writes_inside_and_may_take_it() {
    held(
        "ag consults bo
         granted bo OFFER
         bo notes
         accept bo OFFER
         check bo OFFER
         bo notes
         bo speaks
         bo confers
         ag confers
         bo speaks
         bo completes
         ag completes
         bo speaks
         ag notes",
        &expect![[r#"
            open                     Opened  [bot:bot]
            human                    Queued  [queue:q]
            offer ag of_1            Offered  [queue:q]
            accept ag of_1           Assigned  [agent:ag]
            ag consults bo           bo is asked for a place  [agent:ag (bo?)]
            granted bo OFFER         bo is asked  [agent:ag (bo!)]
            bo notes                 REFUSED not_assigned: this conversation is not assigned to you: accept its offer first  [agent:ag (bo!)]
            accept bo OFFER          bo is in  [agent:ag + bo]
            check bo OFFER           place held: true  [agent:ag + bo]
            bo notes                 Said  [agent:ag + bo]
            bo speaks                REFUSED not_assigned: this conversation is not assigned to you: accept its offer first  [agent:ag + bo]
            bo confers               REFUSED not_assigned: this conversation is not assigned to you  [agent:ag + bo]
            ag confers               bo speaks: true  [agent:ag + bo]
            bo speaks                Said  [agent:ag + bo]
            bo completes             REFUSED not_assigned: this conversation is not assigned to you  [agent:ag + bo]
            ag completes             consult, from ag; Assigned  [agent:bo]
            bo speaks                Said  [agent:bo]
            ag notes                 REFUSED not_assigned: this conversation is not assigned to you: accept its offer first  [agent:bo]
        "#]],
    );
}

#[test]
fn a_consultant_goes_or_stays_when_the_holder_goes() {
    held(
        "ag consults bo
         granted bo OFFER
         accept bo OFFER
         bo withdraws
         ag consults bo
         granted bo OFFER
         accept bo OFFER
         gone bo OFFER
         ag consults bo
         granted bo OFFER
         accept bo OFFER
         gone ag of_1
         bo speaks",
        &expect![[r#"
            open                     Opened  [bot:bot]
            human                    Queued  [queue:q]
            offer ag of_1            Offered  [queue:q]
            accept ag of_1           Assigned  [agent:ag]
            ag consults bo           bo is asked for a place  [agent:ag (bo?)]
            granted bo OFFER         bo is asked  [agent:ag (bo!)]
            accept bo OFFER          bo is in  [agent:ag + bo]
            bo withdraws             it ends: left  [agent:ag]
            ag consults bo           bo is asked for a place  [agent:ag (bo?)]
            granted bo OFFER         bo is asked  [agent:ag (bo!)]
            accept bo OFFER          bo is in  [agent:ag + bo]
            gone bo OFFER            it ends: agent_gone  [agent:ag]
            ag consults bo           bo is asked for a place  [agent:ag (bo?)]
            granted bo OFFER         bo is asked  [agent:ag (bo!)]
            accept bo OFFER          bo is in  [agent:ag + bo]
            gone ag of_1             consult, from ag; Assigned  [agent:bo]
            bo speaks                Said  [agent:bo]
        "#]],
    );
}

#[test]
fn what_takes_it_elsewhere_ends_the_handover() {
    held(
        "ag transfers to bo
         granted bo OFFER
         gone ag of_1
         accept bo OFFER
         offer ag of_2
         accept ag of_2
         ag consults bo
         ag queues
         granted bo OFFER",
        &expect![[r#"
            open                     Opened  [bot:bot]
            human                    Queued  [queue:q]
            offer ag of_1            Offered  [queue:q]
            accept ag of_1           Assigned  [agent:ag]
            ag transfers to bo       bo is asked for a place  [agent:ag (bo?)]
            granted bo OFFER         bo is asked  [agent:ag (bo!)]
            gone ag of_1             it ends: overtaken; Queued  [queue:q]
            accept bo OFFER          REFUSED gone: the offer does not stand any more: wait for the next one  [queue:q]
            offer ag of_2            Offered  [queue:q]
            accept ag of_2           Assigned  [agent:ag]
            ag consults bo           bo is asked for a place  [agent:ag (bo?)]
            ag queues                it ends: overtaken; Transferred; Queued  [queue:other]
            granted bo OFFER         nothing  [queue:other]
        "#]],
    );
    held(
        "ag transfers to bo
         granted bo OFFER
         close
         accept bo OFFER
         gone bo OFFER
         check bo OFFER
         su takes",
        &expect![[r#"
            open                     Opened  [bot:bot]
            human                    Queued  [queue:q]
            offer ag of_1            Offered  [queue:q]
            accept ag of_1           Assigned  [agent:ag]
            ag transfers to bo       bo is asked for a place  [agent:ag (bo?)]
            granted bo OFFER         bo is asked  [agent:ag (bo!)]
            close                    it ends: overtaken; Closed  [nobody]
            accept bo OFFER          REFUSED gone: the offer does not stand any more: wait for the next one  [nobody]
            gone bo OFFER            nothing  [nobody]
            check bo OFFER           place held: false  [nobody]
            su takes                 REFUSED conversation_closed: the conversation is closed  [nobody]
        "#]],
    );
}

#[test]
fn a_supervisor_takes_and_gives_whatever_the_phase() {
    check(
        "open
         su takes
         granted su OFFER
         su speaks
         su forces bo
         granted bo OFFER
         ag takes",
        &expect![[r#"
            open                     Opened  [bot:bot]
            su takes                 su is asked for a place  [bot:bot (su?)]
            granted su OFFER         take_over, from nobody; Assigned  [agent:su]
            su speaks                Said  [agent:su]
            su forces bo             bo is asked for a place  [agent:su (bo?)]
            granted bo OFFER         force_assign, from su; Assigned  [agent:bo]
            ag takes                 REFUSED forbidden: you may not do this here: TakeOver  [agent:bo]
        "#]],
    );
    check(
        "open
         human
         offer ag of_1
         su forces bo
         granted bo OFFER
         accept ag of_1
         bo consults cy
         granted cy OFFER
         su takes
         accept cy OFFER
         denied su OFFER",
        &expect![[r#"
            open                     Opened  [bot:bot]
            human                    Queued  [queue:q]
            offer ag of_1            Offered  [queue:q]
            su forces bo             bo is asked for a place  [queue:q (bo?)]
            granted bo OFFER         OfferEnded; force_assign, from nobody; Assigned  [agent:bo]
            accept ag of_1           REFUSED already_taken: BO (bo) has this conversation now  [agent:bo]
            bo consults cy           cy is asked for a place  [agent:bo (cy?)]
            granted cy OFFER         cy is asked  [agent:bo (cy!)]
            su takes                 it ends: overtaken; su is asked for a place  [agent:bo (su?)]
            accept cy OFFER          REFUSED gone: the offer does not stand any more: wait for the next one  [agent:bo (su?)]
            denied su OFFER          it ends: denied  [agent:bo]
        "#]],
    );
}
