//! `/api/documents/{document_id}/members`: who may do what with a document, besides what everybody with the link may do.

use super::*;
use crate::{core::profile::Profile, http::extract::user_id};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource(
            "/api/documents/{document_id}/members",
            [(Method::GET, web::to(members)), (Method::POST, web::to(set_member))],
        ))
        .service(resource(
            "/api/documents/{document_id}/members/{user_id}",
            [(Method::DELETE, web::to(remove_member))],
        ));
}

/// A member of a document.
#[derive(Serialize, ToSchema)]
#[schema(as = DocumentMember)]
pub(in crate::http) struct DocumentMemberJson {
    user_id: String,
    username: String,
    display_name: String,
    /// `viewer`, `commenter`, `editor` or `owner`.
    role: &'static str,
}

fn member_json(profile: Profile, role: DocumentRole) -> DocumentMemberJson {
    DocumentMemberJson {
        user_id: profile.id.to_string(),
        username: profile.username.to_string(),
        display_name: profile.display_name,
        role: role.name(),
    }
}

/// A user, and what the user may do.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(in crate::http) struct DocumentMemberBody {
    #[schema(schema_with = schemas::user_id_in_body)]
    user_id: String,
    #[schema(schema_with = schemas::document_role)]
    role: String,
}

/// Lists the members of a document that you may read, the owner who created it first.
#[utoipa::path(get, path = "/api/documents/{document_id}/members", tag = "editing",
    params(("document_id" = String, Path, description = "The document's id, percent-encoded")),
    responses(
        (status = 200, description = "The members", body = Vec<DocumentMemberJson>),
        (status = 403, description = "You may not read the document"),
        (status = 404, description = "The document does not exist"),
    ))]
pub(in crate::http) async fn members(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<web::Json<Vec<DocumentMemberJson>>, ApiError> {
    let (document, _) = readable(&site, &user, &path).await?;
    let owner = match &document.owner {
        Some(owner) => site.store.user(owner).await?,
        None => None,
    };
    let owner = owner.map(|profile| (profile, DocumentRole::Owner));
    let others = site.store.document_members(document.identity.id).await?;
    let all =
        owner.into_iter().chain(others.into_iter().filter(|(member, _)| document.owner.as_ref() != Some(&member.id)));
    Ok(web::Json(all.map(|(profile, role)| member_json(profile, role)).collect()))
}

/// Adds a member, or changes the role of one. Open editors of this user count by the new role at once.
#[utoipa::path(post, path = "/api/documents/{document_id}/members", tag = "editing",
    params(("document_id" = String, Path, description = "The document's id, percent-encoded")),
    request_body = DocumentMemberBody,
    responses(
        (status = 200, description = "The member", body = DocumentMemberJson),
        (status = 403, description = "You are neither the owner nor an administrator"),
        (status = 404, description = "The document or the user does not exist"),
        (status = 409, description = "The user created the document, or there are too many members"),
    ))]
pub(in crate::http) async fn set_member(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    let document = managed(&site, &user, &path).await?;
    let member = user_id(&fields.line("user_id", 1..=limits::USER_ID_CHARS_MAX)?)?;
    let role = fields.line("role", 1..=16)?;
    let role = DocumentRole::from_name(&role)
        .ok_or_else(|| ApiError::field("role", "must be viewer, commenter, editor or owner"))?;
    let profile = site.store.user(&member).await?.ok_or_else(ApiError::no_such_user)?;
    if document.owner.as_ref() == Some(&member) {
        let sentence = "This user created the document and stays its owner; there is nothing to do";
        return Err(ApiError::new(ErrorCode::Conflict, sentence));
    }
    to_the_end(async move {
        match site.store.set_document_member(document.identity.id, &member, role).await {
            Err(StoreError::Taken(_)) => {
                let sentence =
                    format!("A document has at most {} members; remove a member first", limits::ROOM_MEMBERS_MAX);
                return Err(ApiError::new(ErrorCode::Conflict, sentence));
            }
            other => other?,
        }
        log::info!(
            "event=document_member_set room={} user={} role={} by={}",
            document.identity.id,
            logged(&member),
            role.name(),
            logged(user.id())
        );
        rights_changed(&site, &user, &document).await?;
        Ok(HttpResponse::Ok().json(member_json(profile, role)))
    })
    .await
}

/// Removes a member, or leaves the document. The user keeps what everybody with the link may do.
#[utoipa::path(delete, path = "/api/documents/{document_id}/members/{user_id}", tag = "editing",
    params(
        ("document_id" = String, Path, description = "The document's id, percent-encoded"),
        ("user_id" = String, Path, description = "The member's id"),
    ),
    responses(
        (status = 204, description = "The member was removed"),
        (status = 403, description = "You are neither the owner nor an administrator"),
        (status = 404, description = "The document or the member does not exist"),
    ))]
pub(in crate::http) async fn remove_member(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (id, member) = path.into_inner();
    let member = user_id(&member)?;
    let document =
        if member == *user.id() { readable(&site, &user, &id).await?.0 } else { managed(&site, &user, &id).await? };
    to_the_end(async move {
        if !site.store.remove_document_member(document.identity.id, &member).await? {
            return Err(ApiError::new(ErrorCode::NotFound, "This user is not a member of the document; check the id"));
        }
        let room = document.identity.id;
        log::info!("event=document_member_removed room={room} user={} by={}", logged(&member), logged(user.id()));
        rights_changed(&site, &user, &document).await?;
        Ok(HttpResponse::NoContent().finish())
    })
    .await
}
