"""Read tables from files: CSV as people write it, Parquet, packed files, folders; write CSV."""
