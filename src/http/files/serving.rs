//! Serves file contents. An uploaded file must never run as a page or script of this server: only types that can't
//! contain active content are displayed in place, the type is never guessed from the contents, and active types are
//! sent without their type.

use std::ops::Range;

use actix_web::{
    HttpRequest, HttpResponse,
    body::SizedStream,
    http::{
        Method, StatusCode,
        header::{
            ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
            ETAG, HeaderMap, HeaderName, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE,
        },
    },
    web,
};
use bytes::Bytes;
use futures_util::stream;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::{Refused, fetchable, tus::http_date};
use crate::{
    error::ErrorCode,
    http::{AppState, extract::AuthUser, openapi::bodies},
    services::files::{StorageFault, names::OCTET_STREAM},
    store::FileRecord,
};

/// The characters to encode in a file name in a header (RFC 8187 section 3.2.1), and a few more.
const NAME_ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'%')
    .add(b'\'')
    .add(b'(')
    .add(b')')
    .add(b'*')
    .add(b',')
    .add(b'/')
    .add(b':')
    .add(b';')
    .add(b'<')
    .add(b'=')
    .add(b'>')
    .add(b'?')
    .add(b'@')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'{')
    .add(b'}');

/// Whether a browser displays the file or saves it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shown {
    InPlace,
    /// In the browser's own viewer, which does not work in a sandbox and does not run as our page.
    ByViewer,
    AsDownload,
}

/// Like GET, without the body.
#[utoipa::path(
    head, path = "/api/v1/files/{file_id}/{name}", tag = "files", summary = "Get the size and the type of a file",
    params(
        ("file_id" = String, Path, description = "The file's id"),
        ("name" = String, Path, example = "content", description = "`content`, or the file's name for clients that look at the end of a URL"),
        ("Range" = Option<String>, Header, description = "One byte range; a request for several ranges returns the whole file"),
        ("If-Range" = Option<String>, Header, description = "The ETag or Last-Modified of the part that the client has; if it differs, the whole file is sent"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag of the client's copy; if it matches, the file is not sent again"),
    ),
    responses(
        (status = 200, description = "The whole file, with its own type", headers(
            ("ETag" = String, description = "Identifies the file; its contents never change"),
            ("Last-Modified" = String, description = "When the upload was completed"),
            ("Accept-Ranges" = String, description = "bytes"),
            ("Content-Disposition" = String, description = "Whether to display or save the file, and its name"),
        )),
        (status = 206, description = "The range", headers(
            ("ETag" = String, description = "Identifies the file; its contents never change"),
            ("Last-Modified" = String, description = "When the upload was completed"),
            ("Accept-Ranges" = String, description = "bytes"),
            ("Content-Disposition" = String, description = "Whether to display or save the file, and its name"),
            ("Content-Range" = String, description = "The range and the total number of bytes"),
        )),
        (status = 304, description = "The client's copy is current", headers(
            ("ETag" = String, description = "Identifies the file; its contents never change"),
            ("Last-Modified" = String, description = "When the upload was completed"),
            ("Accept-Ranges" = String, description = "bytes"),
        )),
        (status = 403, description = "The file is neither yours nor shared in a room that you may enter"),
        (status = 404, description = "The file does not exist or is not complete"),
        (status = 416, description = "The range begins after the end of the file", headers(
            ("Content-Range" = String, description = "The total number of bytes"),
        )),
    )
)]
pub async fn content_head(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<(String, String)>,
    request: HttpRequest,
) -> Result<HttpResponse, Refused> {
    content(site, user, path, request).await
}

