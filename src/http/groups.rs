//! `/api/groups`: groups, their members and their channels. Every removal must also close the removed user's sockets.

use std::collections::HashSet;

use actix_web::{HttpResponse, http::Method, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    ApiError, AppState,
    extract::{AuthUser, Body, group_id, user_id},
    fields::Fields,
    openapi::{bodies, schemas},
    resource, to_the_end,
};
use crate::{
    auth::policy::Action,
    error::ErrorCode,
    ids::{GroupId, UserId},
    limits,
    logged::logged,
    store::{Channel, ChannelMedium, Group, GroupMember, GroupRole, StoreError},
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/api/groups", [(Method::GET, web::to(mine)), (Method::POST, web::to(create))]))
        .service(resource("/api/groups/{group_id}", [(Method::GET, web::to(one))]))
        .service(resource(
            "/api/groups/{group_id}/members",
            [(Method::GET, web::to(members)), (Method::POST, web::to(add_member))],
        ))
        .service(resource("/api/groups/{group_id}/members/{user_id}", [(Method::DELETE, web::to(remove_member))]))
        .service(resource(
            "/api/groups/{group_id}/channels",
            [(Method::GET, web::to(channels)), (Method::POST, web::to(create_channel))],
        ));
}

#[derive(Serialize, ToSchema)]
#[schema(as = Group)]
pub(super) struct GroupJson {
    #[schema(schema_with = schemas::uuid)]
    id: String,
    name: String,
    description: Option<String>,
    #[schema(schema_with = schemas::user_id)]
    owner_id: String,
    /// Your role. Null for an administrator who is not a member.
    role: Option<&'static str>,
    #[schema(schema_with = schemas::timestamp)]
    created_at: String,
}

impl From<Group> for GroupJson {
    fn from(group: Group) -> GroupJson {
        GroupJson {
            id: group.id.to_string(),
            name: group.name,
            description: group.description,
            owner_id: group.owner.to_string(),
            role: group.role.map(GroupRole::name),
            created_at: group.created_at.to_string(),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Member)]
pub(super) struct MemberJson {
    #[schema(schema_with = schemas::user_id)]
    user_id: String,
    username: String,
    display_name: String,
    #[schema(schema_with = schemas::group_role)]
    role: &'static str,
    #[schema(schema_with = schemas::timestamp)]
    joined_at: String,
    online: bool,
}

impl MemberJson {
    fn new(member: GroupMember, online: &HashSet<UserId>) -> MemberJson {
        MemberJson {
            online: online.contains(&member.profile.id),
            user_id: member.profile.id.to_string(),
            username: member.profile.username.to_string(),
            display_name: member.profile.display_name,
            role: member.role.name(),
            joined_at: member.joined_at.to_string(),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Channel)]
pub(super) struct ChannelJson {
    #[schema(schema_with = schemas::uuid)]
    id: String,
    #[schema(schema_with = schemas::uuid)]
    group_id: String,
    name: String,
    #[schema(schema_with = schemas::medium)]
    r#type: &'static str,
    #[schema(schema_with = schemas::timestamp)]
    created_at: String,
}

impl From<Channel> for ChannelJson {
    fn from(channel: Channel) -> ChannelJson {
        ChannelJson {
            id: channel.id.to_string(),
            group_id: channel.group.to_string(),
            name: channel.name,
            r#type: channel.medium.name(),
            created_at: channel.created_at.to_string(),
        }
    }
}

#[utoipa::path(post, path = "/api/groups", tag = "groups", summary = "Create a group that you own",
    request_body = bodies::NewGroup,
    responses(
        (status = 201, description = "The group", body = GroupJson),
        (status = 403, description = "The token is restricted to rooms"),
    ))]
pub(super) async fn create(
    site: web::Data<AppState>,
    user: AuthUser,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    user.may(Action::CreateGroup)?;
    let name = fields.line("name", 1..=limits::ROOM_NAME_CHARS_MAX)?;
    let description = fields.optional_lines("description", limits::DESCRIPTION_CHARS_MAX)?;
    let group = site.store.create_group(user.id(), &name, description.as_deref()).await?;
    log::info!("event=group_created group={} user={}", group.id, logged(user.id()));
    Ok(HttpResponse::Created().json(GroupJson::from(group)))
}

#[utoipa::path(get, path = "/api/groups", tag = "groups", summary = "List your groups",
    responses(
        (status = 200, description = "Up to 1,000 groups", body = Vec<GroupJson>),
    ))]
