"""Which files with one name belong together: products of Sentinel-2 that were processed again, surface reflectance of Collection 1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edaphic.covariates.spectra.bands import SAFE, ProductName

Members = list[tuple[Path, ProductName]]


def surface(named: ProductName) -> bool:
    """Whether a file holds surface reflectance while its name is that of a Level-1 product: Landsat before Collection 2.

    >>> from edaphic.covariates.spectra.bands import read_name
    >>> surface(read_name("LC08_L1TP_195028_20160101_20170404_01_T1_sr_band4.tif"))
    True
    >>> surface(read_name("LC08_L1TP_195028_20160101_20170404_01_T1_B4.TIF"))
    False
    """
    return named.sensor != "msi" and named.level != "L2" and named.part.lower().startswith("sr_")


def one_product(name: str, members: Sequence[tuple[Path, ProductName]]) -> list[tuple[str, Members, list[str]]]:
    """Files of one name by product: of one Sentinel-2 image, of each level the product that was processed last.

    Returns
    -------
    list of (name, files, notes)
        One where there is one level; the names tell the level where there are two.
    """
    by_product: dict[tuple[str, str, str], Members] = {}
    for path, named in members:
        by_product.setdefault(_product(path), []).append((path, named))
    levels = sorted({level for level, _, _ in by_product})
    found = []
    for level in levels:
        products = sorted(product for product in by_product if product[0] == level)
        notes = []
        if len(products) > 1:
            listed = ", ".join(f"N{baseline}" for _, baseline, _ in products)
            notes.append(f"{name}: found {len(products)} products of one image ({listed}): the last, {products[-1][2]}, is taken")
        own = f"{name}_L{level}" if len(levels) > 1 and level else name
        found.append((own, by_product[products[-1]], notes))
    return found


def _product(path: Path) -> tuple[str, str, str]:
    """Level, baseline and name of the Sentinel-2 product in which a file lies; empty where the folders do not tell."""
    for part in reversed(path.parts[:-1]):
        found = SAFE.match(part)
        if found is not None:
            return found["level"].upper(), found["baseline"], part
    return "", "", ""
