"""Sorting networks on columns of numbers that stand side by side.

A network makes the same comparisons whatever the numbers (Batcher 1968), so as many columns as a register holds are sorted together: the
rows of a batch stay in registers from the first comparison to the last.
"""

from __future__ import annotations

import functools
from typing import Any

import numba
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from edaphic.compiled import kernel

LANES = 64
"""Cells side by side."""
REGISTER_BITS = 256
U64 = ir.IntType(64)


@functools.cache
def network(size: int) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
    """Comparisons of Batcher's odd-even merge sort of ``size`` numbers (a power of two), and of the merge of a bitonic row of them.

    >>> network(2)
    (((0, 1),), ((0, 1),))
    >>> len(network(16)[0]), len(network(16)[1])
    (63, 32)
    """
    pairs = []
    p = 1
    while p < size:
        k = p
        while k >= 1:
            for j in range(k % p, size - k, 2 * k):
                pairs += [(i + j, i + j + k) for i in range(min(k, size - j - k)) if (i + j) // (2 * p) == (i + j + k) // (2 * p)]
            k //= 2
        p *= 2
    bitonic = []
    k = size // 2
    while k >= 1:
        bitonic += [(i, i + k) for i in range(size) if i & k == 0]
        k //= 2
    return tuple(pairs), tuple(bitonic)


@intrinsic(prefer_literal=True)  # type: ignore[misc]  # numba's decorator has no types
def _fold(_context: Any, batch: Any, least: Any, most: Any, _column: Any, size: Any) -> Any:
    """Sort ``size`` rows of a batch and fold them into the smallest and greatest so far; a register of columns, from ``column`` on."""
    if not isinstance(size, types.IntegerLiteral):
        return None
    rows, bits = size.literal_value, batch.dtype.bitwidth
    is_float = isinstance(batch.dtype, types.Float)
    element = {(True, 64): ir.DoubleType(), (False, 32): ir.IntType(32)}[is_float, bits]
    many = ir.VectorType(element, REGISTER_BITS // bits)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def places(k: int) -> list[Any]:
            data = make_array(signature.args[k])(context, builder, arguments[k]).data  # type: ignore[no-untyped-call]
            at = [builder.add(arguments[3], ir.Constant(U64, r * LANES)) for r in range(rows)]
            return [builder.bitcast(builder.gep(data, [where]), many.as_pointer()) for where in at]

        def smaller(a: Any, b: Any) -> Any:
            return builder.fcmp_ordered("<", a, b) if is_float else builder.icmp_signed("<", a, b)

        def compare(values: list[Any], pairs: tuple[tuple[int, int], ...]) -> None:
            for i, k in pairs:
                first = smaller(values[i], values[k])
                values[i], values[k] = builder.select(first, values[i], values[k]), builder.select(first, values[k], values[i])

        sort, merge = network(rows)
        new = [builder.load(at, align=bits // 8) for at in places(0)]
        compare(new, sort)
        for k, front in ((1, True), (2, False)):
            # Ascending beside descending: the smaller (greater) of each pair are the smallest (greatest) of both, in a bitonic row.
            held = [builder.load(at, align=bits // 8) for at in places(k)]
            for r in range(rows):
                a, b = held[r], new[rows - 1 - r]
                first = smaller(a, b)
                held[r] = builder.select(first, a, b) if front else builder.select(first, b, a)
            compare(held, merge)
            for r, at in enumerate(places(k)):
                builder.store(held[r], at, align=bits // 8)
        return context.get_dummy_value()

    return types.void(batch, least, most, types.uint64, size), build


@kernel
def fold(batch, least, most):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    """Fold the rows of a batch, each of LANES numbers, into the smallest and the greatest so far; each column by itself.

    ``least``, ``most``, ``batch`` (2, 4, 8, 16 or 32, LANES), both ascending down the rows; a batch is a block of memory.
    """
    size, step = batch.shape[0], numba.uint64(32 // batch.itemsize)
    for column in range(numba.uint64(0), numba.uint64(LANES), step):
        if size == 2:
            _fold(batch, least, most, column, 2)  # type: ignore[call-arg]  # the context is numba's
        elif size == 4:
            _fold(batch, least, most, column, 4)  # type: ignore[call-arg]
        elif size == 8:
            _fold(batch, least, most, column, 8)  # type: ignore[call-arg]
        elif size == 16:
            _fold(batch, least, most, column, 16)  # type: ignore[call-arg]
        elif size == 32:
            _fold(batch, least, most, column, 32)  # type: ignore[call-arg]
