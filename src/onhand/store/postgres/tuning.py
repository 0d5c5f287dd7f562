"""The embedded server's settings, each with its reason: durable, and modest enough for a small machine.

They are written to `cluster/onhand.conf` at every start. What an operator writes to `cluster/postgresql.conf` wins.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

SETTINGS: Final[tuple[tuple[str, str, str], ...]] = (
    ("fsync", "on", "an answer given is an answer kept, also through a power failure"),
    ("synchronous_commit", "on", "the same: no acknowledged promise may be lost"),
    ("full_page_writes", "on", "a page half written at a power failure is mended from the log"),
    (
        "shared_buffers",
        "'256MB'",
        "holds the hot rows of some hundred thousand items; taken from the system only as used",
    ),
    ("effective_cache_size", "'1GB'", "what the system's page cache probably holds beside it; planning only"),
    ("work_mem", "'16MB'", "sorts of a batch of a thousand lines stay in memory"),
    ("maintenance_work_mem", "'128MB'", "index builds in migrations and rebuilds"),
    ("max_wal_size", "'4GB'", "checkpoints by time instead of by volume: less written twice under a bulk load"),
    ("checkpoint_timeout", "'15min'", "the same; recovery after a kill stays within seconds"),
    ("wal_compression", "on", "full pages after a checkpoint shrink to a fraction for little CPU"),
    ("jit", "off", "compiling a plan takes longer than any of our statements runs"),
    ("random_page_cost", "1.1", "the disks of today are solid"),
    ("max_connections", "100", "many nodes of ten connections each"),
    ("autovacuum_naptime", "'15s'", "hot stock rows are updated thousands of times a minute"),
    ("autovacuum_vacuum_scale_factor", "0.05", "a big table is vacuumed before a fifth of it is dead"),
    ("autovacuum_analyze_scale_factor", "0.02", "plans follow a bulk load soon"),
    ("timezone", "'UTC'", "times are instants; zones belong to the edges"),
    ("log_timezone", "'UTC'", "the same"),
    ("lc_messages", "'C'", "messages in one language, so that a search for them finds something"),
    ("logging_collector", "on", "the log goes to cluster/log, a file a weekday, so that it cannot grow for ever"),
    ("log_directory", "'log'", "the same"),
    ("log_filename", "'%a.log'", "the same"),
    ("log_truncate_on_rotation", "on", "the same"),
    ("log_rotation_size", "0", "the same: by day, not by size"),
    ("log_min_duration_statement", "'2s'", "whatever takes this long should be known"),
    ("log_lock_waits", "on", "whoever waits for a second should be known too"),
    ("log_checkpoints", "off", "routine"),
    ("idle_session_timeout", "0", "an idle pool is no fault"),
)


def written() -> str:
    """The text of `onhand.conf`."""
    lines = [f"{name} = {value}  # {reason}" for name, value, reason in SETTINGS]
    return "# Written by Onhand at every start. Put your own settings into postgresql.conf: they win.\n" + "\n".join(
        [*lines, ""]
    )


def main_file() -> str:
    """The text of the first `postgresql.conf`; never touched again."""
    return "include 'onhand.conf'\n# Your own settings below this line win over those of onhand.conf.\n"


def access_file() -> str:
    """The text of `pg_hba.conf`: the socket's directory (mode 0700) is the lock, and there is no TCP at all."""
    return "# TYPE  DATABASE  USER  METHOD\nlocal   all       all   trust\n"


def command_line(socket_folder: Path, port: int) -> list[str]:
    """Arguments that no configuration file may override: no TCP, and a socket for one account only."""
    fixed = {
        "listen_addresses": "",
        "unix_socket_directories": str(socket_folder),
        "unix_socket_permissions": "0700",
        "port": str(port),
    }
    return [part for name, value in fixed.items() for part in ("-c", f"{name}={value}")]
