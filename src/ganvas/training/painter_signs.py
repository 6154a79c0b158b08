"""The signs of what can be wrong with a run that paints pictures from pictures, besides those of every GAN (`signs`).

Thresholds were chosen on short runs of emoji and photographs (`benchmarks/painter_sickness.py`).
"""

from __future__ import annotations

from ganvas.training.signs import Course, Numbers

UNTOUCHED = 0.02  # of the way from the input to the target, or to any picture of the wanted kind
TOLD_APART = 0.85  # d_right from which returning the input is plainly not what is wanted
HARMFUL = 1.05  # of the input's own difference from the target
STILL_GUESSING = 0.9  # of the cross entropy of guessing


def identity(now: Numbers, course: Course) -> tuple[str, ...]:
    """What is painted is the input, and it stays so; where there is a D, though that tells it from the wanted kind."""
    if now.get("changed", 1.0) >= UNTOUCHED or not course.stuck or now.get("d_right", 1.0) < TOLD_APART:
        return ()
    return tuple(name for name in ("changed", "d_right") if name in now)


def harm(now: Numbers) -> tuple[str, ...]:
    """What learns from the difference to the target alone is further from it than the input was."""
    learns_otherwise = "d_right" in now or "perceptual" in now
    return ("beside_input",) if not learns_otherwise and now.get("beside_input", 0.0) > HARMFUL else ()


def contrast_lost(now: Numbers) -> tuple[str, ...]:
    """Patches of what is painted cannot be told to their places in the input."""
    return ("contrast_of_chance",) if now.get("contrast_of_chance", 0.0) > STILL_GUESSING else ()
