"""Tokeniser for questions: lower case, no punctuation, split on white space."""

import re
from collections import Counter
from collections.abc import Iterable

import torch
from torch import Tensor

from vqaudio.errors import InputError

PAD, UNKNOWN = 0, 1
RESERVED = ("<pad>", "<unknown>")
MAX_WORDS = 60


def words_of(question: str) -> list[str]:
    """Split a question into words; C# is two words, "c sharp"."""
    text = re.sub(r"\b([a-g])\s?[#♯]", r"\1 sharp ", question.lower())
    return re.sub(r"[^\w\s]", " ", text).split()


def vocabulary(questions: Iterable[str]) -> tuple[str, ...]:
    """Return all words of the training questions, sorted, after the reserved ones."""
    counts = Counter(word for question in questions for word in words_of(question))
    return (*RESERVED, *sorted(counts))


class Tokeniser:
    """Maps words to numbers."""

    def __init__(self, vocabulary: tuple[str, ...]):
        self.numbers = {word: number for number, word in enumerate(vocabulary)}

    def unknown(self, question: str) -> list[str]:
        """Return the words that training questions did not contain."""
        return list(dict.fromkeys(word for word in words_of(question) if word not in self.numbers))

    def encode(self, question: str) -> list[int]:
        """Convert a question to the numbers of its words.

        Raises:
            InputError: it has no words, only unknown ones, or more than `MAX_WORDS`.
        """
        words = words_of(question)
        if not words:
            raise InputError("The question is empty. Type one, such as: How many cello sounds are there?")
        if len(words) > MAX_WORDS:
            raise InputError(f"The question has {len(words):,} words. Ask in at most {MAX_WORDS}.")
        if len(self.unknown(question)) == len(set(words)):
            raise InputError("This model knows none of the question's words. Ask about what it was trained on.")
        return [self.numbers.get(word, UNKNOWN) for word in words]


def padded(questions: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Pad the numbers of several questions with `PAD`: int [B, L], lengths [B]."""
    lengths = torch.tensor([len(one) for one in questions])
    tokens = torch.full((len(questions), max(1, int(lengths.max()))), PAD)
    for row, one in zip(tokens, questions):
        row[: len(one)] = torch.tensor(one)
    return tokens, lengths
