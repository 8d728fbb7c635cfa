"""All that Alpaca's clients ask for, below one prefix.

Flows in: the app. Flows out: routes and streams. Never has a route of its own.
"""

from __future__ import annotations

from fastapi import APIRouter

from fillstream.services.gateway.alpaca import account_routes, data_routes, order_routes, stream

router = APIRouter()
for room in (order_routes, account_routes, data_routes):
    router.include_router(room.router, prefix="/v2")
router.include_router(stream.router)
