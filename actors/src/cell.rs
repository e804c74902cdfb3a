//! The shell of a cell: the only file that names ractor. It takes a core's inputs from a mailbox and has its effects performed.

pub mod core;
pub mod envelope;
pub mod machine;
mod marks;
mod outgoing;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

use self::machine::{Effect, Input, Machine};
use crate::address::Address;
use crate::host::{Host, Performed, Seat};

pub use self::marks::StoredMark;

/// Where a cell's inputs go.
#[derive(Clone, Debug)]
pub struct Inbox(ActorRef<Input>);

impl Inbox {
    /// Puts an input into the mailbox; gives it back when the cell is no more.
    ///
    /// # Errors
    /// The input, when the cell has ended.
    pub fn send(&self, input: Input) -> Result<(), Box<Input>> {
        match self.0.send_message(input) {
            Ok(()) => Ok(()),
            Err(ractor::MessagingErr::SendErr(input)) => Err(Box::new(input)),
            // Neither carries the input: it is lost with the cell, as it would be a moment later.
            Err(ractor::MessagingErr::ChannelClosed | ractor::MessagingErr::InvalidActorType) => Ok(()),
        }
    }

    /// Ends the cell after the input that it has in hand.
    pub fn stop(&self) {
        self.0.stop(None);
    }
}

/// The supervisor of all cells of one kind. A cell that fails is started again by its host; no failure reaches another cell.
#[derive(Clone, Debug)]
pub struct Region(ActorRef<()>);

struct Supervisor;

impl Actor for Supervisor {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    /// ractor's default stops the supervisor with its first child.
    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        _: SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

impl Region {
    /// Starts the supervisor of a kind.
    ///
    /// # Errors
    /// When the runtime cannot start an actor.
    pub async fn start() -> Result<Self, ractor::SpawnErr> {
        let (region, _) = Actor::spawn(None, Supervisor, ()).await?;
        Ok(Self(region))
    }

    /// Starts a cell under this supervisor: its mailbox can be used at once.
    ///
    /// # Panics
    /// Never: an unnamed actor cannot clash with another's name.
    #[must_use]
    pub fn spawn(&self, host: Arc<Host>, address: Address, core: Box<dyn Machine>, seat: Seat) -> Inbox {
        let cell = Cell { host, address, seat };
        let (actor, _) =
            ractor::ActorRuntime::<Cell>::spawn_linked_instant(None, cell, core, self.0.get_cell())
                .expect("it has no name to clash");
        Inbox(actor)
    }

    /// Ends all cells of this kind.
    pub async fn stop(&self) {
        self.0.get_cell().stop_children(None);
        let _ = self.0.stop_and_wait(None, None).await;
    }
}

struct Cell {
    host: Arc<Host>,
    address: Address,
    seat: Seat,
}

/// A core and the effects of the step in hand.
struct Running {
    core: Box<dyn Machine>,
    effects: Vec<Effect>,
}

impl Actor for Cell {
    type Msg = Input;
    type State = Running;
    type Arguments = Box<dyn Machine>;

    async fn pre_start(
        &self,
        myself: ActorRef<Input>,
        core: Box<dyn Machine>,
    ) -> Result<Running, ActorProcessingErr> {
        let mut running = Running { core, effects: Vec::new() };
        self.run(&Inbox(myself), Input::Start, &mut running)?;
        Ok(running)
    }

    async fn handle(
        &self,
        myself: ActorRef<Input>,
        input: Input,
        running: &mut Running,
    ) -> Result<(), ActorProcessingErr> {
        let outcome = self.run(&Inbox(myself), input, running);
        self.seat.free();
        outcome
    }
}

impl Cell {
    /// One step. A panic in a behaviour ends this cell only, and says which.
    fn run(&self, inbox: &Inbox, input: Input, running: &mut Running) -> Result<(), ActorProcessingErr> {
        let now = self.host.now();
        let step = catch_unwind(AssertUnwindSafe(|| running.core.step(now, input, &mut running.effects)));
        if step.is_err() {
            running.effects.clear();
            self.host.failed(&self.address, &self.seat, "its behaviour panicked", true);
            return Err("its behaviour panicked".into());
        }
        for effect in running.effects.drain(..) {
            match self.host.perform(&self.address, &self.seat, inbox, effect) {
                Performed::Done => {}
                Performed::Ended => inbox.stop(),
                Performed::Failed(why) => return Err(why.into()),
            }
        }
        Ok(())
    }
}
