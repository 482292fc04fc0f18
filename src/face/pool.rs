//! Worker threads with their own sessions, and a bounded queue in front of them.
//!
//! Nothing here can deadlock: workers only ever wait for the queue, a ticket's
//! answer has a place of its own and never blocks a worker, and dropping the
//! pool closes the queue before it joins.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender};
use tokio::sync::oneshot;

use super::pipeline::Pipeline;
use super::{Analysis, FaceError, Pack, PackError, Wants, runtime};

/// How the pool works.
#[derive(Debug, Clone)]
pub struct PoolOptions {
    /// Worker threads, each with its own sessions. 0 means one per core.
    pub workers: usize,
    /// Pictures that may wait for a worker before [`FacePool::try_analyze`] says busy.
    pub queue_max: usize,
    /// Bounds on pictures.
    pub limits: crate::imaging::Limits,
    /// The ONNX Runtime library; `None` looks in the usual places. A process
    /// loads one library: what was loaded first stays.
    pub onnxruntime: Option<PathBuf>,
}

type Answer = Result<Analysis, FaceError>;

struct Job {
    work: Box<dyn FnOnce(&mut Pipeline, &AtomicBool) -> Answer + Send>,
    cancelled: Arc<AtomicBool>,
    answer: oneshot::Sender<Answer>,
}

/// Worker threads that turn pictures into templates.
pub struct FacePool {
    queue: Option<Sender<Job>>,
    stopping: Arc<AtomicBool>,
    workers: Vec<JoinHandle<()>>,
}

impl FacePool {
    /// Starts the workers and loads every network once, so that a pack that
    /// cannot run is refused here.
    pub fn start(pack: &Pack, options: &PoolOptions) -> Result<Self, PackError> {
        let count = match options.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        let environment = runtime::environment(options.onnxruntime.as_deref())?;
        let pack = Arc::new(pack.clone());
        let (queue, jobs) = crossbeam_channel::bounded(options.queue_max);
        let (started, starts) = crossbeam_channel::bounded(count);
        let mut pool = Self { queue: Some(queue), stopping: Arc::default(), workers: Vec::with_capacity(count) };
        for index in 0..count {
            let (pack, options, stopping) = (Arc::clone(&pack), options.clone(), Arc::clone(&pool.stopping));
            let (jobs, started) = (jobs.clone(), started.clone());
            let worker = std::thread::Builder::new().name(format!("face-{index}")).spawn(move || {
                let pipeline = Pipeline::with(pack, &options);
                match pipeline {
                    Ok(mut pipeline) => {
                        let _ = started.send(Ok(()));
                        work(&jobs, &stopping, &mut pipeline);
                    }
                    Err(e) => {
                        let _ = started.send(Err(e));
                    }
                }
            });
            pool.workers.push(worker.map_err(|e| PackError::Thread { detail: e.to_string() })?);
        }
        drop(started);
        Pipeline::inspect_late_networks(&pack, &environment)?;
        for _ in 0..count {
            // A worker that panicked while loading has hung up without a word.
            let died = || PackError::Thread { detail: "it ended while loading the networks".into() };
            starts.recv().map_err(|_| died())??;
        }
        Ok(pool)
    }

    /// Number of workers.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// Queues a picture, waiting for a place in the queue if need be.
    pub fn analyze(&self, photo: Vec<u8>, wants: Wants) -> Ticket {
        let (job, ticket) = job(move |pipeline, cancelled| pipeline.analyze_unless(&photo, wants, cancelled));
        if let Some(queue) = &self.queue {
            // Fails only when every worker is gone; the ticket then says cancelled.
            let _ = queue.send(job);
        }
        ticket
    }

    /// Queues a picture, or `None` at once where the queue is full.
    pub fn try_analyze(&self, photo: Vec<u8>, wants: Wants) -> Option<Ticket> {
        let (job, ticket) = job(move |pipeline, cancelled| pipeline.analyze_unless(&photo, wants, cancelled));
        self.queue.as_ref()?.try_send(job).ok()?;
        Some(ticket)
    }
}

impl Drop for FacePool {
    /// Ends after the pictures being worked on; those still waiting are dropped
    /// and their tickets say cancelled.
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.queue = None;
        for worker in self.workers.drain(..) {
            // A worker survives panicking work; there is nothing to learn here.
            let _ = worker.join();
        }
    }
}

fn job(work: impl FnOnce(&mut Pipeline, &AtomicBool) -> Answer + Send + 'static) -> (Job, Ticket) {
    let (sender, receiver) = oneshot::channel();
    let cancelled = Arc::new(AtomicBool::new(false));
    let job = Job { work: Box::new(work), cancelled: Arc::clone(&cancelled), answer: sender };
    (job, Ticket { receiver, cancelled })
}

fn work(jobs: &Receiver<Job>, stopping: &AtomicBool, pipeline: &mut Pipeline) {
    for Job { work, cancelled, answer } in jobs {
        if stopping.load(Ordering::Relaxed) || cancelled.load(Ordering::Relaxed) {
            continue;
        }
        // The pipeline keeps only buffers that every picture writes anew, so
        // that what a panic leaves behind harms no later picture.
        let result = catch_unwind(AssertUnwindSafe(|| work(pipeline, &cancelled)));
        let _ = answer.send(result.unwrap_or_else(|_| Err(FaceError::Inference("a step panicked".into()))));
    }
}

/// A picture on its way. Await it, or [`Ticket::wait`] for it. Dropping it
/// cancels the work: not begun if it waits, stopped at the next step if it runs.
pub struct Ticket {
    receiver: oneshot::Receiver<Answer>,
    cancelled: Arc<AtomicBool>,
}

impl Ticket {
    /// Blocks until the picture is done. Not for async code, whose thread it
    /// would hold up.
    pub fn wait(mut self) -> Result<Analysis, FaceError> {
        struct Unpark(std::thread::Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match Pin::new(&mut self).poll(&mut context) {
                Poll::Ready(answer) => return answer,
                Poll::Pending => std::thread::park(),
            }
        }
    }
}

impl Future for Ticket {
    type Output = Result<Analysis, FaceError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // The sender goes without an answer only when the pool does.
        Pin::new(&mut self.receiver).poll(context).map(|answer| answer.unwrap_or(Err(FaceError::Cancelled)))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}
