"""Build the C core through cffi in API mode with the limited API: one abi3 wheel serves every Python from 3.11.

A free-threaded Python has no limited API: it gets a wheel of its own.
"""

import sysconfig

from setuptools import setup

limited = {} if sysconfig.get_config_var("Py_GIL_DISABLED") else {"bdist_wheel": {"py_limited_api": "cp311"}}

setup(cffi_modules=["fillstream/native/build_ffi.py:ffibuilder"], options=limited)
