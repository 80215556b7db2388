//! Shared sheets over REST: pages of cells with their versions, and the values as dense rows or CSV. Read-only: cells
//! are changed over sockets, so that all members receive the change.

mod dense;

use std::collections::VecDeque;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method,
        header::{ACCEPT, CONTENT_DISPOSITION},
    },
    web::{self, Bytes},
};
use futures_util::stream::{self, Stream};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::value::RawValue;

use self::dense::{Dense, Layout, Progress};
use super::{
    ApiError, AppState,
    extract::AuthUser,
    fields::query_number,
    openapi::{bodies, schemas},
    resource,
};
use crate::{
    auth::{policy::Action, tokens::query_value},
    core::{
        command::RawJson,
        sheet::{CellRange, CellRef, StoredCell},
    },
    error::ErrorCode,
    ids::{Epoch, RoomName, Seq, SheetId},
    limits,
    store::{RoomHead, RoomRef, Store, StoreError},
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/api/v1/sheets/{sheet_id}/cells", [(Method::GET, web::to(cells))]));
}

/// A page of a sheet's cells.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct CellsPage {
    /// The sheet.
    #[schema(value_type = String)]
    sheet_id: SheetId,
    /// The sheet's room.
    #[schema(value_type = String)]
    room_id: RoomName,
    /// The room's epoch and position before the page was read. A socket that joins with them misses nothing.
    #[schema(value_type = i64)]
    epoch: Epoch,
    /// See `epoch`.
    #[schema(value_type = i64)]
    seq: Seq,
    /// The requested range with both corners.
    #[schema(example = "A1:Z100")]
    range: String,
    /// The cells that were ever written, row by row.
    cells: Vec<CellJson>,
    /// The start of the next page: send it as `after`. Null at the end.
    next: Option<String>,
}

/// A cell.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct CellJson {
    /// The cell's position.
    #[schema(example = "B2")]
    cell_id: String,
    /// Any JSON scalar, as it was sent. Null for a cleared cell.
    #[schema(schema_with = schemas::scalar)]
    value: Box<RawValue>,
    /// The formula as it was sent.
    formula: Option<String>,
    /// Send it with an update to detect a conflict.
    version: i64,
    /// The user who last changed it.
    user_id: String,
    /// The time of the last change.
    updated_at: String,
}

/// The requested format.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    /// Pages of cells with their versions.
    Cells,
    /// Values in rows, as JSON.
    Rows,
    /// Values in rows, as CSV.
    Csv,
}

/// Whether CSV begins with a byte order mark, by which Excel recognises UTF-8.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ByteOrder {
    Unmarked,
    Marked,
}

impl ByteOrder {
    fn bytes(self) -> Bytes {
        match self {
            ByteOrder::Unmarked => Bytes::new(),
            ByteOrder::Marked => Bytes::from_static("\u{feff}".as_bytes()),
        }
    }
}

struct Asked {
    format: Format,
    mark: ByteOrder,
    range: CellRange,
    after: Option<CellRef>,
    limit: usize,
}

/// A sheet that the user may read.
struct Sheet {
    id: SheetId,
    room: RoomName,
    head: RoomHead,
}

/// Reads the cells of a sheet.
#[utoipa::path(
    get,
    path = "/api/v1/sheets/{sheet_id}/cells",
    tag = "sheets",
    summary = "Read a shared sheet",
    description = "Returns pages of cells with their versions, or the values in rows as JSON or CSV. Users who may enter the sheet's room may read it.",
    params(("sheet_id" = String, Path, description = "The sheet"), bodies::CellsQuery),
    responses(
        (status = 200, description = "A page of cells; with `format` the rows or the CSV", content(
            (bodies::SheetAnswer = "application/json"), (String = "text/csv"),
        )),
        (status = 400, description = "`INVALID_MESSAGE`: the error names the parameter"),
        (status = 401, description = "`AUTHENTICATION_FAILED`"),
        (status = 403, description = "`PERMISSION_DENIED`: the sheet's room is private, or the token is restricted to other rooms"),
        (status = 404, description = "`NOT_FOUND`: the sheet does not exist yet"),
    ),
)]
pub(super) async fn cells(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let sheet = admitted(&site, &user, &path).await?;
    let asked = Asked::from_request(&request)?;
    let layout = match asked.format {
        Format::Cells => return page(&site.store, sheet, &asked).await,
        Format::Rows => Layout::Json,
        Format::Csv => Layout::Csv,
    };
    let used = site.store.used_extent(&sheet.id, asked.range).await?;
    let area = used.map(|last| CellRange::between(asked.range.first(), last));
    if area.is_some_and(|area| area.cells() > limits::SHEET_FIELDS_MAX) {
        let problem = format!(
            "has more than {} fields down to its last value; request a smaller one, or format=cells",
            limits::SHEET_FIELDS_MAX
        );
        return Err(ApiError::field("range", problem));
    }
    Ok(match layout {
        Layout::Csv => csv(&site.store, sheet, area, asked.mark),
        Layout::Json => rows(&site.store, sheet, area),
    })
}

