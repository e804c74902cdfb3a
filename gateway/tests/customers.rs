//! Customers over real sockets and REST: identify, merge, undo, the time line, what crosses no company, and departments.

use std::collections::BTreeMap;
use std::path::Path;

use conversa_actors::port::Clock;
use conversa_cluster::clock::WallClock;
use conversa_engine::ids::{PersonId, TenantId};
use conversa_gateway::auth::{self, Principal, Role};
use conversa_gateway::config::{Config, DepartmentConfig, QueueConfig, TeamConfig, sample};
use conversa_gateway::{Running, serve};
use reqwest::Method;
use serde_json::{Value, json};

use super::documents;
use super::protocol::{Client, ENCODINGS, stop};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Two companies with the same secret, so that only the company in the token keeps them apart; the first has departments.
async fn companies(folder: &Path) -> Running {
    let mut config = Config::default();
    for id in ["clearbrook", "other"] {
        let mut company = sample::company();
        company.id = id.into();
        company.secret = Some(SECRET.into());
        let billing = QueueConfig { id: "billing".into(), ..company.queues[0].clone() };
        company.queues.push(billing);
        let department = |id: &str, supervisor: &str| DepartmentConfig {
            id: id.into(),
            name: id.into(),
            supervisors: vec![supervisor.into()],
        };
        let team = |id: &str, agent: &str, queue: &str| TeamConfig {
            id: format!("team_{id}"),
            name: id.into(),
            department: Some(id.into()),
            agents: vec![agent.into()],
            queues: vec![queue.into()],
        };
        company.departments = vec![department("care", "su_care"), department("money", "su_money")];
        company.teams = vec![team("care", "ag_mei", "support"), team("money", "ag_tom", "billing")];
        company.agents[1].queues.clear();
        config.tenants.push(company);
    }
    config.node.listen = "127.0.0.1:0".into();
    config.node.data = folder.join("data");
    config.node.development = true;
    serve(config, folder).await.expect("a node starts")
}

fn token_of(tenant: &str, role: Role, id: &str, claims: &[(&str, &str)]) -> String {
    let principal = Principal { tenant: TenantId::new(tenant), role, id: PersonId::new(id), name: id.into() };
    let claims: BTreeMap<String, String> =
        claims.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    auth::sign_with(SECRET, &principal, claims, WallClock::default().now()).expect("it is signed").0
}

struct Rest<'a> {
    node: &'a Running,
    token: String,
}

impl<'a> Rest<'a> {
    fn new(node: &'a Running, tenant: &str, role: Role, id: &str) -> Self {
        Self { node, token: token_of(tenant, role, id, &[]) }
    }

