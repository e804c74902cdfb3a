//! Against a count of every minute, which is slow and has nothing to be wrong with.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::super::tests::Chance;
use super::{Calendar, Hours};
use crate::time::Time;

const MINUTE_MS: i64 = 60_000;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Zones with a time of the year at which something odd happens there: an hour that comes twice or never, half an hour, midnight itself, a
/// day that is left out, and nothing at all.
const ODD: &[(&str, &str)] = &[
    ("America/New_York", "2026-03-08T00:00:00Z"),
    ("America/New_York", "2026-11-01T00:00:00Z"),
    ("Europe/London", "2026-03-29T00:00:00Z"),
    ("Europe/Berlin", "2026-10-25T00:00:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    ("America/Sao_Paulo", "2018-02-18T02:00:00Z"),
    ("America/Sao_Paulo", "2018-11-04T03:00:00Z"),
    ("America/Toronto", "2006-10-29T05:00:00Z"),
    ("America/St_Johns", "2009-11-01T02:31:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
    ("Africa/Casablanca", "2026-02-15T02:00:00Z"),
    ("Asia/Shanghai", "2026-10-01T00:00:00Z"),
    ("Asia/Kathmandu", "2026-06-01T00:00:00Z"),
];

fn ms(text: &str) -> i64 {
    text.parse::<Timestamp>().expect("a time").as_millisecond()
}

fn at(text: &str) -> Time {
    Time::from_ms(ms(text))
}

fn words(of: &[&str]) -> Vec<String> {
    of.iter().map(|word| (*word).to_owned()).collect()
}

fn office(zone: &str, holidays: &[(&str, &[&str])]) -> Hours {
    let day = |day: &str| (day.to_owned(), words(&["09:00-12:00", "13:00-18:00"]));
    let calendar = Calendar {
        zone: zone.into(),
        week: DAYS[..5].iter().map(|name| day(name)).collect(),
        holidays: holidays.iter().map(|(date, open)| ((*date).to_owned(), words(open))).collect(),
    };
    calendar.hours().expect("a good calendar")
}

/// Openings of one day, some touching, some ending with the day.
fn openings(chance: &mut Chance) -> Vec<String> {
    let (mut from, mut found) = (0, Vec::new());
    for _ in 0..chance.below(4) {
        from += [0, 1, 30, 90, 300][chance.below(5)];
        let to = (from + [1, 45, 60, 200, 700][chance.below(5)]).min(1_440);
        if from < to {
            found.push(format!("{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60));
        }
        from = to;
    }
    found
}

/// True when the minute that begins then is open, by the clock on the wall.
fn naive(calendar: &Calendar, zone: &TimeZone, at: i64) -> bool {
    let local = zone.to_datetime(Timestamp::from_millisecond(at).expect("a time"));
    let date = local.date();
    let weekday = usize::try_from(date.weekday().to_monday_zero_offset()).expect("below 7");
    let nothing = Vec::new();
    let of_week = calendar.week.get(DAYS[weekday]).unwrap_or(&nothing);
    let openings = calendar.holidays.get(&date.to_string()).unwrap_or(of_week);
    let now = i64::from(local.hour()) * 60 + i64::from(local.minute());
    let minute = |word: &str| {
        let (hour, minute) = word.split_once(':').expect("hh:mm");
        hour.parse::<i64>().expect("hours") * 60 + minute.parse::<i64>().expect("minutes")
    };
    openings.iter().any(|word| {
        let (from, to) = word.split_once('-').expect("from-to");
        (minute(from)..minute(to)).contains(&now)
    })
}

#[test]
fn every_answer_is_what_a_count_of_the_minutes_gives() {
    let mut chance = Chance(7);
    for round in 0..140 {
        let (name, odd) = ODD[round % ODD.len()];
        let zone = TimeZoneDatabase::bundled().get(name).expect("a zone");
        let mut week: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for day in DAYS.iter().filter(|_| chance.below(5) > 0).collect::<Vec<_>>() {
            week.insert((*day).to_owned(), openings(&mut chance));
        }
        week.insert(DAYS[chance.below(7)].into(), words(&["00:00-00:01"]));
        let near = zone.to_datetime(Timestamp::from_millisecond(ms(odd)).expect("a time")).date();
        let holidays = (0..chance.below(3))
            .map(|_| {
                let days = i32::try_from(chance.below(5)).expect("few") - 2;
                let date = near.checked_add(jiff::Span::new().days(days)).expect("a date");
                (date.to_string(), openings(&mut chance))
            })
            .collect();
        let calendar = Calendar { zone: name.into(), week, holidays };
        let hours = calendar.hours().unwrap_or_else(|flaws| panic!("{calendar:?}: {flaws:?}"));

        // Two days and a half around the odd moment, minute by minute; the transitions are at whole minutes.
        let start = ms(odd) - 36 * 3_600_000;
        let open: Vec<bool> = (0..3_600).map(|n| naive(&calendar, &zone, start + n * MINUTE_MS)).collect();
        let time = |minute: usize| Time::from_ms(start + i64::try_from(minute).expect("small") * MINUTE_MS);
        for _ in 0..60 {
            let (one, other) = (chance.below(open.len()), chance.below(open.len()));
            let (from, to) = (one.min(other), one.max(other));
            assert_eq!(hours.is_open(time(from)), open[from], "{calendar:?} at {:?}", time(from));
            let passed = open[from..to].iter().filter(|open| **open).count();
            let business = i64::try_from(passed).expect("small") * MINUTE_MS;
            assert_eq!(hours.ms_between(time(from), time(to)), business, "{calendar:?} from {from} to {to}");
            let next = (from..open.len()).find(|minute| open[*minute]);
            if let Some(next) = next {
                assert_eq!(hours.opens(time(from)), Some(time(next)), "{calendar:?} after {from}");
            }
            if business > 0 {
                let last = (from..to).rfind(|minute| open[*minute]).expect("one is open");
                let due = hours.after(time(from), business);
                assert_eq!(due, Some(time(last + 1)), "{calendar:?}: {business} ms after {from}");
                // Not only whole minutes.
                let odd_ms = business - 1 - i64::try_from(chance.below(50_000)).expect("small");
                let due = hours.after(time(from), odd_ms).expect("soon");
                assert_eq!(hours.ms_between(time(from), due), odd_ms.max(0));
                assert!(odd_ms <= 0 || hours.is_open(due.after_ms(-1)), "the last millisecond was business");
            }
        }
    }
}

#[test]
fn an_office_is_open_when_it_says_so() {
    let hours = office("Asia/Shanghai", &[("2026-10-01", &[]), ("2026-10-10", &["10:00-11:00"])]);
    // Wednesday evening before the holiday: Friday morning is next.
    assert_eq!(hours.opens(at("2026-09-30T12:00:00Z")), Some(at("2026-10-02T01:00:00Z")));
    assert_eq!(hours.wording(at("2026-10-02T01:00:00Z")), "2026-10-02 09:00 (Asia/Shanghai)");
    // A Saturday that is worked, for an hour.
    assert!(hours.is_open(at("2026-10-10T02:30:00Z")) && !hours.is_open(at("2026-10-10T03:00:00Z")));
    // Two hours from 17:00: one of them is the next day's.
    assert_eq!(hours.after(at("2026-09-29T09:00:00Z"), 7_200_000), Some(at("2026-09-30T02:00:00Z")));
    assert_eq!(hours.ms_between(at("2026-09-28T00:00:00Z"), at("2026-10-05T00:00:00Z")), 4 * 8 * 3_600_000);
    assert_eq!(hours.ms_between(at("2026-09-29T09:00:00Z"), at("2026-09-28T09:00:00Z")), 0);
}

#[test]
fn a_working_night_is_shorter_in_spring_and_longer_in_autumn() {
    let night: BTreeMap<_, _> = DAYS.iter().map(|day| ((*day).to_owned(), words(&["00:00-06:00"]))).collect();
    let calendar = Calendar { zone: "Europe/Berlin".into(), week: night, holidays: BTreeMap::new() };
    let hours = calendar.hours().expect("a good calendar");
    let day = |from: &str, to: &str| hours.ms_between(at(from), at(to)) / 3_600_000;
    assert_eq!(day("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"), 5);
    assert_eq!(day("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"), 7);
}

#[test]
fn everything_wrong_is_told_with_its_place() {
    let mut calendar = Calendar { zone: "Asia/Beijing".into(), ..Calendar::default() };
    let week = [
        ("mon", words(&["09:00-18:00", "17:59-20:00"])),
        ("tue", words(&["18:00-09:00", "9-18", "08:60-09:00", "00:00-24:00"])),
        ("wednesday", words(&[])),
    ];
    calendar.week = week.into_iter().map(|(day, open)| (day.to_owned(), open)).collect();
    calendar.holidays =
        [("2026-02-29".to_owned(), words(&[])), ("2026-10-01".to_owned(), words(&["x"]))].into();
    let flaws = calendar.hours().expect_err("nearly everything is wrong");
    let places: Vec<&str> = flaws.iter().map(|(at, _)| at.as_str()).collect();
    assert_eq!(
        places,
        [
            "zone",
            "week.mon[1]",
            "week.tue[0]",
            "week.tue[1]",
            "week.tue[2]",
            "week.wednesday",
            "holidays.2026-02-29",
            "holidays.2026-10-01[0]"
        ]
    );
    let never = Calendar { zone: "UTC".into(), ..Calendar::default() };
    assert_eq!(never.hours().expect_err("it never opens")[0].0, "week");
}

#[test]
fn what_is_not_within_ten_years_is_never() {
    let mut calendar = Calendar { zone: "UTC".into(), ..Calendar::default() };
    calendar.week.insert("mon".into(), words(&["09:00-09:01"]));
    let hours = calendar.hours().expect("a good calendar");
    assert_eq!(hours.after(at("2026-01-01T00:00:00Z"), 604_800_000), None);
    let far = Time::from_ms(i64::MAX);
    assert_eq!((hours.opens(far), hours.ms_between(Time::from_ms(0), far) > 0), (None, true));
}

#[test]
fn a_day_begins_at_its_first_instant_also_where_midnight_is_left_out() {
    let began = |zone: &str, at: &str| {
        let week = [("mon".to_owned(), vec!["09:00-10:00".to_owned()])].into();
        let hours = Calendar { zone: zone.into(), week, ..Calendar::default() }.hours().expect("a calendar");
        let at: jiff::Timestamp = at.parse().expect("an instant");
        let began = hours.day_began(Time::from_ms(at.as_millisecond()));
        jiff::Timestamp::from_millisecond(began.ms()).expect("an instant").to_string()
    };
    assert_eq!(began("Asia/Shanghai", "2026-11-26T15:59:00Z"), "2026-11-25T16:00:00Z");
    assert_eq!(began("Asia/Shanghai", "2026-11-26T16:00:00Z"), "2026-11-26T16:00:00Z");
    // On this day clocks went from midnight to one.
    assert_eq!(began("America/Santiago", "2025-09-07T12:00:00Z"), "2025-09-07T04:00:00Z");
}
