"""Sets of cells as bits: sixty-four cells to a word."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from edaphic.compiled import kernel

WORD = 64
U = np.uint64


@intrinsic  # type: ignore[misc]  # numba's decorator has no types
def not_above(_context: Any, values: Any, _start: Any, _limit: Any) -> Any:
    """Which of 64 float32 ``values`` from ``start`` on are not above the limit, the first in the lowest bit.

    Written as one comparison of 64 numbers, which the compiler turns into the widest instructions of the machine; a loop that sets bits
    one by one takes ten times as long.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = make_array(signature.args[0])(context, builder, arguments[0]).data  # type: ignore[no-untyped-call]
        many = ir.VectorType(ir.FloatType(), WORD)
        at = builder.bitcast(builder.gep(data, [arguments[1]]), many.as_pointer())
        first = builder.insert_element(ir.Constant(many, ir.Undefined), arguments[2], ir.Constant(ir.IntType(32), 0))
        every = ir.Constant(ir.VectorType(ir.IntType(32), WORD), [0] * WORD)
        limits = builder.shuffle_vector(first, ir.Constant(many, ir.Undefined), every)
        return builder.bitcast(builder.fcmp_ordered("<=", builder.load(at, align=4), limits), ir.IntType(WORD))

    return types.uint64(values, types.uint64, types.float32), build


@intrinsic  # type: ignore[misc]
def lowest(_context: Any, _word: Any) -> Any:
    """Place of the lowest bit of a word that is not 0."""

    def build(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), build


@intrinsic  # type: ignore[misc]
def ones(_context: Any, _word: Any) -> Any:
    """Bits of a word that are set."""

    def build(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), build


@kernel
def everyone(words, n):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    """The first n cells."""
    for w in range(words.shape[0]):
        left = n - w * WORD
        words[w] = ~U(0) if left >= WORD else (U(1) << U(max(left, 0))) - U(1)


@kernel
def part_bits(values, limit, here, left, right):  # type: ignore[no-untyped-def]  # compiled
    """Part a set in two; how many are not above the limit. ``left`` may be ``here``."""
    went = U(0)
    for w in range(U(here.shape[0])):
        word = here[w]
        below: Any = not_above(values, U(WORD) * w, limit)  # type: ignore[call-arg]  # the context is numba's
        goes = word & below
        right[w] = word & ~below
        left[w] = goes
        went += ones(goes)  # type: ignore[call-arg]
    return np.int64(went)


@kernel
def as_list(words, lists, begin):  # type: ignore[no-untyped-def]  # compiled
    """Write the cells of a set as a list."""
    at = U(begin)
    for w in range(U(words.shape[0])):
        word, first = words[w], U(WORD) * w
        while word != U(0):
            lists[at] = first + lowest(word)  # type: ignore[call-arg]
            word &= word - U(1)
            at += U(1)
