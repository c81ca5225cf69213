import numpy as np
import pytest
import rasterio

from edaphic.covariates import Source, class_doubts


def written(path, values, colours=None):
    place = dict(crs="EPSG:32633", transform=rasterio.Affine(10, 0, 0, 0, -10, 0))
    options = dict(driver="GTiff", height=20, width=20, count=1, dtype=values.dtype, **place)
    with rasterio.open(path, "w", **options) as out:
        out.write(values, 1)
        if colours:
            out.write_colormap(1, colours)
    return path


def test_few_whole_numbers_a_legend_or_colours_are_doubted(tmp_path):
    rng = np.random.default_rng(1)
    few = written(tmp_path / "few.tif", rng.integers(1, 6, (20, 20)).astype("uint8"))
    many = written(tmp_path / "many.tif", rng.integers(0, 200, (20, 20)).astype("uint8"))
    real = written(tmp_path / "real.tif", rng.integers(1, 6, (20, 20)).astype("float32"))
    legend = written(tmp_path / "legend.tif", rng.random((20, 20)).astype("float32"))
    (tmp_path / "legend_legend.csv").write_text("code,label")
    coloured = written(tmp_path / "coloured.tif", rng.integers(0, 200, (20, 20)).astype("uint8"), {1: (255, 0, 0, 255)})
    notes = class_doubts([Source(path.stem, path) for path in (few, many, real, legend, coloured)])
    assert [note.split()[0] for note in notes] == ["few", "legend", "coloured"]
    assert class_doubts([Source("few", few, kind="class")]) == []


@pytest.mark.parametrize("values", [1, 2])
def test_masks_of_one_or_two_values_are_left_alone(tmp_path, values):
    path = written(tmp_path / "mask.tif", (np.arange(400).reshape(20, 20) % values).astype("uint8"))
    assert class_doubts([Source("mask", path)]) == []
