//! The API document, OpenAPI 3.1, put together from what stands at each route, and served beside the routes. What holds
//! for many routes is added here once: who may come, and the errors that every such route can answer.

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
    admin, auth, blocks, errors, files, groups, health, messages, notifications, resource, rooms, sheets, users,
};

pub(super) mod bodies;
pub(super) mod schemas;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/api/openapi.json", [(Method::GET, web::to(openapi))]));
}

/// Serves what is spoken over WebSockets. The text comes from outside, as REST knows no dialect.
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
        description = "A realtime collaboration server. This document has the routes of REST; what is spoken over WebSockets stands in /api/asyncapi.json."
    ),
    paths(
        auth::register, auth::login, auth::refresh, auth::logout, auth::me, auth::revoke,
        users::search,
        groups::create, groups::mine, groups::one, groups::members, groups::add_member, groups::remove_member,
        groups::create_channel, groups::channels,
        messages::of_channel, messages::of_conversation, messages::send_to_channel, messages::send_to_user,
        admin::stats, admin::stats_detailed, admin::rooms, admin::broadcast, admin::notify, admin::disconnect,
        admin::shutdown,
        rooms::create, rooms::one, rooms::change, rooms::members, rooms::add_member, rooms::remove_member,
        sheets::cells,
        notifications::list, notifications::unread, notifications::read, notifications::read_all, notifications::dismiss,
        files::mine, files::one, files::serving::content, files::serving::content_head,
        files::tus::options, files::tus::options_of_file, files::tus::create, files::tus::head, files::tus::patch,
        files::tus::delete, files::tus::overridden,
        notifications::send, blocks::blocks, blocks::standing, blocks::lift,
        health::alive, health::ready, health::health, health::metrics,
        openapi, asyncapi,
    ),
    components(schemas(errors::ErrorBody)),
    modifiers(&Whole),
    security(("bearer" = []), ("token" = [])),
    servers((url = "..", description = "This server")),
    tags(
        (name = "accounts", description = "Registering, signing in, tokens"),
        (name = "users", description = "Finding somebody"),
        (name = "groups", description = "Groups, their members, their channels"),
        (name = "messages", description = "History, newest first, and sending"),
        (name = "rooms", description = "Open rooms, which have names of their own"),
        (name = "notifications", description = "One's own"),
        (name = "files", description = "Uploads by the tus 1.0 protocol, downloads"),
        (name = "sheets", description = "Shared sheets; they are written over sockets"),
        (name = "administration", description = "For tokens with the role `admin`, on any node and about all nodes"),
        (name = "health", description = "For load balancers, dashboards and people"),
        (name = "documents", description = "What this server speaks, for programs"),
    )
)]
struct Document;

/// The document as it is served.
static TEXT: LazyLock<String> = LazyLock::new(|| Document::openapi().to_pretty_json().unwrap_or_default());

/// The document of all REST routes, as JSON.
pub fn document() -> &'static str {
    &TEXT
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", tag = "documents", security(()),
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json", body = bodies::Anything)))]
async fn openapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(document())
}

/// What is spoken over WebSockets.
#[utoipa::path(get, path = "/api/asyncapi.json", tag = "documents", security(()),
    responses((status = 200, description = "AsyncAPI 3.0", content_type = "application/json", body = bodies::Anything)))]
async fn asyncapi(document: web::Data<SocketsDocument>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(document.0)
}

/// What holds for many routes.
struct Whole;

impl Modify for Whole {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        document.info.version = env!("CARGO_PKG_VERSION").to_owned();
        let components = document.components.get_or_insert_default();
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.bearer_format = Some("JWT".to_owned());
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let token = ApiKeyValue::with_description("token", "For whoever can't set headers; the header is better");
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

/// Handlers have short names, which several tags may share.
fn name_by_tag(operation: &mut Operation) {
    let tag = operation.tags.iter().flatten().next();
    if let (Some(tag), Some(name)) = (tag, &operation.operation_id) {
        operation.operation_id = Some(format!("{tag}-{name}"));
    }
}

/// What utoipa reads from a handler's arguments gives way to what stands at the route before it; what is in a path is
/// required; and what a schema says of itself is said of its parameter.
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
        // a format would bound it by what an integer holds; what is above the most is taken for the most
        if parameter.name == "limit" {
            schema.format = None;
        }
        let said = schema.description.take();
        parameter.description = parameter.description.take().or(said);
    }
}

/// The errors that follow from what a route takes, and the shared body for those that name none.
fn add_errors(operation: &mut Operation) {
    let mut common = Vec::new();
    let secured = operation.security.is_none();
    if secured {
        common.push(("401", "No token, or one that does not hold"));
    }
    if operation.request_body.is_some() {
        common.push(("400", "The body is malformed, or a field is wrong or missing; the sentence names it"));
        common.push(("413", "The body is too long"));
    }
    if secured || operation.request_body.is_some() {
        common.push(("500", "A fault of the server's"));
        common.push(("503", "The server can't store or take it now; try again after `retry_after`"));
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

/// An answer to HEAD has none.
fn without_body(response: &mut RefOr<Response>) {
    if let RefOr::T(response) = response {
        response.content.clear();
    }
}

fn complete_error(status: &str, response: &mut Response) {
    // a range that can't be had is answered by headers alone
    if !status.starts_with(['4', '5']) || status == "416" {
        return;
    }
    if response.content.is_empty() {
        let body = Content::new(Some(Ref::from_schema_name("Error")));
        response.content.insert("application/json".to_owned(), RefOr::T(body));
    }
    let header = match status {
        "401" => ("WWW-Authenticate", "The kind of token that is wanted: `Bearer`"),
        "429" => ("Retry-After", "Seconds until it is worth trying again"),
        _other => return,
    };
    let mut described = Header::default();
    described.description = Some(header.1.to_owned());
    response.headers.insert(header.0.to_owned(), RefOr::T(described));
}

#[cfg(test)]
pub(super) mod tests;
