//! What is read, what is written, what is refused and how.

mod frozen;

use std::collections::BTreeMap;

use expect_test::{Expect, expect};

use super::*;

fn json(text: &str) -> Result<Content, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// One valid content of every type, as a client writes it.
pub(crate) const EVERY_TYPE: &[&str] = &[
    r#"{"type":"text","text":"怎么退货? 🙂"}"#,
    r#"{"type":"text","text":"see **this** page","format":"md-lite","entities":[{"kind":"link","at":0,"len":3,"value":"https://a.example/x"}]}"#,
    r#"{"type":"image","alt":"a photo","att":{"id":"at_1","url":"/v1/attachments/at_1","mime":"image/png","bytes":12,"sha256":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","name":"a.png","w":640,"h":480,"thumb":"https://a.example/t.png","blurhash":"LEHV6nWB2yk8"}}"#,
    r#"{"type":"audio","alt":"a voice","att":{"url":"https://a.example/v.ogg","mime":"audio/ogg; codecs=opus","bytes":12,"name":"v.ogg","dur_ms":1500},"transcript":"where is my parcel"}"#,
    r#"{"type":"video","alt":"a film","att":{"url":"https://a.example/v.mp4","mime":"video/mp4","bytes":12,"name":"v.mp4"}}"#,
    r#"{"type":"file","alt":"the invoice","att":{"url":"https://a.example/i.pdf","mime":"application/pdf","bytes":12,"name":"发票 1.pdf"}}"#,
    r#"{"type":"location","alt":"here","lat":31.25,"lng":-121.5,"label":"Bund","address":"1 Road","map_url":"https://map.example/1"}"#,
    r#"{"type":"card","alt":"order 1","variant":"order","title":"Order 1","subtitle":"two shirts","image":"https://a.example/1.png","fields":[{"label":"No","value":"1","style":"strong"}],"price":{"amount_minor":-1999,"currency":"CNY"},"status":"sent","actions":[{"id":"a1","kind":"link","label":"Where","value":"https://a.example/where"},{"id":"a2","kind":"call","label":"Call","value":"tel:+861012345678"},{"id":"a3","kind":"reply","label":"Return it","value":"return"}],"ref":{"system":"oms","id":"1"}}"#,
    r#"{"type":"carousel","alt":"two shirts","items":[{"alt":"a shirt","variant":"product","title":"Shirt","fields":[],"actions":[]},{"alt":"another","variant":"product","title":"Another","fields":[],"actions":[]}]}"#,
    r#"{"type":"list","alt":"an article","items":[{"alt":"an article","variant":"article","title":"How to return","fields":[],"actions":[]}]}"#,
    r#"{"type":"choices","alt":"Which?","text":"Which?","options":[{"id":"1","label":"One","value":"one","desc":"the first"},{"id":"2","label":"Two"}],"multi":false,"block_input":true}"#,
    r#"{"type":"form","alt":"your address","fields":[{"name":"email","label":"E-mail","kind":"email","required":true,"options":[]},{"name":"zip","label":"Zip","kind":"text","required":false,"options":[],"pattern":"[0-9]{6}"}]}"#,
    r#"{"type":"form_response","alt":"a@b.example","form":"ms_1","submitted":{"email":"a@b.example"}}"#,
    r#"{"type":"action_response","alt":"Return it","action_id":"a3","value":"return","from_ms":"ms_1"}"#,
    r#"{"type":"template","alt":"Your parcel 1 is on its way","name":"parcel_sent","params":[{"label":"parcel","value":"1"}]}"#,
    r#"{"type":"command","alt":"reload","name":"reload","params":[]}"#,
    r#"{"type":"system","alt":"Mei joined","event":"agent.joined","params":[{"label":"name","value":"Mei"}]}"#,
    r#"{"type":"custom","alt":"a seat plan","schema":"https://a.example/seats","data":"{\"a\":[1]}"}"#,
    r#"{"type":"text","text":"hello","override":{"sms":{"type":"text","text":"hi"},"whatsapp":{"type":"template","alt":"hi","name":"hello","params":[]}}}"#,
];

#[test]
fn every_type_is_read_written_the_same_in_both_encodings_and_valid() {
    for text in EVERY_TYPE {
        let content = json(text).expect("it is a content");
        assert_eq!(content.check(), Ok(()), "{text}");
        assert_eq!(serde_json::to_string(&content).expect("representable"), *text);
        let packed = rmp_serde::to_vec_named(&content).expect("representable");
        assert_eq!(rmp_serde::from_slice::<Content>(&packed).expect("it is a content"), content);
    }
}

