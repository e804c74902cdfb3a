//! Bodies as version 0.1.0 journalled and sent them: they are read for ever. Written down once, never to be changed.

/// (`MessagePack` in hex, JSON) of one content of every type that there was.
pub(super) const FIRST: &[(&str, &str)] = &[
    (
        "82a474797065a474657874a474657874b2e6808ee4b988e98080e8b4a73f20f09f9982",
        r#"{"type":"text","text":"怎么退货? 🙂"}"#,
    ),
    (
        "88a474797065a5696d616765a3616c74a7612070686f746fa375726cb768747470733a2f2f612e6578616d706c652f312e706e67a46d696d65a9696d6167652f706e67a56279746573ce0001e240a46e616d65a7e4b8802e706e67a177cd0280a168cd01e0",
        r#"{"type":"image","alt":"a photo","url":"https://a.example/1.png","mime":"image/png","bytes":123456,"name":"一.png","w":640,"h":480}"#,
    ),
    (
        "88a474797065a466696c65a3616c74a6612066696c65a375726cb768747470733a2f2f612e6578616d706c652f312e706e67a46d696d65a9696d6167652f706e67a56279746573ce0001e240a46e616d65a7e4b8802e706e67a177cd0280a168cd01e0",
        r#"{"type":"file","alt":"a file","url":"https://a.example/1.png","mime":"image/png","bytes":123456,"name":"一.png","w":640,"h":480}"#,
    ),
    (
        "87a474797065a5617564696fa3616c74a76120766f696365a375726ca82f66696c65732f76a46d696d65aa617564696f2f6d706567a5627974657301a46e616d65a5762e6d7033a66475725f6d73cd05dc",
        r#"{"type":"audio","alt":"a voice","url":"/files/v","mime":"audio/mpeg","bytes":1,"name":"v.mp3","dur_ms":1500}"#,
    ),
    (
        "88a474797065a5766964656fa3616c74a6612066696c6da375726cb768747470733a2f2f612e6578616d706c652f312e706e67a46d696d65a9696d6167652f706e67a56279746573ce0001e240a46e616d65a7e4b8802e706e67a177cd0280a168cd01e0",
        r#"{"type":"video","alt":"a film","url":"https://a.example/1.png","mime":"image/png","bytes":123456,"name":"一.png","w":640,"h":480}"#,
    ),
    (
        "86a474797065a86c6f636174696f6ea3616c74a468657265a36c6174cb403f400000000000a36c6e67cbc05e600000000000a56c6162656ca442756e64a761646472657373a63120526f6164",
        r#"{"type":"location","alt":"here","lat":31.25,"lng":-121.5,"label":"Bund","address":"1 Road"}"#,
    ),
    (
        "8ba474797065a463617264a3616c74a76f726465722031a776617269616e74a56f72646572a57469746c65a74f726465722031a87375627469746c65aa74776f20736869727473a5696d616765b768747470733a2f2f612e6578616d706c652f312e706e67a66669656c64739182a56c6162656ca24e6fa576616c7565a131a5707269636582ac616d6f756e745f6d696e6f72d1f831a863757272656e6379a3434e59a6737461747573a473656e74a7616374696f6e739184a26964a26131a46b696e64b06c6f636174696f6e5f72657175657374a56c6162656ca55768657265a576616c7565a57768657265a372656682a673797374656da36f6d73a26964a131",
        r#"{"type":"card","alt":"order 1","variant":"order","title":"Order 1","subtitle":"two shirts","image":"https://a.example/1.png","fields":[{"label":"No","value":"1"}],"price":{"amount_minor":-1999,"currency":"CNY"},"status":"sent","actions":[{"id":"a1","kind":"location_request","label":"Where","value":"where"}],"ref":{"system":"oms","id":"1"}}"#,
    ),
    (
        "85a474797065a763686f69636573a3616c74a57768696368a474657874a657686963683fa76f7074696f6e739283a26964a131a56c6162656ca34f6e65a576616c7565a36f6e6582a26964a132a56c6162656ca354776fa56d756c7469c3",
        r#"{"type":"choices","alt":"which","text":"Which?","options":[{"id":"1","label":"One","value":"one"},{"id":"2","label":"Two"}],"multi":true}"#,
    ),
    (
        "83a474797065a4666f726da3616c74a66120666f726da66669656c64739285a46e616d65a5656d61696ca56c6162656ca6452d6d61696ca46b696e64a5656d61696ca87265717569726564c3a76f7074696f6e739085a46e616d65a473697a65a56c6162656ca453697a65a46b696e64a673656c656374a87265717569726564c2a76f7074696f6e7392a153a14d",
        r#"{"type":"form","alt":"a form","fields":[{"name":"email","label":"E-mail","kind":"email","required":true,"options":[]},{"name":"size","label":"Size","kind":"select","required":false,"options":["S","M"]}]}"#,
    ),
    (
        "84a474797065a673797374656da3616c74a66a6f696e6564a56576656e74ac6167656e742e6a6f696e6564a6706172616d739182a56c6162656ca46e616d65a576616c7565a34d6569",
        r#"{"type":"system","alt":"joined","event":"agent.joined","params":[{"label":"name","value":"Mei"}]}"#,
    ),
    (
        "84a474797065a6637573746f6da3616c74a6637573746f6da6736368656d61b868747470733a2f2f612e6578616d706c652f736368656d61a464617461a77b2261223a317d",
        r#"{"type":"custom","alt":"custom","schema":"https://a.example/schema","data":"{\"a\":1}"}"#,
    ),
];

/// (text, digest) as a conversation's dedupe window holds it.
pub(super) const DIGESTS: &[(&str, u64)] =
    &[("a", 0x181a_85df_d65f_99d2), ("怎么退货? 🙂", 0x3f2c_add8_29af_3d56)];