/// The sheet, if the user may enter its room. The room's head is read before any cell: later changes are delivered by
/// the socket, and a change that is in both has the same version.
async fn admitted(site: &AppState, user: &AuthUser, id: &str) -> Result<Sheet, ApiError> {
    let id = SheetId::new(id).map_err(|_| no_such_sheet())?;
    let room = site.store.sheet_room(&id).await?.ok_or_else(no_such_sheet)?;
    user.may(Action::NameRoom { name: &room })?;
    let access = site.store.access(&RoomRef::Open(room.clone()), user.id()).await?.ok_or_else(no_such_sheet)?;
    user.may_enter(&access)?;
    let head = site.store.room_head(access.identity.id).await?.ok_or_else(no_such_sheet)?;
    Ok(Sheet { id, room, head })
}

fn no_such_sheet() -> ApiError {
    ApiError::new(
        ErrorCode::NotFound,
        "The sheet does not exist yet; check its id, or write its first cell over a socket",
    )
}

impl Asked {
    fn from_request(request: &HttpRequest) -> Result<Asked, ApiError> {
        let query = request.query_string();
        let accepted = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        let format = match query_value(query, "format").as_deref() {
            None if prefers_csv(accepted) => Format::Csv,
            None | Some("cells") => Format::Cells,
            Some("rows") => Format::Rows,
            Some("csv") => Format::Csv,
            Some(_) => return Err(ApiError::field("format", "must be cells, rows or csv")),
        };
        let range = match query_value(query, "range") {
            None => CellRange::WHOLE,
            Some(text) => text.parse().map_err(|bad| ApiError::field("range", bad))?,
        };
        let mark = match query_value(query, "bom").as_deref() {
            None | Some("false") => ByteOrder::Unmarked,
            Some("true") => ByteOrder::Marked,
            Some(_) => return Err(ApiError::field("bom", "must be true or false")),
        };
        let after = query_value(query, "after");
        let limit = query_value(query, "limit");
        if format != Format::Cells {
            for (name, given) in [("after", after.is_some()), ("limit", limit.is_some())] {
                if given {
                    return Err(ApiError::field(
                        name,
                        "is only for format=cells; rows and CSV are returned whole, so request a smaller range",
                    ));
                }
            }
        }
        let after = after.map(|text| text.parse().map_err(|bad| ApiError::field("after", bad))).transpose()?;
        let limit = match limit {
            None => limits::PAGE_CELLS_DEFAULT,
            Some(text) => query_number(&text, "limit", 1..=usize::MAX)?.min(limits::PAGE_CELLS_MAX),
        };
        Ok(Asked { format, mark, range, after, limit })
    }
}

/// Whether CSV is listed and JSON is not. A browser that accepts anything gets JSON.
fn prefers_csv(accepted: &str) -> bool {
    let mut types = accepted.split(',').map(|part| part.split(';').next().unwrap_or_default().trim());
    types.clone().any(|kind| kind.eq_ignore_ascii_case("text/csv"))
        && !types.any(|kind| kind.eq_ignore_ascii_case("application/json"))
}

async fn page(store: &Store, sheet: Sheet, asked: &Asked) -> Result<HttpResponse, ApiError> {
    let (mut cells, mut bytes, mut last, mut more) = (Vec::new(), 0, asked.after, true);
    while more && cells.len() < asked.limit && bytes < limits::PAGE_CELLS_BYTES_FULL {
        let at_once = (asked.limit - cells.len()).min(limits::CELLS_AT_ONCE);
        let mut read = store.cells(&sheet.id, asked.range, last, at_once).await?.into_iter();
        more = read.len() == at_once;
        while bytes < limits::PAGE_CELLS_BYTES_FULL
            && let Some(kept) = read.next()
        {
            bytes += kept.cell.text_bytes();
            last = Some(kept.cell.at);
            cells.push(CellJson::from(kept));
        }
        more |= read.len() > 0;
    }
    let next = last.filter(|_| more).map(|at| at.to_string());
    let Sheet { id, room, head } = sheet;
    let (epoch, seq, range) = (head.epoch, head.seq, asked.range.to_string());
    Ok(HttpResponse::Ok().json(CellsPage { sheet_id: id, room_id: room, epoch, seq, range, cells, next }))
}

impl From<StoredCell> for CellJson {
    fn from(StoredCell { cell, user, at }: StoredCell) -> CellJson {
        CellJson {
            cell_id: cell.at.to_string(),
            value: raw(&cell.value),
            formula: cell.formula.as_deref().map(str::to_owned),
            version: cell.version,
            user_id: user.to_string(),
            updated_at: at.to_string(),
        }
    }
}

/// The value as it was sent. It was validated as JSON when it was stored.
fn raw(value: &RawJson) -> Box<RawValue> {
    RawValue::from_string(value.as_str().to_owned()).unwrap_or_else(|why| {
        log::error!("event=strange_cell_value why=\"{why}\"");
        RawValue::NULL.to_owned()
    })
}

