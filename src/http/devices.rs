//! `/api/users/{user_id}/devices`: the directory of devices that encrypt messages end to end. A device publishes its public
//! keys and prekeys; users who share a conversation with its user read the keys, and get each prekey at most once. Keys are
//! opaque: this module must never interpret or log them.

use actix_web::{HttpResponse, http::Method, web};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    ApiError, AppState,
    extract::{AuthUser, Body, user_id},
    fields::Fields,
    openapi::schemas,
    resource, to_the_end,
};
use crate::{
    auth::policy::Action,
    core::{
        command::RawJson,
        device::{DeviceChange, DeviceNotice},
        user_event::UserEvent,
    },
    error::ErrorCode,
    ids::{DeviceId, UserId},
    limits,
    logged::logged,
    store::{ClaimedPrekey, Device, NewDevice, Prekey, PutDevice},
};

/// Instead of a user's id: the user of the token.
const ME: &str = "me";

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource(
            "/api/users/me/devices/{device_id}",
            [(Method::GET, web::to(one)), (Method::PUT, web::to(put)), (Method::DELETE, web::to(remove))],
        ))
        .service(resource("/api/users/{user_id}/devices", [(Method::GET, web::to(list))]))
        .service(resource("/api/users/{user_id}/prekeys/claim", [(Method::POST, web::to(claim))]));
}

/// A device. Its name and the number of its prekeys are only shown to its user.
#[derive(Serialize, ToSchema)]
#[schema(as = Device)]
pub(super) struct DeviceJson {
    #[schema(schema_with = schemas::device_id)]
    device_id: String,
    /// Null if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    name: Option<Option<String>>,
    /// Its public keys, as it published them.
    #[schema(schema_with = schemas::device_keys)]
    keys: serde_json::Value,
    #[schema(schema_with = schemas::timestamp)]
    created_at: String,
    /// When its name or keys were published last.
    #[schema(schema_with = schemas::timestamp)]
    updated_at: String,
    /// The prekeys that were not given out yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    one_time_prekeys_left: Option<i64>,
}

/// The devices of a user.
#[derive(Serialize, ToSchema)]
#[schema(as = Devices)]
pub(super) struct DevicesJson {
    #[schema(schema_with = schemas::user_id)]
    user_id: String,
    /// By id.
    devices: Vec<DeviceJson>,
}

/// A public key that is given out once.
#[derive(Serialize, ToSchema)]
#[schema(as = Prekey)]
pub(super) struct PrekeyJson {
    #[schema(schema_with = schemas::prekey_id)]
    key_id: String,
    #[schema(schema_with = schemas::prekey)]
    key: String,
}

/// A device and the prekey of it that you have got.
#[derive(Serialize, ToSchema)]
#[schema(as = ClaimedPrekey)]
pub(super) struct ClaimedJson {
    #[schema(schema_with = schemas::device_id)]
    device_id: String,
    /// Null if it has none left, or if you have got the maximum number within a day. Use a key of the device that may be used
    /// more than once instead, if it has published one.
    one_time_prekey: Option<PrekeyJson>,
}

/// The prekeys that you have got.
#[derive(Serialize, ToSchema)]
#[schema(as = ClaimedPrekeys)]
pub(super) struct ClaimedPrekeysJson {
    #[schema(schema_with = schemas::user_id)]
    user_id: String,
    /// By id of the device.
    devices: Vec<ClaimedJson>,
}

/// A device.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(super) struct DeviceBody {
    /// What its user sees.
    #[schema(schema_with = schemas::device_name, required = false)]
    name: Option<String>,
    /// Its public keys: an object of at most 8 KiB that only clients interpret.
    #[schema(schema_with = schemas::device_keys)]
    keys: (),
    /// Further prekeys. Those whose `key_id` is known are ignored, so that the request can be repeated.
    #[schema(max_items = 200, required = false)]
    one_time_prekeys: Option<Vec<PrekeyBody>>,
}

/// A public key that is given out once.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(super) struct PrekeyBody {
    #[schema(schema_with = schemas::prekey_id)]
    key_id: String,
    /// The key, with its signature if the protocol of the clients has one.
    #[schema(schema_with = schemas::prekey)]
    key: String,
}

/// Of which devices.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(super) struct ClaimBody {
    /// All without it.
    #[schema(schema_with = schemas::device_ids, required = false)]
    devices: Option<Vec<String>>,
}

/// A device of yours.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "this documents the path")]
pub(super) struct DevicePath {
    #[param(schema_with = schemas::device_id)]
    device_id: String,
}

/// A user.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "this documents the path")]
pub(super) struct OwnerPath {
    /// The user's id; `me` for your own.
    #[param(schema_with = schemas::user_id_in_path)]
    user_id: String,
}

/// To whom a device is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SeenBy {
    /// Its user.
    Owner,
    /// A user who encrypts for it.
    Others,
}

