//! Operations without a session: on the images that a person or another client has open in GIMP.
//!
//! Refuses images that are a session's: what is done to them past the session would not be on disk. Nothing here is
//! kept; the user's own GIMP does that.

use super::{Rpc, wrong};
use crate::error::{Error, Kind, Result};
use crate::gimp::Client;
use crate::http::keys::Identity;
use crate::ops::batch::Joined;
use crate::ops::{Access, Catalogue, Context, ImageUse, Operation, Outcome};
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
        mut arguments: Map<String, Value>,
        context: &Context,
        joined: &mut Joined,
    ) -> Result<Outcome> {
        let operation = Catalogue::get().find_public(name)?;
        context.rights.check(operation, &arguments)?;
        if operation.image != ImageUse::None {
            match arguments.get("image").and_then(Value::as_u64) {
                Some(image) if self.sessions.holds(image) => {
                    return Err(wrong(format!("image `{image}` is a session's"), "give that session's session_id"));
                }
                Some(_) => {}
                None => {
                    let layer = ["layer", "layer_id", "drawable"].iter().any(|name| arguments.contains_key(*name));
                    if !layer && let Some(image) = self.choose(operation, &arguments, context, joined).await? {
                        arguments.insert("image".into(), image.into());
                    }
                }
            }
        }
        joined.run(&self.ops, operation, arguments, context.clone()).await
    }

    /// The image that a call without `image` means: the plug-in's own rule, without the sessions' images.
    async fn choose(
        &self,
        operation: &Operation,
        arguments: &Map<String, Value>,
        context: &Context,
        joined: &mut Joined,
    ) -> Result<Option<u64>> {
        let mut listing = Map::new();
        if let Some(instance) = arguments.get("instance") {
            listing.insert("instance".into(), instance.clone());
        }
        let rights = crate::ops::Rights::default();
        let list = Catalogue::get().find_public("list_images")?;
        let outcome = joined.run(&self.ops, list, listing, Context { rights, ..context.clone() }).await?;
        let ids = |key: &str| outcome.result.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let open: Vec<u64> = ids("images")
            .iter()
            .filter_map(|image| image["id"].as_u64())
            .filter(|id| !self.sessions.holds(*id))
            .collect();
        let selected = outcome.result.get("selected").and_then(Value::as_u64).filter(|id| open.contains(id));
        if let Some(image) = selected.or(if open.len() == 1 { open.first().copied() } else { None }) {
            return Ok(Some(image));
        }
        let begin = "begin a session with create_new_image or image_data, or give session_id";
        match open.iter().max() {
            _ if operation.image == ImageUse::Optional => Ok(None),
            None => Err(Error::new(Kind::NoImage, "no session is given, and no image is open in GIMP").hint(begin)),
            Some(newest) if operation.access == Access::Read => Ok(Some(*newest)),
            Some(_) => Err(Error::new(
                Kind::AmbiguousImage,
                format!("{} images are open and none is chosen, so nothing was changed", open.len()),
            )
            .hint(format!("give `image`, or {begin}"))
            .detail("open", ids("images"))),
        }
    }
}
