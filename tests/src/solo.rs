//! One actor alone over a store in memory, on virtual time: what it does, and what it does after a crash at any point. Its letters are
//! taken over at once; its calls to the outside are answered at once, as the test says.

use std::collections::VecDeque;
use std::sync::Arc;

use conversa_actors::address::Address;
use conversa_actors::cell::core::Setting;
use conversa_actors::cell::machine::{
    Answer, Asker, Effect, Input, Load, Loaded, Machine, Request, TAIL_MAX, View,
};
use conversa_actors::letter::{Letter, LetterId, Payload};
use conversa_actors::port::memory::Memory;
use conversa_actors::port::outside::{Call, Outcome};
use conversa_actors::registry;
use conversa_actors::tenant::{PushSetting, QueueSetting, Tenant};
use conversa_engine::desk::{QueuePolicy, Teams};
use conversa_engine::ids::{QueueId, TenantId};
use conversa_engine::quality::ScoreCard;
use conversa_engine::time::Time;
use conversa_gateway::config::sample::SCORE_CARD;
use tokio::sync::oneshot;

/// What answers the calls.
type Answering = Box<dyn FnMut(&Call) -> Outcome>;

/// One actor, its store and its time.
pub struct Solo {
    address: Address,
    tenant: Arc<Tenant>,
    memory: Memory,
    core: Option<Box<dyn Machine>>,
    outside: Answering,
    /// Now.
    pub now: Time,
    /// When it wants to be woken.
    pub timer: Option<Time>,
    /// Attempts, in order.
    pub calls: Vec<(Time, Call)>,
    /// Letters that it has sent, repeats too.
    pub sent: Vec<Letter>,
    /// Letters that it has taken over.
    pub taken: Vec<LetterId>,
    /// Effects performed so far.
    pub performed: usize,
    /// It dies instead of performing this effect.
    pub fuse: Option<usize>,
}

impl std::fmt::Debug for Solo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Solo").field("address", &self.address).finish_non_exhaustive()
    }
}

/// A company with one queue, the given channels, and push after one second.
#[must_use]
pub fn company(channels: &[&str]) -> Arc<Tenant> {
    Arc::new(Tenant {
        id: TenantId::new("acme"),
        queues: vec![QueueSetting {
            id: QueueId::new("q"),
            name_zh: "客服".into(),
            name_en: "Care".into(),
            policy: QueuePolicy::default(),
            goal_ms: None,
            sticky: false,
        }],
        agents: Vec::new(),
        bot: None,
        score_card: Arc::new(ScoreCard::parse(SCORE_CARD).expect("the sample is a score card")),
        rules: Vec::new(),
        weights: std::collections::BTreeMap::new(),
        grace_ms: 15_000,
        watchers: Vec::new(),
        channels: channels.iter().map(|name| (*name).to_owned()).collect(),
        merge_by: vec!["email".into()],
        teams: Teams::default(),
        push: Some(PushSetting { away_ms: 1_000 }),
    })
}

impl Solo {
    /// An actor that has never lived; `outside` answers its calls.
    #[must_use]
    pub fn new(kind: &str, key: &str, outside: impl FnMut(&Call) -> Outcome + 'static) -> Self {
        let tenant = company(&["shop"]);
        let kind = registry::kind(kind).expect("a behaviour of the list");
        let mut solo = Self {
            address: Address::new(tenant.id.clone(), kind, key),
            tenant,
            memory: Memory::default(),
            core: None,
            outside: Box::new(outside),
            now: Time::from_ms(1_764_000_000_000),
            timer: None,
            calls: Vec::new(),
            sent: Vec::new(),
            taken: Vec::new(),
            performed: 0,
            fuse: None,
        };
        solo.wake();
        solo
    }

    /// The next life, from what is stored.
    pub fn wake(&mut self) {
        let setting = Setting {
            address: self.address.clone(),
            tenant: Arc::clone(&self.tenant).into(),
            epoch: 1,
            followers: &[],
            watchers: Vec::new(),
            // Snapshots in passing are part of what a crash meets.
            snapshot_events: 3,
        };
        self.core = registry::make(setting);
        self.timer = None;
        self.give(Input::Start);
        self.give(Input::Woken);
    }

