"""Checks of a reply: each type a function of the reply and the assertion, in a table by its name (`kinds`)."""
