//! The pages, embedded in the binary. Without a build of them the node says what is missing and serves everything else.

use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use crate::asked::no_such_address;

#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Dist;

const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data: blob:; \
     font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const MISSING: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>Conversa</title>\
<h1>Conversa is running</h1>\
<p>Its pages are not in this binary: they are built with Node.js 20 or later. Install it, then run <code>make run</code> again.</p>\
<p>Everything else works: <a href=/livez>/livez</a>, <a href=/readyz>/readyz</a>, <a href=/metrics>/metrics</a>, REST under /v1, WebSocket at /v1/ws.</p></html>";

/// Any path that is not of the API.
pub(crate) async fn page(uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    let file = match path {
        "" => "index.html",
        "visitor" | "desk" | "boards" | "wall" => return html(&format!("{path}.html")),
        other => other,
    };
    if file == "index.html" {
        return html(file);
    }
    match Dist::get(file) {
        Some(found) => {
            let kind = HeaderValue::from_static(kind_of(file));
            let cache =
                if file.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
            secured(
                (
                    [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, HeaderValue::from_static(cache))],
                    found.data,
                )
                    .into_response(),
            )
        }
        None if path == "v1" || path.starts_with("v1/") => no_such_address(),
        None => secured(
            (
                StatusCode::NOT_FOUND,
                "there is no such page; the pages are /, /visitor, /desk, /boards and /wall",
            )
                .into_response(),
        ),
    }
}

fn html(file: &str) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    match Dist::get(file) {
        Some(found) => secured((kind, found.data).into_response()),
        None => secured((kind, MISSING).into_response()),
    }
}

fn kind_of(file: &str) -> &'static str {
    match file.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("html") => "text/html; charset=utf-8",
        Some(_) | None => "application/octet-stream",
    }
}

fn secured(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
