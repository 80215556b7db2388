//! The pages: a small chat client at `/`, and the API reference at `/api/docs`. They are plain HTML, CSS and JavaScript
//! embedded in the binary, so that a new server is usable at once. The chat client uses only the public REST API and
//! the `nexus` dialect. The pages must never get an interface that other clients do not have, and never load anything
//! from other hosts.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETag, EntityTag, Header as _, IfNoneMatch, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse, guard, web};

/// No inline scripts or styles, nothing from other hosts (`blob:` is an image that the page has read with its token), no framing, no markup parsed from strings. `ws:` and `wss:`
/// are listed because not every browser matches a WebSocket to the same host with `'self'`.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
    connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

struct Asset {
    path: &'static str,
    content_type: &'static str,
    body: &'static str,
}

macro_rules! asset {
    ($content_type:expr, $file:literal) => {
        Asset {
            path: concat!("/assets/", $file),
            content_type: $content_type,
            body: include_str!(concat!("page/", $file)),
        }
    };
}

static ASSETS: [Asset; 26] = [
    Asset { path: "/", content_type: HTML, body: include_str!("page/index.html") },
    Asset { path: "/api/docs", content_type: HTML, body: include_str!("page/docs.html") },
    asset!(CSS, "style.css"),
    asset!(SVG, "favicon.svg"),
    asset!(SCRIPT, "actions.js"),
    asset!(SCRIPT, "api.js"),
    asset!(SCRIPT, "app.js"),
    asset!(SCRIPT, "attachments.js"),
    asset!(SCRIPT, "composer.js"),
    asset!(SCRIPT, "connection.js"),
    asset!(SCRIPT, "dialogs.js"),
    asset!(SCRIPT, "directory.js"),
    asset!(CSS, "docs.css"),
    asset!(SCRIPT, "docs.js"),
    asset!(SCRIPT, "dom.js"),
    asset!(SCRIPT, "history.js"),
    asset!(SCRIPT, "mentions.js"),
    asset!(SCRIPT, "messages.js"),
    asset!(SCRIPT, "people.js"),
    asset!(SCRIPT, "room.js"),
    asset!(SCRIPT, "schema.js"),
    asset!(SCRIPT, "search.js"),
    asset!(SCRIPT, "sidebar.js"),
    asset!(SCRIPT, "text.js"),
    asset!(SCRIPT, "timeline.js"),
    asset!(SCRIPT, "trial.js"),
];

/// Serves `/`, `/api/docs` and `/assets/…` to GET and HEAD.
pub fn configure(config: &mut web::ServiceConfig) {
    for asset in &ASSETS {
        let tag = EntityTag::new_strong(fingerprint(asset.body.as_bytes()));
        let answer = move |request: HttpRequest| {
            let response = respond(asset, &tag, &request);
            async move { response }
        };
        let reads = guard::Any(guard::Get()).or(guard::Head());
        config.service(web::resource(asset.path).route(web::route().guard(reads).to(answer)));
    }
}

/// File names contain no version, so a browser revalidates every time. The tag makes the response a 304 until the
/// binary changes.
fn respond(asset: &'static Asset, tag: &EntityTag, request: &HttpRequest) -> HttpResponse {
    let unchanged = match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|held| held.weak_eq(tag)),
        Err(_) => false,
    };
    let mut response = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header(ETag(tag.clone()))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
    if unchanged {
        return response.finish();
    }
    response.content_type(asset.content_type).body(asset.body)
}

/// FNV-1a, 64 bits, as hex. It is the same on every node that runs the same binary, which is all that an ETag needs.
fn fingerprint(bytes: &[u8]) -> String {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::App;
    use actix_web::http::{StatusCode, header};
    use actix_web::test::{TestRequest, call_service, init_service, read_body};

    /// The pages are embedded in every binary and sent to every new user, so they must stay small.
    const PAGE_BYTES_MAX: usize = 180 * 1024;

    #[actix_web::test]
    async fn every_asset_is_served_with_its_type_and_the_policy() {
        let app = init_service(App::new().configure(configure)).await;
        for asset in &ASSETS {
            let response = call_service(&app, TestRequest::get().uri(asset.path).to_request()).await;
            assert_eq!(response.status(), StatusCode::OK, "{}", asset.path);
            let headers = response.headers().clone();
            assert_eq!(headers.get(header::CONTENT_TYPE).unwrap(), asset.content_type, "{}", asset.path);
            assert_eq!(headers.get(header::CONTENT_SECURITY_POLICY).unwrap(), POLICY);
            assert_eq!(headers.get(header::CACHE_CONTROL).unwrap(), "no-cache");
            assert_eq!(headers.get(header::X_CONTENT_TYPE_OPTIONS).unwrap(), "nosniff");
            assert_eq!(read_body(response).await, asset.body);
        }
    }

    #[actix_web::test]
    async fn a_held_tag_is_answered_by_a_bare_304_and_another_one_by_the_body() {
        let app = init_service(App::new().configure(configure)).await;
        let first = call_service(&app, TestRequest::get().uri("/").to_request()).await;
        let tag = first.headers().get(header::ETAG).unwrap().clone();

        let held = TestRequest::get().uri("/").insert_header((header::IF_NONE_MATCH, tag.clone())).to_request();
        let again = call_service(&app, held).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(again.headers().get(header::ETAG), Some(&tag));
        assert!(read_body(again).await.is_empty());

        let other = TestRequest::get().uri("/").insert_header((header::IF_NONE_MATCH, "\"0\"")).to_request();
        assert_eq!(call_service(&app, other).await.status(), StatusCode::OK);
    }

    #[actix_web::test]
    async fn nothing_but_reading_is_allowed_and_nothing_else_is_there() {
        let app = init_service(App::new().configure(configure)).await;
        let head =
            call_service(&app, TestRequest::default().method("HEAD".parse().unwrap()).uri("/").to_request()).await;
        assert_eq!(head.status(), StatusCode::OK);
        let post = call_service(&app, TestRequest::post().uri("/").to_request()).await;
        assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
        for path in ["/assets/", "/assets/nothing.js", "/assets/../Cargo.toml", "/assets/%2e%2e/page.rs"] {
            let response = call_service(&app, TestRequest::get().uri(path).to_request()).await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn every_file_that_the_page_names_is_embedded() {
        let served: Vec<&str> = ASSETS.iter().map(|asset| asset.path).collect();
        for asset in &ASSETS {
            let named = asset.body.split('"').filter_map(|piece| match piece.strip_prefix("./") {
                Some(module) if asset.content_type == SCRIPT => Some(format!("/assets/{module}")),
                // Relative, so that a proxy may add a prefix to all paths.
                _ => piece.trim_start_matches("../").strip_prefix("assets/").map(|name| format!("/assets/{name}")),
            });
            for path in named {
                assert!(served.contains(&path.as_str()), "{} names {path}", asset.path);
            }
        }
    }

    #[test]
    fn the_page_loads_nothing_from_elsewhere_parses_no_markup_and_stays_small() {
        for asset in &ASSETS {
            let without_namespace = asset.body.replace("http://www.w3.org/2000/svg", "");
            for banned in ["http://", "https://", "innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", " style="] {
                assert!(!without_namespace.contains(banned), "{} holds {banned}", asset.path);
            }
        }
        let bytes: usize = ASSETS.iter().map(|asset| asset.body.len()).sum();
        assert!(bytes <= PAGE_BYTES_MAX, "the pages have grown to {bytes} bytes");
    }
}
