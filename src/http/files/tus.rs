//! Resumable uploads with tus 1.0 (https://tus.io/protocols/resumable-upload): core, creation with upload, termination,
//! checksum and expiration.

use std::{collections::HashMap, str::FromStr, time::Duration};

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder, Responder,
    http::{
        StatusCode,
        header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HttpDate, LOCATION},
    },
    web,
};

use super::{Refused, file_id};
use crate::{
    auth::policy::Action,
    core::profile::Author,
    error::ErrorCode,
    http::{ApiError, AppState, extract::AuthUser, openapi::bodies, paths::HadSlash},
    ids::{FileId, RoomId, RoomName, Timestamp},
    logged::logged,
    services::files::{
        Announced, Chunk, Sha1Digest, UploadFault,
        metadata::{base64, parse},
    },
    store::{FileRecord, RoomRef},
};

/// The only version of the protocol.
pub const VERSION: &str = "1.0.0";
/// Sent by both sides with every request and response.
pub const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
/// The versions that the server supports.
pub const SUPPORTED: HeaderName = HeaderName::from_static("tus-version");
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const LENGTH: HeaderName = HeaderName::from_static("upload-length");
const METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
const METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");
/// The content type of a PATCH body.
const BYTES: &str = "application/offset+octet-stream";

/// Returns the capabilities of the server. Needs no token.
#[utoipa::path(
    options, path = "/api/v1/files", tag = "files", summary = "Get the capabilities of the upload server (tus 1.0)", security(()),
    responses(
        (status = 204, description = "The capabilities", headers(
            ("Tus-Resumable" = String, description = "1.0.0"),
            ("Tus-Version" = String, description = "The supported versions"),
            ("Tus-Extension" = String, description = "The extensions, separated by commas"),
            ("Tus-Max-Size" = u64, description = "The largest file, in bytes"),
            ("Tus-Checksum-Algorithm" = String, description = "sha1"),
        ))
    )
)]
pub async fn options(site: web::Data<AppState>) -> HttpResponse {
    answer(StatusCode::NO_CONTENT)
        .insert_header((SUPPORTED, VERSION))
        .insert_header(("Tus-Extension", "creation,creation-with-upload,termination,checksum,expiration"))
        .insert_header(("Tus-Max-Size", site.files.file_bytes_max().to_string()))
        .insert_header(("Tus-Checksum-Algorithm", "sha1"))
        .finish()
}

/// The same at the URL of an upload, whether it exists or not.
#[utoipa::path(
    options, path = "/api/v1/files/{file_id}", tag = "files", summary = "Get the capabilities of the upload server (tus 1.0)", security(()),
    params(("file_id" = String, Path, description = "The upload's id")),
    responses(
        (status = 204, description = "The capabilities", headers(
            ("Tus-Resumable" = String, description = "1.0.0"),
            ("Tus-Version" = String, description = "The supported versions"),
            ("Tus-Extension" = String, description = "The extensions, separated by commas"),
            ("Tus-Max-Size" = u64, description = "The largest file, in bytes"),
            ("Tus-Checksum-Algorithm" = String, description = "sha1"),
        ))
    )
)]
pub async fn options_of_file(site: web::Data<AppState>) -> HttpResponse {
    options(site).await
}

