"""The classifier of digits that benchmarks judge by: trained once per data set, then kept in the cache.

3x3 convolutions 32, 32 stride 2, 64, 64 stride 2, a 128-wide layer, dropout 0.3; 4 epochs over the training pictures
with shifts of up to 2 pixels. Distances in its features are not FID, and compare only with numbers of this classifier.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.data.cache import cache_folder
from ganvas.images import to_float
from ganvas.weights import load_weights, save_weights

EPOCHS, BATCH, PEAK_RATE = 4, 64, 3e-3
SURE = 0.9  # a digit is sure when its likeliest class has more than this probability


class Classifier(nn.Module):
    """[N, 1, 28, 28] in [-1, 1] -> features [N, 128] by `features`, logits [N, 10] by the call."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, stride=2, padding=1), nn.ReLU()),
            *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, stride=2, padding=1), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(64 * 49, 128), nn.ReLU()),
        )
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(128, 10))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits


def shifted(x: Tensor, random: torch.Generator) -> Tensor:
    """Each picture moved by up to 2 pixels on black."""
    n = len(x)
    padded = F.pad(x[:, 0], (2, 2, 2, 2), value=-1.0)
    rows = torch.randint(0, 5, (n, 1), generator=random) + torch.arange(28)
    columns = torch.randint(0, 5, (n, 1), generator=random) + torch.arange(28)
    return padded[torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]][:, None]


def train_classifier(images: Tensor, labels: Tensor) -> Classifier:
    torch.manual_seed(0)
    net = Classifier()
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    steps = len(images) // BATCH
    optimizer = torch.optim.Adam(net.parameters(), lr=PEAK_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, EPOCHS * steps)
    random = torch.Generator().manual_seed(0)
    for _ in range(EPOCHS):
        order = torch.randperm(len(images), generator=random)
        for i in range(steps):
            chosen = order[i * BATCH : (i + 1) * BATCH]
            loss = F.cross_entropy(net(shifted(images[chosen], random)), labels[chosen])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return net


class Digits:
    """The pictures of an .npz with train_images, train_labels, test_images and test_labels, and their classifier."""

    def __init__(self, data: Path) -> None:
        arrays = np.load(data)
        self.images, self.labels = as_tensor(arrays["train_images"]), torch.from_numpy(arrays["train_labels"]).long()
        self.test = as_tensor(arrays["test_images"])
        self.test_labels = torch.from_numpy(arrays["test_labels"]).long()
        kept = cache_folder() / "benchmarks" / f"classifier-{data.stem}.safetensors"
        self.net = Classifier()
        if kept.is_file():
            self.net.load_state_dict(load_weights(kept))
        else:
            self.net = train_classifier(self.images, self.labels)
            kept.parent.mkdir(parents=True, exist_ok=True)
            save_weights(kept, self.net.state_dict())
        self.net.eval()
        self.test_features, self.test_probabilities = self.look(self.test)
        self.accuracy = (self.test_probabilities.argmax(1) == self.test_labels).float().mean().item()

    @torch.inference_mode()
    def look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """[N, 1, 28, 28] in [-1, 1] -> features [N, 128], class probabilities [N, 10]."""
        parts = [self.net.features(part) for part in images.split(1000)]  # type: ignore[no-untyped-call]
        features = torch.cat(parts)
        return features, self.net.head(features).softmax(1)


def as_tensor(images: np.ndarray[Any, Any]) -> Tensor:
    """[N, 28, 28] uint8 -> [N, 1, 28, 28] in [-1, 1]."""
    return to_float(torch.from_numpy(images))[:, None]
