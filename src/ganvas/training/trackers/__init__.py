"""Curves and sheets of a run in other programs: TensorBoard, Weights & Biases, MLflow, Trackio.

`stats.jsonl` is always written; these are beside it, by name, and nothing here can stop or slow a training.
"""

from ganvas.training.trackers.opening import NAMES, Trackers, open_trackers, read_names
from ganvas.training.trackers.places import forget

__all__ = ["NAMES", "Trackers", "forget", "open_trackers", "read_names"]
