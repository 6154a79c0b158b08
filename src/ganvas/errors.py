"""What a user did that cannot be done. Messages say what was given, what was expected and what to do."""

from __future__ import annotations


class GanvasError(ValueError):
    """An input that cannot be used: a file, a folder, a picture, a model. The command line exits with 1."""

    exit_code = 1


class UsageError(GanvasError):
    """A setting or an argument that cannot be used. The command line exits with 2."""

    exit_code = 2
