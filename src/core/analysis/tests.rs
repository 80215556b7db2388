//! Analyses of small sheets whose figures were computed by hand, and of random sheets compared with a naive model.

use std::sync::Arc;

use proptest::prelude::*;

use super::{report::*, *};
use crate::core::sheet::CellRef;

/// Parses a sheet written as CSV with `|`. Fields that look like numbers become numbers.
fn sheet(text: &str) -> Vec<Datum> {
    let mut data = Vec::new();
    for (row, line) in (0..).zip(text.trim().lines()) {
        for (column, cell) in (0..).zip(line.split('|')) {
            let cell = cell.trim();
            let value = match cell.parse::<f64>() {
                Ok(number) => Value::Number(number),
                Err(_) => Value::Text(cell.into()),
            };
            data.push(Datum { at: CellRef { row, column }, value });
        }
    }
    data
}

fn analyse(cells: Vec<Datum>, query: &str) -> Report {
    let mut analysis = Analysis::new(cells, Extent::Whole, query);
    let mut last = 0;
    while let Step::More { percent, .. } = analysis.step() {
        assert!(percent >= last && percent < 100, "{percent} after {last}");
        last = percent;
    }
    analysis.finish()
}

const SALES: &str = "
Date|Region|Units|Price|Paid
2024-01-01|North|10|$2.50|yes
2024-01-02|South|12|$3.00|no
2024-01-03|North|14|$3.50|yes
2024-01-04|North|16|$4.00|yes
2024-01-05|South|18|$4.50|no
2024-01-06|North|20|$5.00|yes
2024-01-07|South|22|$5.50|yes
2024-01-11|North|30|$1,000.00|yes
";

#[test]
fn a_table_is_recognised_with_its_names_and_kinds() {
    let report = analyse(sheet(SALES), "what is in here?");
    let facts = &report.findings.table;
    assert_eq!(facts.range.as_deref(), Some("A1:E9"));
    assert_eq!((facts.rows, facts.columns, facts.header_row, facts.cells), (8, 5, Some(1), 45));
    let kinds: Vec<_> = report.findings.columns.iter().map(|column| (column.name.as_deref(), column.kind)).collect();
    let expected = [
        (Some("Date"), ColumnKind::Date),
        (Some("Region"), ColumnKind::Text),
        (Some("Units"), ColumnKind::Number),
        (Some("Price"), ColumnKind::Number),
        (Some("Paid"), ColumnKind::Boolean),
    ];
    assert_eq!(kinds, expected);
    assert!(report.result.contains("A1:E9: 8 rows by 5 columns, with names in row 1."), "{}", report.result);
}

#[test]
fn the_figures_are_those_computed_by_hand() {
    let findings = analyse(sheet(SALES), "").findings;
    let units = findings.columns[2].number.as_ref().unwrap();
    // 10+12+14+16+18+20+22+30 = 142; 142/8 = 17.75; the middle two are 16 and 18
    assert_eq!((units.sum, units.mean, units.median), (Some(142.0), Some(17.75), Some(17.0)));
    assert_eq!((units.lower_quartile, units.upper_quartile), (Some(13.5), Some(20.5)));
    assert_eq!((units.min.cell.as_str(), units.max.cell.as_str()), ("C2", "C9"));
    // squares of the differences from 17.75 add up to 283.5
    assert!((units.standard_deviation.unwrap() - (283.5f64 / 7.0).sqrt()).abs() < 1e-12);
    let outliers = units.outliers.as_ref().unwrap();
    assert_eq!((outliers.low, outliers.high, outliers.count), (3.0, 31.0, 0));
    // over the days 0..6 and 10 the line is exact: 10 + 2 a day
    let trend = units.trend.as_ref().unwrap();
    assert_eq!((trend.per, trend.of.as_deref(), trend.count), (Per::Day, Some("A"), 8));
    assert!((trend.slope - 2.0).abs() < 1e-9 && (trend.r_squared - 1.0).abs() < 1e-9);

    let price = findings.columns[3].number.as_ref().unwrap();
    assert_eq!((price.unit, price.mixed_units, price.sum), (Some('$'), false, Some(1_028.0)));
    let far = price.outliers.as_ref().unwrap();
    assert_eq!((far.rule, far.count, far.cells[0].cell.as_str()), (OutlierRule::Tukey, 1, "D9"));

    let dates = findings.columns[0].date.as_ref().unwrap();
    assert_eq!((dates.earliest.as_str(), dates.latest.as_str(), dates.span_days), ("2024-01-01", "2024-01-11", 10.0));
    assert_eq!((dates.usual_step_days, dates.gap_count), (Some(1.0), 1));
    assert_eq!(dates.gaps[0], Gap { from: "2024-01-07".into(), to: "2024-01-11".into(), days: 4.0 });
    assert_eq!(findings.columns[4].boolean, Some(BooleanFacts { yes: 6, no: 2 }));
    let top = &findings.columns[1].text.as_ref().unwrap().top;
    assert_eq!(top[0], Frequent { value: "North".into(), count: 5 });
}

