//! Performing the effects of a core: the one place where cells touch the world.

use std::sync::Arc;

use super::{Bell, Host, Seat};
use crate::address::Address;
use crate::cell::Inbox;
use crate::cell::machine::{Effect, Input, Load, Loaded, TAIL_MAX};

/// What became of an effect.
#[derive(Debug, PartialEq, Eq)]
pub enum Performed {
    /// It was performed, or begun.
    Done,
    /// The cell has left the roster: it ends.
    Ended,
    /// The core cannot go on.
    Failed(String),
}

impl Host {
    /// Performs one effect of the cell at `address`.
    pub(crate) fn perform(
        self: &Arc<Self>,
        address: &Address,
        seat: &Seat,
        inbox: &Inbox,
        effect: Effect,
    ) -> Performed {
        match effect {
            Effect::Append(append) => {
                self.meters.appends.add();
                self.meters.events.add_many(append.bodies.len() as u64);
                let (back, place) = (back(seat, inbox), seat.clone());
                place.flies(true);
                let done = move |outcome| {
                    place.flies(false);
                    back(Input::Appended(outcome));
                };
                self.ports.journal.append(append, Box::new(done));
            }
            Effect::PutRows(ticket, rows) => {
                let back = back(seat, inbox);
                self.ports.rows.put(rows, Box::new(move |outcome| back(Input::RowsPut(ticket, outcome))));
            }
            Effect::Load(load) => self.load(address, seat, inbox, load),
            Effect::Read { conversation, after } => self.read(seat, inbox, conversation, after),
            Effect::GetRow { conversation, key } => {
                let (host, back) = (Arc::clone(self), back(seat, inbox));
                tokio::spawn(async move {
                    let row = host.ports.rows.get(&key).await;
                    back(Input::RowGot { conversation, row });
                });
            }
            Effect::Send(letter) => {
                self.meters.letters.add();
                let to = letter.to.clone();
                // Not taken: it is sent again after a pause.
                let _ = self.deliver(&to, Input::Letter(letter));
            }
            Effect::Take { from, id } => {
                self.deliver_awake(&from, Input::Taken { by: address.clone(), id });
            }
            Effect::Watched { conversation, watcher, cursor } => {
                self.deliver_awake(&conversation, Input::Watched { watcher, cursor });
            }
            Effect::Feed { watcher, heard } => self.feed(&watcher, heard),
            Effect::Answer(asker, answer) => asker.answer(answer),
            Effect::Push(push) => {
                self.meters.pushes.add();
                self.lobby.push(&push);
                if let Some(far) = &self.far {
                    far.push(&push);
                }
            }
            Effect::Murmur { to, murmur } => {
                for person in &to {
                    self.lobby.murmur(&address.tenant, person, &murmur);
                }
                if let Some(far) = &self.far {
                    far.murmur(&address.tenant, &to, &murmur);
                }
            }
            Effect::Call(calling) => self.call(address, *calling),
            Effect::Timer(at) => self.alarm.set(address, at, Bell::Tick),
            // Whoever wanted to look may have gone.
            Effect::Show(reply, view) => drop(reply.send(view)),
            Effect::Stop => {
                if self.roster.leave(address, seat) {
                    self.meters.rests.add();
                    return Performed::Ended;
                }
            }
            Effect::Die(why) => {
                self.failed(address, seat, &why, false);
                return Performed::Failed(why);
            }
        }
        Performed::Done
    }

    fn load(self: &Arc<Self>, address: &Address, seat: &Seat, inbox: &Inbox, load: Load) {
        let (host, address, back) = (Arc::clone(self), address.clone(), back(seat, inbox));
        tokio::spawn(async move {
            let loaded = match load {
                Load::Row(key) => host.ports.rows.get(&key).await.map(Loaded::Row),
                Load::Tail { after } => {
                    host.ports.journal.read(&address, after, TAIL_MAX).await.map(Loaded::Tail)
                }
                Load::Scan { table, partition, after } => {
                    host.ports.rows.scan(table, &partition, &after, TAIL_MAX).await.map(Loaded::Scan)
                }
            };
            back(Input::Loaded(loaded));
        });
    }

    fn read(self: &Arc<Self>, seat: &Seat, inbox: &Inbox, conversation: Address, after: u64) {
        let (host, back) = (Arc::clone(self), back(seat, inbox));
        tokio::spawn(async move {
            let entries = host.read_log(&conversation, after, TAIL_MAX).await;
            back(Input::Read { conversation, entries });
        });
    }
}

/// The way back to a cell for what its own effects bring; such inputs do not count against the bound of its mailbox.
fn back(seat: &Seat, inbox: &Inbox) -> impl Fn(Input) + Send + 'static + use<> {
    let (seat, inbox) = (seat.clone(), inbox.clone());
    move |input| {
        seat.take();
        // The cell has ended meanwhile: its successor reads the store itself.
        let _ = inbox.send(input);
    }
}
