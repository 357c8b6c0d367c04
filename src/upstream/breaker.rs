//! A circuit breaker: a server that failed several times in a row is left alone for a while, then tried with one request.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Failures in a row that open it.
pub const FAILURES: u32 = 5;
/// How long it stays open at first; each failed probe doubles that, up to the longest.
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Until when nobody is let through.
    open_until: Option<Instant>,
    /// How long it was open the last time.
    open_for: Duration,
    /// One request finds out whether the server is well again.
    probing: bool,
}

/// A request that was let through; dropped without an outcome (a cancelled one), it counts as none.
#[derive(Debug)]
pub struct Turn<'a> {
    breaker: &'a Breaker,
    probe: bool,
}

impl Breaker {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    /// How long it stays open.
    pub fn enter(&self) -> Result<Turn<'_>, Duration> {
        let mut state = self.lock();
        let Some(until) = state.open_until else { return Ok(Turn { breaker: self, probe: false }) };
        let wait = until.saturating_duration_since(Instant::now());
        if wait > Duration::ZERO || state.probing {
            return Err(wait.max(Duration::from_secs(1)));
        }
        state.probing = true;
        Ok(Turn { breaker: self, probe: true })
    }

    pub fn is_open(&self) -> bool {
        self.lock().open_until.is_some()
    }
}

impl Turn<'_> {
    /// Tells how the request ended.
    pub fn ended(self, well: bool) {
        let mut state = self.breaker.lock();
        if well {
            *state = State::default();
            return;
        }
        state.failures += 1;
        // A late failure of a request from before it opened says nothing new.
        if self.probe || state.open_until.is_none() && state.failures >= FAILURES {
            state.open_for = if self.probe { (state.open_for * 2).min(LONGEST) } else { FIRST };
            state.open_until = Some(Instant::now() + state.open_for);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.breaker.lock().probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_after_one_good_probe() {
        let breaker = Breaker::default();
        let fail = || breaker.enter().unwrap().ended(false);
        (1..FAILURES).for_each(|_| fail());
        breaker.enter().unwrap().ended(true);
        (1..FAILURES).for_each(|_| fail());
        assert!(!breaker.is_open());
        fail();
        assert!(breaker.is_open() && breaker.enter().is_err());
        // As if the time had passed.
        breaker.lock().open_until = Some(Instant::now());
        let probe = breaker.enter().unwrap();
        assert!(breaker.enter().is_err(), "one probe at a time");
        probe.ended(false);
        assert_eq!(breaker.lock().open_for, FIRST * 2);
        breaker.lock().open_until = Some(Instant::now());
        drop(breaker.enter().unwrap());
        breaker.enter().unwrap().ended(true);
        assert!(!breaker.is_open() && breaker.enter().is_ok());
    }
}
