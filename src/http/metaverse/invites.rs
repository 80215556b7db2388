//! `/metaverse/invites`: invites to spaces.

use actix_web::{HttpRequest, HttpResponse, http::Method, middleware::from_fn, web};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::{PersonJson, Success, page, space_id, with_status};
use crate::{
    actors::invites::SentInvites,
    auth::{
        policy::{Action, SpaceAction},
        tokens::query_value,
    },
    core::{
        command::{AskedInvites, BadInvites, InviteField, Invited, SendInvites},
        invite::{Invite, InviteTemplate},
        profile::{Profile, Role},
        space::{SpaceLabel, SpaceRefused},
    },
    error::Refusal,
    http::{
        ApiError, AppState,
        extract::{AuthUser, Body},
        fields::Fields,
        openapi::schemas,
        resource, to_the_end,
    },
    ids::{NotificationId, UserId},
    limits,
    store::{InviteAnswer, InviteList, Paged},
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    let services = [
        resource("/metaverse/invites/send", [(Method::POST, web::to(send))]),
        resource("/metaverse/invites/my-invites", [(Method::GET, web::to(mine))]),
        resource("/metaverse/invites/history", [(Method::GET, web::to(history))]),
        resource("/metaverse/invites/templates", [(Method::GET, web::to(templates))]),
        resource("/metaverse/invites/users/{space_id}", [(Method::GET, web::to(users))]),
        resource("/metaverse/invites/{notification_id}/accept", [(Method::POST, web::to(accept))]),
        resource("/metaverse/invites/{notification_id}/decline", [(Method::POST, web::to(decline))]),
    ];
    for service in services {
        config.service(service.wrap(from_fn(with_status)));
    }
}

/// A space as invites refer to it.
#[derive(Serialize, ToSchema)]
#[schema(as = SpaceLabel)]
pub(in crate::http) struct LabelJson {
    #[schema(schema_with = schemas::uuid)]
    id: String,
    name: String,
}

impl From<&SpaceLabel> for LabelJson {
    fn from(space: &SpaceLabel) -> LabelJson {
        LabelJson { id: space.id.to_string(), name: space.name.to_string() }
    }
}

/// An invite.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Invite)]
pub(in crate::http) struct InviteJson {
    /// Its id, which is also that of the invited user's notification.
    #[schema(schema_with = schemas::uuid)]
    id: String,
    #[schema(inline)]
    to_user: PersonJson,
    #[schema(inline)]
    from_user: PersonJson,
    #[schema(inline)]
    space: LabelJson,
    /// `pending`, `accepted`, `declined` or `expired`.
    state: &'static str,
    /// The text for the invited user.
    message: String,
    /// The name of the template that the sender has chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<&'static str>,
    #[schema(schema_with = schemas::timestamp)]
    created_at: String,
    #[schema(schema_with = schemas::timestamp)]
    expires_at: String,
    /// When it was accepted or declined.
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_at: Option<String>,
}

impl From<&Invite> for InviteJson {
    fn from(invite: &Invite) -> InviteJson {
        InviteJson {
            id: invite.id.to_string(),
            to_user: (&invite.to).into(),
            from_user: (&invite.from).into(),
            space: (&invite.space).into(),
            state: invite.state.name(),
            message: invite.text(),
            template: invite.template.map(InviteTemplate::name),
            created_at: invite.created_at.to_string(),
            expires_at: invite.expires_at.to_string(),
            decided_at: invite.decided_at.map(|at| at.to_string()),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = OneInvite)]
pub(in crate::http) struct OneInviteJson {
    #[schema(inline)]
    invite: InviteJson,
}

/// The invites of a request for several users.
#[derive(Serialize, ToSchema)]
#[schema(as = SentInvites)]
pub(in crate::http) struct SentJson {
    #[schema(inline)]
    invites: Vec<InviteJson>,
    /// The users who could not be invited.
    #[schema(inline)]
    failed: Vec<FailedJson>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FailedInvite)]
pub(in crate::http) struct FailedJson {
    user_id: String,
    error: String,
    #[schema(schema_with = schemas::error_code)]
    code: &'static str,
    /// Seconds until a retry makes sense.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    retry_after: Option<u32>,
}

