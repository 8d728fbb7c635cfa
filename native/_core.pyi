"""The compiled core: `native/build_ffi.py` makes it from the C header, which is the one definition of its names."""

from typing import Any

ffi: Any
lib: Any
