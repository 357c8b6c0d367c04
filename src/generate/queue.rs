//! Turns at a backend: so many at once, and among those who wait each client in its turn.

use crate::error::{Error, Kind, Result};
use crate::metrics::{Counted, METRICS};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// More are told to come again later.
const MOST_WAITING: usize = 1024;

/// Cheap to clone.
#[derive(Clone)]
pub struct Queue {
    state: Arc<Mutex<State>>,
}

struct State {
    free: usize,
    /// Clients that wait, the next one first.
    clients: VecDeque<String>,
    waiting: HashMap<String, VecDeque<oneshot::Sender<Turn>>>,
    count: usize,
}

/// The right to use the backend; dropped, it goes to the next.
pub struct Turn {
    queue: Option<Queue>,
}

impl Queue {
    pub fn new(at_once: usize) -> Queue {
        let state = State { free: at_once, clients: VecDeque::new(), waiting: HashMap::new(), count: 0 };
        Queue { state: Arc::new(Mutex::new(state)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn; dropped while it waits, it gives its place up.
    ///
    /// # Errors
    /// `busy` where too many wait.
    pub async fn turn(&self, client: &str) -> Result<Turn> {
        let turn = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return Ok(Turn { queue: Some(self.clone()) });
            }
            if state.count >= MOST_WAITING {
                return Err(Error::new(Kind::Busy, format!("{MOST_WAITING} images wait for this backend already"))
                    .hint("try again later, or name another backend"));
            }
            let (sender, turn) = oneshot::channel();
            let own = state.waiting.entry(client.to_owned()).or_default();
            own.push_back(sender);
            let is_new = own.len() == 1;
            if is_new {
                state.clients.push_back(client.to_owned());
            }
            state.count += 1;
            turn
        };
        let _waits = Counted::new(&METRICS.generations_queued);
        turn.await.map_err(Error::internal)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(queue) = self.queue.take() else { return };
        loop {
            let next = {
                let mut state = queue.lock();
                let Some(client) = state.clients.pop_front() else {
                    state.free += 1;
                    return;
                };
                let own = state.waiting.get_mut(&client);
                let next = own.and_then(VecDeque::pop_front);
                state.count = state.count.saturating_sub(usize::from(next.is_some()));
                // Its next image waits behind those of the others.
                if state.waiting.get(&client).is_some_and(|own| !own.is_empty()) {
                    state.clients.push_back(client);
                } else {
                    state.waiting.remove(&client);
                }
                next
            };
            let Some(next) = next else { continue };
            match next.send(Turn { queue: Some(queue.clone()) }) {
                Ok(()) => return,
                // It gave up; the turn goes on, and must not come back here by its own end.
                Err(mut turn) => drop(turn.queue.take()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn a_client_with_one_image_waits_for_one_of_a_client_with_many() {
        let queue = Queue::new(1);
        let first = queue.turn("many").await.unwrap();
        let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(queue.turn("many"))).collect();
        waiting.iter_mut().for_each(|turn| assert!(turn.now_or_never().is_none()));
        let mut one = Box::pin(queue.turn("one"));
        assert!((&mut one).now_or_never().is_none());
        drop(first);
        let turn = (&mut waiting[0]).now_or_never().unwrap();
        assert!((&mut one).now_or_never().is_none());
        drop(turn);
        let turn = (&mut one).now_or_never().expect("the other client is next").unwrap();
        // Who gives up is passed over, and nobody's turn is lost.
        drop(waiting.remove(1));
        drop(turn);
        let turn = (&mut waiting[1]).now_or_never().unwrap().unwrap();
        drop(turn);
        let state = queue.lock();
        assert_eq!((state.free, state.count), (1, 0));
    }

    #[tokio::test]
    async fn one_too_many_is_told_and_the_others_keep_their_places() {
        let queue = Queue::new(1);
        let _turn = queue.turn("first").await.unwrap();
        let mut waiting: Vec<_> = (0..MOST_WAITING).map(|_| Box::pin(queue.turn("many"))).collect();
        waiting.iter_mut().for_each(|turn| assert!(turn.now_or_never().is_none()));
        let refused = queue.turn("one").await.err().unwrap();
        assert!(refused.kind == Kind::Busy && refused.message.contains("1024") && refused.hint.is_some());
        assert_eq!(queue.lock().count, MOST_WAITING);
    }
}
