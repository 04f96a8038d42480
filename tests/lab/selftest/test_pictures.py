"""The picture shows sound where there is sound and nothing where there is none."""

import matplotlib.image
import numpy as np
from labkit import signals
from labkit.pictures import render


def test_a_picture_of_half_a_second_of_sound_is_dark_in_its_other_half(tmp_path):
    half = signals.tone(1000, 0.5).samples
    sound = signals.Signal(np.concatenate([half, np.zeros_like(half)]), 44100)
    render(sound, tmp_path / "a.png", "A tone", [(0.5, "stops")])
    picture = matplotlib.image.imread(tmp_path / "a.png")[:, :, :3].sum(axis=2)
    height, width = picture.shape
    spectrogram = picture[height // 2 : height * 9 // 10]
    left = spectrogram[:, width // 4 : width * 2 // 5]
    right = spectrogram[:, width * 3 // 5 : width * 3 // 4]
    assert left.max() > right.max() + 0.5
