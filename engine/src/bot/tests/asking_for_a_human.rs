//! Who asks for a human, and who only speaks of one.

use crate::bot::asks_for_human;

const ASKS: &str = "
转人工
我要转人工
人工
人工客服
ＺＨ：转人工！！
找人工
真人
人工服务 您好 在吗
是人工吗
能不能转人工
可以帮我转一下人工客服吗
我想找真人客服聊
叫你们经理来
不要机器人，换真人
我不想跟机器人说话
轉人工
我这个订单的手机号打不通，因为手机被偷了， 我要转人工
没有人工吗
human
Agent please
HUMAN!!!
representative
customer service
talk to a person
I want to talk to a real person
can I speak with someone please?
Let me speak to your manager
get me a representative!!
is there a human I can talk to
I’d like to chat with a live agent
I don't want to talk to a bot
no bots please, real human
please transfer me to someone
can you put me through to an operator
could I talk to someone about my refund
I want to escalate this to a supervisor
";

const SPEAKS_OF: &str = "
不用人工了
不用转人工了谢谢
别转人工
我不需要人工客服
人工智能是什么
人工客服几点上班
安装要人工费吗
客服电话是多少
这个客服态度真差
经理给我打过电话了
之前联系客服说可以退
客服说明天发货
怎么退货
I don't need an agent
what is a travel agent
no need for a human, thanks
my travel agent booked it
is the agent fee refundable
I want a human hair wig
the person at the door took my parcel
I need someone to sign for it
do not transfer me to an agent
I already talked to your agent and he was rude
your customer service is terrible
who is your supervisor
I made a transfer to someone
do I have to talk to someone to close my account
I don't want to speak to anyone
which agent handled my order
the agent said it would arrive today
where is my order
";

#[test]
fn a_request_for_a_human_is_recognised_and_a_mention_is_not() {
    for text in ASKS.trim().lines() {
        assert!(asks_for_human(text), "{text:?} asks for a human");
    }
    for text in SPEAKS_OF.trim().lines() {
        assert!(!asks_for_human(text), "{text:?} does not ask for a human");
    }
    assert!(!asks_for_human(""));
}
