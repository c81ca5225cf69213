"""The files of a stored model, read as what a stranger may have made: nothing in them is run, and nothing is taken on trust.

Arrays lie in an archive of ``.npy`` files that are not compressed, so an array is never larger than the file that holds it. The few
headers that numpy writes for plain arrays are known by heart; no other is looked at. Each file has its SHA-256 in a JSON document, and
that document has one of its own over the rest of it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import stat
import struct
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edaphic.errors import ModelError
from edaphic.files import write_text

FORMAT = 3
LARGEST_DOCUMENT = 64 * 2**20
"""Bytes of a JSON document or a table; a model of a thousand zones needs less than a tenth of them."""
DEEPEST = 16
"""How deep lists and objects of a document may stand in each other."""

_CHUNK = 2**20
_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(rb"\{'descr': '([<|][iuf]\d)', 'fortran_order': False, 'shape': \(([\d, ]{0,80})\), \} *\n")
_UNREADABLE = (zipfile.BadZipFile, OSError, ValueError, RuntimeError, EOFError, OverflowError, struct.error)


class Spec(NamedTuple):
    """What an array has to be: type as numpy writes it (``<f8``), and number of axes."""

    dtype: str
    axes: int = 1


def digest_of(document: Mapping[str, Any]) -> str:
    """SHA-256 over what a document says, in its order, without ``sha256`` itself.

    >>> digest_of({"a": 1, "sha256": "x"}) == digest_of({"a": 1})
    True
    """
    rest = {key: value for key, value in document.items() if key != "sha256"}
    text = json.dumps(rest, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def write_document(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON document of :data:`FORMAT` with its hash.

    Raises
    ------
    ModelError
        It holds a number that is not finite.
    """
    told = {"format": FORMAT, **document}
    try:
        write_text(path, json.dumps(told | {"sha256": digest_of(told)}, indent=1, allow_nan=False) + "\n")
    except ValueError as fault:
        raise ModelError(f"{path.name}: {fault}; expected finite numbers") from fault


def read_document(path: Path) -> dict[str, Any]:
    """Read what :func:`write_document` wrote.

    Raises
    ------
    ModelError
        No such file, too large, no JSON, keys that stand twice, nested too deep, another format, or altered.
    """
    data = read_bytes(path)
    try:
        document = json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_finite, parse_float=_finite)
        if not isinstance(document, dict):
            raise ValueError("no object")
        _check_depth(document)
        _check_format(path, document.get("format"))
        told = digest_of(document)
    except RecursionError as fault:
        raise ModelError(f"{path}: nested deeper than {DEEPEST} levels; expected a file written by Edaphic") from fault
    except ValueError as fault:
        raise ModelError(f"{path}: not a readable document ({short(str(fault))}); expected a file written by Edaphic") from fault
    if document.pop("sha256", None) != told:
        raise ModelError(f"{path}: altered or damaged (its SHA-256 is not the one it names); expected the file as it was written")
    return document


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} twice")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text}")
    return value


def _check_depth(document: object) -> None:
    level: list[object] = [document]
    for _ in range(DEEPEST):
        inner = [part for part in level if isinstance(part, (dict, list))]
        level = [part for one in inner for part in (one.values() if isinstance(one, dict) else one)]
        if not level:
            return
    raise RecursionError


def _check_format(path: Path, number: object) -> None:
    if number is None or type(number) is not int:
        raise ModelError(f"{path}: format {short(ascii(number))}; expected {FORMAT}")
    if number > FORMAT:
        own = installed_version("edaphic")
        raise ModelError(f"{path}: format {number}; this is Edaphic {own}, which reads {FORMAT}: expected a newer Edaphic")
    if number < FORMAT:
        raise ModelError(
            f"{path}: format {number}, made by an older version of Edaphic (this one reads {FORMAT}); expected a model made again with "
            "edaphic run --fresh"
        )


def read_bytes(path: Path, digest: str | None = None) -> bytes:
    """A small file, checked against its hash where one is given.

    Raises
    ------
    ModelError
        As :func:`opened`; or it is too large.
    """
    with opened(path, digest) as file:
        if os.fstat(file.fileno()).st_size > LARGEST_DOCUMENT:
            raise ModelError(f"{path}: more than {LARGEST_DOCUMENT // 2**20} MB; expected a file written by Edaphic")
        return file.read(LARGEST_DOCUMENT + 1)


