//! A server that speaks S3 and keeps what it gets in a folder. It checks the signature of every request, writes down what was asked,
//! and may be told to forbid something.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Response, StatusCode};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Result, s3_error};
use s3s_fs::FileSystem;

pub(super) const BUCKET: &str = "files-of-messages";
pub(super) const KEY_ID: &str = "conversa";
pub(super) const SECRET: &str = "a secret that only the two know";

/// A running server; its task ends with the test's runtime.
pub(super) struct Server {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

/// What is allowed, and what was asked.
struct Access {
    forbidden: Option<&'static str>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl S3Access for Access {
    fn check<'a, 'b, 'c, 't>(
        &'a self,
        context: &'b mut S3AccessContext<'c>,
    ) -> Pin<Box<dyn Future<Output = S3Result<()>> + Send + 't>>
    where
        'a: 't,
        'b: 't,
        'c: 't,
        Self: 't,
    {
        let name = context.s3_op().name();
        self.asked.lock().expect("nobody panicked").push(name.to_owned());
        // Without a signature that is right there are no credentials.
        let allowed = context.credentials().is_some() && self.forbidden != Some(name);
        Box::pin(async move { if allowed { Ok(()) } else { Err(s3_error!(AccessDenied)) } })
    }
}

impl Server {
    /// Keeps its buckets in `folder`; `forbidden` is an operation that nobody may do.
    pub(super) async fn start(folder: &Path, forbidden: Option<&'static str>) -> Self {
        std::fs::create_dir_all(folder.join(BUCKET)).expect("the folder is ours");
        let asked = Arc::new(Mutex::default());
        let mut builder = S3ServiceBuilder::new(FileSystem::new(folder).expect("a folder"));
        builder.set_auth(SimpleAuth::from_single(KEY_ID, SECRET));
        builder.set_access(Access { forbidden, asked: Arc::clone(&asked) });
        let service = builder.build();
        let router = axum::Router::new().fallback(move |request| answer(service.clone(), request));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, asked }
    }

    /// The operations since it was asked last.
    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().expect("nobody panicked"))
    }
}

async fn answer(service: S3Service, request: Request) -> Response<Body> {
    match service.call(request.map(s3s::Body::http_body_unsync)).await {
        Ok(response) => response.map(Body::new),
        Err(_) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}
