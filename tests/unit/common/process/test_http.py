"""A process's HTTP side: who it is, its document without anything from elsewhere, and a sentence for all else."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
import yaml
from faststream.redis import RedisBroker
from prometheus_client import CollectorRegistry

from fillstream.libs.common.messages.stages import READERS, STAGES
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.process.app import Description, describe, describe_reader, describe_stage, probes
from fillstream.libs.common.process.asyncapi_page import kind, page
from fillstream.libs.common.process.http import ServiceApp

TOPOLOGY = Topology(account_partitions=2, symbol_partitions=2)
EVERY = [
    *(describe_stage(spec, 0, TOPOLOGY) for spec in STAGES.values()),
    describe_reader(READERS["analytics"], TOPOLOGY),
]
PATHS = ["/", "/health", "/ready", "/metrics", "/docs", "/docs.json", "/docs.yaml"]


def ask(about: Description, path: str, method: str = "GET", **more: Any) -> httpx.Response:
    broker = RedisBroker("redis://127.0.0.1:1")
    routes = probes(broker, threading.Event(), CollectorRegistry())
    app = ServiceApp(broker, about=describe(about, "redis://me:secret@there:7000"), routes=routes)

    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.request(method, path, **more)

    return asyncio.run(request())


class Links(HTMLParser):
    """What a page names: its links, its anchors, and whatever a browser would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.loads: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        if tag == "a":
            self.links.add(given["href"] or "")
        if "id" in given:
            self.anchors.add(given["id"] or "")
        self.loads += [f"{tag} {name}" for name in given if name in ("src", "action", "data", "poster", "srcset")]
        self.loads += [f"{tag} {name}" for name in given if name.startswith("on")]
        if tag in ("script", "link", "iframe", "object", "embed", "base", "form"):
            self.loads.append(tag)


def links(html: str) -> Links:
    found = Links()
    found.feed(html)
    return found


@pytest.mark.parametrize("about", EVERY, ids=lambda about: about.title)
def test_the_page_of_the_streams_needs_nobody_and_says_all_of_them(about: Description) -> None:
    answer = ask(about, "/docs")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    found = links(answer.text)
    assert found.loads == []
    assert "url(" not in answer.text
    assert "@import" not in answer.text
    assert found.links - {"/docs.json", "/docs.yaml"} <= {f"#{anchor.replace('%', '%25')}" for anchor in found.anchors}
    assert "secret" not in answer.text
    for channel in (*about.reads, *about.writes):
        assert channel.stream in answer.text
    document = ask(about, "/docs.json").json()
    assert yaml.safe_load(ask(about, "/docs.yaml").text) == document
    for name in document["components"]["schemas"]:
        assert name in answer.text


def test_nothing_of_a_document_becomes_markup() -> None:
    evil = "<script>alert(1)</script>\"'"
    about = describe_stage(STAGES["signals"], 0, TOPOLOGY)
    document = json.loads(describe(about, "redis://there").to_specification().to_json())

    def poison(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: poison(each) if key != "$ref" else each for key, each in value.items()}
        if isinstance(value, list):
            return [poison(each) for each in value]
        return evil if isinstance(value, str) and value not in ("receive", "send", "array") else value

    html = page(poison(document))
    assert links(html).loads == []
    assert "script" not in links(html).tags
    assert "&lt;script&gt;" in html
    assert "<script" not in kind({"enum": [evil]}) + kind({"const": evil}) + kind({"type": evil, "pattern": evil})


def test_a_kind_of_value_is_said_in_a_few_words() -> None:
    for schema, said in {
        '{"anyOf": [{"type": "string"}, {"type": "null"}]}': "string or null",
        '{"$ref": "#/components/schemas/Order%7Ba%7D"}': "Order{a}",
        '{"type": "array", "items": {"type": "integer", "minimum": 1}}': "list of integer, at least 1",
        '{"type": "array", "prefixItems": [{"type": "integer"}, {"const": "BUY"}]}': "list of (integer, BUY)",
        '{"enum": ["BUY", "SELL"]}': "BUY, SELL",
        "true": "anything",
        "{}": "anything",
    }.items():
        assert re.sub(r"<[^>]+>", "", kind(json.loads(schema))) == said


def test_the_front_page_names_the_process_and_its_addresses() -> None:
    about = EVERY[0]
    told = ask(about, "/").json()
    assert (told["name"], told["text"]) == (about.title, about.text)
    assert ["/", *told["addresses"]] == [PATHS[0], *PATHS[1:]]
    assert all(told["addresses"].values()), "each says what it has"
    html = ask(about, "/", headers={"accept": "text/html,*/*"})
    assert html.headers["content-type"] == "text/html; charset=utf-8"
    assert links(html.text).links == set(PATHS[1:])
    assert links(html.text).loads == []
    assert ask(about, "/", "HEAD").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/nope", "/docs/", "/../etc/passwd", "/docs/try", "/%00", "/%ff%fe", "/\u2028", "/" + "x" * 20_000,
        "/ready%0d%0aX:1",
    ],
    ids=lambda path: ascii(path)[:20],
)  # fmt: skip
def test_a_path_that_there_is_not_has_a_sentence(path: str) -> None:
    for method in ("GET", "POST", "DELETE", "OPTIONS", "PROPFIND"):
        answer = ask(EVERY[0], path, method)
        assert answer.status_code == 404
        sentence = answer.json()["error"]
        assert sentence.startswith("path: ")
        assert sentence.endswith(f"there are {', '.join(PATHS)}")
        assert len(sentence) < 500


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_a_method_that_a_path_does_not_take_has_a_sentence(path: str, method: str) -> None:
    answer = ask(EVERY[0], path, method, content=b"x" * 1_000_000)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"
    assert answer.json() == {"error": f"method: '{method}' is not answered at {path}; there is GET, HEAD"}
