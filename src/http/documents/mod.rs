//! `/api/documents`: collaborative documents, who may do what with them, and who has them open. A document is addressed by its
//! id, percent-encoded in paths. Changes of rights count at once, on every node.

mod members;
pub(super) mod versions;

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

pub(super) use self::members::*;
use super::{
    ApiError, AppState,
    extract::{AuthUser, Body},
    fields::Page,
    openapi::schemas,
    resource, to_the_end,
};
use crate::{
    auth::{policy::Action, tokens::query_value},
    core::{
        command::{Command, DocumentCommand},
        document::{DocumentAccess, DocumentRole, Position, Range},
        event::{DocumentEphemeral, Ephemeral, EventBody, Participant, RoomIdentity},
    },
    error::{ErrorCode, Refusal},
    ids::{DocumentId, RoomId, Seq},
    limits,
    logged::logged,
    store::{Document, StoreError, StoredDocument},
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/api/documents", [(Method::GET, web::to(list)), (Method::POST, web::to(create))]))
        .service(resource("/api/documents/active", [(Method::GET, web::to(active))]))
        .service(resource(
            "/api/documents/{document_id}",
            [(Method::GET, web::to(one)), (Method::PATCH, web::to(change))],
        ))
        .service(resource("/api/documents/{document_id}/session", [(Method::GET, web::to(session))]));
    members::configure(config);
    versions::configure(config);
}

/// A document. `role` is what you may do.
#[derive(Serialize, ToSchema)]
#[schema(as = Document)]
pub(super) struct DocumentJson {
    document_id: String,
    owner_id: Option<String>,
    /// What everybody may do who has the link: `private` (nothing), `view`, `comment` or `edit`.
    access: &'static str,
    /// `viewer`, `commenter`, `editor` or `owner`; null for an administrator who may only manage it.
    role: Option<&'static str>,
    #[schema(schema_with = schemas::timestamp)]
    created_at: String,
}

impl From<Document> for DocumentJson {
    fn from(document: Document) -> DocumentJson {
        DocumentJson {
            document_id: id_of(&document.identity),
            owner_id: document.owner.map(|owner| owner.to_string()),
            access: document.access.name(),
            role: document.membership.max(document.access.role()).map(DocumentRole::name),
            created_at: document.created_at.to_string(),
        }
    }
}

/// Documents, by id.
#[derive(Serialize, ToSchema)]
#[schema(as = Documents)]
pub(super) struct DocumentsJson {
    documents: Vec<DocumentJson>,
    /// Whether there are more.
    has_more: bool,
}

/// A document with its text.
#[derive(Serialize, ToSchema)]
#[schema(as = DocumentContents)]
pub(super) struct ContentsJson {
    #[serde(flatten)]
    document: DocumentJson,
    /// The text that editors by line and column see.
    content: String,
    /// The version of the text.
    #[schema(value_type = i64)]
    version: Seq,
}

/// A new document.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(super) struct NewDocumentBody {
    #[schema(schema_with = schemas::document_id_in_body)]
    document_id: String,
    /// What everybody may do who has the link; `edit` by default.
    #[schema(schema_with = schemas::optional_document_access, required = false)]
    access: Option<String>,
}

/// What everybody may do who has the link.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(super) struct DocumentChangeBody {
    #[schema(schema_with = schemas::document_access)]
    access: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it is read value by value, so that every refusal names its parameter; this documents it")]
pub(super) struct DocumentsQuery {
    /// The id of the last document of the page before.
    #[param(schema_with = schemas::document_cursor, required = false)]
    after: Option<String>,
    /// How many; 50 without it.
    #[param(schema_with = schemas::page_limit, required = false)]
    limit: Option<i64>,
}

/// Lists the documents that you own or are a member of, by id.
#[utoipa::path(get, path = "/api/documents", tag = "editing", params(DocumentsQuery),
    responses(
        (status = 200, description = "A page", body = DocumentsJson),
        (status = 400, description = "after or limit is invalid"),
    ))]
