//! Generated images over HTTP: the file itself, whole, in ranges or small; what is known of it; the list; and
//! `POST /mcp/v1/tools/{tool}`, the plan's way to make one.
//!
//! The file's address is the right to it where `images.public` is on. All else goes through the operations, with their
//! rights.

use super::keys::Identity;
use super::post::{json_response, read};
use super::ranges::{self, insert};
use super::rpc::Rpc;
use super::state::{Refusal, State};
use crate::error::{Error, Kind, Result};
use crate::images::thumbnail::{Bound, Wish, thumbnail};
use crate::ops::params::shorten;
use crate::ops::{Catalogue, Right};
use crate::storage::{Record, parse_id};
use axum::body::Body;
use axum::extract::{Path, Query, RawQuery, Request, State as Shared};
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use bytes::Bytes;
use chrono::Utc;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;
use uuid::Uuid;

const PATH: &str = "/images/";
/// Bytes of small pictures that are kept.
const KEPT: usize = 32 << 20;
/// Small pictures that are made at once; more wait.
const AT_ONCE: usize = 2;
const NO_SNIFF: HeaderName = HeaderName::from_static("x-content-type-options");

pub fn routes() -> Router<State> {
    Router::new()
        .route("/images", get(list))
        .route("/images/{id}", get(file).delete(delete))
        .route("/images/{id}/metadata", get(metadata))
        .route("/images/{id}/open", post(open))
        .route("/mcp/v1/tools/{tool}", post(tool))
}

/// Whether somebody asks for one image, by an address that nobody guesses.
pub fn is_image(request: &Request) -> bool {
    let id = request.uri().path().strip_prefix(PATH).unwrap_or_default();
    matches!(*request.method(), Method::GET | Method::HEAD) && id.len() == 36 && Uuid::try_parse(id).is_ok()
}

/// Pixels of a small picture; `None`: the file itself.
fn width(query: Option<&str>) -> Result<Option<u32>> {
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let given: Vec<_> = pairs.filter(|(name, _)| name == "width").map(|(_, value)| value).collect();
    let [text] = given.as_slice() else {
        return match given.len() {
            0 => Ok(None),
            more => {
                Err(Error::new(Kind::InvalidArgument, format!("`width` is given {more} times")).hint("give it once"))
            }
        };
    };
    match text.parse() {
        Ok(width) if (16..=2048).contains(&width) => Ok(Some(width)),
        _ => {
            let message = format!("`width` must be a whole number from 16 to 2048, got `{}`", shorten(text));
            Err(Error::new(Kind::InvalidArgument, message).hint("leave it out for the image itself"))
        }
    }
}

async fn file(
    Shared(state): Shared<State>,
    identity: Option<Extension<Identity>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    // Without an identity the guard has let it in as a public image.
    if let Some(Extension(identity)) = &identity
        && !state.images_public
    {
        identity.rights.need(Right::Generate, "getting a generated image")?;
        if identity.rights.anonymous {
            return Err(Error::new(Kind::Unauthorized, "the image takes a key")
                .hint("send `Authorization: Bearer KEY`, or set images.public")
                .into());
        }
    }
    let id = parse_id(&id)?;
    Ok(match width(query.as_deref())? {
        Some(width) => small(&state, id, width, &method, &headers).await?,
        None => whole(&state, id, &method, &headers).await?,
    })
}

async fn whole(state: &State, id: Uuid, method: &Method, headers: &HeaderMap) -> Result<Response> {
    let store = state.rpc.ops.generator()?.store();
    let record = store.record(id, Utc::now()).await?;
    // What an id stands for never changes.
    let tag = id.to_string();
    let asked = ranges::asked(headers, &tag, record.bytes);
    let body = match asked.bytes().filter(|_| method != Method::HEAD) {
        Some(range) => Body::from_stream(store.read(id, Some(range), Utc::now()).await?.bytes),
        None => Body::empty(),
    };
    let mut response = body.into_response();
    insert(&mut response, CONTENT_TYPE, &record.mime_type);
    asked.head(&mut response, &tag, record.bytes);
    keep(&mut response, &record, state.images_public);
    Ok(response)
}

async fn small(state: &State, id: Uuid, width: u32, method: &Method, headers: &HeaderMap) -> Result<Response> {
    let store = state.rpc.ops.generator()?.store();
    let record = store.record(id, Utc::now()).await?;
    let tag = format!("{id}-{width}");
    let bytes = match state.thumbnails.get(&tag) {
        Some(bytes) => bytes,
        None => {
            // All its pixels are in memory meanwhile.
            let _turn = state.thumbnails.making.acquire().await.map_err(Error::internal)?;
            let (_, bytes) = store.bytes(id, Utc::now()).await?;
            let wish = Wish { bound: Bound::Width(width), by_content: false, max_bytes: None };
            let made = tokio::task::spawn_blocking(move || thumbnail(&bytes, wish).map(|picture| picture.decode()));
            let made = Bytes::from(made.await.map_err(Error::internal)??);
            state.thumbnails.put(&tag, made.clone());
            made
        }
    };
    let length = bytes.len() as u64;
    let asked = ranges::asked(headers, &tag, length);
    let body = match asked.bytes().filter(|_| method != Method::HEAD) {
        Some(range) => Body::from(bytes.slice(range.start as usize..range.end as usize)),
        None => Body::empty(),
    };
    let mut response = body.into_response();
    insert(&mut response, CONTENT_TYPE, "image/png");
    asked.head(&mut response, &tag, length);
    keep(&mut response, &record, state.images_public);
    Ok(response)
}

