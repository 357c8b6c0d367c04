//! Whose connection a request came on, over plain TCP and TLS alike.

use super::tls::TlsListener;
use axum::Router;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{Next, from_fn};
use axum::serve::{IncomingStream, Listener};
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};

/// The other end's address.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// The listener without TLS.
pub struct Plain(pub TcpListener);

impl Listener for Plain {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let (stream, peer) = Listener::accept(&mut self.0).await;
        // Replies are small messages: waiting for more would cost 40 ms on each.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        (stream, peer)
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, Plain>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Plain>) -> Peer {
        Peer(*stream.remote_addr())
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Peer {
        Peer(*stream.remote_addr())
    }
}

/// Lets handlers that ask for a socket address find it.
pub fn layer(routes: Router) -> Router {
    routes.layer(from_fn(|mut request: Request, next: Next| async move {
        if let Some(ConnectInfo(Peer(address))) = request.extensions().get::<ConnectInfo<Peer>>().copied() {
            request.extensions_mut().insert(ConnectInfo(address));
        }
        next.run(request).await
    }))
}
