//! What long jobs have saved so far. The host listens, so that after a crash it knows where they
//! can go on.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

type Listener = Rc<dyn Fn(&Path)>;

thread_local! {
    /// One a thread, because each session runs its cells on one.
    static LISTENER: RefCell<Option<Listener>> = RefCell::default();
}

/// Calls `listener` with the path of every checkpoint that jobs of this thread save from now on,
/// in place of an earlier listener.
pub fn listen(listener: impl Fn(&Path) + 'static) {
    LISTENER.replace(Some(Rc::new(listener)));
}

/// Says that a checkpoint is whole and on disk.
pub fn tell(path: &Path) {
    let listener = LISTENER.with_borrow(Clone::clone);
    if let Some(listener) = listener {
        listener(path);
    }
}
