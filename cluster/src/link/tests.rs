//! The parts of a link that do no I/O, and the door against somebody who lies.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::hello::{Hello, Own, Refusal};
use super::lane::Lane;
use super::message::{Body, MESSAGE_MAX, Malformed, Message};
use super::pairing::{Pair, Pairing};
use super::pause::Pause;
use super::queue::{BATCH, Queue};
use super::tls::{Tls, TlsFiles};
use super::{Class, FRAME_MAX, Handler, LinkSettings, Links, NotSent, QueueBounds, Security};
use crate::member::Life;
use crate::member::told::Told;

fn life(node: &str, generation: u64) -> Life {
    Life { node: node.into(), generation }
}

fn own(node: &str) -> Own {
    Own { cluster: "c".into(), life: life(node, 7) }
}

fn hello() -> Hello {
    own("a").hello(&life("b", 7), Class::Bulk, 3)
}

fn encoded(message: &Message) -> Bytes {
    let mut bytes = BytesMut::new();
    message.encode(&mut bytes);
    assert_eq!(bytes.len(), message.len(), "{message:?}");
    bytes.freeze()
}

#[test]
fn messages_are_read_as_they_were_written() {
    let frames = vec![Bytes::new(), Bytes::from_static(b"one"), Bytes::from(vec![7; 70_000])];
    let bodies = [
        Body::Hello(hello()),
        Body::Frames(frames),
        Body::Frames(vec![]),
        Body::Frames(vec![Bytes::from(vec![1; FRAME_MAX])]),
        Body::Beat(9),
        Body::Echo(u64::MAX),
    ];
    for body in bodies {
        let message = Message { told: Told { view: 11, adopted: 10, served: 9 }, body };
        let bytes = encoded(&message);
        assert!(bytes.len() <= MESSAGE_MAX);
        assert_eq!(Message::decode(bytes.clone()), Ok(message.clone()));
        let longer: Bytes = [&bytes[..], &[1]].concat().into();
        assert!(Message::decode(longer).is_err(), "{message:?}");
    }
}

#[test]
fn whatever_is_cut_or_altered_is_an_error_or_another_message() {
    let whole = encoded(&Message { told: Told::default(), body: Body::Hello(hello()) });
    for end in 0..whole.len() {
        assert_eq!(Message::decode(whole.slice(..end)), Err(Malformed::Short), "{end} bytes");
    }
    // No byte that is altered makes the reader panic.
    for place in 0..whole.len() {
        for value in [0, 1, 127, 255] {
            let mut altered = whole.to_vec();
            altered[place] = value;
            let _read = Message::decode(altered.into());
        }
    }
    let of_kind = |kind: u8, rest: &[u8]| Message::decode([&[kind][..], &[0; 24], rest].concat().into());
    assert_eq!(of_kind(4, &[]), Err(Malformed::Kind(4)));
    assert_eq!(of_kind(1, &[255, 255, 255, 255]), Err(Malformed::TooLarge));
    assert_eq!(of_kind(1, &[2, 0, 0, 0, 1]), Err(Malformed::Short));
    let hello = |rest: &[u8]| Message::decode([&[0; 9][..], rest].concat().into());
    assert_eq!(hello(&[9, 0]), Err(Malformed::Protocol(9)));
    assert_eq!(hello(&[2, 0, 2]), Err(Malformed::Class(2)));
}

#[test]
fn a_small_frame_does_not_keep_its_batch() {
    let frames = vec![Bytes::from(vec![1; 100]), Bytes::from(vec![2; 10_000])];
    let bytes = encoded(&Message { told: Told::default(), body: Body::Frames(frames) });
    let batch = bytes.as_ptr_range();
    let Ok(Message { body: Body::Frames(frames), .. }) = Message::decode(bytes.clone()) else {
        panic!("frames were written");
    };
    assert!(!batch.contains(&frames[0].as_ptr()));
    assert!(batch.contains(&frames[1].as_ptr()));
}

