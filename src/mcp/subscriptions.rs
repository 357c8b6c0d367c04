//! Tells clients that a resource changed: `resources/subscribe` up to 2025-11-25, `subscriptions/listen` since.

use crate::error::{Error, Kind, Result};
use crate::gimp::Client;
use crate::ops::params::shorten;
use crate::ops::watch::{State, Target};
use crate::ops::{Ops, uri};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Resources that one client may subscribe to.
pub const MOST: usize = 64;

const IMAGES: &str = "gimp://images";

/// What changes when the resource does.
pub fn target(uri: &str) -> Result<Target> {
    let id = uri.strip_prefix(IMAGES).and_then(|rest| rest.strip_prefix('/')).and_then(|id| id.parse::<u64>().ok());
    let picture = || Some(uri::bitmap_arguments(uri)?.ok()?.get("image").and_then(Value::as_u64));
    match (uri, id.or_else(|| picture().flatten())) {
        (IMAGES, _) => Ok(Target::Images),
        (_, Some(id)) if id > 0 => Ok(Target::Image(id)),
        _ => Err(Error::new(Kind::NotFound, format!("`{}` is no resource that changes", shorten(uri))).hint(
            "subscribe to gimp://images, gimp://images/ID or gimp://images/ID/bitmap?…; a layer changes with its image",
        )),
    }
}

/// A session's subscriptions; they end with it.
#[derive(Default)]
pub struct Subscriptions {
    by_uri: Mutex<HashMap<String, DropGuard>>,
}

impl Subscriptions {
    /// The token that ends the new subscription; `None` if there is one already.
    ///
    /// # Errors
    /// `busy` over [`MOST`].
    pub fn add(&self, uri: &str) -> Result<Option<CancellationToken>> {
        let mut by_uri = self.by_uri.lock().unwrap_or_else(PoisonError::into_inner);
        if by_uri.contains_key(uri) {
            return Ok(None);
        }
        if by_uri.len() >= MOST {
            return Err(Error::new(Kind::Busy, format!("{MOST} resources are subscribed to, which is the most"))
                .hint("unsubscribe from some"));
        }
        let token = CancellationToken::new();
        by_uri.insert(uri.to_owned(), token.clone().drop_guard());
        Ok(Some(token))
    }

    pub fn remove(&self, uri: &str) {
        self.by_uri.lock().unwrap_or_else(PoisonError::into_inner).remove(uri);
    }
}

/// Calls `tell` at each change of the resource, until it answers false, `end` is cancelled, or the resource is gone
/// (which is told too).
pub async fn follow<F: Future<Output = bool>>(
    ops: Ops,
    client: Client,
    target: Target,
    end: CancellationToken,
    mut tell: impl FnMut() -> F,
) {
    let mut states = ops.watch(&client, None, target).await;
    let known = |states: &mut watch::Receiver<State>| states.borrow_and_update().clone();
    // What is so at the first look is no change.
    let mut last = match known(&mut states) {
        State::Known(revision) => Some(revision),
        _ => None,
    };
    loop {
        tokio::select! {
            () = end.cancelled() => return,
            changed = states.changed() => if changed.is_err() { return },
        }
        match known(&mut states) {
            State::Known(revision) => {
                let first = last.replace(revision).is_none();
                if !first && !tell().await {
                    return;
                }
            }
            State::Gone(_) => {
                tell().await;
                return;
            }
            State::Unknown => (),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_of_an_image_change_with_it() {
        for uri in ["gimp://images/7", "gimp://images/7/bitmap", "gimp://images/7/bitmap?max_width=64"] {
            assert_eq!(target(uri).unwrap(), Target::Image(7), "{uri}");
        }
        assert_eq!(target("gimp://images").unwrap(), Target::Images);
        for uri in ["gimp://docs/python", "gimp://layers/3/bitmap", "gimp://images/0", "x", "gimp://images/7/bitmap?a"]
        {
            assert_eq!(target(uri).unwrap_err().kind, Kind::NotFound, "{uri}");
        }
    }

    #[test]
    fn subscriptions_are_bounded_and_end() {
        let subscriptions = Subscriptions::default();
        let first = subscriptions.add("0").unwrap().unwrap();
        assert!(subscriptions.add("0").unwrap().is_none());
        for id in 1..MOST {
            subscriptions.add(&id.to_string()).unwrap();
        }
        assert_eq!(subscriptions.add("more").unwrap_err().kind, Kind::Busy);
        subscriptions.remove("0");
        assert!(first.is_cancelled() && subscriptions.add("more").unwrap().is_some());
    }
}
