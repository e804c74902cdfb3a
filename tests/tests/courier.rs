//! Calls to the outside: kept until done, in order, with growing pauses, whatever dies in between; and who is told on which device.

use std::collections::BTreeSet;

use conversa_actors::behaviours::courier::{self, LEASE_MS, Receipt, WAITING_MAX};
use conversa_actors::behaviours::dead_letters::{self, LETTERS_MAX};
use conversa_actors::behaviours::reach;
use conversa_actors::letter::Payload;
use conversa_actors::port::outside::{Call, CallError, Outcome, Platform, Taken, To};
use conversa_engine::ids::ConversationId;
use conversa_engine::refusal::{Code, Refusal};
use conversa_engine::time::Time;
use conversa_tests::solo::Solo;
use serde_json::json;

fn conversation() -> ConversationId {
    ConversationId::new(Time::from_ms(1), 7, 7)
}

fn message(o: u64) -> Call {
    let to = To::Channel { channel: "shop".into(), body: format!("{{\"o\":{o}}}") };
    Call { id: conversation().message(o), to, attempt: 0, collapse: None, unless: None }
}

fn post(call: Call) -> Payload {
    Payload::of(courier::Command::Post(Box::new(call)))
}

fn later(after_ms: Option<i64>) -> Outcome {
    Err(CallError::Retry { why: "busy".into(), after_ms })
}

fn offsets(solo: &Solo) -> Vec<u64> {
    let o = |call: &Call| call.id.rsplit_once('.').and_then(|(_, o)| o.parse().ok()).expect("a message");
    solo.calls.iter().map(|(_, call)| o(call)).collect()
}

/// Three messages; the second is refused once. Runs until nothing waits, through a crash before effect `fuse`.
fn lane(fuse: Option<usize>) -> Solo {
    let mut failed = false;
    let mut solo = Solo::new("courier", &conversation().to_string(), move |call| {
        let fails = call.id.ends_with(".2") && !std::mem::replace(&mut failed, call.id.ends_with(".2"));
        if fails { later(None) } else { Ok(Taken::Delivered) }
    });
    solo.fuse = fuse.map(|fuse| solo.performed + fuse);
    loop {
        if !solo.alive() {
            solo.fuse = None;
            solo.wake();
        }
        // As a sender does: the next letter when this one was taken over, the same one until then.
        let next = (1..=3).find(|seq| !solo.taken.iter().any(|id| id.seq == *seq));
        match next {
            Some(seq) => solo.letter(seq, post(message(seq))),
            None if solo.tick() || !solo.alive() => {}
            None => break,
        }
    }
    solo.fuse = None;
    solo
}

#[test]
fn a_crash_at_any_point_loses_no_call_and_changes_no_order() {
    let whole = lane(None);
    assert_eq!(offsets(&whole), [1, 2, 2, 3]);
    let mut repeats = 0;
    let effects = whole.performed;
    for fuse in 0..effects {
        let mut solo = lane(Some(fuse));
        let mut seen = BTreeSet::new();
        let firsts: Vec<u64> = offsets(&solo).into_iter().filter(|o| seen.insert(*o)).collect();
        assert_eq!(firsts, [1, 2, 3], "crash before effect {fuse}: {:?}", offsets(&solo));
        assert!(offsets(&solo).is_sorted(), "crash before effect {fuse}: {:?}", offsets(&solo));
        let more = offsets(&solo).len() - 4;
        assert!(more <= 1, "crash before effect {fuse} repeats {more} calls");
        repeats += more;
        let view = solo.view();
        assert_eq!((&view["waiting"], &view["sent"]), (&json!([]), &json!(3)), "crash before effect {fuse}");
    }
    // Otherwise no crash met a call in the air, and this test sees nothing.
    assert!(repeats > 0 && effects > 20, "{repeats} repeats in {effects} crashes");
}

