//! A calendar of opening hours: when it is open, and how much business time lies between two instants. The rules of all time zones come with
//! the program, so that a replay elsewhere gives the same. It never asks what time it is.
//!
//! It is walked in pieces in which the zone's offset and the day stay the same: there wall clock and time run alike. So an hour that comes twice
//! is open twice, and one that is left out is not open, whatever the openings.

mod calendar;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::time::Time;

pub use calendar::{Calendar, HOLIDAYS_MAX, OPENINGS_MAX};

const DAY_MS: i64 = 86_400_000;
/// How far ahead is looked, milliseconds: ten years. What lies beyond is never.
const HORIZON_MS: i64 = 3_660 * DAY_MS;

/// From when until when on one day, milliseconds since midnight.
type Opening = (i64, i64);

/// Opening hours that can be asked; a [`Calendar`] makes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    zone: TimeZone,
    name: String,
    /// From Monday on; in order, apart from each other.
    week: [Vec<Opening>; 7],
    /// Other hours on these days, which are counted from the Unix epoch; closed when there are none.
    holidays: BTreeMap<i64, Vec<Opening>>,
}

impl Hours {
    /// True when it is open at `at`.
    #[must_use]
    pub fn is_open(&self, at: Time) -> bool {
        self.spans(at, at.after_ms(1)).next().is_some()
    }

    /// When it is open next: `at` itself when it is open then. `None` when it is not within ten years.
    #[must_use]
    pub fn opens(&self, at: Time) -> Option<Time> {
        self.spans(at, at.after_ms(HORIZON_MS)).next().map(|(from, _)| Time::from_ms(from))
    }

    /// Business time between two instants, milliseconds; 0 when `to` is not later. Not more than ten years are looked at.
    #[must_use]
    pub fn ms_between(&self, from: Time, to: Time) -> i64 {
        let end = to.min(from.after_ms(HORIZON_MS));
        self.spans(from, end).map(|(from, to)| to - from).sum()
    }

    /// The earliest instant at which `ms` of business time have passed since `from`. `None` when that is not within ten years.
    #[must_use]
    pub fn after(&self, from: Time, ms: i64) -> Option<Time> {
        let mut left = ms;
        if left <= 0 {
            return Some(from);
        }
        for (from, to) in self.spans(from, from.after_ms(HORIZON_MS)) {
            if left <= to - from {
                return Some(Time::from_ms(from + left));
            }
            left -= to - from;
        }
        None
    }

    /// An instant as people there read it: `2026-11-27 09:00 (Asia/Shanghai)`.
    #[must_use]
    pub fn wording(&self, at: Time) -> String {
        let local = self.zone.to_datetime(instant(at.ms()));
        format!("{} {:02}:{:02} ({})", local.date(), local.hour(), local.minute(), self.name)
    }

    /// When the day of `at` began there: the first instant of its date.
    #[must_use]
    pub fn day_began(&self, at: Time) -> Time {
        let date = self.zone.to_datetime(instant(at.ms())).date();
        let began = self.zone.to_timestamp(date.at(0, 0, 0, 0)).map(Timestamp::as_millisecond);
        Time::from_ms(began.unwrap_or(at.ms()))
    }

    fn spans(&self, from: Time, end: Time) -> Spans<'_> {
        let within = |at: Time| instant(at.ms()).as_millisecond();
        Spans { hours: self, at: within(from), end: within(end), offset_ms: 0, offset_until: i64::MIN }
    }

    fn openings(&self, day: i64) -> &[Opening] {
        // The first day of the epoch was a Thursday.
        let weekday = usize::try_from((day + 3).rem_euclid(7)).expect("below 7");
        self.holidays.get(&day).unwrap_or(&self.week[weekday])
    }
}

/// Open times, in order.
struct Spans<'a> {
    hours: &'a Hours,
    at: i64,
    end: i64,
    offset_ms: i64,
    /// The offset holds before this instant.
    offset_until: i64,
}

impl Iterator for Spans<'_> {
    type Item = (i64, i64);

    fn next(&mut self) -> Option<(i64, i64)> {
        while self.at < self.end {
            if self.at >= self.offset_until {
                self.look_up_offset();
            }
            let local = self.at + self.offset_ms;
            let day = local.div_euclid(DAY_MS);
            let midnight = day * DAY_MS - self.offset_ms;
            let piece_end = (midnight + DAY_MS).min(self.offset_until).min(self.end);
            let left = self.hours.openings(day).iter().find(|(_, to)| midnight + to > self.at);
            let Some((from, to)) = left else {
                self.at = piece_end;
                continue;
            };
            let (from, to) = ((midnight + from).max(self.at), (midnight + to).min(piece_end));
            self.at = to.max(from).min(piece_end);
            if from < to {
                return Some((from, to));
            }
        }
        None
    }
}

impl Spans<'_> {
    fn look_up_offset(&mut self) {
        let at = instant(self.at);
        self.offset_ms = i64::from(self.hours.zone.to_offset(at).seconds()) * 1_000;
        let next = self.hours.zone.following(at).next();
        self.offset_until = next.map_or(i64::MAX, |next| next.timestamp().as_millisecond());
    }
}

/// Times beyond those of the calendar are its first or last.
fn instant(ms: i64) -> Timestamp {
    let bound = if ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_millisecond(ms).unwrap_or(bound)
}

/// The number of a day, counted from the Unix epoch.
fn day_of(date: Date) -> i64 {
    let midnight = TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).unwrap_or(Timestamp::MIN);
    midnight.as_millisecond().div_euclid(DAY_MS)
}
