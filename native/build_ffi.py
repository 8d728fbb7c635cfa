"""Build `fillstream.native._core`: the C engine, and a binding whose declarations are read out of its header.

setup.py names this file in `cffi_modules`, and setuptools runs it from the project's root; hence the
relative sources. The header goes in, the extension comes out; nothing of the contract is written down here.
"""

import re
from pathlib import Path

from cffi import FFI

HEADER = Path(__file__).parent / "include" / "fillstream.h"
NATIVE = "fillstream/native"
SOURCES = [f"{NATIVE}/src/fillstream.c", f"{NATIVE}/src/host.c"]  # the first includes the engine's others
PARTS = sorted(f"{NATIVE}/src/{path.name}" for path in (HEADER.parents[1] / "src").glob("*.[ch]"))


def declarations(header: str) -> str:
    """Return what cffi can parse of a C header: types, functions, each number as `#define NAME ...`."""
    text = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    text = re.sub(r"#ifdef __cplusplus.*?#endif", "", text, flags=re.DOTALL)
    text = re.sub(r"^#define (\w+) .+$", r"@define \1 ...", text, flags=re.MULTILINE)
    text = re.sub(r"^#.*$", "", text, flags=re.MULTILINE)
    return text.replace("@define", "#define")


ffibuilder = FFI()
ffibuilder.cdef(declarations(HEADER.read_text(encoding="utf-8")))
ffibuilder.set_source(
    "fillstream.native._core",
    '#include "fillstream.h"',
    sources=SOURCES,
    include_dirs=[f"{NATIVE}/include"],
    depends=[f"{NATIVE}/include/fillstream.h", *PARTS],
    extra_compile_args=["-std=c11", "-O2", "-fvisibility=hidden", "-pthread"],
    extra_link_args=["-pthread"],
)
