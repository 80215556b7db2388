//! `/api/v1/files`: resumable uploads (tus 1.0), downloads with ranges, and a list of one's own files.

mod answers;
pub(super) mod serving;
pub(super) mod tus;

use actix_web::{HttpRequest, http::Method, web};
use serde::Serialize;

use self::answers::Refused;
use super::{ApiError, AppState, extract::AuthUser, fields::Page, resource};
use crate::{auth::tokens::query_value, core::upload::content_url, ids::FileId, limits, store::FileRecord};

/// The retry time after too many parallel uploads.
const TOO_MANY_RETRY_SECONDS: u32 = 30;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource(
            "/api/v1/files",
            [
                (Method::OPTIONS, web::to(tus::options)),
                (Method::POST, web::to(tus::create)),
                (Method::GET, web::to(mine)),
            ],
        ))
        .service(resource(
            "/api/v1/files/{file_id}",
            [
                (Method::OPTIONS, web::to(tus::options_of_file)),
                (Method::HEAD, web::to(tus::head)),
                (Method::GET, web::to(one)),
                (Method::PATCH, web::to(tus::patch)),
                (Method::DELETE, web::to(tus::delete)),
                (Method::POST, web::to(tus::overridden)),
            ],
        ))
        .service(
            // `content`, or the file's name, for people and programs that look at the end of a URL.
            resource(
                "/api/v1/files/{file_id}/{name}",
                [(Method::GET, web::to(serving::content)), (Method::HEAD, web::to(serving::content_head))],
            ),
        );
}

/// A file.
#[derive(Serialize, utoipa::ToSchema)]
struct FileJson {
    id: String,
    filename: String,
    size: u64,
    mime_type: String,
    uploaded_bytes: u64,
    complete: bool,
    created_at: String,
    /// When an unfinished upload expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    /// The URL for downloading, once the upload is complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

impl From<FileRecord> for FileJson {
    fn from(file: FileRecord) -> FileJson {
        FileJson {
            id: file.id.to_string(),
            complete: file.is_complete(),
            expires_at: (!file.is_complete()).then(|| file.expires_at.to_string()),
            url: file.is_complete().then(|| content_url(file.id)),
            filename: file.name,
            size: file.size_bytes,
            mime_type: file.mime_type,
            uploaded_bytes: file.received_bytes,
            created_at: file.created_at.to_string(),
        }
    }
}

/// A page of files.
#[derive(Serialize, utoipa::ToSchema)]
struct FilesJson {
    files: Vec<FileJson>,
    has_more: bool,
}

/// Lists your files, newest first.
#[utoipa::path(
    get, path = "/api/v1/files", tag = "files", summary = "List your files, newest first",
    params(
        ("before" = Option<String>, Query, pattern = "^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})?$", description = "The id of a file; only older ones are returned"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "The page size, at most 100; 50 by default"),
    ),
    responses(
        (status = 200, description = "A page of them", body = FilesJson),
        (status = 400, description = "A parameter is invalid; the error names it"),
    )
)]
async fn mine(
    site: web::Data<AppState>,
    user: AuthUser,
    request: HttpRequest,
) -> Result<web::Json<FilesJson>, Refused> {
    let query = request.query_string();
    let [default, most] = limits::PAGE_FILES;
    let page = Page::asked(query, default, most)?;
    let before = match query_value(query, "before") {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| ApiError::field("before", "must be the id of a file"))?),
    };
    let mut found = site.store.files_of(user.id(), before, page.to_read()).await?;
    let has_more = page.cut(&mut found);
    Ok(web::Json(FilesJson { files: found.into_iter().map(FileJson::from).collect(), has_more }))
}

/// Gets the metadata of a file.
#[utoipa::path(
    get, path = "/api/v1/files/{file_id}", tag = "files", summary = "Get the metadata of a file",
    params(("file_id" = String, Path, description = "The file's id")),
    responses((status = 200, description = "The file", body = FileJson), (status = 403, description = "Not shared with you"), (status = 404, description = "The file does not exist"))
)]
async fn one(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<web::Json<FileJson>, Refused> {
    Ok(web::Json(fetchable(&site, &user, &path).await?.into()))
}

/// A file that the user may download.
async fn fetchable(site: &AppState, user: &AuthUser, id: &str) -> Result<FileRecord, Refused> {
    let file = site.store.file(file_id(id)?).await?.ok_or_else(Refused::no_such_file)?;
    site.gateway.may_fetch(user.subject(), &file).await??;
    Ok(file)
}

/// A malformed id is answered like an unknown one.
fn file_id(text: &str) -> Result<FileId, Refused> {
    text.parse().map_err(|_| Refused::no_such_file())
}
