//! The links between nodes, as `conversa_cluster::link` keeps them: frames of a class arrive in order while a link is up; when it breaks, what
//! was under way is gone, and both ends notice, each in its own time.

use bytes::Bytes;
use conversa_actors::port::mesh::Class;
use conversa_cluster::member;
use conversa_cluster::member::machine::Input;
use conversa_cluster::member::told::Told;
use conversa_engine::time::Time;

use super::porch::name;
use super::{Event, Life, NODES};
use crate::sim::World;
use crate::sim::agenda::Action;

/// How often two nodes without a link try to make one.
const DIAL_MS: i64 = 150;
/// A peer that has not answered for so long is taken to be gone.
const SUSPECT_MS: i64 = 3_000;

/// The link of two nodes.
#[derive(Clone, Debug)]
pub(super) struct Link {
    attempt: u64,
    /// The lives that it joins, the lesser node's first.
    lives: [Life; 2],
    /// The ends that have not noticed that it is broken.
    up: [bool; 2],
    broken: bool,
    /// What was under way is lost with it.
    lost: bool,
    /// When the last frame arrives, by direction and class.
    last: [[Time; 2]; 2],
}

/// What a link carries.
#[derive(Debug)]
enum Said {
    /// What hosts have for each other.
    Frame(Bytes),
    /// What a life tells of itself.
    Told(member::Life, Told),
}

/// Something on its way.
#[derive(Debug)]
pub(in crate::sim) struct Frame {
    from: usize,
    pub(super) to: usize,
    attempt: u64,
    said: Said,
}

fn pair(n: usize, m: usize) -> (usize, usize) {
    (n.min(m), n.max(m))
}

impl World {
    fn is_cut(&self, from: usize, to: usize) -> bool {
        let cuts = self.cluster.as_ref().map(|cluster| &cluster.cuts);
        cuts.and_then(|cuts| cuts.get(&(from, to))).is_some_and(|until| *until > self.now)
    }

    /// Two nodes that know each other's life make a link.
    pub(super) fn dial(&mut self, n: usize, m: usize) {
        let ms = DIAL_MS + self.chance.between(0, 50);
        self.put(ms, Event::Dial(n, m));
        let known = self.all().links.get(&(n, m)).cloned();
        if known.as_ref().is_some_and(|link| !link.broken) {
            return;
        }
        let ready = |n: usize| {
            let node = &self.nodes[n];
            node.up && node.still_until <= self.now && self.far(n).is_some()
        };
        let cut = self.is_cut(n, m) || self.is_cut(m, n);
        if cut || !ready(n) || !ready(m) || !self.knows(n, m) || !self.knows(m, n) {
            return;
        }
        let attempt = known.as_ref().map_or(0, |link| link.attempt) + 1;
        if let Some(link) = known {
            // An end that has not noticed is replaced.
            self.down(n, m, link.attempt);
            self.down(m, n, link.attempt);
        }
        let lives = [self.nodes[n].life, self.nodes[m].life];
        let last = [[self.now; 2]; 2];
        let link = Link { attempt, lives, up: [true; 2], broken: false, lost: false, last };
        self.all().links.insert((n, m), link);
        self.tell(|| format!("-- nodes {n} and {m} are linked"));
        for (at, peer) in [(n, m), (m, n)] {
            if let Some(others) = &self.nodes[at].member.as_ref().and_then(|member| member.others.clone()) {
                others.linked.lock().insert(name(peer));
            }
            if let Some(far) = self.far(at) {
                far.up(self.porch(at), &name(peer));
            }
        }
        // They say it when they say hello.
        self.tell_others(n);
        self.tell_others(m);
    }

    /// A link breaks: each end notices later.
    pub(super) fn break_link(&mut self, n: usize, m: usize, lost: bool) {
        let Some(link) = self.all().links.get_mut(&pair(n, m)).filter(|link| !link.broken) else { return };
        (link.broken, link.lost) = (true, lost);
        let attempt = link.attempt;
        self.all().tally.broken += 1;
        self.tell(|| format!("-- the link of nodes {n} and {m} breaks"));
        for (at, peer) in [(n, m), (m, n)] {
            let ms = self.chance_ms(500);
            self.put(ms, Event::Down(at, peer, attempt));
        }
    }

