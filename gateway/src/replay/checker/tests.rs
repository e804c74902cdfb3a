use super::*;

fn text(words: &str) -> Content {
    Content::text(words)
}

fn line(o: u64, side: Side, n: u64) -> Line {
    Line { o, side, key: Some(format!("{side}.{n}")), content: text(&format!("{side} says {n}")) }
}

/// Six turns at offsets 5, 6, 8, 9, 10, 12: nothing is wrong.
fn sound() -> History {
    let turns = [
        (5, Side::Visitor, 1),
        (6, Side::Agent, 1),
        (8, Side::Visitor, 2),
        (9, Side::Agent, 2),
        (10, Side::Visitor, 3),
        (12, Side::Agent, 3),
    ];
    let stored: Vec<Line> = turns.map(|(o, side, n)| line(o, side, n)).to_vec();
    let sent = stored.iter().map(|line| Sending {
        side: line.side,
        key: line.key.clone(),
        content: line.content.clone(),
        acknowledged: true,
        o: Some(line.o),
    });
    let seen_by = |side: Side| stored.iter().filter(|line| line.side != side).cloned().collect();
    History {
        name: "s".into(),
        planned: 6,
        sent: sent.collect(),
        readers: vec![
            Reader { side: Side::Visitor, name: "visitor".into(), seen: seen_by(Side::Visitor) },
            Reader { side: Side::Agent, name: "ag_mei.0".into(), seen: seen_by(Side::Agent) },
            // Another device of the same agent sees the agent's own messages too.
            Reader { side: Side::Agent, name: "ag_mei.1".into(), seen: stored.clone() },
        ],
        stored,
        failure: None,
    }
}

/// lost, doubled, out of order, altered
fn faults(history: &History) -> [u64; 4] {
    let Counts { lost, doubled, out_of_order, altered, .. } = check([history]).counts;
    [lost, doubled, out_of_order, altered]
}

#[test]
fn a_sound_history_has_no_faults() {
    let verdict = check([&sound(), &sound()]);
    assert_eq!(verdict.counts, Counts { sent: 12, acknowledged: 12, ..Counts::default() });
    assert!(verdict.findings.is_empty());
}

