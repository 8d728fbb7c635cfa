"""What the OWASP sheets on authentication, sessions and request forgery ask for, of people who log in by a browser."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import orjson
import pytest
import websockets
from websockets.exceptions import ConnectionClosed

from fillstream.libs.common.process import passwords
from fillstream.libs.common.process.sessions import csrf_of, id_of, is_csrf, new_secret
from fillstream.services.gateway.http import access
from fillstream.services.gateway.http.desk_headers import POLICY, desk_headers
from fillstream.services.gateway.v1 import stream
from tests.support.gateway_keys import bearer
from tests.support.gateway_people import GOOD, NAMES, Browser, PeopleDesk
from tests.support.served import served

ORDER = {"symbol": "AAPL", "side": "BUY", "quantity": "10"}
OWN = "http://127.0.0.1:8000"


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch, redis_url: str) -> PeopleDesk:
    return PeopleDesk(monkeypatch, redis_url, proxies='["10.0.0.0/8"]')


def reason(told: httpx.Response) -> tuple[int, str]:
    return told.status_code, told.json()["reason"]


# --------------------------------------------------------------------------------------------------------- cookies


def test_the_cookie_is_for_this_host_and_no_script(people: PeopleDesk) -> None:
    people.make()

    async def play() -> None:
        browser = await people.browser()
        name, _, flags = browser.set_cookie.partition(";")
        assert name == f"fillstream_session={browser.secret}"
        assert flags == " HttpOnly; SameSite=Strict; Path=/"

    people.play(play)


def test_over_https_the_cookie_goes_over_nothing_else_and_a_plain_one_is_none(people: PeopleDesk) -> None:
    """A page below the same name could have set a plain one; that with the prefix is this host's alone."""
    people.make()

    async def play() -> None:
        browser = Browser(people.desk, "https://desk.example.com")
        assert (await browser.log_in()).status_code == 200
        assert browser.set_cookie == (
            f"__Host-fillstream_session={browser.secret}; HttpOnly; SameSite=Strict; Path=/; Secure"
        )
        assert (await browser.ask("GET", "/v1/session")).status_code == 200
        own = {"origin": "https://desk.example.com"}
        assert (await browser.ask("POST", "/v1/orders", json=ORDER, headers=own)).status_code == 201
        browser.cookie = f"fillstream_session={browser.secret}"
        assert reason(await browser.ask("GET", "/v1/session")) == (401, "login_needed")
        assert reason(await browser.ask("GET", "/v1/orders")) == (401, "key_missing")

    people.play(play)


def test_a_proxy_of_ours_says_by_which_address_a_browser_asks_and_nobody_else_does(people: PeopleDesk) -> None:
    people.make()
    said = {"x-forwarded-proto": "https", "x-forwarded-host": "desk.example.com", "x-forwarded-for": "192.0.2.7"}
    foreign, own = {"origin": OWN}, {"origin": "https://desk.example.com"}

    async def play() -> None:
        behind = Browser(people.desk)
        told = await behind.log_in(client="10.1.2.3", headers={**said, **own})
        assert told.status_code == 200
        assert behind.set_cookie.startswith("__Host-fillstream_session=") and behind.set_cookie.endswith("; Secure")
        again = await behind.ask("POST", "/v1/orders", json=ORDER, client="10.1.2.3", headers={**said, **own})
        assert again.status_code == 201
        again = await behind.ask("POST", "/v1/orders", json=ORDER, client="10.1.2.3", headers={**said, **foreign})
        assert reason(again) == (403, "csrf_refused")
        session = orjson.loads(people.redis.hget(NAMES.sessions, id_of(behind.secret) or "") or b"")
        assert session["address"] == "192.0.2.7"
        other = Browser(people.desk)
        assert reason(await other.log_in(client="192.0.2.9", headers={**said, **own})) == (403, "csrf_refused")
        assert (await other.log_in(client="192.0.2.9", headers=said)).status_code == 200
        assert "Secure" not in other.set_cookie
        session = orjson.loads(people.redis.hget(NAMES.sessions, id_of(other.secret) or "") or b"")
        assert session["address"] == "192.0.2.9"

    people.play(play)


def test_of_two_cookies_of_one_name_neither_counts(people: PeopleDesk) -> None:
    people.make()

    async def play() -> None:
        browser, other = await people.browser(), await people.browser()
        cookie, its = browser.cookie, other.cookie
        browser.cookie = f"{cookie}; {its}"
        assert reason(await browser.ask("GET", "/v1/session")) == (401, "login_needed")
        browser.cookie = f"a=b; {cookie}; xfillstream_session={'x' * 43}; fillstream_sessions=y"
        assert (await browser.ask("GET", "/v1/session")).status_code == 200

    people.play(play)


# -------------------------------------------------------------------------------------------------------- fixation