    async fn send(&self, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("http://{}{path}", self.node.address);
        let client = reqwest::Client::new();
        let request = match &body {
            Some(body) => client.post(url).json(body),
            None => client.get(url),
        };
        let answer = request.bearer_auth(&self.token).send().await.expect("it answers");
        let method = if body.is_some() { Method::POST } else { Method::GET };
        (answer.status().as_u16(), documents::answered(&method, answer).await)
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.send(path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Until rules, whose letters are on their way, have merged that many.
    async fn identities(&self, path: &str, count: usize) -> Value {
        loop {
            let body = self.get(path).await;
            if body["identities"].as_array().map(Vec::len) == Some(count) {
                return body;
            }
            tokio::task::yield_now().await;
        }
    }
}

async fn visit(node: &Running, id: &str, claims: &[(&str, &str)]) -> (Client, String) {
    let mut client = Client::connect(node, "visitor", id, "d1", ENCODINGS[0]).await;
    if !claims.is_empty() {
        let token = token_of("clearbrook", Role::Visitor, id, claims);
        let d = json!({ "token": token, "attributes": { "email": "boss@shop.example" } });
        let answer = client.ask(json!({ "m": "identify", "d": d })).await;
        assert!(answer["d"]["verified"].is_array(), "{answer}");
    }
    let opened = client.ask(json!({ "m": "conversation.open", "d": {} })).await;
    (client, opened["d"]["cv"].as_str().expect("a conversation").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_customer_across_visitors() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = companies(folder.path()).await;
    let (mut web, first) = visit(&node, "vi_web", &[("email", "Ann@Shop.example")]).await;
    let (_app, second) = visit(&node, "vi_app", &[("email", "ann@shop.example"), ("plan", "gold")]).await;
    let (_more, third) = visit(&node, "vi_more", &[]).await;
    let agent = Rest::new(&node, "clearbrook", Role::Agent, "ag_mei");

    // By rule: what was signed merges, what was merely said does not, and is shown as such.
    let customer = agent.identities("/v1/customers/cu_vi_web", 2).await;
    assert_eq!(customer["id"], "cu_vi_app", "the least name is shown, the other is one as well");
    assert_eq!(customer["merges"][0]["rule"], "email");
    let attributes = customer["identities"][0]["attributes"].as_array().expect("a list");
    let shown: Vec<(&str, bool)> = attributes
        .iter()
        .map(|one| (one["value"].as_str().unwrap_or_default(), one["verified"] == true))
        .collect();
    assert_eq!(shown, [("ann@shop.example", true), ("boss@shop.example", false), ("gold", true)]);
    let found = agent.get("/v1/customers?email=ANN@shop.example").await;
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1), "{found}");
    assert_eq!(agent.get("/v1/customers?email=boss@shop.example").await["items"], json!([]));

    // By an agent's word, and the time line over all of them, in pages.
    let merge = json!({ "with": "cu_vi_more", "note": "same order" });
    let (status, merged) = agent.send("/v1/customers/cu_vi_web/merge", Some(merge.clone())).await;
    assert_eq!((status, merged["identities"].as_array().map(Vec::len)), (200, Some(3)), "{merged}");
    assert_eq!(agent.send("/v1/customers/cu_vi_web/merge", Some(merge)).await.0, 409, "one already");
    let page = agent.get("/v1/customers/cu_vi_more/timeline?limit=2").await;
    let of = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().into_iter().flatten();
        items.filter_map(|item| item["cv"].as_str().map(str::to_owned)).collect()
    };
    let mut all = of(&page);
    assert_eq!(all.len(), 2);
    let next = page["next"].as_str().expect("there is more");
    let rest = agent.get(&format!("/v1/customers/cu_vi_more/timeline?before={next}")).await;
    assert_eq!(rest["next"], Value::Null);
    all.extend(of(&rest));
    let mut expected = vec![first.clone(), second, third];
    expected.sort();
    expected.reverse();
    assert_eq!(all, expected);

    // Undone: the word's merge, then the rule's; a claim made again does not bring it back.
    let ids: Vec<Value> =
        merged["merges"].as_array().expect("a list").iter().map(|one| one["id"].clone()).collect();
    for (id, left) in ids.iter().rev().zip([2, 1]) {
        let undo = json!({ "merge": id });
        let (status, undone) = agent.send("/v1/customers/cu_vi_web/undo", Some(undo.clone())).await;
        assert_eq!((status, undone["identities"].as_array().map(Vec::len)), (200, Some(left)), "{undone}");
    }
    let again = token_of("clearbrook", Role::Visitor, "vi_web", &[("email", "ann@shop.example")]);
    web.ask(json!({ "m": "identify", "d": { "token": again } })).await;
    assert_eq!(agent.get("/v1/customers/cu_vi_web").await["identities"].as_array().map(Vec::len), Some(1));
    let none = agent.send("/v1/customers/cu_vi_web/undo", Some(json!({ "merge": "mg_x" }))).await;
    assert_eq!((none.0, &none.1["code"]), (404, &json!("not_found")));