#[test]
fn ends_that_belong_together_talk_and_others_do_not() {
    let (a, b) = (own("a"), own("b"));
    let asked = hello();
    let everybody = |_: &str| true;
    assert_eq!(b.greeted(&asked, everybody), Ok(()));
    let check = |altered: Hello, refusal: Refusal| assert_eq!(b.greeted(&altered, everybody), Err(refusal));
    check(Hello { cluster: "d".into(), ..asked.clone() }, Refusal::Cluster("d".into()));
    check(Hello { to: life("b", 6), ..asked.clone() }, Refusal::NotMe(life("b", 6)));
    check(Hello { to: life("x", 7), ..asked.clone() }, Refusal::NotMe(life("x", 7)));
    assert_eq!(b.greeted(&asked, |node| node == "x"), Err(Refusal::Certificate("a".into())));

    let answer = b.hello(&life("a", 7), Class::Bulk, 3);
    assert_eq!(a.answered(&asked, &answer), Ok(()));
    let check = |altered: Hello, refusal: Refusal| assert_eq!(a.answered(&asked, &altered), Err(refusal));
    check(Hello { cluster: "d".into(), ..answer.clone() }, Refusal::Cluster("d".into()));
    check(Hello { from: life("b", 8), ..answer.clone() }, Refusal::AnotherLife(life("b", 8)));
    check(Hello { to: life("a", 8), ..answer.clone() }, Refusal::NotMe(life("a", 8)));
    let another = Refusal::NoHello("the answer is to another stream");
    check(Hello { attempt: 2, ..answer.clone() }, another.clone());
    check(Hello { class: Class::Interactive, ..answer }, another);

    assert!(a.dials("b") && !b.dials("a") && !a.dials("a"));
}

const BOUNDS: QueueBounds = QueueBounds { frames: 4, bytes: 1_000 };

#[test]
fn a_queue_keeps_order_and_bounds() {
    let mut queue = Queue::new(BOUNDS);
    let frame = |byte: u8, length: usize| Bytes::from(vec![byte; length]);
    assert!(queue.batch().is_empty());
    // Alone, a frame always fits.
    assert_eq!(queue.push(frame(1, 2_000)), Ok(()));
    assert_eq!(queue.push(frame(2, 1)), Err(NotSent::Full));
    assert_eq!(queue.batch(), [frame(1, 2_000)]);
    for byte in 0..4 {
        assert_eq!(queue.push(frame(byte, 250)), Ok(()));
    }
    assert_eq!((queue.frames(), queue.bytes()), (4, 1_000));
    assert_eq!(queue.push(Bytes::new()), Err(NotSent::Full));
    assert_eq!(queue.push(frame(0, FRAME_MAX + 1)), Err(NotSent::TooLarge));
    assert_eq!(queue.batch(), (0..4).map(|byte| frame(byte, 250)).collect::<Vec<_>>());
    assert_eq!((queue.frames(), queue.bytes()), (0, 0));
}