pub(super) async fn list(
    site: web::Data<AppState>,
    user: AuthUser,
    request: HttpRequest,
) -> Result<web::Json<DocumentsJson>, ApiError> {
    let query = request.query_string();
    let page = Page::asked(query, limits::PAGE_DOCUMENTS_DEFAULT, limits::PAGE_DOCUMENTS_MAX)?;
    let after = query_value(query, "after").filter(|text| !text.is_empty());
    let after =
        after.map(|text| DocumentId::new(text.as_ref()).map_err(|bad| ApiError::field("after", bad))).transpose()?;
    let mut found = site.store.documents_of(user.id(), after.as_ref(), page.to_read()).await?;
    let has_more = page.cut(&mut found);
    found.retain(|document| user.may(Action::Stay { room: &document.identity }).is_ok());
    Ok(web::Json(DocumentsJson { documents: found.into_iter().map(DocumentJson::from).collect(), has_more }))
}

/// Creates an empty document. You become its owner. A document that does not exist is also created by opening it.
#[utoipa::path(post, path = "/api/documents", tag = "editing", request_body = NewDocumentBody,
    responses(
        (status = 201, description = "It is there", body = DocumentJson),
        (status = 400, description = "A field is missing or invalid; the error names it"),
        (status = 403, description = "The token is restricted to other rooms"),
        (status = 409, description = "A document with this id exists"),
    ))]
pub(super) async fn create(
    site: web::Data<AppState>,
    user: AuthUser,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    let id = fields.line("document_id", 1..=limits::DOCUMENT_ID_CHARS_MAX)?;
    let id = DocumentId::new(id).map_err(|bad| ApiError::field("document_id", bad))?;
    if id.as_str() == "active" {
        return Err(ApiError::field("document_id", "must not be active, which names a list; choose another id"));
    }
    user.may(Action::NameDocument { document: &id })?;
    let access = fields.optional_line("access", 1..=16)?.map(|name| access_named(&name)).transpose()?;
    let exists = || {
        ApiError::new(
            ErrorCode::Conflict,
            "A document with this document_id already exists; open it, or choose another id",
        )
    };
    if site.store.document(&id, user.id()).await?.is_some() {
        return Err(exists());
    }
    to_the_end(async move {
        let mut document = site.store.create_document(&id, user.id()).await?;
        if document.owner.as_ref() != Some(user.id()) {
            return Err(exists());
        }
        if let Some(access) = access {
            site.store.set_document_access(document.identity.id, access).await?;
            document.access = access;
        }
        log::info!("event=document_made room={} by={}", document.identity.id, logged(user.id()));
        Ok(HttpResponse::Created().json(DocumentJson::from(document)))
    })
    .await
}

/// Gets a document that you may read, with its text.
#[utoipa::path(get, path = "/api/documents/{document_id}", tag = "editing",
    params(("document_id" = String, Path, description = "The document's id, percent-encoded")),
    responses(
        (status = 200, description = "The document", body = ContentsJson),
        (status = 403, description = "You may not read it"),
        (status = 404, description = "The document does not exist"),
    ))]
pub(super) async fn one(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<web::Json<ContentsJson>, ApiError> {
    let (document, _) = readable(&site, &user, &path).await?;
    let (content, version) = contents(site.store.read_document(document.identity.id).await?).await?;
    Ok(web::Json(ContentsJson { document: document.into(), content, version }))
}

/// Sets what everybody may do who has the link. Open editors keep only what they still may do.
#[utoipa::path(patch, path = "/api/documents/{document_id}", tag = "editing",
    params(("document_id" = String, Path, description = "The document's id, percent-encoded")),
    request_body = DocumentChangeBody,
    responses(
        (status = 200, description = "The changed document", body = DocumentJson),
        (status = 400, description = "access is missing or invalid"),
        (status = 403, description = "You are neither the owner nor an administrator"),
        (status = 404, description = "The document does not exist"),
    ))]
