"""Every limit of Onhand in one place, each with its reason.

A limit that lives beside the code it bounds is found by nobody until it hurts. Names end with their unit.
"""

from __future__ import annotations

from typing import Final

# --- the store ------------------------------------------------------------------------------------------------

DATABASE_POOL_MIN: Final = 1
"""An idle node holds one connection, so that the first request after a quiet night does not pay for connecting."""

DATABASE_POOL_MAX: Final = 10
"""PostgreSQL gains nothing from more active connections than a few per core; waiting here is cheaper than there."""

DATABASE_POOL_WAIT_S: Final = 10.0
"""A caller that waited this long for a connection is told so; its own client has usually given up by then."""

DATABASE_CONNECT_TIMEOUT_S: Final = 10.0
"""A server that does not answer a connect in this time is down, not slow."""

DATABASE_CLOSE_WAIT_S: Final = 5.0
"""How long a stopping node waits for statements under way before it cuts them off."""

DATABASE_STATEMENT_TIMEOUT_MS: Final = 60_000
"""No statement of the product needs a minute; one that does holds rows that others wait for."""

DATABASE_LOCK_TIMEOUT_MS: Final = 10_000
"""Longer than any honest transaction here; a wait beyond it means that somebody forgot a transaction."""

DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_MS: Final = 60_000
"""A client that died inside a transaction must not hold its locks, nor keep vacuum back, for longer."""

DATABASE_STATEMENT_CACHE: Final = 512
"""Prepared statements a connection; well above the number of named queries, so that none is prepared twice."""

DATABASE_ATTEMPTS_MAX: Final = 5
"""Tries of an idempotent call, the first included: with the waits below they bridge a restart of the server."""

DATABASE_RETRY_WAIT_S: Final = 0.2
"""The first wait before another try; each next one is twice as long, up to the limit below."""

DATABASE_RETRY_WAIT_MAX_S: Final = 2.0
"""The longest wait between two tries: a caller that waits for an answer is still there."""

# --- migrations -----------------------------------------------------------------------------------------------

MIGRATION_LOCK_TIMEOUT_MS: Final = 4_000
"""A migration that waits for a table lock makes every later query of that table wait behind it: give up first."""

MIGRATION_STATEMENT_TIMEOUT_MS: Final = 300_000
"""A statement of a migration that runs for five minutes belongs into a background job, not into a start."""

MIGRATION_TURN_WAIT_MS: Final = 120_000
"""How long a node waits for another node that migrates the same database; then it reports instead of hanging."""

# --- the embedded server --------------------------------------------------------------------------------------

SERVER_START_WAIT_S: Final = 60.0
"""A start replays the log since the last checkpoint, at most `max_wal_size` of it: seconds, not minutes."""

SERVER_STOP_WAIT_S: Final = 60.0
"""A fast shutdown writes one checkpoint; a disk that needs longer than this is sick and a person must look."""

SERVER_ORPHAN_WAIT_S: Final = 15.0
"""After a kill of the server its children live on for a moment and hold the shared memory: keep trying so long."""

SERVER_POLL_S: Final = 0.02
"""How often the state of a starting or stopping server is read; a warm start takes a tenth of a second."""

SERVER_RETRY_S: Final = 0.2
"""The pause between two attempts to start a server whose predecessor's children are still there."""

SERVER_TURN_WAIT_S: Final = 90.0
"""How long a process waits while another one starts or stops the same server: one start plus some air."""

SOCKET_PATH_BYTES_MAX: Final = 107
"""What `sockaddr_un.sun_path` holds on Linux, without its closing zero."""

# --- operation ------------------------------------------------------------------------------------------------

CLOCK_SKEW_MS_MAX: Final = 500
"""Deadlines follow the database's clock; a node that is off by more misleads whoever reads its logs."""

DISK_FREE_BYTES_MIN: Final = 5_000_000_000
"""The write-ahead log alone may take 4 GB between two checkpoints."""

BACKUP_BLOCK_BYTES: Final = 1_048_576
"""A backup goes through memory in blocks of this size, however large it is."""

# --- promises and facts ---------------------------------------------------------------------------------------

MERGE_WORKERS: Final = 2
"""Calls of one kind that run at a time: while the database does one batch, this process plans the next; more only
make batches smaller (measured)."""

MERGED_REQUESTS_MAX: Final = 500
"""Requests in one claim: above it the gain is gone and the last one waits for all."""

MERGED_FEEDS_MAX: Final = 100
"""Small deliveries of facts that are recorded together."""

MERGED_FEED_EVENTS_MAX: Final = 50
"""A delivery with more facts is a batch by itself."""

EVENTS_IN_TRANSACTION_MAX: Final = 1_000
"""Facts recorded in one transaction: throughput has levelled off by then, and locks stay short."""

HOUSE_KEEPING_EVERY_S: Final = 1.0
"""How often expired promises are swept and backorders are looked at. No decision depends on it."""

BACKLOG_LOOK_EVERY_S: Final = 15.0
"""How often a node tells its metrics what waits; as often as Prometheus usually asks."""

