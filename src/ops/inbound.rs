//! What GIMP's own menus ask: the same operations, for the instance that asks.

use super::{Context, Ops, Rights};
use crate::error::Result;
use crate::gimp::Client;
use crate::gimp::inbound::{Asked, Inbound, unknown};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

/// A filter on a large picture takes minutes; the user can cancel it.
const TIMEOUT_SECONDS: u32 = super::catalogue::MAX_TIMEOUT;

impl Inbound for Ops {
    fn answer(&self, asked: Asked) -> BoxFuture<'static, Result<Value>> {
        let ops = self.clone();
        Box::pin(async move {
            let operation = match asked.method.as_str() {
                "filters/run" => "run_ai_filter",
                other => return Err(unknown(other)),
            };
            let mut arguments = asked.params;
            arguments.insert("instance".into(), asked.instance.clone().into());
            arguments.insert("timeout".into(), json!(TIMEOUT_SECONDS));
            let client = Client { id: format!("menu-{}", asked.instance), name: "GIMP's menu".into() };
            let context =
                Context { client, cancel: asked.cancel, progress: Some(asked.progress), rights: Rights::default() };
            Ok(Value::Object(ops.run(operation, arguments, context).await?.result))
        })
    }
}
