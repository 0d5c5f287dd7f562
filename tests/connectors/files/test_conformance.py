"""The connector of files under the shared suite: on its stand-in, and on a real OpenSSH server."""

import pytest

from onhand.testkit import conformance
from tests.connectors.files.sftp_partner import SftpPartner

TestFiles = conformance("files", database="dsn")
TestFilesOverSftp = pytest.mark.slow(conformance("files", partner=SftpPartner, database="dsn"))