/// Starts an upload, and stores the first bytes if the request has a body.
#[utoipa::path(
    post, path = "/api/v1/files", tag = "files", summary = "Start an upload (tus 1.0, creation)",
    params(
        ("Tus-Resumable" = String, Header, pattern = "^1\\.0\\.0$", example = "1.0.0", description = "1.0.0"),
        ("Upload-Length" = u64, Header, description = "The size of the whole file in bytes"),
        ("Upload-Metadata" = Option<String>, Header, description = "`filename`, `filetype` and `room_id`, each in base64"),
        ("Upload-Checksum" = Option<String>, Header, description = "`sha1`, a space, and the digest of the body in base64"),
    ),
    request_body(content_type = "application/offset+octet-stream", description = "The first bytes of the file, optional (creation-with-upload)"),
    responses(
        (status = 201, description = "The upload has started", headers(
            ("Tus-Resumable" = String, description = "1.0.0"),
            ("Location" = String, description = "The URL of the upload, relative to the URL of the request"),
            ("Upload-Offset" = u64, description = "The number of bytes received with this request"),
            ("Upload-Expires" = String, description = "When an unfinished upload expires"),
        )),
        (status = 400, description = "A header is missing or invalid"),
        (status = 403, description = "You may not enter the room"),
        (status = 404, description = "The room does not exist"),
        (status = 412, description = "Wrong or missing version of tus"),
        (status = 413, description = "The file exceeds Tus-Max-Size or your quota, or the body is longer than announced"),
        (status = 415, description = "The file type is not allowed"),
        (status = 429, description = "Too many unfinished uploads"),
        (status = 460, description = "The bytes do not match the checksum"),
    )
)]
pub async fn create(
    site: web::Data<AppState>,
    user: AuthUser,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, Refused> {
    check_version(&request)?;
    if text(&request, &HeaderName::from_static("upload-concat"))?.is_some() {
        let sentence = "Upload-Concat is not supported; turn parallel uploads off (tus-js-client: parallelUploads: 1)";
        return Err(Refused::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidMessage, sentence));
    }
    if text(&request, &HeaderName::from_static("upload-defer-length"))?.is_some() {
        let sentence = "Upload-Defer-Length is not supported; send the Upload-Length";
        return Err(Refused::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidMessage, sentence));
    }
    let size_bytes = number(&request, &LENGTH)?.ok_or_else(|| wrong_number(&LENGTH))?;
    let has_body = is_bytes(&request);
    let chunk = if has_body { Some(chunk_at(&request, 0)?) } else { None };
    let said = text(&request, &METADATA)?.unwrap_or_default();
    let mut metadata =
        parse(said).map_err(|bad| Refused::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidMessage, bad.to_string()))?;
    let mut take = |names: &[&str]| names.iter().find_map(|name| metadata.remove(*name));
    let (name, mime_type) = (take(&["filename", "name"]), take(&["filetype", "type", "mime_type"]));
    let room = room(&site, &user, &metadata).await?;
    let author = user.profile.author();
    let said = (!said.is_empty()).then(|| said.to_owned());
    let file = site.files.begin(&author, Announced { name, mime_type, metadata: said, size_bytes, room }).await?;
    // Relative to the URL of the request, so that it works behind a proxy that adds a prefix to the path.
    let has_slash = request.extensions().contains::<HadSlash>();
    let location = if has_slash { file.id.to_string() } else { format!("files/{}", file.id) };
    let mut created = answer(StatusCode::CREATED);
    created.insert_header((LOCATION, location));
    let file = match chunk {
        // The upload exists even if its first bytes were interrupted; the offset shows how many were stored.
        Some(chunk) => match receive(&site, file.id, chunk, body, author).await {
            Ok(file) => file,
            // A refused client does not learn the upload's URL, so it could neither continue nor delete it.
            Err(fault @ (UploadFault::ChecksumMismatch | UploadFault::TooMuch)) => {
                site.files.remove(&file).await?;
                return Err(fault.into());
            }
            Err(fault) => {
                log::debug!("event=first_bytes_incomplete file={} why=\"{fault}\"", file.id);
                site.store.file(file.id).await?.unwrap_or(file)
            }
        },
        None => file,
    };
    if has_body {
        created.insert_header((OFFSET, file.received_bytes.to_string()));
    }
    Ok(with_expiry(&mut created, &file).finish())
}