#[test]
fn every_corruption_of_a_history_is_caught() {
    type Corrupt = fn(&mut History);
    let cases: [(&str, Corrupt, [u64; 4]); 20] = [
        (
            "an acknowledged message is not stored",
            |history| {
                history.stored.remove(2);
            },
            [3, 0, 0, 0],
        ),
        (
            "acknowledged, not stored, seen by nobody",
            |history| {
                let gone = history.stored.pop().expect("six");
                for reader in &mut history.readers {
                    reader.seen.retain(|line| line.o != gone.o);
                }
            },
            [1, 0, 0, 0],
        ),
        (
            "the visitor was never shown a message",
            |history| {
                history.readers[0].seen.pop();
            },
            [1, 0, 0, 0],
        ),
        (
            "no socket of the agent was shown a message",
            |history| {
                history.readers[1].seen.remove(0);
                history.readers[2].seen.remove(0);
            },
            [1, 0, 0, 0],
        ),
        ("the agent has no reader at all", |history| history.readers.truncate(1), [3, 0, 0, 0]),
        (
            "a message is stored twice under its key",
            |history| history.stored.push(Line { o: 13, ..line(12, Side::Agent, 3) }),
            [1, 1, 0, 0],
        ),
        (
            "a message is stored twice and shown twice",
            |history| {
                let again = Line { o: 13, ..line(12, Side::Agent, 3) };
                history.stored.push(again.clone());
                history.readers[0].seen.push(again);
            },
            [0, 2, 0, 0],
        ),
        (
            "a repeat is stored under another key",
            |history| {
                let again = Line { o: 13, key: Some("agent.4".into()), ..line(12, Side::Agent, 3) };
                history.stored.push(again.clone());
                history.readers[0].seen.push(again);
            },
            [0, 1, 0, 0],
        ),
        (
            "the server lists an offset twice",
            |history| {
                let last = history.stored[5].clone();
                history.stored.push(last);
            },
            [0, 1, 0, 0],
        ),
        (
            "a reader is shown a message twice",
            |history| {
                let last = history.readers[0].seen[2].clone();
                history.readers[0].seen.push(last);
            },
            [0, 1, 0, 0],
        ),
        (
            "a second device is shown a message twice",
            |history| {
                let last = history.readers[2].seen[5].clone();
                history.readers[2].seen.push(last);
            },
            [0, 1, 0, 0],
        ),
        (
            "a reader is shown a key at two offsets",
            |history| {
                let again = Line { o: 13, ..history.readers[0].seen[2].clone() };
                history.readers[0].seen.push(again);
            },
            [0, 1, 0, 0],
        ),
        (
            "a reader is shown messages in another order",
            |history| history.readers[0].seen.swap(0, 1),
            [0, 0, 1, 0],
        ),
        (
            "two of one sender are stored the wrong way round",
            |history| {
                let (first, second) = (history.stored[0].o, history.stored[2].o);
                (history.stored[0].o, history.stored[2].o) = (second, first);
                (history.sent[0].o, history.sent[2].o) = (Some(second), Some(first));
                history.stored.sort_by_key(|line| line.o);
                for reader in &mut history.readers[1..] {
                    for line in &mut reader.seen {
                        line.o = if line.o == first {
                            second
                        } else if line.o == second {
                            first
                        } else {
                            line.o
                        };
                    }
                    reader.seen.sort_by_key(|line| line.o);
                }
            },
            [0, 0, 2, 0],
        ),
        (
            "the server lists what is stored in another order",
            |history| history.stored.swap(3, 4),
            [0, 0, 1, 0],
        ),
        (
            "a message is stored elsewhere than acknowledged",
            |history| history.sent[5].o = Some(11),
            [0, 0, 1, 0],
        ),
        (
            "a message is stored with other words",
            |history| history.stored[1].content = text("other"),
            [0, 0, 0, 3],
        ),
        (
            "a reader is shown other words",
            |history| history.readers[0].seen[1].content = text("other"),
            [0, 0, 0, 1],
        ),
        (
            "a message is shown under another author",
            |history| history.readers[0].seen[1].side = Side::Visitor,
            [0, 0, 0, 1],
        ),
        (
            "a session gives up after four turns",
            |history| {
                history.failure = Some("no progress for 60 s".into());
                history.sent.truncate(4);
                history.stored.truncate(4);
                for reader in &mut history.readers {
                    reader.seen.retain(|line| line.o < 10);
                }
            },
            [2, 0, 0, 0],
        ),
    ];
    for (name, corrupt, expected) in cases {
        let mut history = sound();
        corrupt(&mut history);
        assert_eq!(faults(&history), expected, "{name}: {:?}", check([&history]).findings);
    }
}

#[test]
fn a_message_that_nobody_sent_is_caught() {
    let mut history = sound();
    let invented = Line { o: 13, side: Side::Agent, key: None, content: text("buy more") };
    history.stored.push(invented.clone());
    history.readers[0].seen.push(invented);
    assert_eq!(faults(&history), [0, 0, 0, 1]);
}

#[test]
fn one_whose_answer_never_came_may_be_stored_or_not() {
    let mut history = sound();
    history.sent[5] = Sending { key: None, acknowledged: false, o: None, ..history.sent[5].clone() };
    assert_eq!(faults(&history), [0, 0, 0, 0]);
    history.stored.pop();
    for reader in &mut history.readers {
        reader.seen.retain(|line| line.o != 12);
    }
    assert_eq!(faults(&history), [0, 0, 0, 0]);
    assert_eq!(check([&history]).counts.acknowledged, 5);
}

#[test]
fn findings_say_which_session_and_which_words() {
    let mut history = sound();
    history.readers[0].seen.pop();
    assert_eq!(
        check([&history]).findings,
        ["session s: lost: \"agent says 3\" at 12 of the agent was never shown to the visitor"]
    );
}
