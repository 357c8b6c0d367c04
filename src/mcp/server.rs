//! The MCP handler: one small function per method. The same for stdio and HTTP.

use super::attachments::Attachments;
use super::clients::{Session, Sessionless};
use super::instructions::instructions;
use super::listing::{DEFAULT, Set, Tools, WITHOUT_GIMP};
use super::subscriptions::Subscriptions;
use super::{bound, prompts, resources, subscriptions, tools};
use crate::error::{Error, Kind, Result as EdgeResult};
use crate::gimp::{Client, Progress, ProgressSink};
use crate::ops::catalogue::Catalogue;
use crate::ops::{BaseUrl, Context, Ops, Pictures, Rights};
use rmcp::model::*;
use rmcp::service::{Peer, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The catalogue hardly changes while the daemon runs; a client may keep what it listed for a while.
const LISTS_KEPT_MS: u64 = 60_000;

/// Progress reports that may wait for a slow client; later ones are dropped.
const WAITING_REPORTS: usize = 16;

/// How long a result waits for a client to take the reports before it.
const LAST_REPORTS: Duration = Duration::from_secs(1);

/// What all of a daemon's handlers share.
pub struct Mcp {
    ops: Ops,
    tools: Tools,
    /// What a client sees that does not ask for others.
    default_set: Set,
    /// For a model's eyes, within what its client takes.
    pictures: Pictures,
    sessionless: Sessionless,
    pub(super) attachments: Attachments,
}

impl Mcp {
    /// With the default set of tools, and pictures of the default size.
    pub fn new(ops: Ops) -> Arc<Mcp> {
        let max_kb = crate::config::Pictures::default().max_kb;
        Mcp::with_tools(ops, DEFAULT, max_kb).expect("the default set is one")
    }

    /// `list`: `core`, `all`, or names of packs and operations, separated by commas. `max_kb`: kilobytes of base64 that
    /// an answer's pictures may have; 0: any number.
    ///
    /// # Errors
    /// `config` when a name is none of these.
    pub fn with_tools(ops: Ops, list: &str, max_kb: u64) -> EdgeResult<Arc<Mcp>> {
        let list = if list == DEFAULT && ops.gimp().is_absent() { WITHOUT_GIMP } else { list };
        let (tools, default_set) = (Tools::new(Catalogue::get()), Set::parse(list)?);
        let (sessionless, attachments) = (Sessionless::default(), Attachments::new());
        let pictures = Pictures::for_model(max_kb);
        Ok(Arc::new(Mcp { ops, tools, default_set, pictures, sessionless, attachments }))
    }

    /// Takes a picture's base64 in, and gives the text that stands for it in a message; see `attachments.rs`.
    pub fn attach(&self, base64: String) -> String {
        self.attachments.put(base64)
    }
}

/// The handler. One per stdio process, MCP session or sessionless request.
pub struct Server {
    mcp: Arc<Mcp>,
    session: OnceLock<Session>,
    /// Of revisions up to 2025-11-25.
    subscriptions: Subscriptions,
}

impl Server {
    /// For HTTP: `initialize` begins a session; a request without one is told apart by what it says of itself.
    pub fn new(mcp: Arc<Mcp>) -> Server {
        Server { mcp, session: OnceLock::new(), subscriptions: Subscriptions::default() }
    }

    /// For stdio: the process is the client, whatever the revision.
    pub fn for_process(mcp: Arc<Mcp>) -> Server {
        let session = Session::new("stdio", None, mcp.ops.gimp().clone());
        Server { mcp, session: OnceLock::from(session), subscriptions: Subscriptions::default() }
    }

    fn client(&self, context: &RequestContext<RoleServer>) -> Client {
        match self.session.get() {
            Some(session) => session.client(context.client_info().as_ref()),
            None => self.mcp.sessionless.client(context, self.mcp.ops.gimp()),
        }
    }

    /// For resources: whoever reads one gets the picture itself, unless its address says otherwise.
    fn context(&self, context: &RequestContext<RoleServer>) -> Context {
        let (cancel, rights) = (context.ct.clone(), rights(context));
        let (pictures, base_url) = (Pictures::default(), base_url(context));
        Context { client: self.client(context), cancel, progress: None, rights, pictures, base_url }
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_prompts()
            .build();
        let implementation = Implementation::new("gimp-bridge", env!("CARGO_PKG_VERSION"))
            .with_title("GIMP")
            .with_description(env!("CARGO_PKG_DESCRIPTION"));
        ServerConfig::new(capabilities).with_server_info(implementation).with_instructions(instructions(&self.mcp.ops))
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let gimp = self.mcp.ops.gimp();
        self.session.get_or_init(|| Session::new("http", Some(&request.client_info), gimp.clone()));
        context.peer.set_peer_info(request.clone());
        self.negotiate_initialize(&request)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let asked = asked_set(&context).map(|list| Set::parse(&list)).transpose().map_err(|mut error| {
            error.kind = Kind::InvalidArgument;
            edge(error)
        })?;
        let scope = if asked.is_some() { CacheScope::Private } else { CacheScope::Public };
        let tools = self.mcp.tools.listed(asked.as_ref().unwrap_or(&self.mcp.default_set));
        let result = ListToolsResult { tools, ..Default::default() };
        Ok(result.with_ttl_ms(LISTS_KEPT_MS).with_cache_scope(scope))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.mcp.tools.get(name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if self.mcp.tools.get(&request.name).is_none() {
            let unknown = Catalogue::get().find_public(&request.name).err();
            return Err(unknown.map_or_else(|| ErrorData::internal_error("the tool list is broken", None), edge));
        }
        let client = self.client(&context);
        // A client that asks for more output than the bound gets it.
        let asked = request.arguments.as_ref().and_then(|arguments| arguments.get("max_output")?.as_u64());
        let most = bound::MOST + usize::try_from(asked.unwrap_or_default()).unwrap_or_default();
        // Reports make the reply an event stream, and some clients take no large events: for a picture, which takes
        // well under a second, the picture matters more.
        let runs = request.arguments.as_ref().filter(|_| request.name == "run_operation");
        let name = runs.and_then(|arguments| arguments.get("name")?.as_str()).unwrap_or(&request.name);
        let token = context.meta.get_progress_token().filter(|_| name != "get_image_bitmap");
        let (progress, reports) = match token {
            Some(token) => {
                let (sink, reports) = progress_channel();
                (Some(sink), Some((token, reports)))
            }
            None => (None, None),
        };
        let (cancel, rights, pictures) = (context.ct.clone(), rights(&context), self.mcp.pictures);
        let run = Context { client, cancel, progress, rights, pictures, base_url: base_url(&context) };
        let call = self.mcp.ops.run(&request.name, request.arguments.unwrap_or_default(), run);
        let outcome = match reports {
            Some((token, reports)) => with_progress(call, token, reports, &context.peer).await,
            None => call.await,
        };
        let result = match outcome {
            Ok(outcome) => tools::success(outcome, &self.mcp.attachments, most),
            Err(error) => tools::failure(&error),
        };
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let resources = resources::list(&self.mcp.ops, self.context(&context), self.mcp.pictures).await;
        // Images come and go: nothing to keep.
        let result = ListResourcesResult { resources, ..Default::default() };
        Ok(result.with_ttl_ms(0).with_cache_scope(CacheScope::Private))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let result = ListResourceTemplatesResult { resource_templates: resources::templates(), ..Default::default() };
        Ok(result.with_ttl_ms(LISTS_KEPT_MS).with_cache_scope(CacheScope::Public))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let run = self.context(&context);
        let result =
            resources::read(&request.uri, &self.mcp.ops, run, &self.mcp.attachments).await.map_err(|error| {
                // SEP-2164 wants the address in the error's data.
                edge(error.detail("uri", request.uri.clone()))
            })?;
        Ok(result.with_ttl_ms(0).with_cache_scope(CacheScope::Private).into())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let target = subscriptions::target(&request.uri).map_err(edge)?;
        let Some(end) = self.subscriptions.add(&request.uri).map_err(edge)? else { return Ok(()) };
        let (ops, client, peer) = (self.mcp.ops.clone(), self.client(&context), context.peer.clone());
        tokio::spawn(async move {
            let tell = async || {
                let update = ResourceUpdatedNotificationParam::new(request.uri.clone());
                peer.notify_resource_updated(update).await.is_ok()
            };
            subscriptions::follow(ops, client, target, end, tell).await;
        });
        Ok(())
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.subscriptions.remove(&request.uri);
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let uris = requested.resource_subscriptions.iter().flatten();
        let accepted = uris.filter(|uri| subscriptions::target(uri).is_ok()).take(subscriptions::MOST).cloned();
        Some(SubscriptionFilter::builder().resource_subscriptions(accepted).build())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let client = self.client(context.request_context());
        let end = CancellationToken::new();
        let _end_with_this = end.clone().drop_guard();
        let uris = context.accepted().resource_subscriptions.clone().unwrap_or_default();
        let follow = |uri: String| {
            let (ops, client, end, sink) = (self.mcp.ops.clone(), client.clone(), end.clone(), context.sink().clone());
            async move {
                let Ok(target) = subscriptions::target(&uri) else { return };
                let tell = async || sink.notify_resource_updated(uri.clone()).await.is_ok();
                subscriptions::follow(ops, client, target, end, tell).await;
            }
        };
        let all = futures_util::future::join_all(uris.into_iter().map(follow));
        tokio::select! {
            // A resource that is gone leaves the others, and the stream stays until the client ends it.
            () = context.cancelled() => (),
            () = async { all.await; std::future::pending().await } => (),
        }
        Ok(())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let result = ListPromptsResult { prompts: prompts::list(), ..Default::default() };
        Ok(result.with_ttl_ms(LISTS_KEPT_MS).with_cache_scope(CacheScope::Public))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        Ok(prompts::get(&request.name, &arguments).map_err(edge)?.into())
    }
}

/// What the HTTP listener found the caller may do; a process on stdio may do everything.
fn rights(context: &RequestContext<RoleServer>) -> Rights {
    let parts = context.extensions.get::<axum::http::request::Parts>();
    parts.and_then(|parts| parts.extensions.get::<Rights>()).copied().unwrap_or_default()
}

/// The address that the HTTP listener was asked under; none on stdio.
fn base_url(context: &RequestContext<RoleServer>) -> Option<BaseUrl> {
    context.extensions.get::<axum::http::request::Parts>()?.extensions.get::<BaseUrl>().cloned()
}

/// An error outside a tool call, where MCP wants a JSON-RPC error.
fn edge(error: Error) -> ErrorData {
    let code = match error.kind {
        // An unknown tool is a bad parameter of tools/call, says the specification.
        Kind::InvalidArgument | Kind::UnknownOperation => ErrorCode::INVALID_PARAMS,
        Kind::NotFound | Kind::ImageGone | Kind::NoImage => ErrorCode::RESOURCE_NOT_FOUND,
        kind => ErrorCode(kind.code()),
    };
    let mut data = error.to_json_rpc()["data"].take();
    if let Some(uri) = error.details.get("uri") {
        data["uri"] = uri.clone();
    }
    ErrorData::new(code, tools::sentences(&error), Some(data))
}

fn progress_channel() -> (ProgressSink, mpsc::Receiver<Progress>) {
    let (sender, reports) = mpsc::channel(WAITING_REPORTS);
    let sink = move |progress| {
        // A client that is slower than the work misses steps in between, not the result.
        let _ = sender.try_send(progress);
    };
    (Arc::new(sink), reports)
}

/// The set of tools that an HTTP client asks for in its address: `/mcp?tools=all`.
fn asked_set(context: &RequestContext<RoleServer>) -> Option<String> {
    let query = context.extensions.get::<axum::http::request::Parts>()?.uri.query()?;
    let list = query.split('&').find_map(|pair| pair.strip_prefix("tools="))?;
    Some(list.replace("%2C", ",").replace("%2c", ","))
}

/// Runs a call and sends its reports as they come; MCP wants each to be greater than the one before.
async fn with_progress<T>(
    call: impl Future<Output = T>,
    token: ProgressToken,
    mut reports: mpsc::Receiver<Progress>,
    peer: &Peer<RoleServer>,
) -> T {
    let forward = async {
        let mut reached = f64::NEG_INFINITY;
        while let Some(report) = reports.recv().await {
            if report.progress > reached {
                reached = report.progress;
                let mut notification = ProgressNotificationParam::new(token.clone(), report.progress);
                notification.total = report.total;
                notification.message = report.message;
                // A client that is gone cancels the call itself.
                let _ = peer.notify_progress(notification).await;
            }
        }
    };
    let mut forward = std::pin::pin!(forward);
    let result = {
        let mut call = std::pin::pin!(call);
        // Side by side: a client that does not read its reports must not hold up the call.
        let first = tokio::select! {
            biased;
            () = &mut forward => None,
            result = &mut call => Some(result),
        };
        match first {
            Some(result) => result,
            // The call let go of its sink and goes on without reports.
            None => return call.await,
        }
    };
    // The sink is gone with the call, so what waits goes out before the result and then `forward` ends.
    let _ = tokio::time::timeout(LAST_REPORTS, forward).await;
    result
}
