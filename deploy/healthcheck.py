"""Ask the service in this container how it is: exit 0 when it answers 200, 1 with a line that says what it did instead.

Flows in: a path (`/health`: the process is up, `/ready`: recovered and consuming) and the port from the environment.
Flows out: an exit code. Never imports anything but the standard library, and of that the least: it runs every few
seconds in every container, and the image has no curl.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException

TIMEOUT_S = 2.5
DEFAULT_PORT = "8004"


def main(path: str) -> int:
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
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "/health"))
