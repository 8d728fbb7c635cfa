"""Build `fillstream.native._core`: the C engine and the table of ids, and a binding made of their headers.

setup.py names this file in `cffi_modules`, and setuptools runs it from the project's root; hence the
relative sources. The headers go in, the extension comes out; nothing of the contract is written down here.
"""

import re
from pathlib import Path

from cffi import FFI

INCLUDE = Path(__file__).parent / "include"
HEADERS = ("fillstream.h", "ids.h", "caller.h")
NATIVE = "fillstream/native"
UNITS = ("fillstream", "host", "ids", "caller")  # the first includes the engine's others
SOURCES = [f"{NATIVE}/src/{name}.c" for name in UNITS]
PARTS = sorted(f"{NATIVE}/src/{path.name}" for path in (INCLUDE.parent / "src").glob("*.[ch]"))


def declarations(header: str) -> str:
    """Return what cffi can parse of a C header: types, functions, each number as `#define NAME ...`."""
    text = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    text = re.sub(r"#ifdef __cplusplus.*?#endif", "", text, flags=re.DOTALL)
    text = re.sub(r"^#define (\w+) .+$", r"@define \1 ...", text, flags=re.MULTILINE)
    text = re.sub(r"^#.*$", "", text, flags=re.MULTILINE)
    return text.replace("@define", "#define")


ffibuilder = FFI()
for header in HEADERS:
    ffibuilder.cdef(declarations((INCLUDE / header).read_text(encoding="utf-8")))
ffibuilder.set_source(
    "fillstream.native._core",
    "".join(f'#include "{header}"\n' for header in HEADERS),
    sources=SOURCES,
    include_dirs=[f"{NATIVE}/include"],
    depends=[*(f"{NATIVE}/include/{header}" for header in HEADERS), *PARTS],
    extra_compile_args=["-std=c11", "-O2", "-fvisibility=hidden", "-pthread"],
    extra_link_args=["-pthread"],
)
