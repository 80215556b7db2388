//! Interprets the text of a cell. People write numbers with thousands separators, currencies and percent signs, and
//! dates in many notations. This module must never guess: a text that is not clearly a number or a date stays text.

use chrono::{Datelike, NaiveDate, NaiveTime, Timelike};

/// The unit of a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Unit {
    /// No unit is given.
    #[default]
    Plain,
    /// A percentage, kept as written: `12 %` is 12.
    Percent,
    /// An amount of money, with its currency sign.
    Currency(char),
}

impl Unit {
    /// The sign as it is written.
    pub fn sign(self) -> Option<char> {
        match self {
            Unit::Plain => None,
            Unit::Percent => Some('%'),
            Unit::Currency(sign) => Some(sign),
        }
    }
}

/// How a text was interpreted.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Reading {
    /// A number.
    Number(f64, Unit),
    /// A point in time, in days since 1970.
    Date(f64),
    /// A date like `3/4/2024`. Only the other dates of the column can show which number is the month.
    SlashDate(SlashDate),
    /// A boolean.
    Boolean(bool),
    /// None of these.
    Text,
}

/// A date with slashes. The first two numbers are day and month, in an order that is not known yet.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SlashDate {
    first: u32,
    second: u32,
    year: i32,
    time_days: f64,
}

/// The order of day and month in dates with slashes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SlashOrder {
    /// `12/31/2024`.
    MonthFirst,
    /// `31/12/2024`.
    DayFirst,
}

const CURRENCIES: [char; 5] = ['$', '€', '£', '¥', '₹'];
const SECONDS_PER_DAY: f64 = 86_400.0;
/// Longer texts are neither parsed as numbers nor as dates.
const READ_BYTES_MAX: usize = 64;

/// Interprets a text.
pub fn read(text: &str) -> Reading {
    let text = text.trim();
    if text.is_empty() || text.len() > READ_BYTES_MAX {
        return Reading::Text;
    }
    if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("yes") {
        return Reading::Boolean(true);
    }
    if text.eq_ignore_ascii_case("false") || text.eq_ignore_ascii_case("no") {
        return Reading::Boolean(false);
    }
    // fast path: nearly all texts of real sheets contain no digit
    if !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return Reading::Text;
    }
    number(text).map(|(value, unit)| Reading::Number(value, unit)).or_else(|| date(text)).unwrap_or(Reading::Text)
}

/// `1,234.5`, `-3`, `(12)`, `$3`, `3 €`, `12 %`, `1.5e3`.
fn number(text: &str) -> Option<(f64, Unit)> {
    let (text, bracketed) = match text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(inside) => (inside.trim(), -1.0),
        None => (text, 1.0),
    };
    let (text, first_sign) = sign(text);
    let (text, unit) = unit(text)?;
    // `$-3` is valid as well as `-$3`, but only one sign is allowed
    let (text, second_sign) = sign(text);
    let signs = [bracketed, first_sign, second_sign];
    if signs.iter().filter(|sign| **sign < 0.0).count() > 1 {
        return None;
    }
    let value = plain(text)?;
    Some((value * signs.iter().product::<f64>(), unit))
}

fn sign(text: &str) -> (&str, f64) {
    match text.strip_prefix(['-', '−']) {
        Some(rest) => (rest.trim_start(), -1.0),
        None => (text.strip_prefix('+').unwrap_or(text), 1.0),
    }
}

fn unit(text: &str) -> Option<(&str, Unit)> {
    if let Some(rest) = text.strip_suffix('%') {
        return Some((rest.trim_end(), Unit::Percent));
    }
    let first = text.chars().next()?;
    if CURRENCIES.contains(&first) {
        return Some((text.get(first.len_utf8()..)?.trim_start(), Unit::Currency(first)));
    }
    let last = text.chars().next_back()?;
    if CURRENCIES.contains(&last) {
        return Some((text.strip_suffix(last)?.trim_end(), Unit::Currency(last)));
    }
    Some((text, Unit::Plain))
}

/// Digits with an optional decimal point and exponent; commas only as thousands separators.
fn plain(text: &str) -> Option<f64> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let value: f64 = if text.contains(',') {
        let (whole, rest) = match text.find('.') {
            Some(point) => text.split_at(point),
            None => (text, ""),
        };
        let mut groups = whole.split(',');
        let first = groups.next()?;
        let is_digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
        let sound = (1..=3).contains(&first.len()) && is_digits(first);
        if !sound || !groups.all(|group| group.len() == 3 && is_digits(group)) {
            return None;
        }
        format!("{}{rest}", whole.replace(',', "")).parse().ok()?
    } else {
        // `parse` also accepts `infinity` and `nan`, but the text starts with a digit or a point here
        text.parse().ok()?
    };
    value.is_finite().then_some(value)
}

