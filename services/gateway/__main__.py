"""`python -m fillstream.services.gateway`: serve."""

from fillstream.services.gateway.app import serve

serve()