pub(super) async fn change(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    Body(fields): Body,
) -> Result<web::Json<DocumentJson>, ApiError> {
    let document = managed(&site, &user, &path).await?;
    let access = access_named(&fields.line("access", 1..=16)?)?;
    to_the_end(async move {
        site.store.set_document_access(document.identity.id, access).await?;
        log::info!(
            "event=document_changed room={} access={} by={}",
            document.identity.id,
            access.name(),
            logged(user.id())
        );
        rights_changed(&site, &user, &document).await?;
        Ok(web::Json(Document { access, ..document }.into()))
    })
    .await
}

/// A document that somebody has open.
#[derive(Serialize, ToSchema)]
#[schema(as = ActiveDocument)]
pub(super) struct ActiveJson {
    document_id: String,
    /// How many users have it open.
    participants: u64,
}

/// The documents that are open.
#[derive(Serialize, ToSchema)]
#[schema(as = ActiveDocuments)]
pub(super) struct ActiveDocumentsJson {
    /// By id; at most 1,000.
    documents: Vec<ActiveJson>,
    count: usize,
}

/// Lists the documents that are open on any node and that you may read.
#[utoipa::path(get, path = "/api/documents/active", tag = "editing",
    responses(
        (status = 200, description = "The documents", body = ActiveDocumentsJson),
        (status = 403, description = "The token is restricted to rooms"),
    ))]
pub(super) async fn active(
    site: web::Data<AppState>,
    user: AuthUser,
) -> Result<web::Json<ActiveDocumentsJson>, ApiError> {
    user.may(Action::ViewPresence)?;
    let in_use = site.gateway.rooms().await.ok_or_else(Refusal::unavailable)?;
    let mut documents = Vec::new();
    let users: std::collections::HashMap<RoomId, u64> = in_use.iter().map(|room| (room.room, room.users)).collect();
    let ids: Vec<RoomId> = in_use.iter().filter(|room| room.users > 0).map(|room| room.room).collect();
    for some in ids.chunks(limits::STORE_IDS_PER_QUERY) {
        let found = site.store.documents_among(some.to_vec(), user.id()).await?;
        documents
            .extend(found.into_iter().filter(|document| document.membership.max(document.access.role()).is_some()));
    }
    let mut documents: Vec<ActiveJson> = documents
        .into_iter()
        .map(|document| ActiveJson {
            participants: users.get(&document.identity.id).copied().unwrap_or_default(),
            document_id: id_of(&document.identity),
        })
        .collect();
    documents.sort_unstable_by(|a, b| a.document_id.cmp(&b.document_id));
    let count = documents.len();
    documents.truncate(limits::LIST_MAX as usize);
    Ok(web::Json(ActiveDocumentsJson { documents, count }))
}

/// A place in the text.
#[derive(Serialize, ToSchema)]
#[schema(as = TextPosition)]
pub(super) struct PositionJson {
    line: u32,
    column: u32,
}

impl From<Position> for PositionJson {
    fn from(at: Position) -> PositionJson {
        PositionJson { line: at.line, column: at.column }
    }
}

/// A range of the text.
#[derive(Serialize, ToSchema)]
#[schema(as = TextRange)]
pub(super) struct RangeJson {
    start: PositionJson,
    end: PositionJson,
}

impl From<Range> for RangeJson {
    fn from(range: Range) -> RangeJson {
        RangeJson { start: range.start.into(), end: range.end.into() }
    }
}

/// A user who has the document open.
#[derive(Serialize, ToSchema)]
#[schema(as = DocumentParticipant)]
pub(super) struct EditorJson {
    user_id: String,
    username: String,
    color: &'static str,
    /// The cursor; null if it is not known.
    position: Option<PositionJson>,
    /// Null if nothing is selected.
    selection: Option<RangeJson>,
}

impl From<Participant> for EditorJson {
    fn from(of: Participant) -> EditorJson {
        EditorJson {
            user_id: of.user.id.to_string(),
            username: of.user.username().to_owned(),
            color: of.colour.name(),
            position: of.position.map(PositionJson::from),
            selection: of.selection.map(RangeJson::from),
        }
    }
}

