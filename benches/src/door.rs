//! How to get into the server under test: which protocol, and as whom.

use std::rc::Rc;

use crate::protocol::conversa::{Conversa, Directory, Encoding, Errand, Seat};
use crate::protocol::relay::Relay;
use crate::protocol::{Protocol, Side};

/// A server's entrance.
#[derive(Clone, Debug)]
pub struct Door {
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// What is spoken there.
    pub kind: Kind,
}

/// What is spoken at a door.
#[derive(Clone, Debug)]
pub enum Kind {
    /// The floor relay's protocol.
    Relay,
    /// Protocol v1.
    Conversa(Rc<Guests>),
}

/// Who may come to a Conversa node.
#[derive(Debug)]
pub struct Guests {
    /// Visitors with their tokens.
    pub visitors: Vec<Seat>,
    /// Agents with theirs.
    pub agents: Vec<Seat>,
    /// Conversations at once per agent.
    pub capacity: u16,
    /// How frames are written.
    pub encoding: Encoding,
    /// Which pair a conversation belongs to.
    pub directory: Directory,
}

impl Door {
    /// One end of the pair number `pair`; the caller stays within the guests.
    #[must_use]
    pub fn talker(&self, side: Side, pair: usize) -> Box<dyn Protocol> {
        match &self.kind {
            Kind::Relay => Box::new(Relay::new(side, pair)),
            Kind::Conversa(guests) => {
                let (seats, errand) = match side {
                    Side::Visitor => (&guests.visitors, Errand::Ask),
                    Side::Agent => (&guests.agents, Errand::Serve(guests.capacity)),
                };
                Box::new(Conversa::new(
                    seats[pair].clone(),
                    pair,
                    errand,
                    guests.encoding,
                    Rc::clone(&guests.directory),
                ))
            }
        }
    }

    /// A visitor of a node that opens a conversation and comes again after a loss.
    #[must_use]
    pub fn returner(&self, number: usize) -> Option<Conversa> {
        let Kind::Conversa(guests) = &self.kind else { return None };
        let (seat, directory) = (guests.visitors[number].clone(), Rc::clone(&guests.directory));
        Some(Conversa::new(seat, number, Errand::Open, guests.encoding, directory))
    }

    /// Conversations that were opened through it, with the number of their visitors.
    #[must_use]
    pub fn conversations(&self) -> Vec<(String, usize)> {
        match &self.kind {
            Kind::Relay => Vec::new(),
            Kind::Conversa(guests) => {
                guests.directory.borrow().iter().map(|(cv, number)| (cv.clone(), *number)).collect()
            }
        }
    }

    /// The proof of a visitor.
    #[must_use]
    pub fn visitor_token(&self, number: usize) -> String {
        match &self.kind {
            Kind::Relay => String::new(),
            Kind::Conversa(guests) => guests.visitors[number].token.clone(),
        }
    }

    /// A visitor that only holds a connection.
    #[must_use]
    pub fn idler(&self, number: usize) -> Box<dyn Protocol> {
        match &self.kind {
            Kind::Relay => Box::new(Relay::new(Side::Visitor, number)),
            Kind::Conversa(guests) => {
                let (seat, directory) = (guests.visitors[number].clone(), Rc::clone(&guests.directory));
                Box::new(Conversa::new(seat, number, Errand::Idle, guests.encoding, directory))
            }
        }
    }
}
