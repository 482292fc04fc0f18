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
use super::{Analysis, FaceError, FaceReport, Pack, PackError, Wants, runtime};

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

/// Worker threads that turn pictures into templates.
pub struct FacePool {
    pool: Pool<Pipeline>,
}

impl FacePool {
    /// Starts the workers and loads every network once, so that a pack that
    /// cannot run is refused here.
    ///
    /// # Errors
    /// [`PackError`] as [`Pipeline::new`], of the first worker that cannot start.
    pub fn start(pack: &Pack, options: &PoolOptions) -> Result<Self, PackError> {
        let count = match options.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        let environment = runtime::environment(options.onnxruntime.as_deref())?;
        let pack = Arc::new(pack.clone());
        let make = {
            let (pack, options) = (Arc::clone(&pack), options.clone());
            move || Pipeline::with(Arc::clone(&pack), &options)
        };
        let starting = Pool::start(count, options.queue_max, make)?;
        // Meanwhile, on this thread: the networks no worker loads before they are asked for.
        Pipeline::inspect_late_networks(&pack, &environment)?;
        Ok(Self { pool: starting.ready()? })
    }

    /// Number of workers.
    pub fn workers(&self) -> usize {
        self.pool.workers.len()
    }

    /// Queues a picture, waiting for a place in the queue if need be.
    pub fn analyze(&self, photo: Vec<u8>, wants: Wants) -> Ticket {
        self.pool.submit(move |pipeline, cancelled| pipeline.analyze_unless(&photo, wants, cancelled))
    }

    /// Queues a picture, or `None` at once where the queue is full.
    pub fn try_analyze(&self, photo: Vec<u8>, wants: Wants) -> Option<Ticket> {
        self.pool.try_submit(move |pipeline, cancelled| pipeline.analyze_unless(&photo, wants, cancelled))
    }

    /// Queues a picture to be assessed without embedding it, or `None` at once where
    /// the queue is full.
    pub fn try_assess(&self, photo: Vec<u8>, wants: Wants) -> Option<Ticket<FaceReport>> {
        self.pool.try_submit(move |pipeline, cancelled| pipeline.assess_unless(&photo, wants, cancelled))
    }

    /// Queues the pictures of one call for one worker, which looks at them in order
    /// and stops after the first that fails; `None` at once where the queue is full.
    ///
    /// A call that kept every worker busy would answer sooner on an idle machine and
    /// make all others wait longer on a busy one: with one worker a call, the slowest
    /// calls stay close to the usual ones, and six captures cost the neighbours no
    /// more than one worker.
    pub fn try_analyze_together(&self, photos: Vec<(Vec<u8>, Wants)>) -> Option<Ticket<Vec<Answer>>> {
        self.pool.try_submit(move |pipeline, cancelled| {
            let mut answers = Vec::with_capacity(photos.len());
            for (photo, wants) in &photos {
                let answer = pipeline.analyze_unless(photo, *wants, cancelled);
                let failed = answer.is_err();
                answers.push(answer);
                if failed {
                    break;
                }
            }
            Ok(answers)
        })
    }
}

/// What came of one picture.
pub type Answer = Result<Analysis, FaceError>;

/// Work with its ticket's other end inside.
struct Job<S> {
    work: Box<dyn FnOnce(&mut S) + Send>,
    cancelled: Arc<AtomicBool>,
}

/// Threads that each own an `S` and run work on it.
struct Pool<S> {
    queue: Option<Sender<Job<S>>>,
    stopping: Arc<AtomicBool>,
    workers: Vec<JoinHandle<()>>,
}

/// A pool whose workers may still be making their state.
struct Starting<S> {
    pool: Pool<S>,
    starts: Receiver<Result<(), PackError>>,
}

impl<S: 'static> Starting<S> {
    /// Waits for every worker; the first that failed decides.
    fn ready(self) -> Result<Pool<S>, PackError> {
        for _ in 0..self.pool.workers.len() {
            // A worker that panicked has hung up without a word.
            let died = || PackError::Thread { detail: "it ended while loading the networks".into() };
            self.starts.recv().map_err(|_| died())??;
        }
        Ok(self.pool)
    }
}

