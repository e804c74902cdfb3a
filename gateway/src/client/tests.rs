//! The client against a node in the same process: what it delivers when lines are cut and when it has fallen far behind.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use conversa_actors::port::Clock;
use conversa_cluster::clock::WallClock;
use conversa_engine::ids::{PersonId, TenantId};

use super::*;
use crate::auth::{self, Principal};
use crate::config::{Config, sample};
use crate::{Running, serve};

const SECRET: &str = "a secret of at least thirty-two bytes";

/// A node with the sample company, gone with its folder when the test is over.
struct Shop {
    running: Option<Running>,
    folder: PathBuf,
    url: String,
}

impl Shop {
    async fn open() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("conversa-client-{}-{count}", std::process::id()));
        let mut company = sample::company();
        company.secret = Some(SECRET.into());
        let mut config = Config { tenants: vec![company], ..Config::default() };
        config.node.listen = "127.0.0.1:0".into();
        config.node.data = folder.join("data");
        config.limits.visitor_rate_per_s = 10_000;
        config.limits.visitor_burst = 10_000;
        std::fs::create_dir_all(&folder).expect("the temporary folder takes folders");
        let running = serve(config, &folder).await.expect("the node starts");
        let url = format!("http://{}", running.address);
        Self { running: Some(running), folder, url }
    }

    async fn visitor(&self, encoding: Encoding, id: &str, device: &str) -> (Client, Events) {
        self.visitor_of(&[], encoding, id, device).await
    }

    /// A visitor who knows other nodes too.
    async fn visitor_of(
        &self,
        others: &[&Self],
        encoding: Encoding,
        id: &str,
        device: &str,
    ) -> (Client, Events) {
        let principal = Principal {
            tenant: TenantId::new(sample::company().id),
            role: Role::Visitor,
            id: PersonId::new(id),
            name: id.into(),
        };
        let (token, _) =
            auth::sign(SECRET, &principal, WallClock::default().now()).expect("the id fits the role");
        let options = Options::new(&self.url, encoding, Role::Visitor, device, token);
        let others = others.iter().map(|shop| shop.url.clone()).collect();
        let options = Options { backoff: Backoff { first_ms: 5, longest_ms: 50 }, others, ..options };
        Client::connect(options).await.expect("the node welcomes the visitor")
    }

    async fn close(mut self) {
        let running = self.running.take().expect("closed once");
        running.stop.stop();
        running.ended().await.expect("a clean end");
        std::fs::remove_dir_all(&self.folder).expect("it was made here");
    }
}

#[tokio::test]
async fn who_is_asked_to_go_connects_to_another_node() {
    let (first, second) = (Shop::open().await, Shop::open().await);
    let (client, mut events) = first.visitor_of(&[&second], Encoding::Json, "vi_mover", "phone").await;
    let (cv, _) = client.open("web", "en").await.expect("it opens");
    first.running.as_ref().expect("it runs").stop.stop();
    let why = loop {
        if let Event::Disconnected(why) = events.next().await.expect("the client lives") {
            break why;
        }
    };
    assert_eq!(why, ClientError::Lost("the server asked to connect elsewhere".into()));
    // The next node is another shop, which knows nothing of the conversation.
    let refused = client.say(&cv, &Content::text("hello")).await;
    assert_eq!(refused.expect_err("it is not there").code(), Some("not_found"));
    client.close().await;
    first.close().await;
    second.close().await;
}

