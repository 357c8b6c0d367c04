//! The model's process: bound before it sees the model, then one run after another, until nobody asks any more.

use super::confine;
use super::wire::{Answer, Head, Order, Source, Start, receive, receive_values, send, send_values};
use crate::config::{Config, Provider};
use crate::error::{Error, Kind, Result};
use crate::filters::backend::Backend;
use crate::filters::job::Watch;
use crate::filters::runtime::{LocalModel, Model, environment};
use crate::filters::tensor::Tensor;
use std::cell::RefCell;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, sync_channel};

/// Large enough that a tile takes few calls into the kernel.
const BUFFER: usize = 1 << 20;

/// An order with the values that belong to it.
type Ordered = (Order, Vec<(String, Tensor)>);

/// Does what this process was started for. Stdin and stdout are the wire; stderr is read too, for what a crash says.
pub fn serve() -> ExitCode {
    match served() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn served() -> io::Result<()> {
    let mut answers = BufWriter::with_capacity(BUFFER, wire_out()?);
    let mut orders = BufReader::with_capacity(BUFFER, io::stdin());
    let Order::Start(start) = receive(&mut orders)? else {
        return Err(io::Error::other("this is started by gimp-bridge itself, for a model that was added"));
    };
    let model = match start.model {
        Source::Bytes(count) => {
            let mut bytes = Vec::new();
            (&mut orders).take(count).read_to_end(&mut bytes)?;
            Some(bytes)
        }
        Source::Files(..) => None,
    };
    let mut config = Config::default();
    config.filters.runtime = Some(start.runtime.clone());
    config.filters.provider = Provider::from_name(&start.provider).unwrap_or_default();
    config.filters.threads = start.threads;
    // The library first: it is ours, and lies where the model may not read.
    let environment = environment(&config);
    let confined = bound(&start, config.filters.provider != Provider::Cpu);
    let orders = listened(orders);
    let loaded = environment.and_then(|environment| {
        let model = match (&model, &start.model) {
            (Some(bytes), _) => Model::Bytes(bytes),
            (None, Source::Files(path, _)) => Model::File(path),
            (None, Source::Bytes(_)) => return Err(Error::new(Kind::Internal, "a model that is not there")),
        };
        LocalModel::load(&environment, &config, &model)
    });
    drop(model);
    let model = match loaded {
        Ok(model) => model,
        Err(error) => {
            send(&mut answers, &Answer::failed(&error))?;
            return answers.flush();
        }
    };
    let (inputs, outputs) = (model.inputs().to_vec(), model.outputs().to_vec());
    send(&mut answers, &Answer::Ready { inputs, outputs, fallback: model.fallback.clone(), confined })?;
    answers.flush()?;
    let answers = RefCell::new(answers);
    while let Ok((Order::Run { memory, .. }, feed)) = orders.recv() {
        confine::limit_memory(memory, start.most);
        let done = run(&model, feed, &orders, &answers);
        let mut answers = answers.borrow_mut();
        match done {
            Ok(tensors) => {
                let names = model.outputs().iter().zip(&tensors);
                let heads = names.map(|(port, tensor)| tensor.as_ref().map(|tensor| Head::of(&port.name, tensor)));
                send(&mut *answers, &Answer::Done(heads.collect()))?;
                tensors.iter().flatten().try_for_each(|tensor| send_values(&mut *answers, tensor))?;
            }
            Err(error) => send(&mut *answers, &Answer::failed(&error))?,
        }
        answers.flush()?;
    }
    Ok(())
}

/// One run; each output is asked about before it is copied.
fn run(
    model: &LocalModel,
    feed: Vec<(String, Tensor)>,
    orders: &Receiver<Ordered>,
    answers: &RefCell<impl Write>,
) -> Result<Vec<Option<Tensor>>> {
    let take = |place: usize, shape: &[usize]| {
        let mut answers = answers.borrow_mut();
        let asked = send(&mut *answers, &Answer::Shape { place, shape: shape.to_vec() });
        asked.and_then(|()| answers.flush()).map_err(|error| Error::new(Kind::IoError, error.to_string()))?;
        match orders.recv() {
            Ok((Order::Take(Some(wanted)), _)) => Ok(wanted),
            _ => Err(Error::new(Kind::Cancelled, "the answer is not wanted")),
        }
    };
    model.run(feed, &take, &Watch::silent())
}

/// Orders as they come, read by a thread of their own: it is how a process that computes learns that nobody waits.
fn listened(mut orders: impl Read + Send + 'static) -> Receiver<Ordered> {
    let (sender, receiver) = sync_channel(1);
    std::thread::spawn(move || {
        loop {
            let order = receive::<Order>(&mut orders).and_then(|order| {
                let mut feed = Vec::new();
                if let Order::Run { feed: heads, .. } = &order {
                    for head in heads {
                        feed.push((head.name.clone(), receive_values(&mut orders, head)?));
                    }
                }
                Ok((order, feed))
            });
            let Ok(order) = order else { end() };
            if sender.send(order).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Binds this process; nothing of the model has been looked at yet.
fn bound(start: &Start, device: bool) -> super::wire::Confined {
    let mut readable: Vec<&std::path::Path> = Vec::new();
    if let Source::Files(path, weights) = &start.model {
        readable.push(path);
        readable.extend(weights.iter().map(std::path::PathBuf::as_path));
    }
    // Providers lie beside the library.
    let beside = start.runtime.parent().filter(|_| device);
    readable.extend(beside);
    let confined = confine::confine(&readable, device, start.most);
    confine::limit_memory(start.memory, start.most);
    confined
}

/// Stdout for the wire alone: what a library prints goes to stderr.
#[cfg(unix)]
fn wire_out() -> io::Result<impl Write> {
    use std::os::fd::AsFd;
    let own = std::fs::File::from(io::stdout().as_fd().try_clone_to_owned()?);
    rustix::stdio::dup2_stdout(io::stderr().as_fd())?;
    Ok(own)
}

#[cfg(not(unix))]
fn wire_out() -> io::Result<impl Write> {
    Ok(io::stdout())
}

/// Ends at once, whatever other threads compute: nothing here is worth an orderly end, which could wait for them.
fn end() -> ! {
    #[cfg(unix)]
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::process::abort()
}
