"""Machine code that is kept on disk: of all that a kernel was made of, whole, and each form by itself."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edaphic import compiled
from edaphic.compiled import ROOT, _Files, made_of, sources
from edaphic.model import leaves, networks, percentiles

KERNEL = """
import numpy as np
from edaphic.compiled import kernel
from edaphic.sizes import WIDTH

@kernel
def total(values):
    out = values[0] * 0
    for i in range(WIDTH):
        out += values[i]
    return out
"""
USE = """
import sys
import numpy as np
from edaphic.sums import total
for dtype in sys.argv[1:]:
    print(total(np.ones(8, dtype=dtype)), len(total.stats.cache_hits))
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package of one kernel, whose constant stands in another file."""
    folder = tmp_path / "edaphic"
    folder.mkdir()
    shutil.copy(compiled.__file__, folder / "compiled.py")
    (folder / "__init__.py").touch()
    (folder / "sizes.py").write_text("WIDTH = 8\n")
    (folder / "sums.py").write_text(KERNEL)
    return folder


def start(package: Path, *dtypes: str, **environment: str) -> subprocess.Popen[str]:
    known = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    return subprocess.Popen(
        [sys.executable, "-c", USE, *dtypes], cwd=package.parent, env=known | {"PYTHONPATH": str(package.parent)} | environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def use(package: Path, *dtypes: str, **environment: str) -> tuple[list[tuple[float, int]], str]:
    """Sum and number of forms read from disk, for each type; and what was said."""
    running = start(package, *dtypes, **environment)
    out, said = running.communicate(timeout=120)
    assert running.returncode == 0, said
    return [(float(line.split()[0]), int(line.split()[1])) for line in out.splitlines()], said


def kept(package: Path) -> list[Path]:
    return sorted((package / "__pycache__").glob("*.kernel"))


def test_a_second_process_reads_what_the_first_compiled(package: Path) -> None:
    assert use(package, "float64")[0] == [(8.0, 0)]
    assert len(kept(package)) == 1
    assert use(package, "float64")[0] == [(8.0, 1)]


def test_another_constant_of_another_file_is_compiled_anew(package: Path) -> None:
    use(package, "float64")
    (package / "sizes.py").write_text("WIDTH = 4\n")
    assert use(package, "float64")[0] == [(4.0, 0)]
    assert len(kept(package)) == 1  # written over


def test_two_processes_that_compile_two_forms_at_once(package: Path) -> None:
    both = [start(package, dtype) for dtype in ("float64", "int32")]
    assert [running.communicate(timeout=120)[0].split()[0] for running in both] == ["8.0", "8"]
    assert len(kept(package)) == 2
    assert use(package, "int32", "float64")[0] == [(8.0, 1), (8.0, 2)]


@pytest.mark.parametrize("harm", ["cut", "empty", "other", "not code"])
def test_a_harmed_file_is_compiled_anew(package: Path, harm: str) -> None:
    use(package, "float64", "int32")
    one, two = kept(package)
    content = {"cut": one.read_bytes()[:-100], "empty": b"", "other": two.read_bytes(), "not code": b"no machine code" * 10}[harm]
    one.write_bytes(content)
    found, _ = use(package, "float64", "int32")
    assert [total for total, _ in found] == [8.0, 8.0]
    assert found[-1][1] == 1  # the other form was read, this one not
    assert use(package, "float64", "int32")[0][-1] == (8.0, 2)


def test_no_folder_to_keep_it_in_is_said(package: Path) -> None:
    (package / "__pycache__").touch()
    found, said = use(package, "float64", HOME=os.devnull, XDG_CACHE_HOME=os.devnull, PYTHONDONTWRITEBYTECODE="1")
    assert found == [(8.0, 0)]
    assert said.count("compiled functions cannot be kept") == 1 and "NUMBA_CACHE_DIR" in said


def test_a_disk_that_takes_no_more_is_said(tmp_path: Path) -> None:
    files = _Files(tmp_path / "gone", "sums.total.py311", ROOT / "errors.py")
    with pytest.warns(RuntimeWarning, match=r"gone: compiled functions cannot be kept there \(No such file or directory\)"):
        files.save(("int32",), b"code")
    assert files.load(("int32",)) is None


def test_forms_stand_by_themselves(tmp_path: Path) -> None:
    files = _Files(tmp_path, "sums.total.py311", ROOT / "errors.py")
    files.save(("int32",), b"one")
    files.save(("float64",), b"two")
    assert (files.load(("int32",)), files.load(("float64",)), files.load(("int8",))) == (b"one", b"two", None)
    files.flush()
    assert files.load(("int32",)) is None


def imported(path: Path) -> set[str]:
    """Modules of the package that a file imports, as Python itself reads it."""
    out = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports relative to the file are not looked for"
            if (node.module or "").split(".")[0] == "edaphic":
                out |= {str(node.module), *(f"{node.module}.{name.name}" for name in node.names)}
        elif isinstance(node, ast.Import):
            out |= {name.name for name in node.names if name.name.split(".")[0] == "edaphic"}
    return out


def test_all_that_is_imported_is_looked_at() -> None:
    for path in ROOT.rglob("*.py"):
        found = {compiled._file_of(module) for module in imported(path)} - {None}
        assert set(compiled._imported(path)) == found, path


def test_sources_of_a_kernel_are_those_it_is_made_of() -> None:
    names = {path.name for path in sources(Path(percentiles.__file__))}
    assert {"percentiles.py", "networks.py", "compiled.py"} <= names
    assert made_of(Path(percentiles.__file__)) != made_of(Path(networks.__file__))


def test_kernels_of_the_package_are_kept_by_it() -> None:
    assert isinstance(leaves.member_quantiles._cache._cache_file, _Files)
    for path in ROOT.rglob("*.py"):
        assert path.name == "compiled.py" or "njit" not in path.read_text(encoding="utf-8"), f"{path}: expected @kernel"