/// Returns the offset of an upload.
#[utoipa::path(
    head, path = "/api/v1/files/{file_id}", tag = "files", summary = "Get the offset of an upload (tus 1.0)",
    params(
        ("file_id" = String, Path, description = "The upload's id"),
        ("Tus-Resumable" = String, Header, pattern = "^1\\.0\\.0$", example = "1.0.0", description = "1.0.0"),
    ),
    responses(
        (status = 200, description = "The offset", headers(
            ("Tus-Resumable" = String, description = "1.0.0"),
            ("Upload-Offset" = u64, description = "The number of bytes received"),
            ("Upload-Length" = u64, description = "The size of the whole file in bytes"),
            ("Upload-Metadata" = String, description = "The metadata of the file, in base64"),
            ("Upload-Expires" = String, description = "When an unfinished upload expires"),
        )),
        (status = 400, description = "A header is invalid"),
        (status = 403, description = "The upload belongs to another user"),
        (status = 404, description = "The upload does not exist"),
        (status = 412, description = "Wrong or missing version of tus"),
    )
)]
pub async fn head(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Refused> {
    check_version(&request)?;
    let file = site.files.standing(owned(&site, &user, &path).await?).await?;
    let mut found = answer(StatusCode::OK);
    if let Some(said) = site.store.file_metadata(file.id).await? {
        found.insert_header((METADATA, said));
    }
    found
        .insert_header((OFFSET, file.received_bytes.to_string()))
        .insert_header((LENGTH, file.size_bytes.to_string()))
        .insert_header(("Cache-Control", "no-store"));
    Ok(with_expiry(&mut found, &file).finish())
}

/// Appends bytes to an upload.
#[utoipa::path(
    patch, path = "/api/v1/files/{file_id}", tag = "files", summary = "Continue an upload (tus 1.0)",
    params(
        ("file_id" = String, Path, description = "The upload's id"),
        ("Tus-Resumable" = String, Header, pattern = "^1\\.0\\.0$", example = "1.0.0", description = "1.0.0"),
        ("Upload-Offset" = u64, Header, description = "The offset of the body"),
        ("Upload-Checksum" = Option<String>, Header, description = "`sha1`, a space, and the digest of the body in base64"),
    ),
    request_body(content = bodies::Bytes, content_type = "application/offset+octet-stream", description = "The next bytes"),
    responses(
        (status = 204, description = "The bytes were stored", headers(
            ("Tus-Resumable" = String, description = "1.0.0"),
            ("Upload-Offset" = u64, description = "The number of bytes received"),
            ("Upload-Expires" = String, description = "When an unfinished upload expires"),
        )),
        (status = 400, description = "A header is missing or invalid, or the body is incomplete"),
        (status = 403, description = "The upload belongs to another user"),
        (status = 404, description = "The upload does not exist"),
        (status = 408, description = "No bytes arrived for a minute"),
        (status = 409, description = "The offset does not match"),
        (status = 412, description = "Wrong or missing version of tus"),
        (status = 413, description = "More bytes than announced, or too many requests"),
        (status = 415, description = "Wrong Content-Type"),
        (status = 423, description = "Another request is writing this file"),
        (status = 460, description = "The bytes do not match the checksum"),
    )
)]
pub async fn patch(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, Refused> {
    check_version(&request)?;
    if !is_bytes(&request) {
        let sentence = format!("The body must have the Content-Type {BYTES}");
        return Err(Refused::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorCode::InvalidMessage, sentence));
    }
    let offset = number(&request, &OFFSET)?.ok_or_else(|| wrong_number(&OFFSET))?;
    let chunk = chunk_at(&request, offset)?;
    let file = owned(&site, &user, &path).await?;
    let file = receive(&site, file.id, chunk, body, user.profile.author()).await?;
    let mut taken = answer(StatusCode::NO_CONTENT);
    taken.insert_header((OFFSET, file.received_bytes.to_string()));
    Ok(with_expiry(&mut taken, &file).finish())
}

