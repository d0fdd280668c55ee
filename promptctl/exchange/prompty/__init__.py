"""Prompty files, version 1 and 2: Markdown with a header, messages that begin at lines such as `system:`."""
