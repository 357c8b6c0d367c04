//! `/uploads`: files in pieces. `PUT /uploads` begins one (and may be all of it), `PUT /uploads/{id}` goes on with
//! `Content-Range: bytes FIRST-LAST/TOTAL`, `GET` tells how far it is, `DELETE` forgets it.

use super::forwarded::Client;
use super::keys::Identity;
use super::state::{Refusal, State};
use crate::error::{Error, Kind, Result};
use crate::ops::Right;
use crate::sessions::uploads::{Piece, Progress};
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, State as Shared};
use axum::http::header::{CONTENT_LENGTH, CONTENT_RANGE, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::put;
use axum::{Extension, Json, Router};

pub fn routes() -> Router<State> {
    Router::new()
        .route("/uploads", put(begin).post(begin))
        .route("/uploads/{id}", put(go_on).patch(go_on).get(show).delete(remove))
        // The uploads have a limit of their own, which counts all pieces.
        .layer(DefaultBodyLimit::disable())
}

async fn begin(
    Shared(state): Shared<State>,
    Extension(identity): Extension<Identity>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    identity.rights.need(Right::Edit, "uploading")?;
    let piece = piece(&headers)?;
    if piece.start != 0 {
        let message = format!("a new upload cannot begin at byte {}", piece.start);
        return Err(Error::new(Kind::InvalidArgument, message).hint("go on with PUT /uploads/ID").into());
    }
    let uploads = &state.rpc.uploads;
    let id = uploads.begin(&identity.name)?.upload;
    // A request that announces its pieces and carries none yet only makes the place for them.
    let empty = headers.get(CONTENT_LENGTH).is_some_and(|length| length == "0");
    let progress = if empty {
        uploads.progress(&id, &identity.name)
    } else {
        uploads.append(&id, &identity.name, piece, body.into_data_stream()).await
    };
    let progress = match progress {
        Ok(progress) => progress,
        Err(error) => {
            // A client that does not know the id cannot go on.
            let _ = uploads.remove(&id, &identity.name);
            return Err(error.into());
        }
    };
    let mut response = (StatusCode::CREATED, Json(&progress)).into_response();
    if let Ok(location) = HeaderValue::try_from(client.link(&format!("/uploads/{id}"))) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

async fn go_on(
    Shared(state): Shared<State>,
    Extension(identity): Extension<Identity>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Progress>, Refusal> {
    identity.rights.need(Right::Edit, "uploading")?;
    let piece = piece(&headers)?;
    Ok(Json(state.rpc.uploads.append(&id, &identity.name, piece, body.into_data_stream()).await?))
}

async fn show(
    Shared(state): Shared<State>,
    Extension(identity): Extension<Identity>,
    Path(id): Path<String>,
) -> Result<Json<Progress>, Refusal> {
    Ok(Json(state.rpc.uploads.progress(&id, &identity.name)?))
}

async fn remove(
    Shared(state): Shared<State>,
    Extension(identity): Extension<Identity>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    state.rpc.uploads.remove(&id, &identity.name)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which part the request carries: all of it without `Content-Range`.
fn piece(headers: &HeaderMap) -> Result<Piece> {
    let Some(range) = headers.get(CONTENT_RANGE) else { return Ok(Piece { start: 0, total: None, last: true }) };
    let text = range.to_str().unwrap_or_default();
    parse(text).ok_or_else(|| {
        Error::new(Kind::InvalidArgument, format!("Content-Range is `{}`", crate::ops::params::shorten(text)))
            .hint("write `bytes FIRST-LAST/TOTAL`, with `*` for a total that is not known yet")
    })
}

fn parse(text: &str) -> Option<Piece> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let total = match total.trim() {
        "*" => None,
        total => Some(total.parse::<u64>().ok().filter(|total| last < *total)?),
    };
    (first <= last).then_some(Piece { start: first, total, last: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        assert_eq!(parse("bytes 5-9/10"), Some(Piece { start: 5, total: Some(10), last: false }));
        assert_eq!(parse("bytes 0-0/*"), Some(Piece { start: 0, total: None, last: false }));
        for bad in ["5-9/10", "bytes 9-5/10", "bytes 5-10/10", "bytes */10", "bytes 5-/10", "bytes a-b/c"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
