"""The version, read by the packaging and by `ganvas --version`; importing it imports nothing else."""

__version__ = "0.1.0"