/// Who has a document open.
#[derive(Serialize, ToSchema)]
#[schema(as = DocumentSession)]
pub(super) struct SessionJson {
    document_id: String,
    /// Whether anybody has it open.
    active: bool,
    #[schema(value_type = i64)]
    version: Seq,
    /// At most 1,000.
    participants: Vec<EditorJson>,
}

/// Tells who has a document open, on any node.
#[utoipa::path(get, path = "/api/documents/{document_id}/session", tag = "editing",
    params(("document_id" = String, Path, description = "The document's id, percent-encoded")),
    responses(
        (status = 200, description = "The session", body = SessionJson),
        (status = 403, description = "You may not read the document"),
        (status = 404, description = "The document does not exist"),
    ))]
pub(super) async fn session(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<web::Json<SessionJson>, ApiError> {
    let (document, _) = readable(&site, &user, &path).await?;
    let document_id = id_of(&document.identity);
    let describe = Command::Document(DocumentCommand::Describe);
    let told = site.gateway.ask(document.identity, user.profile.author(), None, describe, Vec::new()).await?;
    match told.map(|event| event.body) {
        Some(EventBody::Ephemeral(Ephemeral::Document(DocumentEphemeral::Session { version, participants }))) => {
            let participants: Vec<EditorJson> = participants.into_iter().map(EditorJson::from).collect();
            Ok(web::Json(SessionJson { document_id, active: !participants.is_empty(), version, participants }))
        }
        Some(_) | None => Err(Refusal::internal().into()),
    }
}

// ---- what the routes share ----

fn id_of(room: &RoomIdentity) -> String {
    room.scope.document().map(ToString::to_string).unwrap_or_default()
}

fn access_named(name: &str) -> Result<DocumentAccess, ApiError> {
    DocumentAccess::from_name(name).ok_or_else(|| ApiError::field("access", "must be private, view, comment or edit"))
}

fn no_such_document() -> ApiError {
    ApiError::new(ErrorCode::RoomNotFound, "There is no such document; check the id")
}

async fn found(site: &AppState, user: &AuthUser, id: &str) -> Result<Document, ApiError> {
    let id = DocumentId::new(id).map_err(|_| no_such_document())?;
    user.may(Action::NameDocument { document: &id })?;
    site.store.document(&id, user.id()).await?.ok_or_else(no_such_document)
}

/// The document, if the user may read it, and the user's role in it.
async fn readable(site: &AppState, user: &AuthUser, id: &str) -> Result<(Document, DocumentRole), ApiError> {
    let document = found(site, user, id).await?;
    user.may_enter(&document.clone().into())?;
    let role = document.membership.max(document.access.role()).unwrap_or(DocumentRole::Viewer);
    Ok((document, role))
}

/// The document, if the user may change it.
async fn editable(site: &AppState, user: &AuthUser, id: &str) -> Result<Document, ApiError> {
    let (document, role) = readable(site, user, id).await?;
    if !role.edits() {
        let sentence = "You may not change this document; ask its owner to make you an editor";
        return Err(ApiError::new(ErrorCode::PermissionDenied, sentence));
    }
    Ok(document)
}

/// The document, if the user may decide about it.
async fn managed(site: &AppState, user: &AuthUser, id: &str) -> Result<Document, ApiError> {
    let document = found(site, user, id).await?;
    user.may(Action::ManageDocument { membership: document.membership })?;
    Ok(document)
}

/// Makes all open editors, on every node, count by their new rights.
async fn rights_changed(site: &AppState, user: &AuthUser, document: &Document) -> Result<(), ApiError> {
    let read = Command::Document(DocumentCommand::ReadRights);
    site.gateway.ask(document.identity.clone(), user.profile.author(), None, read, Vec::new()).await?;
    Ok(())
}

/// The text of a document as it is stored, and its version.
async fn contents(read: StoredDocument) -> Result<(String, Seq), ApiError> {
    let version = read.last;
    let text = web::block(move || read.replica().text()).await;
    Ok((text.map_err(|_| Refusal::unavailable())?, version))
}
