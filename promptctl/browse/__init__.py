"""The workspace as pages on this machine: it reads through the Python API, and changes nothing."""
