//! The fixture handler: its own names first, the real handler for everything else.

#![expect(deprecated, reason = "the suite tests logging levels and legacy subscriptions too")]

use crate::{features, rounds, tools};
use gimp_bridge::mcp::{Mcp, Server};
use rmcp::model::*;
use rmcp::service::{RequestContext, SubscriptionContext, SubscriptionSink};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What outlives one request.
pub struct Shared {
    next: AtomicU64,
    listening: Mutex<HashMap<u64, SubscriptionSink>>,
    pub seal: RequestStateCodec,
    pub mcp: Arc<Mcp>,
}

impl Shared {
    pub fn new(mcp: Arc<Mcp>) -> Shared {
        let mut key = [0u8; 32];
        getrandom::fill(&mut key).expect("random bytes");
        let seal = RequestStateCodec::new_unchecked(key);
        Shared { next: AtomicU64::new(0), listening: Mutex::default(), seal, mcp }
    }

    pub fn listening(&self) -> Vec<SubscriptionSink> {
        self.listening.lock().unwrap().values().cloned().collect()
    }
}

pub struct Fixtures {
    inner: Server,
    pub shared: Arc<Shared>,
}

impl Fixtures {
    pub fn new(inner: Server, shared: Arc<Shared>) -> Fixtures {
        Fixtures { inner, shared }
    }
}

impl ServerHandler for Fixtures {
    fn get_info(&self) -> ServerConfig {
        let mut info = self.inner.get_info();
        info.capabilities = ServerCapabilities::builder()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_resources_list_changed()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_logging()
            .enable_completions()
            .build();
        info
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let mut result = self.inner.initialize(request, context).await?;
        result.capabilities = self.get_info().capabilities;
        Ok(result)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::all().into_iter().find(|tool| tool.name == name).or_else(|| self.inner.get_tool(name))
    }

    async fn list_tools(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut result = self.inner.list_tools(page, context).await?;
        result.tools.extend(tools::all());
        Ok(result)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if request.name.starts_with("test_input_required_result_") {
            return rounds::call(&self.shared.seal, &request, &context.meta);
        }
        match tools::call(&self.shared, &request, &context).await {
            Some(result) => result,
            None => self.inner.call_tool(request, context).await,
        }
    }

    async fn list_resources(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let mut result = self.inner.list_resources(page, context).await?;
        result.resources.extend(features::resources());
        Ok(result)
    }

    async fn list_resource_templates(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let mut result = self.inner.list_resource_templates(page, context).await?;
        result.resource_templates.push(features::template());
        Ok(result)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        match features::read(&request.uri) {
            Some(contents) => {
                let result = ReadResourceResult::new(vec![contents]).with_ttl_ms(0);
                Ok(result.with_cache_scope(CacheScope::Private).into())
            }
            None => self.inner.read_resource(request, context).await,
        }
    }

    async fn list_prompts(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let mut result = self.inner.list_prompts(page, context).await?;
        result.prompts.extend(features::prompts());
        Ok(result)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        if request.name == "test_input_required_result_prompt" {
            return Ok(rounds::prompt(&request));
        }
        match features::prompt(&request) {
            Some(result) => Ok(result.into()),
            None => self.inner.get_prompt(request, context).await,
        }
    }

    async fn complete(
        &self,
        _: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let values = CompletionInfo::new(vec!["paris".into(), "park".into()]);
        Ok(CompleteResult::new(values.map_err(|error| ErrorData::internal_error(error, None))?))
    }

    async fn set_level(&self, _: SetLevelRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn subscribe(&self, _: SubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(&self, _: UnsubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.supported_by(&self.get_info().capabilities))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let key = self.shared.next.fetch_add(1, Ordering::Relaxed);
        self.shared.listening.lock().unwrap().insert(key, context.sink().clone());
        context.cancelled().await;
        self.shared.listening.lock().unwrap().remove(&key);
        Ok(())
    }
}
