//! Script in, transcript out: one line per command, and what came of it.

use std::fmt::Write;

use expect_test::{Expect, expect};

use super::{
    Author, AuthorKind, Closer, Command, Conversation, DeskEvent, Event, Offer, Opening, Person, QueueReason,
    Reach, Say, Subject, Visibility, change::Change,
};
use crate::content::Content;
use crate::ids::{BotId, OfferId, PersonId, QueueId};
use crate::time::Time;

fn person(id: &str) -> Person {
    Person { id: PersonId::new(id), name: id.to_owned() }
}

fn author(id: &str) -> Author {
    let kind = match id {
        "vi" => AuthorKind::Visitor,
        "bot" => AuthorKind::Bot,
        "system" => AuthorKind::System,
        _ => AuthorKind::Agent,
    };
    Author::person(kind, &person(id))
}

fn opening(bot: bool) -> Command {
    Command::Open(Opening {
        visitor: person("vi"),
        channel: "web".into(),
        language: "en".into(),
        queue: QueueId::new("q"),
        bot: bot.then(|| BotId::new("bot")),
        at: Time::from_ms(0),
    })
}

/// One word a part: `say vi d.1 hello`, `offer ag 1`, `accept ag 1`, `decline ag 1`, `expire 1`, `gone ag 1`, `close vi`, `human`.
fn command(line: &str, now: Time) -> Command {
    let words: Vec<&str> = line.splitn(4, ' ').collect();
    let offer = |id: &str| OfferId::new(format!("of{id}"));
    match words[..] {
        ["open"] => opening(true),
        ["open", "without", "bot"] => opening(false),
        ["say", who, key, text] => {
            Command::Say(Say { key: key.parse().ok(), ..Say::new(author(who), Content::text(text)) })
        }
        ["human"] => Command::AskHuman { by: author("vi"), reason: QueueReason::Asked },
        ["offer", agent, id] => {
            let offer =
                Offer { id: offer(id), agent: person(agent), expires: now.after_ms(20_000), auto: false };
            Command::Offer { queue: QueueId::new("q"), offer }
        }
        ["accept", agent, id] => Command::Accept { agent: PersonId::new(agent), offer: offer(id) },
        ["decline", agent, id] => Command::Decline { agent: PersonId::new(agent), offer: offer(id) },
        ["expire", id] => Command::Expire { offer: offer(id) },
        ["gone", agent, id] => Command::AgentGone { agent: PersonId::new(agent), offer: offer(id) },
        ["check", agent, id] => Command::CheckPlace { agent: PersonId::new(agent), offer: offer(id) },
        ["close", who] => {
            let by = if who == "vi" { Closer::Visitor } else { Closer::Agent };
            Command::Close { by, person: Some(PersonId::new(who)), reason: String::new() }
        }
        ["edit", who, of, text] => change(who, of, Change::Edit(Content::text(text))),
        ["recall", who, of] => change(who, of, Change::Recall),
        ["react", who, of, emoji] => change(who, of, Change::React { emoji: emoji.into(), on: true }),
        ["unreact", who, of, emoji] => change(who, of, Change::React { emoji: emoji.into(), on: false }),
        ["delivered", who, upto] => mark(who, Reach::Delivered, upto),
        ["read", who, upto] => mark(who, Reach::Read, upto),
        _ => panic!("{line}"),
    }
}

/// `edit vi 2@ag words`: the visitor wants to edit message 2, which the agent wrote at second 0.
fn change(who: &str, of: &str, change: Change) -> Command {
    let (seq, whose) = of.split_once('@').expect("seq@author");
    let said = author(whose);
    let target = Subject {
        seq: seq.parse().expect("a number"),
        kind: said.kind,
        author: said.id,
        visibility: if whose == "note" { Visibility::Internal } else { Visibility::Public },
        at: Time::from_ms(0),
    };
    Command::Change { by: author(who), target, change }
}

fn mark(who: &str, reach: Reach, upto: &str) -> Command {
    Command::Mark { by: author(who), reach, upto: upto.parse().expect("a number") }
}