impl<S: 'static> Pool<S> {
    fn start(
        count: usize,
        queue_max: usize,
        make: impl Fn() -> Result<S, PackError> + Clone + Send + 'static,
    ) -> Result<Starting<S>, PackError> {
        let (queue, jobs) = crossbeam_channel::bounded(queue_max);
        let (started, starts) = crossbeam_channel::bounded(count);
        let mut pool = Self { queue: Some(queue), stopping: Arc::default(), workers: Vec::with_capacity(count) };
        for index in 0..count {
            let (jobs, started, stopping, make) =
                (jobs.clone(), started.clone(), Arc::clone(&pool.stopping), make.clone());
            let run = move || match make() {
                Ok(mut state) => {
                    let _ = started.send(Ok(()));
                    drop(started);
                    work(&jobs, &stopping, &mut state);
                }
                Err(e) => {
                    let _ = started.send(Err(e));
                }
            };
            let worker = std::thread::Builder::new().name(format!("face-{index}")).spawn(run);
            pool.workers.push(worker.map_err(|e| PackError::Thread { detail: e.to_string() })?);
        }
        Ok(Starting { pool, starts })
    }

    fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut S, &AtomicBool) -> Result<T, FaceError> + Send + 'static,
    ) -> Ticket<T> {
        let (job, ticket) = job(work);
        if let Some(queue) = &self.queue {
            // Fails only when every worker is gone; the ticket then says cancelled.
            let _ = queue.send(job);
        }
        ticket
    }

    fn try_submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut S, &AtomicBool) -> Result<T, FaceError> + Send + 'static,
    ) -> Option<Ticket<T>> {
        let (job, ticket) = job(work);
        self.queue.as_ref()?.try_send(job).ok()?;
        Some(ticket)
    }
}

impl<S> Drop for Pool<S> {
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

fn job<S, T: Send + 'static>(
    work: impl FnOnce(&mut S, &AtomicBool) -> Result<T, FaceError> + Send + 'static,
) -> (Job<S>, Ticket<T>) {
    let (answer, receiver) = oneshot::channel();
    let cancelled = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&cancelled);
    let work = move |state: &mut S| {
        // The pipeline keeps only buffers that every picture writes anew, so
        // that what a panic leaves behind harms no later picture.
        let result = catch_unwind(AssertUnwindSafe(|| work(state, &told)));
        let _ = answer.send(result.unwrap_or_else(|_| Err(FaceError::Inference("a step panicked".into()))));
    };
    let job = Job { work: Box::new(work), cancelled: Arc::clone(&cancelled) };
    (job, Ticket { receiver, cancelled })
}

fn work<S>(jobs: &Receiver<Job<S>>, stopping: &AtomicBool, state: &mut S) {
    for Job { work, cancelled } in jobs {
        if stopping.load(Ordering::Relaxed) || cancelled.load(Ordering::Relaxed) {
            continue;
        }
        work(state);
    }
}

/// A picture on its way, or the pictures of one call. Await it, or
/// [`Ticket::wait`] for it. Dropping it cancels the work: not begun if it waits,
/// stopped at the next step if it runs.
pub struct Ticket<T = Analysis> {
    receiver: oneshot::Receiver<Result<T, FaceError>>,
    cancelled: Arc<AtomicBool>,
}

impl<T> Ticket<T> {
    /// Blocks until the work is done. Not for async code, whose thread it would
    /// hold up.
    ///
    /// # Errors
    /// [`FaceError`] of the work, and [`FaceError::Cancelled`] where the pool ended before it.
    pub fn wait(mut self) -> Result<T, FaceError> {
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

impl<T> Future for Ticket<T> {
    type Output = Result<T, FaceError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // The sender goes without an answer only when the pool does.
        Pin::new(&mut self.receiver).poll(context).map(|answer| answer.unwrap_or(Err(FaceError::Cancelled)))
    }
}

impl<T> Drop for Ticket<T> {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;

    /// A pool that counts what was begun; answers are errors, which need no networks.
    fn pool(workers: usize, queue_max: usize) -> Pool<()> {
        Pool::start(workers, queue_max, || Ok(())).and_then(Starting::ready).unwrap()
    }

    /// Work that says when it begins and ends when told to.
    fn gate() -> (impl FnOnce(&mut (), &AtomicBool) -> Answer + Send, mpsc::Receiver<()>, mpsc::Sender<()>) {
        let (begun, begins) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let work = move |_: &mut (), cancelled: &AtomicBool| {
            begun.send(()).unwrap();
            let _ = ended.recv();
            Err(if cancelled.load(Ordering::Relaxed) { FaceError::Cancelled } else { FaceError::NoFace })
        };
        (work, begins, end)
    }

