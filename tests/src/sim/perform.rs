//! Performing the effects of a core: letters take their way, get lost and come twice; the store takes its time.

use conversa_actors::address::Address;
use conversa_actors::cell::machine::{Effect, Input};

use super::World;
use super::agenda::{Action, Bell};
use super::store::{Back, Job};

impl World {
    /// Performs the effects of one step, in order; false when the cell has ended.
    pub(super) fn perform_all(
        &mut self,
        n: usize,
        address: &Address,
        cell: u64,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let mut left = false;
        for effect in effects.drain(..) {
            match effect {
                Effect::Stop => left |= self.leave(n, address),
                Effect::Die(_) => {
                    self.failed(n, address, false);
                    return false;
                }
                effect => self.perform(n, address, cell, effect),
            }
        }
        self.pump_all();
        !left
    }

    fn perform(&mut self, n: usize, address: &Address, cell: u64, effect: Effect) {
        let back = || Back { to: address.clone(), cell };
        match effect {
            Effect::Append(append) => self.ask_store(n, Job::Append { back: back(), append, unknown: 0 }),
            Effect::PutRows(ticket, rows) => self.ask_store(n, Job::Put { back: back(), ticket, rows }),
            Effect::Load(load) => self.ask_store(n, Job::Load { back: back(), load }),
            Effect::Read { conversation, after } => self.read_for_watcher(n, back(), conversation, after),
            Effect::GetRow { conversation, key } => {
                self.ask_store(n, Job::Row { back: back(), conversation, key })
            }
            Effect::Send(letter) => {
                if self.stolen(&letter) {
                    let taken = Input::Taken { by: letter.to.clone(), id: letter.id };
                    return self.send(n, address, taken, false);
                }
                let copies = self.copies();
                self.tell(|| {
                    format!(
                        "{address} sends {}.{} to {} x{copies}",
                        letter.id.seq, letter.id.index, letter.to
                    )
                });
                for _ in 0..copies {
                    self.send(n, &letter.to, Input::Letter(letter.clone()), true);
                }
            }
            Effect::Take { from, id } => {
                for _ in 0..self.copies() {
                    self.send(n, &from, Input::Taken { by: address.clone(), id }, false);
                }
            }
            Effect::Watched { conversation, watcher, cursor } => {
                for _ in 0..self.copies() {
                    self.send(n, &conversation, Input::Watched { watcher, cursor }, false);
                }
            }
            Effect::Feed { watcher, heard } => {
                // A slot lives beside its conversations: a full mailbox may lose a feed; nothing doubles it, and none survives
                // the slot that it was sent to.
                if self.copies() > 0 {
                    self.feed(n, &watcher, heard);
                }
            }
            Effect::Answer(asker, answer) => asker.answer(answer),
            Effect::Murmur { to, murmur } => {
                for person in &to {
                    self.nodes[n].porch.lobby.murmur(&address.tenant, person, &murmur);
                }
                if let Some(far) = self.far(n) {
                    far.murmur(&address.tenant, &to, &murmur);
                }
            }
            Effect::Push(push) => {
                self.tell(|| {
                    format!(
                        "{} <- {} {}{}",
                        push.person,
                        push.source,
                        push.seq,
                        if push.event.is_some() { "" } else { " is the end" }
                    )
                });
                self.nodes[n].porch.lobby.push(&push);
                if let Some(far) = self.far(n) {
                    far.push(&push);
                }
            }
            // Nobody is outside: its actor makes the call again when its lease ends.
            Effect::Call(_) => {}
            Effect::Timer(at) => self.set_alarm(n, address, at, Bell::Tick),
            // Whoever wanted to look may have gone.
            Effect::Show(reply, view) => drop(reply.send(view)),
            Effect::Stop | Effect::Die(_) => unreachable!("the caller deals with the end of a cell"),
        }
    }

    /// How often something arrives.
    fn copies(&mut self) -> u32 {
        if self.chance.hits(self.rates.lost) { 0 } else { 1 + u32::from(self.chance.hits(self.rates.twice)) }
    }

    fn send(&mut self, n: usize, to: &Address, input: Input, starts: bool) {
        let at = self.now.after_ms(self.chance.between(0, self.rates.way_ms_max));
        self.agenda.put(at, Action::Deliver { life: self.nodes[n].life, to: to.clone(), input, starts });
    }
}