#[test]
fn the_question_decides_what_comes_first() {
    for (query, first) in [
        ("What is the total of units?", "The sum of “Units” (C) is 142."),
        ("average price please", "The average of “Price” (D) is $128.5."),
        ("highest unit", "The highest “Units” (C) is 30 in C9."),
        (
            "is there a trend in column C?",
            "“Units” (C) rises by about 2 per day (by column A); a straight line explains 100 % of its variance.",
        ),
        ("any gaps?", "“Date” (A) has 1 gap; the longest is 4 days, from 2024-01-07 to 2024-01-11, where 1 is usual."),
        ("how many rows", "8 rows in use."),
        ("duplicates?", "No row repeats another one."),
        ("latest date", "The latest “Date” (A) is 2024-01-11."),
    ] {
        let report = analyse(sheet(SALES), query);
        assert_eq!(report.result.lines().next(), Some(first), "{query}: {}", report.result);
    }
    let asked = analyse(sheet(SALES), "Sum and mean of Units").findings.question;
    assert_eq!((asked.topics, asked.columns), (vec!["sum", "mean"], vec!["C".to_owned()]));
}

#[test]
fn what_can_not_be_done_is_said() {
    let report = analyse(sheet(SALES), "forecast next month and draw a chart");
    assert!(report.result.contains("I can't forecast or draw charts"), "{}", report.result);
    assert_eq!(report.findings.question.not_possible, ["forecast", "draw charts"]);
    let vague = analyse(sheet(SALES), "hello").result;
    assert!(vague.contains("names no figure that I know"), "{vague}");
    let texts = analyse(sheet("a|b\nc|d\ne|f\ng|h"), "sum").result;
    assert!(texts.starts_with("There are no numbers to compute the sum of."), "{texts}");
    assert!(capabilities().contains("sheet_id"));
}

const REGIONS: &str = "
Region|Revenue|Date
North|100|2024-01-01
South|200|2024-01-02
North|300|2024-01-03
West|220|2024-01-04
";

#[test]
fn a_column_that_is_not_there_is_said() {
    for (query, name) in [
        ("What is the total Cost?", "column “Cost”"),
        ("sum of column D", "column D"),
        ("average of all the taxes", "column “taxes”"),
        ("total revenue by month", "column “month”"),
    ] {
        let report = analyse(sheet(REGIONS), query);
        let first = report.result.lines().next().unwrap();
        let there = "the columns are “Region” (A), “Revenue” (B) and “Date” (C).";
        assert_eq!(first, format!("There is no {name}; {there}"), "{query}");
        assert!(report.findings.question.not_possible.contains(&format!("find a {name}").into()), "{query}");
        let is_of_others = query.contains("revenue");
        assert_eq!(report.result.contains("The sum of"), is_of_others, "{query}: {}", report.result);
    }
    for query in [
        "sum",
        "What is the total?",
        "highest revenue ever",
        "trend over time",
        "the total of the rows",
        "outliers please",
    ] {
        let report = analyse(sheet(REGIONS), query);
        assert!(!report.result.contains("There is no column"), "{query}: {}", report.result);
    }
}

