"""What a template may do, and how much of it: Jinja2 with only what a prompt needs, on an account.

`environment` compiles and holds it together; `guard` reads a template's syntax tree, refuses what has no place in a
prompt and puts the account's calls in; `values`, `operators`, `methods`, `filters` and `tests` are all that a template
can reach; `limits` is the account; `faults` and `undefined` say what went wrong.
"""
