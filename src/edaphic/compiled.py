"""Compiled functions, and the machine code of them that is kept on disk.

numba keeps machine code by itself, but in a way that a package of many kernels and a cluster of many workers cannot rely on:

- It looks at the file of a function only. A kernel takes constants and other kernels from other files, which are compiled into it: after
  an upgrade that changes only those, code of two versions would run together, with arrays shorter than one of them thinks.
- Two processes that compile two forms of one function (for other types) at the same time may keep one under the name of the other.

So code is kept here in a file for each form, named after it and holding it whole, and is taken only where everything that the kernel was
made of is still the same.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import sys
import uuid
import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, overload

import numba
from numba.core import caching, serialize

Result = TypeVar("Result")
ROOT = Path(__file__).parent
_IMPORTS = re.compile(r"^\s*(?:from (edaphic[\w.]*) import (\([^)]*\)|[^\n(]+)|import (edaphic[\w.]*))", re.MULTILINE)
_UNREADABLE = (OSError, EOFError, ValueError, AttributeError, ImportError, IndexError, pickle.UnpicklingError)


@overload
def kernel(function: Callable[..., Result], **options: Any) -> Callable[..., Result]: ...
@overload
def kernel(**options: Any) -> Callable[[Callable[..., Result]], Callable[..., Result]]: ...
def kernel(function: Any = None, **options: Any) -> Any:
    """Compile a function at its first call, without the lock of the interpreter; its machine code is kept for later processes.

    ``options`` are those of ``numba.njit``.

    >>> @kernel(error_model="numpy")
    ... def half(x):
    ...     return x / 2
    >>> half(3)
    1.5
    """
    if function is None:
        return lambda function: kernel(function, **options)
    dispatcher = numba.njit(nogil=True, **options)(function)
    if not function.__code__.co_filename.startswith(str(ROOT)):
        return dispatcher
    try:
        dispatcher._cache = _Cache(function)
    except RuntimeError:  # numba found no folder that can be written
        _tell()
    return dispatcher


@lru_cache(maxsize=1)
def _tell() -> None:
    text = "compiled functions cannot be kept, neither beside the package nor in the home of the user, and are compiled in each process"
    warnings.warn(f"{text}; NUMBA_CACHE_DIR names another folder", RuntimeWarning, stacklevel=4)


class _Cache(caching.FunctionCache):  # type: ignore[misc]  # numba has no types
    """numba's cache of a function, with files of our own."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        source = Path(function.__code__.co_filename)
        # Without the number of the line that numba puts into the name: code of another version is written over, not left behind.
        version = f"py{sys.version_info.major}{sys.version_info.minor}"
        self._cache_file = _Files(Path(self._cache_path), f"{source.stem}.{function.__qualname__}.{version}", source)  # type: ignore[assignment]


class _Files:
    """The kept forms of one function, a file for each."""

    def __init__(self, folder: Path, base: str, source: Path) -> None:
        self._folder, self._base, self._source = folder, base, source

    def _path(self, key: object) -> Path:
        return self._folder / f"{self._base}.{hashlib.sha256(repr(key).encode()).hexdigest()[:20]}.kernel"

    def load(self, key: object) -> Any:
        """What was kept, or None: nothing, something of other sources, or a file that was cut short."""
        try:
            content = self._path(key).read_bytes()
            check, content = content[:32], content[32:]
            if hashlib.sha256(content).digest() != check:
                return None
            made_of, kept_key, data = pickle.loads(content)
            return pickle.loads(data) if made_of == self._made_of() and kept_key == key else None
        except _UNREADABLE:  # what cannot be read is compiled anew and written over
            return None

    def save(self, key: object, data: object) -> None:
        content = pickle.dumps((self._made_of(), key, serialize.dumps(data)), protocol=5)  # type: ignore[no-untyped-call]
        path = self._path(key)
        part = path.with_name(f"{path.name}.{uuid.uuid4().hex[:12]}")
        try:
            part.write_bytes(hashlib.sha256(content).digest() + content)
            os.replace(part, path)
        except OSError as error:  # a full or vanished disk: the code in memory is well
            part.unlink(missing_ok=True)
            warnings.warn(f"{path.parent}: compiled functions cannot be kept there ({error.strerror})", RuntimeWarning, stacklevel=2)

    def flush(self) -> None:
        for path in self._folder.glob(f"{self._base}.*.kernel"):
            path.unlink(missing_ok=True)

    def _made_of(self) -> tuple[str, str]:
        return numba.__version__, made_of(self._source)


@lru_cache(maxsize=512)
def made_of(source: Path) -> str:
    """Hash of a file of this package and of all that it imports of the package, all the way down; as they were when first asked for.

    >>> made_of(ROOT / "progress.py") == made_of(ROOT / "progress.py") != made_of(ROOT / "errors.py")
    True
    """
    found = hashlib.sha256()
    for path in sources(source):
        found.update(f"{path.relative_to(ROOT).as_posix()}\0".encode() + _digest(path))
    return found.hexdigest()


@lru_cache(maxsize=1024)
def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def sources(source: Path) -> list[Path]:
    """A file of this package and the files of the package that it imports, all the way down, in order of their names."""
    seen: set[Path] = set()
    todo = [source]
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo += _imported(path)
    return sorted(seen)


@lru_cache(maxsize=1024)
def _imported(path: Path) -> tuple[Path, ...]:
    """Files of this package that a file imports."""
    out = []
    for module, names, plain in _IMPORTS.findall(path.read_text(encoding="utf-8")):
        out.append(_file_of(module or plain))
        out += [_file_of(f"{module}.{name}") for name in re.findall(r"\w+", re.sub(r"#.*|\bas\s+\w+", "", names))]
    return tuple(found for found in out if found is not None)


def _file_of(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split(".")[1:])
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)
