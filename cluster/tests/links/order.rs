//! Frames arrive in order, within bounds, and together.

use conversa_cluster::link::{Class, FRAME_MAX, NotSent, QueueBounds};

use crate::world::{Node, Told, frame, knows, life, link, settings};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn frames_that_wait_travel_together_and_in_order() {
    let (a, b) = (Node::start("a", 1).await, Node::start("b", 1).await);
    link(&a, &b).await;
    // One thread: nothing is sent before all of them wait.
    for number in 0..5_000 {
        a.send(&b, Class::Interactive, frame(number, 100));
    }
    b.recorder.until("5,000 frames", |told| told.len() == 5_001).await;
    assert_eq!(b.recorder.numbers(Class::Interactive), (0..5_000).collect::<Vec<_>>());
    let counts = a.counts();
    assert_eq!((counts.sent, counts.sent_bytes, counts.refused), (5_000, 500_000, 0));
    // 104 bytes each, 256 KiB a batch.
    assert_eq!(counts.batches, 2);
    assert_eq!((b.counts().received, b.counts().received_bytes), (5_000, 500_000));
}

#[tokio::test]
async fn what_is_large_does_not_delay_what_is_urgent() {
    let (a, b) = (Node::start("a", 1).await, Node::start("b", 1).await);
    link(&a, &b).await;
    for number in 0..8 {
        a.send(&b, Class::Bulk, frame(number, MIB));
    }
    a.send(&b, Class::Interactive, frame(100, 100));
    b.recorder.until("all frames", |told| told.len() == 10).await;
    let told = b.recorder.told();
    let urgent = told.iter().position(|told| matches!(told, Told::Frame(_, Class::Interactive, _)));
    // Up came first; what of the bulk was on its way already is one window at most, beside what was just read.
    assert!(urgent.expect("it came") <= 3, "{told:?}");
    assert_eq!(b.recorder.numbers(Class::Bulk), (0..8).collect::<Vec<_>>());
}

#[tokio::test]
async fn frames_of_all_sizes_keep_their_order_both_ways() {
    let (a, b) = (Node::start("a", 1).await, Node::start("b", 1).await);
    link(&a, &b).await;
    let length = |number: u64| match number {
        n if n % 499 == 0 => FRAME_MAX,
        n if n % 50 == 0 => 30_000,
        n => 8 + usize::try_from(n % 300).expect("small"),
    };
    let send_all = async |from: &Node, to: &Node| {
        for number in 0..10_000 {
            let class = if number % 3 == 0 { Class::Bulk } else { Class::Interactive };
            let frame = frame(number, length(number));
            while let Err(refused) = from.links.send(&to.life.node, class, frame.clone()) {
                assert_eq!(refused, NotSent::Full);
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::join!(send_all(&a, &b), send_all(&b, &a));
    for node in [&a, &b] {
        node.recorder.until("10,000 frames", |told| told.len() == 10_001).await;
        let (bulk, urgent): (Vec<u64>, Vec<u64>) = (0..10_000).partition(|number| number % 3 == 0);
        assert_eq!(node.recorder.numbers(Class::Bulk), bulk);
        assert_eq!(node.recorder.numbers(Class::Interactive), urgent);
        assert_eq!(node.counts().ups, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_that_stands_still_fills_bounds_and_loses_nothing() {
    const BOUNDS: QueueBounds = QueueBounds { frames: 500, bytes: 4 * MIB };
    let bounded = |node| {
        let mut settings = settings(life(node, 1));
        settings.queue = BOUNDS;
        Node::with(settings)
    };
    let (a, b) = (bounded("a").await.expect("links"), bounded("b").await.expect("links"));
    link(&a, &b).await;
    b.recorder.shut_gate();
    let mut sent = 0;
    // The reader takes what its windows hold; then the sender's queue fills.
    let mut refused_in_a_row = 0;
    while refused_in_a_row < 10_000 {
        match a.links.send("b", Class::Interactive, frame(sent, 16_384)) {
            Ok(()) => (sent, refused_in_a_row) = (sent + 1, 0),
            Err(refused) => {
                assert_eq!(refused, NotSent::Full);
                refused_in_a_row += 1;
                tokio::task::yield_now().await;
            }
        }
        let counts = a.counts();
        assert!(counts.waiting_bytes[0] <= BOUNDS.bytes && counts.waiting_frames[0] <= BOUNDS.frames);
    }
    assert!(b.recorder.numbers(Class::Interactive).len() <= 1, "the gate is shut");
    // Nothing of it stands in the way of the other direction.
    b.send(&a, Class::Interactive, frame(7, 100));
    a.recorder
        .until("a frame of b", |told| told.contains(&Told::Frame(b.life.clone(), Class::Interactive, 7)))
        .await;

    b.recorder.open_gate();
    for _ in 0..100 {
        while a.links.send("b", Class::Interactive, frame(sent, 16_384)).is_err() {
            tokio::task::yield_now().await;
        }
        sent += 1;
    }
    let all = usize::try_from(sent).expect("few") + 1;
    b.recorder.until("all frames", |told| told.len() == all).await;
    assert_eq!(b.recorder.numbers(Class::Interactive), (0..sent).collect::<Vec<_>>());
    assert_eq!(a.counts().ups, 1);
}

#[tokio::test]
async fn what_cannot_be_sent_says_why() {
    let (a, b) = (Node::start("a", 1).await, Node::start("b", 1).await);
    let send = |length| a.links.send("b", Class::Bulk, frame(1, length));
    assert_eq!(send(100), Err(NotSent::Down));
    a.wants(&b);
    assert_eq!(send(100), Err(NotSent::Down));
    link(&a, &b).await;
    assert_eq!(send(FRAME_MAX + 1), Err(NotSent::TooLarge));
    assert_eq!(send(FRAME_MAX), Ok(()));
    b.recorder.until("the largest frame", |told| told.len() == 2).await;
    assert_eq!(a.counts().refused, 2);
}

#[tokio::test]
async fn the_view_is_told_with_hellos_and_when_it_changes() {
    let (a, b) = (Node::start("a", 1).await, Node::start("b", 1).await);
    a.links.tell(knows(3));
    link(&a, &b).await;
    b.recorder.until_heard(knows(3)).await;
    b.links.tell(knows(4));
    a.recorder.until_heard(knows(4)).await;
    a.links.tell(knows(5));
    // Views do not go back.
    a.links.tell(knows(2));
    b.recorder.until_heard(knows(5)).await;
}

#[tokio::test]
async fn the_round_trip_is_measured() {
    let (a, b) = (Node::start("a", 1).await, Node::start("b", 1).await);
    link(&a, &b).await;
    while a.counts().rtt_us.is_none() || b.counts().rtt_us.is_none() {
        tokio::task::yield_now().await;
    }
}
