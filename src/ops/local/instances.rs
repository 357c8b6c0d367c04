//! list_instances and select_instance.

use super::super::Outcome;
use super::super::call::Call;
use crate::error::{Error, Kind, Result};
use serde_json::{Map, Value, json};

pub async fn list_instances(call: Call<'_>) -> Result<Outcome> {
    let gimp = call.ops.gimp();
    let instances = serde_json::to_value(gimp.instances().await).map_err(Error::internal)?;
    let mut result = Map::new();
    result.insert("instances".into(), instances);
    result.insert("selected".into(), json!(gimp.selected_instance(&call.context.client).await));
    Ok(Outcome { result, ..Outcome::default() })
}

pub async fn select_instance(mut call: Call<'_>) -> Result<Outcome> {
    let id = call.take_text("id").ok_or_else(|| Error::new(Kind::InvalidArgument, "`id` is missing"))?;
    call.ops.gimp().select_instance(&call.context.client, &id).await?;
    let mut result = Map::new();
    result.insert("selected".into(), Value::from(id));
    Ok(Outcome { result, ..Outcome::default() })
}