impl From<(UserId, Refusal)> for FailedJson {
    fn from((user, refusal): (UserId, Refusal)) -> FailedJson {
        FailedJson {
            user_id: user.to_string(),
            code: refusal.code.name(),
            retry_after: refusal.retry_after_seconds,
            error: refusal.sentence.into_owned(),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = InviteList)]
pub(in crate::http) struct InvitesJson {
    #[schema(inline)]
    invites: Vec<InviteJson>,
    /// The number on this page.
    count: usize,
    /// The number of all.
    total: i64,
}

impl From<Paged<Invite>> for InvitesJson {
    fn from(found: Paged<Invite>) -> InvitesJson {
        let invites: Vec<InviteJson> = found.items.iter().map(InviteJson::from).collect();
        InvitesJson { count: invites.len(), invites, total: found.total }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = JoinedSpace)]
pub(in crate::http) struct OfSpaceJson {
    #[schema(inline)]
    space: LabelJson,
}

/// A user who can be invited.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = InvitableUser)]
pub(in crate::http) struct InvitableJson {
    #[schema(schema_with = schemas::user_id)]
    id: String,
    username: String,
    email: Option<String>,
    /// `participant` or `admin`: the role on the server.
    role: &'static str,
    display_name: String,
    avatar_url: Option<String>,
}

impl From<Profile> for InvitableJson {
    fn from(profile: Profile) -> InvitableJson {
        InvitableJson {
            id: profile.id.to_string(),
            username: profile.username.to_string(),
            email: profile.email,
            role: match profile.role {
                Role::User => "participant",
                Role::Admin => "admin",
            },
            display_name: profile.display_name,
            avatar_url: None,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = InvitableUsers)]
pub(in crate::http) struct UsersJson {
    #[schema(inline)]
    users: Vec<InvitableJson>,
    /// The number on this page.
    count: usize,
    /// The number of all.
    total: i64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = InviteTemplate)]
pub(in crate::http) struct TemplateJson {
    name: &'static str,
    /// The text, with `{from}` and `{space}` for the names.
    text: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = InviteTemplates)]
pub(in crate::http) struct TemplatesJson {
    #[schema(inline)]
    templates: Vec<TemplateJson>,
}

/// One user (`toUserId`) or several (`toUserIds`) to invite.
#[derive(ToSchema)]
#[schema(as = SendInvites, rename_all = "camelCase")]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(in crate::http) struct SendBody {
    #[schema(required = false)]
    to_user_id: Option<String>,
    #[schema(schema_with = schemas::invited_users, required = false)]
    to_user_ids: Option<Vec<String>>,
    #[schema(schema_with = schemas::uuid)]
    space_id: String,
    /// Your own text.
    #[schema(schema_with = schemas::invite_message, required = false)]
    message: Option<String>,
    /// The name of a text, instead of your own.
    #[schema(schema_with = schemas::invite_template, required = false)]
    template: Option<String>,
    /// Hours until it expires, above 0 and at most 720. Fractions are allowed.
    #[schema(schema_with = schemas::invite_hours, required = false)]
    expires_in_hours: Option<f64>,
}

/// An invite.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "this documents the path")]
pub(in crate::http) struct InvitePath {
    /// Its id.
    #[param(schema_with = schemas::uuid)]
    notification_id: String,
}

/// Which invites.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it is read value by value, so that every refusal names its parameter; this documents it")]
pub(in crate::http) struct MineQuery {
    /// Also those that have expired.
    #[param(schema_with = schemas::optional_flag, required = false)]
    #[param(rename = "includeExpired")]
    include_expired: Option<bool>,
}

/// Which invites.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "as above")]
pub(in crate::http) struct HistoryQuery {
    /// `sent` or `received`, which is the default.
    #[param(schema_with = schemas::invite_direction, required = false)]
    direction: Option<String>,
}

/// Which users.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "as above")]
pub(in crate::http) struct UsersQuery {
    /// The start of the username or the display name.
    #[param(schema_with = schemas::search_text, required = false)]
    search: Option<String>,
}

