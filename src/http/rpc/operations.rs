//! mcp_operation and execute_gimp_commands: which image a request is about, and its answer.

use super::methods::{flag, text};
use super::{Rpc, answer, wrong};
use crate::error::{Error, Result};
use crate::http::keys::Identity;
use crate::ops::batch::check_step;
use crate::ops::params::{self, shorten};
use crate::ops::{Catalogue, Context, Operation, Outcome, Right, decode_image_data};
use crate::sessions::{Command, Done, Start, Target, begins_image, check_in_session};
use base64::Engine;
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// Asks for the image's bytes in the answer.
const INCLUDE: &str = "include_image_data";

/// What a request says of the image it is about; taken out of its parameters.
pub struct About {
    session: Option<String>,
    bytes: Option<Bytes>,
    include: bool,
}

impl About {
    pub fn into_bytes(self) -> Option<Bytes> {
        self.bytes
    }

    /// Checks commands before the first of them runs: names, rights, names and types of their parameters, and what
    /// cannot be in a session or be one of several.
    fn check(&self, commands: &[Command], context: &Context) -> Result<()> {
        let in_session = self.session.is_some() || self.bytes.is_some() || commands.first().is_some_and(begins);
        commands.iter().enumerate().try_for_each(|(at, Command { operation: name, arguments })| {
            let checked = Catalogue::get().find_public(name).and_then(|operation| {
                if commands.len() > 1 {
                    check_step(name)?;
                }
                if in_session {
                    check_in_session(operation)?;
                }
                context.rights.check(operation, arguments)?;
                params::check(operation, arguments.clone())
            });
            checked.map(drop).map_err(|mut error| {
                error.message = format!("command {at}: {}; nothing ran", error.message);
                error.detail("command", at)
            })
        })
    }
}

impl Rpc {
    pub(super) async fn operation(
        &self,
        name: &str,
        mut given: Map<String, Value>,
        identity: &Identity,
        context: Context,
    ) -> Value {
        let about = match self.about(&mut given, identity, Some(name)).await {
            Ok(about) => about,
            Err(error) => return answer::failed(&error),
        };
        if let Some(Value::Object(params)) = given.remove("params") {
            for (name, value) in params {
                if given.insert(name.clone(), value).is_some() {
                    let message = format!("`{}` was given in `params` and beside it", shorten(&name));
                    return answer::failed(&wrong(message, "give it once"));
                }
            }
        }
        let mut about = about;
        // An operation that takes it itself means the image that it makes.
        if about.include && Catalogue::get().find_public(name).is_ok_and(takes_include) {
            about.include = false;
            given.insert(INCLUDE.into(), true.into());
        }
        let include = about.include;
        let command = Command { operation: name.to_owned(), arguments: given };
        let began = begins(&command);
        let ran = self.run(about, vec![command], true, identity, context).await;
        match ran {
            Ok(mut done) => {
                let picture = if include { done.picture.take() } else { None };
                let first = if done.steps.is_empty() { Err(nothing()) } else { done.steps.remove(0) };
                let mut body = answer::operation(name, first);
                if body["success"] == true {
                    add_picture(&mut body, picture);
                }
                if began {
                    tell_whose(&mut body, &done);
                }
                finish(body, &done)
            }
            Err(error) => answer::failed(&error),
        }
    }

    pub(super) async fn commands(&self, mut given: Map<String, Value>, identity: &Identity, context: Context) -> Value {
        let commands: Vec<Command> = match given.remove("commands") {
            Some(Value::Array(commands)) => commands.into_iter().filter_map(command).collect(),
            _ => Vec::new(),
        };
        let stop = flag(&given, "stop_on_error");
        let about = match self.about(&mut given, identity, None).await {
            Ok(about) => about,
            Err(error) => return with_results(answer::failed(&error)),
        };
        if let Err(error) = about.check(&commands, &context) {
            return with_results(answer::failed(&error));
        }
        let called: Vec<(String, bool)> =
            commands.iter().map(|command| (command.operation.clone(), begins(command))).collect();
        match self.run(about, commands, stop, identity, context).await {
            Ok(mut done) => {
                let picture = done.picture.take();
                let steps = std::mem::take(&mut done.steps);
                let good = steps.iter().filter(|step| step.is_ok()).count();
                let error = steps.iter().find_map(|step| step.as_ref().err()).cloned();
                let results = steps.into_iter().zip(&called).map(|(step, (name, began))| {
                    let mut body = answer::operation(name, step);
                    if *began {
                        tell_whose(&mut body, &done);
                    }
                    body
                });
                let results: Vec<Value> = results.collect();
                let message = match &error {
                    None => format!("Ran {good} of {} commands", called.len()),
                    Some(error) => format!("Ran {good} of {} commands: {}", called.len(), error.message),
                };
                let mut body = json!({"success": good == called.len(), "message": message, "results": results});
                if let Some(error) = error {
                    body["error"] = answer::failed(&error)["error"].take();
                }
                add_effect(&mut body, done.effect.take());
                add_picture(&mut body, picture);
                finish(body, &done)
            }
            Err(error) => with_results(answer::failed(&error)),
        }
    }

