"""Keys of a gateway in memory, and the header that shows one."""

from __future__ import annotations

from typing import Any

from fillstream.libs.common.process.keys import Key, KeyRing, make, scopes_of
from fillstream.services.gateway.http.access import Caller
from fillstream.services.gateway.http.keyring import caller_of_key


class Keys:
    """Keys in memory; those of `fresh` are known from the first look on."""

    def __init__(self) -> None:
        self.ring = KeyRing()
        self.kept: dict[bytes, bytes] = {}
        self.looks = 0

    def make(self, role: str, *accounts: str, known: bool = True, **more: Any) -> tuple[Key, str]:
        key, secret = make(role, scopes_of(role), now_ms=1, who="test", accounts=accounts, **more)
        self.kept[key.id.encode()] = key.dump()
        if known:
            self.ring.load(self.kept)
        return key, f"{key.id}.{secret}"

    def find(self, key_id: str, secret: str, now_ms: int) -> Caller | str:
        found = self.ring.find(key_id, secret, now_ms)
        return found if isinstance(found, str) else caller_of_key(found)

    def is_live(self, key_id: str) -> bool:
        return self.ring.is_live(key_id, 1)

    async def renew(self, key_id: str) -> bool:
        self.looks += 1
        self.ring.load(self.kept)
        return True


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}
