use super::*;
use crate::images::{Format, sniff};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

fn header(value: Value) -> Result<Header> {
    Header::parse(value.as_object().unwrap())
}

fn full() -> Value {
    json!({"width": 4, "height": 3, "channels": 3, "depth": 8, "row_bytes": 12, "image": 5,
           "original_width": 100, "original_height": 80, "region": {"x": 10, "y": 20, "w": 8, "h": 6}})
}

#[test]
fn the_scale_map_leads_back_to_the_image() {
    let header = header(full()).unwrap();
    assert_eq!(header.scale_map(), json!({"offset_x": 10, "offset_y": 20, "scale_x": 2.0, "scale_y": 2.0}));
    assert!(header.scaled());
}

#[test]
fn a_broken_header_is_refused_by_its_field() {
    for (field, value) in
        [("width", json!(-1)), ("row_bytes", json!(13)), ("image", Value::Null), ("region", json!({"x": 1}))]
    {
        let mut broken = full();
        broken[field] = value;
        let error = header(broken).unwrap_err();
        assert_eq!(error.message, format!("the plug-in's pixel header has a bad `{field}`"));
    }
}

#[test]
fn a_region_is_clipped_to_the_size_that_gimp_told() {
    let refusal = Error::new(Kind::InvalidArgument, "not inside").detail("width", 100).detail("height", 80);
    let region = |x, y, width, height| Region { x, y, width, height };
    assert_eq!(clip(region(90, 70, 20, 5), &refusal).unwrap(), Some(region(90, 70, 10, 5)));
    assert_eq!(clip(region(0, 0, u32::MAX, u32::MAX), &refusal).unwrap(), Some(region(0, 0, 100, 80)));
    assert_eq!(clip(region(0, 0, 100, 80), &refusal).unwrap(), None);
    let error = clip(region(100, 0, 1, 2), &refusal).unwrap_err();
    assert_eq!(error.message, "the region of 1 x 2 at (100, 0) is outside the 100 x 80 pixels");
    // Another refusal says no size, and stays what it is.
    assert_eq!(clip(region(1, 1, 1, 1), &Error::new(Kind::InvalidArgument, "no layer")).unwrap(), None);
}

const OPTIONS: Options = Options { format: Format::Png, quality: 85, max_bytes: None };

fn stream(layout: Layout, chunk: usize, bytes: usize, answer: Result<Map<String, Value>>) -> Streamed {
    let (send, chunks) = mpsc::channel(2);
    let (done, result) = oneshot::channel();
    assert!(bytes as u64 <= layout.total_bytes());
    tokio::spawn(async move {
        let raw: Vec<u8> = (0..bytes).map(|index| (index * 7) as u8).collect();
        for part in raw.chunks(chunk) {
            if send.send(Bytes::copy_from_slice(part)).await.is_err() {
                break;
            }
        }
        drop(send);
        let _ = done.send(answer);
    });
    Streamed { header: Map::new(), chunks, result }
}

#[tokio::test]
async fn rows_are_encoded_as_they_come() {
    let layout = Layout { width: 31, height: 17, channels: 3, depth: 8 };
    let streamed = stream(layout, 13, 31 * 17 * 3, Ok(Map::new()));
    let read = encode_stream(streamed, layout, OPTIONS, CancellationToken::new(), None).await.unwrap();
    let (Read1::Picture(picture), _) = read else { panic!("no picture") };
    assert_eq!(sniff::sniff(&picture.decode()), Some(("png", 31, 17)));
}

#[tokio::test]
async fn a_stream_that_fails_gives_the_plugins_error() {
    let layout = Layout { width: 31, height: 17, channels: 3, depth: 8 };
    let gone = Error::new(Kind::Cancelled, "cancelled");
    for format in [Format::Png, Format::Jpeg, Format::Webp] {
        let streamed = stream(layout, 13, 500, Err(gone.clone()));
        let options = Options { format, ..OPTIONS };
        let error = encode_stream(streamed, layout, options, CancellationToken::new(), None).await.err().unwrap();
        assert_eq!(error.kind, Kind::Cancelled, "{format:?}");
    }
}

#[tokio::test]
async fn a_picture_over_its_limit_ends_the_stream_early() {
    let layout = Layout { width: 1000, height: 1000, channels: 4, depth: 8 };
    for format in [Format::Png, Format::Jpeg, Format::Webp] {
        let streamed = stream(layout, 1 << 14, 4_000_000, Ok(Map::new()));
        let stop = CancellationToken::new();
        let options = Options { format, max_bytes: Some(2000), ..OPTIONS };
        let read = encode_stream(streamed, layout, options, stop.clone(), None).await.unwrap();
        assert!(matches!(read.0, Read1::TooLarge { expected } if expected > 2000), "{format:?}");
        assert!(stop.is_cancelled());
    }
}

#[tokio::test]
async fn large_pictures_report_progress() {
    let layout = Layout { width: 4096, height: 4096, channels: 4, depth: 8 };
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink: ProgressSink = {
        let seen = seen.clone();
        Arc::new(move |report| seen.lock().unwrap().push(report.progress))
    };
    let mut meter = Meter::new(layout, Some(sink));
    (0..4096).for_each(|_| meter.add(layout.row_bytes() as u64));
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 20);
    assert!(seen.is_sorted() && seen.last() == Some(&1.0));
}