/// The texts that this visitor is shown of its own messages, until the last one.
async fn own_texts(events: &mut Events, last: &str) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.last().is_none_or(|text| text != last) {
        let event = events.next_log().await.expect("the client lives");
        if let Some(message) = event
            .message()
            .expect("as the protocol says")
            .filter(|message| message.author.id.starts_with("vi_"))
        {
            texts.push(message.content.plain().to_owned());
        }
    }
    texts
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_while_lines_are_cut_arrives_once_and_in_order_in_both_encodings() {
    let shop = Shop::open().await;
    for (id, speaks, listens) in
        [("vi_a", Encoding::Json, Encoding::MessagePack), ("vi_b", Encoding::MessagePack, Encoding::Json)]
    {
        let (phone, _) = shop.visitor(speaks, id, "phone").await;
        let (laptop, mut shown) = shop.visitor(listens, id, "laptop").await;
        let (cv, _) = phone.open("web", "zh").await.expect("opened");
        for n in 0..60 {
            if n % 7 == 3 {
                phone.cut().await;
            }
            if n % 11 == 5 {
                laptop.cut().await;
            }
            let sent = phone.say(&cv, &Content::text(n.to_string())).await.expect("said");
            assert_eq!(sent.key, format!("phone.{}", n + 1));
        }
        assert_eq!(own_texts(&mut shown, "59").await, numbers(0..60));
        let page = laptop.history(&cv, 0, 200).await.expect("a page");
        let stored = page.messages.iter().filter(|message| message["author"]["kind"] == "visitor");
        assert_eq!(
            stored.map(|message| message["content"]["text"].as_str().unwrap_or_default()).collect::<Vec<_>>(),
            numbers(0..60)
        );
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_is_far_behind_reads_pages_and_then_goes_on_live() {
    let shop = Shop::open().await;
    let (phone, _) = shop.visitor(Encoding::Json, "vi_a", "phone").await;
    let (cv, _) = phone.open("web", "zh").await.expect("opened");
    // A human was asked for, so that the bot does not answer between.
    phone.ask_human(&cv).await.expect("asked");
    for n in 0..350 {
        phone.say(&cv, &Content::text(n.to_string())).await.expect("said");
    }
    let (_laptop, mut shown) = shop.visitor(Encoding::MessagePack, "vi_a", "laptop").await;
    let Some(Event::Connected(welcome)) = shown.next().await else { panic!("the welcome comes first") };
    assert_eq!(welcome.stale, std::slice::from_ref(&cv));
    for n in 350..360 {
        phone.say(&cv, &Content::text(n.to_string())).await.expect("said");
    }
    assert_eq!(own_texts(&mut shown, "359").await, numbers(0..360));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_socket_of_a_device_replaces_the_first_for_good() {
    let shop = Shop::open().await;
    let (first, mut told) = shop.visitor(Encoding::Json, "vi_a", "phone").await;
    let _second = shop.visitor(Encoding::MessagePack, "vi_a", "phone").await;
    let end = loop {
        match told.next().await.expect("an end is told") {
            Event::Ended(why) => break why,
            Event::Disconnected(why) => panic!("it must not come back after {why}"),
            Event::Connected(_) | Event::Snapshot(_) | Event::Log(_) | Event::Ephemeral { .. } => {}
        }
    };
    assert!(matches!(end, ClientError::Closed { code: 4_509, .. }), "{end}");
    assert_eq!(first.open("web", "zh").await.expect_err("it has ended"), ClientError::Stopped);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_and_bad_tokens_are_told_and_not_repeated() {
    let shop = Shop::open().await;
    let (phone, _) = shop.visitor(Encoding::Json, "vi_a", "phone").await;
    let refused = phone
        .say("cv_00000000000000000000000000000000", &Content::text("hi"))
        .await
        .expect_err("no such conversation");
    assert_eq!(refused.code(), Some("not_found"), "{refused}");
    let options = Options::new(&shop.url, Encoding::Json, Role::Visitor, "phone", "not a token");
    let error = Client::connect(options).await.expect_err("a bad token");
    assert!(matches!(error, ClientError::Closed { code: 4_501, .. }), "{error}");
    let nobody = Options::new("http://127.0.0.1:1", Encoding::Json, Role::Visitor, "phone", "x");
    assert!(matches!(
        Client::connect(nobody).await.expect_err("nobody there"),
        ClientError::Unreachable { .. }
    ));
    shop.close().await;
}
