"""`python -m services.analytics`: serve; `python -m services.analytics accept-gaps`: see `app.accept`."""

import sys

from services.analytics.app import accept, serve

match sys.argv[1:]:
    case []:
        serve()
    case ["accept-gaps"]:
        accept()
    case _:
        sys.stderr.write("usage: python -m services.analytics [accept-gaps]\n")
        sys.exit(64)
