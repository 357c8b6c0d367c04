//! What is told of sessions: to their owner, and to those who must keep off their images.

use super::store::Record;
use super::{Sessions, lock};
use std::sync::atomic::Ordering;

/// One line of a list of sessions.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Info {
    pub session_id: String,
    pub image: Option<u64>,
    pub width: u32,
    pub height: u32,
    /// Unix seconds.
    pub created: u64,
    pub last_used: u64,
    pub changes: u64,
    /// Whether the last state was saved by the client.
    pub saved: bool,
    /// Its time ran out; the next request with its id brings it back.
    pub expired: bool,
}

impl Sessions {
    /// This owner's sessions, the last used first; expired ones whose work is kept at the end.
    pub fn list(&self, owner: &str) -> Vec<Info> {
        let mut list: Vec<Info> = lock(&self.shared.open)
            .values()
            .filter(|session| session.owner == owner)
            .map(|session| Info { last_used: session.used.load(Ordering::Relaxed), ..lock(&session.info).clone() })
            .collect();
        list.extend(
            lock(&self.shared.kept)
                .values()
                .filter(|record| record.owner == owner)
                .map(|record| Info { expired: true, ..info(record, None) }),
        );
        list.sort_by_key(|info| (info.expired, std::cmp::Reverse(info.last_used)));
        list
    }

    /// Whether an image of a GIMP is that of one of this owner's sessions. Others' are found by nobody (policy/privacy.py).
    pub fn holds(&self, image: u64, owner: &str) -> bool {
        let open = lock(&self.shared.open);
        open.values().any(|session| session.owner == owner && lock(&session.info).image == Some(image))
    }
}

/// The line of a session in that state; `image` is its present id in a GIMP.
pub(super) fn info(record: &Record, image: Option<u64>) -> Info {
    Info {
        session_id: record.id.clone(),
        image,
        width: record.width,
        height: record.height,
        created: record.created,
        last_used: record.used,
        changes: record.generation,
        saved: record.saved,
        expired: false,
    }
}
