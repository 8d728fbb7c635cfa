"""`python -m fillstream.services.api_monitor`: poll and publish until SIGTERM; see `app.serve`."""

from fillstream.services.api_monitor.app import serve

serve()
