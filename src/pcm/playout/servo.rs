//! From the distance of a latency from its target to a pace.
//!
//! Invariant: pure; the pace never bends further than allowed, and what is left when the distance is
//! closed is the difference of the clocks.

use crate::pcm::{MILLISECOND, Nanos, Pace, SECOND};

/// Turns the distance from the target into a pace.
#[derive(Clone, Debug)]
pub struct Servo {
    /// How far the pace bends while the distance is not large, in parts per million.
    bend: f64,
    /// In nanoseconds, smoothed; nothing until it was measured.
    latency: Option<f64>,
    /// Parts per million that hold the latency where it is: the difference of the clocks.
    integral: f64,
    ppm: f64,
}

impl Servo {
    /// Of the distance, in parts per second: a distance is closed in about ten seconds.
    const GAIN: f64 = 0.1;
    /// A quarter of the gain squared, for which the loop does not swing.
    const INTEGRAL_GAIN: f64 = Self::GAIN * Self::GAIN / 4.0;
    /// The time over which latency is smoothed, in seconds.
    const SMOOTHING: f64 = 1.0;
    /// A change from one packet to the next that is not drift: the player began anew.
    const JUMP: f64 = 4.0 * MILLISECOND as f64;
    /// No two clocks differ by more, in parts per million.
    const CLOCKS: f64 = 500.0;
    /// A pace for a buffer that is far off.
    const FIRM: f64 = 5000.0;
    /// That far off.
    const FAR: f64 = 60.0 * MILLISECOND as f64;
    /// Further off than this it is no drift, and nothing to learn the clocks from.
    const NEAR: f64 = 15.0 * MILLISECOND as f64;

    /// Makes one whose pace bends by so many parts per million at most, unless the distance is
    /// large.
    pub fn new(bend_ppm: f64) -> Self {
        Self {
            bend: bend_ppm,
            latency: None,
            integral: 0.0,
            ppm: 0.0,
        }
    }

    /// Takes note of a latency, `elapsed` after the one before; `fallen` is by how much the target
    /// fell meanwhile.
    pub fn follow(&mut self, latency: Nanos, target: Nanos, fallen: Nanos, elapsed: Nanos) {
        let raw = latency as f64;
        let seconds = elapsed as f64 / SECOND as f64;
        let smooth = match self.latency {
            Some(before) if (raw - before).abs() < Self::JUMP => {
                before + (raw - before) * (seconds / Self::SMOOTHING).min(1.0)
            }
            _ => raw,
        };
        self.latency = Some(smooth);
        let distance = smooth - target as f64;
        let limit = if distance.abs() > Self::FAR {
            Self::FIRM
        } else {
            self.bend
        };
        // A falling target is followed at once, so that the integral holds nothing but the
        // difference of the clocks. A nanosecond per second is a thousandth part per million.
        let falling = if elapsed > 0 {
            fallen as f64 * 1e6 / elapsed as f64
        } else {
            0.0
        };
        let wanted = falling + distance * Self::GAIN * 1e-3;
        let bend = wanted.clamp(-limit, limit);
        if bend == wanted && distance.abs() < Self::NEAR {
            let turned = distance * Self::INTEGRAL_GAIN * 1e-3 * seconds;
            self.integral = (self.integral + turned).clamp(-Self::CLOCKS, Self::CLOCKS);
        }
        self.ppm = bend + self.integral;
    }

    /// Nothing is played: only the difference of the clocks is worth keeping.
    pub fn rest(&mut self) {
        self.latency = None;
        self.ppm = self.integral;
    }

    /// Returns how fast to consume.
    pub fn pace(&self) -> Pace {
        Pace {
            ppm: self.ppm as f32,
        }
    }

    /// Returns how much faster than the consumer's clock the other one runs.
    pub fn drift(&self) -> Pace {
        Pace {
            ppm: self.integral as f32,
        }
    }

    /// Returns the latency, smoothed; nothing until it was measured.
    pub fn latency(&self) -> Option<Nanos> {
        self.latency.map(|latency| latency as Nanos)
    }
}
