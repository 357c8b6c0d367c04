//! What GIMP's own menus ask: the same operations, for the instance that asks.

use super::{Catalogue, Context, Ops, Rights};
use crate::error::Result;
use crate::gimp::Client;
use crate::gimp::inbound::{Asked, Inbound, unknown};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

/// A filter on a large picture takes minutes; the user can cancel it.
const TIMEOUT_SECONDS: u32 = super::catalogue::MAX_TIMEOUT;
/// Who waits longer for a preview is better served by the full run.
const PREVIEW_SECONDS: u32 = 60;
/// Each backend has three seconds to say whether it is ready.
const LIST_SECONDS: u32 = 30;

/// A menu entry's method, the operation that it is, and its time limit.
const METHODS: [(&str, &str, u32); 6] = [
    ("filters/run", "run_ai_filter", TIMEOUT_SECONDS),
    ("filters/preview", "preview_ai_filter", PREVIEW_SECONDS),
    ("generate/backends", "list_generation_backends", LIST_SECONDS),
    ("generate/layer", "generate_image", TIMEOUT_SECONDS),
    ("generate/fill", "fill_selection_with_prompt", TIMEOUT_SECONDS),
    ("generate/vary", "vary_image", TIMEOUT_SECONDS),
];

impl Inbound for Ops {
    fn answer(&self, asked: Asked) -> BoxFuture<'static, Result<Value>> {
        let ops = self.clone();
        Box::pin(async move {
            let method = METHODS.iter().find(|(method, ..)| *method == asked.method);
            let (_, operation, timeout) = method.ok_or_else(|| unknown(&asked.method))?;
            let operation = Catalogue::get().find(operation).ok_or_else(|| unknown(&asked.method))?;
            let mut arguments = asked.params;
            arguments.insert("instance".into(), asked.instance.clone().into());
            arguments.insert("timeout".into(), json!(timeout));
            let client = Client { id: format!("menu-{}", asked.instance), name: "GIMP's menu".into() };
            let context = Context {
                client,
                cancel: asked.cancel,
                progress: Some(asked.progress),
                rights: Rights::default(),
                pictures: Default::default(),
                base_url: None,
            };
            let outcome = ops.run_traced(operation, arguments, &context).await?;
            Ok(Value::Object(outcome.result))
        })
    }
}