/// ISO dates with or without a time, `31.12.2024`, `12/31/2024`, `31 Dec 2024`, `Dec 31, 2024`.
fn date(text: &str) -> Option<Reading> {
    let (day_text, time_text) = split_time(text);
    let time_days = match time_text {
        Some(time) => time_of_day(time)?,
        None => 0.0,
    };
    let parts = |separator: char| -> Option<[u32; 3]> {
        let numbers: Option<Vec<u32>> = day_text
            .split(separator)
            .map(|part| if part.len() <= 4 && !part.starts_with('+') { part.parse().ok() } else { None })
            .collect();
        numbers?.try_into().ok()
    };
    let iso = |separator| {
        let [year, month, day] = parts(separator).filter(|_| day_text.find(separator) == Some(4))?;
        days(i32::try_from(year).ok()?, month, day, time_days)
    };
    if let Some(day) = iso('-').or_else(|| iso('/')) {
        return Some(Reading::Date(day));
    }
    let has_year_last = |separator| day_text.rsplit(separator).next().is_some_and(|year| year.len() == 4);
    if let Some([day, month, year]) = parts('.').filter(|_| has_year_last('.')) {
        return days(i32::try_from(year).ok()?, month, day, time_days).map(Reading::Date);
    }
    if let Some([first, second, year]) = parts('/').filter(|_| has_year_last('/')) {
        let slash = SlashDate { first, second, year: i32::try_from(year).ok()?, time_days };
        let possible = [SlashOrder::MonthFirst, SlashOrder::DayFirst].iter().any(|order| slash.days(*order).is_some());
        return possible.then_some(Reading::SlashDate(slash));
    }
    named_month(day_text, time_days).map(Reading::Date)
}

/// Splits off the time: the part after the `T`, or after the last space before a `:`.
fn split_time(text: &str) -> (&str, Option<&str>) {
    let Some(colon) = text.find(':') else { return (text, None) };
    let before = text.get(..colon).unwrap_or_default();
    match before.rfind(['T', 't', ' ']) {
        Some(at) => (text.get(..at).unwrap_or_default().trim_end(), text.get(at + 1..)),
        None => (text, None),
    }
}

/// `10:30`, `10:30:05.5`, with `Z` or an offset, which is subtracted.
fn time_of_day(text: &str) -> Option<f64> {
    let text = text.trim();
    let (clock, offset_minutes) = match text.strip_suffix(['Z', 'z']) {
        Some(clock) => (clock, 0.0),
        None => match text.rfind(['+', '-']) {
            Some(at) => {
                let (clock, offset) = text.split_at(at);
                let (hours, minutes) = offset.get(1..)?.split_once(':').unwrap_or((offset.get(1..)?, "0"));
                let minutes = hours.parse::<u8>().ok()? as f64 * 60.0 + minutes.parse::<u8>().ok()? as f64;
                (clock, if offset.starts_with('-') { -minutes } else { minutes })
            }
            None => (text, 0.0),
        },
    };
    let time = ["%H:%M:%S%.f", "%H:%M"].iter().find_map(|form| NaiveTime::parse_from_str(clock, form).ok())?;
    let seconds = f64::from(time.num_seconds_from_midnight()) + f64::from(time.nanosecond()) / 1e9;
    Some((seconds - offset_minutes * 60.0) / SECONDS_PER_DAY)
}

fn named_month(text: &str, time_days: f64) -> Option<f64> {
    let mut words = text.split([' ', ',', '-']).filter(|word| !word.is_empty());
    let (first, second, year) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() || year.len() != 4 {
        return None;
    }
    let (day, month) = if first.starts_with(|c: char| c.is_ascii_digit()) { (first, second) } else { (second, first) };
    days(year.parse().ok()?, month_number(month)?, day.trim_end_matches('.').parse().ok()?, time_days)
}

fn month_number(name: &str) -> Option<u32> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let is_it = |month: &&str| **month == name || (name.len() == 3 && month.starts_with(name.as_str()));
    let at = MONTHS.iter().position(is_it)?;
    u32::try_from(at + 1).ok()
}

fn days(year: i32, month: u32, day: u32, time_days: f64) -> Option<f64> {
    let date = NaiveDate::from_ymd_opt(year, month, day).filter(|_| (1..=9999).contains(&year))?;
    Some(f64::from(date.num_days_from_ce() - EPOCH_DAYS_FROM_CE) + time_days)
}

