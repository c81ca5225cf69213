"""Open location codes: examples of the public specification, and cells that nest."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphic.profiles.reading.pluscode import ALPHABET, decode


@pytest.mark.parametrize(
    ("code", "low", "high"),
    [
        # south, west and north, east of the cell, from the test data of the specification
        ("7FG49QCJ+2V", (20.37, 2.782125), (20.370125, 2.78225)),
        ("7FG49QCJ+2VX", (20.3701, 2.78221875), (20.370125, 2.78225)),
        ("8FVC2222+22", (47.0, 8.0), (47.000125, 8.000125)),
        ("4VCPPQGP+Q9", (-41.273125, 174.785875), (-41.273, 174.786)),
        ("22222222+22", (-90.0, -180.0), (-89.999875, -179.999875)),
    ],
)
def test_centres_of_cells(code: str, low: tuple[float, float], high: tuple[float, float]) -> None:
    lon, lat = decode(pd.Series([code]))
    assert lat[0] == pytest.approx((low[0] + high[0]) / 2, abs=1e-10)
    assert lon[0] == pytest.approx((low[1] + high[1]) / 2, abs=1e-10)


def test_what_is_no_full_code_of_ten_digits_is_missing() -> None:
    codes = [None, "", "9QCJ+2V", "7FG49Q00+", "7FG49QCJ+", "7FG49QCJ+2", "7FG49QCJ2V", "7FG4AQCJ+2V", "FFG49QCJ+2V", "9XG49QCJ+2V"]
    lon, lat = decode(pd.Series(codes, dtype="str"))
    assert np.isnan(lon).all()
    assert np.isnan(lat).all()


def test_capitals_and_blanks_do_not_matter_and_order_is_kept() -> None:
    lon, _ = decode(pd.Series([" 7fg49qcj+2v ", None, "8FVC2222+22", "7FG49QCJ+2V"]))
    assert lon[0] == lon[3] != lon[2]
    assert np.isnan(lon[1])


@given(st.text(ALPHABET, min_size=6, max_size=6), st.text(ALPHABET, min_size=2, max_size=8), st.sampled_from(ALPHABET))
def test_a_finer_code_lies_in_the_cell_of_the_coarser(middle: str, end: str, more: str) -> None:
    code = f"7F{middle}+{end}"
    (lon, finer_lon), (lat, finer_lat) = decode(pd.Series([code, code + more]))
    fine = min(len(end) - 2, 5)
    assert abs(finer_lat - lat) <= 0.5 / 8000 / 5**fine
    assert abs(finer_lon - lon) <= 0.5 / 8000 / 4**fine
