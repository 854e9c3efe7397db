//! Randomness with an address. Every draw comes from a seed and a stream, so a resumed run draws
//! what an uninterrupted one would have drawn, without any generator state to save.

use std::sync::{Mutex, MutexGuard, TryLockError};
use std::thread;
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{Result, interrupt};

/// A generator for our own draws (simulation, k-means starts); streams do not overlap.
pub fn rng(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

static TORCH: Mutex<()> = Mutex::new(());

/// Holds libtorch's only generator for one stretch of draws.
pub struct TorchRng(#[expect(dead_code, reason = "held for its lock")] MutexGuard<'static, ()>);

/// Seeds libtorch's global generator for the draws of step `step` and holds it until dropped, so
/// that two threads cannot take each other's draws. Do not nest: it would wait for itself.
///
/// # Errors
/// An interrupt, while another thread holds it.
pub fn torch(seed: u64, step: u64) -> Result<TorchRng> {
    const PAUSE: Duration = Duration::from_millis(1);
    let guard = loop {
        match TORCH.try_lock() {
            Ok(guard) => break guard,
            Err(TryLockError::Poisoned(e)) => break e.into_inner(),
            Err(TryLockError::WouldBlock) => {
                interrupt::check("waiting for libtorch's random generator")?;
                thread::sleep(PAUSE);
            }
        }
    };
    tch::manual_seed(mix(seed, step));
    Ok(TorchRng(guard))
}

/// SplitMix64's finaliser over both numbers (Steele, Lea and Flood, OOPSLA 2014): near seeds and
/// near steps give unrelated generators.
fn mix(seed: u64, step: u64) -> i64 {
    let mut z = seed
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add(step.wrapping_mul(0xD1B5_4A32_D192_ED03));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)) as i64
}
