"""Config as code: the files of a network folder, read into one checked Network.

`read_network` is pure (texts in, network or NetworkInvalid out); `load_folder` and `write_folder` touch the disk.
"""

from onhand.app.network_files.folder import load_folder, write_folder
from onhand.app.network_files.mistakes import Mistake, NetworkInvalid, Position
from onhand.app.network_files.read import read_network

__all__ = ["Mistake", "NetworkInvalid", "Position", "load_folder", "read_network", "write_folder"]
