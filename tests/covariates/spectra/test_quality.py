"""Quality bits: numbers made by hand, and those that USGS lists."""

from __future__ import annotations

import numpy as np
import pytest

from edaphic.covariates.spectra.quality import SCHEMES, check_names, flagged, saturated, saturation_bits, scheme_of_part
from edaphic.errors import RasterError

# Landsat 8-9 and 4-7 Collection 2: values of QA_PIXEL and what the product guides say of them.
LISTED = {
    1: {"fill"},
    21824: {"clear"},
    21826: {"dilated_cloud"},
    21888: {"clear", "water"},
    21890: {"dilated_cloud", "water"},
    22280: {"cloud", "cloud_medium", "cloud_high"},
    23888: {"clear", "cloud_shadow", "cloud_shadow_high"},
    23952: {"clear", "water", "cloud_shadow", "cloud_shadow_high"},
    24344: {"cloud", "cloud_shadow", "cloud_medium", "cloud_high", "cloud_shadow_high"},
    30048: {"clear", "snow", "snow_high"},
    54596: {"clear", "cirrus", "cirrus_high"},
    5440: {"clear"},
    5442: {"dilated_cloud"},
    5504: {"clear", "water"},
    5896: {"cloud", "cloud_medium", "cloud_high"},
    7440: {"clear", "cloud_shadow", "cloud_shadow_high"},
    13664: {"clear", "snow", "snow_high"},
}


@pytest.mark.parametrize(("code", "expected"), LISTED.items())
def test_listed_values(code, expected):
    names = {name for name in SCHEMES["qa_pixel"] if flagged(code, "qa_pixel", [name])}
    # Bit 6 of 54596 is set, as the guide lists it, or not, as files hold it: only the rest is compared.
    assert names - {"clear"} == expected - {"clear"}


@pytest.mark.parametrize("code", LISTED)
def test_default_mask(code):
    bad = {"fill", "dilated_cloud", "cirrus", "cloud", "cloud_shadow"}
    assert bool(flagged(code, "qa_pixel")) is bool(bad & LISTED[code])


@pytest.mark.parametrize(
    ("bit", "name"),
    list(enumerate(("fill", "dilated_cloud", "cirrus", "cloud", "cloud_shadow", "snow", "clear", "water"))),
)
def test_each_bit_alone(bit, name):
    others = [other for other in ("fill", "dilated_cloud", "cirrus", "cloud", "cloud_shadow", "snow", "clear", "water") if other != name]
    assert flagged(1 << bit, "qa_pixel", [name])
    assert not flagged(1 << bit, "qa_pixel", others)
    assert not flagged(0xFFFF & ~(1 << bit), "qa_pixel", [name])


@pytest.mark.parametrize(("name", "first"), [("cloud_high", 8), ("cloud_shadow_high", 10), ("snow_high", 12), ("cirrus_high", 14)])
def test_confidence_pairs(name, first):
    assert [bool(flagged(level << first, "qa_pixel", [name])) for level in range(4)] == [False, False, False, True]
    assert [bool(flagged(level << 8, "qa_pixel", ["cloud_medium"])) for level in range(4)] == [False, False, True, True]


def test_collection_1():
    """2720 (Landsat 8) and 672 (Landsat 7) are clear, with low confidence of everything; 2800 is cloud; 2976 shadow; 3744 snow."""
    names = ("fill", "cloud", "cloud_shadow", "cirrus", "snow")
    assert flagged([2720, 672], "bqa", names).tolist() == [False, False]
    assert flagged([1, 2800, 2976, 3744, 6816], "bqa", names).tolist() == [True] * 5
    assert flagged([2800, 2976, 3744, 6816], "bqa", ["cloud"]).tolist() == [True, False, False, False]
    assert flagged([2720, 2724, 2728, 2732], "bqa", ["saturated"]).tolist() == [False, True, True, True]
    # pixel_qa: clear 322 (Landsat 8), 66 (Landsat 5, 7); shadow 72, snow 80, cloud 96 and 224
    assert flagged([322, 66, 72, 96, 224], "pixel_qa").tolist() == [False, False, True, True, True]
    assert flagged([80, 68], "pixel_qa", ["snow"]).tolist() == [True, False]


def test_classes():
    assert flagged(list(range(12)), "scl").tolist() == [i in (0, 1, 3, 8, 9, 10) for i in range(12)]
    assert flagged(list(range(12)), "scl", ["snow", "saturated", "dark"]).tolist() == [i in (1, 2, 11) for i in range(12)]
    assert flagged([0, 1, 2, 3, 4, 255], "fmask").tolist() == [False, False, True, False, True, True]
    assert flagged([0, 1024, 2048, 3072], "qa60").tolist() == [False, True, True, True]


def test_types_of_numbers():
    """float32 holds 16 bits exactly; a 16-bit number stored with a sign is the same number; NaN is fill."""
    codes = np.array([54596, 22280, 21824], dtype=np.uint16)
    expected = [True, True, False]
    assert flagged(codes, "qa_pixel").tolist() == expected
    assert flagged(codes.astype(np.float32), "qa_pixel").tolist() == expected
    assert flagged(codes.view(np.int16), "qa_pixel").tolist() == expected
    assert flagged([np.nan, 21824], "qa_pixel").tolist() == [True, False]
    assert flagged([np.nan, 21824], "qa_pixel", ["cloud"]).tolist() == [False, False]
    assert flagged(np.zeros((2, 3), dtype=np.uint8), "fmask").shape == (2, 3)


def test_saturation():
    assert saturation_bits(["2", "3", "4", "5", "6", "7", "10", "8A"]) == [1, 2, 3, 4, 5, 6]
    assert saturated([0, 1, 2, 64, 2048], saturation_bits(["3", "7"])).tolist() == [False, False, False, True, False]
    assert saturated([4], saturation_bits(["3"])).tolist() == [True]
    assert not saturated([np.nan], [0])[0]


def test_parts_of_names():
    assert [scheme_of_part(part, "L2") for part in ("QA_PIXEL", "BQA", "pixel_qa", "SCL", "B4", "QA_RADSAT")] == [
        "qa_pixel",
        "bqa",
        "pixel_qa",
        "scl",
        "",
        "",
    ]


def test_faults():
    with pytest.raises(RasterError, match="scheme: found 'quality'; expected one of qa_pixel"):
        flagged([1], "quality")
    with pytest.raises(RasterError, match="mask: found 'clouds'; expected some of"):
        check_names(["cloud", "clouds"])
    with pytest.raises(RasterError, match=r"found 0\.5; expected whole numbers, codes of scl"):
        flagged([0.5], "scl")


def test_defective_cells_of_sentinel_are_masked_unless_told_otherwise():
    assert flagged([1, 4], "scl").tolist() == [True, False] and flagged([1, 4], "scl", ["cloud"]).tolist() == [False, False]
