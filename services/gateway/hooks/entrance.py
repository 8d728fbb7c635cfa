"""Who may post an alert: the key in the path, and the address that it comes from.

Flows in: connections. Flows out: a `Caller` with its hook, or a refusal. Never says or logs what a path has of a key
but its id, and never believes what a header says of an address unless a proxy that is named in the settings sent it.
"""

from __future__ import annotations

import logging
from typing import Final

from limits import RateLimitItemPerMinute
from limits.strategies import FixedWindowRateLimiter
from starlette.requests import Request

from fillstream.libs.common.values.networks import Address
from fillstream.services.gateway.http.access import ASKS, Caller, Door
from fillstream.services.gateway.http.counting import Counts
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.http.sources import Sources, place_of

logger = logging.getLogger(__name__)

FAILURES: Final = 20
"""Posts under keys that there are not, from one address in a minute."""


class Entrance:
    """Lets alerts in.

    Args:
        sources: tells from where somebody posts.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._failures = FixedWindowRateLimiter(Counts())
        self._item = RateLimitItemPerMinute(FAILURES)

    async def let_in(self, request: Request, kind: str, key: str) -> tuple[Caller, dict[str, str]]:
        """Return who posts, and the headers that say how often more it may.

        Args:
            request: as it came.
            kind: of hooks, by the path.
            key: `ID.SECRET`, by the path.

        Raises:
            Refusal: 403 of a key that is no hook's, and of another address than the hook's; 404 of a key that there is
                not, and of a hook of another kind; 429.
        """
        door: Door = request.scope["door"]
        if door.is_open:
            told = "hooks: need keys, and this gateway asks nobody for one (gateway.without_key)"
            raise Refusal(403, "keys_needed", told)
        address = self._sources.address(request)
        caller = await self._known(door, key, address)
        request.scope["caller"] = caller  # the log says whose call it was
        ASKS.set(caller)
        if caller.hook is None:
            raise Refusal(403, "not_a_hook", f"key: {caller.id} is no hook; `fillstream hook create` makes one")
        if not caller.hook.lets_in(address):
            logger.warning("hook %s is not for %s, which posted to it", caller.id, address or "an unknown address")
            raise Refusal(403, "source_not_allowed", f"source: {address} is none that hook {caller.id} is posted from")
        if caller.hook.kind != kind:
            told = f"path: hook {caller.id} is of {caller.hook.kind}, and not of {kind}"
            raise Refusal(404, "unknown_hook", told)
        return caller, door.count(caller)

    async def _known(self, door: Door, key: str, address: Address | None) -> Caller:
        """Return whose a key is. Who has failed often is not looked for anew; whose key is right comes in even then.

        So nobody who shares an address with a sender, as all of TradingView's users do, can keep it out.
        """
        key_id, _, secret = key.partition(".")
        found = door.find(key_id, secret)
        if isinstance(found, str):
            whose = place_of(address)
            if not self._failures.test(self._item, whose):
                told = f"source: {address} has posted under {FAILURES} keys in this minute that there are not"
                raise Refusal(429, "too_many_failures", told, {"Retry-After": "60"})
            again = await door.find_anew(key_id, secret)
            found = found if again is None else again
            if isinstance(found, str):
                self._failures.hit(self._item, whose)
                logger.warning("%s posts under a key that there is not", address or "an unknown address")
                raise Refusal(404, "unknown_hook", found)
        return found