/// Until it expires, whoever has it may keep it.
fn keep(response: &mut Response, record: &Record, public: bool) {
    let left = (record.expires - Utc::now()).num_seconds().max(0);
    let whose = if public { "public" } else { "private" };
    insert(response, CACHE_CONTROL, &format!("{whose}, max-age={left}, immutable"));
    insert(response, NO_SNIFF, "nosniff");
    let name = format!("inline; filename=\"{}.{}\"", record.image_id, record.ending());
    insert(response, CONTENT_DISPOSITION, &name);
}

/// Small pictures that were made; cheap to clone.
#[derive(Clone)]
pub struct Thumbnails {
    kept: Arc<Mutex<Kept>>,
    making: Arc<Semaphore>,
}

impl Default for Thumbnails {
    fn default() -> Thumbnails {
        Thumbnails { kept: Arc::default(), making: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

#[derive(Default)]
struct Kept {
    pictures: HashMap<String, (Bytes, u64)>,
    bytes: usize,
    clock: u64,
}

impl Thumbnails {
    fn get(&self, tag: &str) -> Option<Bytes> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clock += 1;
        let now = kept.clock;
        let (bytes, used) = kept.pictures.get_mut(tag)?;
        *used = now;
        Some(bytes.clone())
    }

    fn put(&self, tag: &str, bytes: Bytes) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clock += 1;
        let now = kept.clock;
        kept.bytes += bytes.len();
        if let Some((old, _)) = kept.pictures.insert(tag.to_owned(), (bytes, now)) {
            kept.bytes -= old.len();
        }
        while kept.bytes > KEPT {
            let oldest = kept.pictures.iter().min_by_key(|(_, (_, used))| *used).map(|(tag, _)| tag.clone());
            let Some((gone, _)) = oldest.and_then(|tag| kept.pictures.remove(&tag)) else { return };
            kept.bytes -= gone.len();
        }
    }
}

async fn list(
    Shared(state): Shared<State>,
    Extension(identity): Extension<Identity>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    // Numbers come as text, which the parameter check reads.
    let arguments = query.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    run(&state, &identity, "list_generated_images", arguments).await
}

async fn metadata(
    Shared(state): Shared<State>,
    Extension(identity): Extension<Identity>,
    Path(id): Path<String>,
) -> Response {
    run(&state, &identity, "get_generated_image_metadata", of(&id)).await
}

async fn delete(
    Shared(state): Shared<State>,
    Extension(identity): Extension<Identity>,
    Path(id): Path<String>,
) -> Response {
    run(&state, &identity, "delete_image", of(&id)).await
}

/// Opens it in GIMP, for the person who sits there: no session's image.
async fn open(
    Shared(state): Shared<State>,
    Extension(identity): Extension<Identity>,
    Path(id): Path<String>,
) -> Response {
    run(&state, &identity, "open_image", of(&id)).await
}

fn of(id: &str) -> Map<String, Value> {
    Map::from_iter([("image_id".to_owned(), id.into())])
}

/// The body is the tool's parameters.
async fn tool(
    Shared(state): Shared<State>,
    Extension(identity): Extension<Identity>,
    Path(tool): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let known = Catalogue::get().public().find(|operation| operation.pack == "generate" && operation.name == tool);
    let Some(operation) = known else {
        let error = Error::new(Kind::UnknownOperation, format!("there is no tool `{}` here", shorten(&tool)))
            .hint("generate_image and its like are here; all operations are at /mcp and /jsonrpc");
        return answer(Err(error));
    };
    let arguments = match read(body, state.max_body, &headers).await {
        Ok(body) if body.is_empty() => Map::new(),
        Ok(body) => match serde_json::from_slice(&body) {
            Ok(arguments) => arguments,
            Err(error) => {
                let error = Error::new(Kind::ProtocolError, format!("the body is no JSON object: {error}"));
                return answer(
                    Err(error.hint("send the tool's parameters, such as {\"prompt\": \"a mountain lake\"}")),
                );
            }
        },
        Err(error) => return answer(Err(error)),
    };
    run(&state, &identity, &operation.name, arguments).await
}

/// Runs it until it ends or the caller hangs up.
async fn run(state: &State, identity: &Identity, operation: &str, arguments: Map<String, Value>) -> Response {
    let cancel = state.shutdown.child_token();
    let _hung_up = cancel.clone().drop_guard();
    let context = Rpc::context(identity, cancel, None);
    answer(state.rpc.ops.run(operation, arguments, context).await.map(|mut outcome| {
        if let Some(picture) = outcome.pictures.pop()
            && let Some(Value::Object(preview)) = outcome.result.get_mut("preview")
        {
            preview.insert("image_data".into(), picture.base64.into());
        }
        outcome.result
    }))
}

/// In the shape of the JSON-RPC API, with what was found beside `success`.
fn answer(ran: Result<Map<String, Value>>) -> Response {
    match ran {
        Ok(result) => {
            let mut body = json!({"success": true, "status": "success", "message": "Done"});
            if let Value::Object(body) = &mut body {
                body.extend(result);
            }
            json_response(StatusCode::OK, &body)
        }
        Err(error) => {
            let body = json!({"success": false, "status": "error", "message": error.message, "error": error.to_json_rpc()["data"]});
            let mut response = Refusal(error).into_response();
            *response.body_mut() = Body::from(body.to_string());
            response.headers_mut().remove(CONTENT_LENGTH);
            response
        }
    }
}
