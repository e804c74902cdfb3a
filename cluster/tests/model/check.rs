//! What must hold in every state, and the search.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use stateright::{Model as Explored, Property};

use crate::protocol::{Model, OVER, TIMING};
use crate::rules::Rule;
use crate::state::{Act, Cell, State};
use crate::store::{Log, end};

impl Explored for Model {
    type State = State;
    type Action = Act;

    fn init_states(&self) -> Vec<State> {
        vec![self.initial()]
    }

    fn actions(&self, state: &State, acts: &mut Vec<Act>) {
        self.acts(state, acts);
    }

    fn next_state(&self, state: &State, act: Act) -> Option<State> {
        self.perform(state, act)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("what was acknowledged stays, in its order", |_, state: &State| keeps(state)),
            Property::always("one place has one event", |_, state: &State| !state.diverged),
            Property::always("the log is what its owner knows", |_, state: &State| owner_is_right(state)),
            Property::always("one serves", |_, state: &State| serving(state).count() <= 1),
            Property::always("it heals", |model: &Model, state: &State| heals(model, state)),
            // A model in which little happens proves little.
            Property::sometimes("a second owner continues the log", |_, state: &State| {
                serving(state).any(|(epoch, log)| epoch > 1 && end(&log) == 2)
            }),
        ]
    }
}

/// Epoch and log of everyone who serves and may say so.
fn serving(state: &State) -> impl Iterator<Item = (u64, Log)> + '_ {
    let now = state.moment();
    state
        .processes
        .iter()
        .filter(move |process| process.term.is_some_and(|term| term.holds(now, &TIMING)))
        .filter_map(|process| match &process.cell {
            Cell::Open { epoch, log } => Some((*epoch, *log)),
            Cell::Off | Cell::Doubtful { .. } => None,
        })
}

/// Whatever of the late writes arrives: all that was acknowledged can be read, without a gap.
fn keeps(state: &State) -> bool {
    let acked = &state.acked;
    let whole = acked[..end(acked)].iter().all(|event| *event != 0);
    whole
        && (0..1 << state.late.len()).all(|mask| {
            let log = state.partition.after(&state.late, mask).visible();
            acked.iter().zip(log).all(|(acked, event)| *acked == 0 || *acked == event)
        })
}

/// Whatever arrives late: who serves reads what it knows, and nothing of earlier owners behind it.
fn owner_is_right(state: &State) -> bool {
    serving(state).all(|(_, known)| {
        (0..1 << state.late.len()).all(|mask| state.partition.after(&state.late, mask).visible() == known)
    })
}

/// From here on nothing fails: with everybody alive, and with any one alone, somebody serves soon. Looked at from some of the states,
/// chosen by what they are.
fn heals(model: &Model, state: &State) -> bool {
    const ONE_IN: u64 = 64;
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    if !hasher.finish().is_multiple_of(ONE_IN) && !model.lacks(Rule::OverIsAdopted) {
        return true;
    }
    let begun = |process: &usize| {
        state.processes[*process].term.is_some() && state.processes[*process].version != OVER
    };
    let alive: Vec<usize> = (0..state.processes.len()).filter(begun).collect();
    let alone = alive.iter().all(|process| serves_soon(model, state, &[*process]));
    alone && (alive.is_empty() || serves_soon(model, state, &alive))
}

/// Everybody of `alive` does what it can, in turn. A life that finds itself over begins no new one here.
fn serves_soon(model: &Model, state: &State, alive: &[usize]) -> bool {
    const ROUNDS: usize = 12;
    let model = Model { ticks: u8::MAX, views: 30, delays: 0, lost_answers: 0, ..model.clone() };
    let mut state = state.clone();
    for _ in 0..ROUNDS {
        let mut acts: Vec<Act> =
            (0..state.rows.len()).flat_map(|name| [Act::Look { name }, Act::Revoke { name }]).collect();
        for process in alive.iter().copied() {
            acts.extend([
                Act::RenewAgain { process },
                Act::Renew { process, answered: true },
                Act::Enter { process },
                Act::Weigh { process },
                Act::See { process },
                Act::Again { process },
                Act::Renew { process, answered: true },
                Act::Activate { process, seen: 0, arrives: true },
            ]);
        }
        acts.push(Act::Tick);
        for act in acts {
            take(&model, &mut state, act);
        }
        for member in (0..state.view.members.len()).rev() {
            take(&model, &mut state, Act::TakeOut { member });
        }
        let over = alive.iter().all(|process| state.processes[*process].version == OVER);
        if over || serving(&state).next().is_some() || !anyone_can(&state, alive) {
            return true;
        }
    }
    false
}

fn take(model: &Model, state: &mut State, act: Act) {
    if let Some(next) = model.perform(state, act) {
        *state = next;
    }
}

/// False when everyone who could own something is leaving or gone.
fn anyone_can(state: &State, alive: &[usize]) -> bool {
    alive.iter().any(|process| {
        let process = &state.processes[*process];
        process.version != OVER
            && state.view.life(&process.life).is_none_or(|member| member.weight > 0)
            && state
                .view
                .member(&process.life.node)
                .is_none_or(|member| member.life.generation <= process.life.generation)
    })
}
