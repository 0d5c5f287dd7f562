"""Connectors that are broken on purpose, each in one thing: the sound one with a few words changed.

`caught` are the checks that must fail; the bystanders that a test runs along must pass. What a check promises to catch
and no broken connector stands for is a promise that nobody has seen kept; a test counts those.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from onhand.sdk import registry
from onhand.sdk.registry import Package

SOUND = Path(__file__).parent / "sound"


@dataclass(frozen=True)
class Break:
    """One thing that is wrong: in a file of the sound connector, `old` became `new`."""

    name: str
    caught: frozenset[str]
    old: str
    new: str
    file: str = "connector.py"

    def package(self, folder: Path) -> Package:
        """Write it below a folder, as a package of its own. It keeps the name that its manifest says."""
        module = f"broken_{self.name}"
        home = folder / module / "sound"
        shutil.copytree(SOUND, home, ignore=shutil.ignore_patterns("__pycache__"))
        (home / "docs.md.txt").rename(home / "docs.md")
        (folder / module / "__init__.py").write_text("")
        text = (home / self.file).read_text()
        assert text.count(self.old) >= 1, f"{self.name}: {self.old!r} is not in {self.file}"
        (home / self.file).write_text(text.replace(self.old, self.new, 1))
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
        return registry.at(home, module=f"{module}.sound")


def sound(folder: Path) -> Package:
    """Write the sound connector below a folder as it is."""
    return _break("in_nothing", "", "TOLERANCE", "TOLERANCE").package(folder)


def _break(name: str, caught: str, old: str, new: str, file: str = "connector.py") -> Break:
    return Break(name=name, caught=frozenset(caught.split()), old=old, new=new, file=file)


CLASS = "class Sound(Connector):\n"
IMPORTS = "TOLERANCE = "
SENT = '        answer = await self._call("POST", "/orders", {}, headers, command.body.encode())\n'
KEY = 'key=f"{order.number}@{order.changed_at.isoformat()}"'
OUTCOME = "        outcome = super().outcome(answer)\n"
OVERLAP = "timedelta(seconds=int(self.config.get('overlap_s', 600)))"


def _status(condition: str, outcome: str) -> str:
    return f"        if {condition}:\n            return {outcome}\n{OUTCOME}"


def _method(text: str) -> str:
    return CLASS + "".join(f"    {line}\n" for line in text.splitlines()) + "\n"


def _instead_of_raising(what: str, outcome: str) -> str:
    return f"        try:\n    {SENT}        except {what}:\n            {outcome}\n"


OF_THE_FOLDER = (
    _break("names_no_mapping", "K01 K09", 'mapping = "orders"', 'mapping = "no_such"', "manifest.toml"),
    _break("claims_what_it_has_not", "K03", "check = true", "check = true\ndiscover = true", "manifest.toml"),
    _break("has_what_it_claims_not", "K03", CLASS, _method("async def discover(self):\n    return []")),
    _break("knows_any_stream", "K03", 'raise NotClaimed(f"There is no stream {stream!r}.")', 'stream = "orders"'),
    _break(
        "starts_a_thread",
        "K02",
        IMPORTS,
        f"import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n{IMPORTS}",
    ),
    _break("writes_at_import", "K02", IMPORTS, f"import tempfile\ntempfile.NamedTemporaryFile().close()\n{IMPORTS}"),
    _break("reads_a_variable", "K02", IMPORTS, f"import os\nHOME = os.environ.get('HOME')\n{IMPORTS}"),
    _break("takes_any_setting", "K05", 'Properties": false', 'Properties": true', "config.schema.json"),
    _break("hides_a_setting", "K05", ', "description": "How far reading goes back."', "", "config.schema.json"),
    _break("page_is_silent", "K39", "`overlap_s` says", "A setting says", "docs.md"),
    _break("example_is_wrong", "K39", "{overlap_s: 60}", "{overlap: 60}", "docs.md"),
    _break("leaves_out_silently", "K41", "(FakePartner):\n", "(FakePartner):\n    without = {'late': ''}\n", "fake.py"),
    _break("plays_too_little", "K41", "    async def keys(", "    async def no_keys(", "fake.py"),
)

OF_SECRETS = (
    _break("shows_the_secret", "K06", CLASS, _method("def __repr__(self):\n    return str(self.link.secret_fields())")),
    _break(
        "logs_the_secret",
        "K06",
        SENT,
        f"        import logging\n        logging.getLogger('sound').debug('%s', self.link.secret_fields())\n{SENT}",
    ),
    _break(
        "tells_the_secret",
        "K06",
        "raise ReadFailed(outcome)",
        "raise ReadFailed(Transient(detail=str(self.link.secret_fields())))",
    ),
    _break(
        "keeps_the_secret",
        "K08",
        CLASS,
        _method(
            "def __init__(self, config, link):\n    super().__init__(config, link)\n    kept = link.secret_fields()\n"
            "    link.secret_fields = lambda: kept"
        ),
    ),
)

OF_ASKING = (
    _break("sees_no_rights", "K07", "if answer.status == 403:", "if answer.status == 999:"),
    _break("mistakes_the_token", "K07", 'state="unauthorised"', 'state="unreachable"'),
    _break(
        "leaves_a_task",
        "K14",
        '        return Checked(state="ok")\n',
        "        import asyncio\n        self.task = asyncio.ensure_future(self._forever())\n"
        '        return Checked(state="ok")\n\n'
        "    async def _forever(self):\n        import asyncio\n        await asyncio.Event().wait()\n",
    ),
    _break(
        "asks_by_itself",
        "K14 K31",
        CLASS,
        _method(
            "def __init__(self, config, link):\n    super().__init__(config, link)\n    import asyncio\n"
            "    self.task = asyncio.ensure_future(self._forever())\n\n"
            "async def _forever(self):\n    import asyncio\n    while True:\n"
            "        await self._call('GET', '/orders', {'limit': '1'})\n        await asyncio.sleep(0.001)"
        ),
    ),
)

OF_READING = (
    _break("keys_change", "K10 K15 K16 K17 K21", KEY, "key=f\"{id(order)}-{__import__('time').time_ns()}\""),
    _break("hides_changes", "K10", KEY, "key=order.number"),
    _break("skips_at_boundaries", "K15", 'onward = f"{last}/0"', 'onward = f"{last}/2"'),
    _break("looks_back_at_nothing", "K15", OVERLAP, "timedelta(seconds=-1)"),
    _break(
        "moves_its_own_cursor",
        "K15 K16",
        '        since, _, skip = (cursor or "").partition("/")',
        '        cursor = self.__dict__.pop("mine", cursor)\n        since, _, skip = (cursor or "").partition("/")\n'
        '        self.mine = "2100-01-01T00:00:00+00:00/0"',
    ),
    _break("says_no_cut_off", "K19", "more=more, snapshot_as_of=as_of", "more=more"),
    _break("forgets_where_it_was", "K20", "cursor=self._before(orders, cursor))", "cursor=None)"),
    _break(
        "invents_while_idle", "K20", "            return cursor\n", '            return "2100-01-01T00:00:00+00:00/0"\n'
    ),
    _break(
        "goes_on_for_ever", "K15 K20", "cursor=self._before(orders, cursor))", "cursor=f'{since}/{skip}', more=True)"
    ),
)

OF_MAPPING = (
    _break("takes_versions_for_one", "K18", 'id: "{number}@{changed_at}"', 'id: "{number}"', "mapping.yaml"),
    _break("breaks_the_contract", "K09", "          line_id: line\n", "", "mapping.yaml"),
    _break(
        "stumbles_over_bodies",
        "K11 K12",
        CLASS,
        _method("def decode(self, stream, body, content_type):\n    return {**__import__('json').loads(body)}"),
    ),
    _break(
        "counts_in_floats",
        "K12",
        "body=body, occurred_at",
        "body=__import__('json').dumps(__import__('json').loads(body)).encode(), occurred_at",
    ),
    _break(
        "has_naive_times", "K12", "occurred_at=order.changed_at)", "occurred_at=order.changed_at.replace(tzinfo=None))"
    ),
    _break(
        "loses_a_field",
        "K13",
        "          quantity: quantity\n          price",
        "          quantity: {value: 1}\n          price",
        "mapping.yaml",
    ),
)

OF_WEBHOOKS = (
    _break(
        "takes_unsigned",
        "K21",
        'raise WebhookRefused("unsigned", "a header is missing")',
        "return [self._message(msgspec.json.decode(arrival.body, type=Order), arrival.body)]",
    ),
    _break(
        "reads_before_it_checks",
        "K21",
        'key = self.link.secret_fields()["webhook_secret"].encode()',
        'key = self.link.secret_fields()["webhook_secret"].encode()\n        if not arrival.body.startswith(b"{"):\n'
        '            raise WebhookRefused("malformed", "it is no order")',
    ),
    _break("takes_bad_signatures", "K21", "if not verify(", "if False and not verify("),
    _break("takes_old_ones", "K21", "TOLERANCE = timedelta(minutes=5)", "TOLERANCE = timedelta(days=5)"),
    _break(
        "stumbles_over_headers",
        "K21",
        'signatures = heads[2] if heads[2].isascii() else ""',
        "signatures = heads[2].encode('ascii').decode()",
    ),
)

OF_TELLING = (
    _break("hides_that_it_lost", "K26", "field=FIELDS.get(each)", "field=None"),
    _break(
        "tells_old_numbers",
        "K26",
        '"quantity": each.quantity, "was"',
        '"quantity": self.__dict__.setdefault("kept", {}).setdefault(each.listing, each.quantity), "was"',
    ),
    _break("changes_its_key", "K22 K23 K25", 'key": command.idempotency_key', 'key": __import__("uuid").uuid4().hex'),
    _break("sends_no_key", "K23 K25", '{"idempotency-key": command.idempotency_key, ', "{"),
    _break(
        "takes_lost_for_not_done", "K23", SENT, _instead_of_raising("AnswerLost", "return Transient(detail='lost')")
    ),
    _break("delivers_into_nothing", "K28 K29", SENT, _instead_of_raising("Unreachable", "return Delivered()")),
    _break(
        "hides_partial_failure",
        "K24",
        'if each == "ok" else Rejected(reason=each, field=FIELDS.get(each)) for each',
        "for each",
    ),
    _break(
        "overwrites_the_fresh",
        "K26",
        '"was": each.last_shown} for each in updates]',
        '"was": None} for each in updates]\n        key = key + str(id(lines))',
    ),
    _break(
        "shares_its_state",
        "K27",
        '        headers = {"idempotency-key": command.idempotency_key',
        "        self.now = command\n        await __import__('asyncio').sleep(0)\n        command = self.now\n"
        '        headers = {"idempotency-key": command.idempotency_key',
    ),
)

OF_ANSWERS = (
    _break("delivers_errors", "K22 K29", OUTCOME, _status("answer.status in (500, 503)", "Delivered(status=503)")),
    _break("swallows_429", "K29", OUTCOME, _status("answer.status == 429", "Transient(status=429)")),
    _break("ignores_retry_after", "K29", OUTCOME, _status("answer.status == 503", "Transient(status=503)")),
    _break("blames_the_message", "K29 K30", OUTCOME, _status("answer.status >= 500", "Rejected(reason='error')")),
    _break("retries_poison", "K33", OUTCOME, _status("answer.status == 422", "Transient(status=422)")),
    _break("never_unauthorised", "K29 K37", OUTCOME, _status("answer.status == 401", "Transient(status=401)")),
)

OF_THE_HUB = (
    _break(
        "swallows_cancellation", "K35", SENT,
        _instead_of_raising("BaseException", "await __import__('asyncio').sleep(30)"),
    ),
    _break(
        "warns_of_nothing", "K36", SENT,
        f"        import structlog\n        structlog.get_logger().warning('sending')\n{SENT}",
    ),
    _break(
        "labels_by_key", "K38", SENT,
        "        from onhand.ops import metrics\n"
        "        metrics.ATTEMPTS.labels(command.idempotency_key, 'delivered').inc()\n" + SENT,
    ),
    _break(
        "asks_more_than_it_says", "K32", SENT,
        "        self.count = getattr(self, 'count', 0) + 1\n        for _ in range(3 if self.count % 5 == 0 else 0):\n"
        "            await self._call('GET', '/orders', {'limit': '1'})\n" + SENT,
    ),
    _break(
        "remembers_refusals", "K34", "        return self.outcome(answer)\n",
        "        key = command.idempotency_key\n        kept = self.__dict__.setdefault('kept', {})\n"
        "        outcome = kept.get(key) or self.outcome(answer)\n        if isinstance(outcome, Rejected):\n"
        "            kept[key] = outcome\n        return outcome\n",
    ),
)  # fmt: skip

BROKEN = (
    *OF_THE_FOLDER, *OF_SECRETS, *OF_ASKING, *OF_READING, *OF_MAPPING, *OF_WEBHOOKS, *OF_TELLING, *OF_ANSWERS,
    *OF_THE_HUB,
)  # fmt: skip

NOT_SEEN_BROKEN = frozenset({"K04", "K40", "K42"})
"""Checks without a broken connector here. K04, K40 and K42 have tests of their own beside this."""