/// Invites one user or several to a space. A user whose invite is pending is not notified again.
#[utoipa::path(post, path = "/metaverse/invites/send", tag = "invites", request_body = SendBody,
    responses((status = 200, description = "With toUserId the invite; with toUserIds `invites` and `failed`", body = inline(Success<OneInviteJson>)),
        (status = 400, description = "A field is missing or wrong"), (status = 403, description = "You do not have access to this space"),
        (status = 404, description = "Space or user not found"), (status = 409, description = "A member already, or the space is full"),
        (status = 429, description = "Too many invites")))]
pub(in crate::http) async fn send(
    site: web::Data<AppState>,
    user: AuthUser,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    let asked = invites(&fields)?;
    to_the_end(async move {
        let is_single = matches!(asked.to, Invited::One(_));
        let SentInvites { invites, failed } = site.gateway.send_invites(user.subject(), &asked).await?;
        match (invites.first(), failed.first()) {
            (Some(invite), _) if is_single => {
                Ok(Success::said("Invite sent successfully", OneInviteJson { invite: invite.into() }))
            }
            (None, Some((_, refusal))) if is_single => Err(refusal.clone().into()),
            (None, Some((_, refusal))) => {
                let first = ApiError::from(refusal.clone());
                let failed = failed.into_iter().map(FailedJson::from).collect();
                Ok(first.failed_with(SentJson { invites: Vec::new(), failed }))
            }
            (_, _) => {
                let invites = invites.iter().map(InviteJson::from).collect();
                let failed = failed.into_iter().map(FailedJson::from).collect();
                Ok(Success::said("Invites sent successfully", SentJson { invites, failed }))
            }
        }
    })
    .await
}

fn invites(fields: &Fields) -> Result<SendInvites, ApiError> {
    let text = |name| fields.optional_raw_text(name);
    let (user, message, template) = (text("toUserId")?, text("message")?, text("template")?);
    let asked = AskedInvites {
        user: user.as_deref(),
        users: fields.texts("toUserIds")?,
        space: &fields.line("spaceId", 1..=limits::CLIENT_NAME_CHARS_MAX)?,
        message: message.as_deref(),
        template: template.as_deref(),
        hours: fields.optional_fraction("expiresInHours")?,
    };
    SendInvites::new(asked).map_err(|bad| match bad {
        BadInvites::Refused(refused) => refused.into(),
        BadInvites::Field(field, problem) => {
            let name = match field {
                InviteField::User => "toUserId",
                InviteField::Users => "toUserIds",
                InviteField::Message => "message",
                InviteField::Template => "template",
                InviteField::Lifetime => "expiresInHours",
            };
            ApiError::field(name, problem)
        }
    })
}

/// Accepts an invite: you become a member of the space.
#[utoipa::path(post, path = "/metaverse/invites/{notification_id}/accept", tag = "invites", params(InvitePath),
    responses((status = 200, description = "You are a member", body = inline(Success<OfSpaceJson>)),
        (status = 403, description = "The token is restricted to rooms"), (status = 404, description = "You have no such invite"),
        (status = 409, description = "Space is full, or it was accepted or declined already"), (status = 410, description = "Invite has expired")))]
pub(in crate::http) async fn accept(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id = invite_id(&path)?;
    to_the_end(async move {
        let space = site.gateway.answer_invite(user.subject(), id, InviteAnswer::Accept).await?;
        Ok(Success::said("Invite accepted successfully", OfSpaceJson { space: (&space).into() }))
    })
    .await
}

/// Declines an invite.
#[utoipa::path(post, path = "/metaverse/invites/{notification_id}/decline", tag = "invites", params(InvitePath),
    responses((status = 200, description = "It is declined", body = inline(Success<OfSpaceJson>)),
        (status = 403, description = "The token is restricted to rooms"), (status = 404, description = "You have no such invite"),
        (status = 409, description = "It was accepted or declined already"), (status = 410, description = "Invite has expired")))]
pub(in crate::http) async fn decline(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id = invite_id(&path)?;
    to_the_end(async move {
        let space = site.gateway.answer_invite(user.subject(), id, InviteAnswer::Decline).await?;
        Ok(Success::said("Invite declined successfully", OfSpaceJson { space: (&space).into() }))
    })
    .await
}

