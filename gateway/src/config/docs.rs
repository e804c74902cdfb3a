//! What each key of the configuration means; a test holds this list and the structure together.

use std::fmt::Write;

use super::Config;

/// (table or key, meaning), in the order in which they are printed.
const DOCS: &[(&str, &str)] = &[
    ("node", "The node itself."),
    ("node.name", "Its name, unique in a cluster."),
    ("node.data", "The folder of its embedded store. One process at a time."),
    ("node.listen", "Where it serves HTTP, WebSocket and the pages. Port 0 takes a free one and prints it."),
    ("node.development", "Hands out tokens to anybody on this machine. Loopback only; never in production."),
    ("node.origins", "Web pages that may connect, as https://shop.example. The node's own pages always may."),
    (
        "node.drain_ms",
        "How long clients have to finish and leave when the node stops; they are asked to leave at different moments of it.",
    ),
    ("store", "Where conversations are kept."),
    (
        "store.kind",
        "embedded: a file in node.data, no server needed. cql: Apache Cassandra or ScyllaDB, as the keys below say.",
    ),
    ("store.contact_points", "Some nodes of the CQL store, host:port."),
    (
        "store.keyspace",
        "Its keyspace; one for leases is beside it, with _ctl added. Both are made if they are not there.",
    ),
    (
        "store.datacenter",
        "The data centre of this node, as `nodetool status` names it; quorums are local to it.",
    ),
    ("store.replication", "Copies of everything in it, for keyspaces that are made. 3 unless it is a trial."),
    (
        "store.user",
        "The user of the CQL store, if it asks for one; its password is in CONVERSA_STORE_PASSWORD or in a file.",
    ),
    ("store.password_file", "The file whose first line is that password."),
    (
        "cluster",
        "Several nodes that serve one CQL store together. Without cluster.listen a node serves its store alone.",
    ),
    ("cluster.name", "Its name: nodes of another cluster are refused."),
    (
        "cluster.listen",
        "Where this node's links to the others listen, as 10.0.0.1:7800. Beyond loopback they need certificates.",
    ),
    ("cluster.advertise", "Where the others reach that, as host:port; cluster.listen unless it is said."),
    ("cluster.zone", "The rack or zone of this node."),
    ("cluster.weight", "Its share of the work, 1 for an ordinary node, between 0.01 and 100."),
    (
        "cluster.authority",
        "The certificates of those who sign the nodes' own, PEM. `conversa cluster certs` makes all three for a trial.",
    ),
    ("cluster.certificate", "This node's certificate, valid for the DNS name that node.name is."),
    (
        "cluster.key",
        "Its key. All three files are read again for new links, so they are renewed by putting new ones in their place.",
    ),
    (
        "limits",
        "What one socket may do. Beyond a limit a request is refused with what to do; nothing accepted is dropped.",
    ),
    ("limits.visitor_rate_per_s", "Requests per second of a visitor, in the long run."),
    ("limits.visitor_burst", "Requests of a visitor at once."),
    ("limits.agent_rate_per_s", "Requests per second of an agent."),
    ("limits.agent_burst", "Requests of an agent at once."),
    ("limits.visitor_frame_bytes", "Largest frame of a visitor."),
    ("limits.agent_frame_bytes", "Largest frame of an agent."),
    (
        "limits.visitor_queue_bytes",
        "Events that wait for a visitor's socket; beyond it they are read from the journal at its pace.",
    ),
    ("limits.agent_queue_bytes", "The same for an agent's."),
    ("limits.connections_per_address", "Sockets from one address; loopback is not counted in development."),
    ("actors", "How actors live."),
    (
        "actors.idle_ms",
        "An actor that has nothing to do for this time goes to rest; it wakes in milliseconds.",
    ),
    ("actors.cells_max", "Actors awake at once; beyond it the longest idle go to rest first."),
    (
        "actors.revive_per_s",
        "Actors that a starting node revives per second, where a crash left something undone.",
    ),
    ("watchers", "What reads every conversation while it happens."),
    (
        "watchers.enabled",
        "summary lists conversations, quality inspects them, voice hears customers, service counts for the wall.",
    ),
    ("push", "Calls to the outside: webhooks of channels, push services."),
    (
        "push.allow_hosts",
        "Hosts that may be called although their address is private, and without https. All others are refused.",
    ),
    ("attachments", "Files of messages."),
    (
        "attachments.kind",
        "folder: they lie in a folder. s3: in a bucket of a server that speaks S3, as the keys of attachments.s3 say.",
    ),
    ("attachments.folder", "That folder, below node.data unless its path is absolute."),
    (
        "attachments.shared",
        "The folder is one that all nodes of the cluster see. In a cluster files are taken only with this or with s3.",
    ),
    ("attachments.bytes_max", "Largest file."),
    ("attachments.pending_max", "Uploads of one person that are not completed."),
    ("attachments.person_bytes_per_hour", "What one person may upload in an hour."),
    ("attachments.company_bytes_per_hour", "The same of all people of a company."),
    ("attachments.expiry_ms", "An upload that is not completed in this time is removed."),
    ("attachments.s3", "The bucket. It is tried out when the node starts."),
    ("attachments.s3.bucket", "Its name. Let it forget parts of uploads that did not end after a day."),
    ("attachments.s3.region", "Its region; us-east-1 for servers that know no regions."),
    ("attachments.s3.endpoint", "The server, as https://s3.example. Without it that of AWS in the region."),
    ("attachments.s3.key_id", "The name of the key, unless CONVERSA_S3_KEY_ID says it."),
    ("attachments.s3.secret", "The key, unless CONVERSA_S3_SECRET says it."),
    ("tenants", "The companies. Without any, the sample company is there."),
    ("tenants.id", "Its name; tokens carry it."),
    (
        "tenants.secret",
        "Signs its tokens (HS256), at least 32 bytes. In development one is made and kept in the data folder.",
    ),
    ("tenants.knowledge", "The bot's knowledge base, a TOML file. Without one the sample's."),
    ("tenants.score_card", "The score card of quality inspection, a TOML file. Without one the sample's."),
    ("tenants.offer_ms", "How long an offer to an agent stands."),
    (
        "tenants.merge_by",
        "Signed claims whose equal values make visitors one customer: account, email, phone. Empty: only agents merge.",
    ),
    ("tenants.departments", "Its departments."),
    ("tenants.departments.id", "Its name."),
    ("tenants.departments.name", "As people read it."),
    (
        "tenants.departments.supervisors",
        "Who looks after it, and, when named in any department, after nothing of the others.",
    ),
    ("tenants.teams", "Its teams of agents."),
    ("tenants.teams.id", "Its name."),
    ("tenants.teams.name", "As people read it."),
    ("tenants.teams.department", "The department that it belongs to."),
    ("tenants.teams.agents", "Who is in it."),
    ("tenants.teams.queues", "The queues that everybody in it serves, beside the agent's own."),
    ("tenants.hours", "Opening hours that queues name."),
    ("tenants.hours.id", "Their name."),
    ("tenants.hours.zone", "The time zone, by its IANA name, for instance Asia/Shanghai."),
    ("tenants.hours.week", "When it is open on which day of the week; closed on days that are not named."),
    ("tenants.hours.week.*", "On this day, mon to sun: a list such as 09:00-12:00 and 13:00-18:00."),
    (
        "tenants.hours.holidays",
        "Dates with other hours, for instance 2026-10-01; closed where the list is empty.",
    ),
    ("tenants.hours.holidays.*", "On this date: a list such as 09:00-12:00; closed where it is empty."),
    ("tenants.queues", "Its queues; the first is the default."),
    ("tenants.queues.id", "Its name."),
    ("tenants.queues.name_zh", "As people read it, in Chinese."),
    ("tenants.queues.name_en", "As people read it, in English."),
    ("tenants.queues.offer_ms", "How long an offer of this queue stands, when not as long as the company's."),
    (
        "tenants.queues.choice",
        "Who of several free agents is asked: longest_idle, least_loaded (fewest points taken) or round_robin.",
    ),
    ("tenants.queues.sticky", "The agent who held the conversation last is asked first, if free."),
    ("tenants.queues.auto_accept", "Agents take what they are offered without being asked."),
    (
        "tenants.queues.goal_ms",
        "Within which time a human should have answered; whoever has least of it left goes first. Without it: five minutes.",
    ),
    ("tenants.queues.rings", "After which wait less proficiency will do, each later than the one before."),
    ("tenants.queues.rings.after_ms", "Since the conversation waits."),
    (
        "tenants.queues.rings.relax",
        "So many levels less are needed than at first; at nothing the skill is not needed.",
    ),
    (
        "tenants.queues.wrap_ms",
        "After the end of a conversation its agent may keep the place so long, to say how it ended; 0: not at all.",
    ),
    (
        "tenants.queues.dispositions",
        "The words for how it ended, one of which is required. Without any the agent uses its own.",
    ),
    ("tenants.queues.hours", "The hours in which it is open and its goals are counted; without any: always."),
    (
        "tenants.queues.when_closed",
        "What becomes of conversations meanwhile: wait, message (kept until it opens) or queue:<id> (they go there).",
    ),
    (
        "tenants.queues.sla",
        "Its goals of service, in the time of its hours. They stand still while a conversation is snoozed.",
    ),
    ("tenants.queues.sla.first_response_ms", "From when a human is owed until the first human's answer."),
    ("tenants.queues.sla.next_response_ms", "From a visitor's word until a human's answer, after the first."),
    ("tenants.queues.sla.resolution_ms", "Until the end."),
    ("tenants.queues.sla.warn_percent", "After this part of a goal's time agent and supervisors are warned."),
    (
        "tenants.queues.idle",
        "How much silence is borne while an agent has the conversation; for ever where nothing is said.",
    ),
    ("tenants.queues.idle.visitor_warn_ms", "The visitor's, until it is reminded."),
    ("tenants.queues.idle.visitor_close_ms", "The visitor's, until the conversation ends."),
    ("tenants.queues.idle.agent_warn_ms", "The agent's, until agent and supervisors are reminded."),
    (
        "tenants.queues.idle.agent_requeue_ms",
        "The agent's, until the conversation waits again, before others.",
    ),
    (
        "tenants.queues.survey",
        "What visitors are asked after the end: csat (one to five stars), nps (0 to 10) or none.",
    ),
    (
        "tenants.queues.overflow",
        "When its conversations go to another queue, each at most once to each in one wait.",
    ),
    ("tenants.queues.overflow.after_ms", "Those that have waited so long in it."),
    ("tenants.queues.overflow.longer_than", "Those that come when so many wait already."),
    (
        "tenants.queues.overflow.to",
        "The queues that are asked, in this order. One that is closed, paused or beyond its own limits is passed over.",
    ),
    ("tenants.agents", "Its agents."),
    ("tenants.agents.id", "Begins with ag_."),
    ("tenants.agents.name", "As visitors read it."),
    ("tenants.agents.queues", "The queues that the agent serves."),
    (
        "tenants.agents.capacity",
        "Points at once, unless the agent says otherwise. A conversation takes one, or what tenants.desk.weights says.",
    ),
    ("tenants.agents.skills", "What the agent can do."),
    ("tenants.agents.skills.*", "How well, 1 to 10."),
    ("tenants.desk", "What is the same for all queues and agents."),
    ("tenants.desk.grace_ms", "An agent without a connection for this time is gone."),
    (
        "tenants.desk.misses_max",
        "Offers in a row that an agent may let run out before being set away; 0: any number.",
    ),
    (
        "tenants.desk.when_gone",
        "What becomes of the conversations of an agent who is gone: requeue (they wait again, before others) or keep.",
    ),
    ("tenants.desk.keep_ms", "How long they are kept for the agent to come back, where they are kept."),
    (
        "tenants.desk.away_reasons",
        "What agents may say for being away, one of which is required. Without any they say anything.",
    ),
    ("tenants.desk.away_asks", "An agent is away only when a supervisor says yes."),
    ("tenants.desk.weights", "Points that a conversation takes, by channel."),
    ("tenants.desk.weights.*", "Of this channel."),
    ("tenants.desk.rules", "Which conversations need what; the first rule that fits one counts."),
    ("tenants.desk.rules.channel", "Only those of this channel."),
    ("tenants.desk.rules.lang", "Only those of visitors who speak this language."),
    ("tenants.desk.rules.queue", "Only those of this queue."),
    ("tenants.desk.rules.priority", "How much sooner than others they go, 0 to 100."),
    ("tenants.desk.rules.needs", "What the agent must be able to do."),
    ("tenants.desk.rules.needs.*", "How well, 1 to 10."),
    ("tenants.bot", "The bot that answers first. Without one every conversation goes to the default queue."),
    ("tenants.bot.id", "Its name."),
    ("tenants.bot.name", "As visitors read it."),
    ("tenants.push", "Tells people on their devices of messages that no socket of theirs has acknowledged."),
    (
        "tenants.push.away_ms",
        "A message that no socket has acknowledged for this time is told to the devices.",
    ),
    (
        "tenants.push.webhook_secrets",
        "Sign the calls to devices that are servers (Standard Webhooks). Two while a secret is changed.",
    ),
    ("tenants.push.apns", "The company's app at Apple's push service."),
    ("tenants.push.apns.key_file", "The signing key (.p8) that Apple gives."),
    ("tenants.push.apns.key_id", "Its id."),
    ("tenants.push.apns.team_id", "The developer team's id."),
    ("tenants.push.apns.topic", "The app's bundle id."),
    ("tenants.push.apns.url", "Apple's server; https://api.sandbox.push.apple.com for apps in development."),
    ("tenants.push.fcm", "The company's project at Firebase Cloud Messaging."),
    ("tenants.push.fcm.account_file", "The service account (.json) that Google gives."),
    ("tenants.push.fcm.url", "Google's server."),
    (
        "channels",
        "Where visitors come from besides pages and apps. A channel posts to /v1/channels/<name>/inbound.",
    ),
    ("channels.name", "Unique on the node; at most 16 letters, digits, _ or -."),
    ("channels.tenant", "The company whose channel it is."),
    ("channels.kind", "http: signed JSON both ways, for the company's own adapter."),
    ("channels.url", "Where messages for its users go. https, or a host of push.allow_hosts."),
    (
        "channels.secrets",
        "Sign both directions (Standard Webhooks): whsec_ and base64. Two while a secret is changed.",
    ),
];

