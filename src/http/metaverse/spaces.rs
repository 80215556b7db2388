//! `/metaverse/spaces`: spaces and their members.

use actix_web::{HttpRequest, HttpResponse, http::Method, middleware::from_fn, web};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::{Success, page, space_id, user_id, with_status};
use crate::{
    auth::policy::{Action, SpaceAction},
    core::{
        command::{Command, SpaceCommand},
        event::{RoomIdentity, RoomScope},
        space::{SpaceRefused, SpaceRole},
    },
    http::{
        ApiError, AppState,
        extract::{AuthUser, Body},
        fields::Fields,
        openapi::schemas,
        resource, to_the_end,
    },
    ids::{RoomId, UserId},
    limits,
    logged::logged,
    store::{NewSpace, SpaceAccess, SpaceChange, SpaceMember, Visibility},
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    let spaces = resource("/metaverse/spaces", [(Method::GET, web::to(list)), (Method::POST, web::to(create))]);
    let one = resource("/metaverse/spaces/{space_id}", [(Method::GET, web::to(one)), (Method::PATCH, web::to(change))]);
    let members = resource(
        "/metaverse/spaces/{space_id}/members",
        [(Method::GET, web::to(members)), (Method::DELETE, web::to(leave))],
    );
    let member = resource(
        "/metaverse/spaces/{space_id}/members/{user_id}",
        [(Method::PATCH, web::to(change_member)), (Method::DELETE, web::to(remove_member))],
    );
    for service in [spaces, one, members, member] {
        config.service(service.wrap(from_fn(with_status)));
    }
}

/// A space.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Space)]
pub(in crate::http) struct SpaceJson {
    #[schema(schema_with = schemas::uuid)]
    id: String,
    name: String,
    capacity: u32,
    member_count: u32,
    is_public: bool,
    /// Moves are sent to users who are nearer than about this. Null: to everybody.
    interest_radius: Option<u32>,
    owner_id: Option<String>,
    /// Your role in it: `admin` or `member`. Null: you are not a member.
    role: Option<&'static str>,
    #[schema(schema_with = schemas::timestamp)]
    created_at: String,
}

impl From<SpaceAccess> for SpaceJson {
    fn from(SpaceAccess { space, role }: SpaceAccess) -> SpaceJson {
        SpaceJson {
            id: space.id.to_string(),
            name: space.name.to_string(),
            capacity: space.capacity,
            member_count: space.members,
            is_public: space.visibility == Visibility::Open,
            interest_radius: space.interest_radius,
            owner_id: space.owner.map(|owner| owner.to_string()),
            role: role.map(SpaceRole::name),
            created_at: space.created_at.to_string(),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = OneSpace)]
pub(in crate::http) struct OneSpaceJson {
    #[schema(inline)]
    space: SpaceJson,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SpaceList)]
pub(in crate::http) struct SpacesJson {
    #[schema(inline)]
    spaces: Vec<SpaceJson>,
    /// The number on this page.
    count: usize,
    /// The number of all.
    total: i64,
}

/// A member of a space.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SpaceMember)]
pub(in crate::http) struct SpaceMemberJson {
    #[schema(schema_with = schemas::user_id)]
    user_id: String,
    username: String,
    display_name: String,
    /// `admin` or `member`.
    role: &'static str,
    #[schema(schema_with = schemas::timestamp)]
    joined_at: String,
}

impl From<SpaceMember> for SpaceMemberJson {
    fn from(member: SpaceMember) -> SpaceMemberJson {
        SpaceMemberJson {
            user_id: member.profile.id.to_string(),
            username: member.profile.username.to_string(),
            display_name: member.profile.display_name,
            role: member.role.name(),
            joined_at: member.joined_at.to_string(),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = SpaceMembers)]
pub(in crate::http) struct MembersJson {
    #[schema(inline)]
    members: Vec<SpaceMemberJson>,
    /// The number on this page.
    count: usize,
    /// The number of all.
    total: i64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = OneSpaceMember)]
pub(in crate::http) struct OneMemberJson {
    #[schema(inline)]
    member: SpaceMemberJson,
}

