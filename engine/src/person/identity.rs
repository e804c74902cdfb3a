//! One identity: what is known of it and its ends of merges.
//!
//! A merge is begun and undone at either end and told to the other. Both ends end alike whatever crosses: undone is final, and an
//! end that is asked to join what it has undone says so again.

use serde::{Deserialize, Serialize};

use super::fact::{ATTRIBUTES_MAX, Fact, Facts, RuleKey, keys};
use super::merge::{Merge, MergeId, State, Why};
use crate::ids::PersonId;
use crate::refusal::{Code, Decision, Refusal};
use crate::time::Time;

/// Merges of one identity that stand; beyond it an agent is refused and a rule does nothing.
pub const MERGES_MAX: usize = 32;
/// Undone merges that are remembered, so that a rule does not make them again; beyond it the oldest is forgotten.
pub const UNDONE_MAX: usize = 32;

/// The state of one identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    facts: Facts,
    /// In the order in which they came; standing and undone ones.
    merges: Vec<Merge>,
}

/// A request to an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Something is told of it.
    Tell {
        /// What.
        facts: Vec<Fact>,
    },
    /// It is the same customer as another one.
    Merge {
        /// Which.
        other: PersonId,
        /// Why.
        why: Why,
    },
    /// The other end of a merge has begun it.
    Join(Merge),
    /// A merge is to stand no more.
    Undo {
        /// Which.
        id: MergeId,
        /// Who wants it.
        by: PersonId,
    },
    /// The other end of a merge has undone it, or never had it.
    Part {
        /// Which.
        id: MergeId,
        /// Who undid it.
        by: Option<PersonId>,
        /// When.
        at: Time,
    },
}

/// What has happened to an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// Something was told of it.
    Told {
        /// What.
        facts: Vec<Fact>,
        /// The values by which the company's rules merge it.
        keys: Vec<RuleKey>,
        /// When.
        at: Time,
    },
    /// A merge stands; `begun` here, so the other end is to be told.
    Merged {
        /// The merge.
        merge: Merge,
        /// It began here.
        begun: bool,
    },
    /// A merge stands no more; `begun` here, so the other end is to be told.
    Undone {
        /// The merge.
        id: MergeId,
        /// The other end.
        other: PersonId,
        /// Who undid it.
        by: Option<PersonId>,
        /// It began here.
        begun: bool,
        /// When.
        at: Time,
    },
    /// A merge that the other end has begun does not stand here: the other end is to be told.
    TurnedDown {
        /// The merge.
        id: MergeId,
        /// The other end.
        other: PersonId,
        /// Who undid it; nobody when there is no room.
        by: Option<PersonId>,
        /// When.
        at: Time,
    },
}

impl Identity {
    /// Judges. `me` is the identity's own id, `rules` are the attributes by which the company merges, `random` names a new merge.
    ///
    /// # Errors
    /// A refusal with what to do.
    pub fn decide(
        &self,
        me: &PersonId,
        rules: &[String],
        now: Time,
        random: u64,
        command: Command,
    ) -> Decision<Event> {
        match command {
            Command::Tell { facts } => self.tell(rules, now, facts),
            Command::Merge { other, why } => self.merge(me, now, random, other, why),
            Command::Join(merge) => Ok(self.join(now, merge)),
            Command::Undo { id, by } => self.undo(now, id, by),
            Command::Part { id, by, at } => {
                let standing = self.merges().find(|merge| merge.id == id && merge.stands());
                let other = standing.map(|merge| merge.other.clone());
                Ok(other.map(|other| Event::Undone { id, other, by, begun: false, at }).into_iter().collect())
            }
        }
    }

