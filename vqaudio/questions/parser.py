"""Parse typed questions into programs: the inverse of `grammar`.

Reads every question that the grammar writes, and other combinations of its phrases.
"""

import re

from vqaudio.questions.grammar import RELATION_WORDS, SYNONYMS, TEMPLATES, VALUES, Steps
from vqaudio.questions.programs import ATTRIBUTES, ORDINALS
from vqaudio.questions.tokeniser import words_of

WORDS = {word: (kind, value) for kind in ("loudness", "brightness") for value in VALUES[kind] for word in SYNONYMS[value]}
RELATIONS = {phrase: relation for relation, phrases in RELATION_WORDS.items() for phrase in phrases}


def _one_of(options) -> str:
    return "|".join(sorted(options, key=len, reverse=True))


ADJECTIVE = "|".join(_one_of(word for word, (kind, _) in WORDS.items() if kind == one) for one in ("loudness", "brightness"))
NOUN = (
    rf"(?:(?:{ADJECTIVE}) ){{0,2}}(?:(?:{_one_of(VALUES['instrument'])}) )?(?:sounds?|tones?)"
    r"(?: with the note [a-g](?: sharp)?)?(?: in octave \d)?"
)
RELATION = _one_of(RELATIONS)
PLAIN = rf"the (?:(?:{_one_of([*ORDINALS, 'last'])}) )?{NOUN}"  # one sound, by what it is
RELATED = rf"the (?:sound|tone) (?:{RELATION}) {PLAIN}"  # one sound, by the sound next to it
PARTS = {
    "a": f"an? (?P<a>{NOUN})", "many": f"(?P<many>{NOUN})", "others": f"(?P<others>{NOUN})",
    "relation": f"(?P<relation>{RELATION})",
    "the": f"(?P<the>{RELATED}|{PLAIN})", "other": f"(?P<other>{PLAIN})",
}  # fmt: skip


def _pattern(template: str) -> re.Pattern:
    words = template.split("{")
    parts = [" ".join(words_of(words[0]))]
    for part in words[1:]:
        name, _, rest = part.partition("}")
        parts += [PARTS[name], " ".join(words_of(rest))]
    return re.compile(" ".join(part for part in parts if part))


def _patterns():
    """(pattern, question type, last function of a comparison of counts)."""
    for kind, templates in TEMPLATES.items():
        groups = templates.items() if isinstance(templates, dict) else [("", templates)]
        for function, group in groups:
            yield from ((_pattern(template), kind, function) for template in group)


PATTERNS = list(_patterns())


def parse(question: str) -> list[dict] | None:
    """Return a question's program as `grammar` writes it, or None outside the grammar."""
    text = " ".join(words_of(question))
    for pattern, kind, function in PATTERNS:
        if found := pattern.fullmatch(text):
            return _program(kind, function, found.groupdict())
    return None


def _program(kind: str, function: str, words: dict[str, str]) -> list[dict]:
    steps = Steps()
    steps.add("scene")
    if kind == "compare_counts":
        counts = [steps.add("count", (_filtered(steps, 0, words[name]),)) for name in ("many", "others")]
        steps.add(function, tuple(counts))
    elif kind.removesuffix("_related") in ("exist", "count"):
        start = 0
        if kind.endswith("_related"):
            start = steps.add("relate", (_one(steps, words["the"]),), RELATIONS[words["relation"]])
        steps.add(kind.removesuffix("_related"), (_filtered(steps, start, words.get("a") or words["many"]),))
    elif kind.startswith("equal_"):
        query = kind.replace("equal_", "query_")
        first = steps.add(query, (_one(steps, words["the"]),))
        steps.add(kind, (first, steps.add(query, (_one(steps, words["other"]),))))
    else:
        steps.add(kind, (_one(steps, words["the"]),))
    return steps.steps


def _one(steps: Steps, phrase: str) -> int:
    """Write the steps that find the one sound of a phrase such as "the last loud cello sound"; returns the last of them."""
    if found := re.fullmatch(rf"the (?:sound|tone) (?P<relation>{RELATION}) (?P<the>{PLAIN})", phrase):
        return steps.add("unique", (steps.add("relate", (_one(steps, found["the"]),), RELATIONS[found["relation"]]),))
    at = _filtered(steps, 0, phrase)
    ordinal = next((word for word in phrase.split() if word in ORDINALS or word == "last"), None)
    return steps.add("unique", (steps.add("filter_position", (at,), ordinal) if ordinal else at,))


def _filtered(steps: Steps, start: int, noun: str) -> int:
    """Write the filters of a noun phrase."""
    words = noun.split()
    wanted = dict(WORDS[word] for word in words if word in WORDS)
    if instruments := [word for word in words if word in VALUES["instrument"]]:
        wanted["instrument"] = instruments[0]
    if note := re.search(r"with the note (\w)( sharp)?", noun):
        wanted["note"] = note[1].upper() + ("#" if note[2] else "")
    if octave := re.search(r"in octave (\d)", noun):
        wanted["octave"] = octave[1]
    return steps.filtered(start, {name: wanted[name] for name in ATTRIBUTES if name in wanted})
