"""The descent of a block reads its own cells and nothing else."""

import subprocess
import sys

import numpy as np

GUARDED = """
import ctypes, mmap, sys
import numpy as np
from edaphic.model.descent import SPARE, Block, descend, room, words
from edaphic.model.forest import Settings, train
from edaphic.model.packed import pack

cells, size, q = int(sys.argv[1]), 4096, 3
r = np.random.default_rng(1)
x = r.normal(size=(200, q)).astype(np.float32)
forest = train(x, x[:, 2] + x[:, 0], Settings(trees=5), log=False, seed=1)
packed = pack(forest)
width = words(cells) * 64 + SPARE
page = mmap.PAGESIZE
memory = mmap.mmap(-1, (-(-4 * q * width // page) + 1) * page)
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
last = start + len(memory) - page
libc = ctypes.CDLL(None, use_errno=True)
assert libc.mprotect(ctypes.c_void_p(last), page, 0) == 0  # whoever reads behind the features dies
features = np.frombuffer((ctypes.c_char * (4 * q * width)).from_address(last - 4 * q * width), dtype=np.float32).reshape(q, width)
features[:] = 0
features[:, :cells] = r.normal(size=(q, cells))
block = Block(features, features[:, :cells].min(axis=1), features[:, :cells].max(axis=1), np.zeros((1, 0), dtype=np.float32), cells)
space = room(size, 1, packed.longest)
reached = np.zeros((forest.trees, 1, size), dtype=packed.code)
for t in range(forest.trees):
    descend(packed.nodes.roots[t], packed.nodes, block, space, reached[t])
print(reached[:, 0, :cells].sum())
"""


def test_a_small_block_in_a_large_room_reads_nothing_behind_its_features() -> None:
    for cells in (300, 2500, 4096):
        done = subprocess.run([sys.executable, "-c", GUARDED, str(cells)], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{cells} cells: ended with {done.returncode} {done.stderr[-300:]}"
        assert np.isfinite(float(done.stdout))
