"""What a number depends on besides the data and the settings."""

from __future__ import annotations

import platform

import numpy as np
import torch

from ganvas.version import __version__


def versions() -> dict[str, str]:
    """Of the package, of what computes, and of the system."""
    import PIL

    return {
        "ganvas": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "pillow": PIL.__version__,
        "system": f"{platform.system()} {platform.machine()}",
    }
