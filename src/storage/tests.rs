//! On real folders; time is an argument.

use super::*;
use serde_json::Map;
use std::path::Path;

fn config(folder: &Path) -> Config {
    let mut config = Config::default();
    config.storage.path = folder.to_owned();
    config
}

fn image(bytes: usize) -> New {
    let parameters = Map::from_iter([("prompt".to_owned(), "a lake".into())]);
    New { bytes: vec![7; bytes].into(), mime_type: "image/png", width: 8, height: 6, parameters }
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn an_image_is_there_with_its_record_until_it_expires_before_any_sweep() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("made/when/needed");
    let store = Store::new(&config(&root)).unwrap();
    store.check().await.unwrap();
    assert!(names(&root).is_empty(), "the check leaves nothing");
    let now = Utc::now();
    let record = store.put(image(1000), now).await.unwrap();
    let id = record.image_id;
    assert_eq!(id.get_version_num(), 4);
    let (read, bytes) = store.bytes(id, now).await.unwrap();
    assert_eq!((&read, bytes.len()), (&record, 1000));
    let mut part = store.read(id, Some(10..14), now).await.unwrap();
    assert_eq!(part.bytes.next().await.unwrap().unwrap().len(), 4);
    // Another daemon on the same folder sees it, and an hour later nobody does.
    let other = Store::new(&config(&root)).unwrap();
    assert_eq!(other.record(id, now + Duration::from_secs(3599)).await.unwrap(), record);
    let late = now + Duration::from_secs(3600);
    assert_eq!(other.record(id, late).await.unwrap_err().kind, Kind::NotFound);
    assert_eq!(other.list(|_| true, 0, 9, late).await.unwrap().total, 0);
    let swept = other.sweep(late).await;
    assert_eq!((swept.expired, swept.images, swept.bytes), (1, 0, 0));
    assert!(names(&root).is_empty());
    assert_eq!(store.sweep(late).await.expired, 0);
}

#[tokio::test]
async fn the_list_is_newest_first_in_pages_and_what_is_deleted_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(&config(folder.path())).unwrap();
    let now = Utc::now();
    let mut ids = Vec::new();
    for age in [30, 10, 20] {
        ids.push(store.put(image(5), now - Duration::from_secs(age)).await.unwrap().image_id);
    }
    let page = store.list(|_| true, 1, 1, now).await.unwrap();
    assert_eq!((page.total, page.records[0].image_id), (3, ids[2]));
    store.delete(ids[2], now).await.unwrap();
    assert_eq!(store.delete(ids[2], now).await.unwrap_err().kind, Kind::NotFound);
    let left: Vec<Uuid> =
        store.list(|_| true, 0, 9, now).await.unwrap().records.iter().map(|record| record.image_id).collect();
    assert_eq!(left, [ids[1], ids[0]]);
    assert_eq!(names(folder.path()).len(), 4);
}

#[tokio::test]
async fn the_oldest_go_where_the_quota_is_reached() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.storage.quota_mb = Some(1);
    let store = Store::new(&config).unwrap();
    let now = Utc::now();
    let mut ids = Vec::new();
    for age in 0..4u64 {
        ids.push(store.put(image(300_000), now - Duration::from_secs(100 - age)).await.unwrap().image_id);
    }
    assert_eq!(store.record(ids[0], now).await.unwrap_err().kind, Kind::NotFound);
    let left = store.list(|_| true, 0, 9, now).await.unwrap();
    assert_eq!(left.records.iter().map(|record| record.image_id).collect::<Vec<_>>(), [ids[3], ids[2], ids[1]]);
    assert_eq!(store.put(image(2 << 20), now).await.unwrap_err().kind, Kind::TooLarge);
    // A lower quota takes effect with the next sweep.
    config.storage.quota_mb = None;
    let large = Store::new(&config).unwrap();
    for _ in 0..3 {
        large.put(image(300_000), now).await.unwrap();
    }
    let swept = Store::new(&Config {
        storage: crate::config::Storage { quota_mb: Some(1), ..config.storage.clone() },
        ..config
    })
    .unwrap()
    .sweep(now)
    .await;
    assert_eq!((swept.over_quota, swept.images, swept.bytes), (3, 3, 900_000));
}

#[tokio::test]
async fn what_broken_writes_leave_is_served_to_nobody_and_swept_when_it_is_old() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(&config(folder.path())).unwrap();
    let now = Utc::now();
    let kept = store.put(image(9), now).await.unwrap();
    let (orphan, cut, lost) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    std::fs::write(folder.path().join(format!("{orphan}.png")), b"picture without a record").unwrap();
    std::fs::write(folder.path().join(format!("{cut}.png#1")), b"half").unwrap();
    let record = serde_json::to_vec(&Record { image_id: lost, ..kept.clone() }).unwrap();
    std::fs::write(folder.path().join(format!("{lost}.json")), record).unwrap();
    std::fs::write(folder.path().join("notes.txt"), b"somebody's own").unwrap();
    for id in [orphan, cut, lost] {
        assert_eq!(store.bytes(id, now).await.err().unwrap().kind, Kind::NotFound);
    }
    // It may be a writer that is at work.
    assert_eq!(store.sweep(now).await.broken, 0);
    let swept = store.sweep(now + Duration::from_secs(20 * 60)).await;
    assert_eq!((swept.broken, swept.images), (3, 1));
    let mut left = names(folder.path());
    left.sort();
    let mut expected = vec![format!("{}.json", kept.image_id), format!("{}.png", kept.image_id), "notes.txt".into()];
    expected.sort();
    assert_eq!(left, expected);
}

