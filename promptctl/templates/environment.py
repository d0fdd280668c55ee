"""Compiles templates, and is what their compiled code may ask: names, attributes, calls and operators."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from jinja2 import BaseLoader, Template, TemplateNotFound, TemplateSyntaxError, Undefined, nodes
from jinja2.ext import Extension
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace, pass_context

from promptctl.files.names import PROMPTS, PathRefused, resolve_path
from promptctl.templates import guard
from promptctl.templates.bad_template import BadTemplate
from promptctl.templates.filters import FILTERS
from promptctl.templates.limits import SLOT, TEXT, Budget
from promptctl.templates.list_filters import Group
from promptctl.templates.methods import FUNCTIONS, LOOP_ATTRIBUTES, METHODS
from promptctl.templates.operators import BINARY, join_text, take_slice
from promptctl.templates.tests import TESTS
from promptctl.templates.undefined import undefined_of
from promptctl.templates.values import (
    BUDGET,
    Bound,
    RenderContext,
    fail_undefined,
    fault,
    items_of,
    kind,
    to_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from jinja2.lexer import Token, TokenStream

# Enough for a prompt that uses thousands of variables; compiling so many takes about a second.
MAX_TOKENS = 10_000
MAX_NAME = 120
MAX_SOURCE = 8 << 20

# The lexer takes hundreds of bytes for each digit of a number.
_DIGITS = re.compile(r"[0-9A-Fa-f_]{20000}")


def _printed(context: RenderContext, value: Any, label: str) -> str:
    budget = context.budget
    text = value if type(value) is str else to_text(budget, value, label)
    budget.spent += TEXT + len(text) * budget.unit
    if budget.spent >= budget.next_check:
        budget.check()
    return text


def _charged(context: RenderContext, cost: int) -> bool:
    budget = context.budget
    budget.spent += cost
    if budget.spent >= budget.next_check:
        budget.check()
    return True


def _timed(context: RenderContext, value: Any) -> Any:
    context.budget.tick()
    return value


def _made(context: RenderContext, value: Any) -> Any:
    context.budget.weigh(value)
    return value


def _iterated(_: RenderContext, value: Any, label: str) -> Any:
    return items_of(value, label)


def _entered(context: RenderContext, _: None) -> None:
    context.budget.enter("the include")


def _left(context: RenderContext, _: None) -> None:
    context.budget.leave()


_INTERNAL: dict[str, Callable[..., Any]] = {
    guard.PRINT: _printed,
    guard.JOIN: join_text,
    guard.SLICE: take_slice,
    guard.MADE: _made,
    guard.TIMED: _timed,
    guard.ITERATE: _iterated,
    guard.CHARGE: _charged,
    guard.ENTER: _entered,
    guard.LEAVE: _left,
}


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


class _Partials(BaseLoader):
    """The partials of one prompt, by their path below `prompts/`."""

    def __init__(self, partials: Mapping[str, str]) -> None:
        self._partials = partials

    def load(self, environment: Any, name: str, _: Any = None) -> Template:
        if name not in self._partials:
            raise TemplateNotFound(name, f"there is no partial {PROMPTS}/{name}")
        return cast("PromptEnvironment", environment).compile_text(self._partials[name], name)


class PromptEnvironment(ImmutableSandboxedEnvironment):
    """All that the templates of one prompt share. Thread-safe once they are compiled.

    `inputs` maps each declared input to whether it is required, for the errors. `partials` as in `Prompt`.
    """

    intercepted_binops = frozenset(BINARY)
    context_class = RenderContext

    def __init__(self, inputs: Mapping[str, bool] | None = None, partials: Mapping[str, str] | None = None) -> None:
        super().__init__(
            undefined=undefined_of(inputs or {}),
            autoescape=False,
            keep_trailing_newline=True,
            trim_blocks=False,
            lstrip_blocks=False,
            optimized=False,
            auto_reload=False,
            cache_size=-1,
            loader=_Partials(partials or {}),
            extensions=[_CountedTokens],
        )
        self.tokens = 0
        self.filters = _FILTERS
        self.tests = dict[str, Any](TESTS)
        self.globals = dict(FUNCTIONS)

    def parse_text(self, text: str, name: str | None = None) -> nodes.Template:
        """The checked syntax tree of a template, before the account's calls are put in. Raises `BadTemplate`."""
        if _DIGITS.search(text):
            raise BadTemplate("the template holds a number that is too long", 1, name)
        try:
            tree = self.parse(text, name)
        except TemplateSyntaxError as error:
            raise BadTemplate(_tidy(error.message or "it does not parse"), error.lineno, name) from None
        except RecursionError:
            raise BadTemplate("the template is nested too deeply", 1, name) from None
        except (ValueError, OverflowError):
            raise BadTemplate("the template holds a number that is too long", 1, name) from None
        try:
            guard.check(tree)
        except BadTemplate as error:
            error.name = name
            raise
        return tree

    def guarded(self, text: str, name: str | None = None) -> nodes.Template:
        """The syntax tree of a template, with the account's calls in it. Raises `BadTemplate`."""
        tree = guard.guard(self.parse_text(text, name))
        tree.set_environment(self)
        return tree

    def compile_text(self, text: str, name: str | None = None) -> Template:
        """A template ready to render. Raises `BadTemplate`."""
        tree = self.guarded(text, name)
        try:
            source = self.compile(tree, name, raw=True)
            if len(source) > MAX_SOURCE:
                raise BadTemplate("the template is too large to compile", 1, name)
            code = compile(source, "<template>", "exec", dont_inherit=True)
        except TemplateSyntaxError as error:
            raise BadTemplate(_tidy(error.message or "it does not compile"), error.lineno, name) from None
        except SyntaxError as error:  # Python's limits on nesting, and names given twice
            raise BadTemplate(f"the template cannot be compiled: {error.msg}", 1, name) from None
        except (RecursionError, MemoryError):
            raise BadTemplate("the template is nested too deeply", 1, name) from None
        return self.template_class.from_code(self, code, self.globals)

    def chunks(self, template: Template, variables: dict[str, Any], budget: Budget) -> Iterator[str]:
        """Render piece by piece. `variables` holds the functions too (`FUNCTIONS`), and is not changed."""
        variables[BUDGET] = budget
        context = RenderContext(self, variables, template.name, template.blocks)
        return template.root_render_func(context)

    def join_path(self, template: str, parent: str) -> str:
        """The path below `prompts/` of a partial named in the template `parent`."""
        try:
            return resolve_path(template, f"{PROMPTS}/{parent}", PROMPTS).removeprefix(PROMPTS + "/")
        except PathRefused as error:
            raise TemplateNotFound(template, error.message) from None

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`obj.attribute`: the item of a mapping, else a method of the short list."""
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        owner = tuple if isinstance(obj, tuple) else type(obj)
        method = METHODS.get(owner, {}).get(attribute)
        if method is not None:
            return Bound(attribute, method, obj)
        if isinstance(obj, LoopContext) and attribute in LOOP_ATTRIBUTES:
            return getattr(obj, attribute)
        if isinstance(obj, Group) and attribute in Group._fields:
            return getattr(obj, attribute)
        if type(obj) is Namespace and not attribute.startswith("_"):
            return getattr(obj, attribute, self.undefined(obj=obj, name=attribute))
        if isinstance(obj, Undefined):
            obj._fail_with_undefined_error()
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """`obj[argument]`: an item of a mapping, list or text."""
        if isinstance(obj, (dict, list, tuple, str, range)):
            try:
                return obj[argument]
            except (TypeError, LookupError):
                pass
        elif isinstance(obj, Undefined):
            obj._fail_with_undefined_error()
        return self.undefined(obj=obj, name=argument)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """`obj(…)`: a function or method of the short lists, a macro, or a recursive loop."""
        budget = cast("RenderContext", context).budget
        kwargs.pop("_loop_vars", None)
        kwargs.pop("_block_vars", None)
        if isinstance(obj, Bound):
            return obj.function(budget, obj.target, *args, **kwargs)
        budget.charge(SLOT * (len(args) + len(kwargs)))
        if isinstance(obj, (Macro, LoopContext)):
            what = "the macro" if isinstance(obj, Macro) else "the recursive loop"
            if isinstance(obj, LoopContext):
                args = tuple(items_of(arg) for arg in args)
            budget.enter(what)
            try:
                return obj(*args, **kwargs)
            finally:
                budget.leave()
        if isinstance(obj, Undefined):
            fail_undefined(obj, obj._undefined_name or "this")
        raise fault(f"this cannot be called: it is {kind(obj)}")

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """`left operator right`, for the operators that can make something large."""
        budget = cast("RenderContext", context).budget
        budget.charge(SLOT)
        for side in (left, right):
            if isinstance(side, Undefined):
                side._fail_with_undefined_error()
            if side is None:
                raise fault(f"`{operator}` has null on one side")
        return BINARY[operator](budget, left, right)


_FILTERS: dict[str, Any] = {name: pass_context(function) for name, function in {**FILTERS, **_INTERNAL}.items()}


def _tidy(message: str) -> str:
    """Jinja's message with its names in our quotes."""
    return re.sub(r"'([^'\s]+)'", r"`\1`", message.rstrip("."))
