//! Worker threads: each module lives on one of them, so one that takes its time holds up only its neighbours there.

use crate::engine::THREAD_STACK;
use crate::kept::Kept;
use crate::module::{Evaluation, Module};
use gridwatch_rules::batch::Batch;
use gridwatch_rules::pipeline::{Asked, ServiceId};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

/// Jobs waiting for a worker. Evaluation is one batch at a time, so more than a module each never waits.
const QUEUE: usize = 256;

/// Modules spread over threads. Dropping it ends the threads.
#[derive(Debug)]
pub struct Workers {
    threads: Vec<Worker>,
    /// Worker of each module.
    home: HashMap<ServiceId, usize>,
}

#[derive(Debug)]
struct Worker {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

enum Job {
    Take { id: ServiceId, module: Box<Module> },
    Evaluate { id: ServiceId, batch: Arc<Batch>, answer: Sender<(ServiceId, Evaluation)> },
    Keep { id: ServiceId, kept: Kept },
    Copy { id: ServiceId, answer: Sender<Kept> },
    GiveBack { id: ServiceId, answer: Sender<Box<Module>> },
}

impl Workers {
    /// As many threads, at least one. They cost little where there are fewer modules.
    ///
    /// # Errors
    /// The system gives no threads.
    pub fn start(threads: usize) -> std::io::Result<Self> {
        let threads = (0..threads.max(1)).map(Worker::start).collect::<Result<_, _>>()?;
        Ok(Self { threads, home: HashMap::new() })
    }

    /// Gives a module to the thread that has fewest.
    pub fn add(&mut self, id: ServiceId, module: Module) {
        let load = |at: &usize| self.home.values().filter(|home| *home == at).count();
        let home = (0..self.threads.len()).min_by_key(load).unwrap_or_default();
        self.home.insert(id, home);
        self.threads[home].send(Job::Take { id, module: Box::new(module) });
    }

    /// Gives a module the state that was kept for it.
    pub fn keep(&mut self, id: ServiceId, kept: Kept) {
        if let Some(home) = self.home.get(&id) {
            self.threads[*home].send(Job::Keep { id, kept });
        }
    }

    /// What a module keeps, as it is now.
    pub fn kept(&self, id: ServiceId) -> Option<Kept> {
        let home = self.home.get(&id)?;
        let (answer, answers) = channel();
        self.threads[*home].send(Job::Copy { id, answer });
        answers.recv().ok()
    }

    /// Takes a module back. `None` if its thread has ended (a panic in the host's own code), and the module with it.
    pub fn retire(&mut self, id: ServiceId) -> Option<Module> {
        let home = self.home.remove(&id)?;
        let (answer, answers) = channel();
        self.threads[home].send(Job::GiveBack { id, answer });
        answers.recv().ok().map(|module| *module)
    }

    /// Runs every batch on its module and waits for all: one evaluation per batch, in order. Empty batches cost nothing.
    /// Where a thread has ended, the rows are dead-lettered rather than lost in silence.
    pub fn evaluate(&self, asked: &[Asked]) -> Vec<(ServiceId, Evaluation)> {
        let (answer, answers) = channel();
        for Asked { service, batch } in asked.iter().filter(|asked| asked.batch.rows() > 0) {
            if let Some(home) = self.home.get(service) {
                let job = Job::Evaluate { id: *service, batch: batch.clone(), answer: answer.clone() };
                self.threads[*home].send(job);
            }
        }
        drop(answer);
        let mut evaluations: HashMap<ServiceId, Evaluation> = answers.into_iter().collect();
        let lost = |batch: &Batch| Evaluation::all_dead(batch.rows(), "the thread of its module has ended");
        let of = |asked: &Asked| {
            let done = evaluations.remove(&asked.service);
            (asked.service, done.unwrap_or_else(|| lost(&asked.batch)))
        };
        asked.iter().map(of).collect()
    }
}

impl Worker {
    fn start(at: usize) -> std::io::Result<Self> {
        let (jobs, inbox): (_, Receiver<Job>) = sync_channel(QUEUE);
        let run = move || {
            let mut modules: HashMap<ServiceId, Box<Module>> = HashMap::new();
            for job in inbox {
                match job {
                    Job::Take { id, module } => _ = modules.insert(id, module),
                    Job::Evaluate { id, batch, answer } => {
                        if let Some(module) = modules.get_mut(&id) {
                            let _ = answer.send((id, module.evaluate(&batch)));
                        }
                    }
                    Job::Keep { id, kept } => {
                        if let Some(module) = modules.get_mut(&id) {
                            module.keep(kept);
                        }
                    }
                    Job::Copy { id, answer } => {
                        if let Some(module) = modules.get(&id) {
                            let _ = answer.send(module.kept());
                        }
                    }
                    Job::GiveBack { id, answer } => {
                        if let Some(module) = modules.remove(&id) {
                            let _ = answer.send(module);
                        }
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name(format!("modules-{at}")).stack_size(THREAD_STACK).spawn(run)?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// What a thread that has ended doesn't take is missing from the answers.
    fn send(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(job);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
