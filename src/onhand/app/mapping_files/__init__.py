"""Mapping files: YAML read into compiled mappings, and the cases that lie beside them.

`read_mapping` is pure (text in, mappings or MappingFileInvalid out); `find_mappings` and `read_cases` touch the disk.
"""

from onhand.app.mapping_files.cases import Case, CaseResult, CasesInvalid, read_case, run_case
from onhand.app.mapping_files.folder import MappingFolder, find_mappings
from onhand.app.mapping_files.read import MappingFileInvalid, read_mapping

__all__ = [
    "Case",
    "CaseResult",
    "CasesInvalid",
    "MappingFileInvalid",
    "MappingFolder",
    "find_mappings",
    "read_case",
    "read_mapping",
    "run_case",
]
