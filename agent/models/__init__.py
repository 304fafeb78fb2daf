"""Models as data: which files, from where, and whether they are the right ones."""
