"""The page of metrics: each with its type, labels and meaning, from the registry that `/metrics` shows."""

from __future__ import annotations

from typing import NamedTuple

from prometheus_client.metrics import MetricWrapperBase

from onhand.cli.reference.markdown import head, table
from onhand.ops import metrics

INTRODUCTION = """\
Every node answers `GET /metrics` in the text format of Prometheus. Numbers are of that node alone: sum them over the
nodes. Labels have few values by construction; a SKU, a client or the text of an error never becomes one.
[What to alert on](../guides/production.md#what-to-alert-on).
"""


class Metric(NamedTuple):
    """One metric as it is shown."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


def page() -> str:
    """The whole page."""
    rows = [(f"`{m.name}`", m.kind, ", ".join(f"`{label}`" for label in m.labels), m.meaning) for m in every()]
    bounds = ", ".join(f"{bound:g}" for bound in metrics.LATENCY_BUCKETS_S)
    return "\n".join(
        [
            head("Metrics", INTRODUCTION, source="`onhand.ops.metrics`"),
            table(("Metric", "Type", "Labels", "Meaning"), rows),
            f"Buckets of latencies, in seconds: {bounds}.\n",
            "## Values of `outcome`\n",
            f"- reservations: {_words(metrics.RESERVATION_OUTCOMES)}",
            f"- events: {_words(metrics.EVENT_OUTCOMES)}",
            "- HTTP requests: the class of the status, `2xx` to `5xx`\n",
        ]
    )


def every() -> list[Metric]:
    """All metrics of a node, by name."""
    found = {
        collector: _metric(collector)
        for collector in metrics.REGISTRY._collector_to_names
        if isinstance(collector, MetricWrapperBase)
    }
    return sorted(found.values())


def _metric(collector: MetricWrapperBase) -> Metric:
    family = next(iter(collector.describe()))
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return Metric(name, family.type, tuple(collector._labelnames), family.documentation)


def _words(values: tuple[str, ...]) -> str:
    return ", ".join(f"`{value}`" for value in values)
