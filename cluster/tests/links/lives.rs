//! Links break and lives follow each other; nothing of one reaches another.

use conversa_cluster::link::{Class, NotSent};
use conversa_cluster::member::Life;

use crate::world::{Line, Node, Told, Wire, frame, knows, link, up};

/// The ups and downs, in order.
fn states(node: &Node) -> Vec<Told> {
    node.recorder.told().into_iter().filter(|told| !matches!(told, Told::Frame(..))).collect()
}

fn up_down(lives: &[&Life]) -> Vec<Told> {
    lives.iter().flat_map(|life| [Told::Up((*life).clone()), Told::Down((*life).clone())]).collect()
}

/// The node `restarted` dies while frames for it wait, and starts again; `stays` does not.
async fn restart(stays: &str, restarted: &str) {
    let (a, b) = (Node::start(stays, 1).await, Node::start(restarted, 1).await);
    link(&a, &b).await;
    b.recorder.shut_gate();
    for number in 1..200 {
        a.send(&b, Class::Interactive, frame(number, 10_000));
    }
    b.recorder.until("a frame", |told| told.len() == 2).await;
    let early = b.life.clone();
    b.recorder.open_gate();
    drop(b.links);
    a.recorder.until_told(Told::Down(early.clone())).await;
    assert_eq!(a.links.send(restarted, Class::Interactive, frame(300, 100)), Err(NotSent::Down));

    let c = Node::start(restarted, 2).await;
    link(&a, &c).await;
    a.send(&c, Class::Interactive, frame(400, 100));
    c.recorder.until("a frame", |told| told.len() == 2).await;
    assert_eq!(c.recorder.numbers(Class::Interactive), [400]);
    assert_eq!(states(&a), [up_down(&[&early]), vec![Told::Up(c.life)]].concat());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_later_life_of_a_dialled_node_gets_nothing_of_the_earlier() {
    restart("a", "b").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_later_life_of_a_dialling_node_gets_nothing_of_the_earlier() {
    restart("b", "a").await;
}

#[tokio::test]
async fn a_later_life_is_taken_when_the_view_has_it() {
    let (a, b) = (Node::start("a", 1).await, Node::start("b", 2).await);
    b.wants(&a);
    // The view of a is behind: it has the earlier life of b, and of itself the later tells nothing.
    a.links.peers(vec![(Life { node: "b".into(), generation: 1 }, b.addr())]);
    b.links.tell(knows(9));
    while b.refusals("not_me") == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(a.links.send("b", Class::Bulk, frame(1, 8)), Err(NotSent::Down));
    a.wants(&b);
    up(&a, &b).await;
    assert_eq!(states(&a), [Told::Up(b.life.clone())]);
}

#[tokio::test]
async fn who_is_no_member_is_refused_and_heard() {
    let (a, b) = (Node::start("a", 1).await, Node::start("b", 1).await);
    a.links.tell(knows(12));
    a.wants(&b);
    b.recorder.until_heard(knows(12)).await;
    while b.refusals("not_a_member") == 0 {
        tokio::task::yield_now().await;
    }
    // Another life of a is not a either.
    b.links.peers(vec![(Life { node: "a".into(), generation: 2 }, a.addr())]);
    while b.refusals("another_life") == 0 {
        tokio::task::yield_now().await;
    }
    assert!(a.recorder.told().is_empty() && b.recorder.told().is_empty());
    b.wants(&a);
    up(&a, &b).await;
}

#[tokio::test]
async fn a_link_that_is_no_longer_wanted_ends_at_both_ends() {
    for (one, other) in [("a", "b"), ("b", "a")] {
        let (one, other) = (Node::start(one, 1).await, Node::start(other, 1).await);
        link(&one, &other).await;
        one.links.peers(Vec::new());
        one.recorder.until_told(Told::Down(other.life.clone())).await;
        other.recorder.until_told(Told::Down(one.life.clone())).await;
        // And is made again when it is wanted again.
        one.wants(&other);
        let twice = |life: &Life| {
            let life = life.clone();
            move |told: &[Told]| told.iter().filter(|told| **told == Told::Up(life.clone())).count() == 2
        };
        one.recorder.until("up again", twice(&other.life)).await;
        other.recorder.until("up again", twice(&one.life)).await;
        one.send(&other, Class::Bulk, frame(1, 8));
        other
            .recorder
            .until("a frame", |told| told.contains(&Told::Frame(one.life.clone(), Class::Bulk, 1)))
            .await;
    }
}

/// The end of the earlier link takes long to be told, and the peer is wanted again meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_link_is_up_again_only_when_its_end_was_told() {
    for (one, other, third) in [("a", "b", "c"), ("c", "b", "a")] {
        let (one, other) = (Node::start(one, 1).await, Node::start(other, 1).await);
        let third = Node::start(third, 1).await;
        link(&one, &other).await;
        one.recorder.shut_gate();
        one.links.peers(Vec::new());
        one.wants(&other);
        one.links.peers(Vec::new());
        one.links.peers(vec![(other.life.clone(), other.addr()), (third.life.clone(), third.addr())]);
        third.wants(&one);
        // Time for a link to be made, and more.
        up(&one, &third).await;
        for view in 1..100 {
            one.links.tell(knows(view));
            third.recorder.until_heard(knows(view)).await;
        }
        one.recorder.open_gate();
        let is_up =
            |told: &[Told]| told.iter().filter(|told| **told == Told::Up(other.life.clone())).count() == 2;
        one.recorder.until("up again", is_up).await;
        let of_other: Vec<_> =
            one.recorder.told().into_iter().filter(|told| *told != Told::Up(third.life.clone())).collect();
        assert_eq!(of_other, [up_down(&[&other.life]), vec![Told::Up(other.life.clone())]].concat());
    }
}

#[tokio::test]
async fn links_that_stop_tell_both_ends() {
    for (one, other) in [("a", "b"), ("b", "a")] {
        let (one, other) = (Node::start(one, 1).await, Node::start(other, 1).await);
        link(&one, &other).await;
        one.links.stop().await;
        assert_eq!(one.recorder.told(), up_down(&[&other.life]));
        other.recorder.until_told(Told::Down(one.life.clone())).await;
    }
}

/// Frames arrive in runs without holes: one for each time that the link was up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wire_that_is_cut_loses_ends_of_runs_only() {
    const CUTS: usize = 5;
    let (a, b) = (Node::start("a", 1).await, Node::start("b", 1).await);
    let wire = Wire::to(&b).await;
    b.wants(&a);
    a.links.peers(vec![(b.life.clone(), wire.addr.clone())]);
    up(&a, &b).await;
    let mut number = 0;
    for cut in 1..=CUTS {
        let before = b.recorder.numbers(Class::Interactive).len();
        while b.recorder.numbers(Class::Interactive).len() < before + 100 {
            if a.links.send("b", Class::Interactive, frame(number, 2_000)).is_ok() {
                number += 1;
            } else {
                tokio::task::yield_now().await;
            }
        }
        wire.line.send_replace(Line::Cut);
        let times = |what: Told| move |told: &[Told]| told.iter().filter(|told| **told == what).count();
        let (ups, a_downs, b_downs) = (
            times(Told::Up(b.life.clone())),
            times(Told::Down(b.life.clone())),
            times(Told::Down(a.life.clone())),
        );
        a.recorder.until("down", |told| a_downs(told) == cut).await;
        b.recorder.until("down", |told| b_downs(told) == cut).await;
        wire.line.send_replace(Line::Well);
        a.recorder.until("up", |told| ups(told) == cut + 1).await;
    }
    let mut runs: Vec<Vec<u64>> = vec![];
    for told in b.recorder.told() {
        match told {
            Told::Up(_) => runs.push(Vec::new()),
            Told::Frame(_, _, number) => runs.last_mut().expect("up first").push(number),
            Told::Down(_) => {}
        }
    }
    for run in runs {
        assert!(run.windows(2).all(|pair| pair[1] == pair[0] + 1), "a hole within {run:?}");
    }
    let numbers = b.recorder.numbers(Class::Interactive);
    assert!(numbers.is_sorted(), "{numbers:?}");
}

