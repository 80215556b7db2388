//! The API document (OpenAPI 3.1). It is assembled from the descriptions at the routes and served with them. This
//! module adds what many routes share: authentication, and the errors that follow from what a route accepts. It must
//! never describe a route that does not exist.

use std::sync::LazyLock;

use actix_web::{HttpResponse, http::Method, web};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        Content, Header, Ref, RefOr, Required, Response, ResponseBuilder, Schema,
        path::{Operation, ParameterIn, PathItem},
        security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme},
    },
};

use super::{
    admin, auth, blocks, calls, canvases, conversations, devices, documents, errors, files, groups, health,
    message_actions, messages, metaverse, moderation, notifications, presence, resource, rooms, search, sheets,
    typed_notifications, users,
};

pub(super) mod bodies;
pub(super) mod schemas;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/api/openapi.json", [(Method::GET, web::to(openapi))]));
}

/// Serves the AsyncAPI document. The caller provides its text, because REST must not know the dialects.
pub fn configure_asyncapi(config: &mut web::ServiceConfig, text: &'static str) {
    let service = resource("/api/asyncapi.json", [(Method::GET, web::to(asyncapi))]);
    config.service(service.app_data(web::Data::new(SocketsDocument(text))));
}

/// The AsyncAPI document.
struct SocketsDocument(&'static str);

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Convene",
        description = "A realtime collaboration server. This document describes the REST routes; /api/asyncapi.json describes the WebSocket messages."
    ),
    paths(
        auth::register, auth::login, auth::refresh, auth::logout, auth::me, auth::revoke,
        users::search,
        devices::list, devices::one, devices::put, devices::remove, devices::claim,
        presence::stats, presence::online, presence::room, presence::presence,
        groups::create, groups::mine, groups::one, groups::members, groups::add_member, groups::remove_member,
        groups::create_channel, groups::channels,
        messages::of_channel, messages::of_conversation, messages::send_to_channel, messages::send_to_user,
        calls::ice_servers,
        conversations::list, conversations::create,
        conversations::messages::history, conversations::messages::send_message, conversations::read_mark::read,
        message_actions::one, message_actions::edit, message_actions::delete, message_actions::react,
        message_actions::take_back,
        search::messages,
        admin::stats, admin::stats_detailed, admin::rooms, admin::broadcast, admin::announce, admin::notify, admin::disconnect,
        admin::shutdown,
        rooms::create, rooms::one, rooms::change, rooms::members, rooms::add_member, rooms::remove_member,
        sheets::cells,
        metaverse::spaces::list, metaverse::spaces::create, metaverse::spaces::one, metaverse::spaces::change,
        metaverse::spaces::members, metaverse::spaces::leave, metaverse::spaces::change_member,
        metaverse::spaces::remove_member,
        metaverse::invites::send, metaverse::invites::accept, metaverse::invites::decline, metaverse::invites::users,
        metaverse::invites::mine, metaverse::invites::history, metaverse::invites::templates,
        canvases::list, canvases::create, canvases::one, canvases::close, canvases::members, canvases::add_member,
        canvases::remove_member, canvases::tiles::tiles, canvases::tiles::create_tile, canvases::tiles::tile,
        canvases::tiles::update_tile, canvases::tiles::delete_tile, canvases::tiles::like, canvases::tiles::unlike,
        canvases::tiles::activity, canvases::comments::tile_comments, canvases::comments::add_tile_comment,
        canvases::comments::remove_tile_comment, canvases::chat::history, canvases::chat::send_message,
        documents::list, documents::create, documents::active, documents::one, documents::change, documents::session,
        documents::members, documents::set_member, documents::remove_member,
        documents::versions::versions, documents::versions::save, documents::versions::version,
        documents::versions::compare, documents::versions::restore,
        notifications::list, notifications::unread, notifications::read, notifications::read_all, notifications::dismiss,
        files::mine, files::one, files::serving::content, files::serving::content_head,
        files::tus::options, files::tus::options_of_file, files::tus::create, files::tus::head, files::tus::patch,
        files::tus::delete, files::tus::overridden,
        notifications::send, typed_notifications::send_to_user, typed_notifications::broadcast, blocks::blocks, blocks::standing, blocks::lift,
        moderation::reports::reports, moderation::reports::report, moderation::reports::one_report, moderation::reports::claim,
        moderation::reports::resolve, moderation::sanctions::sanctions, moderation::sanctions::impose,
        moderation::sanctions::lift, moderation::words::rules, moderation::words::add_rule, moderation::words::remove_rule,
        moderation::removals::remove, moderation::audit::entries, moderation::audit::export,
        health::alive, health::ready, health::health, health::metrics,
        openapi, asyncapi,
    ),
    components(schemas(errors::ErrorBody)),
    modifiers(&Whole),
    security(("bearer" = []), ("token" = [])),
    servers((url = "..", description = "This server")),
    tags(
        (name = "accounts", description = "Registration, sign-in, tokens"),
        (name = "users", description = "Finding somebody"),
        (name = "devices", description = "The public keys of devices that encrypt messages end to end"),
        (name = "presence", description = "Who is online, and with what status"),
        (name = "groups", description = "Groups, their members and their channels"),
        (name = "messages", description = "Message history, newest first, and sending"),
        (name = "conversations", description = "Channels, direct conversations, groups and open rooms in one list, and their messages"),
        (name = "calls", description = "Servers for setting up calls"),
        (name = "rooms", description = "Open rooms, which users join by name"),
        (name = "spaces", description = "Spaces of the metaverse dialect, and their members"),
        (name = "invites", description = "Invites to spaces"),
        (name = "notifications", description = "Your notifications"),
        (name = "files", description = "Uploads with the tus 1.0 protocol, and downloads"),
        (name = "sheets", description = "Shared sheets; they are changed over WebSockets"),
        (name = "canvases", description = "Canvases with tiles, their members and what happened on them"),
        (name = "editing", description = "Collaborative documents: rights, sessions, named versions. They are edited over WebSockets"),
        (name = "moderation", description = "For moderators of rooms and administrators: reports, mutes, kicks and bans, word rules, removals, and the audit log. Everybody may report."),
        (name = "administration", description = "Requires the role `admin`. Any node answers for all nodes."),
        (name = "health", description = "For load balancers, dashboards and operators"),
        (name = "documents", description = "Machine-readable API documents"),
    )
)]
struct Document;

