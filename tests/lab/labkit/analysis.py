"""Listening by numbers: what a recording contains, when, and whether it was broken.

All functions take float samples in -1..1, shaped [n] or [n, channels], and a rate. Levels are in
dBFS, where 0 is a sine that touches full scale; times are seconds from the first sample.

Invariants: a level is right within 0.05 dB for a tone 30 dB above everything else, also while the
speaker's rate servo bends its pitch by up to 0.5 %; nothing here depends on how loud the tone is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import fftconvolve

from labkit.signals import CLICK_HZ, CLICK_SECONDS, decibel

_LEVEL_WINDOW = 0.1
_ENVELOPE_WINDOW = 0.01
"""Seconds: tones 500 Hz apart and more do not disturb each other's envelope."""
_SAME_CLICK = 0.05
"""Two correlation peaks closer than this are one click."""


@dataclass(frozen=True)
class Tone:
    """A sine in one channel."""

    frequency: float
    level: float


def channels(samples: np.ndarray) -> np.ndarray:
    """The samples as [channels, n]."""
    samples = np.asarray(samples, dtype=float)
    return samples[None, :] if samples.ndim == 1 else samples.T


def tones(samples: np.ndarray, rate: int, count: int = 1, floor: float = -70.0) -> list[list[Tone]]:
    """The strongest `count` tones of each channel, strongest first; weaker than `floor` is none."""
    return [_channel_tones(channel, rate, count, floor) for channel in channels(samples)]


def level(samples: np.ndarray, rate: int, frequency: float) -> list[float]:
    """The level of a tone of about this frequency in each channel."""
    return [_tone_level(channel, rate, [frequency])[0] for channel in channels(samples)]


def loudness(samples: np.ndarray) -> list[float]:
    """RMS of each channel, on the same scale (a full-scale sine is 0); silence is -inf."""
    with np.errstate(divide="ignore"):
        return [float(10 * np.log10(2 * np.mean(each**2))) for each in channels(samples)]


def onset(samples: np.ndarray, rate: int, threshold: float = -50.0) -> float | None:
    """The time of the first sample above the threshold in any channel; None in silence."""
    loud = np.flatnonzero(np.max(np.abs(channels(samples)), axis=0) > decibel(threshold))
    return float(loud[0]) / rate if len(loud) else None


def envelope(samples: np.ndarray, rate: int, frequency: float) -> np.ndarray:
    """The amplitude of a tone of about this frequency in the first channel, at each sample: what a
    Hann window around it holds of the tone."""
    mono = channels(samples)[0]
    window = np.hanning(2 * round(_ENVELOPE_WINDOW * rate / 2) + 1)
    turned = mono * np.exp(-2j * np.pi * frequency * np.arange(len(mono)) / rate)
    return 2 * np.abs(fftconvolve(turned, window / window.sum(), mode="same"))