#[test]
fn groups_are_computed() {
    for (query, first) in [
        (
            "average revenue by region",
            "The average of “Revenue” (B) by “Region” (A): North 200, West 220 and South 200.",
        ),
        ("sum of revenue per region", "The sum of “Revenue” (B) by “Region” (A): North 400, West 220 and South 200."),
        (
            "highest revenue for each region",
            "The highest value of “Revenue” (B) by “Region” (A): North 300, West 220 and South 200.",
        ),
        ("how many rows by region", "Rows by “Region” (A): North 2, West 1 and South 1."),
        ("group by region", "Rows by “Region” (A): North 2, West 1 and South 1."),
    ] {
        let report = analyse(sheet(REGIONS), query);
        assert_eq!(report.result.lines().next(), Some(first), "{query}: {}", report.result);
        assert_eq!(report.findings.question.by.as_deref(), Some("A"), "{query}");
        assert_eq!(report.findings.question.not_possible, [""; 0], "{query}");
    }
    let report = analyse(sheet("Who|Paid\nann|$1\nbob|\n|$5\nann|$2.5"), "median paid by who");
    assert!(
        report.result.starts_with("The median of “Paid” (B) by “Who” (A): ann $1.75 and 1 group more"),
        "{}",
        report.result
    );
    let groups = report.findings.groups.unwrap();
    assert_eq!((groups.count, groups.rows_without, groups.groups[0].rows), (2, 1, 2));
    let trend = analyse(sheet(REGIONS), "trend of revenue by region");
    assert_eq!(trend.findings.question.not_possible, ["compute the trend of groups"]);
    let many: String = (0..150).map(|row| format!("\nr{row}|{row}")).collect();
    let report = analyse(sheet(&format!("Region|Units{many}")), "total units by region");
    let groups = report.findings.groups.unwrap();
    assert_eq!((groups.count, groups.groups.len()), (150, crate::limits::GROUPS_LISTED_MAX));
    assert!(
        report.result.contains("r149 149") && report.result.contains("140 groups more in the findings"),
        "{}",
        report.result
    );
}

#[test]
fn the_row_with_the_highest_is_named() {
    let report = analyse(sheet(REGIONS), "Which region has the highest revenue?");
    let mut lines = report.result.lines();
    assert_eq!(lines.next(), Some("The highest “Revenue” (B) is 300 in B4, where “Region” (A) is North."));
    assert_eq!(lines.next(), Some("Added up by “Region” (A), North has the highest “Revenue” (B): 400."));
    assert_eq!(report.findings.question.which.as_deref(), Some("A"));
    let report = analyse(sheet("Name|Points\nann|3\nbob|9\ncid|9"), "Who has the most points, and who has the lowest?");
    assert!(
        report.result.contains("The lowest “Points” (B) is 3 in B2, where “Name” (A) is ann."),
        "{}",
        report.result
    );
    assert!(!report.result.contains("Added up"), "{}", report.result);
    let report = analyse(sheet("Name|Points\nann|3\nbob|9\ncid|9"), "which name has the highest points");
    let first = "The highest “Points” (B) is 9 in B3, where “Name” (A) is bob, and in 1 other cell.";
    assert_eq!(report.result.lines().next(), Some(first));
    let report = analyse(sheet(REGIONS), "which region has the lowest cost?");
    assert!(report.result.starts_with("There is no column “cost”"), "{}", report.result);
}

#[test]
fn columns_that_go_together_and_rows_that_repeat_are_found() {
    let mut text = String::from("x|y|z\n");
    for x in 0..10 {
        text += &format!("{x}|{}|{}\n", 5 - 3 * x, (x * 7) % 10);
    }
    text += "0|5|0\n";
    let findings = analyse(sheet(&text), "").findings;
    assert_eq!(findings.correlations.len(), 1);
    assert_eq!(findings.correlations[0].columns, ["A".to_owned(), "B".to_owned()]);
    assert!((findings.correlations[0].r + 1.0).abs() < 1e-9);
    assert_eq!(findings.duplicate_rows.count, 1);
    assert_eq!(findings.duplicate_rows.examples, [DuplicateRow { row: 12, same_as: 2 }]);
}

