"""Halving: where a condition that holds at the low end of a range, and not at its high end, ceases to hold."""

from __future__ import annotations

from collections.abc import Callable


def halved(holds: Callable[[float], bool], low: float, high: float, times: int) -> tuple[float, float]:
    """(last value found at which it holds, first at which it does not), after halving the range so many times.

    For conditions rather than differences, so that one that has no value somewhere may be taken not to hold there;
    and the same steps on every machine.
    """
    for _ in range(times):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low, high
