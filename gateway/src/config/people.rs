//! Who works with whom, and who is the same customer.

use conversa_engine::desk::{DEPARTMENTS_MAX, Department, TEAM_MAX, TEAMS_MAX, Team, Teams};
use conversa_engine::ids::{PersonId, QueueId, is_id};
use conversa_engine::person::RULES;
use serde::{Deserialize, Serialize};

use super::TenantConfig;
use crate::auth::Role;

/// What is wrong, and at which key below the company's.
type Wrong = (String, String);

fn wrong(key: impl Into<String>, what: impl Into<String>) -> Result<(), Wrong> {
    Err((key.into(), what.into()))
}

/// One department.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each key is explained in config/docs.rs")]
pub struct DepartmentConfig {
    pub id: String,
    pub name: String,
    #[serde(default)]
    pub supervisors: Vec<String>,
}

/// One team.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each key is explained in config/docs.rs")]
pub struct TeamConfig {
    pub id: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
    #[serde(default)]
    pub agents: Vec<String>,
    #[serde(default)]
    pub queues: Vec<String>,
}

pub(super) fn merge_by() -> Vec<String> {
    RULES.iter().map(|&rule| rule.to_owned()).collect()
}

impl TenantConfig {
    /// Checks departments, teams and rules of merging.
    pub(super) fn check_people(&self) -> Result<(), Wrong> {
        if let Some(unknown) = self.merge_by.iter().find(|name| !RULES.contains(&name.as_str())) {
            return wrong("merge_by", format!("{unknown:?} is none of {}", RULES.join(", ")));
        }
        if self.departments.len() > DEPARTMENTS_MAX {
            return wrong("departments", format!("at most {DEPARTMENTS_MAX} departments"));
        }
        if self.teams.len() > TEAMS_MAX {
            return wrong("teams", format!("at most {TEAMS_MAX} teams"));
        }
        for (place, department) in self.departments.iter().enumerate() {
            let before = self.departments[..place].iter().map(|other| other.id.as_str());
            check_name("departments.id", &department.id, before)?;
            let prefix = Role::Supervisor.prefix();
            if let Some(id) = department.supervisors.iter().find(|id| !id.starts_with(prefix) || !is_id(id)) {
                let what = format!("{id:?} does not begin with {prefix}");
                return wrong("departments.supervisors", what);
            }
        }
        for (place, team) in self.teams.iter().enumerate() {
            check_name("teams.id", &team.id, self.teams[..place].iter().map(|other| other.id.as_str()))?;
            self.check_team(team)?;
        }
        Ok(())
    }

    fn check_team(&self, team: &TeamConfig) -> Result<(), Wrong> {
        if team.agents.len() > TEAM_MAX || team.queues.len() > TEAM_MAX {
            return wrong("teams", format!("{}: at most {TEAM_MAX} agents and queues", team.id));
        }
        let is_department = |id: &String| self.departments.iter().any(|department| department.id == *id);
        if let Some(unknown) = team.department.as_ref().filter(|id| !is_department(id)) {
            return wrong("teams.department", format!("{unknown:?} is not a department of this company"));
        }
        if let Some(unknown) = team.agents.iter().find(|id| !self.agents.iter().any(|agent| agent.id == **id))
        {
            return wrong("teams.agents", format!("{unknown:?} is not an agent of this company"));
        }
        if let Some(unknown) = team.queues.iter().find(|id| !self.queues.iter().any(|queue| queue.id == **id))
        {
            return wrong("teams.queues", format!("{unknown:?} is not a queue of this company"));
        }
        Ok(())
    }

    pub(super) fn team_settings(&self) -> Teams {
        let department = |config: &DepartmentConfig| Department {
            id: config.id.clone(),
            name: config.name.clone(),
            supervisors: config.supervisors.iter().map(|id| PersonId::new(id.as_str())).collect(),
        };
        let team = |config: &TeamConfig| Team {
            id: config.id.clone(),
            name: config.name.clone(),
            department: config.department.clone(),
            agents: config.agents.iter().map(|id| PersonId::new(id.as_str())).collect(),
            queues: config.queues.iter().map(|id| QueueId::new(id.as_str())).collect(),
        };
        Teams {
            departments: self.departments.iter().map(department).collect(),
            teams: self.teams.iter().map(team).collect(),
        }
    }
}

fn check_name<'a>(key: &str, id: &str, mut before: impl Iterator<Item = &'a str>) -> Result<(), Wrong> {
    if !is_id(id) {
        return wrong(key, format!("{id:?}: 1 to 64 letters, digits, _ - or ."));
    }
    if before.any(|other| other == id) {
        return wrong(key, format!("{id:?} is there twice"));
    }
    Ok(())
}
