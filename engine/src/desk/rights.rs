//! Who may do what at the desk: operation × part × relation, as a table. What is not in it may not be done.

/// Something that may be done at the desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Op {
    Transfer,
    LeaveQueue,
    Watch,
    Whisper,
    BargeIn,
    PauseQueue,
    Consult,
    Complete,
    Withdraw,
    Conference,
    TakeOver,
    ForceAssign,
    Wrap,
    Snooze,
    Rate,
    SeeCustomer,
    MergeCustomer,
    Follow,
    SeeQueue,
    SeeWall,
}

impl Op {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Transfer,
        Self::LeaveQueue,
        Self::Watch,
        Self::Whisper,
        Self::BargeIn,
        Self::PauseQueue,
        Self::Consult,
        Self::Complete,
        Self::Withdraw,
        Self::Conference,
        Self::TakeOver,
        Self::ForceAssign,
        Self::Wrap,
        Self::Snooze,
        Self::Rate,
        Self::SeeCustomer,
        Self::MergeCustomer,
        Self::Follow,
        Self::SeeQueue,
        Self::SeeWall,
    ];
}

/// The part that the asker plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Part {
    Visitor,
    Agent,
    Supervisor,
}

impl Part {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Visitor, Self::Agent, Self::Supervisor];
}

/// How the asker stands to the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// It is the visitor's own, or the agent holds it.
    Own,
    /// The agent is asked to take it over, or is in it as a consultant.
    Asked,
    /// It is somebody else's.
    Other,
    /// It belongs to departments that the supervisor does not look after.
    Elsewhere,
}

impl Relation {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Own, Self::Asked, Self::Other, Self::Elsewhere];
}

/// Everything but what is of departments that are not the supervisor's.
const WITHIN: &[Relation] = &[Relation::Own, Relation::Asked, Relation::Other];

/// (operation, part, relations in which it may).
const RIGHTS: &[(Op, Part, &[Relation])] = &[
    (Op::Transfer, Part::Agent, &[Relation::Own]),
    (Op::LeaveQueue, Part::Visitor, &[Relation::Own]),
    (Op::Watch, Part::Supervisor, WITHIN),
    (Op::Whisper, Part::Supervisor, WITHIN),
    (Op::BargeIn, Part::Supervisor, WITHIN),
    (Op::PauseQueue, Part::Supervisor, WITHIN),
    (Op::Consult, Part::Agent, &[Relation::Own]),
    (Op::Complete, Part::Agent, &[Relation::Own]),
    (Op::Withdraw, Part::Agent, &[Relation::Own, Relation::Asked]),
    (Op::Conference, Part::Agent, &[Relation::Own]),
    (Op::TakeOver, Part::Supervisor, WITHIN),
    (Op::ForceAssign, Part::Supervisor, WITHIN),
    (Op::Wrap, Part::Agent, &[Relation::Own]),
    (Op::Snooze, Part::Agent, &[Relation::Own]),
    (Op::Rate, Part::Visitor, &[Relation::Own]),
    // A customer is nobody's own: it has conversations with many.
    (Op::SeeCustomer, Part::Agent, &[Relation::Other]),
    (Op::SeeCustomer, Part::Supervisor, &[Relation::Other]),
    (Op::MergeCustomer, Part::Agent, &[Relation::Other]),
    (Op::MergeCustomer, Part::Supervisor, &[Relation::Other]),
    // What agents may read they may follow.
    (Op::Follow, Part::Visitor, &[Relation::Own]),
    (Op::Follow, Part::Agent, WITHIN),
    (Op::Follow, Part::Supervisor, WITHIN),
    (Op::SeeQueue, Part::Agent, WITHIN),
    (Op::SeeQueue, Part::Supervisor, WITHIN),
    (Op::SeeWall, Part::Supervisor, WITHIN),
    // Those who have taken one over do with it what agents do.
    (Op::Transfer, Part::Supervisor, &[Relation::Own]),
    (Op::Consult, Part::Supervisor, &[Relation::Own]),
    (Op::Complete, Part::Supervisor, &[Relation::Own]),
    (Op::Withdraw, Part::Supervisor, WITHIN),
    (Op::Conference, Part::Supervisor, &[Relation::Own]),
    (Op::Wrap, Part::Supervisor, &[Relation::Own]),
    (Op::Snooze, Part::Supervisor, &[Relation::Own]),
];

/// True when somebody who plays `part` and stands so to the conversation may do it.
#[must_use]
pub fn may(op: Op, part: Part, relation: Relation) -> bool {
    RIGHTS.iter().any(|(known, by, relations)| *known == op && *by == part && relations.contains(&relation))
}