    // Agents read earlier conversations; a visitor reads no customers, and tells nothing with somebody else's token.
    assert!(agent.get(&format!("/v1/conversations/{first}/messages")).await["head"].is_u64());
    let visitor = Rest::new(&node, "clearbrook", Role::Visitor, "vi_web");
    assert_eq!(visitor.send("/v1/customers/cu_vi_web", None).await.0, 403);
    for (token, code) in [
        (token_of("clearbrook", Role::Visitor, "vi_app", &[("email", "a@b.example")]), "forbidden"),
        (token_of("other", Role::Visitor, "vi_web", &[("email", "a@b.example")]), "forbidden"),
        (format!("{}x", token_of("clearbrook", Role::Visitor, "vi_web", &[])), "unauthorized"),
        (token_of("clearbrook", Role::Visitor, "vi_web", &[]), "bad_request"),
    ] {
        let answer = web.ask(json!({ "m": "identify", "d": { "token": token } })).await;
        assert_eq!(answer["err"]["code"], code, "{answer}");
    }
    stop(node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_crosses_companies() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = companies(folder.path()).await;
    let (_web, _) = visit(&node, "vi_web", &[("email", "ann@shop.example")]).await;
    let (_app, _) = visit(&node, "vi_app", &[("email", "ann@shop.example")]).await;
    let agent = Rest::new(&node, "clearbrook", Role::Agent, "ag_mei");
    agent.identities("/v1/customers/cu_vi_web", 2).await;
    let stranger = Rest::new(&node, "other", Role::Agent, "ag_mei");
    for path in ["/v1/customers/cu_vi_web", "/v1/customers/cu_vi_web/timeline", "/v1/customers/vi_web"] {
        assert_eq!(stranger.send(path, None).await.0, 404, "{path}");
    }
    for by in ["email=ann@shop.example", "identity=vi_web"] {
        assert_eq!(stranger.get(&format!("/v1/customers?{by}")).await["items"], json!([]), "{by}");
    }
    assert_eq!(stranger.send("/v1/customers?name=ann", None).await.0, 400);
    let merge = json!({ "with": "cu_vi_app" });
    assert_eq!(stranger.send("/v1/customers/cu_vi_web/merge", Some(merge)).await.0, 404);
    let undo = json!({ "merge": "mr_email.vi_app.vi_web" });
    assert_eq!(stranger.send("/v1/customers/cu_vi_web/undo", Some(undo)).await.0, 404);
    assert_eq!(agent.get("/v1/customers/cu_vi_web").await["identities"].as_array().map(Vec::len), Some(2));
    stop(node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_looks_after_its_departments() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = companies(folder.path()).await;
    let own = Rest::new(&node, "clearbrook", Role::Supervisor, "su_care");
    assert_eq!(own.get("/v1/departments").await["items"][0]["teams"], json!(["team_care"]));
    assert_eq!(own.get("/v1/teams").await["items"][1]["agents"], json!(["ag_tom"]));
    let agents = own.get("/v1/agents").await;
    assert_eq!(agents["items"][1]["teams"], json!(["team_money"]));
    assert_eq!(agents["items"][1]["queues"], json!(["billing"]), "served because of the team");

    let (mut visitor, cv) = visit(&node, "vi_web", &[]).await;
    visitor.ask(json!({ "m": "human.request", "cv": cv, "d": {} })).await;
    for (id, mine) in [("su_care", true), ("su_money", false), ("su_any", true)] {
        let status = Rest::new(&node, "clearbrook", Role::Supervisor, id);
        let status = status.send(&format!("/v1/conversations/{cv}"), None).await.0;
        assert_eq!(status, if mine { 200 } else { 403 }, "{id}");
        let mut supervisor = Client::connect(&node, "supervisor", id, "d1", ENCODINGS[0]).await;
        let watched = supervisor.ask(json!({ "m": "monitor.start", "cv": cv, "d": {} })).await;
        assert_eq!(watched["err"].is_null(), mine, "{id}: {watched}");
        let pause = json!({ "m": "queue.pause", "d": { "queue": "support", "paused": false } });
        let paused = supervisor.ask(pause).await;
        assert_eq!(paused["err"].is_null(), mine, "{id}: {paused}");
    }
    // Also when it is over.
    visitor.ask(json!({ "m": "conversation.close", "cv": cv, "d": {} })).await;
    let other = Rest::new(&node, "clearbrook", Role::Supervisor, "su_money");
    while other.send(&format!("/v1/conversations/{cv}/messages"), None).await.0 != 403 {
        tokio::task::yield_now().await;
    }
    assert_eq!(other.get("/v1/customers/cu_vi_web/timeline").await["items"], json!([]));
    stop(node).await;
}
