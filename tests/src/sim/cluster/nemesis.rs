//! What goes wrong with nodes, links, clocks and the store.

use conversa_cluster::place::WEIGHT_ONE;

use super::{Event, NODES};
use crate::sim::World;
use crate::sim::chance::Chance;

/// The longest that clocks of nodes are apart, milliseconds.
const APART_MS_MAX: i64 = 3;

/// How often what goes wrong: rates are of 10,000, times in milliseconds. Each seed draws its own mixture.
#[derive(Clone, Debug, Default)]
pub(super) struct Ills {
    /// A node stands still, as in a long collection of garbage or when a hypervisor stops it.
    pub(super) pause: u32,
    /// A node loses the others, the store, or both.
    pub(super) partition: u32,
    /// Frames of one direction stand still.
    pub(super) one_way: u32,
    /// The store answers nobody.
    pub(super) outage: u32,
    /// A clock is set.
    pub(super) jump: u32,
    /// A node is asked to leave.
    pub(super) leave: u32,
    /// All nodes restart, one after the other.
    pub(super) rolling: u32,
    /// A request at the register has no answer.
    pub(super) register_lost: u32,
    /// A write without an answer that was not made is made later, up to so much.
    pub(super) late: u32,
    pub(super) late_ms_max: i64,
    pub(super) link_ms_max: i64,
    /// How far clocks are apart.
    pub(super) apart_ms: i64,
}

impl Ills {
    pub(super) fn draw(chance: &mut Chance) -> Self {
        let mut up_to = |most: i64| {
            let some = chance.hits(5_000);
            if some { u32::try_from(chance.between(1, most)).expect("rates are small") } else { 0 }
        };
        Self {
            pause: up_to(400),
            partition: up_to(400),
            one_way: up_to(400),
            outage: up_to(200),
            jump: up_to(600),
            leave: up_to(200),
            rolling: up_to(150),
            register_lost: up_to(1_500),
            late: up_to(9_000),
            late_ms_max: [500, 4_000, 12_000][chance.below(3)],
            link_ms_max: [1, 5, 60][chance.below(3)],
            apart_ms: [0, 1, APART_MS_MAX][chance.below(3)],
        }
    }

    /// Nothing goes wrong, and clocks stay as they are.
    fn calm(&self) -> Self {
        Self { link_ms_max: 2, apart_ms: self.apart_ms, ..Self::default() }
    }
}

/// The share of each node: some are small, and come and go quickly.
pub(super) fn weights(chance: &mut Chance) -> [u32; NODES] {
    let mut weights = [WEIGHT_ONE; NODES];
    for weight in &mut weights[1..] {
        *weight /= [1, 4, 16][chance.below(3)];
    }
    weights
}

impl World {
    /// How far a clock is ahead.
    pub(super) fn skew(&mut self) -> i64 {
        let apart = self.all().ills.apart_ms;
        self.chance.between(0, apart)
    }

    /// From when on a socket must be shown what happens, by any clock.
    pub(in crate::sim) fn since(&self) -> conversa_engine::time::Time {
        let apart = self.cluster.as_ref().map_or(0, |cluster| cluster.ills.apart_ms);
        self.now.after_ms(apart)
    }

    /// One turn.
    pub(in crate::sim) fn nemesis(&mut self) {
        let ills = self.all().ills.clone();
        let n = self.chance.below(NODES);
        if self.chance.hits(ills.pause) {
            self.stand_still(n);
        }
        if self.chance.hits(ills.partition) {
            self.partition(n);
        }
        if self.chance.hits(ills.one_way) {
            let (from, to, ms) = (n, (n + 1 + self.chance.below(NODES - 1)) % NODES, self.chance_ms(8_000));
            self.cut(from, to, ms);
        }
        if self.chance.hits(ills.outage) {
            let ms = self.chance_ms(8_000);
            self.tell(|| format!("-- the store is away for {ms} ms"));
            self.all().outage_until = self.now.after_ms(ms);
        }
        if self.chance.hits(ills.jump) {
            let ahead = self.skew();
            self.set_clock(n, ahead);
        }
        if self.chance.hits(ills.leave) {
            self.ask_to_leave(n);
        }
        if self.chance.hits(ills.rolling) && self.all().rolling == 0 {
            self.all().rolling = NODES;
        }
        self.roll();
    }