def test_a_login_is_under_a_secret_of_its_own_whatever_the_browser_shows(people: PeopleDesk) -> None:
    people.make()
    people.make("ben")

    async def play() -> None:
        planted = new_secret()
        browser = Browser(people.desk)
        browser.cookie = f"fillstream_session={planted}"
        assert (await browser.log_in()).status_code == 200
        assert browser.secret != planted
        first = browser.secret
        assert (await browser.log_in("ben")).status_code == 200
        assert browser.secret not in (first, planted)
        for old in (planted, first):
            stale = Browser(people.desk)
            stale.cookie = f"fillstream_session={old}"
            assert reason(await stale.ask("GET", "/v1/session")) == (401, "login_needed"), "nor goes the one before on"
        assert (await browser.ask("GET", "/v1/session")).json()["user"] == "ben"

    people.play(play)


# --------------------------------------------------------------------------------------------------------- forgery

WRITES = [
    ("POST", "/v1/orders"), ("POST", "/v1/orders/batch"), ("POST", "/v1/signals"), ("PATCH", "/v1/orders/1"),
    ("DELETE", "/v1/orders/1"), ("DELETE", "/v1/orders"), ("POST", "/v1/halt"), ("PUT", "/v1/session/password"),
    ("DELETE", "/v1/session"), ("POST", "/v1/sql"), ("POST", "/v1/nothing"), ("OPTIONS", "/v1/orders"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_nothing_that_changes_something_is_taken_without_the_token(people: PeopleDesk, method: str, path: str) -> None:
    people.make("anna", "admin")

    async def play() -> None:
        browser, other = await people.browser(), await people.browser()
        sent = len(people.desk.sent)
        wrong: list[tuple[str | None, dict[str, str]]] = [
            (None, {}), ("x", {}), (other.csrf, {}), (browser.secret, {}), (browser.csrf[:-1], {}),
            (browser.csrf, {"origin": "https://evil.example"}), (browser.csrf, {"origin": "null"}),
            (browser.csrf, {"origin": "http://127.0.0.1:8001"}), (browser.csrf, {"origin": "https://127.0.0.1:8000"}),
            (browser.csrf, {"origin": "http://127.0.0.1:8000.evil.example"}), (None, {"origin": OWN}),
        ]  # fmt: skip
        for csrf, headers in wrong:
            told = await browser.ask(method, path, csrf=csrf, headers=headers)
            assert reason(told) == (403, "csrf_refused"), (csrf, headers)
            assert browser.csrf not in told.text
        assert len(people.desk.sent) == sent
        assert (await browser.ask("GET", "/v1/session")).status_code == 200

    people.play(play)


def test_the_page_itself_is_let_in_with_its_origin_and_without(people: PeopleDesk) -> None:
    people.make()

    async def play() -> None:
        browser = await people.browser()
        for origin in (OWN, OWN.upper(), None):
            headers = {} if origin is None else {"origin": origin}
            assert (await browser.ask("POST", "/v1/orders", json=ORDER, headers=headers)).status_code == 201
        browser = Browser(people.desk, "http://desk.example.com")
        assert (await browser.log_in(headers={"origin": "http://desk.example.com"})).status_code == 200
        told = await browser.ask("POST", "/v1/orders", json=ORDER, headers={"origin": "http://desk.example.com:80"})
        assert told.status_code == 201, "the port that http has anyhow"

    people.play(play)


def test_another_page_logs_nobody_in(people: PeopleDesk) -> None:
    """Else somebody would work under another's name without knowing."""
    people.make()

    async def play() -> None:
        browser = Browser(people.desk)
        for origin in ("https://evil.example", "null"):
            assert reason(await browser.log_in(headers={"origin": origin})) == (403, "csrf_refused")
        assert browser.cookie is None
        text = {"content-type": "text/plain"}  # what a form of another page could send
        body = orjson.dumps({"user": "anna", "password": GOOD})
        told = await browser.ask("POST", "/v1/session", content=body, headers=text)
        assert reason(told) == (415, "bad_content_type")

    people.play(play)


def test_a_token_is_of_its_session_alone_and_tells_nothing_of_it() -> None:
    secrets = [new_secret() for _ in range(50)]
    tokens = [csrf_of(secret) for secret in secrets]
    assert len({*secrets, *tokens}) == 100
    for secret, token in zip(secrets, tokens, strict=True):
        assert len(token) == len(secret) == 43
        assert is_csrf(secret, token)
        assert token != id_of(secret)
        for wrong in (
            "",
            token[:-1],
            token + "A",
            secret,
            tokens[0] if token != tokens[0] else tokens[1],
            "\u00e9",
            "\ud800",
        ):
            assert not is_csrf(secret, wrong)


# ---------------------------------------------------------------------------------------------------- enumeration


def test_who_is_there_is_told_neither_by_words_nor_by_the_work(
    people: PeopleDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.make()
    people.make("ben")
    people.make("eve")
    people.change("ben", "disabled")
    people.redis.hdel(NAMES.passwords, "eve")
    parameters: list[str] = []
    matches = passwords.matches

    def counted(argon2id: str, password: str) -> bool:
        parameters.append(argon2id.rpartition("$")[0].rpartition("$")[0])
        return matches(argon2id, password)

    monkeypatch.setattr(passwords, "matches", counted)

    async def play() -> None:
        told = []
        for name, password in (
            ("anna", "wrong password"), ("ben", GOOD), ("ben", "wrong password"), ("nobody", GOOD), ("eve", GOOD),
            ("a b", GOOD), ("", GOOD), ("anna", ""), ("Anna", GOOD), ("anna ", GOOD),
        ):  # fmt: skip
            parameters.clear()
            source = f"192.0.2.{len(told)}"  # else the address would be locked
            answer = await Browser(people.desk).log_in(name, password, client=source)
            assert reason(answer) == (401, "login_refused")
            told.append((answer.content, *parameters))
            assert "set-cookie" not in answer.headers
        assert len(set(told)) == 1, "the same sentence, and one look at a hash of the same cost"
        assert len(told[0]) == 2

    people.play(play)


# ------------------------------------------------------------------------------------------------------- streams


async def _opened(port: int, *, cookie: str | None, origin: str | None, key: str | None = None) -> Any:
    headers = {**({"cookie": cookie} if cookie else {}), **({"origin": origin} if origin else {})}
    headers |= bearer(key) if key else {}
    async with websockets.connect(f"ws://127.0.0.1:{port}/v1/stream", additional_headers=headers, proxy=None) as socket:
        told = orjson.loads(await asyncio.wait_for(socket.recv(), 10))
        if told["type"] == "refused":
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008
        return told


def test_a_stream_is_opened_by_the_cookie_from_the_own_page_alone_and_ends_with_the_session(
    people: PeopleDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "STAYS_S", 0.01)
    monkeypatch.setattr(stream, "STAYS_S", 0.01)
    people.make()
    people.make("ben")
    _, admin = people.keys.make("admin")

    with served(people.desk) as port:
        asyncio.run(_streams(people, port, admin))
    people.redis.close()


async def _streams(people: PeopleDesk, port: int, admin: str) -> None:
    own = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=own, trust_env=False) as http:
        told = await http.post("/v1/session", json={"user": "anna", "password": GOOD})
        cookie = told.headers["set-cookie"].partition(";")[0]
        for origin in (None, "https://evil.example", "null", f"http://127.0.0.1:{port + 1}"):
            refused = await _opened(port, cookie=cookie, origin=origin)
            assert (refused["type"], refused["reason"]) == ("refused", "csrf_refused"), origin
        stale = await _opened(port, cookie=f"fillstream_session={'x' * 43}", origin=own)
        assert (stale["type"], stale["reason"]) == ("refused", "login_needed")
        by_key = await _opened(port, cookie=cookie, origin=None, key=admin)
        assert by_key["name"] == "admin"
        headers = {"cookie": cookie, "origin": own}
        async with (
            websockets.connect(f"ws://127.0.0.1:{port}/v1/stream", additional_headers=headers, proxy=None) as socket,
            http.stream("GET", "/v1/stream", params={"topics": "orders"}, headers={"cookie": cookie}) as events,
        ):
            assert orjson.loads(await socket.recv()) == {"type": "authorized", "key": "user:anna", "name": "anna"}
            await socket.send(orjson.dumps({"action": "subscribe", "topic": "orders"}).decode())
            assert orjson.loads(await socket.recv())["type"] in ("subscribed", "snapshot")
            assert events.status_code == 200
            csrf = told.json()["csrf"]
            gone = await http.delete("/v1/session", headers={"cookie": cookie, "x-csrf-token": csrf})
            assert gone.status_code == 204

            async def rest() -> None:
                async for _ in events.aiter_raw():
                    pass

            await asyncio.wait_for(rest(), 10)
            with pytest.raises(ConnectionClosed):
                while True:
                    await asyncio.wait_for(socket.recv(), 10)


# --------------------------------------------------------------------------------------------------- the page itself


def test_the_page_may_load_its_own_things_and_stands_in_no_frame() -> None:
    told = desk_headers()
    policy = dict(each.split(" ", 1) for each in told["content-security-policy"].split("; "))
    assert policy == POLICY == {
        "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self' data:",
        "connect-src": "'self'", "font-src": "'self'", "base-uri": "'none'", "form-action": "'self'",
        "frame-ancestors": "'none'",
    }  # fmt: skip
    assert told["referrer-policy"] == "no-referrer"
    assert told["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in told["permissions-policy"]


def test_what_libraries_add_is_styles_alone() -> None:
    nonce = "c2VjcmV0IG5vbmNlIQ=="
    by_nonce = desk_headers(style_nonce=nonce)["content-security-policy"]
    assert f"style-src-elem 'self' 'nonce-{nonce}'" in by_nonce
    assert "script-src 'self';" in by_nonce and "unsafe" not in by_nonce
    for wrong in ("short", "x" * 15, "x' 'unsafe-inline", "x" * 16 + ";", ""):
        with pytest.raises(ValueError, match="style_nonce: "):
            desk_headers(style_nonce=wrong)
