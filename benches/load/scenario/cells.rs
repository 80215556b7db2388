//! Stored and acknowledged cell updates: the throughput of one node when everybody types into shared sheets. Also a
//! large sheet: the time to fill it, to read it whole, and to change it while others are in it.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Result;
use crate::contender::Contender;
use crate::options::{Cells, Database};
use crate::postgres::Postgres;
use crate::process;
use crate::report::{Column, Table};
use crate::scenario::stored::{Senders, columns};
use crate::scenario::{OTHER_DESCRIPTORS, Stage, stage};
use crate::world::{Layout, World};

/// Columns of every sheet.
const SHEET_COLUMNS: usize = 20;
/// Rows of the shared sheets.
const SHEET_ROWS: usize = 50;
/// Cells per update of the large sheet, and updates in flight.
const FILL: (usize, usize) = (500, 4);
/// Single changes of the large sheet.
const CHANGES: usize = 200;

pub fn run(options: &Cells) -> Result<()> {
    let common = &options.common;
    process::require_descriptors(options.clients + OTHER_DESCRIPTORS)?;
    let layout = Layout { rooms: options.sheets, members: options.clients / options.sheets };
    let title = format!(
        "cells: {} clients in {} sheets, {} unacknowledged updates of {} cells each",
        layout.people(),
        options.sheets,
        options.depth,
        options.cells
    );
    let mut table = Table::new(title, columns());
    let large_columns = vec![
        Column::new("filled: cells/s", 0),
        Column::new("all as JSON pages, ms", 0),
        Column::new("first page, ms", 1),
        Column::new("all as CSV, ms", 0),
        Column::new("one change p50 ms", 1),
        Column::new("one change p99 ms", 1),
    ];
    let mut large = Table::new(format!("a sheet of {} cells", options.large), large_columns);
    for _ in 0..common.reps {
        for &database in &options.databases {
            let (values, large_values) = measure(options, layout, database)?;
            table.add(&format!("Convene on {database:?}"), values);
            large.add(&format!("Convene on {database:?}"), large_values);
        }
    }
    table.print();
    large.print();
    Ok(())
}

/// One repetition on one database; both are created for it.
fn measure(options: &Cells, layout: Layout, database: Database) -> Result<(Vec<f64>, Vec<f64>)> {
    let common = &options.common;
    // Started before this process is pinned, so that the database may use both cores.
    let postgres = match database {
        Database::Sqlite => None,
        Database::Postgres => Some(Postgres::start()?),
    };
    let world = World::make(&common.binary, layout, postgres.as_ref().map(Postgres::url))?;
    let mut stage = stage(Contender::ConveneCells, common, &world, layout)?;
    let (cells, text_bytes) = (options.cells, options.text_bytes);
    let update = move |sender, reference| {
        // Everybody's next cells, chosen so that members occasionally write the same cell.
        let first = sender * 7 + reference;
        compose(&format!("sheet-{}", layout.room_of(sender)), reference, cells, text_bytes, |n| {
            (first + n) % (SHEET_COLUMNS * SHEET_ROWS)
        })
    };
    let values = Senders::new(layout.people(), update).measure(&mut stage, common, options.depth)?;
    let large = measure_large(options, &world, &mut stage)?;
    stage.end()?;
    Ok((values, large))
}

fn compose(sheet: &str, reference: usize, count: usize, text_bytes: usize, nth: impl Fn(usize) -> usize) -> String {
    let cell = |n| {
        let place = nth(n);
        let column = char::from(b'A' + (place % SHEET_COLUMNS) as u8);
        format!(r#"{{"cell_id":"{column}{}","value":"{:x<2$}"}}"#, place / SHEET_COLUMNS + 1, "", text_bytes)
    };
    let cells: Vec<String> = (0..count).map(cell).collect();
    format!(r#"{{"type":"cells_update","ref":{reference},"sheet_id":"{sheet}","cells":[{}]}}"#, cells.join(","))
}

/// One member fills a sheet, reads it whole, and changes single cells of it.
fn measure_large(options: &Cells, world: &World, stage: &mut Stage) -> Result<Vec<f64>> {
    let Stage { server, swarm } = stage;
    let (text_bytes, large) = (options.text_bytes, options.large);
    let (at_once, under_way) = FILL;
    // References and cells continue from one update to the next.
    let fill = move |_sender, turn: usize| {
        compose("large", turn, at_once.min(large), text_bytes, |n| (turn * at_once + n) % large)
    };
    let mut senders = Senders::new(1, fill);
    let began = Instant::now();
    for turn in 0..large.div_ceil(at_once) {
        senders.send(swarm, 0, Instant::now())?;
        if turn % under_way == under_way - 1 {
            senders.complete(swarm)?;
        }
    }
    senders.complete(swarm)?;
    let filled = large as f64 / began.elapsed().as_secs_f64();

    let (began, mut first_page, mut read, mut after) = (Instant::now(), None, 0, String::new());
    loop {
        let path = format!("/api/v1/sheets/large/cells?limit=10000{after}");
        let page: Value = serde_json::from_str(&world.get_text(server.address, &path, 0)?)?;
        first_page.get_or_insert_with(|| began.elapsed());
        read += page["cells"].as_array().map_or(0, Vec::len);
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    let pages = began.elapsed();
    let began = Instant::now();
    let csv = world.get_text(server.address, "/api/v1/sheets/large/cells?format=csv", 0)?;
    let whole = began.elapsed();
    let fields: usize = csv.lines().map(|line| line.split(',').count()).sum();
    if read != large || fields != large {
        return Err(format!("the sheet of {large} cells was read as {read} cells and {fields} fields").into());
    }

    let change = move |_sender, turn: usize| compose("large", turn, 1, text_bytes, |_| (turn * 7_919) % large);
    let mut senders = Senders::new(1, change);
    for _ in 0..CHANGES {
        senders.send(swarm, 0, Instant::now())?;
        senders.complete(swarm)?;
    }
    let [p50, p99, _] = senders.latencies();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    Ok(vec![filled, ms(pages), ms(first_page.unwrap_or_default()), ms(whole), p50, p99])
}