    /// True while it lives.
    #[must_use]
    pub fn alive(&self) -> bool {
        self.core.is_some()
    }

    /// Gives it a letter.
    pub fn letter(&mut self, seq: u64, payload: Payload) {
        let from = self.address.beside("conversation", "sender");
        let id = LetterId { seq, index: 0 };
        self.give(Input::Letter(Letter { from, to: self.address.clone(), id, payload }));
    }

    /// Gives it another actor's letter.
    pub fn hand(&mut self, letter: Letter) {
        self.give(Input::Letter(letter));
    }

    /// Asks it something.
    ///
    /// # Panics
    /// When it dies of it.
    pub fn ask(&mut self, payload: Payload) -> Answer {
        self.try_ask(payload).expect("it answers at once")
    }

    /// Asks it something; `None` when it dies of it.
    pub fn try_ask(&mut self, payload: Payload) -> Option<Answer> {
        let (reply, mut answer) = oneshot::channel();
        self.give(Input::Request(Request { payload, asker: Asker::Task(reply) }));
        answer.try_recv().ok()
    }

    /// What outsiders may read.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn view(&mut self) -> serde_json::Value {
        let (reply, mut view) = oneshot::channel();
        self.give(Input::View(reply));
        match view.try_recv().expect("it answers at once") {
            View::Json(view) => view,
            View::Totals(_) => panic!("a behaviour has a JSON view"),
        }
    }

    /// Lets time go on to its next timer; false when it waits for nothing.
    pub fn tick(&mut self) -> bool {
        let Some(at) = self.timer else { return false };
        self.now = self.now.max(at);
        self.give(Input::Tick);
        true
    }

    fn give(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        let mut effects = Vec::new();
        while let Some(input) = inputs.pop_front() {
            let Some(core) = &mut self.core else { return };
            core.step(self.now, input, &mut effects);
            for effect in effects.drain(..) {
                if self.fuse == Some(self.performed) {
                    self.core = None;
                    return;
                }
                self.performed += 1;
                inputs.extend(self.perform(effect));
            }
        }
    }

    fn perform(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Append(append) => return Some(Input::Appended(self.memory.append_now(&append))),
            Effect::PutRows(ticket, rows) => {
                self.memory.put_now(rows);
                return Some(Input::RowsPut(ticket, Ok(())));
            }
            Effect::Load(load) => {
                return Some(Input::Loaded(Ok(match load {
                    Load::Row(key) => Loaded::Row(self.memory.get_now(&key)),
                    Load::Tail { after } => {
                        Loaded::Tail(self.memory.read_now(&self.address, after, TAIL_MAX))
                    }
                    Load::Scan { table, partition, after } => {
                        Loaded::Scan(self.memory.scan_now(table, &partition, &after, TAIL_MAX))
                    }
                })));
            }
            Effect::Call(calling) => {
                let outcome = (self.outside)(&calling.call);
                let payload = (calling.answer)(&calling.call, outcome);
                self.calls.push((self.now, calling.call));
                return Some(Input::Request(Request { payload, asker: Asker::Nobody }));
            }
            Effect::Send(letter) => {
                let taken = Input::Taken { by: letter.to.clone(), id: letter.id };
                self.sent.push(letter);
                return Some(taken);
            }
            Effect::Take { id, .. } => self.taken.push(id),
            Effect::Answer(asker, answer) => asker.answer(answer),
            Effect::Timer(at) => self.timer = at,
            // Whoever wanted to look may have gone.
            Effect::Show(reply, view) => drop(reply.send(view)),
            Effect::Die(why) => panic!("{} dies: {why}", self.address),
            Effect::Murmur { .. }
            | Effect::Push(_)
            | Effect::Feed { .. }
            | Effect::Watched { .. }
            | Effect::Read { .. }
            | Effect::GetRow { .. }
            | Effect::Stop => {}
        }
        None
    }
}
