//! What is wrong with a card is said with its line and what to do.

use expect_test::expect;

use crate::quality::{FEATURES, ScoreCard};

const SOUND: &str = r#"version = 1
title = { zh = "卡", en = "card" }
[[sections]]
id = "a"
title = { zh = "甲", en = "a" }
weight = 1
[[rules]]
id = "r"
title = { zh = "规则", en = "rule" }
section = "a"
weight = 1
scope = { role = "agent", first = 2 }
check = { any_keyword = { phrases = ["hi"] } }
"#;

const CHECK: &str = "any_keyword = { phrases = [\"hi\"] }";

/// One way to break the card: what is replaced, and by what.
const BREAKS: [(&str, &str); 15] = [
    ("version = 1", "version = "),
    ("version = 1", "version = 1\ncolour = 2"),
    ("weight = 1\nscope", "weight = 0\nscope"),
    ("section = \"a\"", "section = \"b\""),
    ("first = 2", "first = 9"),
    ("first = 2", "first = 2, last = 1"),
    ("role = \"agent\"", "role = \"boss\""),
    ("any_keyword", "any_word"),
    ("phrases = [\"hi\"]", "words = [\"hi\"]"),
    ("phrases = [\"hi\"]", "phrases = []"),
    ("phrases = [\"hi\"]", "phrases = [\"hi\"], at_least = 3"),
    (CHECK, "feature = { id = \"closed\", at_most = 1 }"),
    (CHECK, "response_time = { max_ms = 0 }"),
    (CHECK, ""),
    ("[[rules]]", "[[sections]]\nid = \"a\"\ntitle = { zh = \"\", en = \"\" }\nweight = 1\n[[rules]]"),
];

#[test]
fn a_broken_card_says_where_and_what_to_do() {
    ScoreCard::parse(SOUND).expect("the card is sound");
    let mut errors = String::new();
    for (what, with) in BREAKS {
        assert!(SOUND.contains(what), "{what} is in the sound card");
        let error = ScoreCard::parse(&SOUND.replace(what, with)).expect_err("the card is broken");
        errors += &format!("{error}\n");
    }
    expect![[r#"
        score card, line 1: string values must be quoted, expected literal string: correct it
        score card, line 2: unknown field `colour`, expected one of `version`, `title`, `sections`, `rules`: correct it
        score card, line 8: rule `r`: `weight` is 0: use 1 to 1000
        score card, line 10: rule `r`: there is no section `b`: add it to [[sections]] or use another
        score card, line 8: rule `r`: scope counts 9 messages: use 1 to 8, because each is kept as evidence
        score card, line 8: rule `r`: scope has both `first` and `last`: make two rules
        score card, line 12: unknown variant `boss`, expected one of `visitor`, `agent`, `bot`, `service`, `any`: correct it
        score card, line 13: rule `r`: there is no operator `any_word`: use one of any_keyword, none_keyword, response_time, feature, absent_until_end
        score card, line 13: rule `r`: any_keyword: unknown field `words`, expected `phrases` or `at_least`: correct it
        score card, line 13: rule `r`: `phrases` is empty: list at least one phrase
        score card, line 13: rule `r`: `at_least` is 3: use 1 or more, and no more than the messages in scope
        score card, line 13: rule `r`: a feature is of the whole conversation: remove `first` and `last`
        score card, line 13: rule `r`: `max_ms` is 0: use a time above 0, in milliseconds
        score card, line 13: rule `r`: `check` has other than one operator: give one of any_keyword, none_keyword, response_time, feature, absent_until_end
        score card, line 7: the section `a` is there twice: rename one
    "#]].assert_eq(&errors);
}

#[test]
fn an_unknown_feature_is_answered_with_the_known_ones() {
    let card = SOUND.replace(CHECK, "feature = { id = \"speed\", at_most = 1 }");
    let error = ScoreCard::parse(&card).expect_err("the card is broken").to_string();
    let (problem, known) = error.split_once(": use one of ").expect("it says what to do");
    assert_eq!(problem, "score card, line 13: rule `r`: there is no feature `speed`");
    assert_eq!(known.split(", ").count(), FEATURES.len());
}

#[test]
fn a_rule_twice_and_rules_beyond_the_limit_are_refused() {
    let rule = &SOUND[SOUND.find("[[rules]]").expect("it has a rule")..];
    let twice = ScoreCard::parse(&format!("{SOUND}{rule}")).expect_err("a rule is there twice");
    expect!["score card, line 15: the rule `r` is there twice: rename one"].assert_eq(&twice.to_string());
    let many: String = (0..65).map(|n| rule.replace("\"r\"", &format!("\"r{n}\""))).collect();
    let many = ScoreCard::parse(&SOUND.replace(rule, &many)).expect_err("there are 65 rules");
    expect!["score card, line 456: there are 65 rules, the limit is 64: make two cards"]
        .assert_eq(&many.to_string());
}