fn doc(path: &str) -> &'static str {
    let find = |path: &str| DOCS.iter().find(|(key, _)| *key == path).map(|(_, doc)| *doc);
    // A table whose keys people choose has one explanation for all of them.
    let any = || find(&format!("{}.*", path.rsplit_once('.')?.0));
    find(path).or_else(any).unwrap_or_default()
}

/// The configuration in force, as a TOML file with explanations; secrets are left out.
#[must_use]
pub fn print(config: &Config) -> String {
    let mut config = config.clone();
    for tenant in &mut config.tenants {
        tenant.secret = tenant.secret.as_ref().map(|_| "(set)".to_owned());
        if let Some(push) = &mut tenant.push {
            push.webhook_secrets.fill("(set)".to_owned());
        }
    }
    for channel in &mut config.channels {
        channel.secrets.fill("(set)".to_owned());
    }
    config.attachments.s3.secret = config.attachments.s3.secret.map(|_| "(set)".to_owned());
    let plain = toml::to_string_pretty(&config).expect("the configuration is representable");
    let mut table = String::new();
    let mut printed = String::new();
    for line in plain.lines() {
        let header = line.trim_matches(['[', ']']);
        let path = if line.starts_with('[') {
            header.clone_into(&mut table);
            table.clone()
        } else if let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| !key.starts_with([' ', '"']))
        {
            if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") }
        } else {
            String::new()
        };
        let doc = doc(&path);
        if !doc.is_empty() {
            writeln!(printed, "# {doc}").expect("a string takes text");
        }
        writeln!(printed, "{line}").expect("a string takes text");
    }
    printed
}

