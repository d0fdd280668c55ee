"""Environment of a prompt's templates: compiles them, and answers what their code asks (names, calls, operators)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import CodeType
from typing import Any, cast

from jinja2 import DictLoader, Template, TemplateNotFound, TemplateSyntaxError, Undefined, nodes
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace, missing, pass_context

from promptctl.files.names import PROMPTS, PathRefused, resolve_path
from promptctl.templates import BadTemplate, guard
from promptctl.templates.filters import FILTERS, TESTS
from promptctl.templates.limits import SLOT, TEXT, Budget
from promptctl.templates.operations import ATTRIBUTES, BINARY, FUNCTIONS, METHODS, join_text, operate, take_slice
from promptctl.templates.values import (
    BUDGET,
    Bound,
    RenderContext,
    fail_undefined,
    fault,
    items_of,
    kind,
    to_text,
    undefined_of,
)

# Enough for a prompt that uses thousands of variables; compiling so many takes about a second.
MAX_TOKENS = 10_000
MAX_NAME = 120
MAX_SOURCE = 8 << 20

# The lexer takes hundreds of bytes for each digit of a number.
_DIGITS = re.compile(r"[0-9A-Fa-f_]{20000}")


def _print(context: RenderContext, value: Any, label: str) -> str:
    budget = context.budget
    text = value if type(value) is str else to_text(budget, value, label)
    budget.spent += TEXT + len(text) * budget.unit
    if budget.spent >= budget.next_check:
        budget.check()
    return text


def _charge(context: RenderContext, cost: int) -> bool:
    budget = context.budget
    budget.spent += cost
    if budget.spent >= budget.next_check:
        budget.check()
    return True


def _time(context: RenderContext, value: Any) -> Any:
    context.budget.tick()
    return value


def _weigh(context: RenderContext, value: Any) -> Any:
    context.budget.weigh(value)
    return value


# What `guard` puts into a template, under names that no template can write.
_INTERNAL: dict[str, Callable[..., Any]] = {
    "print": _print,
    "charge": _charge,
    "time": _time,
    "weigh": _weigh,
    "iterate": lambda context, value, label: items_of(context.budget, value, label),
    "enter": lambda context, _: context.budget.enter("the include"),
    "leave": lambda context, _: context.budget.leave(),
    "join": join_text,
    "slice": take_slice,
}
_FILTERS: dict[str, Any] = {**FILTERS, **{f" {name}": pass_context(call) for name, call in _INTERNAL.items()}}


class _CountedTokens(Extension):
    """Stops a template that would take long to compile, while it is read."""

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        environment = cast("PromptEnvironment", self.environment)
        for token in stream:
            environment.tokens += 1
            if environment.tokens > MAX_TOKENS:
                raise TemplateSyntaxError(f"the template has more than {MAX_TOKENS:,} words of code", token.lineno)
            if token.type == "name" and len(token.value) > MAX_NAME:
                raise TemplateSyntaxError(f"a name has more than {MAX_NAME} characters", token.lineno)
            yield token


class PromptEnvironment(ImmutableSandboxedEnvironment):
    """Environment that the templates of one prompt share. Thread-safe once they are compiled.

    `inputs` maps each declared input to whether it is required, for the errors. `partials` as in `Prompt`.
    """

    intercepted_binops = frozenset(BINARY)
    context_class = RenderContext

    def __init__(self, inputs: Mapping[str, bool] | None = None, partials: Mapping[str, str] | None = None) -> None:
        super().__init__(
            undefined=undefined_of(inputs or {}),
            keep_trailing_newline=True,
            optimized=False,
            auto_reload=False,
            cache_size=-1,
            loader=DictLoader(partials or {}),
            extensions=[_CountedTokens],
        )
        self.tokens = 0
        self.filters = _FILTERS
        self.tests = dict[str, Any](TESTS)
        self.globals = dict(FUNCTIONS)

    def parse_text(self, text: str, name: str | None = None) -> nodes.Template:
        """Return the checked syntax tree of a template, before the account's calls are put in. Raises `BadTemplate`."""
        with _refusing(name):
            if _DIGITS.search(text):
                raise ValueError
            tree = self.parse(text, name)
            guard.check(tree)
            return tree

    def guarded(self, tree: nodes.Template) -> nodes.Template:
        """Return the checked syntax tree of a template with the account's calls put into it."""
        return cast("nodes.Template", guard.guard(tree).set_environment(self))

    def compile(self, source: str, name: str | None = None, *_: Any) -> CodeType:  # type: ignore[override]
        """Return the code of a template. Raises `BadTemplate`."""
        tree = self.guarded(self.parse_text(source, name))
        with _refusing(name):
            python = super().compile(tree, name, raw=True)
            if len(python) > MAX_SOURCE:
                raise BadTemplate("the template is too large to compile")
            return compile(python, "<template>", "exec", dont_inherit=True)

    def compile_text(self, text: str, name: str | None = None) -> Template:
        """Return a template ready to render. Raises `BadTemplate`."""
        return self.template_class.from_code(self, self.compile(text, name), self.globals)

    def make_globals(self, d: Any) -> Any:  # noqa: ARG002
        """Return the functions that every template finds: partials have no others."""
        return self.globals

    def chunks(self, template: Template, inputs: Mapping[str, Any], budget: Budget) -> Iterator[str]:
        """Render the template piece by piece."""
        context = RenderContext(self, {**self.globals, **inputs, BUDGET: budget}, template.name, template.blocks)
        return template.root_render_func(context)

    def join_path(self, template: str, parent: str) -> str:
        """Return the path below `prompts/` of a partial named in the template `parent`."""
        try:
            return resolve_path(template, f"{PROMPTS}/{parent}", PROMPTS).removeprefix(PROMPTS + "/")
        except PathRefused as error:
            raise TemplateNotFound(template, error.message) from None

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return `obj.attribute`: the item of a mapping, else a method of the short list."""
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        owner = tuple if isinstance(obj, tuple) else type(obj)
        method = METHODS.get(owner, {}).get(attribute)
        if method is not None:
            return Bound(method, obj)
        if attribute in ATTRIBUTES.get(owner, ()) or (owner is Namespace and not attribute.startswith("_")):
            found = getattr(obj, attribute, missing)
            if found is not missing:
                return found
        return self._missing(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return `obj[argument]`: an item of a mapping, list or text."""
        if isinstance(obj, (dict, list, tuple, str, range)):
            try:
                return obj[argument]
            except (TypeError, LookupError):
                if isinstance(obj, tuple) and isinstance(argument, str) and argument in ATTRIBUTES[tuple]:
                    return self.getattr(obj, argument)
        return self._missing(obj, argument)

    def _missing(self, obj: Any, name: Any) -> Undefined:
        if isinstance(obj, Undefined):
            obj._fail_with_undefined_error()
        return self.undefined(obj=obj, name=name)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Return `obj(…)`: of a function or method of the short lists, a macro, or a recursive loop."""
        kwargs.pop("_loop_vars", None)
        kwargs.pop("_block_vars", None)
        if isinstance(obj, Bound):
            return obj.function(context, obj.target, *args, **kwargs)
        if isinstance(obj, Undefined):
            fail_undefined(obj)
        if not isinstance(obj, (Macro, LoopContext)):
            raise fault(f"this cannot be called: it is {kind(obj)}")
        budget, given = cast("RenderContext", context).budget, (*args, *kwargs.values())
        if len(set(map(id, given))) < len(given):
            budget.weigh(given)  # which a macro sees as one list
        budget.charge(SLOT * len(given))
        if isinstance(obj, LoopContext):
            args = tuple(items_of(budget, arg, "this") for arg in args)
        budget.enter("the macro" if isinstance(obj, Macro) else "the recursive loop")
        try:
            return obj(*args, **kwargs)
        finally:
            budget.leave()

    def call_filter(self, name: str, value: Any, args: Any = (), kwargs: Any = None, context: Any = None) -> Any:  # type: ignore[override]
        """Return the value through the filter that `map` names."""
        return _applied(FILTERS[name], context, value, *args, **kwargs)

    def call_test(self, name: str, value: Any, args: Any = (), kwargs: Any = None, context: Any = None) -> Any:  # type: ignore[override]
        """Return the result of the test that `select` or `reject` names."""
        return _applied(TESTS[name], context, value, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Return `left operator right`, for the operators that can make something large."""
        return operate(cast("RenderContext", context).budget, operator, left, right)


def _applied(function: Any, context: Any, *args: Any, **kwargs: Any) -> Any:
    # Jinja itself would find out anew for each item what the function asks for.
    return function(context, *args, **kwargs) if hasattr(function, "jinja_pass_arg") else function(*args, **kwargs)


@contextmanager
def _refusing(name: str | None) -> Iterator[None]:
    """Raise `BadTemplate` for each error of the template of that name."""
    try:
        yield
    except BadTemplate as error:
        error.name = name
        raise
    except TemplateSyntaxError as error:
        from promptctl.templates.syntax import bad_template

        raise bad_template(error.message or "it does not parse", error.lineno, error.source or "", name) from None
    except SyntaxError as error:  # Python's limits on nesting, and names given twice
        raise BadTemplate(f"the template cannot be compiled: {error.msg}", 1, name) from None
    except (RecursionError, MemoryError):
        raise BadTemplate("the template is nested too deeply", 1, name) from None
    except (ValueError, OverflowError):
        raise BadTemplate("the template holds a number that is too long", 1, name) from None
