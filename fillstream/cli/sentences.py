"""What a person is told when a command cannot go on.

Flows in: an error of a library or of our own. Flows out: an exit code and a sentence, or None for an error that nobody
can put right but us. Never hides one: what has no sentence here ends with its stack trace.
"""

from __future__ import annotations

import httpx
import redis

from fillstream.cli.exit_codes import Exit
from fillstream.cli.options import KEY_VARIABLE
from fillstream.client import NoAnswer
from fillstream.client.gateway import GatewayError
from fillstream.libs.common.process.settings import SettingsError
from fillstream.libs.common.runtime.continuity import TopologyDiffers
from fillstream.stack.stack import ServerDown, StackError


def sentence_of(error: Exception) -> tuple[Exit, str] | None:
    """Return how the command ends and what it says, None where only a stack trace helps."""
    match error:
        case SettingsError() | TopologyDiffers():
            return Exit.SETTINGS, str(error)
        case ServerDown():
            return Exit.UNREACHABLE, str(error)
        case StackError():
            return Exit.NO, str(error)
        case NoAnswer():
            return Exit.NO_ANSWER, str(error)
        case GatewayError():
            return _of_gateway(error)
        case redis.exceptions.NoPermissionError():
            text = f"Redis: {_clause(error)}: name a user that may, operator for one, by --redis-url (docs/controls.md)"
            return Exit.NO, text
        case redis.exceptions.RedisError():
            text = f"Redis: {_clause(error)}; is the desk up? `fillstream up` starts one, --redis-url names one"
            return Exit.UNREACHABLE, text
        case httpx.TransportError():
            at = error.request.url.copy_with(path="/", query=None) if error._request else ""
            text = f"analytics at {at} does not answer: {_clause(error)}; `fillstream status` tells more"
            return Exit.UNREACHABLE, text
    return None


def who_went_away(error: Exception) -> str | None:
    """Return who was there and is not any more, None where an error says something else."""
    if isinstance(error, GatewayError):
        return "the gateway" if error.is_away else None
    return "Redis" if isinstance(error, redis.exceptions.ConnectionError | redis.exceptions.TimeoutError) else None


def _of_gateway(error: GatewayError) -> tuple[Exit, str]:
    text = "\n".join(error.sentences)
    if error.reason == "outcome_unknown":
        return Exit.NO_ANSWER, text
    if error.is_away:
        return Exit.UNREACHABLE, text
    if error.status == httpx.codes.NOT_FOUND:
        return Exit.NOT_FOUND, text
    if error.status == httpx.codes.UNAUTHORIZED:
        return Exit.NO, f"{text}; ${KEY_VARIABLE} or --key-file tells the gateway's key, ID.SECRET"
    return Exit.NO, text


def _clause(error: Exception) -> str:
    return str(error).removesuffix(".")
