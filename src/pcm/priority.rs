//! Real-time priority for the threads that carry sound.
//!
//! Invariant: asking never fails loudly. The unit grants it (`LimitRTPRIO=`) or the thread stays
//! as it is, which is told once, at debug.

use std::sync::Once;

/// Below PipeWire's own data threads, which run at 78 and 80: they must not wait for a decoder.
const PRIORITY: libc::c_int = 60;

/// Asks for a real-time priority for the calling thread and says whether it was granted.
pub fn ask_for_real_time() -> bool {
    static TOLD: Once = Once::new();
    // SAFETY: sched_param is plain data, and zero is a valid value for whatever other fields it
    // has on other C libraries.
    let mut param: libc::sched_param = unsafe { std::mem::zeroed() };
    param.sched_priority = PRIORITY;
    // Children must not inherit it, hence RESET_ON_FORK.
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: 0 names the calling thread, and `param` lives longer than the call.
    let granted = unsafe { libc::sched_setscheduler(0, policy, &param) } == 0;
    if !granted {
        TOLD.call_once(|| {
            tracing::debug!(
                "sound runs at normal priority; LimitRTPRIO=60 in the unit would let it go first"
            );
        });
    }
    granted
}
