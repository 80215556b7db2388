//! `/api/documents/{document_id}/versions`: named versions of a document. Versions are never changed; restoring one is an edit
//! of the current text like any other.

use std::time::Instant;

use super::*;
use crate::{
    core::document::{Change, Extent, changes_between, text_of},
    http::fields::query_number,
    store::{DocumentState, DocumentVersion},
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource(
            "/api/documents/{document_id}/versions",
            [(Method::GET, web::to(versions)), (Method::POST, web::to(save))],
        ))
        .service(resource("/api/documents/{document_id}/versions/{number}", [(Method::GET, web::to(version))]))
        .service(resource("/api/documents/{document_id}/versions/{number}/changes", [(Method::GET, web::to(compare))]))
        .service(resource(
            "/api/documents/{document_id}/versions/{number}/restore",
            [(Method::POST, web::to(restore))],
        ));
}

/// A named version.
#[derive(Serialize, ToSchema)]
#[schema(as = DocumentVersion)]
pub(in crate::http) struct VersionJson {
    /// Counted from 1.
    number: i32,
    name: Option<String>,
    /// The version of the text that was saved.
    #[schema(value_type = i64)]
    version: Seq,
    user_id: String,
    username: String,
    #[schema(schema_with = schemas::timestamp)]
    created_at: String,
}

impl From<DocumentVersion> for VersionJson {
    fn from(of: DocumentVersion) -> VersionJson {
        VersionJson {
            number: of.number,
            name: of.name,
            version: of.seq,
            user_id: of.author.id.to_string(),
            username: of.author.username().to_owned(),
            created_at: of.at.to_string(),
        }
    }
}

/// Versions, the newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = DocumentVersions)]
pub(in crate::http) struct VersionsJson {
    versions: Vec<VersionJson>,
    /// Whether there are older ones.
    has_more: bool,
}

/// A version with its text.
#[derive(Serialize, ToSchema)]
#[schema(as = DocumentVersionContents)]
pub(in crate::http) struct VersionContentsJson {
    #[serde(flatten)]
    version: VersionJson,
    content: String,
}

/// A change of the text. Several apply one after another.
#[derive(Serialize, ToSchema)]
#[schema(as = TextChange)]
pub(in crate::http) struct ChangeJson {
    position: PositionJson,
    /// The end of what is removed; null if nothing is.
    end: Option<PositionJson>,
    /// What is inserted.
    text: String,
}

impl From<Change> for ChangeJson {
    fn from(change: Change) -> ChangeJson {
        let end = match change.extent {
            Extent::UpTo(end) => Some(end.into()),
            // a comparison says where it ends
            Extent::Nothing | Extent::Units(_) => None,
        };
        ChangeJson { position: change.start.into(), end, text: change.text.to_string() }
    }
}

/// What leads from one version to another.
#[derive(Serialize, ToSchema)]
#[schema(as = DocumentChanges)]
pub(in crate::http) struct ChangesJson {
    changes: Vec<ChangeJson>,
}

/// The version of the text after a restoration.
#[derive(Serialize, ToSchema)]
#[schema(as = DocumentRestored)]
pub(in crate::http) struct RestoredJson {
    /// Null if the text was the same already.
    #[schema(value_type = Option<i64>)]
    version: Option<Seq>,
}

/// A name for the version.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(in crate::http) struct NewVersionBody {
    #[schema(schema_with = schemas::optional_version_name, required = false)]
    name: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it is read value by value, so that every refusal names its parameter; this documents it")]
pub(in crate::http) struct VersionsQuery {
    /// The number of the last version of the page before.
    #[param(schema_with = schemas::version_number, required = false)]
    before: Option<i64>,
    /// How many; 50 without it.
    #[param(schema_with = schemas::page_limit, required = false)]
    limit: Option<i64>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it is read value by value, so that every refusal names its parameter; this documents it")]
pub(in crate::http) struct CompareQuery {
    /// The number of the version to compare with; without it, the current text.
    #[param(schema_with = schemas::version_number, required = false)]
    to: Option<i64>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "it only describes the path")]
pub(in crate::http) struct VersionPath {
    /// The document's id, percent-encoded.
    document_id: String,
    /// The number of the version.
    #[param(schema_with = schemas::version_number)]
    number: i64,
}

/// Lists the named versions of a document, the newest first.
#[utoipa::path(get, path = "/api/documents/{document_id}/versions", tag = "editing",
    params(("document_id" = String, Path, description = "The document's id, percent-encoded"), VersionsQuery),
    responses(
        (status = 200, description = "A page", body = VersionsJson),
        (status = 400, description = "before or limit is invalid"),
        (status = 403, description = "You may not read the document"),
        (status = 404, description = "The document does not exist"),
    ))]
pub(in crate::http) async fn versions(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<web::Json<VersionsJson>, ApiError> {
    let (document, _) = readable(&site, &user, &path).await?;
    let query = request.query_string();
    let page = Page::asked(query, limits::PAGE_VERSIONS_DEFAULT, limits::PAGE_VERSIONS_MAX)?;
    let before = query_value(query, "before").filter(|text| !text.is_empty());
    let before = before.map(|text| query_number(&text, "before", 1..=i32::MAX)).transpose()?;
    let mut found = site.store.document_versions(document.identity.id, before, page.to_read()).await?;
    let has_more = page.cut(&mut found);
    Ok(web::Json(VersionsJson { versions: found.into_iter().map(VersionJson::from).collect(), has_more }))
}

/// Keeps the current text as a version. Everybody who has the document open is told.
#[utoipa::path(post, path = "/api/documents/{document_id}/versions", tag = "editing",
    params(("document_id" = String, Path, description = "The document's id, percent-encoded")),
    request_body = NewVersionBody,
    responses(
        (status = 201, description = "The version", body = VersionJson),
        (status = 403, description = "You may not change the document"),
        (status = 404, description = "The document does not exist"),
        (status = 409, description = "The document has its maximum of versions"),
    ))]
