//! Nothing is allocated where the audio thread pulls and pushes: each allocation in this program is
//! counted, for the thread that made it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::thread;
use std::time::Duration;

use dotd::handsfree::Voice;
use dotd::pcm::shaping::{Shape, Shaper};
use dotd::pcm::{Cycle, MILLISECOND, now};
use dotd::policy::calls::event::VoiceSpec;
use dotd::policy::calls::facts::{VoiceCodec, VoiceId};
use dotd::policy::model::{Address, Volume};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::sync::mpsc;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, with a counter.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn count() {
    // There is none any more while a thread ends.
    ALLOCATIONS
        .try_with(|counted| counted.set(counted.get() + 1))
        .ok();
}

// SAFETY: everything is passed on as it came to an allocator that keeps the rules.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // Giving back takes the same locks.
        count();
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// Does something, and returns how often this thread took memory or gave it back for that.
pub(crate) fn allocations(what: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    what();
    ALLOCATIONS.get() - before
}

#[test]
fn what_is_allocated_is_counted() {
    let mut kept = Vec::new();
    assert_eq!(allocations(|| kept.push(1_u8)), 1, "taken");
    assert_eq!(allocations(|| drop(kept)), 1, "given back");
    assert_eq!(allocations(|| {}), 0);
}

#[test]
fn shaping_sound_allocates_nothing() {
    let shape = Shape {
        equaliser: [6, -6, 6, -6, 12],
        mono: true,
        balance: 20,
        ceiling: Some(-6),
    };
    let mut shaper = Shaper::new(&shape, 44_100, 2);
    let mut turn: Vec<f32> = (0..1024).map(|n| (n as f32 * 0.1).sin()).collect();
    let shaped = allocations(|| (0..200).for_each(|_| shaper.apply(&mut turn)));
    assert_eq!(shaped, 0);
    assert!(turn.iter().all(|sample| sample.abs() < 0.502));
}

#[test]
fn a_call_allocates_nothing_in_the_audio_thread() {
    /// Samples of a packet of CVSD, which last 3 ms.
    const PACKET: usize = 24;
    let (phone, ours) = super::sockets();
    let (events, _inbox) = mpsc::channel(16);
    let spec = VoiceSpec {
        id: VoiceId(1),
        codec: VoiceCodec::Cvsd,
        name: "Anna".to_owned(),
        volume: Volume::MAX,
        microphone: 15,
        muted: false,
    };
    let address = Address::new([0xF0, 0, 0, 0, 0, 1]);
    let voice = Voice::start(address, ours, 48, &spec, events).expect("the voice does not start");
    let (mut source, mut sink) = (voice.source(), voice.sinks()());
    let said = 8192_i16.to_le_bytes().repeat(PACKET);
    let (mut heard_here, mut heard_there) = (false, false);
    let mut out = [0.0; 2 * PACKET];
    // Long enough for both buffers to fill, run and be steered.
    for _ in 0..400 {
        for _ in 0..2 {
            send(&phone, &said, SendFlags::NOSIGNAL).expect("the voice ended");
        }
        let cycle = Cycle {
            now: now(),
            delay: 5 * MILLISECOND,
        };
        let of_the_call = allocations(|| {
            source.pull(&mut out, cycle);
            sink.push(&[0.25; 2 * PACKET], cycle);
        });
        assert_eq!(of_the_call, 0);
        heard_here |= out.iter().any(|sample| *sample > 0.2);
        let mut packet = [0; 512];
        while let Ok((_, length)) = recv(&phone, &mut packet[..], RecvFlags::DONTWAIT) {
            heard_there |= packet[..length].iter().any(|byte| *byte != 0);
        }
        thread::sleep(Duration::from_millis(6));
    }
    assert!(heard_here && heard_there, "nothing went through");
}