impl DeviceJson {
    fn new(device: Device, seen_by: SeenBy) -> DeviceJson {
        let is_own = seen_by == SeenBy::Owner;
        DeviceJson {
            device_id: device.id.to_string(),
            name: is_own.then_some(device.name),
            // the store holds what was a JSON object
            keys: serde_json::from_str(device.keys.as_str()).unwrap_or_default(),
            created_at: device.created_at.to_string(),
            updated_at: device.updated_at.to_string(),
            one_time_prekeys_left: is_own.then_some(device.prekeys_left),
        }
    }
}

impl From<ClaimedPrekey> for ClaimedJson {
    fn from(claimed: ClaimedPrekey) -> ClaimedJson {
        let prekey = claimed.prekey.map(|Prekey { id, key }| PrekeyJson { key_id: id, key });
        ClaimedJson { device_id: claimed.device.to_string(), one_time_prekey: prekey }
    }
}

/// Lists the devices of a user who shares a conversation with you, or your own.
#[utoipa::path(get, path = "/api/users/{user_id}/devices", tag = "devices", params(OwnerPath),
    responses(
        (status = 200, description = "The devices, with their public keys", body = DevicesJson),
        (status = 403, description = "You share no conversation with the user, or the token is restricted to rooms"),
        (status = 404, description = "The user does not exist"),
    ))]
pub(super) async fn list(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<web::Json<DevicesJson>, ApiError> {
    let owner = acquainted(&site, &user, &path).await?;
    let seen_by = if owner == *user.id() { SeenBy::Owner } else { SeenBy::Others };
    let devices = site.store.devices(&owner).await?;
    let devices = devices.into_iter().map(|device| DeviceJson::new(device, seen_by)).collect();
    Ok(web::Json(DevicesJson { user_id: owner.to_string(), devices }))
}

/// Reads a device of yours.
#[utoipa::path(get, path = "/api/users/me/devices/{device_id}", tag = "devices", params(DevicePath),
    responses(
        (status = 200, description = "The device", body = DeviceJson),
        (status = 403, description = "The token is restricted to rooms"),
        (status = 404, description = "You have no such device"),
    ))]
pub(super) async fn one(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<web::Json<DeviceJson>, ApiError> {
    user.may(Action::ManageDevices)?;
    let id = DeviceId::new(path.as_str()).map_err(|_| no_such_device())?;
    let found = site.store.device(user.id(), &id).await?.ok_or_else(no_such_device)?;
    Ok(web::Json(DeviceJson::new(found, SeenBy::Owner)))
}

/// Publishes a device of yours, or changes it. Prekeys are added to those that it has; other keys invalidate these.
#[utoipa::path(put, path = "/api/users/me/devices/{device_id}", tag = "devices", params(DevicePath),
    request_body = DeviceBody,
    responses(
        (status = 200, description = "It was changed", body = DeviceJson),
        (status = 201, description = "It was added", body = DeviceJson),
        (status = 400, description = "The id or a field is missing or invalid"),
        (status = 403, description = "The token is restricted to rooms"),
        (status = 409, description = "You have too many devices, or the device would have too many prekeys"),
    ))]
pub(super) async fn put(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    user.may(Action::ManageDevices)?;
    let id = DeviceId::new(path.as_str()).map_err(|bad| ApiError::field("device_id", bad))?;
    let new = new_device(id, &fields)?;
    to_the_end(async move {
        let (device, change, mut answer) = match site.store.put_device(user.id(), &new).await? {
            PutDevice::Added(device) => (device, DeviceChange::Added, HttpResponse::Created()),
            PutDevice::Updated(device) => (device, DeviceChange::Updated, HttpResponse::Ok()),
            PutDevice::TooManyDevices => {
                let most = limits::DEVICES_PER_USER_MAX;
                let sentence = format!("A user has at most {most} devices; remove one that is not used any more");
                return Err(ApiError::new(ErrorCode::Conflict, sentence));
            }
            PutDevice::TooManyPrekeys => {
                let most = limits::PREKEYS_PER_DEVICE_MAX;
                let sentence = format!("A device has at most {most} prekeys; publish further ones when some were used");
                return Err(ApiError::new(ErrorCode::Conflict, sentence));
            }
        };
        log::info!("event=device_published device={} user={}", device.id, logged(user.id()));
        inform(&site, user.id(), device.id.clone(), change, device.prekeys_left).await;
        Ok(answer.json(DeviceJson::new(device, SeenBy::Owner)))
    })
    .await
}

/// Removes a device of yours, for example one that was lost.
#[utoipa::path(delete, path = "/api/users/me/devices/{device_id}", tag = "devices", params(DevicePath),
    responses(
        (status = 204, description = "It was removed, with its prekeys"),
        (status = 403, description = "The token is restricted to rooms"),
        (status = 404, description = "You have no such device"),
    ))]
pub(super) async fn remove(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    user.may(Action::ManageDevices)?;
    let id = DeviceId::new(path.as_str()).map_err(|_| no_such_device())?;
    to_the_end(async move {
        if !site.store.remove_device(user.id(), &id).await? {
            return Err(no_such_device());
        }
        log::info!("event=device_removed device={id} user={}", logged(user.id()));
        inform(&site, user.id(), id, DeviceChange::Removed, 0).await;
        Ok(HttpResponse::NoContent().finish())
    })
    .await
}

