"""The runbook: for each page that a stage may stop at (exit code 71), what happened, what is lost, and the way on.

Flows in: nothing. Flows out: text for `fillstream recover` and for docs/runbook, which is written from here
(`python -m tests.support.tables`). Never looks at a desk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fillstream.libs.common.runtime.continuity import Page

_RESTORE: Final = "`fillstream restore DIR` on an empty server makes the whole desk of that moment (docs/backup.md)"
_BACKUP: Final = f"a backup: {_RESTORE}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A page of the runbook.

    Attributes:
        title: what stopped the stage, in a line.
        happened: how a desk comes to this.
        lost: what is lost, or may be.
        sources: from where it can be had again, the best first.
        accepting: what the stage does when the loss is accepted; empty where that helps nothing.
        analytics: what it is when analytics stops there, and its way on; empty where it never does.
    """

    title: str
    happened: str
    lost: str
    sources: tuple[str, ...]
    accepting: str = ""
    analytics: str = ""


PAGES: Final[dict[Page, Entry]] = {
    Page.CHECKPOINT_GONE: Entry(
        "A stage was live before, and its checkpoint is gone",
        "Somebody deleted the key `checkpoint.STAGE…`, or the server evicted it (`maxmemory-policy` is not"
        " `noeviction`), or put an older one in its place. The stage does not know any more up to where it has acted:"
        " from there, or from the beginning, it would send orders again.",
        "Nothing yet, if only this key went. Its output hash is: the next fold cannot be compared with what was"
        " committed.",
        (
            f"a backup of before the deletion, if nothing of worth has happened since: {_RESTORE}",
            "the stage's consumer group on its inbox, which moved along with the checkpoint: accept",
        ),
        "The checkpoint is made again from the stage's consumer group and its snapshots. The output hash begins anew.",
    ),
    Page.DESK_GONE: Entry(
        "The volume of a stage knows a desk, and this Redis does not",
        "FLUSHALL, a server that was started with an empty folder or without its append-only file, or REDIS_URL names"
        " another server than it did.",
        "Everything, if this is the server: orders, their states, the journal. Positions and orders of the desk that"
        " was are still in the stages' snapshots and in analytics' database.",
        (
            "the right server: look at REDIS_URL, messaging.host and the server's `dir` and `appendonly`",
            "the server's own files: stop it, put `appendonlydir` back, start it",
            _BACKUP,
        ),
        "A new desk begins on this server with nothing. The old snapshots are set aside (`*.lost`), not deleted. Orders"
        " that work at a venue outside are not known to it.",
        analytics=(
            "Its database has rows of a desk, and this Redis knows none. With the right server, or a backup restored, "
            "it goes on by itself. Where a new desk begins, move its file away (`database.path`, and the `.wal` "
            "beside it) and start it again. It is made anew from the streams, as far back as they reach, and tells "
            "what they no longer have."
        ),
    ),
    Page.ENTRIES_LOST: Entry(
        "Entries were trimmed or deleted before the stage had read them",
        "A client appended with MAXLEN or MINID (`XADD signals MAXLEN 1000 …`), or somebody called XTRIM or XDEL. The"
        " desk itself trims streams below what everybody has read, never above.",
        "What was in those entries. Of `signals`: requests that nobody has seen, and whose clients wait for an answer."
        " Of `commands…`: orders that the desk believes to be at the venue. Of `orders…`: answers of the venue, fills"
        " included. Of `events…`: what positions are made of, so that they are wrong from here on.",
        (
            f"a backup that still has them: {_RESTORE}",
            "for signals: the clients, which may publish the same signal_id again without harm",
            "for the others: nobody has them. Compare with the venue, then accept and correct",
        ),
        "The stage counts them as lost, goes on with the next one that is there, and the journal says so.",
        analytics=(
            "Entries went before it had read them. `python -m fillstream.services.analytics accept-gaps` notes them "
            "in the table `gaps`, and it goes on behind them; every answer says what it lacks."
        ),
    ),
    Page.INBOX_GONE: Entry(
        "The stream that a stage reads is gone, or not the one it was",
        "Somebody deleted or renamed the stream, the server evicted it, or it was started from an older file.",
        "Every entry that was not read, and the log that recovery folds again: only snapshots are left.",
        (
            f"the server's own files, or a backup: {_RESTORE}",
            "for signals: the clients, which may publish the same signal_id again without harm",
        ),
        "The stage goes on with what is in the stream now. It can recover only from a snapshot at its checkpoint: stop"
        " and start it cleanly soon after.",
    ),
    Page.JOURNAL_INCONSISTENT: Entry(
        "An entry contradicts what the stage knows",
        "Something that is not the stage before wrote to an internal stream: a forged or repeated event, a wrong"
        " `seq`, a fill of an instrument that was never defined. Or the stage before is newer than this one.",
        "Nothing yet: the entry has not been folded.",
        (
            "if the sentence says that a newer release wrote it: upgrade this stage",
            "look at the entry (`redis-cli XRANGE STREAM ID ID`) and at the journal around it, and find who wrote it",
        ),
        "The entry goes to `dead`, whole, and the stage goes on behind it. Do that only with an entry that the stage"
        " before did not write: of its own, every one counts.",
    ),
    Page.LOG_REWOUND: Entry(
        "A stage has a snapshot of what Redis does not hold any more",
        "The server was started from an older append-only file or an older backup, or lost what it had acknowledged"
        " (`appendonly no`, a file cut short).",
        "Every entry since then, on every stream: signals, orders, fills. Venues and clients remember what the desk"
        " forgot.",
        (
            "the newer append-only file: stop everything, put it back, start again",
            f"a newer backup: {_RESTORE}",
        ),
        "Snapshots of what is lost are set aside (`*.lost`), and the stage goes on from where Redis stands. Accept for"
        " every stage that says so; analytics' database may hold rows of the lost time.",
        analytics=(
            "It has read more than Redis has: its database has rows of what the log does not know any more. When the "
            "stages go on from where Redis stands, move its file away (`database.path`, and the `.wal` beside it) and "
            "start it again. It is made anew from the streams, as far back as they reach, and tells what they no "
            "longer have."
        ),
    ),
    Page.MARKER_GONE: Entry(
        "The key `desk` is gone",
        "Somebody deleted it, or the server evicted it (`maxmemory-policy` is not `noeviction`): then look for others."
        " Or a restore was interrupted, which writes the marker last: begin that again with an empty server.",
        "The desk's name and its partition counts, which the checkpoints and the settings still have.",
        ("the stages' checkpoints: accept",),
        "The marker is made again from this stage's checkpoint (or its volume, where that is gone as well: the stage"
        " stops again then, at checkpoint-gone) and the partition counts of its settings.",
        analytics="It waits for nobody: start it again when the marker is there.",
    ),
    Page.OTHER_DESK: Entry(
        "The volume of a stage is of another desk",
        "Volumes were mixed up, of two desks or of two stages, REDIS_URL or messaging.topic_prefix names another desk,"
        " or the server was made anew while a volume was not mounted.",
        "Nothing yet: nothing was written.",
        ("the right volume", "the right REDIS_URL and messaging.topic_prefix"),
        "The volume's snapshots are set aside (`*.lost`), and the stage recovers from the log, as far as it reaches.",
        analytics=(
            "Its database has rows of another desk, and rows of two are never mixed. Name the right Redis or the "
            "right file; for a new desk, move its file away (`database.path`, and the `.wal` beside it) and start it "
            "again. It is made anew from the streams, as far back as they reach, and tells what they no longer have."
        ),
    ),
    Page.OTHER_RELEASE: Entry(
        "Another release decided what this one would have to fold again",
        "The former release was killed, not stopped, or still runs. docs/upgrade.md has every sentence.",
        "Nothing.",
        ("the former release: start it, stop it cleanly so that it leaves a snapshot, start this one",),
    ),
    Page.OUTPUT_GONE: Entry(
        "A stream that a stage writes is gone",
        "Somebody deleted or renamed it, the server evicted it, or it was started from an older file.",
        "What the stage behind had not read, and the history that analytics had not read.",
        (
            f"the server's own files, or a backup: {_RESTORE}",
            "analytics' database, for the history: `fillstream sql`",
        ),
        "The stage writes on to a new stream. The stage that reads it stops as well (inbox-gone) and needs a word of"
        " its own.",
    ),
    Page.OUTPUT_HASH: Entry(
        "Folding the log again does not give what was committed",
        "Committed entries were deleted or changed, another build decides under the same release, or the memory or"
        " disk of this machine is damaged.",
        "Nothing yet: the stage has sent nothing.",
        (
            "the very build that wrote the log: start it, stop it cleanly so that it leaves a snapshot, start this one",
            "another snapshot of this stage, nearer to the checkpoint",
            "`fillstream replay --stage STAGE` says where the log stands",
        ),
    ),
    Page.STATE_LOST: Entry(
        "The snapshots of a stage are gone, and its log no longer begins at the beginning",
        "The stage's volume was lost, or every snapshot on it is damaged, and so is their copy in Redis; the"
        " log before them is trimmed.",
        "The state of this stage: of orders, which work and what accounts have used of their limits; of the engine, its"
        " books; of positions, the positions.",
        (
            "the volume of before: snapshots are files `ID.snapshot` in the data folder, one folder a stage",
            _BACKUP,
        ),
        "Of the signals stage alone, whose state is the memory of which signals came before: it begins with what it has"
        " of it, and hears a signal that is sent again as a new one; the orders stage still knows its client_order_id."
        " Of any other stage it cannot be accepted: there is nothing that it could go on with.",
    ),
    Page.TIME_AHEAD: Entry(
        "An entry's id is far ahead of the server's clock",
        "A client appended with an id of its own (`XADD signals 99999999999999-0 …`) instead of `*`. Every later entry"
        " gets an id behind it, and with the largest id of all nobody can append any more. Ids are the log's time.",
        "Nothing: every entry is there.",
        ("find the client, and let it append with `*`",),
        "The entry and those behind it get ids of now, in their order; all others stay as they are. The server"
        " does nothing else meanwhile: a stream of many entries takes seconds. Groups of your own keep"
        " their places, and forget what was pending. Analytics waits before the entry, and reads it under its new id.",
    ),
}


def markdown(page: Page) -> str:
    """Return a page as docs/runbook has it."""
    entry = PAGES[page]
    sources = "\n".join(f"{number}. {each}" for number, each in enumerate(entry.sources, start=1))
    way_on = "It cannot be accepted: there is nothing that the stage could go on with."
    if entry.accepting:
        way_on = f"{entry.accepting}\n\n{_ACCEPTING}"
    of_analytics = f"\n## When it is analytics that stops\n\n{entry.analytics}\n" if entry.analytics else ""
    return f"""# {entry.title}

*{page.value}: a stage ended with exit code 71 and has changed nothing.*

## What happened

{entry.happened}

## What is lost

{entry.lost}

## Where it can be had from

{sources}

## Accepting it

{way_on}
{of_analytics}"""


_ACCEPTING = """```sh
fillstream recover                                       # what stopped, and the sentence that you accept
fillstream recover --accept STAGE --reason "why"         # STAGE as it is named there
```

The word waits in Redis until the stage is started again; the journal then has it as a `ControlApplied`, with who and
why. It stands for that one sentence: if something else is wrong by then, the stage stops again and says what."""
