//! The store of a simulation: memory that takes its time, fails, and sometimes does not say whether it has written.

use std::collections::BTreeMap;
use std::sync::Arc;

use conversa_actors::address::Address;
use conversa_actors::cell::envelope::Envelope;
use conversa_actors::cell::machine::{Input, Load, Loaded, TAIL_MAX, Ticket};
use conversa_actors::letter::decode;
use conversa_actors::port::{Append, AppendError, Row, RowKey, StoreError};

use super::agenda::{Action, Life};
use super::{Plant, World};

/// The cell that waits for an answer.
#[derive(Clone, Debug)]
pub(super) struct Back {
    pub(super) to: Address,
    pub(super) cell: u64,
}

/// Something that the store is asked to do.
#[derive(Debug)]
pub(super) enum Job {
    Append {
        back: Back,
        append: Append,
        /// Attempts of unknown outcome before.
        unknown: u32,
    },
    Put {
        back: Back,
        ticket: Ticket,
        rows: Vec<Row>,
    },
    Load {
        back: Back,
        load: Load,
    },
    Read {
        back: Back,
        conversation: Address,
        after: u64,
    },
    Row {
        back: Back,
        conversation: Address,
        key: RowKey,
    },
    /// A page for a socket that catches up.
    Page {
        talk: usize,
        source: Address,
        after: u64,
    },
}

/// The logs with an append whose outcome is not known yet: the next activation of their actors waits for it.
pub(super) type Flying = BTreeMap<Address, u32>;

impl World {
    /// Asks the store; it begins after a while.
    pub(super) fn ask_store(&mut self, n: usize, job: Job) {
        if let Job::Append { append, .. } = &job {
            *self.nodes[n].flying.entry(append.address.clone()).or_default() += 1;
        }
        let at = self.now.after_ms(self.chance.between(0, self.rates.store_ms_max));
        self.agenda.put(at, Action::Store(self.nodes[n].life, job));
    }

    /// The store does what it was asked.
    pub(super) fn store_works(&mut self, life: Life, job: Job) {
        if self.cluster.is_some() {
            return self.shared_store_works(life, job);
        }
        let n = life.node;
        match job {
            Job::Append { back, append, unknown } => self.append(life, back, append, unknown),
            Job::Put { back, ticket, rows } => {
                let failed = self.chance.hits(self.rates.put_fails);
                self.tell(|| {
                    let keys: Vec<&str> = rows.iter().map(|row| &*row.key.key).collect();
                    format!("{} writes {ticket:?} {keys:?}{}", back.to, if failed { " in vain" } else { "" })
                });
                // One that fails may have been written all the same.
                if !failed || self.chance.hits(5_000) {
                    self.store.put_now(rows);
                }
                self.answer(n, back, Input::RowsPut(ticket, if failed { Err(broken()) } else { Ok(()) }));
            }
            Job::Load { back, load } => {
                let failed = self.chance.hits(self.rates.read_fails);
                let loaded = if failed { Err(broken()) } else { Ok(self.load(&back.to, load)) };
                self.answer(n, back, Input::Loaded(loaded));
            }
            Job::Read { back, conversation, after } => {
                let failed = self.chance.hits(self.rates.read_fails);
                let entries = self.store.read_now(&conversation, after, TAIL_MAX);
                let entries = if failed { Err(broken()) } else { Ok(entries) };
                self.answer(n, back, Input::Read { conversation, entries });
            }
            Job::Row { back, conversation, key } => {
                let failed = self.chance.hits(self.rates.read_fails);
                let row = if failed { Err(broken()) } else { Ok(self.store.get_now(&key)) };
                self.answer(n, back, Input::RowGot { conversation, row });
            }
            Job::Page { talk, source, after } => {
                let failed = self.chance.hits(self.rates.read_fails);
                let entries = (!failed).then(|| self.store.read_now(&source, after, self.rates.page));
                let at = self.now.after_ms(self.chance.between(0, self.rates.store_ms_max));
                self.agenda.put(at, Action::Page { talk, source, entries });
            }
        }
    }