/// Sends a file or a range of it.
#[utoipa::path(
    get, path = "/api/v1/files/{file_id}/{name}", tag = "files", summary = "Download a file or a range of it",
    params(
        ("file_id" = String, Path, description = "The file's id"),
        ("name" = String, Path, example = "content", description = "`content`, or the file's name for clients that look at the end of a URL"),
        ("Range" = Option<String>, Header, description = "One byte range; a request for several ranges returns the whole file"),
        ("If-Range" = Option<String>, Header, description = "The ETag or Last-Modified of the part that the client has; if it differs, the whole file is sent"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag of the client's copy; if it matches, the file is not sent again"),
    ),
    responses(
        (status = 200, description = "The whole file, with its own type", content_type = "*/*", body = bodies::Bytes, headers(
            ("ETag" = String, description = "Identifies the file; its contents never change"),
            ("Last-Modified" = String, description = "When the upload was completed"),
            ("Accept-Ranges" = String, description = "bytes"),
            ("Content-Disposition" = String, description = "Whether to display or save the file, and its name"),
        )),
        (status = 206, description = "The range", content_type = "*/*", body = bodies::Bytes, headers(
            ("ETag" = String, description = "Identifies the file; its contents never change"),
            ("Last-Modified" = String, description = "When the upload was completed"),
            ("Accept-Ranges" = String, description = "bytes"),
            ("Content-Disposition" = String, description = "Whether to display or save the file, and its name"),
            ("Content-Range" = String, description = "The range and the total number of bytes"),
        )),
        (status = 304, description = "The client's copy is current", headers(
            ("ETag" = String, description = "Identifies the file; its contents never change"),
            ("Last-Modified" = String, description = "When the upload was completed"),
            ("Accept-Ranges" = String, description = "bytes"),
        )),
        (status = 403, description = "The file is neither yours nor shared in a room that you may enter"),
        (status = 404, description = "The file does not exist or is not complete"),
        (status = 416, description = "The range begins after the end of the file", headers(
            ("Content-Range" = String, description = "The total number of bytes"),
        )),
    )
)]
pub async fn content(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<(String, String)>,
    request: HttpRequest,
) -> Result<HttpResponse, Refused> {
    let file = fetchable(&site, &user, &path.0).await?;
    let Some(completed_at) = file.completed_at else {
        let sentence = "The upload of the file is not complete; wait until it is";
        return Err(Refused::new(StatusCode::NOT_FOUND, ErrorCode::NotFound, sentence));
    };
    let headers = request.headers();
    let (tag, modified) = (format!("\"{}\"", file.id), http_date(completed_at).to_string());
    let (mime_type, shown) = manner(&file.mime_type);
    let mut response = HttpResponse::Ok();
    response
        .insert_header((ETAG, tag.clone()))
        .insert_header((LAST_MODIFIED, modified.clone()))
        .insert_header((ACCEPT_RANGES, "bytes"))
        .insert_header((CACHE_CONTROL, "private, no-cache"))
        .insert_header((CONTENT_SECURITY_POLICY, policy(shown)));
    if list_of(headers, &IF_NONE_MATCH).any(|known| known == "*" || known.trim_start_matches("W/") == tag) {
        return Ok(response.status(StatusCode::NOT_MODIFIED).finish());
    }
    let current = match one(headers, &IF_RANGE) {
        None => true,
        Some(known) => known == tag || known == modified,
    };
    let range = match one(headers, &RANGE).filter(|_| current).map(|text| wanted(text, file.size_bytes)) {
        None | Some(Wanted::All) => 0..file.size_bytes,
        Some(Wanted::Some(range)) => {
            let value = format!("bytes {}-{}/{}", range.start, range.end - 1, file.size_bytes);
            response.status(StatusCode::PARTIAL_CONTENT).insert_header((CONTENT_RANGE, value));
            range
        }
        Some(Wanted::Nothing) => {
            response.insert_header((CONTENT_RANGE, format!("bytes */{}", file.size_bytes)));
            return Ok(response.status(StatusCode::RANGE_NOT_SATISFIABLE).finish());
        }
    };
    response.insert_header((CONTENT_TYPE, mime_type)).insert_header((CONTENT_DISPOSITION, disposition(&file, shown)));
    let length = range.end - range.start;
    if request.method() == Method::HEAD {
        return Ok(response.body(SizedStream::new(length, stream::empty::<Result<Bytes, StorageFault>>())));
    }
    Ok(response.body(SizedStream::new(length, site.files.read(file.id, range).await?)))
}

fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

fn list_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    one(headers, name).unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty())
}

#[derive(PartialEq, Eq, Debug)]
enum Wanted {
    All,
    Some(Range<u64>),
    Nothing,
}

/// Parses a Range header (RFC 9110 section 14.1). An invalid header or several ranges count as no header.
fn wanted(text: &str, size: u64) -> Wanted {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Wanted::All;
    };
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
    let range = match (first.trim(), last.trim()) {
        ("", last) => number(last).filter(|_| !last.is_empty()).map(|count| size.saturating_sub(count)..size),
        (first, "") => number(first).map(|first| first..size),
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Some(first..last.saturating_add(1).min(size)),
            (_, _) => None,
        },
    };
    match range {
        None => Wanted::All,
        Some(range) if range.is_empty() => Wanted::Nothing,
        Some(range) => Wanted::Some(range),
    }
}

