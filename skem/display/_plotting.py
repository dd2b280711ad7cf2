"""matplotlib, imported when a picture is drawn."""

from __future__ import annotations

from typing import Any

__all__ = ["pyplot"]


def pyplot(owner: str) -> Any:
    """Import pyplot, or say how to get it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(f'{owner} needs matplotlib: pip install "skem[plot]"') from error
    return plt
