//! The paths of the node as they are laid: what stands in this list is what the router has, so that a document can be held against it.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::routing::{MethodRouter, delete, get, post, put};

use crate::server::Edge;

/// A router, and what it answers.
#[derive(Default)]
pub(crate) struct Routes {
    router: Router<Arc<Edge>>,
    list: Vec<(&'static str, &'static str)>,
}

impl Routes {
    pub(crate) fn get<H: Handler<T, Arc<Edge>>, T: 'static>(self, path: &'static str, to: H) -> Self {
        self.with("get", path, get(to))
    }

    pub(crate) fn post<H: Handler<T, Arc<Edge>>, T: 'static>(self, path: &'static str, to: H) -> Self {
        self.with("post", path, post(to))
    }

    pub(crate) fn put<H: Handler<T, Arc<Edge>>, T: 'static>(self, path: &'static str, to: H) -> Self {
        self.with("put", path, put(to))
    }

    pub(crate) fn delete<H: Handler<T, Arc<Edge>>, T: 'static>(self, path: &'static str, to: H) -> Self {
        self.with("delete", path, delete(to))
    }

    /// The same as `post`, with another bound of what is taken.
    pub(crate) fn post_up_to<H: Handler<T, Arc<Edge>>, T: 'static>(
        self,
        path: &'static str,
        bytes: usize,
        to: H,
    ) -> Self {
        self.with("post", path, post(to).layer(DefaultBodyLimit::max(bytes)))
    }

    fn with(mut self, method: &'static str, path: &'static str, to: MethodRouter<Arc<Edge>>) -> Self {
        self.router = self.router.route(path, to);
        self.list.push((method, path));
        self
    }

    /// All of these take so much.
    pub(crate) fn up_to(mut self, bytes: usize) -> Self {
        self.router = self.router.layer(DefaultBodyLimit::max(bytes));
        self
    }

    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.list.extend(other.list);
        self
    }

    pub(crate) fn router(self) -> Router<Arc<Edge>> {
        self.router
    }

    /// Method and path of each.
    #[cfg(test)]
    pub(crate) fn list(&self) -> &[(&'static str, &'static str)] {
        &self.list
    }
}
