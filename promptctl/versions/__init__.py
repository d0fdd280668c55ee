"""From a ref to a prompt at a version: refs, the default branch's line, the index of versions, numbers, renames."""