/// Takes one prekey of each device of a user who shares a conversation with you, to encrypt a first message to it. No prekey
/// is given out twice.
#[utoipa::path(post, path = "/api/users/{user_id}/prekeys/claim", tag = "devices", params(OwnerPath),
    request_body = ClaimBody,
    responses(
        (status = 200, description = "The devices, each with a prekey if it has one for you", body = ClaimedPrekeysJson),
        (status = 400, description = "`devices` is invalid"),
        (status = 403, description = "You share no conversation with the user, or the token is restricted to rooms"),
        (status = 404, description = "The user does not exist"),
    ))]
pub(super) async fn claim(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    Body(fields): Body,
) -> Result<web::Json<ClaimedPrekeysJson>, ApiError> {
    let owner = acquainted(&site, &user, &path).await?;
    let wanted = wanted_devices(&fields)?;
    to_the_end(async move {
        let claimed = site.store.claim_prekeys(&owner, wanted.as_deref(), user.id()).await?;
        for one in claimed.iter().filter(|one| one.prekey.is_some() && one.left <= limits::PREKEYS_LOW) {
            inform(&site, &owner, one.device.clone(), DeviceChange::PrekeysLow, one.left).await;
        }
        let devices = claimed.into_iter().map(ClaimedJson::from).collect();
        Ok(web::Json(ClaimedPrekeysJson { user_id: owner.to_string(), devices }))
    })
    .await
}

/// The user of the path, if the asking user may read the keys.
async fn acquainted(site: &AppState, user: &AuthUser, path: &str) -> Result<UserId, ApiError> {
    let owner = if path == ME { user.id().clone() } else { user_id(path)? };
    // a confined token must not learn who exists
    user.may(Action::ReadDevices { is_acquainted: true })?;
    if owner == *user.id() {
        return Ok(owner);
    }
    if site.store.users_by_ids(std::slice::from_ref(&owner)).await?.is_empty() {
        return Err(ApiError::no_such_user());
    }
    let is_acquainted = site.store.share_conversation(user.id(), &owner).await?;
    user.may(Action::ReadDevices { is_acquainted })?;
    Ok(owner)
}

fn new_device(id: DeviceId, fields: &Fields) -> Result<NewDevice, ApiError> {
    let name = fields.optional_line("name", 1..=limits::DEVICE_NAME_CHARS_MAX)?;
    let missing = || ApiError::field("keys", "is missing; send the public keys of the device, a JSON object");
    let keys: RawJson = fields.optional_object("keys", limits::DEVICE_KEYS_BYTES_MAX)?.ok_or_else(missing)?;
    let listed = fields.objects("one_time_prekeys")?;
    let most = limits::PREKEYS_PER_DEVICE_MAX;
    if listed.len() > most {
        return Err(ApiError::field("one_time_prekeys", format!("must be a list of at most {most} prekeys")));
    }
    let mut prekeys: Vec<Prekey> = Vec::with_capacity(listed.len());
    for prekey in &listed {
        let id = opaque(prekey, "key_id", limits::PREKEY_ID_CHARS_MAX)?;
        let key = opaque(prekey, "key", limits::PREKEY_CHARS_MAX)?;
        if prekeys.iter().any(|known| known.id == id) {
            return Err(ApiError::field("one_time_prekeys", "must have each key_id only once"));
        }
        prekeys.push(Prekey { id, key });
    }
    Ok(NewDevice { id, name, keys, prekeys })
}

fn opaque(prekey: &Fields, name: &str, chars_max: usize) -> Result<String, ApiError> {
    let field = format!("one_time_prekeys.{name}");
    let text = prekey.optional_raw_text(name)?.unwrap_or_default();
    let length = text.chars().count();
    if length == 0 || length > chars_max || text.chars().any(char::is_control) {
        let problem = format!("must be a string of 1 to {chars_max} characters without control characters");
        return Err(ApiError::field(&field, problem));
    }
    Ok(text)
}

fn wanted_devices(fields: &Fields) -> Result<Option<Vec<DeviceId>>, ApiError> {
    let Some(ids) = fields.texts("devices")? else { return Ok(None) };
    let most = limits::DEVICES_PER_USER_MAX;
    let wrong = || ApiError::field("devices", format!("must be a list of at most {most} ids of devices"));
    if ids.len() > most {
        return Err(wrong());
    }
    ids.into_iter().map(DeviceId::new).collect::<Result<_, _>>().map(Some).map_err(|_| wrong())
}

/// Informs the sockets of the user.
async fn inform(site: &AppState, user: &UserId, device: DeviceId, change: DeviceChange, prekeys_left: i64) {
    let prekeys_left = u32::try_from(prekeys_left).unwrap_or_default();
    let notice = DeviceNotice { user: user.clone(), device, change, prekeys_left };
    site.gateway.tell(UserEvent::Device(notice), user.clone()).await;
}

fn no_such_device() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "You have no device with this id; check it")
}