#[cfg(test)]
mod tests {
    use conversa_engine::desk::{IdlePolicy, Ring};

    use super::super::push::{ApnsConfig, FcmConfig, TenantPush};
    use super::super::{
        AttachmentsConfig, ChannelConfig, ClusterConfig, DepartmentConfig, HoursConfig, OverflowConfig,
        RuleConfig, S3Config, SlaConfig, StoreConfig, TeamConfig, sample,
    };
    use super::*;

    /// Words in backticks, and the text between fences of TOML.
    fn operators_page() -> (Vec<String>, Vec<String>) {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operating.md");
        let page = std::fs::read_to_string(file).expect("the operators' page is there");
        let fences: Vec<&str> = page.split("```").collect();
        let toml = fences.iter().skip(1).step_by(2).filter_map(|fence| fence.strip_prefix("toml\n"));
        let words = fences.iter().step_by(2).flat_map(|text| text.split('`').skip(1).step_by(2));
        (words.map(str::to_owned).collect(), toml.map(str::to_owned).collect())
    }

    #[test]
    fn the_operators_page_names_only_keys_that_exist() {
        let tables: Vec<&str> =
            DOCS.iter().map(|(path, _)| *path).filter(|path| !path.contains('.')).collect();
        let (words, examples) = operators_page();
        let is_key = |word: &&String| {
            let in_key = |c: char| c.is_ascii_lowercase() || matches!(c, '_' | '.');
            word.chars().all(in_key) && word.split_once('.').is_some_and(|(table, _)| tables.contains(&table))
        };
        let keys: Vec<&String> = words.iter().filter(is_key).collect();
        assert!(keys.len() > 20, "{keys:?}");
        for key in keys {
            assert!(
                DOCS.iter().any(|(path, _)| path == key),
                "docs/operating.md names {key}, which is no key"
            );
        }
        assert_eq!(examples.len(), 1);
        let example: Config = toml::from_str(&examples[0]).expect("it is a configuration");
        example.check().expect("its values are right");
        let cluster = example.cluster.settings(&example.node.name, std::path::Path::new("/etc/conversa"));
        assert!(cluster.expect("it is right").is_some(), "it takes part in a cluster");
    }

