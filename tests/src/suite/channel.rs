//! What every channel's adapter promises, whatever language its foreign system speaks.

use std::sync::Arc;

use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::channel::visitor;
use conversa_actors::behaviours::{Conversation, Courier, Session};
use conversa_actors::cell::envelope::unseal;
use conversa_actors::letter::Payload;
use conversa_actors::port::Clock;
use conversa_cluster::clock::WallClock;
use conversa_engine::content::Content;
use conversa_engine::conversation::{Author, AuthorKind, Command, Event, Say};
use conversa_engine::ids::{PersonId, TenantId};
use conversa_gateway::Running;
use conversa_gateway::wire::shown;
use futures_util::FutureExt;
use serde_json::Value;
use tempfile::TempDir;

use super::Case;
use crate::foreign::{Foreign, Got, node, stop, token};

/// A request of the foreign system.
#[derive(Clone, Debug)]
pub struct Knock {
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

/// A foreign system as an adapter meets it.
pub trait System: Send + Sync {
    /// Its `[[channels]]` table; the name is `shop`.
    fn config(&self, url: &str) -> String;
    /// A user's message, as it is signed at `now_s`.
    fn message(&self, now_s: i64, id: &str, user: &str, text: &str) -> Knock;
    /// What became of a message of ours.
    fn status(&self, now_s: i64, message: &str, state: &str) -> Knock;
    /// Signed well, and nothing that can be read.
    fn malformed(&self, now_s: i64) -> Knock;
    /// The same with a signature that is not right.
    fn forged(&self, knock: Knock) -> Knock;
    /// Our id and the words of a message that it was sent; `None` when the call is not signed as it should be.
    fn sent(&self, got: &Got) -> Option<(String, String)>;
}

/// A case of the suite.
pub type ChannelCase = Case<dyn System>;

/// All promises of a channel.
pub const CHANNEL: &[ChannelCase] = &[
    ChannelCase {
        promise: "a message that comes twice is there once",
        check: |system| twice(system).boxed(),
    },
    ChannelCase {
        promise: "what is forged, too old, too new, unreadable or too large is refused and nothing happens",
        check: |system| refused(system).boxed(),
    },
    ChannelCase {
        promise: "an answer that was lost with the node is given again, and the message is there once",
        check: |system| unanswered(system).boxed(),
    },
    ChannelCase {
        promise: "messages leave in order, tried again under the same name",
        check: |system| in_order(system).boxed(),
    },
    ChannelCase {
        promise: "receipts come in any order and never fall",
        check: |system| receipts(system).boxed(),
    },
];

const USER: &str = "+49 151";

struct World {
    system: Arc<dyn System>,
    node: Running,
    foreign: Arc<Foreign>,
    url: String,
    folder: TempDir,
}

impl World {
    async fn new(system: Arc<dyn System>) -> Self {
        let (foreign, url) = Foreign::start().await;
        let folder = tempfile::tempdir().expect("a folder");
        let node = node(folder.path(), &system.config(&url)).await;
        Self { system, node, foreign, url, folder }
    }

    async fn restarted(self) -> Self {
        let Self { system, node: old, foreign, url, folder } = self;
        stop(old).await;
        // Connections of this process may hold the old folder for a while: the next node gets a copy.
        let (from, folder) = (folder, tempfile::tempdir().expect("a folder"));
        let data = folder.path().join("data");
        std::fs::create_dir(&data).expect("the folder is ours");
        for entry in std::fs::read_dir(from.path().join("data")).expect("the folder is ours") {
            let entry = entry.expect("an entry");
            // The folder of attachments is empty: channels bring none.
            if entry.file_type().expect("it is there").is_dir() {
                continue;
            }
            std::fs::copy(entry.path(), data.join(entry.file_name())).expect("there is room");
        }
        let node = node(folder.path(), &system.config(&url)).await;
        Self { system, node, foreign, url, folder }
    }

    fn now_s(&self) -> i64 {
        WallClock::default().now().ms() / 1_000
    }

