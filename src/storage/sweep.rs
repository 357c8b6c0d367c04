//! Removes what nobody may see any more. Deleting what another daemon has deleted is no error, so that all may sweep.

use super::place::{Object, Place};
use crate::metrics::METRICS;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::HashSet;
use uuid::Uuid;

/// A picture without a record is being written for this long, and broken after it.
const WRITING: TimeDelta = TimeDelta::minutes(15);

/// What a sweep did, and what is left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub expired: u64,
    /// Left behind by writes that broke off.
    pub broken: u64,
    /// The oldest, to keep the quota.
    pub over_quota: u64,
    /// Images that are left, and their bytes.
    pub images: u64,
    pub bytes: u64,
    /// Why some of it was not done.
    pub failures: Vec<String>,
}

/// One image or what is left of it.
struct Found<'a> {
    place: &'a Place,
    object: Object,
}

/// Sweeps all places; what they hold together stays within `quota` bytes.
pub async fn run<'a>(places: impl Iterator<Item = &'a Place>, quota: Option<u64>, now: DateTime<Utc>) -> Swept {
    let mut swept = Swept::default();
    // Whole images with their time and their pictures.
    let mut kept = Vec::new();
    for place in places {
        if let Err(error) = one(place, now, &mut swept, &mut kept).await {
            tracing::warn!(reason = error.message, store = place.shown, "a sweep did not end");
            swept.failures.push(error.message);
        }
    }
    swept.images = kept.len() as u64;
    swept.bytes = kept.iter().map(|(_, found)| found.object.meta.size).sum();
    if let Some(quota) = quota {
        kept.sort_by_key(|(created, _)| *created);
        for (_, found) in kept {
            if swept.bytes <= quota {
                break;
            }
            let size = found.object.meta.size;
            match remove(&found).await {
                Ok(removed) => {
                    swept.over_quota += u64::from(removed);
                    swept.images -= 1;
                    swept.bytes -= size;
                }
                Err(error) => swept.failures.push(error.message),
            }
        }
    }
    METRICS.stored(swept.images, swept.bytes);
    METRICS.swept(&[("expired", swept.expired), ("broken", swept.broken), ("over_quota", swept.over_quota)]);
    swept
}

async fn one<'a>(
    place: &'a Place,
    now: DateTime<Utc>,
    swept: &mut Swept,
    kept: &mut Vec<(DateTime<Utc>, Found<'a>)>,
) -> crate::error::Result<()> {
    let (records, pictures): (Vec<Object>, Vec<Object>) =
        place.objects().await?.into_iter().partition(|object| object.is_record);
    let recorded: Vec<Uuid> = records.iter().map(|object| object.id).collect();
    let known: HashSet<Uuid> = recorded.iter().copied().collect();
    let read = place.records_of(recorded).await?;
    let mut live = std::collections::HashMap::new();
    for record in read {
        if record.expires <= now {
            place.delete(&record).await?;
            swept.expired += 1;
        } else {
            live.insert(record.image_id, (record.created, record.bytes));
        }
    }
    let pictured: HashSet<Uuid> = pictures.iter().map(|object| object.id).collect();
    let is_old = |object: &Object| object.meta.last_modified < now - WRITING;
    // A record whose picture somebody took away, or of which nothing came to the disk.
    let is_empty = |object: &Object| !pictured.contains(&object.id) || object.meta.size == 0;
    for object in records.iter().filter(|object| is_empty(object) && is_old(object)) {
        swept.broken += u64::from(place.remove(&object.meta.location).await?);
        place.forget(object.id);
    }
    for object in pictures {
        match live.get(&object.id) {
            // A loss of power took the end of it.
            Some((_, bytes)) if object.meta.size != *bytes && is_old(&object) => {
                swept.broken += u64::from(remove(&Found { place, object }).await?);
            }
            Some((created, _)) => kept.push((*created, Found { place, object })),
            None if known.contains(&object.id) => {}
            None if is_old(&object) => {
                swept.broken += u64::from(place.remove(&object.meta.location).await?);
            }
            None => {}
        }
    }
    swept.broken += place.remove_parts(now - WRITING).await;
    Ok(())
}

/// The record first, as ever.
async fn remove(found: &Found<'_>) -> crate::error::Result<bool> {
    let path = found.object.meta.location.as_ref();
    let record = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
    let removed = found.place.remove(&format!("{record}.json").into()).await?;
    found.place.remove(&found.object.meta.location).await?;
    found.place.forget(found.object.id);
    Ok(removed)
}
