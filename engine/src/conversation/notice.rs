//! What the system itself says to the people in a conversation, in the visitor's language.

use super::{Author, Opening, Said, Visibility};
use crate::content::Content;
use crate::time::Time;
use crate::voice::Understanding;

/// Something to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Nobody is there; the visitor may wait until then.
    Closed {
        /// When the queue opens, in words.
        opens: String,
    },
    /// Nobody is there; what the visitor writes is kept and answered after that.
    Kept {
        /// When the queue opens, in words.
        opens: String,
    },
    /// The visitor has said nothing for a while.
    IdleVisitor,
    /// The visitor has said nothing for so long that the conversation ends.
    IdleClosed,
    /// The agent owes an answer; the visitor does not read it.
    IdleAgent,
}

impl Notice {
    /// The message.
    #[must_use]
    pub fn said(&self, opening: &Opening, at: Time) -> Said {
        let (zh, en) = self.words();
        let text = if opening.language.starts_with("zh") { zh } else { en };
        Said {
            author: Author::system(),
            key: None,
            content: Content::text(text),
            visibility: self.visibility(),
            reply_to: None,
            at,
            understanding: Understanding::default(),
        }
    }

    fn visibility(&self) -> Visibility {
        match self {
            Self::Closed { .. } | Self::Kept { .. } | Self::IdleVisitor | Self::IdleClosed => {
                Visibility::Public
            }
            Self::IdleAgent => Visibility::Internal,
        }
    }

    /// In Chinese and in English.
    fn words(&self) -> (String, String) {
        match self {
            Self::Closed { opens } => (
                format!("现在不是服务时间，人工客服将于 {opens} 开始服务。您可以继续等候。"),
                format!("We are closed now and open at {opens}. You are welcome to wait."),
            ),
            Self::Kept { opens } => (
                format!("现在不是服务时间，您的留言已保存，我们会在 {opens} 之后回复您。"),
                format!("We are closed now. Your message is kept; we will answer after {opens}."),
            ),
            Self::IdleVisitor => (
                "您还在吗？如果没有其他问题，本次会话稍后将自动结束。".to_owned(),
                "Are you still there? Without a word from you this conversation will end soon.".to_owned(),
            ),
            Self::IdleClosed => (
                "由于您长时间没有回复，本次会话已结束。您可以随时再来咨询。".to_owned(),
                "We have not heard from you, so this conversation has ended. You are welcome back any time."
                    .to_owned(),
            ),
            Self::IdleAgent => {
                ("访客正在等待您的回复。".to_owned(), "The visitor is waiting for your answer.".to_owned())
            }
        }
    }
}
