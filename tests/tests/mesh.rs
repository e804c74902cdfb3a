//! Sockets anywhere, actors anywhere: hosts that are linked, over one store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::{Agent, Conversation, Session, SessionCommand};
use conversa_actors::cell::envelope::{Envelope, unseal};
use conversa_actors::cell::machine::Answer;
use conversa_actors::host::Host;
use conversa_actors::letter::Payload;
use conversa_actors::lobby::{Out, Socket};
use conversa_actors::port::later::FIELD;
use conversa_actors::tenant::{AgentSetting, Tenant};
use conversa_engine::content::Content;
use conversa_engine::conversation::{
    self as domain, Author, AuthorKind, Command, Event, Person, Say, Visibility,
};
use conversa_engine::desk::{AgentCommand, AgentPolicy, Presence};
use conversa_engine::ids::{OfferId, PersonId, QueueId, TenantId, shard_of};
use conversa_engine::refusal::{Code, Refusal};
use conversa_tests::hub::Hub;
use conversa_tests::solo::company;

const NODES: [&str; 3] = ["n1", "n2", "n3"];
const PATIENCE: Duration = Duration::from_secs(20);

/// Somebody at a socket of one node, with all that it was shown.
struct Client {
    host: Arc<Host>,
    socket: Arc<Socket>,
    person: Person,
    shown: BTreeMap<Arc<str>, Vec<u64>>,
    said: Vec<String>,
    answers: BTreeMap<u64, Answer>,
    requests: u64,
}

impl Client {
    fn new(hub: &Hub, node: &str, id: u64, person: &str) -> Self {
        let person = Person { id: PersonId::new(person), name: person.to_owned() };
        let (host, device) = (hub.host(node), format!("d{id}"));
        let socket = Socket::new(id, TenantId::new("acme"), person.id.clone(), device, 1 << 20);
        host.lobby().attach(&socket);
        Self {
            host,
            socket,
            person,
            shown: BTreeMap::new(),
            said: Vec::new(),
            answers: BTreeMap::new(),
            requests: 0,
        }
    }

    fn at(&self, kind: &'static str, key: &str) -> Address {
        Address::new(TenantId::new("acme"), kind, key)
    }

    fn ask(&mut self, to: &Address, payload: Payload) -> u64 {
        self.requests += 1;
        self.host.request(to, payload, &self.socket, self.requests);
        self.requests
    }

    /// Takes what has come, as a socket's task does.
    async fn take(&mut self) {
        while let Some(out) = self.socket.next() {
            match out {
                Out::Event { source, seq, event } if source.kind == Conversation::KIND => {
                    let event = event.downcast_ref::<Event>().expect("an event of a conversation");
                    self.show(&source, seq, event);
                }
                Out::Answer { request, source, answer } => {
                    if let (Ok(accepted), Conversation::KIND) = (&answer, source.kind) {
                        let shown = self.shown.entry(Arc::clone(&source.key)).or_default();
                        // What the socket itself said is shown by its answer.
                        if accepted.last > 0 && shown.last().is_none_or(|last| *last < accepted.last) {
                            shown.push(accepted.last);
                        }
                    }
                    self.answers.insert(request, answer);
                }
                Out::Behind { source, .. } if source.kind == Conversation::KIND => {
                    self.catch_up(&source).await
                }
                Out::Behind { source, .. } => self.socket.skip(&source),
                Out::LookUp => {
                    let agent = self.at(Agent::KIND, self.person.id.as_str());
                    let Ok(view) = self.host.view_json(&agent).await else { continue };
                    for key in view["conversations"].as_array().into_iter().flatten() {
                        let key = key.as_str().expect("keys are text");
                        self.socket.follow(&self.at(Conversation::KIND, key), 0);
                    }
                }
                Out::Event { .. } | Out::Reply { .. } | Out::Murmur(_) | Out::Replaced | Out::Drain => {}
            }
        }
    }