fn word(event: &Event) -> String {
    match event {
        Event::Opened(_) => "opened".into(),
        Event::Said(said) => format!("said by {}: {}", said.author.id, said.content.plain()),
        Event::Queued { reason, wait, .. } => {
            format!("queued ({}, priority {})", reason.as_str(), wait.priority)
        }
        Event::Offered { offer, .. } => format!("offered to {} ({})", offer.agent.id, offer.id),
        Event::OfferEnded { offer, why, .. } => format!("offer {offer} ended: {}", why.as_str()),
        Event::OfferRejected { offer, .. } => format!("offer {offer} rejected"),
        Event::OfferVoided { offer, .. } => format!("offer {offer} void"),
        Event::Assigned { agent, .. } => format!("assigned to {}", agent.id),
        Event::PlaceChecked { held, .. } => format!("place held: {held}"),
        Event::Closed { by, held, .. } => format!(
            "closed by {}, releasing {}",
            by.as_str(),
            if held.place.is_some() { "a place" } else { "nothing" }
        ),
        Event::Forwarded(said) => format!("forwarded: {}", said.content.plain()),
        Event::Reopened { .. } => "reopened".into(),
        Event::Edited { seq, content, .. } => format!("{seq} edited: {}", content.plain()),
        Event::Recalled { seq, .. } => format!("{seq} recalled"),
        Event::Reacted { seq, by, emoji, on, .. } => {
            format!("{seq} {} {emoji} of {}", if *on { "has" } else { "has no more" }, by.id)
        }
        Event::Marked { by, reach, upto, .. } => format!("up to {upto} {} by {}", reach.as_str(), by.id),
        Event::Failed { seq, why, .. } => format!("{seq} failed: {why}"),
        Event::Desk(event) => match event {
            DeskEvent::Transferred { by, to, .. } => format!("{} transfers to {to:?}", by.id),
            DeskEvent::BotTook { bot, .. } => format!("{bot} took it"),
            DeskEvent::Watched { by, on, .. } => format!("{} watches: {on}", by.id),
            DeskEvent::BargedIn { by, on, .. } => format!("{} speaks: {on}", by.id),
            DeskEvent::Handover(event) => format!("{event:?}"),
            DeskEvent::Wrap(event) => format!("{event:?}"),
            DeskEvent::Sla(event) => format!("{event:?}"),
            DeskEvent::Idle(event) => format!("{event:?}"),
            DeskEvent::Snooze(event) => format!("{event:?}"),
            DeskEvent::Survey(event) => format!("{event:?}"),
        },
    }
}

fn check(script: &str, expected: &Expect) {
    let mut conversation = Conversation::default();
    let mut transcript = String::new();
    for (second, line) in script.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        let now = Time::from_ms(i64::try_from(second).expect("short") * 1_000);
        let outcome = match conversation.decide(now, command(line, now)) {
            Ok(events) => {
                events.iter().for_each(|event| conversation.apply(event));
                let words: Vec<String> = events.iter().map(word).collect();
                if words.is_empty() { "nothing".to_owned() } else { words.join("; ") }
            }
            Err(refusal) => match refusal.seq {
                Some(seq) => format!("REFUSED {} of {seq}", refusal.code.as_str()),
                None => format!("REFUSED {}", refusal.code.as_str()),
            },
        };
        writeln!(transcript, "{line:<24} {outcome}  [{}]", conversation.phase().as_str())
            .expect("a string takes text");
    }
    expected.assert_eq(&transcript);
}