@contextmanager
def opened(path: Path, digest: str | None = None) -> Iterator[BinaryIO]:
    """A file to read: a plain one, no link and no device; its bytes are those of the hash, where one is given.

    Raises
    ------
    ModelError
        There is no such file, it cannot be read, it is a link or no plain file, or its bytes have another hash.
    """
    try:
        kind = path.lstat().st_mode
        if not stat.S_ISREG(kind):
            what = "a link" if stat.S_ISLNK(kind) else "no plain file"
            raise ModelError(f"{path}: {what}; expected a file of its own in the model's folder")
        file = path.open("rb")
    except (OSError, ValueError) as fault:
        why = getattr(fault, "strerror", None) or str(fault)
        raise ModelError(f"{path}: not a readable model ({why}); expected the folder of a model with {path.name}") from fault
    with file:
        if digest is not None:
            _check_digest(path, file, digest)
        yield file


def _check_digest(path: Path, file: BinaryIO, digest: str) -> None:
    found = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        found.update(chunk)
    if found.hexdigest() != digest:
        raise ModelError(f"{path}: altered or cut short (SHA-256 is not the one noted beside it); expected the file as it was written")
    file.seek(0)


def write_arrays(path: Path, arrays: Mapping[str, NDArray], specs: Mapping[str, Spec]) -> str:
    """Write arrays of the given types as ``.npz``; gives the SHA-256 of the file.

    Raises
    ------
    ModelError
        An array cannot take its type without loss of kind.
    """
    plain = {}
    for name, spec in specs.items():
        array = np.asarray(arrays[name])
        if array.ndim != spec.axes or not np.can_cast(array.dtype, spec.dtype, "same_kind"):
            raise ModelError(f"{path.name}: {name} of type {array.dtype} and {array.ndim} axes; expected {spec.dtype} and {spec.axes}")
        plain[name] = np.asarray(array, dtype=spec.dtype, order="C")
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **plain)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_arrays(path: Path, digest: str, specs: Mapping[str, Spec]) -> dict[str, NDArray]:
    """Read what :func:`write_arrays` wrote: these arrays, of these types, and no others.

    Raises
    ------
    ModelError
        As :func:`opened`; or the archive holds other arrays, other types, or shapes that are not those of its bytes.
    """
    with opened(path, digest) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
                _check_members(members, specs, size)
                return {member.filename[:-4]: _array(archive, member, specs[member.filename[:-4]]) for member in members}
        except _UNREADABLE as fault:
            raise ModelError(f"{path}: not readable arrays ({short(str(fault))}); expected a file written by Edaphic") from fault


def _check_members(members: Sequence[zipfile.ZipInfo], specs: Mapping[str, Spec], size: int) -> None:
    names = [member.filename for member in members]
    wanted = [f"{name}.npy" for name in specs]
    if sorted(names) != sorted(wanted):
        other = sorted(set(names) ^ set(wanted))
        raise ValueError(f"{len(names)} arrays in place of {len(wanted)}" + (f", such as {short(ascii(other[0]))}" if other else ""))
    if any(member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1 for member in members):
        raise ValueError("arrays that are compressed or encrypted")
    # Without compression an archive cannot hold more than its bytes; one that says so has parts that overlap.
    if any(member.file_size != member.compress_size for member in members) or sum(member.file_size for member in members) > size:
        raise ValueError("arrays that are said to be larger than the file")


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, spec: Spec) -> NDArray:
    name = member.filename
    with archive.open(member) as stream:
        start = stream.read(10)
        if start[:8] != _MAGIC or len(start) < 10:
            raise ValueError(f"{name}: no array of numpy's first format")
        length = int.from_bytes(start[8:], "little")
        header = _HEADER.fullmatch(stream.read(length))
        if header is None:
            raise ValueError(f"{name}: no plain array of numbers")
        dtype = header[1].decode("ascii")
        shape = tuple(int(part) for part in header[2].decode("ascii").split(",") if part.strip())
        if dtype != spec.dtype or len(shape) != spec.axes:
            raise ValueError(f"{name}: type {dtype} and {len(shape)} axes in place of {spec.dtype} and {spec.axes}")
        if math.prod(shape) * np.dtype(dtype).itemsize != member.file_size - 10 - length:
            raise ValueError(f"{name}: a shape {short(str(shape))} that is not that of its bytes")
        out: NDArray = np.empty(shape, dtype=dtype)
        if out.size and stream.readinto(out.reshape(-1).view(np.uint8).data) != out.nbytes:  # type: ignore[attr-defined]
            raise EOFError(f"{name}: ends early")
        if stream.read(1):  # pragma: no cover - the size was compared above; reading on lets the archive check its sum
            raise ValueError(f"{name}: goes on behind its end")
        return out


def short(text: str, most: int = 80) -> str:
    """The beginning of a text, on one line and in ASCII.

    >>> short("a" * 100, 5)
    'aaaaa...'
    """
    plain = ascii(" ".join(text.split()))[1:-1]
    return plain if len(plain) <= most else f"{plain[:most]}..."
