"""Templates that try to take all memory or time, or to get at Python. None of them may succeed."""

from __future__ import annotations

_GROW = "{% set n = namespace(x=START) %}{% for i in range(200) %}{% set n.x = STEP %}{% endfor %}"


def _grown(start: str, step: str, then: str = "") -> str:
    return _GROW.replace("START", start).replace("STEP", step) + then


_MACRO = "{% macro f(n) %}{% if n %}BODY{% endif %}{% endmacro %}{{ f(39) }}"

# By what they do; every one must be stopped.
TOO_MUCH = {
    "nested ranges": "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
    "nested ranges that filter": (
        "{% for i in range(100000) %}{% for j in range(100000) if false %}{% endfor %}{% endfor %}"
    ),
    "nested ranges that print": "{% for i in range(99999) %}{% for j in range(99999) %}text{% endfor %}{% endfor %}",
    "a long range": "{{ range(1000000000) | length }}",
    "text times a number": "{{ 'a' * 10**9 }}",
    "a folded constant": "{% set x = 'a' * 10**9 %}{% if 'a' * 10**9 == x %}{% endif %}",
    "a folded filter": "{% set x = 'a' | center(10**9) %}{% for c in 'a' | center(10**9) %}{% endfor %}",
    "a power": "{{ 9 ** (9 ** 6) }}",
    "powers of powers": "{{ (9 ** 9) ** (9 ** 9) }}",
    "a number that grows": _grown("9", "n.x * n.x"),
    "a number that grows by minus": _grown("2 ** 4090", "n.x - (0 - n.x)", "{{ n.x }}"),
    "a wide conversion": "{{ '%1000000000d' | format(1) }}",
    "a wide conversion by operator": "{{ '%1000000000d' % 1 }}",
    "a precise conversion": "{{ '%.1000000000f' % 1.5 }}",
    "many conversions": "{{ ('%1000s' * 80000) % ((1,) * 80000) }}",
    "a long value many times": "{{ ('%(a)s' * 100000) | format(a='x' * 1000) }}",
    "center": "{{ 'a'.center(10**9) }}",
    "ljust": "{{ 'a'.ljust(10**9) }}",
    "zfill": "{{ 'a'.zfill(10**9) }}",
    "expandtabs": "{{ ('\\t' * 100000).expandtabs(10**6) }}",
    "a method under another name": "{% set f = 'a'.center %}{{ f(10**9) }}",
    "concatenation": _grown("'ab'", "n.x ~ n.x"),
    "addition": _grown("'ab'", "n.x + n.x"),
    "blocks": "{% set x %}aaaaaaaaaa{% endset %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * 40,
    "blocks and filters": "{% set x %}aaaa{% endset %}" + "{% set x | upper %}{{ x }}{{ x }}{% endset %}" * 40,
    "lists added": _grown("[1]", "n.x + n.x"),
    "a list times a number": "{{ ([1] * 10**9) | length }}",
    "a list of one list": _grown("[1]", "[n.x, n.x]"),
    "a mapping of one mapping": _grown("{}", "{'a': n.x, 'b': n.x}"),
    "dict of one dict": _grown("{}", "dict(a=n.x, b=n.x)"),
    "one list as default of many": "{% set x = [1] * 100000 %}{{ ([none] * 100000) | map('default', x, true) | list }}",
    "one list to fill up": "{% set x = [1] * 50000 %}{{ [1] | batch(50000, x) }}",
    "very many slices": "{{ [1] | slice(10**9) }}",
    "arguments that grow": "{% macro f(a) %}{{ f([a, a]) }}{% endmacro %}{{ f(1) }}",
    "a macro that calls itself": "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(1) }}",
    "a macro that calls itself twice": _MACRO.replace("BODY", "{{ f(n - 1) }}{{ f(n - 1) }}"),
    "a macro that calls itself in silence": _MACRO.replace("BODY", "{% set a = f(n - 1) %}" * 3),
    "a macro of long text": _MACRO.replace("BODY", "x" * 50_000 + "{{ f(n - 1) }}{{ f(n - 1) }}"),
    "a recursive loop": "{% for x in [[1]] recursive %}{{ loop([[1], [1]]) }}{% endfor %}",
    "a wide recursive loop": "{% for x in range(9999) recursive %}{{ loop(range(9999)) }}{% endfor %}",
    "an include of itself": "{% include 'self.j2' %}",
    "an include of itself twice": "{% include 'twice.j2' %}",
    "an include of long text": "{% for i in range(100000) %}{% include 'long.j2' %}{% endfor %}",
    "join": "{{ ('a' * 1000000).join(['b'] * 1000) }}",
    "join as a filter": "{{ (['a' * 1000] * 7000) | join('b' * 1000) }}",
    "replace": "{{ ('a' * 1000000).replace('a', 'b' * 1000) }}",
    "replace nothing": "{{ ('a' * 1000000) | replace('', 'b' * 1000) }}",
    "indent": "{{ ('\\n' * 1000000) | indent('b' * 1000) }}",
    "wordwrap": "{{ ('a' * 1000000) | wordwrap(1) }}",
    "wordwrap with a long joint": "{{ ('a ' * 1000000) | wordwrap(10, true, 'b' * 100000) }}",
    "tojson of deep lists": _grown(
        "[1]", "[n.x, 1, 2, 3]", "{% for i in range(99999) %}{{ n.x | tojson(indent=16) }}{% endfor %}"
    ),
    "numbers as texts": "{{ range(100000) | map('string') | map('center', 1000) | join }}",
    "split": "{{ ('a,' * 4000000).split(',') | length }}",
    "splitlines": "{{ ('\\n' * 4000000).splitlines() | length }}",
    "a text as a list": "{{ ('a' * 4000000) | list | length }}",
    "escape": "{{ ('&' * 4000000) | escape }}",
    "slices kept": "{% set s = 'a' * 4000000 %}{% for i in range(100000) %}{% set x = s[1:] %}{% endfor %}",
    "a loop over a large input": "{% for a in big %}{% for b in big %}{% endfor %}{% endfor %}",
    "a large input printed": "{% for i in range(100000) %}{{ big }}{% endfor %}",
    "a large list sorted": "{% for i in range(10000) %}{% set x = many | sort %}{% endfor %}",
    "a large list printed": "{% for x in many %}{{ many }}{% endfor %}",
    "many arguments": (
        "{% macro f() %}{{ varargs | length }}{% endmacro %}{% for i in range(999) %}{{ f(*range(99999)) }}{% endfor %}"
    ),
    "long numbers printed": "{{ [9 ** 1000] * 190000 }}",
    "long numbers as JSON": "{{ ([9 ** 1000] * 190000) | tojson(indent=1) }}",
    "long numbers joined": "{{ ([9 ** 1000] * 190000) | join }}",
    "a sort by many attributes": (
        "{{ [{'a': 'x' * 7000000}] | sort(attribute='" + ",".join(["a"] * 100) + "') | length }}"
    ),
    "a sort by a long path": "{{ (['a'] * 100000) | sort(attribute='" + ".".join(["0"] * 100) + "') | length }}",
    "a sort of one text many times": (
        "{% macro f() %}{{ varargs | sort | length }}{% endmacro %}"
        "{% set x = 'a' * 1000000 %}{{ f(" + "x, " * 3000 + "x) }}"
    ),
    "groups by a long default": "{{ ('ab' * 60000) | groupby('x', default='q' * 1000000) | length }}",
    "a map to a long default": "{{ range(100000) | map(attribute='x', default='y' * 100000) | list | length }}",
    "slices filled up": "{{ [1] | slice(50000, 'x' * 100000) | list | length }}",
    "a long list selected": "{% for i in range(99999) %}{% set x = range(99999) | select | list %}{% endfor %}",
    "a long list sorted": "{% for i in range(99999) %}{% set x = range(99999) | sort(reverse=true) %}{% endfor %}",
    "a long list grouped": "{% for i in range(99999) %}{% set x = range(99999) | groupby('x', '') %}{% endfor %}",
    "a long list reversed": "{% for i in range(99999) %}{% set x = ([1] * 99999) | reverse %}{% endfor %}",
    "the least of a long list": "{% for i in range(99999) %}{% set x = range(99999) | min %}{% endfor %}",
    "the sum of a long list": "{% for i in range(99999) %}{% set x = range(99999) | sum %}{% endfor %}",
    "upper of wide letters": "{{ ('\\u0390' * 2000000) | upper | length }}",
    "title": "{{ ('a ' * 4000000) | title | length }}",
    "urlencode": "{{ ('\\u03a9' * 1000000) | urlencode | length }}",
    "urlencode of a mapping": "{{ {'a': '\\u03a9' * 1000000} | urlencode | length }}",
    "truncate kept": "{% set s = 'a' * 4000000 %}{{ [" + "s | truncate(3999990, true), " * 1000 + "] | length }}",
    "trim kept": "{% set s = 'a' * 4000000 %}{{ [" + "(s ~ ' ') | trim, " * 1000 + "] | length }}",
    "entries kept": (
        "{% set d = dict(range(70000) | map('string') | batch(2)) %}{{ [" + "d | dictsort, " * 1000 + "] | length }}"
    ),
    "wide characters": (
        "{% set x %}{% for i in range(99999) %}{{ 'a' * 999 }}{% endfor %}{{ '\\U0001F600' }}{% endset %}{{ x }}"
    ),
}

