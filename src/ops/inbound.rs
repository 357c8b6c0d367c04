//! What GIMP's own menus ask: the same operations, for the instance that asks.

use super::{Catalogue, Context, Ops, Rights};
use crate::error::{Error, Result};
use crate::gimp::Client;
use crate::gimp::inbound::{Asked, Inbound, unknown};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

/// A filter on a large picture takes minutes; the user can cancel it.
const TIMEOUT_SECONDS: u32 = super::catalogue::MAX_TIMEOUT;
/// Who waits longer for a preview is better served by the full run.
const PREVIEW_SECONDS: u32 = 60;

impl Inbound for Ops {
    fn answer(&self, asked: Asked) -> BoxFuture<'static, Result<Value>> {
        let ops = self.clone();
        Box::pin(async move {
            let (operation, timeout) = match asked.method.as_str() {
                "filters/run" => ("run_ai_filter", TIMEOUT_SECONDS),
                "filters/preview" => ("preview_ai_filter", PREVIEW_SECONDS),
                other => return Err(unknown(other)),
            };
            let operation = Catalogue::get().find(operation).ok_or_else(|| Error::internal("no such operation"))?;
            let mut arguments = asked.params;
            arguments.insert("instance".into(), asked.instance.clone().into());
            arguments.insert("timeout".into(), json!(timeout));
            let client = Client { id: format!("menu-{}", asked.instance), name: "GIMP's menu".into() };
            let context =
                Context { client, cancel: asked.cancel, progress: Some(asked.progress), rights: Rights::default() };
            Ok(Value::Object(ops.run_traced(operation, arguments, &context).await?.result))
        })
    }
}
