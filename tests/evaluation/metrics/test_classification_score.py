"""What a classifier learns from generated pictures: much from good ones, nothing from noise."""

from __future__ import annotations

import numpy as np
import pytest
from bars import bars

from ganvas.evaluation.metrics.classification_score import classification_score
from ganvas.evaluation.metrics.labelled import Labelled

REAL, TEST = Labelled(*bars(60, seed=1)), Labelled(*bars(200, seed=2))


def test_good_pictures_teach_and_mislabelled_ones_do_not():
    images, labels = bars(300, seed=3)
    good = classification_score(Labelled(images, labels), REAL, TEST, seeds=(0, 1), pictures=1500)
    assert good.generated.mean > 0.9
    assert len(good.generated.of_each_seed) == 2
    assert good.generated.interval.low <= good.generated.mean <= good.generated.interval.high
    assert good.gain.mean == pytest.approx(good.joined.mean - good.real.mean)
    assert good.gain.of_each_seed[1] == good.joined.of_each_seed[1] - good.real.of_each_seed[1]
    assert (good.test_pictures, good.pictures_shown) == (200, 1500)
    wrong = classification_score(Labelled(images, (labels + 1) % 3), REAL, TEST, seeds=(0, 1), pictures=1500)
    assert wrong.generated.mean < 0.1
    assert wrong.real == good.real  # the same seeds, the same pictures


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="59 labels for 60 generated pictures"):
        classification_score(Labelled(REAL.images, REAL.labels[:-1]), REAL, TEST)
    with pytest.raises(ValueError, match="bring both sets to one size"):
        classification_score(Labelled(REAL.images[..., :10], REAL.labels), REAL, TEST)
    with pytest.raises(ValueError, match="3 classes and 1 seeds"):
        classification_score(REAL, REAL, TEST, seeds=(0,))
    with pytest.raises(ValueError, match="partly of 8 and partly of 16 bits"):
        classification_score(Labelled(REAL.images.astype(np.uint16), REAL.labels), REAL, TEST)
