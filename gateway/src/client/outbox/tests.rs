use super::*;

const SAY: &str = "message.send";

/// An outbox driven by hand: every frame that leaves is a line of the transcript.
struct Desk {
    outbox: Outbox,
    now: Instant,
    chance: Chance,
    answers: Vec<(String, oneshot::Receiver<Answer>)>,
}

impl Desk {
    fn new() -> Self {
        let now = Instant::now();
        let mut outbox = Outbox::new("pad".into());
        outbox.begin(4, None, now);
        Self { outbox, now, chance: Chance::new(1), answers: Vec::new() }
    }

    fn ask(&mut self, method: &'static str, cv: &str, text: &str, key: Key, patience: Patience) {
        let (asker, answer) = oneshot::channel();
        self.answers.push((text.to_owned(), answer));
        let ask =
            Ask { method, cv: Some(cv.into()), key, d: json!(text), patience, asker: Asker::Owner(asker) };
        self.outbox.push(ask);
    }

    fn say(&mut self, cv: &str, text: &str) {
        self.ask(SAY, cv, text, Key::Message, Patience::Endless);
    }

    fn leaves(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.outbox.next(self.now))
            .map(|frame| {
                let text = |field: &str| frame[field].as_str().unwrap_or("-").to_owned();
                format!("{} {} {} {}", frame["id"], text("key"), text("cv"), text("d"))
            })
            .collect()
    }

    fn answered(&mut self, id: u64, answer: Result<Value, Refused>) {
        if let Some(settled) = self.outbox.answer(id, answer, self.now, &mut self.chance) {
            tell(settled);
        }
    }

    fn answer_to(&mut self, text: &str) -> Option<Answer> {
        let (_, answer) = self.answers.iter_mut().find(|(of, _)| of == text).expect("it was asked");
        answer.try_recv().ok()
    }
}

fn tell(settled: Settled) {
    let Asker::Owner(asker) = settled.asker else { return };
    let answer = settled.answer.map(|d| (d, settled.key.unwrap_or_default()));
    asker.send(answer).expect("the test listens");
}

fn refused(code: &str, retry: bool, retry_after_ms: Option<u64>) -> Result<Value, Refused> {
    Err(Refused { code: code.into(), msg: String::new(), retry, retry_after_ms, field: None })
}

#[tokio::test]
async fn one_message_of_a_conversation_is_on_its_way_and_keys_are_dense() {
    let mut desk = Desk::new();
    desk.say("cv_a", "one");
    desk.say("cv_a", "two");
    desk.say("cv_b", "other");
    assert_eq!(desk.leaves(), ["1 pad.1 cv_a one", "2 pad.1 cv_b other"]);
    desk.answered(1, Ok(json!({})));
    assert_eq!(desk.leaves(), ["3 pad.2 cv_a two"]);
    assert_eq!(desk.answer_to("one"), Some(Ok((json!({}), "pad.1".into()))));
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_with_the_same_key_before_what_follows() {
    let mut desk = Desk::new();
    desk.say("cv_a", "one");
    desk.say("cv_a", "two");
    desk.ask("typing.test", "cv_a", "once", Key::None, Patience::None);
    assert_eq!(desk.leaves(), ["1 pad.1 cv_a one", "2 - cv_a once"]);
    let told = desk.outbox.lost(&ClientError::Lost("cable".into()));
    told.into_iter().for_each(tell);
    assert!(matches!(desk.answer_to("once"), Some(Err(ClientError::Lost(_)))));
    assert_eq!(desk.leaves(), ["3 pad.1 cv_a one"]);
    desk.answered(1, Ok(json!("an answer to the dead request")));
    assert_eq!(desk.answer_to("one"), None);
    desk.answered(3, Ok(json!({ "dup": true })));
    assert_eq!(desk.leaves(), ["4 pad.2 cv_a two"]);
}

#[tokio::test]
async fn rate_limited_waits_as_told_and_nothing_else_leaves_meanwhile() {
    let mut desk = Desk::new();
    desk.say("cv_a", "one");
    desk.leaves();
    desk.answered(1, refused("rate_limited", true, Some(200)));
    desk.say("cv_b", "other");
    assert!(desk.leaves().is_empty());
    assert_eq!(desk.outbox.due(desk.now), Some(desk.now + Duration::from_millis(200)));
    desk.now += Duration::from_millis(200);
    assert_eq!(desk.leaves(), ["2 pad.1 cv_a one", "3 pad.1 cv_b other"]);
}

#[tokio::test]
async fn a_definite_refusal_frees_its_key_for_the_next_message() {
    let mut desk = Desk::new();
    desk.say("cv_a", "one");
    desk.say("cv_a", "two");
    desk.leaves();
    desk.answered(1, refused("not_assigned", false, None));
    assert_eq!(desk.answer_to("one").expect("answered").expect_err("refused").code(), Some("not_assigned"));
    assert_eq!(desk.leaves(), ["2 pad.1 cv_a two"]);
}

#[tokio::test]
async fn a_pace_is_kept_and_tells_when_to_look_again() {
    let mut desk = Desk::new();
    desk.outbox.begin(32, Some(Rate { per_s: 10.0, burst: 2.0 }), desk.now);
    for cv in ["cv_a", "cv_b", "cv_c"] {
        desk.say(cv, "x");
    }
    assert_eq!(desk.leaves().len(), 1, "90 % of a burst of 2");
    let due = desk.outbox.due(desk.now).expect("more waits");
    desk.now = due;
    assert_eq!(desk.leaves().len(), 1);
}

#[tokio::test]
async fn what_is_on_its_way_is_bounded_and_the_end_tells_everybody() {
    let mut desk = Desk::new();
    for n in 0..6 {
        desk.say(&format!("cv_{n}"), &format!("text {n}"));
    }
    assert_eq!(desk.leaves().len(), 4);
    desk.outbox.end(&ClientError::Stopped).into_iter().for_each(tell);
    for n in 0..6 {
        assert_eq!(desk.answer_to(&format!("text {n}")), Some(Err(ClientError::Stopped)));
    }
}