    /// Takes an event in.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Told { facts, at, .. } => facts.iter().for_each(|fact| self.facts.take(fact, *at)),
            Event::Merged { merge, .. } => {
                // One that was undone so long ago that it was forgotten may come again.
                self.merges.retain(|known| known.id != merge.id);
                self.merges.push(merge.clone());
            }
            Event::Undone { id, by, at, .. } => {
                if let Some(merge) = self.merges.iter_mut().find(|merge| merge.id == *id) {
                    merge.state = State::Undone { by: by.clone(), at: *at };
                }
                self.forget_the_oldest();
            }
            Event::TurnedDown { .. } => {}
        }
    }

    /// What is known of it.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Its merges, undone ones too.
    pub fn merges(&self) -> impl Iterator<Item = &Merge> {
        self.merges.iter()
    }

    /// The merge `id`, when it stands.
    #[must_use]
    pub fn standing(&self, id: &MergeId) -> Option<&Merge> {
        self.merges().find(|merge| merge.id == *id && merge.stands())
    }

    /// True when nothing was ever told of it.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        *self == Self::default()
    }

    fn tell(&self, rules: &[String], at: Time, facts: Vec<Fact>) -> Decision<Event> {
        facts.iter().try_for_each(Fact::check)?;
        if self.facts.with(&facts) > ATTRIBUTES_MAX {
            let detail = format!("one identity has at most {ATTRIBUTES_MAX} attributes: send fewer names");
            return Err(Refusal::new(Code::BadRequest, detail));
        }
        // A key is claimed again with every token: a claim that came to nothing, or a rule that is new, is made good then.
        let keys = keys(&facts, rules);
        let news: Vec<Fact> = facts.into_iter().filter(|fact| !self.facts.has(fact)).collect();
        if news.is_empty() && keys.is_empty() {
            return Ok(Vec::new());
        }
        Ok(vec![Event::Told { facts: news, keys, at }])
    }

    fn merge(&self, me: &PersonId, at: Time, random: u64, other: PersonId, why: Why) -> Decision<Event> {
        let rule = match &why {
            Why::Rule { attribute } => Some(MergeId::rule(attribute, me, &other)),
            Why::Word { .. } => None,
        };
        let by_rule = rule.is_some();
        if other == *me {
            return match by_rule {
                true => Ok(Vec::new()),
                false => Err(Refusal::new(Code::BadRequest, "an identity is itself: name another one")),
            };
        }
        let known = match &rule {
            // Also an undone one: a rule does not make again what somebody undid.
            Some(id) => self.merges().any(|merge| merge.id == *id),
            None => self.merges().any(|merge| merge.other == other && merge.stands()),
        };
        let full = self.standing_count() >= MERGES_MAX;
        match (by_rule, known, full) {
            (true, true, _) | (true, _, true) => Ok(Vec::new()),
            (false, true, _) => Err(Refusal::duplicate(None)),
            (false, false, true) => {
                let detail = format!("one identity has at most {MERGES_MAX} merges: undo one first");
                Err(Refusal::new(Code::Conflict, detail))
            }
            (_, false, false) => {
                let id = rule.unwrap_or_else(|| MergeId::word(random));
                let merge = Merge { id, other, why, at, state: State::Stands };
                Ok(vec![Event::Merged { merge, begun: true }])
            }
        }
    }

    fn join(&self, now: Time, merge: Merge) -> Vec<Event> {
        let known = self.merges().find(|known| known.id == merge.id).map(|known| &known.state);
        let Merge { id, other, .. } = &merge;
        let turn_down = |by: Option<PersonId>, at| {
            vec![Event::TurnedDown { id: id.clone(), other: other.clone(), by, at }]
        };
        match known {
            Some(State::Stands) => Vec::new(),
            Some(State::Undone { by, at }) => turn_down(by.clone(), *at),
            None if self.standing_count() >= MERGES_MAX => turn_down(None, now),
            None => vec![Event::Merged { merge, begun: false }],
        }
    }

    fn undo(&self, at: Time, id: MergeId, by: PersonId) -> Decision<Event> {
        let known = self.merges().find(|merge| merge.id == id);
        let known = known.ok_or_else(|| Refusal::new(Code::NotFound, "there is no such merge"))?;
        if !known.stands() {
            return Err(Refusal::duplicate(None));
        }
        let other = known.other.clone();
        Ok(vec![Event::Undone { id, other, by: Some(by), begun: true, at }])
    }

    fn standing_count(&self) -> usize {
        self.merges().filter(|merge| merge.stands()).count()
    }

    fn forget_the_oldest(&mut self) {
        let undone = self.merges.iter().filter(|merge| !merge.stands()).count();
        if undone > UNDONE_MAX {
            let oldest = self.merges.iter().position(|merge| !merge.stands());
            oldest.map(|place| self.merges.remove(place));
        }
    }
}

impl Event {
    /// What the other end of a merge is to be told of it: to whom, and the command. `me` is the identity to which it happened.
    #[must_use]
    pub fn letter(&self, me: &PersonId) -> Option<(PersonId, Command)> {
        match self {
            Self::Merged { merge, begun: true } => Some((merge.other.clone(), Command::Join(merge.from(me)))),
            Self::Undone { id, other, by, begun: true, at } | Self::TurnedDown { id, other, by, at } => {
                Some((other.clone(), Command::Part { id: id.clone(), by: by.clone(), at: *at }))
            }
            Self::Merged { begun: false, .. } | Self::Undone { begun: false, .. } | Self::Told { .. } => None,
        }
    }
}

impl Merge {
    /// True when it joins the two.
    #[must_use]
    pub fn stands(&self) -> bool {
        self.state == State::Stands
    }

    /// The same merge as the other end, whose other is `me`, knows it.
    #[must_use]
    pub fn from(&self, me: &PersonId) -> Self {
        Self { other: me.clone(), ..self.clone() }
    }
}