/// Deletes a file, complete or not.
#[utoipa::path(
    delete, path = "/api/v1/files/{file_id}", tag = "files", summary = "Delete a complete or unfinished file (tus 1.0, termination)",
    params(
        ("file_id" = String, Path, description = "The upload's id"),
        ("Tus-Resumable" = String, Header, pattern = "^1\\.0\\.0$", example = "1.0.0", description = "1.0.0"),
    ),
    responses(
        (status = 204, description = "The file was deleted", headers(("Tus-Resumable" = String, description = "1.0.0"))),
        (status = 400, description = "A header is invalid"),
        (status = 403, description = "The file belongs to another user"),
        (status = 404, description = "The file does not exist"),
        (status = 412, description = "Wrong or missing version of tus"),
    )
)]
pub async fn delete(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Refused> {
    check_version(&request)?;
    let file = owned(&site, &user, &path).await?;
    log::info!("event=file_deleted file={} by={}", file.id, logged(user.id()));
    site.files.remove(&file).await?;
    Ok(answer(StatusCode::NO_CONTENT).finish())
}

/// For clients that can only send POST (tus 1.0, X-HTTP-Method-Override).
#[utoipa::path(
    post, path = "/api/v1/files/{file_id}", tag = "files", summary = "Send HEAD, PATCH or DELETE from a client that can only POST",
    params(
        ("file_id" = String, Path, description = "The upload's id"),
        ("X-HTTP-Method-Override" = String, Header, pattern = "^(HEAD|PATCH|DELETE)$", example = "PATCH", description = "The method to execute"),
        ("Tus-Resumable" = String, Header, pattern = "^1\\.0\\.0$", example = "1.0.0", description = "1.0.0"),
        ("Upload-Offset" = Option<u64>, Header, description = "For PATCH: the offset of the body"),
        ("Upload-Checksum" = Option<String>, Header, description = "For PATCH: `sha1`, a space, and the digest of the body in base64"),
    ),
    request_body(content_type = "application/offset+octet-stream", description = "For PATCH: the next bytes"),
    responses(
        (status = 200, description = "As to HEAD", headers(
            ("Tus-Resumable" = String, description = "1.0.0"),
            ("Upload-Offset" = u64, description = "The number of bytes received"),
            ("Upload-Length" = u64, description = "The size of the whole file in bytes"),
            ("Upload-Metadata" = String, description = "The metadata of the file, in base64"),
            ("Upload-Expires" = String, description = "When an unfinished upload expires"),
        )),
        (status = 204, description = "The response to PATCH or DELETE", headers(
            ("Tus-Resumable" = String, description = "1.0.0"),
            ("Upload-Offset" = u64, description = "The number of bytes received"),
            ("Upload-Expires" = String, description = "When an unfinished upload expires"),
        )),
        (status = 400, description = "A header is missing or invalid, or the body is incomplete"),
        (status = 403, description = "The upload belongs to another user"),
        (status = 404, description = "The upload does not exist"),
        (status = 408, description = "No bytes arrived for a minute"),
        (status = 409, description = "The offset does not match"),
        (status = 412, description = "Wrong or missing version of tus"),
        (status = 413, description = "More bytes than announced, or too many requests"),
        (status = 415, description = "Wrong Content-Type"),
        (status = 423, description = "Another request is writing this file"),
        (status = 460, description = "The bytes do not match the checksum"),
        (status = 405, description = "Unsupported or missing method", headers(("Allow" = String, description = "The allowed methods"))),
    )
)]
pub async fn overridden(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, Refused> {
    match text(&request, &METHOD_OVERRIDE)? {
        Some("PATCH") => patch(site, user, path, request, body).await,
        Some("DELETE") => delete(site, user, path, request).await,
        Some("HEAD") => head(site, user, path, request).await,
        Some(_) | None => Ok(crate::http::errors::method_not_allowed("HEAD, PATCH, DELETE").respond_to(&request)),
    }
}

/// Writes the body to storage in a separate task, because the request's own is dropped when the connection breaks.
async fn receive(
    site: &web::Data<AppState>,
    file: FileId,
    chunk: Chunk,
    body: web::Payload,
    by: Author,
) -> Result<FileRecord, UploadFault> {
    let files = site.files.clone();
    let task = actix_web::rt::spawn(async move { files.write(file, chunk, body, &by).await });
    task.await.unwrap_or_else(|lost| {
        log::error!("event=upload_lost file={file} why=\"{lost}\"");
        Err(UploadFault::Broken)
    })
}

/// An upload that the user may continue.
async fn owned(site: &AppState, user: &AuthUser, id: &str) -> Result<FileRecord, Refused> {
    let file = site.store.file(file_id(id)?).await?.ok_or_else(Refused::no_such_file)?;
    user.may(Action::ChangeFile { owner: &file.owner })?;
    Ok(file)
}

/// The open room named in the metadata, if any. The uploader must be allowed to enter it.
async fn room(site: &AppState, user: &AuthUser, metadata: &HashMap<String, String>) -> Result<Option<RoomId>, Refused> {
    let Some(name) = metadata.get("room_id").or_else(|| metadata.get("room")).filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    let name = RoomName::new(name.as_str()).map_err(|bad| ApiError::field("room_id", bad))?;
    user.may(Action::NameRoom { name: &name })?;
    let Some(room) = site.store.access(&RoomRef::Open(name), user.id()).await? else {
        let sentence = "room_id: the room does not exist; join it first, or omit it";
        return Err(ApiError::new(ErrorCode::RoomNotFound, sentence).into());
    };
    user.may_enter(&room)?;
    Ok(Some(room.identity.id))
}

// ---- headers ----

fn answer(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.insert_header((RESUMABLE, VERSION));
    response
}

fn with_expiry<'a>(response: &'a mut HttpResponseBuilder, file: &FileRecord) -> &'a mut HttpResponseBuilder {
    if !file.is_complete() {
        response.insert_header((EXPIRES, http_date(file.expires_at).to_string()));
    }
    response
}