#[test]
fn a_row_of_texts_is_a_header_only_if_it_names() {
    let header = |text: &str| analyse(sheet(text), "").findings.table.header_row;
    assert_eq!(header("name|town\nann|here\nbob|there\ncid|where"), Some(1));
    assert_eq!(header("ann|here\nbob|here\nann|there\ncid|where"), None, "a name comes again");
    assert_eq!(header("1|2\n3|4"), None);
    assert_eq!(header("a|a\n1|2"), None, "names are different");
    assert_eq!(header("total"), None);
    assert_eq!(header("2023|2024\n1|2\n3|4"), None, "numbers are no names");
    assert_eq!(header("No|Name|Amount\n1|ann|3\n2|bob|4"), Some(1));
    assert_eq!(header("No|ann\nYes|bob\nNo|cid\nYes|dan"), None, "it answers, as those below do");
    assert_eq!(header("Pen|2000\nBook|3000"), None, "a number that may be anything");
    assert_eq!(header("Pen|2000|1950\nBook|30|25"), None, "these do not follow each other");
    assert_eq!(header("North|2023|2024\nSouth|2024|2025"), None, "years, as those below are");
    let report = analyse(sheet("Region|2023|2024\nNorth|10|20\nSouth|$30|40"), "sum of 2023");
    assert_eq!(report.findings.table.header_row, Some(1));
    assert!(report.result.starts_with("The sum of “2023” (B) is 40"), "{}", report.result);
}

/// The outliers of a column of numbers: the rule and the cells.
fn outliers(numbers: &[f64]) -> (OutlierRule, Vec<String>) {
    let datum = |(row, value): (u32, &f64)| Datum { at: CellRef { row, column: 0 }, value: Value::Number(*value) };
    let findings = analyse((0..).zip(numbers).map(datum).collect(), "").findings;
    let found = findings.columns[0].number.as_ref().unwrap().outliers.as_ref().unwrap();
    assert_eq!(found.count, found.cells.len());
    (found.rule, found.cells.iter().map(|cell| cell.cell.clone()).collect())
}

#[test]
fn where_the_middle_half_is_one_number_what_lies_beside_it_is_far() {
    let with = |many: f64, count, one| [vec![many; count], vec![one]].concat();
    for (numbers, cell) in [
        (with(10.0, 9, 1_000.0), "A10"),
        (with(5.0, 7, 100.0), "A8"),
        (with(10.0, 4, 500.0), "A5"),
        (with(-0.11, 40, 1e-5), "A41"),
        (with(1e307, 6, -1e307), "A7"),
    ] {
        assert_eq!(outliers(&numbers), (OutlierRule::MeanDistance, vec![cell.to_owned()]), "{numbers:?}");
    }
    assert_eq!(outliers(&[0.11; 5]), (OutlierRule::MeanDistance, vec![]));
    let text = analyse(sheet("5\n5\n5\n5\n5\n5"), "outliers").result;
    assert!(text.starts_with("column A has no outliers: all its numbers are 5."), "{text}");
}

#[test]
fn what_is_too_large_to_tell_is_not_said_to_be_missing() {
    let first = |text: &str, query: &str| {
        let report = analyse(sheet(text), query);
        report.result.lines().next().unwrap_or_default().to_owned()
    };
    assert_eq!(first("1e308\n1e308", "sum"), "The sum of column A is too large to compute.");
    assert_eq!(first("1e308\n1e308", "average"), "The average of column A is 1.0000e308.");
    assert_eq!(first("7", "deviation"), "column A has too few numbers for a standard deviation.");
    let large = "1.5e308\n-1.5e308\n1.5e308\n-1.5e308\n1.5e308";
    assert_eq!(first(large, "outliers"), "The numbers of column A are too large to call one an outlier.");
    let line: String = (1..7).map(|step| format!("{step}e200\n")).collect();
    let trend = "column A rises by about 1.0000e200 per row; a straight line explains 100 % of its variance.";
    assert_eq!(first(&line, "trend"), trend);
}