#[tokio::test]
async fn a_wire_on_which_nothing_passes_is_noticed_at_both_ends() {
    let (a, b) = (Node::start("a", 1).await, Node::start("b", 1).await);
    let wire = Wire::to(&b).await;
    b.wants(&a);
    a.links.peers(vec![(b.life.clone(), wire.addr.clone())]);
    up(&a, &b).await;
    wire.line.send_replace(Line::Frozen);
    a.recorder.until_told(Told::Down(b.life.clone())).await;
    b.recorder.until_told(Told::Down(a.life.clone())).await;
}

#[tokio::test]
async fn whoever_dials_again_replaces_a_link_that_the_other_end_takes_to_stand() {
    let (a, b) = (Node::start("a", 1).await, Node::start("b", 1).await);
    let wire = Wire::to(&b).await;
    b.wants(&a);
    a.links.peers(vec![(b.life.clone(), wire.addr.clone())]);
    up(&a, &b).await;
    wire.line.send_replace(Line::Frozen);
    // Another way to b: of the first connection b hears nothing.
    a.links.peers(vec![(b.life.clone(), b.addr())]);
    b.recorder.until("down and up", |told| told.len() == 3).await;
    assert_eq!(b.recorder.told(), [up_down(&[&a.life]), vec![Told::Up(a.life.clone())]].concat());
    a.recorder.until("down and up", |told| told.len() == 3).await;
    a.send(&b, Class::Interactive, frame(1, 8));
    b.recorder.until("a frame", |told| told.len() == 4).await;
}