    #[test]
    fn a_panic_is_an_error_for_its_ticket_alone() {
        let pool = pool(1, 4);
        let broken = pool.submit(|(), _| -> Answer { panic!("as a broken step would") });
        let next = pool.submit(|(), _| Answer::Err(FaceError::NoFace));
        assert!(matches!(broken.wait(), Err(FaceError::Inference(_))));
        assert_eq!(next.wait().unwrap_err(), FaceError::NoFace);
    }

    #[test]
    fn work_whose_ticket_is_dropped_is_not_begun_if_it_waits_and_told_if_it_runs() {
        let pool = pool(1, 4);
        let (work, begins, end) = gate();
        let (told, tells) = mpsc::channel();
        let running = pool.submit(move |state, cancelled| {
            let answer = work(state, cancelled);
            told.send(cancelled.load(Ordering::Relaxed)).unwrap();
            answer
        });
        begins.recv().unwrap();
        let begun = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&begun);
        let waiting = pool.submit(move |(), _| {
            count.fetch_add(1, Ordering::Relaxed);
            Answer::Err(FaceError::NoFace)
        });
        drop(waiting);
        drop(running);
        end.send(()).unwrap();
        assert!(tells.recv().unwrap(), "running work sees that its caller is gone");
        assert_eq!(pool.submit(|(), _| Answer::Err(FaceError::NoFace)).wait().unwrap_err(), FaceError::NoFace);
        assert_eq!(begun.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_full_queue_says_so_at_once_and_takes_work_again_later() {
        let pool = pool(1, 1);
        let (work, begins, end) = gate();
        let running = pool.submit(work);
        begins.recv().unwrap();
        let waiting = pool.try_submit(|(), _| Answer::Err(FaceError::FaceCut)).expect("one may wait");
        assert!(pool.try_submit(|(), _| Answer::Err(FaceError::NoFace)).is_none());
        end.send(()).unwrap();
        assert_eq!(running.wait().unwrap_err(), FaceError::NoFace);
        assert_eq!(waiting.wait().unwrap_err(), FaceError::FaceCut);
        assert!(pool.try_submit(|(), _| Answer::Err(FaceError::NoFace)).is_some());
    }

    #[test]
    fn dropping_the_pool_finishes_what_runs_and_cancels_what_waits() {
        let pool = pool(1, 4);
        let (work, begins, end) = gate();
        let running = pool.submit(work);
        begins.recv().unwrap();
        let waiting = pool.submit(|(), _| Answer::Err(FaceError::NoFace));
        let stopping = Arc::clone(&pool.stopping);
        let dropping = std::thread::spawn(move || drop(pool));
        while !stopping.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        end.send(()).unwrap();
        assert_eq!(running.wait().unwrap_err(), FaceError::NoFace);
        dropping.join().unwrap();
        assert_eq!(waiting.wait().unwrap_err(), FaceError::Cancelled);
    }

    #[test]
    fn a_worker_that_cannot_start_fails_the_pool() {
        let refuse = || Err::<(), _>(PackError::Thread { detail: "no".into() });
        assert!(matches!(Pool::start(3, 1, refuse).and_then(Starting::ready), Err(PackError::Thread { .. })));
        let panic = || -> Result<(), PackError> { panic!("as a broken library would") };
        assert!(Pool::start(2, 1, panic).and_then(Starting::ready).is_err());
    }

    #[test]
    fn a_ticket_can_be_awaited() {
        let pool = pool(2, 4);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let answers = runtime.block_on(async {
            let one = pool.submit(|(), _| Answer::Err(FaceError::NoFace));
            let two = pool.submit(|(), _| Answer::Err(FaceError::FaceCut));
            (one.await, two.await)
        });
        assert_eq!(answers, (Err(FaceError::NoFace), Err(FaceError::FaceCut)));
    }

    #[test]
    fn many_callers_and_dropped_tickets_never_hang_the_pool() {
        let pool = Arc::new(pool(3, 2));
        let callers: Vec<_> = (0..6)
            .map(|caller| {
                let pool = Arc::clone(&pool);
                std::thread::spawn(move || {
                    for i in 0..200 {
                        let ticket = pool.submit(move |(), _| {
                            assert!((i + caller) % 17 != 0, "a panic now and then");
                            Answer::Err(FaceError::NoFace)
                        });
                        if i % 3 == 0 {
                            drop(ticket)
                        } else {
                            let _ = ticket.wait();
                        }
                    }
                })
            })
            .collect();
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        assert_eq!(pool.submit(|(), _| Answer::Err(FaceError::FaceCut)).wait().unwrap_err(), FaceError::FaceCut);
    }
}
