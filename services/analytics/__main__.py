"""`python -m fillstream.services.analytics`: serve; with `accept-gaps` behind it: see `app.accept`."""

import sys

from fillstream.services.analytics.app import accept, serve

match sys.argv[1:]:
    case []:
        serve()
    case ["accept-gaps"]:
        accept()
    case _:
        sys.stderr.write("usage: python -m fillstream.services.analytics [accept-gaps]\n")
        sys.exit(64)
