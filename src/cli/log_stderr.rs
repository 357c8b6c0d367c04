//! Log lines of servers to stderr, by way of a bounded queue: a client that started this program and never reads its
//! stderr must not stop it. Lines that do not fit are dropped, and their number is told when there is room again.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait.
const LINES: usize = 1024;
/// What a reader gets to take the last lines.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// The queue's entry; cheap to clone.
#[derive(Clone)]
pub struct Queue {
    lines: SyncSender<Vec<u8>>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    waiting: AtomicUsize,
    dropped: AtomicUsize,
}

impl Queue {
    /// Starts the thread that writes.
    pub fn to(out: impl Write + Send + 'static) -> Queue {
        let (lines, waiting) = sync_channel(LINES);
        let queue = Queue { lines, counts: Arc::default() };
        let counts = queue.counts.clone();
        std::thread::spawn(move || write(out, &waiting, &counts));
        queue
    }

    /// Waits a moment until all is written, for the end of the process.
    pub fn drain(&self) {
        let until = Instant::now() + LAST_WORDS;
        while self.counts.waiting.load(Ordering::Acquire) > 0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn write(mut out: impl Write, lines: &Receiver<Vec<u8>>, counts: &Counts) {
    for line in lines {
        let dropped = counts.dropped.swap(0, Ordering::AcqRel);
        if dropped > 0 {
            let _ = writeln!(out, "{dropped} log lines were dropped: nobody read them in time");
        }
        // A stderr that is closed takes no line, and that cannot be told anywhere.
        let _ = out.write_all(&line);
        counts.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// One event's line.
impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.counts.waiting.fetch_add(1, Ordering::AcqRel);
        if self.lines.try_send(line.to_vec()).is_err() {
            self.counts.waiting.fetch_sub(1, Ordering::AcqRel);
            self.counts.dropped.fetch_add(1, Ordering::AcqRel);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Queue;

    fn make_writer(&'a self) -> Queue {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, channel};

    /// Takes nothing until it is told to.
    struct Stuck(Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_takes_nothing_stops_nobody_and_learns_what_was_dropped() {
        let (release, stuck): (Sender<()>, _) = channel();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut queue = Queue::to(Stuck(stuck, seen.clone()));
        let began = Instant::now();
        for number in 0..LINES + 500 {
            queue.write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        queue.drain();
        assert!(began.elapsed() < Duration::from_secs(60));
        drop(release);
        while queue.counts.waiting.load(Ordering::Acquire) > 0 {
            std::thread::yield_now();
        }
        let text = String::from_utf8(seen.lock().unwrap().clone()).unwrap();
        assert!(text.contains("1\n") && text.contains("log lines were dropped"), "{text}");
    }
}
