//! One piece of work on many pictures: files, folders and buckets, a run's share of them, what was done before.
//!
//! | file | what it holds |
//! |---|---|
//! | `places.rs` | where pictures come from and results go to |
//! | `shard.rs` | a run's share of a folder |

mod places;
mod shard;

pub use places::{At, Rule, Work, work};
pub use shard::Shard;

use crate::daemon::SIGNALLED;
use crate::error::{Error, Kind, Result};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

/// Which of the pictures.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choice {
    pub shard: Option<Shard>,
    /// Those whose results are there are left out.
    pub skip_existing: bool,
}

/// What came of one picture.
pub trait Done {
    /// Texts for people; names of files in them become the picture's own.
    fn texts(&mut self) -> Vec<&mut String>;

    /// Whether the picture was all there.
    fn is_whole(&self) -> bool;

    /// Says what was done, once the result is where it belongs.
    fn tell(&self, from: &str, to: &str);
}

/// Works through all of them. Of a folder, one that fails does not stop the others; `in_words` is how errors are said.
///
/// # Errors
/// For a single picture whatever it failed with.
pub async fn each<D: Done>(
    work: &Work,
    choice: Choice,
    cancel: &CancellationToken,
    in_words: impl Fn(Error) -> Error,
    mut one: impl AsyncFnMut(&Path, &Path) -> Result<D>,
) -> Result<ExitCode> {
    let mine = |name: &Path| choice.shard.is_none_or(|shard| shard.holds(&name.to_string_lossy()));
    let names: Vec<&(PathBuf, PathBuf)> = work.names.iter().filter(|(name, _)| mine(name)).collect();
    let mut counts = Counts::default();
    for (name, goal) in &names {
        if choice.skip_existing && work.target.has(goal).await? {
            counts.skipped += 1;
            continue;
        }
        match through(work, (name, goal), cancel, &mut one).await {
            Err(error) if error.kind == Kind::Cancelled => {
                eprintln!("cancelled; the picture that it was at was not written");
                return Ok(ExitCode::from(SIGNALLED));
            }
            Err(error) if !work.many => return Err(error),
            Err(error) => {
                counts.failed += 1;
                let error = in_words(error);
                eprintln!("error: {}: {}", work.source.at.shown(name), error.message);
                if let Some(hint) = &error.hint {
                    eprintln!("hint: {hint}");
                }
            }
            Ok(done) => counts.incomplete += usize::from(!done.is_whole()),
        }
    }
    if work.many {
        counts.print(names.len(), work.names.len(), choice.shard);
    }
    // What comes after in a script must not take half a picture for a whole one.
    Ok(ExitCode::from(u8::from(counts.failed + counts.incomplete > 0)))
}

/// One picture, from where it is to where its result belongs. What is said names those, not what it passed through.
async fn through<D: Done>(
    work: &Work,
    (name, goal): (&Path, &Path),
    cancel: &CancellationToken,
    one: &mut impl AsyncFnMut(&Path, &Path) -> Result<D>,
) -> Result<D> {
    let Work { source, target, .. } = work;
    let in_words = |text: &str| target.in_words(&source.in_words(text, name), goal);
    let done = async {
        if cancel.is_cancelled() {
            return Err(Error::new(Kind::Cancelled, "cancelled"));
        }
        source.fetch(name).await?;
        let (from, to) = (source.file(name), target.file(goal));
        if work.many
            && let Some(folder) = to.parent()
        {
            // A bucket's names may have folders in them.
            std::fs::create_dir_all(folder)
                .map_err(|error| Error::new(Kind::IoError, format!("`{}`: {error}", folder.display())))?;
        }
        let done = one(&from, &to).await?;
        target.deliver(goal).await?;
        Ok(done)
    };
    let done: Result<D> = done.await;
    source.forget(name);
    target.forget(goal);
    let mut done = done.map_err(|mut error| {
        error.message = in_words(&error.message);
        error
    })?;
    done.texts().into_iter().for_each(|text| *text = in_words(text));
    done.tell(&source.at.shown(name), &target.at.shown(goal));
    Ok(done)
}

#[derive(Default)]
struct Counts {
    failed: usize,
    incomplete: usize,
    skipped: usize,
}

impl Counts {
    /// `mine` of `all` pictures were this run's.
    fn print(&self, mine: usize, all: usize, shard: Option<Shard>) {
        let share = shard.map(|Shard { index, count }| format!(" (share {index}/{count} of {all})"));
        eprintln!("{} of {mine} pictures done{}", mine - self.failed - self.skipped, share.unwrap_or_default());
        if self.skipped > 0 {
            eprintln!("{} left out: their results are there", self.skipped);
        }
        if self.incomplete > 0 {
            eprintln!("{} of them incomplete, as said above", self.incomplete);
        }
    }
}