    /// Takes `session_id`, `image_data`, `upload` and `include_image_data` out of the parameters. open_image keeps its
    /// own `image_data`, unless that comes as an upload.
    pub(super) async fn about(
        &self,
        given: &mut Map<String, Value>,
        identity: &Identity,
        operation: Option<&str>,
    ) -> Result<About> {
        let session = text(given, "session_id").map(str::to_owned);
        given.remove("session_id");
        let include = flag(given, INCLUDE);
        given.remove(INCLUDE);
        let upload = given.remove("upload");
        let opens = operation == Some("open_image");
        let data = if opens { None } else { given.remove("image_data") };
        let bytes = match (data, upload) {
            (None, None) => None,
            (Some(_), Some(_)) => {
                return Err(wrong("`image_data` and `upload` were both given", "give the image once"));
            }
            (Some(Value::String(data)), None) => {
                // Tens of megabytes of base64 are work for a thread that may block.
                let read = tokio::task::spawn_blocking(move || decode_image_data(&data, "image_data"))
                    .await
                    .map_err(Error::internal)?;
                Some(read?.0)
            }
            (_, Some(Value::String(upload))) => Some(self.uploads.read(&upload, &identity.name).await?),
            _ => None,
        };
        if bytes.is_some() && session.is_some() && !opens {
            return Err(wrong(
                "`session_id` and an image for a new session were both given",
                "leave one out; open_image puts another image into a session",
            ));
        }
        Ok(About { session, bytes, include })
    }

    /// Runs commands in a session, in a new one, or on what is open in GIMP.
    pub(super) async fn run(
        &self,
        about: About,
        mut commands: Vec<Command>,
        stop: bool,
        identity: &Identity,
        context: Context,
    ) -> Result<Done> {
        if about.bytes.is_some() {
            identity.rights.need(Right::Edit, "opening an image")?;
        }
        let mut start = Start { bytes: about.bytes, joined: commands.len() > 1, ..Start::default() };
        if let [Command { operation, arguments }] = commands.as_mut_slice()
            && operation == "open_image"
            && start.bytes.is_some()
        {
            if text(arguments, "as") == Some("layer") {
                let bytes = start.bytes.take().unwrap_or_default();
                arguments.insert("image_data".into(), base64::engine::general_purpose::STANDARD.encode(&bytes).into());
            } else {
                start.name = text(arguments, "name").map(str::to_owned);
                start.orientation = text(arguments, "orientation").map(str::to_owned);
                start.answers = true;
                commands.clear();
            }
        }
        start.picture = about.include;
        let begins = start.bytes.is_some() || commands.first().is_some_and(begins);
        let target = match about.session {
            Some(id) => Target::Session(id),
            None if begins => Target::New,
            None => return self.loose(commands, stop, &start, context).await,
        };
        self.sessions.run(target, &identity.name, start, commands, stop, context).await
    }
}

fn takes_include(operation: &Operation) -> bool {
    operation.parameter_names().any(|name| name == INCLUDE)
}

fn begins(command: &Command) -> bool {
    let operation = Catalogue::get().find_public(&command.operation);
    operation.is_ok_and(|operation| begins_image(operation, &command.arguments))
}

fn command(entry: Value) -> Option<Command> {
    let Value::Object(mut entry) = entry else { return None };
    let operation = entry.get("operation")?.as_str()?.to_owned();
    let arguments = match entry.remove("params") {
        Some(Value::Object(arguments)) => arguments,
        _ => Map::new(),
    };
    Some(Command { operation, arguments })
}

fn add_picture(body: &mut Value, picture: Option<Result<Outcome>>) {
    match picture {
        Some(Ok(mut outcome)) => {
            if let Some(picture) = outcome.pictures.pop() {
                body["image_data"] = picture.base64.into();
            }
        }
        // The commands ran: what is missing is said beside them.
        Some(Err(error)) => body["image_data_error"] = error.to_json(),
        None => {}
    }
}

/// What joined commands changed together.
fn add_effect(body: &mut Value, effect: Option<Result<Map<String, Value>>>) {
    match effect {
        Some(Ok(ended)) => {
            let proof = ended.into_iter().filter(|(name, _)| name == "effect" || name == "effects");
            proof.for_each(|(name, value)| body[name] = value);
        }
        Some(Err(error)) => body["effect_error"] = error.to_json(),
        None => {}
    }
}

/// Says of a generated image that it is the session's: who asks for it in GIMP may look for it there by other means.
fn tell_whose(body: &mut Value, done: &Done) {
    let Some((session, _)) = &done.session else { return };
    let (Some(message), Some(id)) = (body["message"].as_str(), body["image_id"].as_str()) else { return };
    if body["result"]["image"].is_u64() {
        let whose = format!("in GIMP it is the image of session `{session}`, which other clients do not see");
        body["message"] = format!("{message}; {whose}: POST /images/{id}/open opens it for them too").into();
    }
}

fn finish(body: Value, done: &Done) -> Value {
    match &done.session {
        Some((id, settled)) => answer::in_session(body, id, *settled),
        None => body,
    }
}

fn with_results(mut body: Value) -> Value {
    body["results"] = json!([]);
    body
}

fn nothing() -> Error {
    Error::internal("a command left no answer")
}
