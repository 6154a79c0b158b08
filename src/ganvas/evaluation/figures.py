"""Numbers as sentences have them."""

from __future__ import annotations


def percent(share: float) -> str:
    """0.983 -> "98.3 %"; whole numbers without the point."""
    return f"{100 * share:.1f}".removesuffix(".0") + " %"


def number(value: float) -> str:
    """Three digits: 6.953 -> "6.95", 1207.4 -> "1 207"."""
    return f"{value:.3g}" if abs(value) < 1000 else spaced(round(value))


def spaced(count: int) -> str:
    """10000 -> "10 000"."""
    return f"{count:,}".replace(",", " ")
