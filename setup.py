"""Build the C core through cffi in API mode with the limited API: one abi3 wheel serves every Python from 3.11."""

from setuptools import setup

setup(
    cffi_modules=["fillstream/native/build_ffi.py:ffibuilder"],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