#[test]
fn bodies_of_the_first_version_are_still_read() {
    for (hex, text) in frozen::FIRST {
        let bytes: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"))
            .collect();
        let content: Content = rmp_serde::from_slice(&bytes).expect("it is still a content");
        assert_eq!(json(text), Ok(content.clone()));
        let flat =
            matches!(content, Content::Image(_) | Content::File(_) | Content::Audio(_) | Content::Video(_));
        let again = rmp_serde::to_vec_named(&content).expect("representable");
        assert_eq!(again == bytes, !flat, "only files are written in another way: {text}");
    }
    for (text, digest) in frozen::DIGESTS {
        assert_eq!(Content::text(*text).digest(), *digest, "a retry after an upgrade is no conflict");
    }
}

#[test]
fn the_digest_tells_contents_apart() {
    let contents: Vec<Content> = EVERY_TYPE.iter().map(|text| json(text).expect("a content")).collect();
    for (index, content) in contents.iter().enumerate() {
        assert_eq!(content.digest(), content.clone().digest());
        assert!(contents[..index].iter().all(|other| other.digest() != content.digest()));
    }
}

#[test]
fn the_order_of_fields_does_not_matter_and_unknown_ones_are_passed_over() {
    assert_eq!(json(r#"{"new":{"a":[1]},"text":"hi","type":"text"}"#), Ok(Content::text("hi")));
    let card = json(
        r#"{"fields":[{"label":"a","value":"b"}],"title":"T","alt":"t","variant":"link","type":"card"}"#,
    );
    assert!(matches!(card, Ok(Content::Card(card)) if card.fields == [Field::new("a", "b")]));
}

#[test]
fn what_cannot_be_read_is_named() {
    let cases = [
        r#"{"text":"x"}"#,
        r#"{"type":"text"}"#,
        r#"{"type":"image","alt":"x"}"#,
        r#"{"type":"location","alt":"x","lat":"1"}"#,
        r#"{"type":"card","alt":"x","title":"t","variant":"order","fields":[{"label":"a"}]}"#,
        r#"{"type":"form","alt":"x","fields":[{"label":"a","name":"a"}]}"#,
        r#"{"type":"text","text":"a","override":{"sms":{"type":"text","text":"b","override":{}}}}"#,
        r#"["text"]"#,
    ];
    let mut said = String::new();
    for case in cases {
        let error = json(case).expect_err("it cannot be read");
        said += &format!("{}\n", error.split(" at line").next().unwrap_or_default());
    }
    assert!(json(r#"{"type":"dance"}"#).expect_err("unknown").contains("unknown variant `dance`"));
    expect![[r#"
        content.type is missing
        content.text is missing
        content.att is missing
        content.lat: invalid type: string "1", expected f64
        content.fields[0].value is missing
        content.fields[0].kind is missing
        content.override: content.override: an override has none of its own
        invalid type: sequence, expected a content: a map with its type
    "#]]
    .assert_eq(&said);
}

/// Every case is a valid content with one thing changed.
fn refusals(cases: &[(usize, &str, String)], expected: &Expect) {
    let mut said = String::new();
    for (which, from, to) in cases {
        let text = EVERY_TYPE[*which];
        assert!(text.contains(from), "{from} is in {text}");
        let content = json(&text.replacen(from, to, 1)).expect("it can be read");
        let refusal = content.check().expect_err("out of bounds");
        let field = refusal.field.clone().expect("the field is named");
        assert!(refusal.detail.starts_with(&*field), "{refusal}");
        said += &format!("{refusal}\n");
    }
    expected.assert_eq(&said);
}

fn repeated(part: &str, count: usize) -> String {
    (0..count).map(|n| part.replace('#', &n.to_string())).collect::<Vec<_>>().join(",")
}

#[test]
fn each_limit_is_refused_with_its_field() {
    let option = r##"{"id":"#","label":"x"}"##;
    let card = r#"{"alt":"x","variant":"link","title":"x"}"#;
    let action = r##"{"id":"#","kind":"reply","label":"x","value":"x"}"##;
    let cases = [
        (0, "怎么退货", "x".repeat(8_193)),
        (2, "a photo", "x".repeat(8_193)),
        (7, r#"{"label":"No","value":"1","style":"strong"}"#, repeated(r#"{"label":"a","value":"b"}"#, 13)),
        (7, r#"[{"id":"a1","kind":"link""#, format!(r#"[{},{{"id":"a1","kind":"link""#, repeated(action, 3))),
        (
            9,
            r#"{"alt":"an article","variant":"article","title":"How to return","fields":[],"actions":[]}"#,
            repeated(card, 11),
        ),
        (
            9,
            r#"{"alt":"an article","variant":"article","title":"How to return","fields":[],"actions":[]}"#,
            String::new(),
        ),
        (10, r#"{"id":"2","label":"Two"}"#, repeated(option, 20)),
        (17, r#"{\"a\":[1]}"#, "x".repeat(16_385)),
        (17, r#"{\"a\":[1]}"#, "[".repeat(33)),
        (14, r#"{"label":"parcel","value":"1"}"#, repeated(r#"{"label":"a","value":"b"}"#, 17)),
        (7, "two shirts", "x".repeat(2_049)),
    ];
    refusals(
        &cases,
        &expect![[r#"
            payload_too_large: content.text has 8199 bytes, the limit is 8192: split it or send a file
            payload_too_large: content.alt has 8193 bytes, the limit is 8192: split it or send a file
            unsupported_content: content.fields has 13 items, the limit is 12
            unsupported_content: content.actions has 6 items, the limit is 5
            unsupported_content: content.items has 11 items, the limit is 10
            unsupported_content: content.items is empty: it has at least one item
            unsupported_content: content.options has 21 items, the limit is 20
            payload_too_large: content.data has 16385 bytes, the limit is 16384: split it or send a file
            unsupported_content: content.data is 33 levels deep, the limit is 32
            unsupported_content: content.params has 17 items, the limit is 16
            payload_too_large: content.subtitle has 2049 bytes, the limit is 2048: split it or send a file
        "#]],
    );
}

#[test]
fn each_wrong_value_is_refused_with_its_field() {
    let to = |text: &str| text.to_owned();
    let cases = [
        (0, "怎么退货? 🙂", to(" ")),
        (0, "怎么退货", to("a\\u0000b")),
        (1, r#""at":0"#, to(r#""at":15"#)),
        (1, "https://a.example/x", to("javascript:alert(1)")),
        (2, r#""alt":"a photo""#, to(r#""alt":" ""#)),
        (2, "/v1/attachments/at_1", to("javascript:alert(1)")),
        (2, "/v1/attachments/at_1", to("//evil.example/x")),
        (2, "/v1/attachments/at_1", to("/v1/../admin")),
        (2, "image/png", to("image")),
        (2, "image/png", to("text/html")),
        (2, "aaaaaaaa", to("AAAAAAAA")),
        (2, "a.png", to("gnp.\\u202eexe")),
        (2, "https://a.example/t.png", to("data:image/png;base64,AA")),
        (6, "31.25", to("90.5")),
        (6, "-121.5", to("181")),
        (6, "https://map.example/1", to("https://")),
        (7, "https://a.example/1.png", to("ftp://a.example/1.png")),
        (7, "https://a.example/where", to("/where")),
        (7, "tel:+861012345678", to("https://a.example")),
        (7, r#""id":"a2""#, to(r#""id":"a1""#)),
        (7, "CNY", to("cny")),
        (8, r#""alt":"another""#, to(r#""alt":"""#)),
        (10, r#""id":"2""#, to(r#""id":"1""#)),
        (11, "[0-9]{6}", to("(")),
        (11, r#""kind":"email""#, to(r#""kind":"select""#)),
        (13, "a3", to("")),
        (17, "https://a.example/seats", to("seats")),
        (18, r#""text":"hi""#, to(r#""text":"""#)),
        (18, r#""sms""#, to(r#""s m s""#)),
    ];
    refusals(
        &cases,
        &expect![[r#"
        unsupported_content: content.text is empty: write something
        unsupported_content: content.text has a control character: leave out all but line ends and tabs
        unsupported_content: content.entities[0] is not within the text, which has 17 letters
        unsupported_content: content.entities[0].value is not a URL that begins with https:// or http://
        unsupported_content: content.alt is empty: write something
        unsupported_content: content.att.url is not a URL that begins with https:// or http://
        unsupported_content: content.att.url is not a URL that begins with https:// or http://
        unsupported_content: content.att.url is not a URL that begins with https:// or http://
        unsupported_content: content.att.mime is not a media type, for instance image/png
        unsupported_content: content.att.mime does not begin with image/: send it as a file
        unsupported_content: content.att.sha256 is not 64 lower-case hex digits
        unsupported_content: content.att.name has a control character: use letters, digits and spaces
        unsupported_content: content.att.thumb is not a URL that begins with https:// or http://
        unsupported_content: content.lat is not within -90 and 90 degrees
        unsupported_content: content.lng is not within -180 and 180 degrees
        unsupported_content: content.map_url is not a URL that begins with https:// or http://
        unsupported_content: content.image is not a URL that begins with https:// or http://
        unsupported_content: content.actions[0].value is not a URL that begins with https:// or http://
        unsupported_content: content.actions[1].value is not tel: and a phone number, for instance tel:+861012345678
        unsupported_content: content.actions[1].id "a1" is there twice
        unsupported_content: content.price.currency is not three capital letters, for instance CNY
        unsupported_content: content.items[1].alt is empty: write something
        unsupported_content: content.options[1].id "1" is there twice
        unsupported_content: content.fields[1].pattern is not a regular expression that can be used: found open group without closing ')'
        unsupported_content: content.fields[0].options is empty: it has at least one item
        unsupported_content: content.action_id is empty: give it a name
        unsupported_content: content.schema is not a URI, for instance https://shop.example/schemas/parcel
        unsupported_content: content.override.sms.text is empty: write something
        unsupported_content: content.override.s m s is not the name of a channel
    "#]],
    );
}

#[test]
fn an_override_is_what_its_channel_shows_and_the_rest_stays() {
    let content = json(EVERY_TYPE[18]).expect("a content");
    assert_eq!(content.on("sms"), &Content::text("hi"));
    assert_eq!(content.on("web"), &Content::text("hello"));
    assert_eq!(content.plain(), "hello");
    assert!(!content.hidden() && json(EVERY_TYPE[15]).expect("a content").hidden());
}

#[test]
fn a_form_is_answered_as_it_asks() {
    let input = |name: &str, kind, required| FormField {
        name: name.into(),
        label: name.into(),
        kind,
        required,
        options: Vec::new(),
        pattern: None,
    };
    let mut fields = vec![
        input("name", InputKind::Text, true),
        input("email", InputKind::Email, false),
        input("tel", InputKind::Tel, false),
        input("size", InputKind::Select, false),
        input("day", InputKind::Date, false),
        input("stars", InputKind::Rating, false),
        input("photo", InputKind::File, false),
        input("zip", InputKind::Text, false),
    ];
    fields[3].options = vec!["S".into(), "M".into()];
    fields[7].pattern = Some("[0-9]{6}|none".into());
    let said = |given: &[(&str, &str)]| {
        let submitted: BTreeMap<String, String> =
            given.iter().map(|(name, answer)| ((*name).to_owned(), (*answer).to_owned())).collect();
        answers(&fields, &submitted).map_or_else(|refusal| refusal.to_string(), |()| "ok".to_owned())
    };
    let mut all = String::new();
    for (name, answer) in [
        ("email", "a@b.example"),
        ("email", "a@b"),
        ("email", "a@@b.example"),
        ("tel", "+86 (10) 1234-5678"),
        ("tel", "call me"),
        ("size", "M"),
        ("size", "L"),
        ("day", "2024-02-29"),
        ("day", "2023-02-29"),
        ("day", "2023-2-01"),
        ("day", "一二三年"),
        ("stars", "5"),
        ("stars", "6"),
        ("photo", "at_1"),
        ("photo", "http://x"),
        ("zip", "100000"),
        ("zip", "x100000"),
        ("zip", "none"),
        ("zip", " "),
        ("age", "1"),
    ] {
        all += &format!("{name} = {answer}: {}\n", said(&[("name", "Li"), (name, answer)]));
    }
    all += &format!("nothing: {}\n", said(&[("name", " ")]));
    expect![[r#"
        email = a@b.example: ok
        email = a@b: unsupported_content: content.submitted.email is not an e-mail address, as name@example.com
        email = a@@b.example: unsupported_content: content.submitted.email is not an e-mail address, as name@example.com
        tel = +86 (10) 1234-5678: ok
        tel = call me: unsupported_content: content.submitted.tel is not a phone number, as +86 10 1234 5678
        size = M: ok
        size = L: unsupported_content: content.submitted.size is not one of the options
        day = 2024-02-29: ok
        day = 2023-02-29: unsupported_content: content.submitted.day is not a date, as 2026-01-31
        day = 2023-2-01: unsupported_content: content.submitted.day is not a date, as 2026-01-31
        day = 一二三年: unsupported_content: content.submitted.day is not a date, as 2026-01-31
        stars = 5: ok
        stars = 6: unsupported_content: content.submitted.stars is not a rating from 1 to 5
        photo = at_1: ok
        photo = http://x: unsupported_content: content.submitted.photo is not the id of an attachment, as at_…
        zip = 100000: ok
        zip = x100000: unsupported_content: content.submitted.zip is not written as asked
        zip = none: ok
        zip =  : ok
        age = 1: unsupported_content: content.submitted.age is not an input of this form
        nothing: unsupported_content: content.submitted.name is required: fill it in
    "#]].assert_eq(&all);
}
