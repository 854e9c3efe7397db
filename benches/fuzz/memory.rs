//! What Rust code allocates, counted; and what the process may take in all.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes of data a child may hold: libraries in C allocate past our counter.
const MOST: u64 = 3 << 30;

static NOW: AtomicU64 = AtomicU64::new(0);
static PEAK: AtomicU64 = AtomicU64::new(0);

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: all calls go to the system's allocator as they come; beside it, sizes are added up.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size() as u64);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grow(layout.size() as u64);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size() as u64, Relaxed);
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new: usize) -> *mut u8 {
        grow(new as u64);
        NOW.fetch_sub(layout.size() as u64, Relaxed);
        unsafe { System.realloc(at, layout, new) }
    }
}

fn grow(bytes: u64) {
    let now = NOW.fetch_add(bytes, Relaxed) + bytes;
    PEAK.fetch_max(now, Relaxed);
}

/// Begins to look for a peak; what is held now.
pub fn start() -> u64 {
    let now = NOW.load(Relaxed);
    PEAK.store(now, Relaxed);
    now
}

/// Most bytes held since, above what was held before.
pub fn peak(before: u64) -> u64 {
    PEAK.load(Relaxed).saturating_sub(before)
}

/// Caps the data of this process.
pub fn limit() {
    let most = libc::rlimit { rlim_cur: MOST, rlim_max: MOST };
    // SAFETY: a plain call with a valid struct.
    assert!(unsafe { libc::setrlimit(libc::RLIMIT_DATA, &most) } == 0);
}
