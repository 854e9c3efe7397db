//! The losses and the gradient of an epoch, computed on a thread of their own.
//!
//! libtorch cannot be stopped amid a pass, which takes seconds on large tissue. An interrupt
//! therefore does not wait for the pass: it leaves it to its thread, which ends after it. The
//! thread has weights of its own, so what it still does touches nothing that anyone can see.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use tch::Tensor;

use super::split::Split;
use crate::base::{Error, Result, interrupt, seed};
use crate::models::gvae::{Batch, Gvae};
use crate::nn::Vars;

/// What the system calls the thread, and those that libtorch starts for it. A panic in it is not to
/// be shown: it reaches whoever waits.
pub const THREAD: &str = "training pass";

/// How often the wish to stop is looked at.
const POLL: Duration = Duration::from_millis(20);

/// What one pass over the spots gave.
pub struct Pass {
    pub nll: f64,
    pub kl: f64,
    /// Both losses of the spots kept out.
    pub held_out: Option<(f64, f64)>,
    /// In the order of [`Vars::parameters`].
    pub gradient: Vec<Tensor>,
}

/// Where an epoch begins.
struct Order {
    weights: Vec<(String, Tensor)>,
    beta: f64,
    seed: u64,
    epoch: u64,
}

/// The thread that computes; it ends with its [`Passes`].
pub struct Passes {
    orders: Sender<Order>,
    done: Receiver<thread::Result<Result<Option<Pass>>>>,
    abandoned: Arc<AtomicBool>,
}

impl Passes {
    /// Passes of networks like `net` over the batch.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn new(net: &Gvae, batch: Batch, split: Split) -> Result<Self> {
        let (orders, ordered) = channel::<Order>();
        let (finished, done) = channel();
        let abandoned = Arc::new(AtomicBool::new(false));
        let left = abandoned.clone();
        let blank = net.blank();
        let work = move || {
            let mut twin = None;
            for order in ordered {
                let pass = catch_unwind(AssertUnwindSafe(|| {
                    if twin.is_none() {
                        twin = Some(blank()?);
                    }
                    twin.as_ref().map_or(Ok(None), |net| pass(net, &batch, &split, &order, &left))
                }));
                if finished.send(pass).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name(THREAD.into()).spawn(work);
        thread.map_err(|e| Error::io("starting to train", e))?;
        Ok(Self { orders, done, abandoned })
    }

    /// The pass that epoch `epoch` (from 1) takes from these weights; `None` where the user wished
    /// to stop meanwhile.
    ///
    /// # Errors
    /// What the network refuses.
    pub fn pass(&self, weights: &Vars, beta: f64, seed: u64, epoch: u64) -> Result<Option<Pass>> {
        let weights = weights.named().map(|(n, t)| (n.to_owned(), t.detach().copy())).collect();
        // A thread that is gone shows when its answer is waited for.
        self.orders.send(Order { weights, beta, seed, epoch }).ok();
        loop {
            match self.done.recv_timeout(POLL) {
                Ok(Ok(pass)) => return pass,
                Ok(Err(panic)) => resume_unwind(panic),
                Err(RecvTimeoutError::Timeout) if !interrupt::requested() => {}
                Err(RecvTimeoutError::Timeout) => {
                    self.abandon();
                    return Ok(None);
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::new("training").found("that its thread has ended"));
                }
            }
        }
    }
}

impl Passes {
    /// What is still computed matters to nobody, and gives way to all else.
    fn abandon(&self) {
        self.abandoned.store(true, Ordering::SeqCst);
        const LAST: i32 = 19;
        for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
            let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            let id = task.file_name().to_str().and_then(|id| id.parse().ok());
            if let Some(id) = id.filter(|_| name.trim_end() == THREAD) {
                // SAFETY: a plain system call; where the thread is gone it does nothing.
                unsafe { libc::setpriority(libc::PRIO_PROCESS, id, LAST) };
            }
        }
    }
}

fn pass(
    net: &Gvae,
    batch: &Batch,
    split: &Split,
    order: &Order,
    abandoned: &AtomicBool,
) -> Result<Option<Pass>> {
    let weight =
        |name: &str| order.weights.iter().find(|(n, _)| n == name).map(|(_, t)| t.shallow_clone());
    net.vars().load(weight)?;
    let loss = {
        let _rng = seed::torch(order.seed, order.epoch);
        net.loss(batch)
    };
    // Others may wait for the processor and the memory.
    if abandoned.load(Ordering::SeqCst) {
        return Ok(None);
    }
    let mean = split.train(&loss);
    let parameters: Vec<&Tensor> = net.vars().parameters().map(|(_, t)| t).collect();
    let objective = &mean.nll + &mean.kl * order.beta;
    let gradient = Tensor::run_backward(&[objective], &parameters, false, false);
    Ok(Some(Pass {
        nll: mean.nll.double_value(&[]),
        kl: mean.kl.double_value(&[]),
        held_out: split.held_out(&loss),
        gradient,
    }))
}