    /// Longer than a lease, or not.
    fn stand_still(&mut self, n: usize) {
        if !self.moves(n) {
            return;
        }
        let ms = self.chance_ms(9_000);
        let stopped = self.chance.hits(3_000);
        self.tell(|| format!("-- node {n} stands still for {ms} ms"));
        self.all().tally.pauses += 1;
        self.nodes[n].still_until = self.now.after_ms(ms);
        if let Some(member) = self.nodes[n].member.as_mut().filter(|_| stopped) {
            // A hypervisor has stopped the machine: only its wall clock goes on.
            member.missed_ms += ms;
        }
        for m in (0..NODES).filter(|m| *m != n) {
            self.doubt_link(n, m);
        }
        if ms > 3_000 {
            // Clients give up.
            for talk in 0..self.talks.len() {
                if self.talks[talk].open && self.talks[talk].node == n {
                    let at = self.now.after_ms(self.chance.between(2_000, 5_000));
                    self.agenda.put(at, crate::sim::agenda::Action::Cut(talk));
                }
            }
        }
    }

    fn cut(&mut self, from: usize, to: usize, ms: i64) {
        self.tell(|| format!("-- nothing comes from node {from} to node {to} for {ms} ms"));
        let until = self.now.after_ms(ms);
        let standing = self.all().cuts.entry((from, to)).or_insert(until);
        *standing = until.max(*standing);
        self.doubt_link(from, to);
    }

    fn partition(&mut self, n: usize) {
        let ms = self.chance_ms(10_000);
        let (links, store) = [(true, true), (true, false), (false, true)][self.chance.below(3)];
        if links {
            for m in (0..NODES).filter(|m| *m != n) {
                self.cut(n, m, ms);
                self.cut(m, n, ms);
            }
        }
        if store {
            self.tell(|| format!("-- node {n} loses the store for {ms} ms"));
            self.all().storeless[n] = self.now.after_ms(ms);
        }
    }

    /// A clock is set; alarms ring by what it says then.
    fn set_clock(&mut self, n: usize, ahead_ms: i64) {
        self.tell(|| format!("-- the clock of node {n} is {ahead_ms} ms ahead from now on"));
        self.all().tally.jumps += 1;
        self.nodes[n].ahead_ms = ahead_ms;
        let alarms: Vec<_> =
            self.nodes[n].alarms.iter().map(|((of, bell), at)| (of.clone(), *bell, *at)).collect();
        for (of, bell, at) in alarms {
            self.set_alarm(n, &of, Some(at), bell);
        }
    }

    fn ask_to_leave(&mut self, n: usize) {
        let others = (0..NODES).filter(|m| *m != n && self.lets_in(*m)).count();
        if self.lets_in(n) && others > 0 {
            let life = self.nodes[n].life;
            self.put(0, Event::Leave(life));
        }
    }

    /// The next node restarts when all are there again.
    fn roll(&mut self) {
        if self.all().rolling > 0 && (0..NODES).all(|n| self.lets_in(n)) {
            self.all().rolling -= 1;
            let n = self.all().rolling;
            self.crash_node(n);
        }
    }

    /// Nothing goes wrong any more.
    pub(in crate::sim) fn heal(&mut self) {
        if self.cluster.is_none() {
            return;
        }
        let now = self.now;
        let cluster = self.all();
        cluster.ills = cluster.ills.calm();
        cluster.cuts.clear();
        cluster.storeless = [now; NODES];
        cluster.outage_until = now;
        cluster.rolling = 0;
    }

    /// A client comes to a node that lets it in, often another one than before; false when there is none.
    pub(in crate::sim) fn choose_node(&mut self, client: usize) -> bool {
        if self.cluster.is_none() {
            return self.nodes[0].up;
        }
        let open: Vec<usize> = (0..NODES).filter(|n| self.lets_in(*n)).collect();
        let before = self.clients[client].node;
        if open.contains(&before) && self.chance.hits(5_000) {
            return true;
        }
        let chosen = self.chance.pick(&open).copied();
        self.clients[client].node = chosen.unwrap_or(before);
        chosen.is_some()
    }
}
