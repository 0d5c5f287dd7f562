"""The command `onhand`: one root, one line a verb, each verb's module imported only when it is used.

Exit codes: 0 done, or the answer is yes; 1 the answer is no, or problems were found; 2 the command line is wrong;
3 Onhand refused (the error's code is printed); 4 something that Onhand needs does not answer: try again later.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

from cyclopts import App
from cyclopts.exceptions import CycloptsError

from onhand import __version__
from onhand.cli import output, standard_output
from onhand.domain.errors import InvalidInput, OnhandError, Unavailable

OK: Final = 0
NO: Final = 1
USAGE: Final = 2
REFUSED: Final = 3
UNAVAILABLE: Final = 4
INTERRUPTED: Final = 130  # what a shell reports for Ctrl-C


class Verb(NamedTuple):
    """One verb: its name, where its App or function lies (`module:name`), and its line in the help.

    `endless` is one that runs until it is told to end, so that being told is no failure, not even while it starts.
    """

    name: str
    place: str
    help: str
    endless: bool = False


VERBS: Final = (
    Verb("init", "onhand.cli.init:init", "Write a commented example network to start from."),
    Verb("plan", "onhand.cli.network:plan", "Show what network files would change in what runs."),
    Verb("apply", "onhand.cli.network:apply", "Put network files in force, as a new numbered version."),
    Verb("network", "onhand.cli.network:app", "Versions of the network: list, show, roll back."),
    Verb("serve", "onhand.cli.serve:serve", "Serve the API, with one process or several.", endless=True),
    Verb("events", "onhand.cli.events:app", "Send facts, follow what is accepted, look at one."),
    Verb("stock", "onhand.cli.stock:stock", "Show what stands where, now or earlier, and what made it so."),
    Verb("availability", "onhand.cli.availability:availability", "Show what a channel can sell, now and on a date."),
    Verb("reserve", "onhand.cli.reserve:app", "Make a reservation and look after it."),
    Verb("quarantine", "onhand.cli.quarantine:app", "Facts that were set aside: list, show, release, discard."),
    Verb("keys", "onhand.cli.keys:app", "API keys: create, list, rotate, revoke."),
    Verb("verify", "onhand.cli.verify:verify", "Work everything out anew from the ledger and name what differs."),
    Verb("rebuild", "onhand.cli.verify:rebuild", "Correct what differs from the ledger."),
    Verb("demo", "onhand.cli.demo:demo", "Let a small distributor live for a week, in about a minute."),
    Verb("replay", "onhand.cli.replay:replay", "Replay a real order book and account for every line of it."),
    Verb("bench", "onhand.cli.bench:bench", "Measure this machine, each figure beside its floor."),
    Verb("contracts", "onhand.cli.contracts:contracts", "List, show and check the contracts of events."),
    Verb("channels", "onhand.cli.channels:app", "How channels stand: in step, behind, fallen back, paused."),
    Verb("publish", "onhand.cli.publish:app", "Numbers on channels: differences, tell now, pause, resume."),
    Verb("explain", "onhand.cli.explain:explain", "Why a channel shows what it shows, now or at a past moment."),
    Verb("work", "onhand.cli.work:work", "Read, map, publish and send, in a process without an API.", endless=True),
    Verb("endpoints", "onhand.cli.endpoints:app", "Addresses of partners: list, show, pause, resume, reset a breaker."),
    Verb("outbox", "onhand.cli.outbox:app", "Commands to partners: list, show, replay, discard."),
    Verb("dead-letters", "onhand.cli.outbox:dead", "Commands that need a person: list, show, replay, discard."),
    Verb("connector", "onhand.cli.connector:app", "Connectors: list, show, check, and the start of a new one."),
    Verb("mapping", "onhand.cli.mapping:app", "Translations of partners' documents: try one, test all."),
    Verb("xref", "onhand.cli.xref:app", "Partners' codes and what they mean here: list, set, remove, import."),
    Verb("feeds", "onhand.cli.feeds:app", "What systems tell: list, status, pause, resume, ask now."),
    Verb("inbox", "onhand.cli.inbox:app", "What systems sent: list, show, replay, discard."),
    Verb("db", "onhand.cli.db:app", "Look after the database: status, migrate, doctor, backup, restore, stop."),
)
"""Every verb. To add one, write its module and its line here; nothing else changes."""


_MACHINE: Final = "The system said this. Check that the path or address is right and that you may use it."


def root() -> App:
    """The command with all its verbs."""
    app = App(
        name="onhand", version=__version__, help="One truthful picture of stock; promises that never oversell.",
        suppress_keyboard_interrupt=False,  # `run` decides what it means
    )  # fmt: skip
    for verb in VERBS:
        app.command(verb.place, name=verb.name, help=verb.help)
    return app


def main() -> None:
    """Run the command line of this process and leave with its exit code.

    Who is told to end by `kill` cleans up as after Ctrl-C: a replay or a demo has nodes and a database of its own,
    which would be left running. Verbs that serve have their own way to stop.
    """
    signal.signal(signal.SIGTERM, _end)
    sys.stdout = standard_output.opened()
    sys.exit(run(sys.argv[1:]))


def _end(*_: object) -> None:
    """End as after Ctrl-C, also where that is ignored, as it is for what a script starts in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)


def run(tokens: Sequence[str]) -> int:
    """Run one command line; the exit code. A verb may return its own code, None means 0."""
    as_json = "--json" in tokens
    try:
        result = root()(list(tokens), exit_on_error=False, print_error=not as_json, result_action="return_value")
        sys.stdout.flush()
    except CycloptsError as error:
        if as_json:  # else cyclopts has printed what is wrong
            remedy = "'onhand --help' and 'onhand VERB --help' show what there is."
            output.complain(InvalidInput(str(error), remedy=remedy), as_json=True)
        return USAGE
    except OnhandError as error:
        output.complain(error, as_json=as_json)
        return UNAVAILABLE if isinstance(error, Unavailable) else REFUSED
    except KeyboardInterrupt:
        return OK if _runs_until_told(tokens) else INTERRUPTED
    except BrokenPipeError:
        standard_output.print_no_more()  # the reader left, as 'head' does
        return OK
    except (
        OSError
    ) as error:  # a file or an address that the command line named: what the store needs has its own errors
        what = f"{error.filename}: " if error.filename else ""
        output.complain(InvalidInput(f"{what}{error.strerror or error}.", remedy=_MACHINE), as_json=as_json)
        return REFUSED
    return result if isinstance(result, int) and not isinstance(result, bool) else OK


def _runs_until_told(tokens: Sequence[str]) -> bool:
    """Whether this command line has no end of its own; `work --once` has."""
    return "--once" not in tokens and any(verb.endless and [verb.name] == list(tokens[:1]) for verb in VERBS)