# Stopped by the clock: what they do makes nothing.
TOO_LONG = {
    "find": (
        "{% set h = 'a' * 4000000 %}{% set n = 'a' * 2000000 ~ 'b' %}"
        "{% for i in range(99999) %}{{ h.find(n) }}{% endfor %}"
    ),
    "in": "{% set h = 'a' * 4000000 %}{% for i in range(99999) %}{% if 'b' in h %}{% endif %}{% endfor %}",
    "count": "{% set h = 'a' * 4000000 %}{% for i in range(99999) %}{% if h.count('ab') %}{% endif %}{% endfor %}",
    "strip": "{% set h = 'a' * 4000000 %}{% for i in range(99999) %}{% if h.strip('cba') %}{% endif %}{% endfor %}",
    "equal lists": (
        "{% set a = [1] * 100000 %}{% set b = [1] * 100000 %}"
        "{% for i in range(99999) %}{% if a == b %}{% endif %}{% endfor %}"
    ),
    "loop.changed": (
        "{% set a = [1] * 100000 %}{% set b = [1] * 100000 %}"
        "{% for i in range(99999) %}{% if loop.changed(a if i is odd else b) %}{% endif %}{% endfor %}"
    ),
    "select": "{{ range(100000) | select('in', range(100000) | list) | list | length }}",
    "words": "{% for i in range(99999) %}{% if ('a ' * 2000000) | wordcount %}{% endif %}{% endfor %}",
}