def pitch(samples: np.ndarray, rate: int, frequency: float, every: float = 1.0) -> list[float]:
    """By how many ppm a tone in the first channel is higher than `frequency`, in each stretch of
    `every` seconds, within 1 ppm where the tone is whole."""
    mono = channels(samples)[0]
    window = max(1, round(_ENVELOPE_WINDOW * rate))
    turned = mono * np.exp(-2j * np.pi * frequency * np.arange(len(mono)) / rate)
    held = turned[: len(turned) // window * window].reshape(-1, window) @ np.hanning(window)
    phase = np.unwrap(np.angle(held))
    count = round(every * rate / window)
    turns = 2 * np.pi * frequency * window / rate
    slopes = (
        np.polyfit(np.arange(count), phase[at : at + count], 1)[0]
        for at in range(0, len(phase) - count + 1, count)
    )
    return [float(slope / turns * 1e6) for slope in slopes]


def span(
    samples: np.ndarray, rate: int, frequency: float, threshold: float
) -> tuple[float, float] | None:
    """The times of the first and the last sample at which a tone of about this frequency is above
    the threshold, within 3 ms; None if it never is."""
    loud = np.flatnonzero(envelope(samples, rate, frequency) > decibel(threshold))
    return (float(loud[0]) / rate, float(loud[-1]) / rate) if len(loud) else None


def steady(samples: np.ndarray, rate: int, margin: float = 0.25) -> np.ndarray:
    """The part of a recording in which something plays, less `margin` seconds at both ends."""
    peak = np.max(np.abs(channels(samples)), axis=0)
    loud = np.flatnonzero(peak > 0.1 * np.max(peak, initial=0.0))
    if not len(loud):
        return np.asarray(samples)[:0]
    edge = round(margin * rate)
    return np.asarray(samples)[loud[0] + edge : loud[-1] - edge]


def click_times(
    samples: np.ndarray, rate: int, frequency: float = CLICK_HZ, seconds: float = CLICK_SECONDS
) -> list[float]:
    """When each burst made by `signals.clicks` begins, within 0.1 ms."""
    mono = channels(samples).mean(axis=0)
    length = round(seconds * rate)
    if len(mono) <= 3 * length:
        return []
    turns = np.exp(2j * np.pi * frequency * np.arange(length) / rate)
    # Hann edges would widen the peak; the plain burst has a triangle whose tip is its start.
    match = np.abs(_correlate(mono, turns)) * 2 / length
    threshold = 0.5 * match.max(initial=0.0)
    if threshold < decibel(-60):
        return []
    found: list[float] = []
    (candidates,) = np.nonzero(match > threshold)
    for group in np.split(candidates, np.flatnonzero(np.diff(candidates) > _SAME_CLICK * rate) + 1):
        peak = group[np.argmax(match[group])]
        found.append(_tip_of_triangle(match, peak, length // 2) / rate)
    return found


def _correlate(signal: np.ndarray, pattern: np.ndarray) -> np.ndarray:
    size = 1 << (len(signal) + len(pattern) - 1).bit_length()
    spectrum = np.fft.fft(signal, size) * np.conj(np.fft.fft(pattern, size))
    return np.fft.ifft(spectrum)[: len(signal) - len(pattern) + 1]


def _tip_of_triangle(match: np.ndarray, peak: int, reach: int) -> float:
    """Where two lines through a peak's flanks meet: finer than the sample that happened to win."""
    inner = max(2, reach // 4)
    left = np.arange(max(0, peak - reach), peak - inner)
    right = np.arange(peak + inner, min(len(match), peak + reach))
    if len(left) < 4 or len(right) < 4:
        return float(peak)
    up, at_left = np.polyfit(left - peak, match[left], 1)
    down, at_right = np.polyfit(right - peak, match[right], 1)
    return float(peak + (at_right - at_left) / (up - down))


def _channel_tones(channel: np.ndarray, rate: int, count: int, floor: float) -> list[Tone]:
    spectrum = np.abs(np.fft.rfft(channel * np.blackman(len(channel))))
    frequencies: list[float] = []
    taken = spectrum.copy()
    taken[:3] = 0
    for _ in range(count):
        peak = int(np.argmax(taken))
        if taken[peak] / (0.42 * len(channel) / 2) < decibel(floor):
            break
        frequencies.append(_interpolate(spectrum, peak) * rate / len(channel))
        # A tone whose pitch is bent is wide: take 2 % around it out.
        width = max(4, round(0.02 * peak))
        taken[max(0, peak - width) : peak + width + 1] = 0
    levels = _tone_level(channel, rate, frequencies) if frequencies else []
    found = [Tone(f, each) for f, each in zip(frequencies, levels, strict=True)]
    return sorted(found, key=lambda tone: -tone.level)


def _interpolate(spectrum: np.ndarray, peak: int) -> float:
    """The true maximum between bins, by a parabola through the logarithms."""
    if not 0 < peak < len(spectrum) - 1:
        return float(peak)
    before, at, after = np.log(spectrum[peak - 1 : peak + 2] + 1e-30)
    bend = before - 2 * at + after
    return peak + (0.5 * (before - after) / bend if bend else 0.0)


def _tone_level(channel: np.ndarray, rate: int, frequencies: list[float]) -> list[float]:
    """Levels by least squares in short windows, each with its own fine frequency; the median
    window counts, so that an edge or a glitch does not."""
    size = min(len(channel), round(_LEVEL_WINDOW * rate))
    windows = [channel[at : at + size] for at in range(0, len(channel) - size + 1, size)]
    amplitudes = np.array([_amplitudes(window, rate, frequencies) for window in windows])
    with np.errstate(divide="ignore"):
        return [float(each) for each in 20 * np.log10(np.median(amplitudes, axis=0))]


def _amplitudes(window: np.ndarray, rate: int, frequencies: list[float]) -> np.ndarray:
    """Fits all the tones at once, following each one's phase through the window."""
    fine = np.array(frequencies)
    half = len(window) // 2
    for _ in range(3):
        first = fit_sines(window[:half], rate, fine)
        second = fit_sines(window[half : 2 * half], rate, fine)
        expected = np.exp(2j * np.pi * fine * half / rate)
        turned = np.angle(second * np.conj(first * expected))
        fine = fine + turned * rate / (2 * np.pi * half)
    return np.abs(fit_sines(window, rate, fine))


def fit_sines(window: np.ndarray, rate: int, frequencies: np.ndarray) -> np.ndarray:
    """Least-squares complex amplitudes: the window is the real part of their rotation."""
    angles = 2 * np.pi * np.outer(np.arange(len(window)) / rate, frequencies)
    basis = np.hstack([np.cos(angles), -np.sin(angles), np.ones((len(window), 1))])
    # The normal equations are small, and well conditioned for tones some periods apart.
    solution = np.linalg.solve(basis.T @ basis, basis.T @ window)
    return solution[: len(frequencies)] + 1j * solution[len(frequencies) : 2 * len(frequencies)]
