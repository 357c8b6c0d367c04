//! Watching what is open in GIMP: one poll per image for all that wait, while somebody does.
//!
//! GIMP tells nobody that a user changed something, so the plug-in is asked for a few bytes of state now and then.

use super::Ops;
use crate::error::{Error, Kind};
use crate::gimp::{Client, Request};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Between two looks.
const POLL: Duration = Duration::from_millis(400);

/// What one look may take; GIMP may be busy for long, and the next look comes anyway.
const LOOK: Duration = Duration::from_secs(30);

/// What a revision's hashes stand for, in the plug-in's order (`ops/watch.py`).
const RESPECTS: [&str; 9] = ["size", "mode", "structure", "layers", "active", "selection", "pixels", "edits", "saved"];

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// One image, by id.
    Image(u64),
    /// Which images are open, their names, sizes and files.
    Images,
}

/// The state at the last look.
#[derive(Clone, Debug, Default)]
pub enum State {
    /// Not looked yet.
    #[default]
    Unknown,
    /// The revision, a text that is equal for equal states.
    Known(String),
    /// The image was closed, or GIMP ended: nothing more comes.
    Gone(Error),
}

type Key = (Option<String>, Target);

/// The polls under way; a part of [`Ops`].
#[derive(Clone, Default)]
pub struct Watches {
    polls: Arc<Mutex<HashMap<Key, watch::Sender<State>>>>,
}

impl Ops {
    /// The states of `target` in the GIMP that `client` works with, or in `instance`. Looking stops when the receiver
    /// is dropped.
    pub async fn watch(&self, client: &Client, instance: Option<String>, target: Target) -> watch::Receiver<State> {
        let instance = match instance {
            Some(instance) => Some(instance),
            None => self.gimp().selected_instance(client).await,
        };
        let key = (instance, target);
        let mut polls = self.watches.lock();
        if let Some(poll) = polls.get(&key) {
            return poll.subscribe();
        }
        let (sender, receiver) = watch::channel(State::Unknown);
        polls.insert(key.clone(), sender.clone());
        tokio::spawn(poll(self.clone(), key, sender));
        receiver
    }
}

impl Watches {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, watch::Sender<State>>> {
        self.polls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets a poll that nobody waits for; false if somebody came just now.
    fn forget(&self, key: &Key, sender: &watch::Sender<State>) -> bool {
        let mut polls = self.lock();
        if sender.receiver_count() > 0 {
            return false;
        }
        polls.remove(key);
        true
    }
}

async fn poll(ops: Ops, key: Key, sender: watch::Sender<State>) {
    loop {
        let state = tokio::select! {
            state = look(&ops, &key) => state,
            () = sender.closed() => None,
        };
        match state {
            Some(State::Gone(error)) => {
                ops.watches.lock().remove(&key);
                sender.send_replace(State::Gone(error));
                return;
            }
            Some(State::Known(revision)) => {
                sender.send_if_modified(|last| {
                    let new = !matches!(last, State::Known(known) if *known == revision);
                    if new {
                        *last = State::Known(revision);
                    }
                    new
                });
            }
            // GIMP is busy: the next look tells.
            _ => (),
        }
        tokio::select! {
            () = tokio::time::sleep(POLL) => (),
            () = sender.closed() => (),
        }
        if sender.receiver_count() == 0 && ops.watches.forget(&key, &sender) {
            return;
        }
    }
}

async fn look(ops: &Ops, (instance, target): &Key) -> Option<State> {
    let (operation, arguments) = match target {
        Target::Image(id) => ("image_state", Map::from_iter([("image".to_owned(), Value::from(*id))])),
        Target::Images => ("list_images", Map::new()),
    };
    let request = Request {
        operation: operation.into(),
        arguments,
        client: Client { id: "watch".into(), name: "gimp-bridge watch".into() },
        instance: instance.clone(),
        timeout: LOOK,
        upload: None,
        cancel: CancellationToken::new(),
        progress: None,
    };
    match ops.gimp().call(request).await {
        Ok(result) => Some(State::Known(match target {
            Target::Image(_) => result["revision"].as_str().unwrap_or_default().to_owned(),
            Target::Images => open_images(&result),
        })),
        Err(error) if matches!(error.kind, Kind::Timeout | Kind::Busy | Kind::Cancelled) => None,
        Err(error) => Some(State::Gone(error)),
    }
}

/// The list's content as a revision, without what belongs to a client.
fn open_images(result: &Map<String, Value>) -> String {
    let mut hasher = DefaultHasher::new();
    for image in result.get("images").and_then(Value::as_array).into_iter().flatten() {
        for (name, value) in image.as_object().into_iter().flatten().filter(|(name, _)| *name != "selected") {
            name.hash(&mut hasher);
            value.to_string().hash(&mut hasher);
        }
    }
    format!("{:016x}", hasher.finish())
}

/// In which respects two revisions of an image differ.
pub fn differences(before: &str, after: &str) -> Vec<&'static str> {
    let (before, after) = (before.split('-').collect::<Vec<_>>(), after.split('-').collect::<Vec<_>>());
    if before.len() != RESPECTS.len() || after.len() != RESPECTS.len() {
        return RESPECTS.to_vec();
    }
    RESPECTS.into_iter().enumerate().filter(|(at, _)| before[*at] != after[*at]).map(|(_, name)| name).collect()
}

/// Whether a text has a revision's form.
pub fn is_revision(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() == RESPECTS.len()
        && parts.iter().all(|part| part.len() == 8 && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_are_compared_by_respect() {
        let before = ["00000000"; 9].join("-");
        let mut parts = ["00000000"; 9];
        (parts[2], parts[6]) = ("0000000a", "0000000b");
        let after = parts.join("-");
        assert!(is_revision(&before) && !is_revision("x") && !is_revision(&before[1..]));
        assert_eq!(differences(&before, &after), ["structure", "pixels"]);
        assert!(differences(&before, &before).is_empty());
    }
}
