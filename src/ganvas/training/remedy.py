"""What is done about a sick run: only say so, go back and on with smaller steps, or stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ganvas.training.diagnosis import Diagnosis

OnSick = Literal["report", "rollback", "stop"]
Action = Literal["go on", "roll back", "stop"]

MOST_ROLLBACKS = 3
MILDER = 0.5  # times the learning rates, each time anew


@dataclass(frozen=True)
class Decision:
    """What to do now, and with which share of the run's own learning rates from here on."""

    action: Action
    reason: str = ""
    g_lr_scale: float = 1.0
    d_lr_scale: float = 1.0
    back_to: int | None = None  # for "roll back": to the newest checkpoint of no more images than this


class Remedy:
    """Decides by `--on-sick`, and remembers how often it went back. Not part of what a rollback takes back."""

    def __init__(self, on_sick: OnSick) -> None:
        self.on_sick: OnSick = on_sick
        self.rollbacks = 0
        self.g_lr_scale = self.d_lr_scale = 1.0

    def decide(self, diagnoses: Sequence[Diagnosis]) -> Decision:
        """One decision about all that was found at one inspection; the worst counts.

        Only what does not mend by itself is worth going back for; the rest is told, since a run may outgrow it.

        Numbers that are not finite end the run under every policy that does not go back: nothing can come of them.
        """
        serious = [found for found in diagnoses if found.severity != "note"]
        if not serious:
            return self._decision("go on")
        worst = max(serious, key=lambda found: found.severity == "fatal")
        hopeless = worst.kind == "divergence" and worst.severity == "fatal"
        if self.on_sick == "stop" or (self.on_sick == "report" and hopeless):
            return self._decision("stop", worst.text)
        if self.on_sick == "report" or worst.severity != "fatal":
            return self._decision("go on", worst.text)
        if self.rollbacks == MOST_ROLLBACKS:
            return self._decision(
                "stop", f"{worst.text} It came back after {MOST_ROLLBACKS} attempts with milder steps"
            )
        return self._go_back(worst)

    def _go_back(self, worst: Diagnosis) -> Decision:
        self.rollbacks += 1
        self.g_lr_scale *= MILDER
        self.d_lr_scale *= MILDER
        return self._decision("roll back", worst.text, back_to=max(0, worst.since - 1))

    def _decision(self, action: Action, reason: str = "", back_to: int | None = None) -> Decision:
        return Decision(action, reason, self.g_lr_scale, self.d_lr_scale, back_to)

    def to_json(self) -> dict[str, Any]:
        """All there is to remember."""
        return {
            "on_sick": self.on_sick,
            "rollbacks": self.rollbacks,
            "g_lr_scale": self.g_lr_scale,
            "d_lr_scale": self.d_lr_scale,
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Remedy:
        """Undo `to_json`."""
        remedy = cls(kept["on_sick"])
        remedy.rollbacks = int(kept["rollbacks"])
        remedy.g_lr_scale, remedy.d_lr_scale = float(kept["g_lr_scale"]), float(kept["d_lr_scale"])
        return remedy
