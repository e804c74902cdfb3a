use std::io::{Cursor, Write};

use conversa_engine::content::CardVariant;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

const TSV: &str = "s1\tu1\t0\t0\t0\tnan\t你好\n\
    s1\tu1\t1\t0\t0\tnan\t有什么可以帮您\n\
    s1\tu1\t0\t0\t0\tnan\t看 [订单编号:[订单x]，订单金额:[金额x]，下单时间:[日期x] [时间x]] 谢谢\n\
    s2\tu2\t0\t0\t0\tnan\t到哪了\n";

fn of(text: &str) -> Lines {
    numbered(Cursor::new(text.as_bytes().to_vec()))
}

fn complaint(result: anyhow::Result<Vec<Recording>>) -> String {
    let error = result.expect_err("it is broken");
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[test]
fn jddc_columns_become_sessions_and_orders_become_cards() {
    let recordings = tsv::read(of(TSV), usize::MAX).expect("sound");
    assert_eq!(recordings.iter().map(|recording| recording.turns.len()).collect::<Vec<_>>(), [3, 1]);
    assert_eq!(recordings[0].turns[1], Turn { side: Side::Agent, content: Content::text("有什么可以帮您") });
    let Content::Card(card) = &recordings[0].turns[2].content else { panic!("an order is a card") };
    assert_eq!((card.variant, &*card.title), (CardVariant::Order, "订单 [订单x]"));
    assert!(card.alt.starts_with("看 ") && card.alt.ends_with(" 谢谢"));
    let fields: Vec<_> = card.fields.iter().map(|field| format!("{}={}", field.label, field.value)).collect();
    assert_eq!(fields, ["订单编号=[订单x]", "订单金额=[金额x]", "下单时间=[日期x] [时间x]"]);
    assert_eq!(tsv::read(of(TSV), 1).expect("sound").len(), 1);
}

#[test]
fn an_order_that_never_ends_is_still_a_card_with_all_its_words() {
    let Some(Content::Card(card)) = order::card("[订单编号:[订单x]，订单金额") else {
        panic!("a card")
    };
    assert_eq!((&*card.title, &*card.alt, card.fields.len()), ("订单", "[订单编号:[订单x]，订单金额", 0));
    assert_eq!(order::card("麻烦您提供一下订单编号"), None);
}

#[test]
fn json_lines_hold_text_and_any_content() {
    let text = concat!(
        r#"{"session":"a","turns":[{"from":"visitor","text":"hi"},{"from":"agent","content":{"type":"location","alt":"here","lat":1.5,"lng":2,"label":"x"}}]}"#,
        "\r\n",
        r#"{"session":"b","channel":"app","lang":"en","turns":[{"from":"agent","text":"hello"}]}"#,
    );
    let recordings = lines::read(of(text), usize::MAX).expect("sound");
    assert_eq!(
        (&*recordings[0].channel, &*recordings[0].lang, &*recordings[1].channel),
        ("web", "zh", "app")
    );
    assert!(matches!(recordings[0].turns[1].content, Content::Location { .. }));
    assert_eq!(recordings[1].turns[0].side, Side::Agent);
}

#[test]
fn broken_lines_are_named_with_what_is_wrong() {
    let tsv = [
        (
            "s\tu\t0\t0\t0\tnan\n",
            "line 1 has 6 columns, not 7: session, user, 1 = agent, two flags, product, text, with a tab between",
        ),
        (
            "s\tu\t2\t0\t0\tnan\tx\n",
            "line 1: the third column is \"2\"; it is 0 for the visitor and 1 for the agent",
        ),
        ("s\tu\t0\t0\t0\tnan\tx\n\n", "line 2 is empty: remove it"),
        ("s\tu\t0\t0\t0\tnan\t \n", "line 1: content.text is empty: write something"),
        (
            "s\tu\t0\t0\t0\tnan\tx\nt\tu\t0\t0\t0\tnan\tx\ns\tu\t0\t0\t0\tnan\tx\n",
            "line 3: session s goes on after another has begun; sort the file by session",
        ),
    ];
    for (text, expected) in tsv {
        assert_eq!(complaint(tsv::read(of(text), usize::MAX)), expected);
    }
    let json = [
        (
            r#"{"session":"a","turns":[{"from":"visitor","text":"hi"}]"#,
            "line 1, column 55: EOF while parsing an object",
        ),
        (
            r#"{"session":"a","mood":1,"turns":[]}"#,
            "line 1, column 21: unknown field `mood`, expected one of `session`, `channel`, `lang`, `turns`",
        ),
        (r#"{"session":"a","turns":[]}"#, "line 1: a session has a name and at least one turn"),
        (
            r#"{"session":"a","turns":[{"from":"visitor"}]}"#,
            "turn 1 of session \"a\": line 1: a turn has either \"text\" or \"content\"",
        ),
        (
            r#"{"session":"a","turns":[{"from":"agent","content":{"type":"card","alt":"x","variant":"order","title":"t","fields":[{"label":"a","value":"b","colour":"c"}]}}]}"#,
            "turn 1 of session \"a\": line 1: content has an unknown key \"fields.colour\"",
        ),
    ];
    for (text, expected) in json {
        assert_eq!(complaint(lines::read(of(text), usize::MAX)), expected);
    }
    let bytes =
        numbered(Cursor::new(b"ok\n\xff\n".to_vec())).nth(1).expect("two lines").expect_err("no UTF-8");
    assert!(bytes.to_string().starts_with("line 2 is not UTF-8"), "{bytes}");
}

#[test]
fn a_file_is_read_by_its_name_and_gzip_is_unpacked() {
    let folder = std::env::temp_dir().join(format!("conversa-recording-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder takes files");
    let gz = folder.join("two.tsv.gz");
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(TSV.as_bytes()).expect("memory takes bytes");
    std::fs::write(&gz, packed.finish().expect("memory takes bytes")).expect("the folder takes files");
    assert_eq!(read(&gz, None).expect("sound").len(), 2);
    std::fs::write(folder.join("cut.tsv.gz"), &std::fs::read(&gz).expect("just written")[..60])
        .expect("the folder takes files");
    assert!(complaint(read(&folder.join("cut.tsv.gz"), None)).contains("cannot be read"));
    assert!(complaint(read(&folder.join("two.csv"), None)).contains("cannot open"));
    std::fs::write(folder.join("two.csv"), "x").expect("the folder takes files");
    assert!(complaint(read(&folder.join("two.csv"), None)).contains(".tsv, .tsv.gz, .jsonl or .jsonl.gz"));
    std::fs::remove_dir_all(&folder).expect("it was made here");
}
