"""Requests to a gateway: by which key, over what, and what is done when nobody knows whether one arrived.

Flows in: methods, paths, JSON. Flows out: responses that say something; a `GatewayError` for all others. Never follows
a redirect, never sends a key in clear to another machine unless that is asked for, and never sends anything again but
under an id that the desk knows again.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from fillstream.client.analytics import TIMEOUT_S
from fillstream.client.scripts import FIRST_WAIT_S, LONGEST_WAIT_S

CONNECT_S: Final = 5.0
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
AWAY: Final = (429, 502, 503, 504)
"""Statuses of a gateway, or what stands before it, that may say something else in a moment."""
_A_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,128}\.[A-Za-z0-9_-]{1,256}", re.ASCII)
_UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
"""What fails before anything of a request is sent."""


class GatewayError(Exception):
    """A gateway refused, or did not answer.

    Attributes:
        reason: a stable code in snake case, the gateway's own; `no_answer` where there was none.
        text: a sentence that names what was refused.
        status: of the HTTP response, None where there was none.
        problem: the members of the gateway's refusal (RFC 9457), empty where there was none.
    """

    def __init__(
        self, reason: str, text: str, status: int | None = None, problem: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text
        self.status = status
        self.problem = dict(problem or {})

    @property
    def is_away(self) -> bool:
        """Whether the same may be answered in a moment."""
        return self.status is None or self.status in AWAY

    @property
    def sentences(self) -> list[str]:
        """What is wrong, a sentence each."""
        return [str(each) for each in self.problem.get("errors") or (self.text,)]


def checked_url(url: str) -> str:
    """Return the URL of a gateway, without a slash at its end.

    Raises:
        ValueError: it is none; nothing of it is repeated: it may have a secret in it.
    """
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        fits = False
    if not fits:
        raise ValueError("url: must be https://host or http://host:port")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("url: must have no user, password or ? in it: the key is told by itself")
    return url.rstrip("/")


def checked_key(key: str | None) -> str | None:
    """Return a key that looks like one.

    Raises:
        ValueError: it does not; it is not repeated.
    """
    if key is not None and not _A_KEY.fullmatch(key):
        raise ValueError("key: must be ID.SECRET, as `fillstream key create` shows it once")
    return key


class Wire:
    """Connections to one gateway.

    Args:
        url: where it answers.
        key: `ID.SECRET`; None of a gateway that asks for none.
        ca_file: certificates to trust, PEM; None for the usual ones.
        insecure: let a key go to another machine over http://, where everybody on the way can read it.
        transport: of httpx; None for the network's.

    Raises:
        ValueError: the URL or the key is none, the key would go in clear, or the file has no certificate.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        ca_file: Path | None = None,
        insecure: bool = False,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = checked_url(url)
        key = checked_key(key)
        parts = urlsplit(self.url)
        self.host = parts.netloc
        if key is not None and parts.scheme == "http" and parts.hostname not in LOOPBACK and not insecure:
            raise ValueError(f"url: http://{self.host} would send the key in clear; it must be https://, or --insecure")
        headers = {"accept": "application/json"} | ({} if key is None else {"authorization": f"Bearer {key}"})
        self._http = httpx.Client(
            headers=headers,
            verify=True if ca_file is None else _trusting(ca_file),
            timeout=httpx.Timeout(TIMEOUT_S, connect=CONNECT_S),
            follow_redirects=False,
            trust_env=False,
            transport=transport,
        )

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> httpx.Response:
        """Return the response to a request: what was asked for, or what is wrong with the request.

        Args:
            method: of HTTP.
            path: below the gateway's URL, or that with a path.
            params, json, headers: of the request.
            timeout_s: how long each part of the answer may take.

        Raises:
            GatewayError: nobody answers, a redirect, the key may not, too many calls, or nobody can say now.
        """
        url = path if path.startswith(self.url) else f"{self.url}{path}"
        timeout = httpx.Timeout(timeout_s, connect=CONNECT_S)
        try:
            told = self._http.request(
                method, url, params=dict(params or {}), json=json, headers=dict(headers or {}), timeout=timeout
            )
        except httpx.TransportError as error:
            said = str(error).removesuffix(".") or type(error).__name__
            raise GatewayError("no_answer", f"the gateway at {self.host} does not answer: {said}") from error
        if told.is_redirect:
            text = f"the gateway at {self.host} points elsewhere ({told.status_code}), where the key is not sent"
            raise GatewayError("redirected", f"{text}: --url must be its own address", told.status_code)
        if told.status_code in (401, 403) or told.status_code in AWAY or told.status_code >= 500:
            raise error_of(told, self.host)
        return told

    def json(self, method: str, path: str, **more: Any) -> Any:
        """Return what a response says.

        Raises:
            GatewayError: as `request`, and for whatever is refused.
        """
        told = self.request(method, path, **more)
        if not told.is_success:
            raise error_of(told, self.host)
        return _document(told, self.host)

    def send(self, path: str, body: Mapping[str, Any], named: str, within_s: float, **more: Any) -> Any:
        """Return what a POST is answered, which is sent again as long as nobody knows whether it arrived.

        Args:
            path, body: of the request; in the body, or in a header, is an id that the desk knows again.
            named: that id, for people.
            within_s: how long it is tried.
            more: as of `request`.

        Raises:
            GatewayError: it is refused; or after that time, nobody knows.
        """
        deadline, wait_s, may_be_there = time.monotonic() + within_s, FIRST_WAIT_S, False
        while True:
            try:
                return self.json("POST", path, json=dict(body), **more)
            except GatewayError as error:
                is_unsent = isinstance(error.__cause__, _UNSENT) or error.status == 429
                if not error.is_away or (is_unsent and not may_be_there):
                    raise
                may_be_there = True
                if time.monotonic() + wait_s >= deadline:
                    told = f"{error.text}; whether {named} was taken is not known: send it again under the same id"
                    raise GatewayError("outcome_unknown", told, error.status, error.problem) from error
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)


def error_of(told: httpx.Response, host: str) -> GatewayError:
    """Return what a gateway refused, by its own words; where something else answered, by the status."""
    try:
        problem = told.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict) or "reason" not in problem:
        text = f"{host} answered {told.status_code} and is no gateway, or something before it answered"
        return GatewayError("no_gateway", text, told.status_code)
    return GatewayError(str(problem["reason"]), str(problem.get("detail")), told.status_code, problem)


def _document(told: httpx.Response, host: str) -> Any:
    try:
        found = told.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise GatewayError("no_gateway", f"{host} answered something else than a gateway does", told.status_code)
    return found


def _trusting(ca_file: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"ca_file: {ca_file} has no certificates that can be read: {error}") from None


def texts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as JSON takes them: numbers as text, exact to the digit; None is left out.

    Raises:
        ValueError: one is a float, which is not the number that was meant.
    """
    return {name: _text(name, value) for name, value in values.items() if value is not None}


def _text(name: str, value: Any) -> Any:
    match value:
        case None | bool() | str():
            return value
        case float():
            raise ValueError(f"{name}: {value} is a float, which is inexact; say it as text, or as a Decimal")
        case Mapping():
            return {str(key): _text(f"{name}.{key}", each) for key, each in value.items()}
        case Sequence():
            return [_text(name, each) for each in value]
    return str(value)
