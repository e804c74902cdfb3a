//! The trace of a run: a digest of every input of every core, in order. The same seed gives the same digest.

use conversa_actors::address::Address;
use conversa_actors::cell::machine::Input;
use conversa_engine::time::Time;

use super::chance::mix;

/// The digest so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trace(u64);

impl Trace {
    /// The digest.
    pub(super) fn digest(self) -> u64 {
        self.0
    }

    /// Takes in that the actor at `address` has got `input`.
    pub(super) fn note(&mut self, now: Time, address: &Address, input: &Input) {
        self.number(now.ms().unsigned_abs());
        self.text(address.kind);
        self.text(&address.key);
        let (word, a, b) = sketch(input);
        self.text(word);
        self.number(a);
        self.number(b);
    }

    fn number(&mut self, number: u64) {
        self.0 = mix(self.0.rotate_left(5) ^ number);
    }

    fn text(&mut self, text: &str) {
        for chunk in text.as_bytes().chunks(8) {
            let mut bytes = [0; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            self.number(u64::from_le_bytes(bytes));
        }
    }
}

/// What tells inputs of a kind apart.
fn sketch(input: &Input) -> (&'static str, u64, u64) {
    match input {
        Input::Start => ("start", 0, 0),
        Input::Loaded(loaded) => ("loaded", u64::from(loaded.is_ok()), 0),
        Input::Woken => ("woken", 0, 0),
        Input::Letter(letter) => ("letter", letter.id.seq, u64::from(letter.id.index)),
        Input::Request(_) => ("request", 0, 0),
        Input::Taken { id, .. } => ("taken", id.seq, u64::from(id.index)),
        Input::Appended(outcome) => ("appended", u64::from(outcome.is_ok()), 0),
        Input::RowsPut(_, outcome) => ("rows put", u64::from(outcome.is_ok()), 0),
        Input::Tick => ("tick", 0, 0),
        Input::Heard(heard) => {
            let last = heard.last();
            ("heard", last.map_or(0, |heard| heard.first), last.map_or(0, |heard| heard.head))
        }
        Input::Read { entries, .. } => {
            ("read", entries.as_ref().map_or(0, |entries| entries.len() as u64), 0)
        }
        Input::RowGot { row, .. } => ("row got", u64::from(row.is_ok()), 0),
        Input::Watched { cursor, .. } => ("watched", *cursor, 0),
        Input::View(_) => ("view", 0, 0),
        Input::Murmur { .. } => ("murmur", 0, 0),
        Input::Retire(why) => ("retire", *why as u64, 0),
    }
}