/// 1970-01-01 in days since the year 1.
const EPOCH_DAYS_FROM_CE: i32 = 719_163;

impl SlashDate {
    /// The point in time, if the date is valid in that order.
    pub fn days(self, order: SlashOrder) -> Option<f64> {
        let (month, day) = match order {
            SlashOrder::MonthFirst => (self.first, self.second),
            SlashOrder::DayFirst => (self.second, self.first),
        };
        days(self.year, month, day, self.time_days)
    }
}

/// Formats a point in time: `2024-01-15`, followed by the time of day unless it is midnight.
pub fn show_date(days: f64) -> String {
    let whole = days.floor();
    // out of range for a date; `read` does not return such values
    let date = NaiveDate::from_num_days_from_ce_opt((whole as i32).saturating_add(EPOCH_DAYS_FROM_CE));
    let date = date.unwrap_or_default();
    let minutes = ((days - whole) * 1_440.0).round() as u32;
    if minutes == 0 {
        return date.format("%Y-%m-%d").to_string();
    }
    // rounding must not produce 24:00
    let minutes = minutes.min(1_439);
    format!("{} {:02}:{:02}", date.format("%Y-%m-%d"), minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        use Unit::{Currency, Percent, Plain};
        for (text, value, unit) in [
            ("12", 12.0, Plain),
            (" 1,234.5 ", 1_234.5, Plain),
            ("1,234,567", 1_234_567.0, Plain),
            ("-3.25", -3.25, Plain),
            ("−3", -3.0, Plain),
            ("(12)", -12.0, Plain),
            ("12 %", 12.0, Percent),
            ("-0.5%", -0.5, Percent),
            ("$3", 3.0, Currency('$')),
            ("-$1,000.50", -1_000.5, Currency('$')),
            ("$-7", -7.0, Currency('$')),
            ("3 €", 3.0, Currency('€')),
            ("1.5e3", 1_500.0, Plain),
            (".5", 0.5, Plain),
        ] {
            assert_eq!(read(text), Reading::Number(value, unit), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_stays_text() {
        let texts =
            ["1,23", "1,2345", "12,34,567", "NaN", "inf", "1e999", "12 apples", "--3", "(-3)", "#DIV/0!", "1.2.3"];
        for text in
            texts.into_iter().chain(["+1 (555) 010-9999", "v2", "1_000", ",100", "9".repeat(400).as_str(), "%", "$"])
        {
            assert_eq!(read(text), Reading::Text, "{text}");
        }
    }

    #[test]
    fn dates_are_read_in_their_common_forms() {
        for text in
            ["2024-01-15", "2024/1/15", "15.1.2024", "15 Jan 2024", "January 15, 2024", "jan. 15 2024", "15-Jan-2024"]
        {
            assert_eq!(read(text), Reading::Date(19_737.0), "{text}");
        }
        assert_eq!(read("2024-01-15T12:00:00Z"), Reading::Date(19_737.5));
        assert_eq!(read("2024-01-15 18:00"), Reading::Date(19_737.75));
        assert_eq!(read("2024-01-15T02:00:00.000+02:00"), Reading::Date(19_737.0));
        for text in ["2024-02-30", "2024-13-01", "15.13.2024", "15/15/2024", "2024-01", "10:30", "15 Foo 2024", "1/2/3"]
        {
            assert_eq!(read(text), Reading::Text, "{text}");
        }
    }

    #[test]
    fn the_company_decides_about_slashes() {
        let Reading::SlashDate(slash) = read("3/4/2024") else { panic!("it is a date") };
        assert_eq!(show_date(slash.days(SlashOrder::MonthFirst).unwrap()), "2024-03-04");
        assert_eq!(show_date(slash.days(SlashOrder::DayFirst).unwrap()), "2024-04-03");
        let Reading::SlashDate(slash) = read("31/12/2024") else { panic!("it is a date") };
        assert_eq!(slash.days(SlashOrder::MonthFirst), None);
    }

    #[test]
    fn a_moment_is_shown_as_it_would_be_read() {
        for text in ["2024-02-29", "1969-12-31", "0001-01-01", "9999-12-31", "2024-01-15 18:30"] {
            let Reading::Date(days) = read(text) else { panic!("{text} is a date") };
            assert_eq!(show_date(days), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,80}") {
            if let Reading::Number(value, _) | Reading::Date(value) = read(&text) {
                proptest::prop_assert!(value.is_finite());
            }
        }

        #[test]
        fn a_number_reads_back(value in -1e15..1e15f64) {
            proptest::prop_assert_eq!(read(&format!("{value:?}")), Reading::Number(value, Unit::Plain));
        }
    }
}
