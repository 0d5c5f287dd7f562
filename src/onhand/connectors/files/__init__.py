"""CSV and XLSX files with declared columns, in a folder or behind SFTP."""
