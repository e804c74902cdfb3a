//! How fast a queue is served, so that whoever waits can be told for how long still. Only what happened counts, never settings.

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// One eighth of every new time enters the mean.
const GAIN: i64 = 8;
/// A night in which nobody was served is no slower than this, milliseconds.
const GAP_MS_MAX: i64 = 3_600_000;

/// The mean time between two services while somebody waits.
///
/// Who has n − 1 before it waits until n services have begun, n / (s µ) with s agents who end µ conversations in a unit of time: the
/// queue-length estimator of Whitt, *Predicting Queueing Delays*, Management Science 45 (1999), which Ibrahim and Whitt, *Real-Time Delay
/// Estimation Based on Delay History*, M&SOM 11 (2009), find the most accurate where s µ is known. Here 1 / (s µ) is the time between two
/// services, smoothed as Jacobson, *Congestion Avoidance and Control*, SIGCOMM 1988, smooths round trips: in integers, with a gain of 1/8,
/// the first time taken as it is. A time counts only when somebody waited all through it: an idle agent says nothing of how fast a queue
/// moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pace {
    /// [`GAIN`] times the mean, milliseconds.
    scaled: Option<i64>,
    /// The last service, when somebody has waited ever since.
    last: Option<Time>,
}

impl Pace {
    /// Somebody was served; `more` still wait.
    pub(super) fn served(&mut self, at: Time, more: bool) {
        if let Some(last) = self.last {
            let gap = at.ms_since(last).clamp(0, GAP_MS_MAX);
            self.scaled = Some(self.scaled.map_or(gap * GAIN, |scaled| scaled + gap - scaled / GAIN));
        }
        self.last = more.then_some(at);
    }

    /// What passes now says nothing of how fast the queue is: nobody waits, or nothing is assigned.
    pub(super) fn broken(&mut self) {
        self.last = None;
    }

    /// For how long the one in the `place`th place waits still, milliseconds; `None` while nothing is known.
    pub(super) fn expected_ms(&self, place: usize) -> Option<i64> {
        let place = i64::try_from(place).unwrap_or(i64::MAX);
        self.scaled.map(|scaled| scaled.saturating_mul(place) / GAIN)
    }
}
