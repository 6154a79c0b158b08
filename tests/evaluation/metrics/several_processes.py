"""Statistics and features of rows that several gloo processes share out; the first one writes what they made."""

import sys

import torch

torch.set_num_threads(1)

from ganvas.evaluation.metrics.frechet import Statistics  # noqa: E402
from ganvas.evaluation.metrics.gathering import gathered, merged, rows_here  # noqa: E402
from ganvas.games.engine import open_engine  # noqa: E402

COUNT, FEATURES = 101, 5


def features() -> torch.Tensor:
    """[101, 5] float64 with a large mean."""
    return 1e4 + torch.randn(COUNT, FEATURES, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def main(path: str) -> None:
    engine, all_features = open_engine("cpu"), features()
    ours = torch.tensor(rows_here(COUNT))
    statistics = Statistics(FEATURES)
    for batch in ours.split(7):
        statistics.add(all_features[batch])
    together = merged(statistics)

    some = ours if engine.rank else torch.empty(0, dtype=torch.int64)  # the first process sees nothing
    lone = Statistics(FEATURES)
    if len(some):
        lone.add(all_features[some])

    padded = torch.cat([ours, torch.tensor([0, 1])[: 2 - engine.rank]])  # as a sampler fills up: some rows twice
    together_all = gathered(padded, all_features[padded], COUNT)
    try:
        gathered(some, all_features[some], COUNT)
        complaint = ""
    except ValueError as error:
        complaint = str(error)
    if engine.is_main:
        found = {
            "count": torch.tensor(together.count),
            "mean": together.mean,
            "covariance": together.covariance,
            "features": together_all,
            "count without the first": torch.tensor(merged(lone).count),
            "complaint": torch.tensor(list(complaint.encode())),
        }
        torch.save(found, path)
    else:
        merged(lone)
    engine.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
