"""Runs of a few steps, trained once for all tests here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import ganvas
from example_pictures import bars

Trained = Callable[[str, str], Path]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    """`trained(recipe, "digits" | "bars")` -> a run folder; not to be changed. Digits are labelled, bars are not."""
    pytest.importorskip("sklearn")
    from sklearn.datasets import load_digits

    folder, runs = tmp_path_factory.mktemp("explained"), dict[tuple[str, str], Path]()
    digits = load_digits()
    images = (digits.images[:300] * (255 / 16)).round().astype(np.uint8)
    np.savez(folder / "digits.npz", images=images, labels=digits.target[:300])
    colours = np.array([1.0, 0.6, 0.3])
    np.savez(folder / "bars.npz", images=(bars(64)[0][..., None] * colours).astype(np.uint8))

    def train(recipe: str, source: str) -> Path:
        if (recipe, source) not in runs:
            small = {"width": 8, "z_dim": 8, "batch": 8, "judge_samples": 32, "images": 48, "sheet_every": 16}
            run = ganvas.train(
                folder / f"{source}.npz",
                recipe=recipe,
                out=folder / f"{recipe}-{source}",
                quiet=True,
                minutes=None,
                threads=1,
                **small,
            )
            runs[recipe, source] = run.path
        return runs[recipe, source]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANVAS_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))  # as all other tests
        torch.set_num_threads(1)
        yield train