pub(super) async fn mine(site: web::Data<AppState>, user: AuthUser) -> Result<web::Json<Vec<GroupJson>>, ApiError> {
    let groups = site.store.groups_of(user.id()).await?;
    Ok(web::Json(groups.into_iter().map(GroupJson::from).collect()))
}

#[utoipa::path(get, path = "/api/groups/{group_id}", tag = "groups", summary = "Get a group",
    params(bodies::GroupPath),
    responses(
        (status = 200, description = "The group", body = GroupJson),
        (status = 403, description = "You are not a member of the group, or your role does not allow this"),
        (status = 404, description = "The group does not exist"),
    ))]
pub(super) async fn one(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<web::Json<GroupJson>, ApiError> {
    let group = visible_group(&site, &user, &path).await?;
    Ok(web::Json(group.into()))
}

#[utoipa::path(get, path = "/api/groups/{group_id}/members", tag = "groups", summary = "List the members of a group",
    params(bodies::GroupPath),
    responses(
        (status = 200, description = "Up to 1,000 members", body = Vec<MemberJson>),
        (status = 403, description = "You are not a member of the group, or your role does not allow this"),
        (status = 404, description = "The group does not exist"),
    ))]
pub(super) async fn members(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<web::Json<Vec<MemberJson>>, ApiError> {
    let group = visible_group(&site, &user, &path).await?;
    let members = site.store.group_members(group.id).await?;
    let users = members.iter().map(|member| member.profile.id.clone()).collect();
    let online: HashSet<UserId> = site.gateway.online(users).await.into_iter().collect();
    Ok(web::Json(members.into_iter().map(|member| MemberJson::new(member, &online)).collect()))
}

#[utoipa::path(post, path = "/api/groups/{group_id}/members", tag = "groups", summary = "Add a member to a group",
    params(bodies::GroupPath),
    request_body = bodies::NewMember,
    responses(
        (status = 201, description = "The member", body = MemberJson),
        (status = 403, description = "You are not a member of the group, or your role does not allow this"),
        (status = 404, description = "The group or the user does not exist"),
        (status = 409, description = "In already"),
    ))]
pub(super) async fn add_member(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    let group = visible_group(&site, &user, &path).await?;
    let granted = granted_role(&fields)?;
    user.may(Action::AddMember { membership: group.role, granted })?;
    let newcomer = named_user(&site, &fields).await?;
    let member = match site.store.add_group_member(group.id, &newcomer, granted).await {
        Ok(member) => member,
        Err(StoreError::Taken(_)) => {
            let sentence = "The user is already a member of the group; to change the role, remove and add the member";
            return Err(ApiError::new(ErrorCode::AlreadyMember, sentence));
        }
        // The group existed a moment ago, so it is the user who does not exist.
        Err(StoreError::Missing) => return Err(ApiError::no_such_user()),
        Err(other) => return Err(other.into()),
    };
    log::info!(
        "event=member_added group={} user={newcomer} role={} by={}",
        group.id,
        granted.name(),
        logged(user.id()),
        newcomer = logged(&newcomer)
    );
    site.gateway.conversations_changed(vec![newcomer.clone()]);
    let online = site.gateway.online(vec![newcomer]).await.into_iter().collect();
    Ok(HttpResponse::Created().json(MemberJson::new(member, &online)))
}

fn granted_role(fields: &Fields) -> Result<GroupRole, ApiError> {
    match fields.optional_line("role", 1..=16)? {
        None => Ok(GroupRole::Member),
        Some(name) => {
            GroupRole::from_name(&name).ok_or_else(|| ApiError::field("role", "must be member, moderator or owner"))
        }
    }
}

async fn named_user(site: &AppState, fields: &Fields) -> Result<UserId, ApiError> {
    if let Some(id) = fields.optional_line("user_id", 1..=limits::USER_ID_CHARS_MAX)? {
        return user_id(&id);
    }
    let Some(name) = fields.optional_line("username", 1..=*limits::USERNAME_CHARS.end())? else {
        return Err(ApiError::field("user_id", "is missing; send the user's id, or the username"));
    };
    let profile = site.store.user_by_name(&name).await?;
    profile.map(|profile| profile.id).ok_or_else(ApiError::no_such_user)
}

#[utoipa::path(delete, path = "/api/groups/{group_id}/members/{user_id}", tag = "groups", summary = "Remove a member from a group, or leave it",
    params(bodies::MemberPath),
    responses(
        (status = 204, description = "The member was removed, and their sockets in the group's channels are closed"),
        (status = 403, description = "You are not a member of the group, or your role does not allow this"),
        (status = 404, description = "The group does not exist, or the user is not a member"),
        (status = 409, description = "The only owner can't leave"),
    ))]
