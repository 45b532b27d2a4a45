"""Parts of an effect add up to the whole exactly, whatever was measured."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from analysis.effects.estimands import effects_table
from sim.tables import MEASURES

ARMS = ("baseline", "X/direct", "X/wom", "X/congestion", "X")
VALUES = st.floats(-1e8, 1e8, allow_nan=False)


@settings(deadline=None, max_examples=60)
@given(arrays.arrays(np.float64, st.tuples(st.just(len(ARMS)), st.integers(1, 7)), elements=VALUES))
def test_parts_add_up_exactly_in_the_file(values: np.ndarray) -> None:
    rows = [
        (r, 0, arm, "all", "everybody", "ltv", value)
        for arm, series in zip(ARMS, values, strict=True)
        for r, value in enumerate(series)
    ]
    table = effects_table(pd.DataFrame(rows, columns=[column.name for column in MEASURES]))
    text = table.to_csv(index=False)
    read = pd.read_csv(io.StringIO(text)).set_index("estimand")
    effect = read["effect"]
    assert effect["direct"] + effect["spillover"] == effect["total"]
    assert effect["wom"] + effect["congestion"] + effect["company"] == effect["spillover"]
    assert effect["company"] == 0
    assert (read["baseline"] + effect == read["scenario"]).all()
