"""Ask the process in this container how it is: exit 0 when it is well, 1 with a line that says what it is instead.

    healthcheck.py /ready              a service: 200 there (`/health`: the process is up, `/ready`: it consumes)
    healthcheck.py --touched FILE 30   a process without HTTP: it has touched this file within so many seconds

Flows in: the command line, and the port from the environment. Flows out: an exit code. Never imports anything but the
standard library, and of that the least: it runs every few seconds in every container, and the image has no curl.
"""

import os
import sys
import time
from http.client import HTTPConnection, HTTPException

TIMEOUT_S = 2.5
DEFAULT_PORT = "8004"


def touched(file: str, within_s: float) -> int:
    """Return the exit code for a file that is to be touched again and again."""
    try:
        age_s = time.time() - os.stat(file).st_mtime  # noqa: PTH116 - pathlib takes longer to import than all the rest
    except OSError as error:
        sys.stderr.write(f"{file}: {error.strerror}: nothing was done yet\n")
        return 1
    sys.stdout.write(f"{file} was touched {age_s:.0f} s ago; {within_s:.0f} s are allowed\n")
    return 0 if age_s <= within_s else 1


def asked(path: str) -> int:
    """Return the exit code for `path`."""
    port = os.environ.get("FILLSTREAM_SERVICE__PORT", DEFAULT_PORT)
    connection = HTTPConnection("127.0.0.1", int(port), timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read(200).decode("utf-8", "replace").strip()
    except (OSError, HTTPException) as error:
        sys.stderr.write(f"{path} on port {port}: {type(error).__name__}: {error}\n")
        return 1
    finally:
        connection.close()
    sys.stdout.write(f"{path} on port {port}: {answer.status} {text}\n")
    return 0 if answer.status == 200 else 1


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--touched", file, within_s]:
            sys.exit(touched(file, float(within_s)))
        case [path]:
            sys.exit(asked(path))
        case _:
            sys.exit(f"usage: {sys.argv[0]} PATH | --touched FILE SECONDS")
