"""Jinja2 with only what a prompt needs, on an account.

`environment` compiles templates and answers what their code asks. `guard` reads a template's syntax tree, refuses what
has no place in a prompt and puts the account's calls in. `values`, `operators`, `methods`, `filters` and `tests` are
all that a template can reach: Jinja's and Python's own functions, put on the account by `bounded` with the `sizes` of
what they make. `limits` is the account; `faults` and `undefined` put errors into words; `reading` needs no rendering.
"""
