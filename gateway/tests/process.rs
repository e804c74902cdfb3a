//! The binary as an operator meets it: it starts, refuses what is wrong with what to do, survives kill -9, rebuilds its boards.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const CONVERSA: &str = env!("CARGO_BIN_EXE_conversa");

fn conversa(arguments: &[&str]) -> Output {
    Command::new(CONVERSA).args(arguments).output().expect("the binary runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A node that is ended with the test.
struct Node(Child);

impl Node {
    fn start(config: &Path) -> (Self, String) {
        let mut child = Command::new(CONVERSA)
            .args(["serve", "--config"])
            .arg(config)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("piped"))
            .read_line(&mut line)
            .expect("it says where it listens");
        let url = line.trim().strip_prefix("listening on ").expect("it listens").to_owned();
        (Self(child), url)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let file = folder.join(name);
    std::fs::write(&file, text).expect("the folder is ours");
    file.display().to_string()
}

const NODE: &str = "[node]\nlisten = \"127.0.0.1:0\"\ndata = \"data\"\ndevelopment = true\n";

#[test]
fn what_is_wrong_with_a_configuration_is_said_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let tenant = "[[tenants]]\nid = \"t\"\n";
    let queue = "[[tenants.queues]]\nid = \"q\"\nname_zh = \"客服\"\nname_en = \"Care\"\n";
    let channel = |url: &str, secrets: &str| {
        format!(
            "{NODE}{tenant}{queue}[[channels]]\nname = \"shop\"\ntenant = \"t\"\nkind = \"http\"\n\
             url = \"{url}\"\nsecrets = {secrets}\n"
        )
    };
    let cases = [
        ("[node]\nlistn = \"127.0.0.1:0\"\n".to_owned(), "unknown field `listn`"),
        (
            "[node]\nlisten = \"here\"\n".to_owned(),
            "configuration key node.listen: \"here\" is not an address",
        ),
        (
            "[node]\nlisten = \"0.0.0.0:0\"\ndevelopment = true\n".to_owned(),
            "development tokens are for loopback only",
        ),
        (
            format!("{NODE}[watchers]\nenabled = [\"sound\"]\n"),
            "there is no watcher \"sound\"; there are: summary, quality, voice",
        ),
        (
            format!("[node]\nlisten = \"127.0.0.1:0\"\n{tenant}queues = []\n"),
            "tenants.t.secret: needed to check tokens",
        ),
        (format!("{NODE}{tenant}queues = []\n"), "tenants.t.queues: a company has at least one queue"),
        (format!("{NODE}{tenant}secret = \"short\"\n{queue}"), "tenants.t.secret: at least 32 bytes"),
        (
            format!(
                "{NODE}{tenant}{queue}[[tenants.agents]]\nid = \"ag_1\"\nname = \"A\"\nqueues = [\"x\"]\n"
            ),
            "ag_1 serves \"x\", which is not a queue",
        ),
        (
            format!(
                "{NODE}{tenant}knowledge = \"kb.toml\"\n{queue}[tenants.bot]\nid = \"b\"\nname = \"B\"\n"
            ),
            "kb.toml",
        ),
        (format!("{NODE}{tenant}{queue}[tenants.push]\naway = 1\n"), "unknown field `away`"),
        (
            format!("{NODE}{tenant}{queue}[tenants.push]\nwebhook_secrets = [\"x\"]\n"),
            "tenants.t.push.webhook_secrets: whsec_ and base64",
        ),
        (channel("http://hook.example/", "[]"), "channels.shop.url: only https is called"),
        (channel("https://10.0.0.1/", "[]"), "channels.shop.url: 10.0.0.1 has no public address"),
        (channel("https://hook.example/", "[]"), "channels.shop.secrets: at least one"),
        (channel("https://hook.example/", "[\"short\"]"), "channels.shop.secrets: whsec_ and base64"),
        (channel("https://hook.example/", "[]\ncolour = 1"), "unknown field `colour`"),
        (format!("{NODE}{tenant}score_card = \"card.toml\"\n{queue}"), "card.toml"),
    ];
    write(
        folder.path(),
        "kb.toml",
        "[[entry]]\nid = \"a\"\nlang = \"zh\"\nquestion = \"x\"\nanswer = \"\"\n",
    );
    write(folder.path(), "card.toml", "colour = 1\n");
    for (text, expected) in cases {
        let config = write(folder.path(), "conversa.toml", &text);
        let output = conversa(&["serve", "--config", &config]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{text}\n{said}");
        assert!(said.contains(expected), "{text}\nexpected: {expected}\nsaid: {said}");
    }
}

#[test]
fn the_printed_configuration_can_be_served_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let printed = conversa(&["config"]);
    assert!(printed.status.success());
    let text = String::from_utf8(printed.stdout).expect("text");
    let text =
        text.replace("127.0.0.1:8080", "127.0.0.1:0").replace("development = false", "development = true");
    let config = write(folder.path(), "conversa.toml", &text);
    let (_node, url) = Node::start(Path::new(&config));
    assert!(url.starts_with("http://127.0.0.1:"));
}

#[test]
fn a_second_process_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = write(folder.path(), "conversa.toml", NODE);
    let (_node, _) = Node::start(Path::new(&config));
    let second = conversa(&["serve", "--config", &config]);
    assert_eq!(second.status.code(), Some(2));
    assert!(
        stderr(&second).contains("is in use by another process: stop it, or choose another folder"),
        "{}",
        stderr(&second)
    );
}