/// No data.
#[derive(Serialize, ToSchema)]
#[schema(as = NoData)]
pub(in crate::http) struct Nothing {}

/// A new space.
#[derive(ToSchema)]
#[schema(as = NewSpace, rename_all = "camelCase")]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(in crate::http) struct NewSpaceBody {
    #[schema(schema_with = schemas::room_name)]
    name: String,
    /// The maximum number of members; 50 by default.
    #[schema(schema_with = schemas::space_capacity, required = false)]
    capacity: Option<u32>,
    /// Whether anybody may visit it; false by default.
    #[schema(required = false)]
    is_public: Option<bool>,
    #[schema(schema_with = schemas::interest_radius, required = false)]
    interest_radius: Option<u32>,
}

/// Changes of a space. Absent fields stay unchanged.
#[derive(ToSchema)]
#[schema(as = SpaceChange, rename_all = "camelCase")]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(in crate::http) struct SpaceChangeBody {
    #[schema(schema_with = schemas::optional_room_name, required = false)]
    name: Option<String>,
    #[schema(schema_with = schemas::space_capacity, required = false)]
    capacity: Option<u32>,
    #[schema(required = false)]
    is_public: Option<bool>,
    /// Null: moves are sent to everybody.
    #[schema(schema_with = schemas::interest_radius, required = false)]
    interest_radius: Option<u32>,
}

/// A member's new role.
#[derive(ToSchema)]
#[schema(as = SpaceRoleChange)]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(in crate::http) struct RoleBody {
    #[schema(schema_with = schemas::space_role)]
    role: String,
}

/// A space.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "this documents the path")]
pub(in crate::http) struct SpacePath {
    /// Its id.
    #[param(schema_with = schemas::uuid)]
    space_id: String,
}

/// A member of a space.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "this documents the path")]
pub(in crate::http) struct SpaceMemberPath {
    /// The space's id.
    #[param(schema_with = schemas::uuid)]
    space_id: String,
    /// The member's id.
    #[param(schema_with = schemas::user_id_in_path)]
    user_id: String,
}

/// A page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it is read value by value, so that every refusal names its parameter; this documents it")]
pub(in crate::http) struct ListQuery {
    /// The number of the page, from 1.
    #[param(schema_with = schemas::page_number, required = false)]
    page: Option<i64>,
    /// The page size, up to 100.
    #[param(schema_with = schemas::any_limit, required = false)]
    limit: Option<i64>,
}

/// Lists your spaces, then the public ones.
#[utoipa::path(get, path = "/metaverse/spaces", tag = "spaces", params(ListQuery),
    responses((status = 200, description = "A page", body = inline(Success<SpacesJson>)),
        (status = 400, description = "page or limit is wrong"), (status = 403, description = "The token is restricted to rooms")))]
pub(in crate::http) async fn list(
    site: web::Data<AppState>,
    user: AuthUser,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    user.may(Action::Space(SpaceAction::Use))?;
    let page = page(request.query_string(), limits::PAGE_USERS_DEFAULT, limits::PAGE_SPACES_MAX)?;
    let found = site.store.spaces(user.id(), page.into()).await?;
    let spaces: Vec<SpaceJson> = found.items.into_iter().map(SpaceJson::from).collect();
    Ok(Success::of(SpacesJson { count: spaces.len(), spaces, total: found.total }))
}

/// Creates a space. You become its admin and take a place.
#[utoipa::path(post, path = "/metaverse/spaces", tag = "spaces", request_body = NewSpaceBody,
    responses((status = 201, description = "It is there", body = inline(Success<OneSpaceJson>)),
        (status = 400, description = "A field is missing or wrong"), (status = 403, description = "The token is restricted to rooms")))]