pub(super) async fn remove_member(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (group, member) = path.into_inner();
    let group = visible_group(&site, &user, &group).await?;
    let member = user_id(&member)?;
    let Some(held) = site.store.group_role(group.id, &member).await? else {
        return Err(ApiError::new(
            ErrorCode::UserNotFound,
            "The user is not a member of the group; check the list of members",
        ));
    };
    user.may(Action::RemoveMember { membership: group.role, member: &member, held })?;
    if held == GroupRole::Owner {
        keep_an_owner(&site, group.id, &member).await?;
    }
    log::info!(
        "event=member_removed group={} user={member} by={}",
        group.id,
        logged(user.id()),
        member = logged(&member)
    );
    to_the_end(async move {
        // Read before the removal, so that the sockets can be closed even if the database fails in between.
        let before = site.store.channels_of(group.id).await?;
        site.store.remove_group_member(group.id, &member).await?;
        let channels = site.store.channels_of(group.id).await.unwrap_or(before);
        site.gateway.leave_group(channels.into_iter().map(|channel| channel.id).collect(), member.clone()).await?;
        site.gateway.conversations_changed(vec![member]);
        Ok(HttpResponse::NoContent().finish())
    })
    .await
}

/// Ensures that a group keeps an owner; otherwise nobody could manage it.
async fn keep_an_owner(site: &AppState, group: GroupId, leaving: &UserId) -> Result<(), ApiError> {
    let members = site.store.group_members(group).await?;
    if members.iter().any(|member| member.role == GroupRole::Owner && member.profile.id != *leaving) {
        return Ok(());
    }
    let sentence = "The only owner can't leave the group; add another owner first";
    Err(ApiError::new(ErrorCode::Conflict, sentence))
}

#[utoipa::path(post, path = "/api/groups/{group_id}/channels", tag = "groups", summary = "Create a channel",
    params(bodies::GroupPath),
    request_body = bodies::NewChannel,
    responses(
        (status = 201, description = "The channel", body = ChannelJson),
        (status = 403, description = "You are not a member of the group, or your role does not allow this"),
        (status = 404, description = "The group does not exist"),
        (status = 409, description = "The name is already used in this group"),
    ))]
pub(super) async fn create_channel(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    let group = visible_group(&site, &user, &path).await?;
    user.may(Action::CreateChannel { membership: group.role })?;
    let name = fields.line("name", 1..=limits::ROOM_NAME_CHARS_MAX)?;
    let medium = match fields.optional_line("type", 1..=16)? {
        None => ChannelMedium::Text,
        Some(name) => {
            ChannelMedium::from_name(&name).ok_or_else(|| ApiError::field("type", "must be TEXT, VOICE or VIDEO"))?
        }
    };
    let channel = site.store.create_channel(group.id, &name, medium, user.id()).await?;
    log::info!("event=channel_created channel={} group={} user={}", channel.id, group.id, logged(user.id()));
    // the channel exists, whether or not its members are informed
    match site.store.group_members(group.id).await {
        Ok(members) => {
            site.gateway.conversations_changed(members.into_iter().map(|member| member.profile.id).collect());
        }
        Err(error) => log::warn!("event=channel_not_announced channel={} why={}", channel.id, logged(&error)),
    }
    Ok(HttpResponse::Created().json(ChannelJson::from(channel)))
}

#[utoipa::path(get, path = "/api/groups/{group_id}/channels", tag = "groups", summary = "List the channels of a group",
    params(bodies::GroupPath),
    responses(
        (status = 200, description = "Up to 1,000 channels", body = Vec<ChannelJson>),
        (status = 403, description = "You are not a member of the group, or your role does not allow this"),
        (status = 404, description = "The group does not exist"),
    ))]
pub(super) async fn channels(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<web::Json<Vec<ChannelJson>>, ApiError> {
    let group = visible_group(&site, &user, &path).await?;
    let channels = site.store.channels_of(group.id).await?;
    Ok(web::Json(channels.into_iter().map(ChannelJson::from).collect()))
}

/// The group, if it exists and the user may view it.
async fn visible_group(site: &AppState, user: &AuthUser, id: &str) -> Result<Group, ApiError> {
    let group = site.store.group(group_id(id)?, user.id()).await?.ok_or_else(ApiError::no_such_group)?;
    user.may(Action::ViewGroup { membership: group.role })?;
    Ok(group)
}