/// The document as served.
static TEXT: LazyLock<String> = LazyLock::new(|| Document::openapi().to_pretty_json().unwrap_or_default());

/// The document of all REST routes, as JSON.
pub fn document() -> &'static str {
    &TEXT
}

/// Returns this document.
#[utoipa::path(get, path = "/api/openapi.json", tag = "documents", security(()),
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json", body = bodies::Anything)))]
async fn openapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(document())
}

/// Returns the AsyncAPI document of the WebSocket messages.
#[utoipa::path(get, path = "/api/asyncapi.json", tag = "documents", security(()),
    responses((status = 200, description = "AsyncAPI 3.0", content_type = "application/json", body = bodies::Anything)))]
async fn asyncapi(document: web::Data<SocketsDocument>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(document.0)
}

/// Adds what many routes share.
struct Whole;

impl Modify for Whole {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        document.info.version = env!("CARGO_PKG_VERSION").to_owned();
        let components = document.components.get_or_insert_default();
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.bearer_format = Some("JWT".to_owned());
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let token = ApiKeyValue::with_description("token", "For clients that can't set headers; prefer the header");
        components.add_security_scheme("token", SecurityScheme::ApiKey(ApiKey::Query(token)));
        for path in document.paths.paths.values_mut() {
            for operation in operations(path) {
                name_by_tag(operation);
                settle_parameters(operation);
                add_errors(operation);
            }
            let of_head = path.head.iter_mut().flat_map(|head| head.responses.responses.values_mut());
            of_head.for_each(without_body);
        }
    }
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, options, head, patch, .. } = path;
    [get, put, post, delete, options, head, patch].into_iter().flatten()
}

/// Handlers of several tags may have the same name, so the tag is added.
fn name_by_tag(operation: &mut Operation) {
    let tag = operation.tags.iter().flatten().next();
    if let (Some(tag), Some(name)) = (tag, &operation.operation_id) {
        operation.operation_id = Some(format!("{tag}-{name}"));
    }
}

/// Cleans up parameters: explicit descriptions at the route replace those that utoipa derives from the handler's
/// arguments, path parameters are required, and the description of a schema becomes that of its parameter.
fn settle_parameters(operation: &mut Operation) {
    let Some(parameters) = &mut operation.parameters else { return };
    let mut seen: Vec<(String, ParameterIn)> = Vec::new();
    parameters.retain(|one| {
        let RefOr::T(one) = one else { return true };
        let place = (one.name.clone(), one.parameter_in.clone());
        let first = !seen.contains(&place);
        seen.push(place);
        first
    });
    for parameter in parameters {
        let RefOr::T(parameter) = parameter else { continue };
        if matches!(parameter.parameter_in, ParameterIn::Path) {
            parameter.required = Required::True;
        }
        let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema else { continue };
        // A format would restrict the limit to an integer type, but larger values are accepted and count as the
        // maximum.
        if parameter.name == "limit" {
            schema.format = None;
        }
        let said = schema.description.take();
        parameter.description = parameter.description.take().or(said);
    }
}

/// Adds the errors that follow from what a route accepts, and the shared body for errors without one.
fn add_errors(operation: &mut Operation) {
    let mut common = Vec::new();
    let secured = operation.security.is_none();
    if secured {
        common.push(("401", "The token is missing or invalid"));
    }
    if operation.request_body.is_some() {
        common.push(("400", "The body is malformed, or a field is missing or invalid; the error names it"));
        common.push(("413", "The body is too long"));
    }
    if secured || operation.request_body.is_some() {
        common.push(("500", "Internal error of the server"));
        common.push(("503", "The server can't process this at the moment; try again after `retry_after`"));
    }
    let responses = &mut operation.responses.responses;
    for (status, description) in common {
        let missing = || RefOr::T(ResponseBuilder::new().description(description).build());
        responses.entry(status.to_owned()).or_insert_with(missing);
    }
    for (status, response) in responses {
        if let RefOr::T(response) = response {
            complete_error(status, response);
        }
    }
}

/// A response to HEAD has no body.
fn without_body(response: &mut RefOr<Response>) {
    if let RefOr::T(response) = response {
        response.content.clear();
    }
}

fn complete_error(status: &str, response: &mut Response) {
    // An unsatisfiable range is answered with headers only.
    if !status.starts_with(['4', '5']) || status == "416" {
        return;
    }
    if response.content.is_empty() {
        let body = Content::new(Some(Ref::from_schema_name("Error")));
        response.content.insert("application/json".to_owned(), RefOr::T(body));
    }
    let header = match status {
        "401" => ("WWW-Authenticate", "The required kind of token: `Bearer`"),
        "429" => ("Retry-After", "Seconds until a retry makes sense"),
        _other => return,
    };
    let mut described = Header::default();
    described.description = Some(header.1.to_owned());
    response.headers.insert(header.0.to_owned(), RefOr::T(described));
}

#[cfg(test)]
pub(super) mod tests;
