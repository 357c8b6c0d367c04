//! A few threads over many pieces of work. The pieces are the same however many threads there are, so that results
//! are too.

use std::sync::Mutex;
use std::thread;

/// More would take GIMP's processors for little gain.
const MAX_THREADS: usize = 4;

/// Runs `work` once for each piece, on a few threads, and returns when all are done.
pub fn for_each<T: Send>(pieces: Vec<T>, work: impl Fn(T) + Sync) {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS).min(pieces.len());
    let queue = Mutex::new(pieces.into_iter());
    let worker = || {
        loop {
            // A worker that panicked ends the whole call below; the queue itself stays whole.
            let piece = queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).next();
            match piece {
                Some(piece) => work(piece),
                None => return,
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(worker);
        }
        worker();
    });
}

/// [`for_each`] over the rows of a plane, in bands of `rows` rows: `work` gets each band's first row and its values.
pub fn bands<T: Send>(plane: &mut [T], width: usize, rows: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    let pieces = plane.chunks_mut((width * rows).max(1)).enumerate().collect();
    for_each(pieces, |(index, band)| work(index * rows, band));
}