/// CSV as in RFC 4180. Values are not escaped, even those that a spreadsheet would interpret as a formula: the user who
/// opens the file must trust its source (docs/protocol.md, Sheets).
fn csv(store: &Store, sheet: Sheet, area: Option<CellRange>, mark: ByteOrder) -> HttpResponse {
    let name = utf8_percent_encode(sheet.id.as_str(), NON_ALPHANUMERIC);
    let rows = area.map(|area| Rows::new(area, Layout::Csv));
    HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8; header=absent")
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename*=UTF-8''{name}.csv")))
        .streaming(streamed(store.clone(), sheet.id, rows, mark.bytes(), Bytes::new()))
}

/// The fields before the rows of a JSON response.
#[derive(Serialize)]
struct RowsHead<'a> {
    sheet_id: &'a SheetId,
    room_id: &'a RoomName,
    epoch: Epoch,
    seq: Seq,
    /// From the range's first cell to its last used row and column. Null if all cells are empty.
    range: Option<String>,
}

fn rows(store: &Store, sheet: Sheet, area: Option<CellRange>) -> HttpResponse {
    let Sheet { id, room, head } = sheet;
    let range = area.map(|area| area.to_string());
    let head = RowsHead { sheet_id: &id, room_id: &room, epoch: head.epoch, seq: head.seq, range };
    let Ok(head) = serde_json::to_string(&head) else {
        // Contains only strings and numbers.
        unreachable!("the head of rows is plain JSON")
    };
    let opening = format!("{},\"rows\":[", head.trim_end_matches('}'));
    let rows = area.map(|area| Rows::new(area, Layout::Json));
    let body = streamed(store.clone(), id, rows, opening.into(), Bytes::from_static(b"]}"));
    HttpResponse::Ok().content_type("application/json").streaming(body)
}

/// The state of the stream.
enum Left {
    Opening { opening: Bytes, rows: Option<Rows> },
    Rows(Rows),
    Closing,
    Nothing,
}

/// Rows that are being written.
struct Rows {
    dense: Dense,
    /// Cells that were read but not written yet.
    read: VecDeque<StoredCell>,
    unread: Unread,
}

/// The cells that are not read yet.
#[derive(Clone, Copy)]
enum Unread {
    /// All cells after this one.
    After(Option<CellRef>),
    /// No cells.
    None,
}

impl Rows {
    fn new(area: CellRange, layout: Layout) -> Rows {
        Rows { dense: Dense::new(area, layout), read: VecDeque::new(), unread: Unread::After(None) }
    }

    /// Reads the next cells if the previous ones are written.
    async fn read(&mut self, store: &Store, sheet: &SheetId) -> Result<(), StoreError> {
        let Unread::After(after) = self.unread else { return Ok(()) };
        if self.read.is_empty() {
            self.read = store.cells(sheet, self.dense.area(), after, limits::CELLS_AT_ONCE).await?.into();
            self.unread = match self.read.back() {
                Some(last) if self.read.len() == limits::CELLS_AT_ONCE => Unread::After(Some(last.cell.at)),
                Some(_) | None => Unread::None,
            };
        }
        Ok(())
    }

    /// Writes the cells that were read, up to the size of one piece.
    fn write(&mut self) -> Progress {
        while let Some(kept) = self.read.front() {
            if self.dense.cell(kept.cell.at, kept.cell.value.as_str()) == Progress::Full {
                return Progress::Full;
            }
            self.read.pop_front();
        }
        match self.unread {
            Unread::After(_) => Progress::Full,
            Unread::None => self.dense.rest(),
        }
    }
}

/// Streams the area's rows, reading from the database as fast as the client accepts them. If the database fails, the
/// stream ends early, which the client detects by the missing end.
fn streamed(
    store: Store,
    sheet: SheetId,
    rows: Option<Rows>,
    opening: Bytes,
    closing: Bytes,
) -> impl Stream<Item = Result<Bytes, StoreError>> {
    stream::unfold(Left::Opening { opening, rows }, move |left| {
        let (store, sheet, closing) = (store.clone(), sheet.clone(), closing.clone());
        async move {
            let mut rows = match left {
                Left::Opening { opening, rows } => return Some((Ok(opening), rows.map_or(Left::Closing, Left::Rows))),
                Left::Rows(rows) => rows,
                Left::Closing => return Some((Ok(closing), Left::Nothing)),
                Left::Nothing => return None,
            };
            if let Err(error) = rows.read(&store, &sheet).await {
                log::warn!("event=sheet_broken_off why=\"{error}\"");
                return Some((Err(error), Left::Nothing));
            }
            let progress = rows.write();
            let written = rows.dense.take();
            // A fast client accepts this at once, so yield to the thread's other tasks first.
            tokio::task::yield_now().await;
            match progress {
                Progress::Full => Some((Ok(written), Left::Rows(rows))),
                Progress::Done => Some((Ok(written), Left::Closing)),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_is_for_who_asks_for_it() {
        assert!(prefers_csv("text/csv"));
        assert!(prefers_csv("Text/CSV; header=absent, */*;q=0.1"));
        for accepted in ["", "*/*", "text/*", "application/json", "application/json, text/csv;q=0.5", "text/csvx"] {
            assert!(!prefers_csv(accepted), "{accepted}");
        }
    }
}