    fn request(&self, knock: &Knock) -> reqwest::RequestBuilder {
        let url = format!("http://{}/v1/channels/shop/inbound", self.node.address);
        let request = reqwest::Client::new().post(url).body(knock.body.clone());
        knock.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    async fn knock(&self, knock: &Knock) -> (u16, Value) {
        let answer = self.request(knock).send().await.expect("it answers");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    fn address(&self, kind: &'static str, key: &str) -> Address {
        Address::new(TenantId::new("clearbrook"), kind, key)
    }

    async fn conversation(&self) -> String {
        let visitor = visitor("shop", USER).expect("it is short");
        let session = self.node.host().view_json(&self.address(Session::KIND, visitor.as_str())).await;
        session.expect("it answers")["live"]["shop"].as_str().unwrap_or_default().to_owned()
    }

    /// The words of the visitor.
    async fn heard(&self) -> Vec<String> {
        let token = token(&self.node, "agent", "ag_mei").await;
        let cv = self.conversation().await;
        let url = format!("http://{}/v1/conversations/{cv}/transcript", self.node.address);
        let text = reqwest::Client::new().get(url).bearer_auth(token).send().await.expect("it answers");
        let text = text.text().await.expect("text");
        text.lines()
            .filter_map(|line| line.split_once(&format!("{USER}: ")))
            .map(|(_, words)| words.to_owned())
            .collect()
    }

    async fn say(&self, words: &str) {
        let author = Author { kind: AuthorKind::Bot, id: PersonId::new("qing"), name: "Qing".into() };
        let say = Say::new(author, Content::text(words));
        let cv = self.conversation().await;
        let to = self.address(Conversation::KIND, &cv);
        self.node.host().ask(&to, Payload::of(Command::Say(say))).await.expect("the bot may speak");
    }

    /// What the conversation's log shows beside messages.
    async fn events(&self) -> Vec<Value> {
        let cv = self.conversation().await;
        let log = self.node.host().read_log(&self.address(Conversation::KIND, &cv), 0, 200).await;
        let event = |body: &[u8]| unseal::<Event>(body).expect("an event").body;
        let events = log.expect("it is read").into_iter().map(move |entry| event(&entry.body));
        let shown =
            events.filter_map(|event| shown(&cv, &event).map(|(k, d)| serde_json::json!({ "k": k, "d": d })));
        shown.collect()
    }

    async fn delivery(&self) -> Value {
        let cv = self.conversation().await;
        self.node.host().view_json(&self.address(Courier::KIND, &cv)).await.expect("it answers")
    }
}

async fn twice(system: Arc<dyn System>) {
    let world = World::new(system).await;
    let hello = world.system.message(world.now_s(), "m1", USER, "你好");
    assert_eq!(world.knock(&hello).await.0, 200);
    world.foreign.have(1).await;
    let (status, answer) = world.knock(&hello).await;
    assert_eq!((status, &answer["dup"]), (200, &Value::Bool(true)), "replayed: {answer}");
    // Signed anew, as a channel does that got no answer.
    let again = world.system.message(world.now_s() + 1, "m1", USER, "你好");
    assert_eq!(world.knock(&again).await.1["dup"], true);
    let other = world.system.message(world.now_s(), "m1", USER, "something else");
    assert_eq!(world.knock(&other).await.0, 409, "one id for two messages");
    let earlier = world.system.message(world.now_s() - 60, "m0", USER, "怎么退货");
    assert_eq!(world.knock(&earlier).await.0, 200, "late, and not too late");
    world.foreign.have(2).await;
    assert_eq!(world.heard().await, ["你好", "怎么退货"]);
    stop(world.node).await;
}

async fn refused(system: Arc<dyn System>) {
    let world = World::new(system).await;
    let now_s = world.now_s();
    let hello = |at_s, text: &str| world.system.message(at_s, "m1", USER, text);
    let large = "长".repeat(30_000);
    let cases = [
        ("forged", world.system.forged(hello(now_s, "hello")), 401, "unauthorized"),
        ("without a signature", Knock { headers: Vec::new(), ..hello(now_s, "hello") }, 401, "unauthorized"),
        ("too old", hello(now_s - 400, "hello"), 401, "unauthorized"),
        ("too new", hello(now_s + 400, "hello"), 401, "unauthorized"),
        ("unreadable", world.system.malformed(now_s), 400, "bad_request"),
        ("empty", hello(now_s, " "), 400, "unsupported_content"),
        ("a long text", hello(now_s, &"x".repeat(9_000)), 413, "payload_too_large"),
        ("too large", hello(now_s, &large), 413, "payload_too_large"),
        ("a long user", world.system.message(now_s, "m1", &"u".repeat(99), "hello"), 400, "bad_request"),
        ("no id", world.system.message(now_s, "", USER, "hello"), 400, "bad_request"),
        ("of nothing", world.system.status(now_s, "ms_1", "read"), 404, "not_found"),
    ];
    for (what, knock, status, code) in cases {
        let (found, answer) = world.knock(&knock).await;
        assert_eq!((found, answer["code"].as_str()), (status, Some(code)), "{what}: {answer}");
        assert!(answer["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{what}: {answer}");
    }
    assert_eq!(world.conversation().await, "", "nothing happened");
    assert_eq!(world.knock(&hello(now_s, "hello")).await.0, 200, "the id was not used up");
    stop(world.node).await;
}

async fn unanswered(system: Arc<dyn System>) {
    let world = World::new(system).await;
    let hello = world.system.message(world.now_s(), "m1", USER, "你好");
    // The answer is never read; then the node goes, and comes again from what it has stored.
    drop(world.request(&hello).send().await);
    let world = world.restarted().await;
    let (status, answer) = world.knock(&hello).await;
    assert_eq!((status, &answer["dup"]), (200, &Value::Bool(true)), "{answer}");
    world.foreign.have(1).await;
    assert_eq!(world.heard().await, ["你好"]);
    stop(world.node).await;
}

async fn in_order(system: Arc<dyn System>) {
    let world = World::new(system).await;
    world.knock(&world.system.message(world.now_s(), "m1", USER, "你好")).await;
    world.foreign.have(1).await;
    world.foreign.answers(503);
    for words in ["one", "two", "three"] {
        world.say(words).await;
    }
    let got = world.foreign.have(5).await;
    let sent: Vec<_> = got[1..].iter().map(|got| world.system.sent(got).expect("it is signed")).collect();
    let words: Vec<&str> = sent.iter().map(|(_, words)| words.as_str()).collect();
    assert_eq!(words, ["one", "one", "two", "three"]);
    assert_eq!(sent[0].0, sent[1].0, "an attempt is the same message");
    let mut ids: Vec<_> = sent[1..].iter().map(|(id, _)| id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    stop(world.node).await;
}

async fn receipts(system: Arc<dyn System>) {
    let world = World::new(system).await;
    world.knock(&world.system.message(world.now_s(), "m1", USER, "你好")).await;
    world.foreign.have(1).await;
    world.say("two").await;
    let got = world.foreign.have(2).await;
    let ids: Vec<String> = got.iter().map(|got| world.system.sent(got).expect("it is signed").0).collect();
    for (id, state) in [(&ids[1], "read"), (&ids[0], "delivered"), (&ids[1], "delivered"), (&ids[1], "read")]
    {
        assert_eq!(world.knock(&world.system.status(world.now_s(), id, state)).await.0, 200);
    }
    let o = |id: &str| id.rsplit_once('.').and_then(|(_, o)| o.parse::<u64>().ok()).expect("an offset");
    let delivery = world.delivery().await;
    assert_eq!(delivery["read"], o(&ids[1]));
    assert_eq!(delivery["delivered"], o(&ids[1]));
    let failed = world.system.status(world.now_s(), &ids[0], "failed");
    assert_eq!(world.knock(&failed).await.0, 200);
    assert_eq!(world.delivery().await["failed"][0]["o"], o(&ids[0]));
    // The conversation has it by letter, and shows it to whoever is in it.
    let shown = |frame: &Value| frame["k"] == "receipt" && frame["d"]["state"] == "failed";
    let receipts = loop {
        let page = world.events().await;
        if page.iter().any(shown) {
            break page;
        }
        tokio::task::yield_now().await;
    };
    let of = |state: &str| {
        let of = receipts.iter().filter(|frame| frame["k"] == "receipt" && frame["d"]["state"] == state);
        of.map(|frame| frame["d"].clone()).collect::<Vec<_>>()
    };
    let by = visitor("shop", USER).expect("it is short");
    let read = serde_json::json!({ "state": "read", "upto": o(&ids[1]), "by": by });
    assert_eq!(of("read"), [read], "once, and what was read was delivered: {receipts:?}");
    assert_eq!(of("delivered"), Vec::<Value>::new());
    assert_eq!((of("failed").len(), &of("failed")[0]["ms"]), (1, &Value::from(ids[0].as_str())));
    stop(world.node).await;
}
