"""Exponentials and logarithms of arrays, element by element through the C library.

NumPy's own array versions differ in the last bit between processors, and a last bit is enough to move a recorded
answer.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.compiled import compiled


@compiled
def exp_each(x: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """exp of each element; float64, same shape (n,)."""
    out = np.empty(len(x))
    for i in range(len(x)):
        out[i] = math.exp(x[i])
    return out


@compiled
def log_each(x: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Natural logarithm of each element; float64, same shape (n,)."""
    out = np.empty(len(x))
    for i in range(len(x)):
        out[i] = math.log(x[i])
    return out
