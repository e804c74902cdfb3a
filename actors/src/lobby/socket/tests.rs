//! Who is shown what of a request.

use conversa_engine::content::Content;
use conversa_engine::conversation::{Author, AuthorKind, Event, Person, Said, Visibility};
use conversa_engine::time::Time;

use super::*;

fn said(seq: u64, author: Author) -> Push {
    let content = Content::text("words");
    let at = Time::from_ms(1);
    let understanding = Default::default();
    let said = Said {
        author,
        key: None,
        content,
        visibility: Visibility::Public,
        reply_to: None,
        at,
        understanding,
    };
    Push {
        person: PersonId::new("vi_1"),
        source: Address::new(TenantId::new("acme"), "conversation", "cv_1"),
        seq,
        event: Some(Arc::new(Event::Said(said))),
        origin: Some(7),
        answer: None,
    }
}

/// A person, and its sockets 7 and 8.
fn two_devices() -> (Person, Arc<Socket>, Arc<Socket>) {
    let id = PersonId::new("vi_1");
    let socket = |n, device: &str| Socket::new(n, TenantId::new("acme"), id.clone(), device.into(), 10_000);
    (Person { id: id.clone(), name: String::new() }, socket(7, "a"), socket(8, "b"))
}

fn shown(socket: &Socket) -> Vec<String> {
    std::iter::from_fn(|| socket.next()).map(|out| format!("{out:?}")).collect()
}

#[test]
fn a_request_hides_from_its_socket_only_what_its_person_said() {
    let (visitor, asking, other) = two_devices();
    for push in [said(1, Author::person(AuthorKind::Visitor, &visitor)), said(2, Author::system())] {
        asking.show(&push);
        other.show(&push);
    }
    let all = shown(&other);
    assert_eq!(all.len(), 2);
    assert_eq!(shown(&asking), all[1..]);
}

#[test]
fn what_was_said_at_another_node_comes_as_the_answer_to_who_asked_and_to_nobody_else() {
    let (visitor, asking, other) = two_devices();
    let accepted = Accepted { first: 1, last: 2, at: Time::from_ms(1) };
    for push in [said(1, Author::person(AuthorKind::Visitor, &visitor)), said(2, Author::system())] {
        let push = Push { answer: Some((40, accepted)), ..push };
        asking.show(&push);
        other.show(&push);
    }
    let source = "acme/conversation/cv_1";
    assert_eq!(shown(&asking), ["answer 40".to_owned(), format!("event {source}#2")]);
    assert_eq!(shown(&other), [format!("event {source}#1"), format!("event {source}#2")]);
}