#[tokio::test]
async fn what_a_loss_of_power_leaves_is_served_to_nobody_and_swept_when_it_is_old() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(&config(folder.path())).unwrap();
    let now = Utc::now();
    let mut cut = Vec::new();
    for bytes in [0u64, 500] {
        let record = store.put(image(1000), now).await.unwrap();
        let file = folder.path().join(format!("{}.png", record.image_id));
        std::fs::File::options().write(true).open(file).unwrap().set_len(bytes).unwrap();
        cut.push(record.image_id);
    }
    let unknown = store.put(image(1000), now).await.unwrap().image_id;
    std::fs::write(folder.path().join(format!("{unknown}.json")), b"").unwrap();
    for id in cut.into_iter().chain([unknown]) {
        for range in [None, Some(0..10), Some(900..1000)] {
            assert_eq!(store.read(id, range, now).await.err().unwrap().kind, Kind::NotFound);
        }
    }
    assert_eq!(store.sweep(now).await.broken, 0);
    let late = now + Duration::from_secs(20 * 60);
    store.sweep(late).await;
    // A picture whose record has just gone is one of the next sweep.
    store.sweep(late).await;
    assert!(names(folder.path()).is_empty(), "{:?}", names(folder.path()));
}

#[tokio::test]
async fn daemons_that_sweep_delete_and_write_at_once_do_not_quarrel() {
    let folder = tempfile::tempdir().unwrap();
    let now = Utc::now();
    let stores: Vec<Store> = (0..3).map(|_| Store::new(&config(folder.path())).unwrap()).collect();
    let mut ids = Vec::new();
    for index in 0..60u64 {
        // Half of them have expired.
        let created = if index % 2 == 0 { now } else { now - Duration::from_secs(4000) };
        ids.push(stores[0].put(image(100), created).await.unwrap().image_id);
    }
    let work = stores.iter().enumerate().map(|(number, store)| {
        let ids = ids.clone();
        async move {
            for id in ids.iter().skip(number).step_by(3) {
                let swept = store.sweep(now).await;
                assert!(swept.failures.is_empty(), "{:?}", swept.failures);
                match store.delete(*id, now).await {
                    Err(error) => assert_eq!(error.kind, Kind::NotFound),
                    Ok(record) => assert_eq!(record.created, now),
                }
                store.put(image(100), now).await.unwrap();
            }
        }
    });
    futures_util::future::join_all(work).await;
    let left = stores[1].list(|_| true, 0, 100, now).await.unwrap();
    assert_eq!(left.total, 60);
    assert_eq!(names(folder.path()).len(), 120);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_said_with_what_to_set() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let store = Store::new(&config(&file.join("below"))).unwrap();
    let error = store.check().await.unwrap_err();
    assert!(error.message.contains("file/below") && error.hint.unwrap().contains("STORAGE_PATH"), "{}", error.message);
    let mut same = config(folder.path());
    same.storage.fallback = Some(StorageBackend::File);
    assert_eq!(Store::new(&same).err().unwrap().kind, Kind::Config);
    let mut half = config(folder.path());
    half.storage.backend = StorageBackend::S3;
    half.storage.aws_access_key_id = Some("id".into());
    assert!(Store::new(&half).err().unwrap().message.contains("without the other"));
}

/// A port that nobody listens on.
fn away() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn the_fallback_takes_over_and_is_said_and_both_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.storage.backend = StorageBackend::S3;
    config.storage.s3_endpoint_url = Some(away());
    config.storage.aws_access_key_id = Some("id".into());
    config.storage.aws_secret_access_key = Some("secret".into());
    let now = Utc::now();
    let alone = Store::new(&config).unwrap();
    let error = alone.put(image(5), now).await.unwrap_err();
    assert!(error.kind == Kind::Busy && error.hint.unwrap().contains("S3_ENDPOINT_URL"), "{}", error.message);
    config.storage.fallback = Some(StorageBackend::File);
    let store = Store::new(&config).unwrap();
    let record = store.put(image(5), now).await.unwrap();
    assert_eq!(record.stored_in.as_deref(), folder.path().to_str());
    assert_eq!(store.bytes(record.image_id, now).await.unwrap().1.len(), 5);
    let page = store.list(|_| true, 0, 9, now).await.unwrap();
    assert_eq!((page.total, page.notes.len()), (1, 1));
    // One that is nowhere may be in the store that is away.
    assert_eq!(store.record(Uuid::new_v4(), now).await.unwrap_err().kind, Kind::Busy);
}

#[test]
fn ids_are_read_and_numbers_of_gimp_are_told_apart() {
    let id = Uuid::new_v4();
    assert_eq!(parse_id(&id.to_string()).unwrap(), id);
    assert!(parse_id("3").unwrap_err().hint.unwrap().contains("close_image"));
    for text in ["", "x", "../../etc/passwd", &id.simple().to_string(), &format!("{{{id}}}")] {
        assert_eq!(parse_id(text).unwrap_err().kind, Kind::InvalidArgument, "{text}");
    }
}
