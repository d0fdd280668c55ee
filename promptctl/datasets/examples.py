"""Texts that a prompt itself shows to the model, such as examples: a case with such a text tests its memory alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from promptctl.files.plain import texts_in
from promptctl.prompts.prompt import Message, Prompt
from promptctl.templates.reading import split_markup

# A shorter text, or one of fewer words, may well be in a prompt by chance: a name, a class, a phrase.
_SHORTEST, _FEWEST_WORDS = 20, 4
_WORD = re.compile(r"\w+")
_WORD_OR_GAP = re.compile(r"\w+|\0")


class Examples:
    """The texts of one prompt: its messages and partials without what is filled in, and the defaults of its inputs."""

    def __init__(self, prompt: Prompt | None) -> None:
        texts = [" \0 ".join(split_markup(text)[::2]) for text in _written(prompt)] if prompt is not None else []
        for each in prompt.inputs.values() if prompt is not None else ():
            texts += texts_in(each.default)
        words = [_WORD_OR_GAP.findall(text.casefold()) for text in texts]
        self._text = " \0 ".join(["", *(" ".join(each) for each in words), ""])
        self._openings = {tuple(each[at : at + _FEWEST_WORDS]) for each in words for at in range(len(each))}

    def show(self, text: str) -> bool:
        """Return True if the prompt shows this very text, whatever marks and letter case it has there."""
        if len(text) < _SHORTEST:
            return False
        folded = text.casefold()
        opening = tuple(word[0] for word in islice(_WORD.finditer(folded), _FEWEST_WORDS))
        # Looked for whole only where its first words are there: most texts are not.
        return (
            len(opening) == _FEWEST_WORDS
            and opening in self._openings
            and f" {' '.join(_WORD.findall(folded))} " in self._text
        )


def _written(prompt: Prompt) -> Iterator[str]:
    yield from prompt.partials.values()
    for message in prompt.messages:
        if isinstance(message, Message):
            yield from texts_in(message.content)