/// An HTTP date (RFC 9110 section 5.6.7), in whole seconds.
pub fn http_date(at: Timestamp) -> HttpDate {
    let since = Duration::from_secs(u64::try_from(at.unix_seconds()).unwrap_or_default());
    HttpDate::from(std::time::UNIX_EPOCH + since)
}

fn check_version(request: &HttpRequest) -> Result<(), Refused> {
    if text(request, &RESUMABLE)? == Some(VERSION) {
        return Ok(());
    }
    let sentence = format!("The request must have the header Tus-Resumable: {VERSION}");
    Err(Refused::new(StatusCode::PRECONDITION_FAILED, ErrorCode::InvalidMessage, sentence))
}

fn text<'a>(request: &'a HttpRequest, name: &HeaderName) -> Result<Option<&'a str>, Refused> {
    let Some(value) = request.headers().get(name) else { return Ok(None) };
    let wrong = |_| Refused::from(ApiError::field(name.as_str(), "must be plain text"));
    value.to_str().map(str::trim).map(Some).map_err(wrong)
}

/// Digits only, without a sign, and within the range of the type.
fn number(request: &HttpRequest, name: &HeaderName) -> Result<Option<u64>, Refused> {
    let Some(text) = text(request, name)? else { return Ok(None) };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    u64::from_str(text).ok().filter(|_| digits).map(Some).ok_or_else(|| wrong_number(name))
}

fn wrong_number(name: &HeaderName) -> Refused {
    ApiError::field(name.as_str(), "must be a whole number of bytes, 0 or more").into()
}

fn is_bytes(request: &HttpRequest) -> bool {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(BYTES))
}

fn chunk_at(request: &HttpRequest, offset: u64) -> Result<Chunk, Refused> {
    Ok(Chunk { offset, length: number(request, &CONTENT_LENGTH)?, checksum: checksum(request)? })
}

fn checksum(request: &HttpRequest) -> Result<Option<Sha1Digest>, Refused> {
    let Some(value) = text(request, &CHECKSUM)? else { return Ok(None) };
    let digest = match value.split_once(' ') {
        Some((name, digest)) if name.eq_ignore_ascii_case("sha1") => {
            base64(digest.trim()).and_then(|bytes| bytes.try_into().ok())
        }
        Some(_) | None => None,
    };
    let wrong = || ApiError::field("upload-checksum", "must be sha1, a space and the digest in base64").into();
    digest.map(Some).ok_or_else(wrong)
}