HOUSE_KEEPING_RETRY_MAX_S: Final = 30.0
"""The longest pause of house-keeping while the database does not answer."""

# --- flow -----------------------------------------------------------------------------------------------------

OUTBOX_ADMITTED_MAX: Final = 2_000
"""New commands with an ordering key that are looked at in one claim: enough for the largest claim, short as a lock."""

OUTBOX_SWEEP_MAX: Final = 1_000
"""Commands that one round of house-keeping ends or deletes; the next round does the next."""

OUTBOX_KEPT_DAYS: Final = 30
"""How long a command that was delivered can still be looked up; dead letters stay until somebody decides."""

OUTBOX_FORGET_EVERY_S: Final = 60.0
"""How often a node looks for commands that were done long ago."""

OUTBOX_ANSWER_CHARACTERS_MAX: Final = 2_000
"""What is kept of a partner's answer: enough to recognise it, too little to fill the disk with."""

OUTBOX_DETAIL_CHARACTERS_MAX: Final = 500
"""What is kept of the words about one attempt."""

OUTBOX_POLL_S: Final = 0.05
"""How often a busy worker looks for endpoints with something due; each look is one statement."""

OUTBOX_POLL_IDLE_S: Final = 0.5
"""The same for a worker that found nothing for a while."""

OUTBOX_BLOCKED_RECHECK_S: Final = 2.0
"""How soon a blocked endpoint is asked again at the latest: somebody may have resumed it or changed its policy."""

OUTBOX_STOP_WAIT_S: Final = 30.0
"""How long a stopping worker waits for calls in flight; after that their leases run out and others take over."""

OUTBOX_PAGE_MAX: Final = 1_000
"""Commands in one page of a list, and in one step of a replay or discard."""

ANSWER_BYTES_MAX: Final = 5_000_000
"""What a partner may answer; more is cut off before it fills the memory."""

ANSWER_HEAD_BYTES_MAX: Final = 32_768
"""What the headers of an answer may take."""

TRANSPORT_CONNECT_S_MAX: Final = 10.0
"""A partner that does not accept a connection in this time is down, not slow."""

TRANSPORT_CONNECTIONS_MAX: Final = 500
"""Connections of one node to all partners together; each endpoint's bulkhead is far below."""

SECRET_BYTES_MAX: Final = 65_536
"""A file with a secret in it is small; another file was named by mistake."""

# --- files ----------------------------------------------------------------------------------------------------

FILE_BYTES_MAX: Final = 64_000_000
"""A file is one message and lies in memory while it is stored; a hundred thousand rows take about ten million bytes."""

FILE_PAGE_BYTES_MAX: Final = 64_000_000
"""What the files of one read may hold together, unless a single one is larger."""

FILE_PART_BYTES: Final = 1_048_576
"""A remote file is asked for in parts of this size, so that one that is too large is noticed in time."""

FILE_PATH_MAX: Final = 1_000
"""Characters in a path below an endpoint's folder."""

FILES_TRACKED_MAX: Final = 2_000
"""Files in a folder whose state a cursor remembers; those beyond wait until others were moved away."""

FILE_SEEN_AGAIN_S: Final = 300
"""A file that was read and still lies there after this time was not moved because of a crash: it is read again."""

FILE_ROWS_MAX: Final = 1_000_000
"""Rows in one file: what a worksheet can hold."""

FILE_CELLS_MAX: Final = 5_000_000
"""Cells in one file: half a gigabyte of memory, once decoded; a hundred thousand rows of ten columns are a fifth."""

FILE_CELL_CHARACTERS_MAX: Final = 32_767
"""What a cell of a worksheet can hold; a longer one in a CSV file is a quote that was never closed."""

FILE_MISTAKES_MAX: Final = 20
"""Mistakes that are told of one file; whoever made it mends the first ones and sends it again."""

XLSX_PART_BYTES_MAX: Final = 200_000_000
"""What one part of a workbook may unpack to; a hundred thousand rows of ten columns are a fifth of it."""

SFTP_IDLE_S: Final = 0.1
"""How long a connection waits for the next file before it is closed."""

SFTP_KEEPALIVE_S: Final = 15
"""How often a silent server is asked whether it is still there."""

# --- the inbox --------------------------------------------------------------------------------------------------

INBOX_BODY_BYTES_MAX: Final = 64 * 1024 * 1024
"""One message, or one file: a million rows of stock. It goes through memory whole when it is mapped."""

INBOX_KEY_CHARACTERS_MAX: Final = 500
"""A message's key stands in an index; one that is longer is kept as its digest."""

INBOX_FACT_CHARACTERS_MAX: Final = 500
"""What is kept of one header or other fact of the transport."""

INBOX_FACTS_MAX: Final = 60
"""Headers that are kept of one webhook; an honest one has twenty."""

INBOX_REASON_CHARACTERS_MAX: Final = 1_000
"""What is kept of the words about one try."""

INBOX_CLAIM_MAX: Final = 200
"""Messages that a node maps together: enough for one transaction, few enough that another feed soon has its turn."""