#[test]
fn a_column_of_mostly_numbers_has_figures() {
    let report = analyse(sheet("10\n20\nn/a\n30"), "sum");
    let column = &report.findings.columns[0];
    assert_eq!((column.kind, column.unreadable), (ColumnKind::Mixed, 1));
    assert_eq!(column.number.as_ref().unwrap().sum, Some(60.0));
    assert!(report.result.starts_with("The sum of column A is 60, ignoring 1 cell"), "{}", report.result);
}

#[test]
fn a_trend_by_one_day_is_one_by_rows() {
    let trend = |text: &str| {
        let findings = analyse(sheet(text), "trend").findings;
        findings.columns[1].number.as_ref().unwrap().trend.clone().unwrap()
    };
    assert_eq!(trend("2024-01-01|1\n2024-01-01|2\n2024-01-01|3").per, Per::Row);
    assert_eq!(trend("2024-01-01|1\n2024-01-02|2\n2024-01-03|3").per, Per::Day);
}

#[test]
fn a_question_for_all_there_is_to_know_is_understood() {
    let report = analyse(sheet(SALES), "Analyze this data and provide insights");
    assert!(!report.result.contains("names no figure"), "{}", report.result);
    assert!(
        report.result.contains("“Units” (C): 8 numbers") && report.result.contains("1 outlier"),
        "{}",
        report.result
    );
    assert_eq!(report.findings.question.topics, ["overview"]);
    let of_one = analyse(sheet(SALES), "summary of units").result;
    assert!(of_one.starts_with("“Units” (C): 8 numbers"), "{of_one}");
}

#[test]
fn different_units_are_told() {
    let report = analyse(sheet("Price\n$1\n2 €\n$3\n4"), "sum");
    let facts = report.findings.columns[0].number.as_ref().unwrap();
    assert_eq!((facts.unit, facts.mixed_units, facts.units.as_slice()), (None, true, ['$', '€'].as_slice()));
    let first = report.result.lines().next();
    assert_eq!(first, Some("The sum of “Price” (A) is 10, although it adds up numbers with $ and €."));
    let remark = "“Price” (A) holds numbers with $ and €; its figures ignore the units.";
    assert!(report.result.contains(remark), "{}", report.result);
    assert!(analyse(sheet("$1\n2"), "").result.contains("with $ and without a unit"));
}

#[test]
fn cells_of_another_kind_are_left_out_and_told() {
    let text = "n\n1\n2\n3\n4\n5\n6\n7\n8\n9\n#DIV/0!";
    let report = analyse(sheet(text), "sum");
    assert_eq!((report.findings.columns[0].count, report.findings.columns[0].unreadable), (10, 1));
    assert!(
        report.result.starts_with("The sum of “n” (A) is 45, ignoring 1 cell without a number."),
        "{}",
        report.result
    );
    let mixed = analyse(sheet("1\n2\nx\ny"), "").findings;
    assert_eq!(mixed.columns[0].kind, ColumnKind::Mixed);
    assert!(mixed.columns[0].number.is_none());
}

#[test]
fn slashes_are_settled_by_their_column() {
    let slashes = |text: &str| analyse(sheet(text), "").findings.columns[0].date.as_ref().unwrap().slashes;
    assert_eq!(slashes("3/4/2024\n25/4/2024"), Some(Slashes::DayFirst));
    assert_eq!(slashes("3/4/2024\n4/25/2024"), Some(Slashes::MonthFirst));
    assert_eq!(slashes("3/4/2024\n4/5/2024"), Some(Slashes::MonthFirstAssumed));
}

#[test]
fn nothing_at_all_is_no_trouble() {
    let report = analyse(Vec::new(), "sum");
    assert_eq!((report.findings.table.range, report.findings.table.cells), (None, 0));
    let one = analyse(sheet("7"), "outliers and trend").result;
    assert!(one.contains("too few numbers"), "{one}");
}

#[test]
fn wide_sheets_are_bounded() {
    let wide = (0..500).map(|column| Datum { at: CellRef { row: 0, column }, value: Value::Number(1.0) }).collect();
    let Report { result, findings } = analyse(wide, "sum of column SF");
    assert_eq!(findings.columns.len(), crate::limits::ANALYSED_COLUMNS_MAX);
    assert_eq!(findings.columns_left_out, 500 - findings.columns.len());
    // a column named by the question is never left out
    assert!(result.starts_with("The sum of column SF is 1."), "{result}");
    assert_eq!(findings.columns.last().map(|column| column.column.as_str()), Some("SF"));
}

