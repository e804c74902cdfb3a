//! How much people and companies upload. Counts are the node's own and start anew with it.

use std::collections::HashMap;

use conversa_engine::ids::{PersonId, TenantId};
use conversa_engine::refusal::{Code, Refusal};
use conversa_engine::time::Time;
use parking_lot::Mutex;

use crate::auth::{Principal, Role};
use crate::config::AttachmentsConfig;

const HOUR_MS: i64 = 3_600_000;
/// People whose uploads are counted at once.
const PEOPLE_MAX: usize = 10_000;

type Who = (TenantId, Role, PersonId);

#[derive(Default)]
struct Use {
    hour: i64,
    bytes: u64,
    /// Uploads that were not completed, each with the end of its time.
    pending: Vec<([u8; 16], Time)>,
}

impl Use {
    fn renew(&mut self, now: Time) {
        let hour = now.ms() / HOUR_MS;
        if self.hour != hour {
            (self.hour, self.bytes) = (hour, 0);
        }
        self.pending.retain(|(_, until)| *until > now);
    }
}

/// What was uploaded in this hour.
#[derive(Default)]
pub(super) struct Quota {
    people: Mutex<HashMap<Who, Use>>,
    companies: Mutex<HashMap<TenantId, Use>>,
}

impl Quota {
    /// Counts an upload that begins, or says why it may not.
    pub(super) fn take(
        &self,
        principal: &Principal,
        limits: &AttachmentsConfig,
        (random, bytes): ([u8; 16], u64),
        (now, until): (Time, Time),
    ) -> Result<(), Refusal> {
        let wait = u32::try_from(HOUR_MS - now.ms().rem_euclid(HOUR_MS)).unwrap_or(u32::MAX);
        let mut people = self.people.lock();
        let who = (principal.tenant.clone(), principal.role, principal.id.clone());
        if people.len() >= PEOPLE_MAX && !people.contains_key(&who) {
            people.retain(|_, used| {
                used.renew(now);
                used.bytes > 0 || !used.pending.is_empty()
            });
            if people.len() >= PEOPLE_MAX {
                return Err(Refusal::new(Code::Overloaded, "too many people upload now: try again later")
                    .retry_after_ms(wait));
            }
        }
        let used = people.entry(who).or_default();
        used.renew(now);
        if used.pending.len() >= limits.pending_max {
            return Err(Refusal::new(
                Code::QuotaExceeded,
                format!(
                    "{} uploads are not completed: complete them, or wait until they end",
                    used.pending.len()
                ),
            ));
        }
        let beyond = |who: &str| {
            Refusal::new(Code::RateLimited, format!("{who} uploaded as much as an hour allows: wait"))
                .retry_after_ms(wait)
        };
        if used.bytes.saturating_add(bytes) > limits.person_bytes_per_hour {
            return Err(beyond("you have"));
        }
        // One for each company of the configuration.
        let mut companies = self.companies.lock();
        let company = companies.entry(principal.tenant.clone()).or_default();
        company.renew(now);
        if company.bytes.saturating_add(bytes) > limits.company_bytes_per_hour {
            return Err(beyond("the company has"));
        }
        company.bytes += bytes;
        used.bytes += bytes;
        used.pending.push((random, until));
        Ok(())
    }

    /// The uploads of a person that are not known to be over.
    pub(super) fn pending(&self, principal: &Principal) -> Vec<[u8; 16]> {
        let who = (principal.tenant.clone(), principal.role, principal.id.clone());
        let people = self.people.lock();
        people
            .get(&who)
            .map(|used| used.pending.iter().map(|(random, _)| *random).collect())
            .unwrap_or_default()
    }

    /// An upload is over, well or not.
    pub(super) fn done(&self, principal: &Principal, random: [u8; 16]) {
        let who = (principal.tenant.clone(), principal.role, principal.id.clone());
        if let Some(used) = self.people.lock().get_mut(&who) {
            used.pending.retain(|(other, _)| *other != random);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_has_so_many_uploads_and_bytes_an_hour() {
        let ann = Principal {
            tenant: TenantId::new("t"),
            role: Role::Visitor,
            id: PersonId::new("1"),
            name: String::new(),
        };
        let limits = AttachmentsConfig {
            pending_max: 2,
            person_bytes_per_hour: 100,
            company_bytes_per_hour: 120,
            ..AttachmentsConfig::default()
        };
        let quota = Quota::default();
        let at = Time::from_ms;
        let take = |n: u8, bytes, now: i64| {
            quota
                .take(&ann, &limits, ([n; 16], bytes), (at(now), at(now + 10)))
                .map_err(|refusal| refusal.code)
        };
        assert_eq!(take(1, 10, 0), Ok(()));
        assert_eq!(take(2, 10, 0), Ok(()));
        assert_eq!(take(3, 10, 0), Err(Code::QuotaExceeded));
        quota.done(&ann, [1; 16]);
        assert_eq!(take(3, 81, 1), Err(Code::RateLimited));
        assert_eq!(take(3, 80, 1), Ok(()));
        assert_eq!(take(4, 1, 20), Err(Code::RateLimited));
        let bob = Principal { id: PersonId::new("2"), ..ann.clone() };
        let code = |bytes| {
            quota.take(&bob, &limits, ([9; 16], bytes), (at(20), at(30))).map_err(|refusal| refusal.code)
        };
        assert_eq!(code(21), Err(Code::RateLimited), "the company has its own limit");
        assert_eq!(code(20), Ok(()));
        assert_eq!(take(4, 100, HOUR_MS), Ok(()), "an hour later");
    }
}
