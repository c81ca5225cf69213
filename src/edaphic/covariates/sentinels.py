"""Numbers that are commonly stored for "no value" where nothing says so.

Which of them are worth a look depends on what the numbers measure: 255 may be a code of a class, but is no sign in a table of rain; 999.9
is one in a table of rain, and a height.
"""

from __future__ import annotations

import numpy as np

EVERYWHERE = (-999.0, -9999.0, -9999.9, -99999.0, -32768.0)
"""In files of any kind."""

OF_HEIGHTS = (*EVERYWHERE, -9999999.0, -10000.0, -32767.0, 32767.0, 65535.0, 9999.0, 99999.0)
"""In elevation models; 0 is another one, but may be a height."""

OF_CLIMATE_TABLES = (*EVERYWHERE, -999.9, -99.9, -99.99, -999.99, 9999.0, 99999.0, 9999.9, 999.9, 1e20)
"""In tables of stations; a value of 10^19 and beyond is one as well."""

OF_RASTERS = (*EVERYWHERE, float(np.float32(-9999.9)), 32767.0, 255.0, 65535.0, float(np.finfo(np.float32).min))
"""In rasters without a nodata tag, as float32 holds them too."""