pub(in crate::http) async fn save(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    let document = editable(&site, &user, &path).await?;
    let name = fields.optional_line("name", 1..=limits::DOCUMENT_VERSION_NAME_CHARS_MAX)?;
    to_the_end(async move {
        let room = document.identity.id;
        let read = site.store.read_document(room).await?;
        let seq = read.last;
        let update = web::block(move || read.replica().state()).await.map_err(|_| Refusal::unavailable())?;
        let (author, at) = (user.profile.author(), site.clock.now());
        let state = DocumentState { seq, update };
        let version = match site.store.add_document_version(room, state, author.clone(), name, at).await {
            Err(StoreError::Taken(_)) => {
                let sentence = "The document has its maximum of named versions; no more can be saved";
                return Err(ApiError::new(ErrorCode::Conflict, sentence));
            }
            other => other?,
        };
        let name = version.name.as_deref().map(Into::into);
        let tell = DocumentCommand::TellSaved { name, number: version.number, version: version.seq };
        site.gateway.ask(document.identity, author, None, Command::Document(tell), Vec::new()).await?;
        Ok(HttpResponse::Created().json(VersionJson::from(version)))
    })
    .await
}

/// Gets a version with its text.
#[utoipa::path(get, path = "/api/documents/{document_id}/versions/{number}", tag = "editing", params(VersionPath),
    responses(
        (status = 200, description = "The version", body = VersionContentsJson),
        (status = 403, description = "You may not read the document"),
        (status = 404, description = "The document or the version does not exist"),
    ))]
pub(in crate::http) async fn version(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<(String, String)>,
) -> Result<web::Json<VersionContentsJson>, ApiError> {
    let (id, number) = path.into_inner();
    let (document, _) = readable(&site, &user, &id).await?;
    let (version, state) = stored(&site, document.identity.id, &number).await?;
    Ok(web::Json(VersionContentsJson { version: version.into(), content: text(state).await? }))
}

/// Compares a version with another one, or with the current text: the changes that lead from it to the other.
#[utoipa::path(get, path = "/api/documents/{document_id}/versions/{number}/changes", tag = "editing",
    params(VersionPath, CompareQuery),
    responses(
        (status = 200, description = "The changes", body = ChangesJson),
        (status = 400, description = "to is invalid"),
        (status = 403, description = "You may not read the document"),
        (status = 404, description = "The document or one of the versions does not exist"),
    ))]
pub(in crate::http) async fn compare(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<(String, String)>,
    request: HttpRequest,
) -> Result<web::Json<ChangesJson>, ApiError> {
    let (id, number) = path.into_inner();
    let (document, _) = readable(&site, &user, &id).await?;
    let to = query_value(request.query_string(), "to").filter(|text| !text.is_empty());
    let to = to.map(|text| query_number(&text, "to", 1..=i32::MAX)).transpose()?;
    let room = document.identity.id;
    let from = text(stored(&site, room, &number).await?.1).await?;
    let to = match to {
        Some(number) => text(stored(&site, room, &number.to_string()).await?.1).await?,
        None => contents(site.store.read_document(room).await?).await?.0,
    };
    let compared = move || changes_between(&from, &to, Instant::now() + limits::DOCUMENT_COMPARE_MAX);
    let changes = web::block(compared).await.map_err(|_| Refusal::unavailable())?;
    Ok(web::Json(ChangesJson { changes: changes.into_iter().map(ChangeJson::from).collect() }))
}

/// Makes the text that of a version. Open editors see it as an edit.
#[utoipa::path(post, path = "/api/documents/{document_id}/versions/{number}/restore", tag = "editing",
    params(VersionPath),
    responses(
        (status = 200, description = "It is done", body = RestoredJson),
        (status = 403, description = "You may not change the document"),
        (status = 404, description = "The document or the version does not exist"),
        (status = 409, description = "The document has other contents than its text"),
        (status = 413, description = "The document has its maximum size"),
    ))]
pub(in crate::http) async fn restore(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<(String, String)>,
) -> Result<web::Json<RestoredJson>, ApiError> {
    let (id, number) = path.into_inner();
    let document = editable(&site, &user, &id).await?;
    let (_, state) = stored(&site, document.identity.id, &number).await?;
    let restore = Command::Document(DocumentCommand::Restore { state: state.into() });
    let room = document.identity.id;
    let event = site.gateway.ask(document.identity, user.profile.author(), None, restore, Vec::new()).await?;
    log::info!("event=document_restored room={room} number={} by={}", logged(&number), logged(user.id()));
    let version = event.and_then(|event| match event.body {
        EventBody::Durable { seq, .. } => Some(seq),
        EventBody::Ephemeral(_) => None,
    });
    Ok(web::Json(RestoredJson { version }))
}

async fn stored(site: &AppState, room: RoomId, number: &str) -> Result<(DocumentVersion, Vec<u8>), ApiError> {
    let no_such_version = || ApiError::new(ErrorCode::NotFound, "There is no such version; check its number");
    let number = number.parse().map_err(|_| no_such_version())?;
    site.store.document_version(room, number).await?.ok_or_else(no_such_version)
}

async fn text(state: Vec<u8>) -> Result<String, ApiError> {
    let text = web::block(move || text_of(&state)).await.map_err(|_| Refusal::unavailable())?;
    text.map_err(|_| Refusal::internal().into())
}