#[test]
fn from_the_bot_through_the_queue_to_an_agent_and_to_the_end() {
    check(
        "say vi d.1 early
         open
         open
         say vi d.1 hello
         say bot - hi
         say ag d.1 me?
         human
         say bot - too late
         human
         accept ag 1
         offer ag 1
         offer ag 1
         offer other 2
         accept other 1
         accept ag 1
         accept ag 1
         accept other 1
         say ag d.1 welcome
         say other d.1 me too
         close other
         close ag
         close ag
         offer other 3
         say ag d.2 one more
         say system - rate us
         say vi d.2 ★★★★",
        &expect![[r#"
            say vi d.1 early         REFUSED not_found  [unopened]
            open                     opened  [bot]
            open                     REFUSED duplicate of 1  [bot]
            say vi d.1 hello         said by vi: hello  [bot]
            say bot - hi             said by bot: hi  [bot]
            say ag d.1 me?           REFUSED not_assigned  [bot]
            human                    queued (asked, priority 0)  [queued]
            say bot - too late       REFUSED not_assigned  [queued]
            human                    REFUSED duplicate  [queued]
            accept ag 1              REFUSED gone  [queued]
            offer ag 1               offered to ag (of1)  [offered]
            offer ag 1               nothing  [offered]
            offer other 2            offer of2 rejected  [offered]
            accept other 1           REFUSED already_taken  [offered]
            accept ag 1              assigned to ag  [assigned]
            accept ag 1              REFUSED duplicate  [assigned]
            accept other 1           REFUSED already_taken  [assigned]
            say ag d.1 welcome       said by ag: welcome  [assigned]
            say other d.1 me too     REFUSED not_assigned  [assigned]
            close other              REFUSED not_assigned  [assigned]
            close ag                 closed by agent, releasing a place  [closed]
            close ag                 REFUSED duplicate  [closed]
            offer other 3            offer of3 rejected  [closed]
            say ag d.2 one more      REFUSED conversation_closed  [closed]
            say system - rate us     said by system: rate us  [closed]
            say vi d.2 ★★★★          said by vi: ★★★★  [closed]
        "#]],
    );
}

#[test]
fn a_repeat_is_known_and_another_body_under_its_key_is_refused() {
    check(
        "open
         say vi d.2 a gap
         say vi d.1 hello
         say vi d.1 hello
         say vi d.1 other
         say vi d.3 a gap
         say vi d.2 next
         say vi e.1 another device
         say vi d.1 hello",
        &expect![[r#"
            open                     opened  [bot]
            say vi d.2 a gap         REFUSED conflict  [bot]
            say vi d.1 hello         said by vi: hello  [bot]
            say vi d.1 hello         REFUSED duplicate of 2  [bot]
            say vi d.1 other         REFUSED conflict  [bot]
            say vi d.3 a gap         REFUSED conflict  [bot]
            say vi d.2 next          said by vi: next  [bot]
            say vi e.1 another device said by vi: another device  [bot]
            say vi d.1 hello         REFUSED duplicate of 2  [bot]
        "#]],
    );
}

#[test]
fn an_offer_that_comes_to_nothing_returns_the_conversation_and_a_lost_agent_puts_it_first() {
    check(
        "open without bot
         offer ag 1
         decline other 1
         decline ag 1
         offer ag 2
         expire 1
         expire 2
         offer ag 3
         gone ag 3
         offer ag 4
         accept ag 4
         check ag 4
         check ag 3
         gone ag 4
         gone ag 4
         gone ag 5
         offer ag 5
         close vi",
        &expect![[r#"
            open without bot         opened; queued (no_bot, priority 0)  [queued]
            offer ag 1               offered to ag (of1)  [offered]
            decline other 1          REFUSED gone  [offered]
            decline ag 1             offer of1 ended: declined  [queued]
            offer ag 2               offered to ag (of2)  [offered]
            expire 1                 nothing  [offered]
            expire 2                 offer of2 ended: timed_out  [queued]
            offer ag 3               offered to ag (of3)  [offered]
            gone ag 3                offer of3 ended: agent_gone  [queued]
            offer ag 4               offered to ag (of4)  [offered]
            accept ag 4              assigned to ag  [assigned]
            check ag 4               place held: true  [assigned]
            check ag 3               place held: false  [assigned]
            gone ag 4                queued (agent_gone, priority 1)  [queued]
            gone ag 4                offer of4 void  [queued]
            gone ag 5                offer of5 void  [queued]
            offer ag 5               offer of5 rejected  [queued]
            close vi                 closed by visitor, releasing nothing  [closed]
        "#]],
    );
}

#[test]
fn a_late_message_is_never_lost() {
    let mut conversation = Conversation::default();
    let run = |conversation: &mut Conversation, now: i64, command: Command| {
        let events = conversation.decide(Time::from_ms(now), command).expect("it is not refused");
        events.iter().for_each(|event| conversation.apply(event));
        events
    };
    let now = Time::from_ms(5);
    run(&mut conversation, 0, opening(true));
    run(&mut conversation, 1, command("close vi", now));
    let forwarded = run(&mut conversation, 2, command("say vi d.1 thanks", now));
    let [Event::Forwarded(said)] = &forwarded[..] else { panic!("{forwarded:?}") };
    // The session says where it goes: here, again.
    let again = run(&mut conversation, 3, Command::Carry { said: said.clone(), reopen: true });
    assert_eq!(again.iter().map(word).collect::<Vec<_>>(), ["reopened", "said by vi: thanks"]);
    // A retry of the client is known, at the offset where the message now stands.
    let retry = conversation.decide(now, command("say vi d.1 thanks", now)).expect_err("it is a repeat");
    assert_eq!(retry.seq, Some(conversation.head()));
}

#[test]
fn an_agent_who_went_while_nobody_waited_is_not_assigned_by_an_offer_that_comes_late() {
    let mut conversation = Conversation::default();
    let mut run = |command: Command| {
        let events = conversation.decide(Time::from_ms(1), command).expect("it is not refused");
        events.iter().for_each(|event| conversation.apply(event));
        events
    };
    let written = |text: &str| command(text, Time::from_ms(1));
    let words = |events: Vec<Event>| events.iter().map(word).collect::<Vec<_>>().join("; ");
    run(opening(true));
    run(written("human"));
    run(written("close vi"));
    assert_eq!(words(run(written("gone ag 1"))), "offer of1 void");
    assert_eq!(words(run(written("gone ag 1"))), "", "a repeat says nothing new");
    let forwarded = run(written("say vi d.1 hello"));
    let [Event::Forwarded(said)] = &forwarded[..] else { panic!("{forwarded:?}") };
    run(Command::Carry { said: said.clone(), reopen: true });
    run(written("human"));
    assert_eq!(words(run(written("offer ag 1"))), "offer of1 rejected");
    assert_eq!(words(run(written("offer ag 2"))), "offered to ag (of2)");
}

#[test]
fn the_state_stays_small_however_long_the_conversation() {
    let mut conversation = Conversation::default();
    for event in conversation.decide(Time::from_ms(0), opening(true)).expect("it opens") {
        conversation.apply(&event);
    }
    for n in 1..=5_000 {
        let say = command(&format!("say vi d.{n} hello"), Time::from_ms(0));
        for event in conversation.decide(Time::from_ms(n), say).expect("it is said") {
            conversation.apply(&event);
        }
    }
    assert_eq!((conversation.messages(), conversation.recent().len()), (5_000, super::RECENT_MAX));
    let old = conversation
        .decide(Time::from_ms(0), command("say vi d.1 hello", Time::from_ms(0)))
        .expect_err("it is a repeat");
    assert_eq!((old.code.as_str(), old.seq), ("duplicate", None));
}

#[test]
fn messages_are_edited_and_recalled_by_their_authors_only() {
    check(
        "edit vi 2@vi early
         open
         say vi d.1 hello
         edit vi 2@vi hello there
         edit vi 2@vi hello there
         edit ag 2@vi not mine
         edit vi 3@bot not mine
         edit vi 9@vi not there
         recall vi 2@vi
         recall vi 2@vi
         edit vi 2@vi again
         react vi 2@vi 👍
         say bot - hi
         react vi 5@bot 👍
         react vi 5@bot 👍
         react vi 5@bot ❤
         unreact vi 5@bot 👍
         unreact vi 5@bot 👍
         react ag 5@bot 👍
         react vi 5@note 👍
         human
         offer ag 1
         accept ag 1
         say ag d.1 welcome
         react ag 5@bot 👍
         edit ag 9@ag you are welcome
         edit other 13@other no
         close vi
         edit vi 2@vi late
         recall ag 9@ag",
        &expect![[r#"
            edit vi 2@vi early       REFUSED not_found  [unopened]
            open                     opened  [bot]
            say vi d.1 hello         said by vi: hello  [bot]
            edit vi 2@vi hello there 2 edited: hello there  [bot]
            edit vi 2@vi hello there REFUSED duplicate of 3  [bot]
            edit ag 2@vi not mine    REFUSED not_assigned  [bot]
            edit vi 3@bot not mine   REFUSED forbidden  [bot]
            edit vi 9@vi not there   REFUSED not_found  [bot]
            recall vi 2@vi           2 recalled  [bot]
            recall vi 2@vi           REFUSED duplicate of 4  [bot]
            edit vi 2@vi again       REFUSED gone  [bot]
            react vi 2@vi 👍          REFUSED gone  [bot]
            say bot - hi             said by bot: hi  [bot]
            react vi 5@bot 👍         5 has 👍 of vi  [bot]
            react vi 5@bot 👍         REFUSED duplicate  [bot]
            react vi 5@bot ❤         5 has ❤ of vi  [bot]
            unreact vi 5@bot 👍       5 has no more 👍 of vi  [bot]
            unreact vi 5@bot 👍       REFUSED duplicate  [bot]
            react ag 5@bot 👍         REFUSED not_assigned  [bot]
            react vi 5@note 👍        REFUSED not_found  [bot]
            human                    queued (asked, priority 0)  [queued]
            offer ag 1               offered to ag (of1)  [offered]
            accept ag 1              assigned to ag  [assigned]
            say ag d.1 welcome       said by ag: welcome  [assigned]
            react ag 5@bot 👍         5 has 👍 of ag  [assigned]
            edit ag 9@ag you are welcome 9 edited: you are welcome  [assigned]
            edit other 13@other no   REFUSED not_assigned  [assigned]
            close vi                 closed by visitor, releasing a place  [closed]
            edit vi 2@vi late        REFUSED conversation_closed  [closed]
            recall ag 9@ag           REFUSED conversation_closed  [closed]
        "#]],
    );
}

#[test]
fn receipts_are_about_the_other_sides_messages_and_never_go_back() {
    check(
        "open
         read vi 5
         say vi d.1 hello
         delivered vi 2
         say bot - hi
         read vi 99
         read vi 3
         delivered vi 3
         read ag 3
         human
         offer ag 1
         delivered ag 2
         accept ag 1
         read ag 2
         read other 2
         say ag d.1 welcome
         delivered vi 10
         close vi
         read vi 10
         read vi 10",
        &expect![[r#"
            open                     opened  [bot]
            read vi 5                nothing  [bot]
            say vi d.1 hello         said by vi: hello  [bot]
            delivered vi 2           nothing  [bot]
            say bot - hi             said by bot: hi  [bot]
            read vi 99               up to 3 read by vi  [bot]
            read vi 3                nothing  [bot]
            delivered vi 3           nothing  [bot]
            read ag 3                nothing  [bot]
            human                    queued (asked, priority 0)  [queued]
            offer ag 1               offered to ag (of1)  [offered]
            delivered ag 2           up to 2 delivered by ag  [offered]
            accept ag 1              assigned to ag  [assigned]
            read ag 2                up to 2 read by ag  [assigned]
            read other 2             nothing  [assigned]
            say ag d.1 welcome       said by ag: welcome  [assigned]
            delivered vi 10          up to 10 delivered by vi  [assigned]
            close vi                 closed by visitor, releasing a place  [closed]
            read vi 10               up to 10 read by vi  [closed]
            read vi 10               nothing  [closed]
        "#]],
    );
}

#[test]
fn a_recalled_message_is_forgotten_and_old_ones_stay_as_they_are() {
    let mut conversation = Conversation::default();
    let mut run = |now: i64, line: &str| {
        let now = Time::from_ms(now);
        let events = conversation.decide(now, command(line, now))?;
        events.iter().for_each(|event| conversation.apply(event));
        Ok::<_, crate::refusal::Refusal>(
            conversation.recent().iter().map(|r| r.text.clone()).collect::<Vec<_>>(),
        )
    };
    run(0, "open").expect("it opens");
    run(0, "say vi d.1 secret").expect("it is said");
    assert_eq!(run(1, "edit vi 2@vi less secret").expect("it is edited"), ["less secret"]);
    let late = super::CHANGE_MS + 1;
    assert_eq!(run(late, "edit vi 2@vi too late").expect_err("it is too late").code.as_str(), "gone");
    assert_eq!(run(2, "recall vi 2@vi").expect("it is recalled"), [""]);
}

#[test]
fn changes_of_one_conversation_are_bounded() {
    let mut conversation = Conversation::default();
    let mut refused = None;
    for (n, line) in std::iter::once("open".to_owned())
        .chain((1..=600).map(|n| format!("say vi d.{n} hello")))
        .chain((2..=600).map(|seq| format!("recall vi {seq}@vi")))
        .enumerate()
    {
        let now = Time::from_ms(0);
        match conversation.decide(now, command(&line, now)) {
            Ok(events) => events.iter().for_each(|event| conversation.apply(event)),
            Err(refusal) => {
                refused = Some((n, refusal.code.as_str()));
                break;
            }
        }
    }
    assert_eq!(refused, Some((601 + 512, "quota_exceeded")));
}
