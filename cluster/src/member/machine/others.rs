//! What a member knows of the others in its view.

use std::collections::BTreeMap;

use super::Machine;
use crate::member::Life;
use crate::member::ownership::{Adoption, adoption};

impl Machine {
    /// Where the links of the members of the view are, as far as that is known.
    #[must_use]
    pub fn addresses(&self) -> BTreeMap<Life, String> {
        let lives = self.view.members.iter().map(|member| &member.life);
        let known = lives.filter_map(|life| {
            let row = self.row(life).filter(|row| row.generation == life.generation && row.alive)?;
            Some((life.clone(), row.addr.clone()))
        });
        known.collect()
    }

    /// Members whose adoption of the view is missing, for people who wonder why nothing moves.
    #[must_use]
    pub fn missing(&self) -> Vec<Life> {
        let lives = self.view.members.iter().map(|member| &member.life);
        lives
            .filter(|life| adoption(life, self.row(life), self.view.version) != Adoption::Done)
            .cloned()
            .collect()
    }
}