#[test]
fn what_was_in_the_air_is_due_when_its_lease_ends() {
    let mut solo = Solo::new("courier", "cv", |_| Ok(Taken::Delivered));
    // Up to and with the call itself; its outcome is lost.
    solo.letter(1, post(message(1)));
    let effects = solo.performed;
    let at = (1..effects).find_map(|fuse| {
        let mut solo = Solo::new("courier", "cv", |_| Ok(Taken::Delivered));
        solo.fuse = Some(fuse);
        solo.letter(1, post(message(1)));
        (solo.calls.len() == 1 && !solo.alive()).then(|| {
            solo.fuse = None;
            solo.wake();
            let began = solo.now;
            assert!(solo.tick());
            assert_eq!(solo.calls.len(), 2, "it is made again");
            assert_eq!(solo.calls[0].1.id, solo.calls[1].1.id, "under the same name");
            solo.now.ms_since(began)
        })
    });
    assert_eq!(at, Some(LEASE_MS));
}

#[test]
fn pauses_grow_from_seconds_to_a_day_and_then_it_is_a_dead_letter() {
    let mut solo = Solo::new("courier", "cv_lane", |_| later(None));
    solo.letter(1, post(message(1)));
    while solo.tick() {}
    let pauses: Vec<i64> = solo.calls.windows(2).map(|pair| pair[1].0.ms_since(pair[0].0) / 1_000).collect();
    let schedule = [5, 60, 300, 1_800, 7_200, 21_600, 43_200, 86_400];
    assert_eq!(pauses.len(), schedule.len(), "{pauses:?}");
    for (pause, planned) in pauses.iter().zip(schedule) {
        assert!((planned * 8 / 10..=planned * 12 / 10).contains(pause), "{pauses:?}");
    }
    assert!(pauses.iter().zip(schedule).any(|(pause, planned)| *pause != planned), "no jitter: {pauses:?}");
    assert_eq!(
        solo.calls.iter().map(|(_, call)| call.attempt).collect::<Vec<_>>(),
        (1..=9).collect::<Vec<_>>()
    );
    let letter = solo.sent.pop().expect("a letter");
    assert_eq!(letter.to.kind, "dead_letters");
    let bury = letter.payload.open::<dead_letters::Command>().expect("its command");
    let dead_letters::Command::Bury { lane, call, why, .. } = bury.clone() else { panic!("{bury:?}") };
    assert_eq!((lane.as_str(), *call, why.as_str()), ("cv_lane", message(1), "busy"));
    assert_eq!(solo.view()["failed"], json!([{ "o": 1, "why": "busy" }]));
}

#[test]
fn a_receiver_may_ask_for_a_longer_pause_and_one_that_refuses_does_not_hold_up_the_lane() {
    let mut answers = vec![later(Some(90_000)), Err(CallError::Refused { why: "no".into() })].into_iter();
    let mut solo = Solo::new("courier", "cv", move |_| answers.next().unwrap_or(Ok(Taken::Delivered)));
    solo.letter(1, post(message(1)));
    solo.letter(2, post(message(2)));
    while solo.tick() {}
    assert_eq!(offsets(&solo), [1, 1, 2]);
    assert_eq!(solo.calls[1].0.ms_since(solo.calls[0].0), 90_000);
    let kinds: Vec<_> = solo.sent.iter().map(|letter| letter.to.kind).collect();
    assert_eq!(kinds, ["conversation", "dead_letters"], "the refused one is told, and a dead letter at once");
}

#[test]
fn a_full_lane_takes_nothing_over_and_loses_nothing() {
    let mut solo = Solo::new("courier", "cv", |_| later(None));
    let bound = WAITING_MAX as u64;
    for seq in 1..=bound + 1 {
        solo.letter(seq, post(message(seq)));
    }
    assert_eq!(solo.taken.len() as u64, bound, "the last is still its sender's");
    let refused = solo.ask(post(message(9_999))).expect_err("it is full");
    assert_eq!((refused.code, refused.code.retry()), (Code::QueueFull, true));
}

