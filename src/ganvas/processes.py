"""What can be asked about other processes of this machine."""

from __future__ import annotations

import os
import sys


def process_lives(pid: int) -> bool:
    """Whether a process of this number runs on this machine."""
    if sys.platform == "win32":  # os.kill would end it there
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
