//! Operations without a session: on the images that a person or another client has open in GIMP.
//!
//! A session's image is found through its session alone: what is done to it past that would not be on disk. Nothing
//! here is kept; the user's own GIMP does that.

use super::{Rpc, wrong};
use crate::error::{Kind, Result};
use crate::gimp::Client;
use crate::http::keys::Identity;
use crate::ops::batch::Joined;
use crate::ops::{Catalogue, Context, ImageUse, Outcome};
use crate::sessions::{Command, Done, Start};
use serde_json::{Map, Value};

/// The client that an identity's calls without a session have in common.
pub fn client(identity: &Identity) -> Client {
    Client { id: format!("jsonrpc-{}", identity.name), name: identity.name.clone() }
}

impl Rpc {
    pub(super) async fn loose(
        &self,
        commands: Vec<Command>,
        stop: bool,
        start: &Start,
        context: Context,
    ) -> Result<Done> {
        let mut done = Done { session: None, steps: Vec::new(), effect: None, picture: None };
        let mut joined = Joined::new(start.joined);
        for command in commands {
            let step = self.loose_one(&command.operation, command.arguments, &context, &mut joined).await;
            let failed = step.is_err();
            done.steps.push(step);
            if failed && stop {
                break;
            }
        }
        done.effect = joined.end().await;
        if start.picture {
            done.picture = Some(self.loose_one("get_image_bitmap", Map::new(), &context, &mut joined).await);
        }
        Ok(done)
    }

    async fn loose_one(
        &self,
        name: &str,
        arguments: Map<String, Value>,
        context: &Context,
        joined: &mut Joined,
    ) -> Result<Outcome> {
        let operation = Catalogue::get().find_public(name)?;
        context.rights.check(operation, &arguments)?;
        if operation.image != ImageUse::None
            && let Some(image) = arguments.get("image").and_then(Value::as_u64)
            && self.sessions.holds(image, &context.client.name)
        {
            return Err(wrong(format!("image `{image}` is a session's"), "give that session's session_id"));
        }
        joined.run(&self.ops, operation, arguments, context.clone()).await.map_err(|error| match error.kind {
            Kind::NoImage => error.hint("begin a session with create_new_image or image_data, or give session_id"),
            Kind::AmbiguousImage => {
                error.hint("give `image`, begin a session with create_new_image or image_data, or give session_id")
            }
            _ => error,
        })
    }
}
