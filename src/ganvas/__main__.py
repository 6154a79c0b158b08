"""`python -m ganvas`."""

from ganvas.cli import run

run()