# Refused by their size before they start, as no clock could stop them.
QUADRATIC = {
    "rfind": "{{ ('a' * 4000000).rfind('b' ~ 'a' * 2000000) }}",
    "rsplit": "{{ ('a' * 4000000).rsplit('b' ~ 'a' * 2000000) }}",
    "rpartition": "{{ ('a' * 4000000).rpartition('b' ~ 'a' * 2000000) }}",
    "strip many": "{{ ('a' * 4000000).strip('b' * 2000000 ~ 'a') }}",
    "trim": "{{ ('a' * 4000000) | trim('b' * 2000000 ~ 'a') }}",
    "wordwrap": "{{ ('a' * 400000) | wordwrap(10) }}",
}

# Refused for what they ask of a value.
REFUSED = {
    "a wide conversion by a test": "{{ 'yes' if '%1000000000d' is odd }}",
    "a wide conversion by a test in a filter": "{{ ['%1000000000d'] | select('even') | list }}",
    "a remainder by a test": "{{ '%1000000000d' is divisibleby(3) }}",
    "a sum that begins with a list": "{{ ([[1]] * 10000) | sum(start=[]) | length }}",
    "a sum that begins with a text": "{{ (['a'] * 10000) | sum(start='') | length }}",
    "a far place": "{{ 5 | round(-1000000000) }}",
    "a far place above": "{{ 5 | round(1000000000, 'ceil') }}",
    "a long number read": "{{ ('f' * 4000000) | int(base=16) }}",
    "a text cut before its end": "{{ 'abcdef' | truncate(1, end='....') }}",
}

_NESTED = "{% set n = namespace(x='a') %}" + "{% set n = namespace(p=n, q=n) %}" * 40

# They ask for what would take all memory or time if it were done as Jinja or Python would, and print this.
HARMLESS = {
    "a namespace of one namespace is no text": (_NESTED + "{{ n is lower }}", "false"),
    "nor in a filter": (_NESTED + "{{ [n] | reject('upper') | list | length }}", "1"),
    "digits of a base that is no power of two": ("{{ ('z' * 4000000) | int(7, base=36) }}", "7"),
}