#[test]
fn receipts_are_marks_that_never_fall() {
    let mut solo = Solo::new("courier", "cv", |_| Ok(Taken::Delivered));
    let mut report = |o, state| {
        let why = if state == Receipt::Failed { "blocked".to_owned() } else { String::new() };
        solo.ask(Payload::of(courier::Command::Report { o, state, why })).expect("it is noted").first
    };
    assert_ne!(report(5, Receipt::Read), 0);
    assert_eq!(report(4, Receipt::Delivered), 0, "what was read was delivered: nothing happens");
    assert_eq!(report(3, Receipt::Read), 0);
    assert_ne!(report(6, Receipt::Delivered), 0);
    assert_ne!(report(7, Receipt::Failed), 0);
    assert_eq!(report(7, Receipt::Failed), 0);
    let view = solo.view();
    assert_eq!((&view["delivered"], &view["read"]), (&json!(6), &json!(5)));
    assert_eq!(view["failed"], json!([{ "o": 7, "why": "blocked" }]));
}

#[test]
fn a_dead_letter_goes_back_to_its_lane_or_is_dropped_and_the_grave_is_bounded() {
    let mut solo = Solo::new("dead_letters", "all", |_| Ok(Taken::Delivered));
    let bury = |o| {
        let (lane, why) = ("cv_lane".to_owned(), "busy".to_owned());
        Payload::of(dead_letters::Command::Bury {
            lane,
            call: Box::new(message(o)),
            why,
            at: Time::from_ms(5),
        })
    };
    for o in 1..=2 {
        solo.letter(o, bury(o));
    }
    let items = solo.view()["items"].clone();
    assert_eq!(items[0]["to"], "shop");
    assert!(!items.to_string().contains("\\\"o\\\""), "no body is shown: {items}");
    solo.ask(Payload::of(dead_letters::Command::Replay { n: 1 })).expect("it is there");
    let letter = solo.sent.pop().expect("a letter");
    assert_eq!((letter.to.kind, &*letter.to.key), ("courier", "cv_lane"));
    assert_eq!(
        letter.payload.open::<courier::Command>().expect("its command"),
        courier::Command::Post(Box::new(message(1)))
    );
    solo.ask(Payload::of(dead_letters::Command::Drop { n: 2 })).expect("it is there");
    for n in 1..=2 {
        let gone = solo.ask(Payload::of(dead_letters::Command::Replay { n })).expect_err("it is gone");
        assert_eq!(gone.code, Code::NotFound);
    }
    for o in 0..=LETTERS_MAX as u64 {
        solo.letter(10 + o, bury(o + 1));
    }
    assert_eq!(solo.view()["items"].as_array().map(Vec::len), Some(LETTERS_MAX));
    assert_eq!(solo.taken.len(), 2 + LETTERS_MAX, "the courier keeps the one too many");
}

fn register(device: &str, token: &str) -> Payload {
    let (device, token) = (device.to_owned(), token.to_owned());
    Payload::of(reach::Command::Register { device, platform: Platform::Fcm, token })
}

fn notice(o: u64) -> Payload {
    let (title, body) = ("Mei".to_owned(), format!("message {o}"));
    Payload::of(reach::Command::Notice(reach::Message { conversation: conversation(), o, title, body }))
}

/// (device, body, badge) of the calls that it has had posted.
fn told(solo: &mut Solo) -> Vec<(String, String, u32)> {
    let letters = std::mem::take(&mut solo.sent);
    let call = |payload: Payload| match payload.open::<courier::Command>().expect("to a courier") {
        courier::Command::Post(call) => *call,
        other => panic!("{other:?}"),
    };
    let calls = letters.into_iter().map(|letter| call(letter.payload));
    calls
        .map(|call| match call.to {
            To::Device { device, notification, .. } => (device, notification.body, notification.badge),
            To::Channel { .. } => panic!("not a device"),
        })
        .collect()
}