    /// As `conversa_cluster::Steady` does: what has no known outcome is repeated unchanged until it has.
    fn append(&mut self, life: Life, back: Back, append: Append, unknown: u32) {
        let n = life.node;
        if unknown == 0 && self.chance.hits(self.rates.append_fails) {
            return self.appended(n, back, Err(AppendError::Unavailable("it is full".into())));
        }
        if self.chance.hits(self.rates.append_unknown) {
            if self.chance.hits(self.rates.unknown_written) {
                // Whatever comes of it, nobody is told.
                let _ = self.store.append_now(&append);
            }
            let pause = 50 << unknown.min(5);
            let again = Job::Append { back, append, unknown: unknown + 1 };
            return self.agenda.put(self.now.after_ms(pause), Action::Store(life, again));
        }
        if self.plant == Some(Plant::AppendLost) && self.chance.hits(200) {
            return self.appended(n, back, Ok(()));
        }
        let outcome = self.store.append_now(&append);
        self.tell_append(&append, &outcome);
        self.appended(n, back, outcome);
    }

    pub(super) fn tell_append(&self, append: &Append, outcome: &Result<(), AppendError>) {
        for (body, seq) in append.bodies.iter().zip(append.first..) {
            let read = || {
                decode::<Envelope<serde_json::Value>>(body)
                    .map(|envelope| envelope.body.to_string())
                    .unwrap_or_default()
            };
            self.tell(|| format!("{} {seq} {} {outcome:?}", append.address, read()));
        }
    }

    pub(super) fn appended(&mut self, n: usize, back: Back, outcome: Result<(), AppendError>) {
        if let Some(flying) = self.nodes[n].flying.get_mut(&back.to) {
            *flying -= 1;
            if *flying == 0 {
                self.nodes[n].flying.remove(&back.to);
            }
        }
        self.answer(n, back, Input::Appended(outcome));
    }

    pub(super) fn load(&self, of: &Address, load: Load) -> Loaded {
        match load {
            Load::Row(key) => Loaded::Row(self.store.get_now(&key)),
            Load::Tail { after } => Loaded::Tail(self.store.read_now(of, after, TAIL_MAX)),
            Load::Scan { table, partition, after } => {
                Loaded::Scan(self.store.scan_now(table, &partition, &after, TAIL_MAX))
            }
        }
    }

    pub(super) fn answer(&mut self, n: usize, back: Back, input: Input) {
        let at = self.now.after_ms(self.chance.between(0, self.rates.store_ms_max));
        let Back { to, cell } = back;
        self.agenda.put(at, Action::Back { life: self.nodes[n].life, to, cell, input });
    }

    /// The node has died: each write that was under way has reached the disk, or has not. Clients' affairs go on.
    pub(super) fn writes_of_the_dead(&mut self, actions: Vec<(conversa_engine::time::Time, Action)>) {
        let store = Arc::clone(&self.store);
        for (at, action) in actions {
            match action {
                Action::Store(_, Job::Append { append, .. }) if self.chance.hits(5_000) => {
                    drop(store.append_now(&append))
                }
                Action::Store(_, Job::Put { rows, .. }) if self.chance.hits(5_000) => store.put_now(rows),
                Action::Boot(_) | Action::Turn(_) | Action::Misfortune | Action::Sweep | Action::Cut(_) => {
                    self.agenda.put(at, action)
                }
                Action::Store(..)
                | Action::Back { .. }
                | Action::Deliver { .. }
                | Action::Ring { .. }
                | Action::Resume { .. }
                | Action::Page { .. }
                | Action::Pump(_)
                | Action::Cluster(_)
                | Action::Grace(..) => {}
            }
        }
    }
}

pub(super) fn broken() -> StoreError {
    StoreError("it does not answer".into())
}
