//! A calendar as people write it, and everything that can be wrong with one.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZoneDatabase;

use super::{Hours, Opening, day_of};

/// Openings of one day.
pub const OPENINGS_MAX: usize = 8;
/// Holidays of one calendar.
pub const HOLIDAYS_MAX: usize = 400;

const MINUTE_MS: i64 = 60_000;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Opening hours in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    /// The time zone's name in the IANA database: `Asia/Shanghai`.
    pub zone: String,
    /// `mon` … `sun` -> `["09:00-12:00", "13:00-18:00"]`; closed on days that are not named.
    pub week: BTreeMap<String, Vec<String>>,
    /// `2026-10-01` -> other hours on this day; closed when there are none.
    pub holidays: BTreeMap<String, Vec<String>>,
}

/// What is wrong: where in the calendar, and what would be right.
type Flaws = Vec<(String, String)>;

impl Calendar {
    /// The hours that it says.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its place: `week.mon[1]`.
    pub fn hours(&self) -> Result<Hours, Flaws> {
        let mut flaws = Flaws::new();
        let zone = TimeZoneDatabase::bundled().get(&self.zone);
        if zone.is_err() {
            let what = format!("{:?} is not a time zone; one is for instance Asia/Shanghai", self.zone);
            flaws.push(("zone".into(), what));
        }
        let mut week: [Vec<Opening>; 7] = Default::default();
        for (day, words) in &self.week {
            let at = format!("week.{day}");
            match DAYS.iter().position(|known| known == day) {
                Some(place) => week[place] = openings(&at, words, &mut flaws),
                None => flaws.push((at, format!("a day is one of: {}", DAYS.join(", ")))),
            }
        }
        if flaws.is_empty() && week.iter().all(Vec::is_empty) {
            flaws.push(("week".into(), "it is open on one day of the week at least".into()));
        }
        if self.holidays.len() > HOLIDAYS_MAX {
            flaws.push(("holidays".into(), format!("at most {HOLIDAYS_MAX}")));
        }
        let mut holidays = BTreeMap::new();
        for (date, words) in self.holidays.iter().take(HOLIDAYS_MAX) {
            let at = format!("holidays.{date}");
            // The short form only: two words for one day would be two holidays.
            match date.parse::<Date>().ok().filter(|known| known.to_string() == *date) {
                Some(known) => {
                    holidays.insert(day_of(known), openings(&at, words, &mut flaws));
                }
                None => flaws.push((at, "a date, for instance 2026-10-01".into())),
            }
        }
        match (zone, flaws.is_empty()) {
            (Ok(zone), true) => Ok(Hours { zone, name: self.zone.clone(), week, holidays }),
            (Ok(_) | Err(_), _) => Err(flaws),
        }
    }
}

fn openings(at: &str, words: &[String], flaws: &mut Flaws) -> Vec<Opening> {
    if words.len() > OPENINGS_MAX {
        flaws.push((at.to_owned(), format!("at most {OPENINGS_MAX} times a day")));
        return Vec::new();
    }
    let mut found: Vec<(Opening, usize)> = Vec::with_capacity(words.len());
    for (place, word) in words.iter().enumerate() {
        let mut wrong = |what: &str| flaws.push((format!("{at}[{place}]"), format!("{word:?}: {what}")));
        match opening(word) {
            None => wrong("from when until when, for instance 09:00-18:00"),
            Some((from, to)) if to <= from => {
                wrong("it ends before it begins; a night is two openings, until 24:00 and from 00:00");
            }
            Some(opening) => found.push((opening, place)),
        }
    }
    found.sort_unstable();
    for pair in found.windows(2) {
        if pair[1].0.0 < pair[0].0.1 {
            let what = format!("{:?} overlaps {:?}", words[pair[1].1], words[pair[0].1]);
            flaws.push((format!("{at}[{}]", pair[1].1), what));
        }
    }
    found.into_iter().map(|(opening, _)| opening).collect()
}

/// `09:00-18:00`; `24:00` is the day's end.
fn opening(word: &str) -> Option<Opening> {
    let (from, to) = word.split_once('-')?;
    Some((minute(from)?, minute(to)?))
}

fn minute(word: &str) -> Option<i64> {
    let (hour, minute) = word.split_once(':')?;
    let two = |digits: &str| digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = |digits: &str| digits.parse::<i64>().ok().filter(|_| two(digits));
    let (hour, minute) = (number(hour)?, number(minute)?);
    (hour < 24 && minute < 60 || (hour, minute) == (24, 0)).then_some((hour * 60 + minute) * MINUTE_MS)
}
