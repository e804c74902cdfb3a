//! How a cluster is shown: a table for people, JSON for programs.

use conversa_cluster::member::view::Standing;
use conversa_cluster::operator::{Overview, Seen};
use conversa_cluster::place::WEIGHT_ONE;
use serde_json::{Value, json};

const HEAD: [&str; 8] = ["node", "generation", "stands", "address", "weight", "shards", "adopted", "beat"];

/// A line per member, and below it what somebody would ask next.
pub(super) fn table(overview: &Overview) -> String {
    let settled = if overview.is_settled() { "settled" } else { "not settled" };
    let mut text = format!("view {}, {} members, {settled}\n\n", overview.version, overview.members.len());
    let mut lines = vec![HEAD.map(str::to_owned)];
    lines.extend(overview.members.iter().map(cells));
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|column| lines.iter().map(|line| line[column].len()).max().unwrap_or(0))
        .collect();
    for line in &lines {
        let padded: Vec<String> =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    let notes: Vec<String> =
        overview.members.iter().filter_map(|seen| note(seen, overview.version)).collect();
    if !notes.is_empty() {
        text.push('\n');
        notes.iter().for_each(|note| text.push_str(&format!("{note}\n")));
    }
    text
}

fn cells(seen: &Seen) -> [String; 8] {
    let row = seen.row.as_ref();
    [
        seen.life.node.to_string(),
        seen.life.generation.to_string(),
        stands(seen).to_owned(),
        row.map_or("?", |row| &row.addr).to_owned(),
        weight(seen),
        seen.shards.to_string(),
        row.map_or("?".to_owned(), |row| row.adopted.to_string()),
        beat(seen),
    ]
}

fn stands(seen: &Seen) -> &'static str {
    match seen.standing {
        _ if seen.is_over() => "over",
        Standing::Leaving { .. } => "leaves",
        Standing::Active if seen.asked => "is to leave",
        Standing::Active => "serves",
    }
}

fn weight(seen: &Seen) -> String {
    let wants = match seen.standing {
        Standing::Leaving { .. } => 0,
        Standing::Active if seen.asked => 0,
        Standing::Active => seen.row.as_ref().map_or(seen.weight, |row| row.weight),
    };
    let share = |weight: u32| format!("{:.2}", f64::from(weight) / f64::from(WEIGHT_ONE));
    if wants == seen.weight { share(wants) } else { format!("{} -> {}", share(seen.weight), share(wants)) }
}

fn beat(seen: &Seen) -> String {
    let Some(row) = &seen.row else { return "?".to_owned() };
    let age = seconds(seen.beat.age_ms);
    if seen.beat.seen { format!("{}, {age} ago", row.beat) } else { format!("{}, none for {age}", row.beat) }
}

fn note(seen: &Seen, version: u64) -> Option<String> {
    let node = &seen.life.node;
    if seen.is_over() {
        return Some(format!("{node} is over: the next view is without it, if another member lives"));
    }
    if seen.is_silent() {
        return Some(format!(
            "{node} does not renew its row: members take it out after 3 s; if none lives, `conversa cluster remove {node}`"
        ));
    }
    seen.missing.then(|| format!("{node} has not adopted view {version} yet: what moves waits for it"))
}

/// With one decimal.
pub(super) fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)
}

/// All that is known.
pub(super) fn json(overview: &Overview) -> Value {
    let members: Vec<Value> = overview.members.iter().map(member).collect();
    json!({ "view": overview.version, "settled": overview.is_settled(), "members": members })
}

fn member(seen: &Seen) -> Value {
    let row = seen.row.as_ref();
    json!({
        "node": &*seen.life.node,
        "generation": seen.life.generation,
        "standing": match seen.standing {
            Standing::Active => "active",
            Standing::Leaving { .. } => "leaving",
        },
        "over": seen.is_over(),
        "asked_to_leave": seen.asked,
        "silent": seen.is_silent(),
        "address": row.map(|row| &row.addr),
        "zone": row.map(|row| &row.zone),
        "weight_millionths": seen.weight,
        "weight_wanted_millionths": row.map(|row| row.weight),
        "shards": seen.shards,
        "adopted": row.map(|row| row.adopted),
        "adopted_view": !seen.missing,
        "beat": row.map(|row| row.beat),
        "beat_age_ms": seen.beat.age_ms,
        "beat_seen": seen.beat.seen,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use conversa_cluster::member::Life;
    use conversa_cluster::member::row::Row;
    use conversa_cluster::operator::Beat;

    use super::*;

    fn seen(node: &str, shards: usize) -> Seen {
        Seen {
            life: Life { node: Arc::from(node), generation: 2 },
            standing: Standing::Active,
            weight: WEIGHT_ONE,
            shards,
            row: Some(Row {
                generation: 2,
                alive: true,
                beat: 31,
                adopted: 7,
                weight: WEIGHT_ONE,
                nonce: 1,
                addr: format!("{node}:7000"),
                zone: "a".into(),
            }),
            beat: Beat { age_ms: 420, seen: true },
            asked: false,
            missing: false,
        }
    }

    fn overview() -> Overview {
        let mut silent = seen("silent", 1_300);
        silent.beat = Beat { age_ms: 2_010, seen: false };
        let mut leaver = Seen { asked: true, missing: true, weight: WEIGHT_ONE / 2, ..seen("leaver", 700) };
        leaver.row.as_mut().expect("it has one").adopted = 6;
        Overview { at_ms: 2_000, version: 7, members: vec![leaver, seen("n1", 2_096), silent] }
    }

    #[test]
    fn a_table_says_who_is_there_and_what_to_do() {
        let shown = table(&overview());
        let expected = "\
view 7, 3 members, not settled

node    generation  stands       address      weight        shards  adopted  beat
leaver  2           is to leave  leaver:7000  0.50 -> 0.00  700     6        31, 0.4 s ago
n1      2           serves       n1:7000      1.00          2096    7        31, 0.4 s ago
silent  2           serves       silent:7000  1.00          1300    7        31, none for 2.0 s

leaver has not adopted view 7 yet: what moves waits for it
silent does not renew its row: members take it out after 3 s; if none lives, `conversa cluster remove silent`
";
        assert_eq!(shown, expected);
    }

    #[test]
    fn json_has_a_member_with_all_that_is_known() {
        let shown = json(&overview());
        assert_eq!((&shown["view"], &shown["settled"]), (&json!(7), &json!(false)));
        assert_eq!(shown["members"][0]["asked_to_leave"], true);
        assert_eq!(shown["members"][1]["shards"], 2_096);
        assert_eq!(shown["members"][2]["silent"], true);
    }
}
