"""Depth layers that have a name: those of GlobalSoilMap, of the global map of soil organic carbon, and of greenhouse gas inventories."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from edaphic.recipe.faults import Fault, fail, meant, shown

Layers = tuple[tuple[float, float], ...]

DEPTHS: Mapping[str, Layers] = MappingProxyType(
    {
        "gsm": ((0.0, 5.0), (5.0, 15.0), (15.0, 30.0), (30.0, 60.0), (60.0, 100.0), (100.0, 200.0)),
        "gsoc": ((0.0, 30.0),),
        "ipcc": ((0.0, 30.0),),
    }
)
"""Layers in cm. ``gsm``: the six of GlobalSoilMap (Arrouays et al. 2014, Advances in Agronomy 125: 93-134). ``gsoc``: that of the Global
Soil Organic Carbon Map of the FAO. ``ipcc``: the default depth of soil carbon in greenhouse gas inventories (IPCC 2006, volume 4, chapter
2, kept by the refinement of 2019). There, tier 1 takes reference stocks of 0-30 cm of mineral soil by climate and soil type from a table,
times factors of land use, management and input; tier 2 the country's own stocks and factors over the same depth, which a map of 0-30
cm can give; tier 3 models or measured inventories, to any depth. A map by itself is neither tier."""

EXPECTED = f"a list of layers such as [0-30, 30-60], or one of {', '.join(DEPTHS)}"


def expanded(value: Any) -> Any:
    """Layers of a named set; anything but text stays as it is.

    >>> expanded("gsoc"), expanded(["0-20"])
    (((0.0, 30.0),), ['0-20'])
    """
    if not isinstance(value, str):
        return value
    if value not in DEPTHS:
        fail(Fault((), shown(value), EXPECTED + meant(value, DEPTHS)))
    return DEPTHS[value]