/// The type with which a file is served, and how it is displayed.
fn manner(mime_type: &str) -> (String, Shown) {
    let (kind, rest) = mime_type.split_once('/').unwrap_or((mime_type, ""));
    let active = rest.contains("xml") || rest.contains("svg") || rest.contains("script");
    match (kind, rest) {
        ("image", "png" | "jpeg" | "gif" | "webp" | "avif" | "bmp" | "x-icon") => (mime_type.into(), Shown::InPlace),
        ("audio" | "video", _) if !active => (mime_type.into(), Shown::InPlace),
        ("text", "plain") => ("text/plain; charset=utf-8".into(), Shown::InPlace),
        ("application", "pdf") => (mime_type.into(), Shown::ByViewer),
        ("text", "csv" | "markdown" | "tab-separated-values" | "calendar") => {
            (format!("{mime_type}; charset=utf-8"), Shown::AsDownload)
        }
        ("image" | "font", _) if !active => (mime_type.into(), Shown::AsDownload),
        ("application", "json" | "zip" | "gzip" | "x-tar" | "rtf" | "msword") => (mime_type.into(), Shown::AsDownload),
        ("application", rest)
            if rest.starts_with("vnd.openxmlformats-officedocument.")
                || rest.starts_with("vnd.oasis.opendocument.")
                || rest.starts_with("vnd.ms-") =>
        {
            (mime_type.into(), Shown::AsDownload)
        }
        (_, _) => (OCTET_STREAM.into(), Shown::AsDownload),
    }
}

const fn policy(shown: Shown) -> &'static str {
    match shown {
        Shown::InPlace => "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox",
        Shown::ByViewer => "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        Shown::AsDownload => "default-src 'none'; sandbox",
    }
}

/// The file name in both forms (RFC 6266 appendix D): ASCII for old clients, and UTF-8.
fn disposition(file: &FileRecord, shown: Shown) -> String {
    let kind = match shown {
        Shown::InPlace | Shown::ByViewer => "inline",
        Shown::AsDownload => "attachment",
    };
    let plain = |c: char| if c.is_ascii_graphic() && !"\"\\%".contains(c) || c == ' ' { c } else { '_' };
    let ascii: String = file.name.chars().map(plain).collect();
    format!("{kind}; filename=\"{ascii}\"; filename*=UTF-8''{}", utf8_percent_encode(&file.name, NAME_ENCODED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        for (text, expected) in [
            ("bytes=0-0", Wanted::Some(0..1)),
            ("bytes=10-", Wanted::Some(10..100)),
            ("bytes=-10", Wanted::Some(90..100)),
            ("bytes=-1000", Wanted::Some(0..100)),
            ("bytes=90-500", Wanted::Some(90..100)),
            ("bytes=100-", Wanted::Nothing),
            ("bytes=100-200", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=5-2", Wanted::All),
            ("bytes=-", Wanted::All),
            ("bytes=0-1,3-4", Wanted::All),
            ("bytes=+1-2", Wanted::All),
            ("lines=0-1", Wanted::All),
            ("bytes=99999999999999999999-", Wanted::All),
        ] {
            assert_eq!(wanted(text, 100), expected, "{text}");
        }
        assert_eq!(wanted("bytes=0-", 0), Wanted::Nothing);
    }

    #[test]
    fn nothing_that_can_run_keeps_its_type_or_is_shown() {
        for active in [
            "text/html",
            "application/xhtml+xml",
            "image/svg+xml",
            "text/xml",
            "application/javascript",
            "text/javascript",
            "text/css",
            "application/wasm",
            "multipart/related",
            "application/x-shockwave-flash",
            "message/rfc822",
            "video/x+svg",
            "strange",
            "application/rss+xml",
            "text/vtt-script",
        ] {
            assert_eq!(manner(active), (OCTET_STREAM.to_owned(), Shown::AsDownload), "{active}");
        }
        assert_eq!(manner("image/png"), ("image/png".to_owned(), Shown::InPlace));
        assert_eq!(manner("text/plain").0, "text/plain; charset=utf-8");
        assert_eq!(manner("text/csv"), ("text/csv; charset=utf-8".to_owned(), Shown::AsDownload));
        assert_eq!(manner("application/pdf").1, Shown::ByViewer);
    }
}