#[test]
fn who_has_no_device_costs_no_event_and_who_has_is_told_once_of_several() {
    let mut solo = Solo::new("reach", "vi_1", |_| Ok(Taken::Delivered));
    assert_eq!(solo.ask(notice(1)).expect("nothing to do").first, 0);
    solo.ask(register("phone", "t1")).expect("registered");
    solo.ask(register("pad", "t2")).expect("registered");
    for o in 2..=4 {
        solo.ask(notice(o)).expect("noted");
        solo.now = solo.now.after_ms(300);
    }
    let began = solo.now;
    assert!(solo.tick());
    assert_eq!(solo.now.ms_since(began), 100, "1 s after the first");
    let both = ["pad", "phone"].map(|device| (device.to_owned(), "message 4".to_owned(), 3));
    assert_eq!(told(&mut solo), both);
    assert!(!solo.tick(), "told is told");
    solo.ask(notice(5)).expect("noted");
    assert!(solo.tick());
    assert_eq!(told(&mut solo)[0], ("pad".into(), "message 5".into(), 4));
    let seen = |o| Payload::of(reach::Command::Seen { conversation: conversation(), o });
    solo.ask(notice(6)).expect("noted");
    assert_eq!(solo.ask(seen(5)).expect("not all").first, 0, "6 is still missed");
    solo.ask(seen(6)).expect("all");
    assert!(!solo.tick(), "what was seen is not told");
    assert_eq!(solo.view()["badge"], 0);
}

#[test]
fn devices_are_bounded_and_a_token_that_is_gone_takes_only_its_own_device() {
    let mut solo = Solo::new("reach", "vi_1", |_| Ok(Taken::Delivered));
    for n in 0..reach::DEVICES_MAX {
        solo.ask(register(&format!("d{n}"), &format!("t{n}"))).expect("registered");
    }
    let refused: Refusal = solo.ask(register("more", "tx")).expect_err("too many");
    assert_eq!(refused.to_string(), "conflict: one person has at most 10 devices: remove one first");
    solo.ask(register("d0", "new")).expect("a new token of a known device");
    assert_eq!(solo.ask(register("d0", "new")).expect("known").first, 0);
    let forget =
        |token: &str| Payload::of(reach::Command::Forget { device: "d0".into(), token: token.to_owned() });
    assert_eq!(solo.ask(forget("t0")).expect("an old token").first, 0);
    assert_ne!(solo.ask(forget("new")).expect("the token").first, 0);
    // Installed anew: the token moves to the new device.
    solo.ask(register("again", "t1")).expect("registered");
    let items = solo.view()["items"].to_string();
    assert!(items.contains("again") && !items.contains("\"d1\"") && !items.contains("t1"), "{items}");
}

#[test]
fn a_device_is_tried_for_a_short_time_and_a_gone_one_is_forgotten() {
    let call = |id: &str, o| Call {
        id: id.into(),
        to: To::Device {
            person: conversa_engine::ids::PersonId::new("vi_1"),
            device: "phone".into(),
            platform: Platform::Apns,
            token: "aa".into(),
            notification: conversa_actors::port::outside::Notification {
                title: "Mei".into(),
                body: format!("message {o}"),
                conversation: conversation(),
                badge: 1,
            },
        },
        attempt: 0,
        collapse: Some("cv".into()),
        unless: None,
    };
    let mut solo = Solo::new("courier", "vi_1/phone", |_| later(None));
    solo.letter(1, post(call("one", 1)));
    solo.letter(2, post(call("two", 2)));
    while solo.tick() {}
    let ids: Vec<&str> = solo.calls.iter().map(|(_, call)| call.id.as_str()).collect();
    assert_eq!(
        ids,
        ["one", "two", "two", "two", "two"],
        "the later one took the place of the one that waited"
    );
    assert!(solo.sent.is_empty(), "a notification is no dead letter: its message is in the log");
    let mut solo = Solo::new("courier", "vi_1/phone", |_| Err(CallError::Gone { why: "410".into() }));
    solo.letter(1, post(call("one", 1)));
    let letter = solo.sent.pop().expect("a letter");
    assert_eq!((letter.to.kind, &*letter.to.key), ("reach", "vi_1"));
}