fn invite_id(text: &str) -> Result<NotificationId, ApiError> {
    text.parse().map_err(|_| SpaceRefused::NoSuchInvite.into())
}

/// Lists the users who can be invited to a space of yours: all who are not members.
#[utoipa::path(get, path = "/metaverse/invites/users/{space_id}", tag = "invites",
    params(super::spaces::SpacePath, UsersQuery, super::spaces::ListQuery),
    responses((status = 200, description = "A page, by name", body = inline(Success<UsersJson>)),
        (status = 400, description = "A parameter is wrong"), (status = 403, description = "You do not have access to this space"),
        (status = 404, description = "Space not found")))]
pub(in crate::http) async fn users(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let query = request.query_string();
    let page = page(query, limits::PAGE_USERS_DEFAULT, limits::PAGE_USERS_MAX)?;
    let search = query_value(query, "search").unwrap_or_default();
    let search = search.trim();
    if search.chars().count() > limits::DISPLAY_NAME_CHARS_MAX {
        let problem = format!("must have at most {} characters", limits::DISPLAY_NAME_CHARS_MAX);
        return Err(ApiError::field("search", problem));
    }
    let found = site.gateway.invitable_users(user.subject(), space_id(&path)?, search, page).await?;
    let users: Vec<InvitableJson> = found.items.into_iter().map(InvitableJson::from).collect();
    Ok(Success::of(UsersJson { count: users.len(), users, total: found.total }))
}

/// Lists the invites that you can accept, the newest first.
#[utoipa::path(get, path = "/metaverse/invites/my-invites", tag = "invites", params(MineQuery, super::spaces::ListQuery),
    responses((status = 200, description = "A page", body = inline(Success<InvitesJson>)),
        (status = 400, description = "A parameter is wrong"), (status = 403, description = "The token is restricted to rooms")))]
pub(in crate::http) async fn mine(
    site: web::Data<AppState>,
    user: AuthUser,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let query = request.query_string();
    let list = match query_value(query, "includeExpired").as_deref() {
        None | Some("" | "false") => InviteList::Pending,
        Some("true") => InviteList::PendingAndExpired,
        Some(_) => return Err(ApiError::field("includeExpired", "must be true or false")),
    };
    listed(&site, &user, list, query).await
}

/// Lists all invites that you have received or sent, the newest first.
#[utoipa::path(get, path = "/metaverse/invites/history", tag = "invites", params(HistoryQuery, super::spaces::ListQuery),
    responses((status = 200, description = "A page", body = inline(Success<InvitesJson>)),
        (status = 400, description = "A parameter is wrong"), (status = 403, description = "The token is restricted to rooms")))]
pub(in crate::http) async fn history(
    site: web::Data<AppState>,
    user: AuthUser,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let query = request.query_string();
    let list = match query_value(query, "direction").as_deref() {
        None | Some("" | "received") => InviteList::Received,
        Some("sent") => InviteList::Sent,
        Some(_) => return Err(ApiError::field("direction", "must be sent or received")),
    };
    listed(&site, &user, list, query).await
}

async fn listed(site: &AppState, user: &AuthUser, list: InviteList, query: &str) -> Result<HttpResponse, ApiError> {
    let page = page(query, limits::PAGE_INVITES_DEFAULT, limits::PAGE_INVITES_MAX)?;
    Ok(Success::of(InvitesJson::from(site.gateway.invites(user.subject(), list, page).await?)))
}

/// Lists the texts that invites can have.
#[utoipa::path(get, path = "/metaverse/invites/templates", tag = "invites",
    responses((status = 200, description = "The texts", body = inline(Success<TemplatesJson>)),
        (status = 403, description = "The token is restricted to rooms")))]
pub(in crate::http) async fn templates(user: AuthUser) -> Result<HttpResponse, ApiError> {
    user.may(Action::Space(SpaceAction::Use))?;
    let text =
        |template: InviteTemplate| TemplateJson { name: template.name(), text: template.text("{from}", "{space}") };
    Ok(Success::of(TemplatesJson { templates: InviteTemplate::ALL.into_iter().map(text).collect() }))
}
