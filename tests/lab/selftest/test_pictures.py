"""The picture shows sound where there is sound and nothing where there is none."""

from itertools import combinations

import matplotlib.image
import matplotlib.pyplot as plt
import numpy as np
from labkit import signals
from labkit.pictures import label, render


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


def test_labels_of_one_moment_stand_above_each_other():
    figure, axes = plt.subplots(figsize=(12, 3), layout="constrained")
    try:
        axes.set_xlim(0, 30)
        moments = (0.5, "first note"), (6.6, "ring"), (7.4, "answer"), (12.1, "hang up")
        labels = label(axes, [*moments, (13.7, "music"), (13.7, "the same moment")])
        figure.draw_without_rendering()
        places = [each.get_window_extent() for each in labels]
        for one, other in combinations(places, 2):
            assert not one.overlaps(other), places
        assert places[0].y0 == places[1].y0, "where there is room they stand in one row"
    finally:
        plt.close(figure)