#[test]
fn numbers_are_shown_for_people() {
    for (value, text) in [
        (0.0, "0"),
        (-0.00001, "-1.0000e-5"),
        (1_234_567.891, "1,234,567.89"),
        (-1_000.0, "-1,000"),
        (0.1 + 0.2, "0.3"),
        (999.99999, "1,000"),
        (1e20, "1.0000e20"),
    ] {
        assert_eq!(words::show(value), text);
    }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (-1e9..1e9f64).prop_map(Value::Number),
        1 => prop::num::f64::ANY.prop_map(Value::Number),
        1 => any::<bool>().prop_map(Value::Boolean),
        2 => "[a-z0-9$%./: -]{0,12}".prop_map(|text| Value::Text(text.into())),
        1 => (1..13u32, 1..29u32).prop_map(|(month, day)| Value::Text(format!("2024-{month:02}-{day:02}").into())),
    ]
}

proptest! {
    #[test]
    fn any_sheet_is_analysed_and_every_figure_is_finite(
        cells in prop::collection::btree_map((0..12u32, 0..6u32), value(), 0..60),
        query in "((sum|trend|outliers|gaps|why|blanks|by|of|column|which|highest|each|a|b|x|\u{130}) ?){0,8}",
    ) {
        let data = cells.into_iter().map(|((row, column), value)| Datum { at: CellRef { row, column }, value }).collect();
        let report = analyse(data, &query);
        // NaN and infinity would be serialised as null where a number is promised
        let json = serde_json::to_value(&report.findings).unwrap();
        for column in json["columns"].as_array().unwrap() {
            for (field, promised) in [("min", "value"), ("max", "value"), ("trend", "slope"), ("outliers", "low")] {
                if column["number"][field].is_object() {
                    prop_assert!(column["number"][field][promised].is_number(), "{}", column);
                }
            }
        }
        prop_assert!(!report.result.contains("NaN") && !report.result.contains("inf "), "{}", report.result);
    }

    #[test]
    fn equal_numbers_have_no_outliers(value in prop::num::f64::NORMAL, count in 5..60usize) {
        prop_assert_eq!(outliers(&vec![value; count]).1, Vec::<String>::new());
    }

    #[test]
    fn sums_and_extremes_agree_with_a_naive_model(values in prop::collection::vec(-1e6..1e6f64, 1..60)) {
        let data = (0..).zip(&values).map(|(row, value)| Datum { at: CellRef { row, column: 0 }, value: Value::Number(*value) });
        let findings = analyse(data.collect(), "").findings;
        let facts = findings.columns[0].number.as_ref().unwrap();
        prop_assert!((facts.sum.unwrap() - values.iter().sum::<f64>()).abs() < 1e-6);
        prop_assert_eq!(facts.max.value, values.iter().copied().fold(f64::MIN, f64::max));
        let lowest = values.iter().position(|value| *value == facts.min.value).unwrap();
        prop_assert_eq!(&facts.min.cell, &format!("A{}", lowest + 1));
        if let Some(outliers) = &facts.outliers {
            let far = values.iter().filter(|value| **value < outliers.low || **value > outliers.high).count();
            prop_assert_eq!(outliers.count, far);
        }
    }
}

/// The work is linear in the number of cells: a step over a long column stays short.
#[test]
fn a_hundred_thousand_cells_are_no_burden() {
    let text: Arc<str> = "1,234.5".into();
    let data = (0..20_000u32).flat_map(|row| {
        let text = text.clone();
        (0..5u32).map(move |column| {
            let value =
                if column == 0 { Value::Text(text.clone()) } else { Value::Number(f64::from(row * column % 997)) };
            Datum { at: CellRef { row, column }, value }
        })
    });
    let data: Vec<_> = data.collect();
    let began = std::time::Instant::now();
    let report = analyse(data, "sum");
    // generous: an unoptimised build on a busy machine takes a twentieth of this
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    assert_eq!(report.findings.table.cells, 100_000);
}
