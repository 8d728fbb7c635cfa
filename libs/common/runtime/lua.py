"""The scripts that run in the server, as text.

Flows in: their names. Flows out: what to load. Never runs one.
"""

from __future__ import annotations

from importlib.resources import files


def lua(name: str, *before: str) -> str:
    """Return a script with what it calls; a first line that says how the server is to take it stays the first.

    Args:
        name: of its file.
        before: files of functions that it calls.
    """
    folder = files("fillstream.libs.common.runtime")
    script = folder.joinpath(name).read_text()
    shebang = ""
    if script.startswith("#!"):
        shebang, _, script = script.partition("\n")
        shebang += "\n"
    return shebang + "".join(folder.joinpath(each).read_text() for each in before) + script