#[test]
fn an_unusable_data_folder_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "data", "a file where the folder should be");
    let config = write(folder.path(), "conversa.toml", NODE);
    let output = conversa(&["serve", "--config", &config]);
    assert!(stderr(&output).contains("cannot be used"), "{}", stderr(&output));
    assert!(stderr(&output).contains("may be written"), "{}", stderr(&output));
}

#[test]
fn tokens_are_signed_for_the_company_of_the_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = write(folder.path(), "conversa.toml", NODE);
    let one = conversa(&["token", "--config", &config, "--role", "visitor", "--id", "vi_1"]);
    assert_eq!(String::from_utf8_lossy(&one.stdout).trim().split('.').count(), 3, "{}", stderr(&one));
    let many =
        conversa(&["token", "--config", &config, "--role", "agent", "--count", "3", "--id-prefix", "x"]);
    let ids: Vec<String> = many
        .stdout
        .lines()
        .map(|line| line.expect("text").split(' ').next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(ids, ["ag_x0", "ag_x1", "ag_x2"]);
    let wrong = conversa(&["token", "--config", &config, "--role", "agent", "--id", "vi_1"]);
    assert!(stderr(&wrong).contains("an id of this role begins with ag_"), "{}", stderr(&wrong));
}

#[test]
fn a_store_that_cannot_grow_refuses_before_accepting_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = sessions(folder.path(), 400);
    let config = write(folder.path(), "conversa.toml", NODE);
    // A limit on the size of files stands in for a full disk; the signal that comes with it is ignored.
    let start = format!("trap '' XFSZ; ulimit -f 1600; exec {CONVERSA} serve --config {config}");
    let mut child = Command::new("bash")
        .args(["-c", &start])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("bash runs");
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("piped"))
        .read_line(&mut line)
        .expect("it says where it listens");
    let url = line.trim().strip_prefix("listening on ").expect("it listens").to_owned();
    let mut node = Node(child);
    let report = folder.path().join("report.json").display().to_string();
    let replay = Command::new(CONVERSA)
        .args(["replay", &file, "--node", &url, "--parallel", "4", "--report", &report])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let mut replay = Node(replay);
    let mut ready = String::new();
    for _ in 0..600 {
        ready = http_get(&url, "/readyz");
        if ready.contains("the store cannot write") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(
        ready.contains("503") && ready.contains("the store cannot write"),
        "the store never filled: {ready}"
    );
    assert!(http_get(&url, "/livez").contains("200"), "it goes on serving");
    let _ = replay.0.kill();
    let _ = node.0.kill();
    let _ = node.0.wait();
    // With room again it starts, and every journal is whole.
    let (_node, url) = Node::start(Path::new(&config));
    let again = conversa(&["replay", &file, "--node", &url, "--limit", "10"]);
    assert!(again.status.success(), "{}", stderr(&again));
}