# What reaches for Python itself.
REACHING = {
    "a class": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "a class as an item": "{{ ''['__class__'] }}",
    "a class by filter": "{{ '' | attr('__class__') }}",
    "a class by map": "{{ [1] | map(attribute='__class__') | list }}",
    "a class by sort": "{{ [1, 2] | sort(attribute='__class__') }}",
    "a class by groupby": "{{ [1] | groupby('__class__') }}",
    "a class by selectattr": "{{ [1] | selectattr('__class__') | list }}",
    "a class by rejectattr": "{{ [1] | rejectattr('__class__', 'none') | map(attribute='__class__') | list }}",
    "a class by sum": "{{ [1] | sum(attribute='__class__') }}",
    "a class by min": "{{ [1, 2] | min(attribute='__class__') }}",
    "a class by max": "{{ [1, 2] | max(attribute='__class__') }}",
    "a class by unique": "{{ [1] | unique(attribute='__class__') | list }}",
    "a class by join": "{{ [1] | join(attribute='__class__') }}",
    "a class by a filter in map": "{{ [''] | map('attr', '__class__') | list }}",
    "a class of a group": "{{ ([{'a': 1}] | groupby('a'))[0].__class__ }}",
    "a method of a group": "{{ ([{'a': 1}] | groupby('a'))[0]._replace(grouper=1) }}",
    "a frame of a generator": "{{ ([1] | select).gi_frame }}",
    "the code of a generator": "{{ ([1] | map('string')).gi_code }}",
    "the insides of an iterator": "{{ ([1] | reverse).__length_hint__() }}",
    "what a method is bound to": "{{ ('a' | attr('upper')).__self__ }}",
    "the environment by attr": "{{ 'a' | attr('environment') }}",
    "a format's field by map": "{{ ['{0.__class__}'] | map('attr', 'format') | list }}",
    "markup": "{{ ('<' | escape).unescape() }}",
    "markup that is safe": "{{ ('<b>' | safe).striptags() }}",
    "chance": "{{ [1, 2] | map('random') | list }}",
    "Python asked by a test": "{{ [range] | select('callable') | list }}",
    "filters asked by a test": "{{ ['upper'] | select('filter') | list }}",
    "a format's field": "{{ '{0.__class__}'.format(1) }}",
    "a format's map": "{{ '{a.__class__}'.format_map({'a': 1}) }}",
    "a format by attr": "{{ ('{0.__class__}' | attr('format'))(1) }}",
    "bytes": "{{ 'a'.encode() }}",
    "globals of a function": "{{ range.__globals__ }}",
    "globals of namespace": "{{ namespace.__init__.__globals__ }}",
    "a function's insides": "{{ range.function }}{{ range.target }}",
    "globals of a macro": "{% macro m() %}{% endmacro %}{{ m._func.__globals__ }}",
    "a macro's environment": "{% macro m() %}{% endmacro %}{{ m._environment }}",
    "a loop's insides": "{% for i in [1] %}{{ loop._iterator }}{% endfor %}",
    "a loop's class": "{% for i in [1] %}{{ loop.__class__ }}{% endfor %}",
    "a namespace's insides": "{% set n = namespace(a=1) %}{{ n._Namespace__attrs }}",
    "a namespace's class": "{% set n = namespace() %}{{ n.__class__ }}",
    "an undefined's insides": "{{ nothing._undefined_exception }}",
    "a group's insides": "{{ ([{'a': 1}] | groupby('a'))[0]._fields }}",
    "self": "{{ self._TemplateReference__context }}",
    "the context": "{{ context }}",
    "the environment": "{{ environment }}",
    "an internal filter": "{{ [1] | map(' weigh') | list }}",
    "an internal filter within a filter": "{{ [[1]] | map('map', ' weigh') | list }}",
    "an account that pays back": "{{ [-1000000000] | map(' charge') | list }}",
    "lipsum": "{{ lipsum.__globals__ }}",
    "cycler": "{{ cycler.__init__.__globals__ }}",
    "a change of an input": "{{ many.append(1) }}",
    "a change of a mapping": "{{ {}.update(a=1) }}",
    "the environment of the process": "{{ environ }}{{ os.environ }}",
    "a file": "{% include '/etc/passwd' %}",
    "a file above": "{% include '../../secrets.yaml' %}",
    "a function printed": "{{ 'a'.upper }}",
    "a function in a list": "{{ ['a'.upper] | tojson }}",
    "a printed namespace": "{{ namespace(a=1) }}{{ '%s' % namespace(a=1) }}",
}

PARTIALS = {
    "self.j2": "{% include './self.j2' %}",
    "twice.j2": "{% include 'twice.j2' %}{% include 'twice.j2' %}",
    "long.j2": "x" * 1_000_000,
}

INPUTS = {"big": "'a' * 5_000_000", "many": "[str(i) for i in range(20_000)]"}
