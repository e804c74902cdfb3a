//! Teams of agents, and departments of teams: who looks after which conversations.
//!
//! A conversation belongs to the departments of the agent who holds it, or else of its queue. What belongs to none is everybody's.

use std::collections::BTreeSet;

use crate::ids::{PersonId, QueueId};

/// Departments of a company.
pub const DEPARTMENTS_MAX: usize = 64;
/// Teams of a company.
pub const TEAMS_MAX: usize = 256;
/// Agents, and queues, of one team.
pub const TEAM_MAX: usize = 1_000;

/// A department: teams with their supervisors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Department {
    /// Its name in the company's settings.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Who looks after it, and, when named in any department, after nothing else.
    pub supervisors: Vec<PersonId>,
}

/// A team: agents who serve the same queues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    /// Its name in the company's settings.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// The department that it belongs to.
    pub department: Option<String>,
    /// Who is in it.
    pub agents: Vec<PersonId>,
    /// The queues that everybody in it serves.
    pub queues: Vec<QueueId>,
}

/// All of a company.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Teams {
    /// Its departments.
    pub departments: Vec<Department>,
    /// Its teams.
    pub teams: Vec<Team>,
}

impl Teams {
    /// The queues that an agent serves because of the teams that it is in.
    pub fn queues_of<'a>(&'a self, agent: &'a PersonId) -> impl Iterator<Item = &'a QueueId> {
        self.teams_of(agent).flat_map(|team| &team.queues)
    }

    /// The teams that an agent is in.
    pub fn teams_of<'a>(&'a self, agent: &'a PersonId) -> impl Iterator<Item = &'a Team> {
        self.teams.iter().filter(move |team| team.agents.contains(agent))
    }

    /// The departments that a supervisor is limited to; `None` when to none.
    #[must_use]
    pub fn limits(&self, supervisor: &PersonId) -> Option<BTreeSet<&str>> {
        let own = self.departments.iter().filter(|department| department.supervisors.contains(supervisor));
        let own: BTreeSet<&str> = own.map(|department| department.id.as_str()).collect();
        (!own.is_empty()).then_some(own)
    }

    /// True when a supervisor looks after what `agent` holds, or, when nobody does, what is in `queue`.
    #[must_use]
    pub fn reaches(&self, supervisor: &PersonId, queue: Option<&QueueId>, agent: Option<&PersonId>) -> bool {
        agent == Some(supervisor) || self.reaches_within(self.limits(supervisor).as_ref(), queue, agent)
    }

    /// The same for whoever is limited to the departments `own`, or to none.
    #[must_use]
    pub fn reaches_within(
        &self,
        own: Option<&BTreeSet<&str>>,
        queue: Option<&QueueId>,
        agent: Option<&PersonId>,
    ) -> bool {
        let Some(own) = own else { return true };
        let of = |keeps: &dyn Fn(&Team) -> bool| -> BTreeSet<&str> {
            let teams = self.teams.iter().filter(|team| keeps(team));
            teams.filter_map(|team| team.department.as_deref()).collect()
        };
        let by_agent = agent.map(|agent| of(&|team| team.agents.contains(agent)));
        let departments = match by_agent.filter(|departments| !departments.is_empty()) {
            Some(departments) => departments,
            None => queue.map(|queue| of(&|team| team.queues.contains(queue))).unwrap_or_default(),
        };
        departments.is_empty() || !departments.is_disjoint(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::{Op, Part, Relation, may};

    fn company() -> Teams {
        let department = |id: &str, supervisor: &str| Department {
            id: id.into(),
            name: id.into(),
            supervisors: vec![PersonId::new(supervisor)],
        };
        let team = |id: &str, department: Option<&str>, agent: &str| Team {
            id: id.into(),
            name: id.into(),
            department: department.map(str::to_owned),
            agents: vec![PersonId::new(agent)],
            queues: vec![QueueId::new(format!("q_{id}"))],
        };
        Teams {
            departments: vec![department("sales", "su_1"), department("care", "su_2")],
            teams: vec![
                team("a", Some("sales"), "ag_a"),
                team("b", Some("care"), "ag_b"),
                team("c", None, "ag_c"),
            ],
        }
    }

    #[test]
    fn a_supervisor_of_a_department_reaches_it_and_what_is_nobodys() {
        let teams = company();
        let agents = [None, Some("ag_a"), Some("ag_b"), Some("ag_c"), Some("su_1")];
        let queues = [None, Some("q_a"), Some("q_b"), Some("q_c"), Some("q_x")];
        let reached = |supervisor: &str| -> Vec<String> {
            let mut reached = Vec::new();
            for agent in agents {
                for queue in queues {
                    let (queue_id, agent_id) = (queue.map(QueueId::new), agent.map(PersonId::new));
                    if teams.reaches(&PersonId::new(supervisor), queue_id.as_ref(), agent_id.as_ref()) {
                        reached.push(format!("{}/{}", agent.unwrap_or("-"), queue.unwrap_or("-")));
                    }
                }
            }
            reached
        };
        assert_eq!(reached("su_9").len(), 25, "who is named in no department is not limited");
        let own = reached("su_1");
        for there in ["-/-", "-/q_a", "-/q_c", "-/q_x", "ag_a/q_b", "ag_c/q_a", "ag_c/q_x", "su_1/q_b"] {
            assert!(own.contains(&there.to_owned()), "{there} is missing: {own:?}");
        }
        for elsewhere in ["-/q_b", "ag_b/q_a", "ag_b/-", "ag_c/q_b"] {
            assert!(!own.contains(&elsewhere.to_owned()), "{elsewhere}: {own:?}");
        }
    }

    #[test]
    fn what_is_elsewhere_may_not_be_touched_by_anybody() {
        for op in Op::ALL {
            for part in Part::ALL {
                assert!(!may(*op, *part, Relation::Elsewhere), "{op:?} by {part:?}");
            }
        }
    }

    #[test]
    fn an_agent_serves_the_queues_of_its_teams() {
        let teams = company();
        let agent = PersonId::new("ag_b");
        assert_eq!(teams.queues_of(&agent).collect::<Vec<_>>(), [&QueueId::new("q_b")]);
    }
}