pub(in crate::http) async fn create(
    site: web::Data<AppState>,
    user: AuthUser,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    user.may(Action::Space(SpaceAction::Use))?;
    let new = NewSpace {
        name: fields.line("name", 1..=limits::ROOM_NAME_CHARS_MAX)?.into(),
        visibility: visibility(&fields)?.unwrap_or(Visibility::Private),
        capacity: capacity(&fields)?.unwrap_or(limits::SPACE_CAPACITY_DEFAULT),
        interest_radius: interest_radius(&fields)?,
    };
    let made = site.store.create_space(user.id(), &new).await?;
    log::info!("event=space_made space={} by={}", made.space.id, logged(user.id()));
    let data = OneSpaceJson { space: made.into() };
    Ok(HttpResponse::Created().json(Success { status: "success", message: None, data }))
}

/// Gets a space.
#[utoipa::path(get, path = "/metaverse/spaces/{space_id}", tag = "spaces", params(SpacePath),
    responses((status = 200, description = "The space", body = inline(Success<OneSpaceJson>)),
        (status = 403, description = "You do not have access to this space"), (status = 404, description = "Space not found")))]
pub(in crate::http) async fn one(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let found = visible(&site, &user, space_id(&path)?).await?;
    Ok(Success::of(OneSpaceJson { space: found.into() }))
}

/// Changes a space, as one of its admins.
#[utoipa::path(patch, path = "/metaverse/spaces/{space_id}", tag = "spaces", params(SpacePath), request_body = SpaceChangeBody,
    responses((status = 200, description = "The changed space", body = inline(Success<OneSpaceJson>)),
        (status = 400, description = "A field is wrong"), (status = 403, description = "You are not an admin of it"),
        (status = 404, description = "Space not found"), (status = 409, description = "It has more members than the new capacity")))]
pub(in crate::http) async fn change(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    let id = space_id(&path)?;
    managed(&site, &user, id).await?;
    let change = SpaceChange {
        name: fields.optional_line("name", 1..=limits::ROOM_NAME_CHARS_MAX)?.map(Into::into),
        visibility: visibility(&fields)?,
        capacity: capacity(&fields)?,
        interest_radius: if fields.has("interestRadius") { Some(interest_radius(&fields)?) } else { None },
    };
    to_the_end(async move {
        site.store.change_space(id, &change).await??;
        log::info!("event=space_changed space={id} by={}", logged(user.id()));
        if change.visibility == Some(Visibility::Private) {
            let members = site.store.space_member_ids(id).await?;
            site.gateway.keep_only(id, members).await?;
        }
        if change.name.is_some() || change.interest_radius.is_some() {
            let (room, read) = (RoomIdentity { id, scope: RoomScope::Space }, SpaceCommand::ReadSettings { space: id });
            site.gateway.ask(room, user.profile.author(), None, Command::Space(read), Vec::new()).await?;
        }
        let changed = site.store.space(id, user.id()).await?.ok_or(SpaceRefused::NoSuchSpace)?;
        Ok(Success::of(OneSpaceJson { space: changed.into() }))
    })
    .await
}

/// Lists the members of a space.
#[utoipa::path(get, path = "/metaverse/spaces/{space_id}/members", tag = "spaces", params(SpacePath, ListQuery),
    responses((status = 200, description = "A page, the oldest members first", body = inline(Success<MembersJson>)),
        (status = 400, description = "page or limit is wrong"),
        (status = 403, description = "You do not have access to this space"), (status = 404, description = "Space not found")))]
pub(in crate::http) async fn members(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = space_id(&path)?;
    visible(&site, &user, id).await?;
    let page = page(request.query_string(), limits::PAGE_USERS_DEFAULT, limits::PAGE_USERS_MAX)?;
    let found = site.store.space_members(id, page.into()).await?;
    let members: Vec<SpaceMemberJson> = found.items.into_iter().map(SpaceMemberJson::from).collect();
    Ok(Success::of(MembersJson { count: members.len(), members, total: found.total }))
}

/// Ends your membership. Your sockets leave the space.
#[utoipa::path(delete, path = "/metaverse/spaces/{space_id}/members", tag = "spaces", params(SpacePath),
    responses((status = 200, description = "You are not a member any more", body = inline(Success<Nothing>)),
        (status = 403, description = "The token is restricted to rooms"),
        (status = 404, description = "Space not found, or you are not a member"),
        (status = 409, description = "You are its last admin, and there are other members")))]
