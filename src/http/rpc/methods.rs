//! The table of methods: `protocol/jsonrpc.json`, and every public operation by its own name.

use super::{Answer, Rpc, ai, analysis, answer, assistant, openrpc};
use crate::error::{Error, Kind, Result};
use crate::http::keys::Identity;
use crate::ops::{Catalogue, Context, Operation, Right, params};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// One method of the API itself.
pub struct Method {
    pub name: String,
    pub summary: String,
    pub description: String,
    /// What calling it takes; its operations may take more.
    pub right: Right,
    /// The name of its result's schema.
    pub result: String,
    pub examples: Vec<Value>,
    /// Its parameters in the shape that the parameter check knows.
    pub check: Operation,
}

/// The methods, and the schemas of their results by name.
pub struct Table {
    pub methods: Vec<Method>,
    pub results: Map<String, Value>,
}

/// The committed table; a test loads it.
pub static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table: Value = serde_json::from_str(include_str!("../../../protocol/jsonrpc.json")).expect("it is JSON");
    let Value::Array(methods) = table["methods"].take() else { panic!("methods is a list") };
    let Value::Object(results) = table["results"].take() else { panic!("results is an object") };
    Table { methods: methods.into_iter().map(method).collect(), results }
});

fn method(entry: Value) -> Method {
    let text = |key: &str| entry[key].as_str().unwrap_or_else(|| panic!("a method has no {key}")).to_owned();
    let check = json!({
        "name": entry["name"], "title": entry["summary"], "description": entry["description"], "runs": "daemon",
        "access": "read", "idempotent": false, "image": "none", "timeout": 60, "params": entry["params"],
        "result": {"type": "object"}, "examples": [],
    });
    let right = [Right::Read, Right::Edit, Right::Exec, Right::Generate];
    Method {
        name: text("name"),
        summary: text("summary"),
        description: text("description"),
        right: right.into_iter().find(|right| right.name() == entry["right"]).expect("a method names its right"),
        result: text("result"),
        examples: entry["examples"].as_array().cloned().unwrap_or_default(),
        check: serde_json::from_value(check).expect("a method's parameters are a schema"),
    }
}

/// The method of that name in the table.
pub fn find(name: &str) -> Option<&'static Method> {
    TABLE.methods.iter().find(|method| method.name == name)
}

/// The method's own spelling of a name that a client sent, for the log.
pub fn known(name: &str) -> Option<&'static str> {
    find(name).map(|method| method.name.as_str()).or_else(|| {
        let mut operations = Catalogue::get().public();
        operations.find(|operation| operation.name == name).map(|operation| operation.name.as_str())
    })
}

impl Rpc {
    /// Checks a call's parameters and runs its method.
    ///
    /// # Errors
    /// Where the call as such is no good: no such method, wrong parameters of the method, no right to call it.
    pub(super) async fn call(
        &self,
        name: &str,
        given: Map<String, Value>,
        identity: &Identity,
        context: Context,
    ) -> Answer {
        let Some(method) = find(name) else {
            return match known(name) {
                Some(operation) => self.named(operation, given, identity, context).await,
                None => Err(unknown(name)),
            };
        };
        identity.rights.need(method.right, &format!("`{name}`"))?;
        let mut given = params::check(&method.check, given)?;
        match method.name.as_str() {
            "mcp_operation" => {
                let operation = given.remove("operation");
                let operation = operation.as_ref().and_then(Value::as_str).unwrap_or_default();
                Ok(self.operation(operation, given, identity, context).await)
            }
            "execute_gimp_commands" => Ok(self.commands(given, identity, context).await),
            "mcp_close_session" => Ok(self.close_session(&given, identity).await),
            "mcp_list_sessions" => {
                let sessions = self.sessions.list(&identity.name);
                Ok(json!({"success": true, "message": format!("{} sessions", sessions.len()), "sessions": sessions}))
            }
            "gimp_load_image" => self.named("open_image", given, identity, context).await,
            "gimp_save_image" => self.named("save_image", given, identity, context).await,
            "image_analysis" => analysis::image_analysis(self, given, identity, context).await,
            "ai_assistant" => assistant::ai_assistant(self, given, identity, context).await,
            "rpc.discover" => Ok(openrpc::document().clone()),
            "ai_inpainting" | "ai_style_transfer" | "ai_upscaling" => {
                ai::ai_method(self, &method.name, given, identity, context).await
            }
            _ => Err(Error::internal(format!("`{name}` is in the table and has no code"))),
        }
    }

    /// An operation by a method of its own; a parameter `operation` is the operation's.
    async fn named(
        &self,
        operation: &str,
        mut given: Map<String, Value>,
        identity: &Identity,
        context: Context,
    ) -> Answer {
        let own = given.insert("operation".into(), operation.into());
        let mut given = params::check(&find("mcp_operation").expect("it is in the table").check, given)?;
        given.remove("operation");
        given.extend(own.map(|own| ("operation".to_owned(), own)));
        Ok(self.operation(operation, given, identity, context).await)
    }

    async fn close_session(&self, given: &Map<String, Value>, identity: &Identity) -> Value {
        let id = given.get("session_id").and_then(Value::as_str).unwrap_or_default();
        match self.sessions.close(id, &identity.name).await {
            Ok(()) => json!({"success": true, "message": format!("Session {id} closed successfully")}),
            Err(error) => answer::failed(&error),
        }
    }
}

fn unknown(name: &str) -> Error {
    let mut message = format!("no method `{}`", params::shorten(name));
    let operations = Catalogue::get().public().map(|operation| operation.name.as_str());
    let methods = TABLE.methods.iter().map(|method| method.name.as_str());
    if let Some(nearest) = params::nearest(name, methods.chain(operations)) {
        message.push_str(&format!("; did you mean `{nearest}`?"));
    }
    Error::new(Kind::UnknownOperation, message).hint("rpc.discover and /openrpc.json list the methods")
}

/// A text parameter.
pub fn text<'a>(given: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    given.get(name).and_then(Value::as_str)
}

/// A boolean parameter; left out is false.
pub fn flag(given: &Map<String, Value>, name: &str) -> bool {
    given.get(name).and_then(Value::as_bool).unwrap_or(false)
}

/// For methods that answer with `status`.
pub fn with_status(answer: Result<Value>) -> Value {
    answer.unwrap_or_else(|error| answer::status_error(&error))
}
