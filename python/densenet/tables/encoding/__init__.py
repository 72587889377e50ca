"""Turn columns into what a network reads, and the column to predict into what it learns."""