pub(in crate::http) async fn leave(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    user.may(Action::Space(SpaceAction::Use))?;
    let (id, member) = (space_id(&path)?, user.id().clone());
    remove(site, user, id, member).await
}

/// Changes the role of a member.
#[utoipa::path(patch, path = "/metaverse/spaces/{space_id}/members/{user_id}", tag = "spaces", params(SpaceMemberPath),
    request_body = RoleBody,
    responses((status = 200, description = "The member", body = inline(Success<OneMemberJson>)),
        (status = 400, description = "The role is wrong"), (status = 403, description = "You are not an admin of it"),
        (status = 404, description = "No such space or member"), (status = 409, description = "The space would have no admin")))]
pub(in crate::http) async fn change_member(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<(String, String)>,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    let id = space_id(&path.0)?;
    managed(&site, &user, id).await?;
    let role = SpaceRole::from_name(&fields.line("role", 1..=16)?);
    let role = role.ok_or_else(|| ApiError::field("role", "must be admin or member"))?;
    let member = site.store.set_space_role(id, &user_id(&path.1)?, role).await??;
    log::info!(
        "event=space_role_set space={id} user={} role={} by={}",
        logged(&member.profile.id),
        role.name(),
        logged(user.id())
    );
    Ok(Success::of(OneMemberJson { member: member.into() }))
}

/// Removes a member, whose sockets leave the space at once.
#[utoipa::path(delete, path = "/metaverse/spaces/{space_id}/members/{user_id}", tag = "spaces", params(SpaceMemberPath),
    responses((status = 200, description = "The member was removed", body = inline(Success<Nothing>)),
        (status = 403, description = "You are not an admin of it"), (status = 404, description = "No such space or member"),
        (status = 409, description = "The space would have no admin")))]
pub(in crate::http) async fn remove_member(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (id, member) = (space_id(&path.0)?, user_id(&path.1)?);
    if member == *user.id() {
        user.may(Action::Space(SpaceAction::Use))?;
    } else {
        managed(&site, &user, id).await?;
    }
    remove(site, user, id, member).await
}

async fn remove(
    site: web::Data<AppState>,
    user: AuthUser,
    id: RoomId,
    member: UserId,
) -> Result<HttpResponse, ApiError> {
    to_the_end(async move {
        site.store.remove_space_member(id, &member).await??;
        log::info!("event=space_member_removed space={id} user={} by={}", logged(&member), logged(user.id()));
        site.gateway.leave_group(vec![id], member).await?;
        Ok(Success::said("Member removed successfully", Nothing {}))
    })
    .await
}

async fn visible(site: &AppState, user: &AuthUser, id: RoomId) -> Result<SpaceAccess, ApiError> {
    let view = |found: &SpaceAccess| SpaceAction::View { visibility: found.space.visibility, role: found.role };
    Ok(site.gateway.space_for(user.subject(), id, view).await?)
}

async fn managed(site: &AppState, user: &AuthUser, id: RoomId) -> Result<SpaceAccess, ApiError> {
    let manage = |found: &SpaceAccess| SpaceAction::Manage { role: found.role };
    Ok(site.gateway.space_for(user.subject(), id, manage).await?)
}

fn visibility(fields: &Fields) -> Result<Option<Visibility>, ApiError> {
    let is_public = fields.optional_boolean("isPublic")?;
    Ok(is_public.map(|is_public| if is_public { Visibility::Open } else { Visibility::Private }))
}

fn capacity(fields: &Fields) -> Result<Option<u32>, ApiError> {
    let most = fields.optional_number("capacity", 1..=u64::from(limits::SPACE_CAPACITY_MAX))?;
    Ok(most.and_then(|most| u32::try_from(most).ok()))
}

fn interest_radius(fields: &Fields) -> Result<Option<u32>, ApiError> {
    let radius = fields.optional_number("interestRadius", 1..=u64::from(limits::INTEREST_RADIUS_MAX))?;
    Ok(radius.and_then(|radius| u32::try_from(radius).ok()))
}