#[test]
fn a_batch_ends_before_it_grows_too_large() {
    let mut queue = Queue::new(QueueBounds::default());
    let lengths = [10, BATCH - 18, 1, BATCH, 5];
    for length in lengths {
        queue.push(Bytes::from(vec![0; length])).expect("there is room");
    }
    let batches: Vec<Vec<usize>> =
        std::iter::repeat_with(|| queue.batch().iter().map(Bytes::len).collect()).take(4).collect();
    // With their heads the first two fill a batch to the byte; the fourth is too large for any.
    assert_eq!(batches, [vec![10, BATCH - 18], vec![1], vec![BATCH], vec![5]]);
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn what_is_sent_in_one_attempt_goes_to_no_other() {
    let (lane, woken) = (Lane::new(BOUNDS), Arc::new(Woken::default()));
    let waker = Waker::from(Arc::clone(&woken));
    let frame = |byte: u8| Bytes::from(vec![byte; 10]);
    let sent = |byte: u8| Poll::Ready(Some(Body::Frames(vec![frame(byte)])));
    assert_eq!(lane.send(frame(0)), Err(NotSent::Down));

    assert!(lane.offer(5));
    assert_eq!(lane.next(5, &waker), Poll::Pending);
    assert_eq!(lane.send(frame(0)), Err(NotSent::Down));
    assert!(lane.open(5) && !lane.open(5));
    assert_eq!(woken.0.load(Ordering::SeqCst), 1, "whoever waited for the attempt is woken");
    assert_eq!(lane.next(5, &waker), Poll::Pending);
    lane.send(frame(1)).expect("it is open");
    assert_eq!(woken.0.load(Ordering::SeqCst), 2);
    assert_eq!(lane.next(5, &waker), sent(1));

    lane.send(frame(2)).expect("it is open");
    assert!(!lane.offer(5) && !lane.offer(4), "only a later attempt takes its place");
    assert!(lane.offer(6));
    assert_eq!(lane.next(5, &waker), Poll::Ready(None), "what waited is gone");
    assert_eq!(lane.waiting(), (0, 0));
    lane.close(5);
    assert!(lane.open(6), "the end of an earlier attempt is not that of a later one");
    lane.send(frame(3)).expect("it is open");
    assert_eq!(lane.next(5, &waker), Poll::Ready(None));
    assert_eq!(lane.next(6, &waker), sent(3));

    assert_eq!(lane.next(6, &waker), Poll::Pending);
    lane.close(6);
    assert_eq!(woken.0.load(Ordering::SeqCst), 3);
    assert_eq!(lane.next(6, &waker), Poll::Ready(None));
    assert_eq!(lane.send(frame(4)), Err(NotSent::Down));
    lane.shut();
    assert!(!lane.offer(7));
}

#[test]
fn the_view_and_beats_need_no_frame() {
    let lane = Lane::new(BOUNDS);
    let waker = Waker::noop();
    lane.tell();
    lane.offer(1);
    lane.open(1);
    assert_eq!(lane.next(1, waker), Poll::Pending, "the hello has told it");
    lane.tell();
    lane.tell();
    lane.beat(1);
    lane.beat(2);
    lane.echo(3);
    let all: Vec<_> = std::iter::repeat_with(|| lane.next(1, waker)).take(4).collect();
    let ready = |body| Poll::Ready(Some(body));
    assert_eq!(all, [ready(Body::Echo(3)), ready(Body::Beat(2)), ready(Body::Frames(vec![])), Poll::Pending]);
}

#[test]
fn the_two_streams_of_an_attempt_are_paired() {
    let mut pairing = Pairing::new();
    let pair = |attempt, interactive, bulk| Some(Pair { attempt, interactive, bulk });
    assert_eq!(pairing.offer(1, Class::Interactive, "i1"), None);
    assert_eq!(pairing.awaited(), Some(1));
    assert_eq!(pairing.offer(1, Class::Bulk, "b1"), pair(1, "i1", "b1"));
    assert_eq!(pairing.awaited(), None);
    assert_eq!(pairing.offer(2, Class::Bulk, "b2"), None);
    assert_eq!(pairing.offer(3, Class::Bulk, "b3"), None);
    assert_eq!(pairing.offer(2, Class::Interactive, "i2"), None);
    assert_eq!(pairing.offer(3, Class::Interactive, "i3"), pair(3, "i3", "b3"));
    assert_eq!(pairing.offer(4, Class::Bulk, "b4"), None);
    pairing.give_up();
    assert_eq!(pairing.awaited(), None);
    assert_eq!(pairing.offer(4, Class::Interactive, "i4"), None);
}

#[test]
fn pauses_grow_to_a_second_and_shrink_after_a_good_link() {
    let longest = |pause: &mut Pause| pause.next(u32::MAX).as_millis();
    let mut pause = Pause::new();
    let grown: Vec<_> = std::iter::repeat_with(|| longest(&mut pause)).take(7).collect();
    assert_eq!(grown, [50, 100, 200, 400, 800, 1_000, 1_000]);
    assert_eq!(pause.next(0).as_millis(), 500, "by chance, half of it");
    pause.stood(Duration::from_secs(1));
    assert_eq!(longest(&mut pause), 1_000);
    pause.stood(Duration::from_secs(5));
    assert_eq!(longest(&mut pause), 50);
}

struct Nobody;

impl Handler for Nobody {
    fn received(&self, _: &Life, _: Class, _: Bytes) {
        panic!("nothing is sent");
    }

    fn up(&self, peer: &Life) {
        panic!("{peer:?} is up");
    }

    fn down(&self, _: &Life) {}

    fn heard(&self, _: &Life, _: Told) {
        panic!("a liar is believed");
    }
}

/// Files for both names, signed by one authority.
fn certified(folder: &Path, names: [&str; 2]) -> [TlsFiles; 2] {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).expect("a certificate").pem();
    let issuer = Issuer::new(params, key);
    let write = |file: String, text: &str| {
        let path = folder.join(file);
        std::fs::write(&path, text).expect("a folder for the test");
        path
    };
    names.map(|name| {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &issuer).expect("a certificate").pem();
        TlsFiles {
            authority: write("authority.pem".into(), &authority),
            certificate: write(format!("{name}.pem"), &certificate),
            key: write(format!("{name}.key"), &key.serialize_pem()),
        }
    })
}

#[tokio::test]
async fn a_node_that_says_another_name_than_its_certificate_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let [of_liar, of_b] = certified(folder.path(), ["liar", "b"]);
    let (listen, handler) = (SocketAddr::from(([127, 0, 0, 1], 0)), Arc::new(Nobody));
    let tls = Tls::new(Security::Mutual(of_liar), "liar").expect("its own certificate");
    let a = Links::listen(listen, own("a"), tls, BOUNDS, Arc::clone(&handler) as Arc<dyn Handler>).await;
    let settings = LinkSettings {
        listen,
        security: Security::Mutual(of_b),
        cluster: "c".into(),
        life: life("b", 7),
        queue: BOUNDS,
    };
    let (a, b) = (a.expect("links"), Links::start(settings, handler).await.expect("links"));
    b.peers(vec![(life("a", 7), a.listen_addr().to_string())]);
    a.peers(vec![(life("b", 7), b.listen_addr().to_string())]);
    while !b.counts().refusals.contains_key("certificate") {
        tokio::task::yield_now().await;
    }
}