    #[test]
    fn every_key_is_explained_and_what_is_printed_can_be_read_again() {
        let mut tenant = sample::company();
        tenant.secret = Some("x".repeat(32));
        (tenant.knowledge, tenant.score_card) = (Some("kb.toml".into()), Some("card.toml".into()));
        tenant.push = Some(TenantPush {
            webhook_secrets: vec!["x".into()],
            apns: Some(ApnsConfig {
                key_file: "key.p8".into(),
                key_id: "k".into(),
                team_id: "t".into(),
                topic: "app".into(),
                url: "https://apns.example".into(),
            }),
            fcm: Some(FcmConfig { account_file: "account.json".into(), url: "https://fcm.example".into() }),
            ..TenantPush::default()
        });
        let shop = ChannelConfig {
            name: "shop".into(),
            tenant: "clearbrook".into(),
            kind: crate::ChannelKind::Http,
            url: "https://shop.example/hook".into(),
            secrets: vec!["x".into()],
        };
        let (queue, agent) = (&mut tenant.queues[0], &mut tenant.agents[0]);
        (queue.offer_ms, queue.goal_ms) = (Some(20_000), Some(60_000));
        queue.rings = vec![Ring { after_ms: 30_000, relax: 2 }];
        queue.dispositions = vec!["solved".into()];
        queue.hours = Some("office".into());
        queue.sla = Some(SlaConfig {
            first_response_ms: Some(60_000),
            next_response_ms: Some(120_000),
            resolution_ms: Some(3_600_000),
            warn_percent: 80,
        });
        queue.idle = Some(IdlePolicy {
            visitor_warn_ms: Some(120_000),
            visitor_close_ms: Some(300_000),
            agent_warn_ms: Some(60_000),
            agent_requeue_ms: Some(180_000),
        });
        let (after_ms, longer_than, to) = (Some(60_000), Some(20), vec!["billing".to_owned()]);
        queue.overflow = Some(OverflowConfig { after_ms, longer_than, to });
        tenant.hours = vec![HoursConfig {
            id: "office".into(),
            zone: "Asia/Shanghai".into(),
            week: [("mon".to_owned(), vec!["09:00-18:00".to_owned()])].into(),
            holidays: [("2026-10-01".to_owned(), Vec::new())].into(),
        }];
        agent.skills = [("returns".to_owned(), 7)].into();
        tenant.desk.away_reasons = vec!["lunch".into()];
        tenant.departments = vec![DepartmentConfig {
            id: "care".into(),
            name: "Care".into(),
            supervisors: vec!["su_1".into()],
        }];
        tenant.teams = vec![TeamConfig {
            id: "first".into(),
            name: "First line".into(),
            department: Some("care".into()),
            agents: vec!["ag_mei".into()],
            queues: vec!["support".into()],
        }];
        tenant.desk.weights = [("mail".to_owned(), 1)].into();
        let (channel, lang, queue) = (Some("web".into()), Some("en".into()), Some("support".into()));
        tenant.desk.rules =
            vec![RuleConfig { channel, lang, queue, priority: 1, needs: [("en".to_owned(), 5)].into() }];
        let store = StoreConfig {
            user: Some("conversa".into()),
            password_file: Some("password".into()),
            ..StoreConfig::default()
        };
        let file = |name: &str| Some(name.into());
        let cluster = ClusterConfig {
            listen: Some("10.0.0.1:7800".into()),
            advertise: Some("n1.example:7800".into()),
            authority: file("authority.pem"),
            certificate: file("n1.pem"),
            key: file("n1.key"),
            ..ClusterConfig::default()
        };
        let s3 = S3Config {
            endpoint: Some("https://s3.example".into()),
            key_id: Some("key".into()),
            secret: Some("never printed".into()),
            ..S3Config::default()
        };
        let config = Config {
            store,
            cluster,
            attachments: AttachmentsConfig { s3, ..AttachmentsConfig::default() },
            tenants: vec![tenant],
            channels: vec![shop],
            ..Config::default()
        };
        let printed = print(&config);
        assert!(!printed.contains("never printed"));
        for (line, before) in printed.lines().skip(1).zip(printed.lines()) {
            let key = line.starts_with('[') || (line.contains(" = ") && !line.starts_with(' '));
            assert!(!key || before.starts_with("# "), "{line} has no explanation");
        }
        let again: Config = toml::from_str(&printed).expect("it is a configuration");
        assert_eq!(again.tenants[0].agents, config.tenants[0].agents);
        assert_eq!(again.tenants[0].desk, config.tenants[0].desk);
        for (path, _) in DOCS.iter().filter(|(path, _)| !path.ends_with('*')) {
            assert!(
                printed.contains(path.rsplit('.').next().expect("a name")),
                "{path} is not a key any more"
            );
        }
    }
}
