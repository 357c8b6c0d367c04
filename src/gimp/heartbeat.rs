//! Notices within 2 s that a peer is dead or stopped, and keeps what GIMP is doing up to date.
//!
//! A closed socket ends a link by itself. This finds the rest: a GIMP that was killed while its plug-in lives on, a
//! process that is stopped, a connection that some child holds open. A plug-in that is silent because Python code
//! holds its interpreter is alive: its calls end at their own time limits instead.

use super::link::Shared;
use super::process::{self, Life};
use super::wire::{self, Pong};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

/// How often a link with requests in flight is looked at.
pub const TICK: Duration = Duration::from_millis(500);
/// How often an idle link is pinged.
const IDLE: Duration = Duration::from_secs(15);
/// Silence after which a peer counts as dead whose process cannot be looked at.
const HOPELESS: Duration = Duration::from_secs(10);

/// Runs until the link ends.
pub async fn watch(shared: Arc<Shared>) {
    let instance = &shared.peer.instance;
    // In a container (Flatpak) the plug-in's and GIMP's pids are others here: only those that exist are watched.
    let pids: Vec<u32> = [Some(instance.pid), instance.gimp_pid].into_iter().flatten().collect();
    let pids: Vec<u32> = pids.into_iter().filter(|pid| process::life(*pid) != Life::Gone).collect();
    let mut ticks = tokio::time::interval_at(Instant::now() + TICK, TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ping: Option<super::pending::Ticket> = None;
    let mut last_ping = Instant::now();
    // Since when an answer is owed: silence before that is only idleness.
    let mut owed_since: Option<Instant> = None;
    let mut stopped_before = false;
    loop {
        tokio::select! {
            _ = shared.ended.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Some(mut ticket) = ping.take() {
            match ticket.reply.try_recv() {
                Ok(reply) => {
                    let pong = reply.outcome.ok().and_then(|result| serde_json::from_slice::<Pong>(&result).ok());
                    *shared.pong.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
                        Some((Instant::now(), pong.unwrap_or_default()));
                }
                Err(_) => ping = Some(ticket),
            }
        }
        if shared.pending.is_empty() && last_ping.elapsed() < IDLE {
            (owed_since, stopped_before) = (None, false);
            continue;
        }
        if ping.is_none()
            && let Ok(ticket) = shared.pending.add_control()
        {
            shared.outbox.message(wire::request(ticket.id, "$/ping", json!({})));
            (ping, last_ping) = (Some(ticket), Instant::now());
        }
        let owed = owed_since.get_or_insert_with(Instant::now).elapsed();
        let silence =
            if shared.reader_waits.load(Ordering::Relaxed) { Duration::ZERO } else { shared.silence().min(owed) };
        let lives: Vec<Life> = pids.iter().map(|pid| process::life(*pid)).collect();
        if lives.contains(&Life::Gone) {
            return shared.end("GIMP is gone");
        }
        let stopped = lives.contains(&Life::Stopped);
        // Twice in a row, so that a debugger's or a shell's short stop is no end.
        if stopped && stopped_before {
            return shared.end("GIMP's process is stopped");
        }
        stopped_before = stopped;
        let watched = lives.contains(&Life::Runs);
        if !watched && silence >= HOPELESS {
            return shared.end(&format!("GIMP has not answered for {} s", silence.as_secs()));
        }
    }
}