    /// An end notices that its link is broken.
    pub(super) fn down(&mut self, at: usize, peer: usize, attempt: u64) {
        let end = usize::from(at > peer);
        let life = self.nodes[at].life;
        let Some(link) = self.all().links.get_mut(&pair(at, peer)) else { return };
        if link.attempt != attempt || !std::mem::take(&mut link.up[end]) || link.lives[end] != life {
            return;
        }
        if let Some(others) = self.nodes[at].member.as_ref().and_then(|member| member.others.clone()) {
            others.linked.lock().remove(&name(peer));
        }
        if let Some(far) = self.far(at) {
            far.down(&name(peer));
        }
    }

    /// Somebody stands still, or frames do: if that goes on the link is given up.
    pub(super) fn doubt_link(&mut self, n: usize, m: usize) {
        let Some(attempt) = self.all().links.get(&pair(n, m)).map(|link| link.attempt) else { return };
        let ms = SUSPECT_MS + self.chance.between(-500, 500);
        self.put(ms, Event::Suspect(n, m, attempt));
    }

    pub(super) fn suspect(&mut self, n: usize, m: usize, attempt: u64) {
        let same = self.all().links.get(&pair(n, m)).is_some_and(|link| link.attempt == attempt);
        let cut = self.is_cut(n, m) || self.is_cut(m, n);
        let still = [n, m].iter().any(|of| self.nodes[*of].still_until > self.now);
        if same && (cut || still) {
            self.break_link(n, m, cut);
        }
    }

    /// Sends what a node has for others.
    pub(super) fn post(&mut self, n: usize) -> bool {
        let Some(others) = self.nodes[n].member.as_ref().and_then(|member| member.others.clone()) else {
            return false;
        };
        let frames = others.take_out();
        let busy = !frames.is_empty();
        for (to, class, frame) in frames {
            self.carry(n, to, class, Said::Frame(frame));
        }
        busy
    }

    /// Tells all linked nodes what a node has to tell of itself.
    pub(super) fn tell_others(&mut self, n: usize) {
        let Some(member) = &self.nodes[n].member else { return };
        let (Some(life), told) = (member.machine.life(), member.machine.tells()) else { return };
        for to in (0..NODES).filter(|to| *to != n) {
            self.carry(n, to, Class::Interactive, Said::Told(life.clone(), told));
        }
    }

    fn carry(&mut self, n: usize, to: usize, class: Class, said: Said) {
        let most = self.all().ills.link_ms_max;
        let ms = self.chance.between(0, most);
        let clear = self.all().cuts.get(&(n, to)).copied().unwrap_or(self.now).max(self.now);
        let Some(link) = self.all().links.get_mut(&pair(n, to)) else { return };
        let last = &mut link.last[usize::from(n > to)][usize::from(class == Class::Bulk)];
        let at = clear.after_ms(ms).max(*last);
        *last = at;
        let frame = Frame { from: n, to, attempt: link.attempt, said };
        self.agenda.put(at, Action::Cluster(Event::Frame(frame)));
    }

    pub(super) fn frame(&mut self, frame: Frame) {
        let Frame { from, to, attempt, said } = frame;
        let end = usize::from(to > from);
        let life = self.nodes[to].life;
        let arrives = self.all().links.get(&pair(from, to)).is_some_and(|link| {
            link.attempt == attempt && link.up[end] && link.lives[end] == life && !(link.broken && link.lost)
        });
        let Some(far) = self.far(to).filter(|_| arrives) else { return };
        match said {
            Said::Frame(frame) => {
                self.all().tally.frames += 1;
                far.received(self.porch(to), &name(from), frame);
            }
            Said::Told(life, told) => self.machine(to, Input::Heard(life, told)),
        }
    }
}
