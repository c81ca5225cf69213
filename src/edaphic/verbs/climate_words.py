"""What the words of ``climate`` mean: choices, smoothing, scales, years, months, memory."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import get_args

from edaphic.covariates.climate import How, Period
from edaphic.covariates.climate.places import Elevation, Metric
from edaphic.covariates.climate.smoothing import Criterion
from edaphic.covariates.climate.transform import Transform
from edaphic.errors import TableError

ELEVATIONS: Mapping[str, Elevation] = {name: name for name in get_args(Elevation)}
METRICS: Mapping[str, Metric] = {name: name for name in get_args(Metric)}
CRITERIA: Mapping[str, Criterion] = {name: name for name in get_args(Criterion)}
TRANSFORMS: Mapping[str, Transform] = {name: name for name in get_args(Transform)}
BYTES = {"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "kib": 2**10, "mib": 2**20, "gib": 2**30}


def read_how(
    elevation: str, coordinates: str, elevation_scale: float | None, order: int, smoothing: str, transform: Sequence[str], weighted: bool
) -> How:
    """Choices of the splines.

    >>> read_how("linear", "auto", None, 2, "gcv", ["ppt=sqrt"], False).transform
    {'ppt': 'sqrt'}
    >>> read_how("linear", "auto", None, 2, "12.5", ["log"], False).smoothing
    12.5
    """
    faults: list[str] = []
    if elevation not in ELEVATIONS:
        faults.append(f"--elevation: found {elevation!r}; expected {', '.join(ELEVATIONS)}")
    if coordinates != "auto" and coordinates not in METRICS:
        faults.append(f"--coordinates: found {coordinates!r}; expected auto, {', '.join(METRICS)}")
    how = How(
        ELEVATIONS.get(elevation, "linear"),
        METRICS.get(coordinates, "auto"),
        elevation_scale,
        order,
        _smoothing(smoothing, faults),
        _transforms(transform, faults),
        weighted,
    )
    if faults:
        raise TableError(faults)
    return how


def _smoothing(text: str, faults: list[str]) -> Criterion | float:
    if text in CRITERIA:
        return CRITERIA[text]
    try:
        return float(text)
    except ValueError:
        faults.append(f"--smoothing: found {text!r}; expected gcv, reml, or a number of degrees of freedom")
        return "gcv"


def _transforms(words: Sequence[str], faults: list[str]) -> Transform | dict[str, Transform]:
    named: dict[str, Transform] = {}
    for word in words:
        variable, equals, name = word.rpartition("=")
        if name not in TRANSFORMS or (not equals and len(words) > 1):
            faults.append(f"--transform: found {word!r}; expected {', '.join(TRANSFORMS)}, or VALUE=sqrt for each value")
        elif not equals:
            return TRANSFORMS[name]
        else:
            named[variable] = TRANSFORMS[name]
    return named or "none"


def read_period(years: str | None, min_years: int | None, months: str | None) -> Period:
    """Years and months.

    >>> read_period("1961-1990", None, "12,1-2")
    Period(years=(1961, 1990), min_years=None, months=(1, 2, 12))
    """
    faults: list[str] = []
    span = None
    if years is not None:
        match = re.fullmatch(r"\s*(\d{4})(?:\s*-\s*(\d{4}))?\s*", years)
        span = (int(match[1]), int(match[2] or match[1])) if match else None
        if span is None or span[0] > span[1]:
            faults.append(f"--years: found {years!r}; expected two years such as 1961-1990")
    if min_years is not None and (min_years < 1 or (span is not None and min_years > span[1] - span[0] + 1)):
        faults.append(f"--min-years: found {min_years}; expected from 1 to the number of years asked for")
    wanted = _months(months, faults)
    if faults:
        raise TableError(faults)
    return Period(span, min_years, wanted)


def _months(text: str | None, faults: list[str]) -> tuple[int, ...]:
    if text is None:
        return tuple(range(1, 13))
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,2})(?:\s*-\s*(\d{1,2}))?\s*", part)
        low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= low <= high <= 12:
            faults.append(f"--months: found {part.strip()!r}; expected months such as 1,7 or 6-8")
        found |= set(range(low, high + 1))
    return tuple(sorted(found))


def read_bytes(text: str | None) -> int | None:
    """Bytes of a size such as 1GB.

    >>> read_bytes("1.5 GB"), read_bytes(None)
    (1500000000, None)
    """
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([a-z]*)\s*", text.lower())
    if match is None or match[2] not in BYTES or float(match[1]) <= 0:
        raise TableError(f"--memory: found {text!r}; expected a size such as 800MB or 1GB")
    return int(float(match[1]) * BYTES[match[2]])
