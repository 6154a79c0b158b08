"""Some steps of a small game of pictures from pictures, alone or as one of several processes; the main one saves it."""

import sys

import torch

torch.set_num_threads(1)

from painting import make_state, play, seen  # noqa: E402

from ganvas.games.engine import open_engine  # noqa: E402


def main(kind: str, path: str) -> None:
    engine = open_engine("cpu")
    state = make_state(kind, engine)
    play(state, 6)
    if engine.is_main:
        torch.save({**seen(state), **state.game.own_tensors()}, path)
    engine.wait()


main(*sys.argv[1:])
