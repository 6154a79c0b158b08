"""How the tensors of the published FID weights are called, and how here.

The file `pt_inception-2015-12-05-6726825d.pth` (also on offer as `weights-inception-...`) has the names of
torchvision's Inception v3. Ours follow the place in the network: `layers.mixed_5b.1.0.weight` is the first convolution
of the second branch of that layer.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ganvas.errors import GanvasError

_STEM = {
    "Conv2d_1a_3x3": "conv_1a",
    "Conv2d_2a_3x3": "conv_2a",
    "Conv2d_2b_3x3": "conv_2b",
    "Conv2d_3b_1x1": "conv_3b",
    "Conv2d_4a_3x3": "conv_4a",
}
_BRANCHES = {
    ("5b", "5c", "5d"): {
        "branch1x1": "0",
        "branch5x5_1": "1.0",
        "branch5x5_2": "1.1",
        "branch3x3dbl_1": "2.0",
        "branch3x3dbl_2": "2.1",
        "branch3x3dbl_3": "2.2",
        "branch_pool": "3.1",
    },
    ("6a",): {"branch3x3": "0", "branch3x3dbl_1": "1.0", "branch3x3dbl_2": "1.1", "branch3x3dbl_3": "1.2"},
    ("6b", "6c", "6d", "6e"): {
        "branch1x1": "0",
        "branch7x7_1": "1.0",
        "branch7x7_2": "1.1",
        "branch7x7_3": "1.2",
        "branch7x7dbl_1": "2.0",
        "branch7x7dbl_2": "2.1",
        "branch7x7dbl_3": "2.2",
        "branch7x7dbl_4": "2.3",
        "branch7x7dbl_5": "2.4",
        "branch_pool": "3.1",
    },
    ("7a",): {
        "branch3x3_1": "0.0",
        "branch3x3_2": "0.1",
        "branch7x7x3_1": "1.0",
        "branch7x7x3_2": "1.1",
        "branch7x7x3_3": "1.2",
        "branch7x7x3_4": "1.3",
    },
    ("7b", "7c"): {
        "branch1x1": "0",
        "branch3x3_1": "1.0",
        "branch3x3_2a": "1.1.0",
        "branch3x3_2b": "1.1.1",
        "branch3x3dbl_1": "2.0",
        "branch3x3dbl_2": "2.1",
        "branch3x3dbl_3a": "2.2.0",
        "branch3x3dbl_3b": "2.2.1",
        "branch_pool": "3.1",
    },
}
_TENSORS = {
    "conv.weight": "weight",
    "bn.weight": "scale",
    "bn.bias": "shift",
    "bn.running_mean": "mean",
    "bn.running_var": "variance",
}
COUNTERS = ".bn.num_batches_tracked"  # of training, if the file has them: no part of the network


def _table() -> dict[str, str]:
    layers = {theirs: f"layers.{ours}" for theirs, ours in _STEM.items()}
    for mixed, branches in _BRANCHES.items():
        for each in mixed:
            layers |= {f"Mixed_{each}.{theirs}": f"layers.mixed_{each}.{ours}" for theirs, ours in branches.items()}
    table = {f"{a}.{t}": f"{b}.{o}" for a, b in layers.items() for t, o in _TENSORS.items()}
    return table | {"fc.weight": "classifier.weight", "fc.bias": "classifier.bias"}


PUBLISHED = _table()  # {name in the published file: name here}, all 472 of them


def from_published(weights: Mapping[str, Tensor], what: str) -> dict[str, Tensor]:
    """Weights by their published names -> by ours. Raises GanvasError, which calls them `what`, for an unknown name."""
    known = {name: value for name, value in weights.items() if not name.endswith(COUNTERS)}
    unknown = sorted(known.keys() - PUBLISHED.keys())
    if unknown:
        raise GanvasError(
            f"{what} has {unknown[0][:60]!r}, which Inception v3 has not: expected pt_inception-2015-12-05-6726825d.pth"
        )
    return {PUBLISHED[name]: value for name, value in known.items()}
