//! Letters on their way: one in flight per receiver, the next when it was taken over, sent again with growing pauses until then.

use std::collections::{BTreeMap, VecDeque};

use conversa_engine::time::Time;

use super::machine::Effect;
use crate::address::Address;
use crate::letter::{Letter, LetterId};

/// Letters that may wait; beyond it commands are refused as overloaded.
pub(crate) const LETTERS_MAX: usize = 1024;
const AGAIN_MS_MIN: i64 = 1_000;
const AGAIN_MS_MAX: i64 = 30_000;

/// All letters of one sender that were not taken over yet.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    lanes: BTreeMap<Address, Lane>,
    count: usize,
}

#[derive(Debug)]
struct Lane {
    letters: VecDeque<Letter>,
    again: Time,
    pause_ms: i64,
}

impl Outgoing {
    /// Letters that wait.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The first event with a letter that was not taken over.
    pub(crate) fn first_seq(&self) -> Option<u64> {
        self.lanes.values().filter_map(|lane| lane.letters.front()).map(|letter| letter.id.seq).min()
    }

    /// All letters, in order of lane.
    pub(crate) fn letters(&self) -> impl Iterator<Item = &Letter> {
        self.lanes.values().flat_map(|lane| &lane.letters)
    }

    /// When the next letter is to be sent again.
    pub(crate) fn due(&self) -> Option<Time> {
        self.lanes.values().map(|lane| lane.again).min()
    }

    /// Takes a letter on its way; the first of its lane is sent at once.
    pub(crate) fn post(&mut self, now: Time, letter: Letter, out: &mut Vec<Effect>) {
        self.count += 1;
        match self.lanes.get_mut(&letter.to) {
            Some(lane) => lane.letters.push_back(letter),
            None => {
                out.push(Effect::Send(letter.clone()));
                let lane = Lane {
                    again: now.after_ms(AGAIN_MS_MIN),
                    pause_ms: AGAIN_MS_MIN,
                    letters: VecDeque::from([letter.clone()]),
                };
                self.lanes.insert(letter.to, lane);
            }
        }
    }

    /// A letter was taken over: the next of its lane is sent.
    pub(crate) fn taken(&mut self, now: Time, by: &Address, id: LetterId, out: &mut Vec<Effect>) {
        let Some(lane) = self.lanes.get_mut(by) else { return };
        if lane.letters.front().is_none_or(|letter| letter.id != id) {
            return;
        }
        lane.letters.pop_front();
        self.count -= 1;
        match lane.letters.front() {
            Some(next) => {
                out.push(Effect::Send(next.clone()));
                (lane.pause_ms, lane.again) = (AGAIN_MS_MIN, now.after_ms(AGAIN_MS_MIN));
            }
            None => drop(self.lanes.remove(by)),
        }
    }

    /// Sends again what was not taken over in time.
    pub(crate) fn tick(&mut self, now: Time, out: &mut Vec<Effect>) {
        for lane in self.lanes.values_mut().filter(|lane| lane.again <= now) {
            out.extend(lane.letters.front().cloned().map(Effect::Send));
            lane.pause_ms = (lane.pause_ms * 2).min(AGAIN_MS_MAX);
            lane.again = now.after_ms(lane.pause_ms);
        }
    }
}
