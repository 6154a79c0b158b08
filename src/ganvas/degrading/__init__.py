"""Bad pictures made of good ones, on the fly and repeatably: what restoration learns to undo."""
