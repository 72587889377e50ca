"""Files: written whole or not at all, with a checksum over all of their bytes."""
