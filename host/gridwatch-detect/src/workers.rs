//! Worker threads: each module lives on one of them, so one that takes its time holds up only its neighbours there.

use crate::engine::THREAD_STACK;
use crate::module::{Evaluation, Module};
use gridwatch_core::batch::Batch;
use gridwatch_core::state::KV;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

/// Jobs waiting for a worker. Evaluation is one batch at a time, so more than a module each never waits.
const QUEUE: usize = 256;

/// Modules spread over threads. Dropping it ends the threads.
#[derive(Debug)]
pub struct Workers {
    threads: Vec<Worker>,
    /// Worker of each module, in the order they were given.
    home: Vec<usize>,
}

#[derive(Debug)]
struct Worker {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

struct Job {
    module: usize,
    batch: Arc<Batch>,
    answer: std::sync::mpsc::Sender<(usize, Evaluation)>,
}

impl Workers {
    /// At most `threads` threads; fewer if there are fewer modules.
    pub fn start(modules: Vec<Module>, threads: usize) -> std::io::Result<Self> {
        let threads = threads.clamp(1, modules.len().max(1));
        let home: Vec<usize> = (0..modules.len()).map(|module| module % threads).collect();
        let mut shares: Vec<Vec<(usize, Module)>> = (0..threads).map(|_| Vec::new()).collect();
        for (at, module) in modules.into_iter().enumerate() {
            shares[home[at]].push((at, module));
        }
        let threads = shares.into_iter().enumerate().map(|(at, share)| Worker::start(at, share));
        Ok(Self { threads: threads.collect::<Result<_, _>>()?, home })
    }

    /// Runs every batch on its module and waits for all: one evaluation per batch, in order. Empty batches cost nothing.
    /// Where a thread has ended (a panic in the host's own code), the rows are dead-lettered rather than lost in silence.
    pub fn evaluate(&self, batches: &[Arc<Batch>]) -> Vec<Evaluation> {
        let (answer, answers) = channel();
        let mut evaluations: Vec<Option<Evaluation>> = batches.iter().map(|_| None).collect();
        for (module, batch) in batches.iter().enumerate().filter(|(_, batch)| batch.rows() > 0) {
            let job = Job { module, batch: batch.clone(), answer: answer.clone() };
            if let Some(jobs) = &self.threads[self.home[module]].jobs {
                let _ = jobs.send(job);
            }
        }
        drop(answer);
        for (module, evaluation) in answers {
            evaluations[module] = Some(evaluation);
        }
        let lost = |batch: &Arc<Batch>| Evaluation::all_dead(batch.rows(), "the thread of its module has ended");
        evaluations.into_iter().zip(batches).map(|(done, batch)| done.unwrap_or_else(|| lost(batch))).collect()
    }
}

impl Worker {
    fn start(at: usize, mut modules: Vec<(usize, Module)>) -> std::io::Result<Self> {
        let (jobs, inbox): (_, Receiver<Job>) = sync_channel(QUEUE);
        let run = move || {
            for job in inbox {
                if let Some((_, module)) = modules.iter_mut().find(|(index, _)| *index == job.module) {
                    let _ = job.answer.send((job.module, module.evaluate(&job.batch)));
                }
            }
        };
        let thread = std::thread::Builder::new().name(format!("modules-{at}")).stack_size(THREAD_STACK).spawn(run)?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
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

/// Is this a row of some module's own state?
pub fn is_module_state(key: &[u8]) -> bool {
    key.first() == Some(&KV)
}
