"""Look at a table, and at a model of it: words, pictures, a page."""
