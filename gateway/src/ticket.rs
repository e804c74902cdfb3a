//! Tickets: a word, good once and for a minute, that stands for a token. For clients that must not show their token where they connect.
//! They live in the memory of the node that gave them; one that is lost is asked for anew.

use std::collections::{HashMap, VecDeque};

use conversa_engine::refusal::{Code, Refusal};
use conversa_engine::time::Time;
use parking_lot::Mutex;

use crate::auth::Principal;

/// How long a ticket is good, ms.
const LIFE_MS: i64 = 60_000;
/// Tickets of one person; a further one makes the oldest void.
const PER_PERSON_MAX: usize = 8;
/// Tickets of a node; beyond it none are given until some are used or over.
const TICKETS_MAX: usize = 20_000;

/// The tickets that a node has given.
#[derive(Debug, Default)]
pub(crate) struct Tickets(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    all: HashMap<String, Ticket>,
    /// In the order in which they were given, and so in which they end; used ones are still in it.
    order: VecDeque<(Time, String)>,
    /// By tenant and person, the oldest first.
    people: HashMap<(String, String), VecDeque<String>>,
}

#[derive(Debug)]
struct Ticket {
    principal: Principal,
    /// When the ticket is over, and when the token for which it stands is.
    until: Time,
    token_until: Time,
}

impl Tickets {
    /// Gives a ticket named `name`, which nobody can guess, and says when it is over.
    ///
    /// # Errors
    /// `overloaded` when the node has given too many.
    pub(crate) fn give(
        &self,
        name: String,
        principal: Principal,
        token_until: Time,
        now: Time,
    ) -> Result<Time, Refusal> {
        let mut table = self.0.lock();
        table.sweep(now);
        // Used tickets leave their place in the order when their time is over: the order is what is bounded.
        if table.order.len() >= TICKETS_MAX {
            return Err(Refusal::new(
                Code::Overloaded,
                "too many tickets are out: try again, or connect with the token",
            )
            .retry_after_ms(5_000));
        }
        let person = person(&principal);
        let own = table.people.entry(person).or_default();
        own.push_back(name.clone());
        let void = if own.len() > PER_PERSON_MAX { own.pop_front() } else { None };
        if let Some(void) = void {
            table.all.remove(&void);
        }
        let until = now.after_ms(LIFE_MS).min(token_until);
        table.order.push_back((now.after_ms(LIFE_MS), name.clone()));
        table.all.insert(name, Ticket { principal, until, token_until });
        Ok(until)
    }

    /// Uses a ticket: whose it is, and when the token for which it stands ends.
    ///
    /// # Errors
    /// `unauthorized` when it was never given, is used or over.
    pub(crate) fn take(&self, name: &str, now: Time) -> Result<(Principal, Time), Refusal> {
        let mut table = self.0.lock();
        table.sweep(now);
        match table.remove(name) {
            Some(ticket) if ticket.until > now => Ok((ticket.principal, ticket.token_until)),
            Some(_) | None => Err(Refusal::new(
                Code::Unauthorized,
                "the ticket is not valid: it is good once and for 60 s; get a new one from POST /v1/tickets",
            )),
        }
    }
}

impl Table {
    fn remove(&mut self, name: &str) -> Option<Ticket> {
        let ticket = self.all.remove(name)?;
        let person = person(&ticket.principal);
        if let Some(own) = self.people.get_mut(&person) {
            own.retain(|other| other != name);
            if own.is_empty() {
                self.people.remove(&person);
            }
        }
        Some(ticket)
    }

    fn sweep(&mut self, now: Time) {
        while let Some((_, name)) = self.order.pop_front_if(|(until, _)| *until <= now) {
            self.remove(&name);
        }
    }
}

fn person(principal: &Principal) -> (String, String) {
    (principal.tenant.to_string(), principal.id.to_string())
}

#[cfg(test)]
mod tests {
    use conversa_engine::ids::{PersonId, TenantId};

    use super::*;
    use crate::auth::Role;

    fn visitor(n: usize) -> Principal {
        let id = PersonId::new(format!("vi_{n}"));
        Principal { tenant: TenantId::new("acme"), role: Role::Visitor, id, name: String::new() }
    }

    fn at(s: i64) -> Time {
        Time::from_ms(s * 1_000)
    }

    #[test]
    fn a_ticket_is_good_once_and_for_a_minute_and_no_longer_than_its_token() {
        let tickets = Tickets::default();
        assert_eq!(tickets.give("a".into(), visitor(1), at(500), at(0)).expect("given"), at(60));
        assert_eq!(tickets.take("a", at(59)).expect("good"), (visitor(1), at(500)));
        assert_eq!(tickets.take("a", at(59)).expect_err("used").code, Code::Unauthorized);
        tickets.give("b".into(), visitor(1), at(500), at(0)).expect("given");
        assert!(tickets.take("b", at(60)).is_err());
        assert_eq!(tickets.give("c".into(), visitor(1), at(10), at(0)).expect("given"), at(10));
        assert!(tickets.take("c", at(10)).is_err());
        assert!(tickets.take("never", at(0)).is_err());
    }

    #[test]
    fn tickets_are_bounded_per_person_and_per_node() {
        let tickets = Tickets::default();
        for n in 0..=PER_PERSON_MAX {
            tickets.give(format!("own{n}"), visitor(0), at(500), at(0)).expect("given");
        }
        assert!(tickets.take("own0", at(1)).is_err());
        assert!(tickets.take("own1", at(1)).is_ok());
        let mut given = PER_PERSON_MAX + 1;
        while tickets.give(format!("t{given}"), visitor(given), at(500), at(0)).is_ok() {
            given += 1;
        }
        assert_eq!(given, TICKETS_MAX);
        // A minute later all are over, and nothing is left of them.
        tickets.give("next".into(), visitor(1), at(500), at(61)).expect("there is room");
        let table = tickets.0.lock();
        assert_eq!((table.all.len(), table.order.len(), table.people.len()), (1, 1, 1));
    }
}