INBOX_CLAIM_BYTES_MAX: Final = 4 * 1024 * 1024
"""Bodies that are taken into memory together; a larger one comes alone."""

INBOX_LEASE_S: Final = 60.0
"""How long a node may be silent about messages that it holds before another takes them: far more than a part takes."""

INBOX_INLINE_BYTES_MAX: Final = 64 * 1024
"""A body up to this size is decoded and mapped at once (a few milliseconds); a larger one in a thread beside."""

INBOX_ROWS_IN_PART_MAX: Final = 1_000
"""Rows of stock that become facts in one transaction, like events that come by themselves."""

INBOX_NAMED_AT_ONCE_MAX: Final = 20_000
"""Places of a snapshot that are remembered with one statement."""

INBOX_PAGES_IN_TURN_MAX: Final = 1_000
"""Pages that a node reads of a feed before it lets go of it: another node may have it then."""

INBOX_FAILED_WAIT_S_MIN: Final = 1.0
"""The shortest wait before a feed that could not be read is asked again, whatever the jitter says."""

INBOX_UNAVAILABLE_WAIT_S: Final = 5.0
"""How soon a message is mapped again that only our database stood before; it costs it nothing."""

INBOX_STORED_WAIT_S: Final = 60.0
"""How long a connector may take to hear that a page is durable, moving files away say."""

INBOX_POLL_S: Final = 0.05
"""How often a busy node looks for feeds and messages with something due."""

INBOX_POLL_IDLE_S: Final = 0.5
"""The same for a node that found nothing for a while."""

INBOX_READ_AT_ONCE_MAX: Final = 16
"""Feeds that one node reads at a time; reading is waiting, mostly."""

INBOX_MAP_AT_ONCE_MAX: Final = 2
"""Feeds that one node maps at a time, in turns: mapping takes the processor and connections that promises need too."""

INBOX_STOP_WAIT_S: Final = 30.0
"""How long a stopping node waits for reads and parts under way."""

INBOX_KEPT_DAYS: Final = 90
"""How long a message that was mapped, or discarded, is kept; dead letters stay until somebody decides."""

XML_DEPTH_MAX: Final = 100
"""Elements within elements; the deepest trade document has a dozen."""

XML_ELEMENTS_MAX: Final = 5_000_000
"""Elements of one XML document: more than fit into the largest message with anything in them."""

# --- numbers out ----------------------------------------------------------------------------------------------

PUBLISH_ITEMS_MAX: Final = 400
"""Items whose numbers one turn works out: with twenty channels 8,000 numbers, well below a second with their rows."""

PUBLISH_SHARDS_AT_ONCE: Final = 8
"""Shards of 16 that a node takes in one turn: two nodes share the work, and one needs two turns for all of it."""

PUBLISH_TURNS: Final = 2
"""Turns that find nothing, one after the other, before all shards have been looked at."""

PUBLISH_HORIZON_S: Final = 10.0
"""How far ahead commands are written: what an endpoint can send in so long. The rest is decided later."""

PUBLISH_HORIZON_MAX: Final = 2_000
"""The most commands of one endpoint that are written ahead, however fast it is: about what one round sends."""

PUBLISH_LOOK_MAX: Final = 500
"""Listings of an endpoint that are waiting to be read back at a time."""

PUBLISH_POLL_S: Final = 0.05
"""How often a node looks for changes while there are some: a change is worked out well within a second."""

PUBLISH_POLL_IDLE_S: Final = 0.25
"""The same while there are none."""

PUBLISH_CHORES_EVERY_S: Final = 5.0
"""How often stale sources, samples, refreshes and lost answers are looked at, by one node of all."""

PUBLISH_SWEEP_S: Final = 3_600.0
"""In so long every item is looked at again, dirty or not: what a change failed to note is right again by then."""

PUBLISH_CHORE_ROWS_MAX: Final = 1_000
"""Listings that one round of chores refreshes, samples or frees; the next round does the next."""

PUBLISH_LOG_KEPT_DAYS: Final = 400
"""How long it can be looked up what a channel was told: a year and a month, for yearly audits."""

PUBLISH_TICKET_FIRST_S: Final = 30.0
"""How soon a channel that answers later is first asked for its answer."""

PUBLISH_TICKET_PART: Final = 60
"""A channel that has to answer sooner is asked sooner: after this part of the time within which it answers."""

PUBLISH_RETRY_MAX_S: Final = 30.0
"""The longest pause of the controller while the database does not answer."""

PUBLISH_FORGET_ROUNDS: Final = 100
"""Rounds of chores from one look for old history to the next."""

PUBLISH_VACUUM_ROWS: Final = 20_000
"""Changes worked out before their table is cleaned up: it is read as a whole, and must stay small."""

EXPLAIN_MOVEMENTS_MAX: Final = 20
"""Movements that an explanation names: the newest; the ledger has the rest."""

EXPLAIN_BALANCES_MAX: Final = 200
"""Balances that an explanation names: places, lots and owners of one item at one channel's locations."""