    async fn catch_up(&mut self, source: &Address) {
        while let Some(after) = self.socket.behind(source) {
            let entries = self.host.read_log(source, after, 16).await.expect("the owner answers");
            for entry in &entries {
                let envelope: Envelope<Event> = unseal(&entry.body).expect("it is a conversation's");
                if let Some((request, accepted)) = self.socket.held(source, entry.seq) {
                    self.answers.insert(request, Ok(accepted));
                }
                self.show(source, entry.seq, &envelope.body);
            }
            let shown = entries.last().map_or(after, |entry| entry.seq);
            self.socket.caught_up(source, shown, entries.len() < 16);
        }
    }

    fn show(&mut self, source: &Address, seq: u64, event: &Event) {
        let shown = self.shown.entry(Arc::clone(&source.key)).or_default();
        assert!(shown.last().is_none_or(|last| *last < seq), "{source}: {seq} after {shown:?}");
        shown.push(seq);
        if let Event::Said(said) = event {
            self.said.push(said.content.plain().to_owned());
        }
    }

    async fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let wait = async {
            loop {
                self.take().await;
                if done(self) {
                    return;
                }
                self.socket.rung().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        assert!(waited.is_ok(), "{what} did not come: {:?}, {:?}", self.shown, self.answers);
    }

    async fn answer(&mut self, request: u64) -> Answer {
        self.until("an answer", |client| client.answers.contains_key(&request)).await;
        self.answers.remove(&request).expect("it has come")
    }

    /// Repeats a request until its outcome is known, as clients do.
    async fn insist(&mut self, to: &Address, payload: &Payload) -> Answer {
        loop {
            let request = self.ask(to, payload.clone());
            match self.answer(request).await {
                Err(refusal) if refusal.code.retry() => tokio::task::yield_now().await,
                answer => return answer,
            }
        }
    }

    async fn say(&mut self, conversation: &Address, kind: AuthorKind, n: u64) -> Answer {
        let say = Say {
            author: Author::person(kind, &self.person),
            key: Some(domain::ClientKey { device: self.socket.device().to_owned(), n }),
            content: Content::text(format!("{} {n}", self.person.id)),
            visibility: Visibility::Public,
            reply_to: None,
        };
        self.insist(conversation, &Payload::of(Command::Say(say))).await
    }
}

fn acme() -> Arc<Tenant> {
    let mut tenant = Arc::into_inner(company(&[])).expect("nobody else has it");
    tenant.agents.push(AgentSetting {
        id: PersonId::new("ag_1"),
        name: "Ann".into(),
        skills: std::collections::BTreeMap::new(),
        policy: AgentPolicy { serves: vec![QueueId::new("q")], ..AgentPolicy::default() },
    });
    Arc::new(tenant)
}

/// A visitor whose actors live on `node`.
fn visitor_of(hub: &Hub, node: &str) -> String {
    let tenant = TenantId::new("acme");
    let names = (1..).map(|n| format!("vi_{n}"));
    let mut at = names.filter(|name| *hub.owner(shard_of(&tenant, name)) == *node);
    at.next().expect("every node has shards")
}

/// A conversation between a visitor at one node and an agent at another, served by a third.
async fn assigned(hub: &Arc<Hub>) -> (Client, Client, Address) {
    let mut visitor = Client::new(hub, "n1", 1_001, &visitor_of(hub, "n2"));
    let mut agent = Client::new(hub, "n3", 3_001, "ag_1");
    let presence = AgentCommand::SetPresence { presence: Presence::Online, capacity: Some(4), reason: None };
    let at = agent.at(Agent::KIND, "ag_1");
    agent.insist(&at, &Payload::of(presence)).await.expect("agents may be online");
    let session = visitor.at(Session::KIND, visitor.person.id.as_str());
    let open = SessionCommand::Open { channel: "web".into(), language: "en".into(), name: "V".into() };
    visitor.insist(&session, &Payload::of(open)).await.expect("visitors may open");
    let view = visitor.host.view_json(&session).await.expect("the session can be looked at");
    let conversation = visitor.at(Conversation::KIND, view["live"]["web"].as_str().expect("it is live"));
    assert_eq!(&*hub.owner(conversation.shard()), "n2");
    agent.until("an offer", |agent| agent.shown.contains_key(&conversation.key)).await;
    let offer = offered(hub, &conversation).await;
    let accept = Command::Accept { agent: agent.person.id.clone(), offer };
    agent.insist(&conversation, &Payload::of(accept)).await.expect("it was offered");
    (visitor, agent, conversation)
}

async fn offered(hub: &Hub, conversation: &Address) -> OfferId {
    let log = hub.host("n1").read_log(conversation, 0, 64).await.expect("the owner answers");
    let events = log.iter().map(|entry| unseal::<Event>(&entry.body).expect("it is a conversation's").body);
    let offers = events.filter_map(|event| match event {
        Event::Offered { offer, .. } => Some(offer.id),
        _ => None,
    });
    offers.last().expect("it was offered")
}

/// Both were shown what the log has, in order and without a gap, from where each began.
async fn check(hub: &Hub, clients: [&Client; 2], conversation: &Address, messages: usize) {
    let log = hub.host("n2").read_log(conversation, 0, 10_000).await.expect("the owner answers");
    let head = log.last().expect("it has events").seq;
    assert_eq!(log.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (1..=head).collect::<Vec<_>>());
    let words = log.iter().filter_map(|entry| match unseal::<Event>(&entry.body).expect("readable").body {
        Event::Said(said) if said.key.is_some() => Some(said.content.plain().to_owned()),
        _ => None,
    });
    let mut words: Vec<_> = words.collect();
    words.sort();
    words.dedup();
    assert_eq!(words.len(), messages, "each message once");
    for client in clients {
        let shown = &client.shown[&conversation.key];
        let first = shown[0];
        assert_eq!(*shown, (first..=head).collect::<Vec<_>>(), "{} was shown all", client.person.id);
    }
}

async fn heads(hub: &Hub, conversation: &Address) -> u64 {
    let log = hub.host("n1").read_log(conversation, 0, 10_000).await.expect("the owner answers");
    log.last().map_or(0, |entry| entry.seq)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_at_two_nodes_talk_in_a_conversation_of_a_third() {
    let hub = Hub::start(&NODES, &acme()).await;
    let (mut visitor, mut agent, conversation) = assigned(&hub).await;
    for n in 1..=20 {
        visitor.say(&conversation, AuthorKind::Visitor, n).await.expect("visitors may speak");
        agent.say(&conversation, AuthorKind::Agent, n).await.expect("it is assigned");
    }
    let head = heads(&hub, &conversation).await;
    for client in [&mut visitor, &mut agent] {
        client.until("the end", |client| client.shown[&conversation.key].last() == Some(&head)).await;
    }
    check(&hub, [&visitor, &agent], &conversation, 40).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_while_a_conversation_moves_is_said_once_and_shown_to_all() {
    let hub = Hub::start(&NODES, &acme()).await;
    let (mut visitor, mut agent, conversation) = assigned(&hub).await;
    let moving = {
        let (hub, shard) = (Arc::clone(&hub), conversation.shard());
        tokio::spawn(async move {
            for to in NODES.iter().cycle().take(12) {
                hub.hand_over(&[shard], to).await;
                tokio::task::yield_now().await;
            }
        })
    };
    for n in 1..=40 {
        visitor
            .say(&conversation, AuthorKind::Visitor, n)
            .await
            .map(drop)
            .or_else(once)
            .expect("visitors speak");
        agent.say(&conversation, AuthorKind::Agent, n).await.map(drop).or_else(once).expect("it is assigned");
    }
    moving.await.expect("it moves");
    let head = heads(&hub, &conversation).await;
    for client in [&mut visitor, &mut agent] {
        client.until("the end", |client| client.shown[&conversation.key].last() == Some(&head)).await;
    }
    check(&hub, [&visitor, &agent], &conversation, 80).await;
}

/// True when the field that only the next version knows is in it.
fn is_of_the_next_version(bytes: &[u8]) -> bool {
    bytes.windows(FIELD.len()).any(|window| window == FIELD.as_bytes())
}

/// An upgrade, one node after the other: those of the next version add a field to all that they store and send, and send frames of a kind
/// that those before do not know. What is said while the conversation moves between both is said once and shown to all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_two_versions_serve_a_conversation_in_turn_and_lose_nothing() {
    let hub = Hub::mixed(&NODES, &["n2", "n3"], &acme()).await;
    let (mut visitor, mut agent, conversation) = assigned(&hub).await;
    let mut n = 0;
    // "n1" takes over from either of the next version, and either of these from it.
    for to in ["n1", "n3", "n1", "n2", "n1", "n2"] {
        n += 1;
        visitor.say(&conversation, AuthorKind::Visitor, n).await.expect("visitors may speak");
        let moving = {
            let (hub, shard) = (Arc::clone(&hub), conversation.shard());
            tokio::spawn(async move { hub.hand_over(&[shard], to).await })
        };
        agent.say(&conversation, AuthorKind::Agent, n).await.map(drop).or_else(once).expect("it is assigned");
        moving.await.expect("it moves");
    }
    hub.cut("n1", "n2");
    hub.join("n1", "n2");
    let head = heads(&hub, &conversation).await;
    for client in [&mut visitor, &mut agent] {
        client.until("the end", |client| client.shown[&conversation.key].last() == Some(&head)).await;
    }
    check(&hub, [&visitor, &agent], &conversation, 12).await;
    let log = hub.host("n1").read_log(&conversation, 0, 10_000).await.expect("the owner answers");
    let (next, own): (Vec<_>, Vec<_>) = log.iter().partition(|entry| is_of_the_next_version(&entry.body));
    assert!(next.len() > 4 && own.len() > 2, "both have written: {} and {}", next.len(), own.len());
}

/// Said before: its outcome was unknown.
fn once(refusal: Refusal) -> Result<(), Refusal> {
    if refusal.code == Code::Duplicate { Ok(()) } else { Err(refusal) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_cut_link_has_lost_is_shown_when_it_is_whole_again() {
    let hub = Hub::start(&NODES, &acme()).await;
    let (mut visitor, mut agent, conversation) = assigned(&hub).await;
    visitor.say(&conversation, AuthorKind::Visitor, 1).await.expect("visitors may speak");
    hub.cut("n2", "n3");
    for n in 2..=30 {
        visitor.say(&conversation, AuthorKind::Visitor, n).await.expect("the other link is whole");
    }
    // A second conversation comes to the agent, who cannot be told now.
    let mut other = Client::new(&hub, "n2", 2_001, "vi_other");
    let session = other.at(Session::KIND, "vi_other");
    let open = SessionCommand::Open { channel: "web".into(), language: "en".into(), name: "O".into() };
    other.insist(&session, &Payload::of(open)).await.expect("visitors may open");
    hub.join("n2", "n3");
    let head = heads(&hub, &conversation).await;
    agent.until("the end", |agent| agent.shown[&conversation.key].last() == Some(&head)).await;
    visitor.until("the end", |visitor| visitor.shown[&conversation.key].last() == Some(&head)).await;
    agent.until("the second one", |agent| agent.shown.len() == 2).await;
    check(&hub, [&visitor, &agent], &conversation, 30).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_know_where_an_agent_is_until_it_has_gone() {
    let hub = Hub::start(&NODES, &acme()).await;
    let (mut visitor, agent, conversation) = assigned(&hub).await;
    visitor.say(&conversation, AuthorKind::Visitor, 1).await.expect("visitors may speak");
    let (tenant, person) = (TenantId::new("acme"), agent.person.id.clone());
    let known = async |connected: bool| {
        let hear = async {
            while NODES.iter().any(|node| hub.host(node).is_connected(&tenant, &person) != connected) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, hear).await.expect("all nodes hear of it");
    };
    known(true).await;
    // The line breaks, and the client may come back: what is shown waits for it, but nobody is there.
    assert!(agent.host.lobby().park(&agent.socket));
    known(false).await;
    agent.host.lobby().unpark(&agent.socket);
    known(true).await;
    hub.cut("n1", "n3");
    hub.join("n1", "n3");
    known(true).await;
    agent.host.lobby().detach(&agent.socket);
    known(false).await;
}
