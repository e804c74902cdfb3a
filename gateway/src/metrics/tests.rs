//! The page of metrics, and the operators' page that explains it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;

/// Every family with at least one sample.
fn page(store: &Arc<State>) -> String {
    let metrics = Metrics::new(store, true);
    metrics.refused(Code::Unavailable);
    metrics.closed(Bye::Drain);
    metrics.cluster.as_ref().expect("it has a part in one").touch();
    metrics.text()
}

fn operators_page() -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operating.md");
    std::fs::read_to_string(file).expect("the operators' page is there")
}

/// Words of a text that begin with `conversa_`.
fn names(text: &str) -> BTreeSet<&str> {
    let starts = text.match_indices("conversa_").map(|(start, _)| start);
    let name = |start: usize| {
        let rest = &text[start..];
        let end = rest.find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
        &rest[..end.unwrap_or(rest.len())]
    };
    starts.map(name).collect()
}

#[test]
fn the_operators_page_names_every_metric_and_no_other() {
    let page = page(&Arc::default());
    let kinds = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let real: BTreeSet<String> = kinds
        .map(|(name, kind)| if kind == "counter" { format!("{name}_total") } else { name.to_owned() })
        .collect();
    let operators = operators_page();
    let mut named = names(&operators);
    // A keyspace.
    assert!(named.remove("conversa_ctl"));
    let unknown: Vec<_> = named.iter().filter(|name| !real.contains(**name)).collect();
    assert_eq!(unknown, Vec::<&&str>::new(), "the page names metrics that no node has");
    let missing: Vec<_> = real.iter().filter(|name| !named.contains(name.as_str())).collect();
    assert_eq!(missing, Vec::<&String>::new(), "the page does not explain these metrics");
}

#[test]
fn histograms_of_the_store_are_shown_in_seconds_and_events() {
    let store: Arc<State> = Arc::default();
    store.append_times().count_time(Duration::from_micros(1_500));
    store.append_times().count_time(Duration::from_secs(60));
    store.append_events().count(16);
    let page = page(&store);
    for line in [
        "# TYPE conversa_store_append_seconds histogram",
        "conversa_store_append_seconds_count 2",
        r#"conversa_store_append_seconds_bucket{le="0.001"} 0"#,
        r#"conversa_store_append_seconds_bucket{le="0.002"} 1"#,
        r#"conversa_store_append_seconds_bucket{le="20.0"} 1"#,
        r#"conversa_store_append_seconds_bucket{le="+Inf"} 2"#,
        r#"conversa_store_append_events_bucket{le="8.0"} 0"#,
        r#"conversa_store_append_events_bucket{le="16.0"} 1"#,
        "conversa_store_append_events_sum 16.0",
    ] {
        assert!(page.lines().any(|shown| shown == line), "{line} is not in\n{page}");
    }
}