/// A plain GET, whole.
fn http_get(url: &str, path: &str) -> String {
    use std::io::{Read, Write};
    let address = url.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(address).expect("it listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// Sessions of our own, so that this runs everywhere.
fn sessions(folder: &Path, count: usize) -> String {
    let mut text = String::new();
    for n in 0..count {
        let turns: Vec<String> = (0..6)
            .map(|turn| {
                let from = if turn % 2 == 0 { "visitor" } else { "agent" };
                format!("{{\"from\":\"{from}\",\"text\":\"会话 {n} 第 {turn} 句, 快递很慢 really slow\"}}")
            })
            .collect();
        writeln!(text, "{{\"session\":\"s{n}\",\"turns\":[{}]}}", turns.join(","))
            .expect("a string takes text");
    }
    write(folder, "sessions.jsonl", &text)
}

#[test]
fn nodes_that_a_replay_was_given_are_killed_by_a_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = sessions(folder.path(), 40);
    let config = write(folder.path(), "conversa.toml", NODE);
    let (_node, url) = Node::start(Path::new(&config));
    let replay =
        |more: &[&str]| conversa(&[&["replay", &file, "--node", &url, "--kill", "3"], more].concat());
    let refused = replay(&[]);
    assert!(stderr(&refused).contains("--kill with --node needs --kill-with"), "{}", stderr(&refused));
    let failed = replay(&["--kill-with", "exit 3"]);
    assert!(stderr(&failed).contains("--kill-with ended with exit status: 3"), "{}", stderr(&failed));
    let list = folder.path().join("kills");
    let played = replay(&["--kill-with", &format!("echo $CONVERSA_KILL >> {}", list.display())]);
    assert!(played.status.success(), "{}\n{}", String::from_utf8_lossy(&played.stdout), stderr(&played));
    assert_eq!(std::fs::read_to_string(list).expect("it was run"), "1\n2\n3\n");
}

#[test]
fn nothing_is_lost_when_the_node_is_killed_and_the_boards_are_rebuilt_alike() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = sessions(folder.path(), 40);
    // A port that is free now: a killed node comes back on it.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .port();
    let text = NODE.replace("127.0.0.1:0", &format!("127.0.0.1:{port}"));
    let config = write(folder.path(), "conversa.toml", &text);
    let report = folder.path().join("report.json").display().to_string();
    let replay =
        conversa(&["replay", &file, "--config", &config, "--kill", "4", "--seed", "7", "--report", &report]);
    assert!(replay.status.success(), "{}\n{}", String::from_utf8_lossy(&replay.stdout), stderr(&replay));
    let report: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(report).expect("written")).expect("JSON");
    let counts = ["sessions", "turns", "acknowledged", "lost", "doubled", "out_of_order", "altered", "kills"]
        .map(|key| report[key].as_u64());
    assert_eq!(counts, [40, 240, 240, 0, 0, 0, 0, 4].map(Some));
    for watcher in ["summary", "quality", "voice"] {
        let rebuilt = conversa(&["rebuild", watcher, "--config", &config]);
        let said = String::from_utf8_lossy(&rebuilt.stdout).into_owned();
        assert!(
            rebuilt.status.success() && said.contains("40 conversations, 40 equal, 0 behind, 0 different"),
            "{said}{}",
            stderr(&rebuilt)
        );
    }
}
