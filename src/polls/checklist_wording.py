"""The checklist's ear for wording, in Russian and English: two questions in one, leading words, lopsided scales. Pure.

Plain patterns and short lists of words, so that each warning can be explained by what it found; it never blocks. They
are meant to be right when they speak, not to hear everything: a text without warnings may still be a bad question.
Guidance followed: question wording in Dillman, Smyth and Christian, “Internet, Phone, Mail, and Mixed-Mode Surveys”
(2014), chapters 4-5; Tourangeau, Rips and Rasinski, “The Psychology of Survey Response” (2000).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from polls.checklist_finding import Finding
from polls.checklist_ranges import read_range, seams
from polls.definition import AnyQuestion, MultipleChoice, Rating, SingleChoice

SHORTEST_CONTAINED = 4  # letters: «да» within «да, но…» says nothing
LEAST_RANGES = 2
LONGEST = 600  # characters listened to: patterns take time with the square of it

# Proposals: infinitives, and nouns made of verbs. «парк культуры и отдыха» holds none.
_RU_INFINITIVE = r"[а-я]{2,}(?:ать|ять|еть|ить|оть|уть|ыть|ести|езти|ойти|ойтись|сти|чь)(?:ся)?"
_RU_ACTION = (
    r"(?:[а-я]{2,}(?:ение|ания|ание|ению|анию|ятие|ятия|ацию|ация|изация|изацию|овку|овка|адку|адка|ойку|ойка|"
    r"ельство|устройство)|снос|ремонт|запрет|вывоз|перенос|отказ|отмену|отмена|закупку|замену|замена|посадку|уборку|вырубку)"
)
_EN_ACTION = (
    r"(?:build|demolish|remove|close|open|plant|install|ban|allow|raise|lower|extend|widen|move|rename|introduce|"
    r"cancel|replace|repair|pave|sell|buy|cut|fell|restore|limit)"
)
_EN_ACTING = (
    r"(?:building|demolishing|removing|closing|opening|planting|installing|banning|allowing|raising|lowering|extending|"
    r"widening|moving|renaming|introducing|cancelling|replacing|repairing|paving|selling|buying|cutting|felling|"
    r"restoring|limiting)"
)
_WHICH = r"(?:что|где|когда|куда|как|какой|какая|какое|какие|сколько|почему|зачем|кто|кому)"
_EN_WHICH = r"(?:what|where|when|how|which|why|who)"
_JOINED = r"\s+(?:и|или|а также|и/или)\s+(?:\S+\s+){0,1}"
_EN_JOINED = r",?\s+(?:and|or|and/or|as well as)\s+(?:to\s+|also\s+)?"

_DOUBLE = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b{_RU_INFINITIVE}\b(?P<rest>.*?)(?P<join>{_JOINED})\b{_RU_INFINITIVE}\b",
        rf"\b{_RU_ACTION}\b(?P<rest>.*?)(?P<join>{_JOINED})\b{_RU_ACTION}\b",
        rf"\b{_WHICH}\b.*?(?P<join>\s+(?:и|или)\s+)\b{_WHICH}\b",
        rf"\b{_EN_ACTION}\b.*?(?P<join>{_EN_JOINED})\b{_EN_ACTION}\b",
        rf"\b{_EN_ACTING}\b.*?(?P<join>{_EN_JOINED})\b{_EN_ACTING}\b",
        rf"^{_EN_WHICH}\b.*?(?P<join>{_EN_JOINED})\b{_EN_WHICH}\b",
    )
)
_RATED_TWICE = tuple(
    re.compile(pattern)
    for pattern in (
        r"\bоцен\w+\s+(?:\S+\s+){0,2}[а-я]+(?:ость|оту|ство|ание|ение)\s+и\s+[а-я]+(?:ость|оту|ство|ание|ение)\b",
        r"\brate\s+(?:the\s+)?[a-z]+(?:ness|ity|ance|ence|ty)\s+and\s+(?:the\s+)?[a-z]+(?:ness|ity|ance|ence|ty)\b",
    )
)

_LEADING = tuple(
    re.compile(pattern)
    for pattern in (
        r"\bсогласны ли вы(?: с тем)?,? что\b", r"\bвы согласны,? что\b", r"\bне (?:считаете|думаете) ли вы\b",
        r"\bне кажется ли вам\b", r"\bразве\b", r"\bведь\b", r"\bочевидно\b", r"\bконечно(?: же)?,", r"\bбезусловно\b",
        r"\bнесомненно\b", r"\bбесспорно\b", r"\bкак (?:всем )?известно\b", r"\bвсем (?:ясно|понятно|известно)\b",
        r"\bнаконец(?:-то)?\b", r"\bназрел\w*\b", r"\bдолгожданн\w+\b", r"\bпрекрасн\w+\b", r"\bзамечательн\w+\b",
        r"\bвеликолепн\w+\b", r"\bужасн\w+\b", r"\bуродлив\w+\b", r"\bбезобразн\w+\b", r"\bуникальн\w+ возможност\w+\b",
        r"\bстоль (?:необходим|нужн|важн)\w+\b", r"\bнасколько (?:сильно )?(?:вам )?понрав\w+\b",
        r"\bнасколько (?:\w+ )?улучш\w+\b", r"\bдо сих пор\b",
        r"\bdo you agree that\b", r"\bdon['’]?t you (?:think|agree|want)\b", r"\bwouldn['’]t you\b",
        r"\bisn['’]t it\b",
        r"\bsurely\b", r"\bobviously\b", r"\bof course\b", r"\bclearly\b",
        r"\bas everybody knows\b", r"\beveryone knows\b",
        r"\bbeautiful\b", r"\bwonderful\b", r"\blong-awaited\b", r"\bmuch-needed\b", r"\bat last\b", r"\bugly\b",
        r"\bterrible\b", r"\bhow much (?:better|did you (?:like|enjoy))\b",
    )
)  # fmt: skip

_YES_NO = re.compile(
    r"\b[а-я]+(?:те|но|ит|ует|ны|жно) ли\b|\bза или против\b"
    r"|^(?:do|does|should|would|shall|is|are|will) (?:you|the|we|it)\b"
)
_FOR = re.compile(r"^(?:да|за|поддерж\w+|соглас\w+|нужн\w+|стоит|yes|for|support|i support|agree|in favour)\b")
_AGAINST = re.compile(
    r"^(?:нет|против|не|ни|ничего|никак\w*|оставить|отказаться|отклонить|no|not|against|none|nothing|leave|keep|neither|"
    r"reject|disagree|oppose|i oppose|do not|don['’]t)\b"
)

_NEGATIVE = re.compile(
    r"\b(?:плох\w*|ужасн\w*|неудовлетв\w*|недовол\w*|отрицательн\w*|низк\w*|никогда|против|нет|не (?:нрав\w+|соглас\w+|"
    r"доволен|довольн\w+|устраива\w+|поддерж\w+|удовлетвор\w+)|несоглас\w*|bad|badly|poor|terrible|awful|dissatisfied|"
    r"disagree|negative|low|never|no|not satisfied|unhappy|oppose|against)\b"
)
_POSITIVE = re.compile(
    r"\b(?:хорош\w*|отличн\w*|прекрасн\w*|замечательн\w*|превосходн\w*|нрав\w+|соглас\w+|довол\w*|устраива\w+|"
    r"положительн\w*|высок\w*|удовлетворен\w*|поддерж\w+|да|за|всегда|good|great|excellent|well|satisfied|agree|"
    r"positive|high|always|yes|happy|support|for|perfect|outstanding)\b"
)
_MIDDLE = re.compile(
    r"\b(?:средн\w*|нормальн\w*|удовлетворительн\w*|нейтральн\w*|так себе|когда как|иногда|ни \w+,? ни|fair|average|"
    r"neutral|ok|okay|sometimes|neither|satisfactory|acceptable)\b"
)


def check_wording(question: AnyQuestion) -> Iterator[Finding]:
    """Warnings about how the question and its options are put, each with the words it heard."""
    path = f"questions/{question.id}"
    for language in ("ru", "en"):
        words = _plain(getattr(question.text, language))
        yield from _double(question, words, language, path)
        leading = [found.group() for pattern in _LEADING if (found := pattern.search(words))]
        if leading:
            facts = {"language": language, "words": leading}
            yield Finding("leading_wording", f"{path}/text", False, facts)
    yield from _one_sided(question, path)
    if isinstance(question, Rating):
        levels = [label.ru or label.en for label in question.levels]
        yield from _lopsided([_plain(level) for level in levels], f"{path}/levels")
    if isinstance(question, SingleChoice):
        yield from _lopsided(
            [_plain(option.text.ru or option.text.en) for option in question.regular], f"{path}/options"
        )
    if isinstance(question, SingleChoice | MultipleChoice):
        yield from _overlapping(question, path)


def _plain(words: str) -> str:
    """The beginning of a text, where a question is, in small letters with single spaces."""
    return " ".join(words[:LONGEST].casefold().replace("ё", "е").split())


def _double(question: AnyQuestion, words: str, language: str, path: str) -> Iterator[Finding]:
    """Two proposals joined in one question, or two qualities rated by one mark."""
    patterns = (*_DOUBLE, *_RATED_TWICE) if isinstance(question, Rating) and len(question.regular) == 1 else _DOUBLE
    for pattern in patterns:
        if found := pattern.search(words):
            facts = {"language": language, "words": found.group()}
            yield Finding("double_barrelled", f"{path}/text", False, facts)
            return


def _one_sided(question: AnyQuestion, path: str) -> Iterator[Finding]:
    """A question that can be answered yes or no, with a yes among its options and no no."""
    if not isinstance(question, SingleChoice | MultipleChoice) or len(question.regular) < 2:
        return
    asked = _plain(question.text.ru) or _plain(question.text.en)
    options = [_plain(option.text.ru or option.text.en) for option in question.regular]
    if not _YES_NO.search(asked) or any(_AGAINST.search(option) for option in options):
        return
    if any(_FOR.search(option) for option in options):
        yield Finding("no_against_option", f"{path}/options", False)


def _lopsided(levels: list[str], path: str) -> Iterator[Finding]:
    """Named levels of which more praise than blame, or the other way round; silent unless every level is understood."""
    sides = [_side(level) for level in levels]
    if len(levels) < 3 or None in sides:
        return
    good, bad = sides.count(1), sides.count(-1)
    if good != bad and good + bad:
        yield Finding("scale_unbalanced", path, False, {"positive": good, "negative": bad})


def _side(level: str) -> int | None:
    """-1 blame, 0 the middle, 1 praise, None: not understood."""
    if _MIDDLE.search(level):
        return 0
    if re.search(r"\bнеплох\w*|\bnot bad\b", level):
        return 1
    if _NEGATIVE.search(level):
        return -1
    return 1 if _POSITIVE.search(level) else None


def _overlapping(question: SingleChoice | MultipleChoice, path: str) -> Iterator[Finding]:
    """Ranges with something in common or left out, and an option that stands whole within another."""
    options = question.regular
    ranges = [(option, found) for option in options if (found := read_range(option.text.ru or option.text.en))]
    if len(ranges) >= LEAST_RANGES and len(ranges) == len(options):
        for seam in seams([found for _, found in ranges]):
            one, other = ranges[seam.first][0], ranges[seam.second][0]
            facts = {"other": one.id, "from": seam.begins, "to": seam.ends}
            if seam.overlap:
                yield Finding("options_overlap", f"{path}/options/{other.id}/text", False, facts)
            else:
                yield Finding("options_leave_gap", f"{path}/options/{other.id}/text", False, facts)
        return
    if isinstance(question, MultipleChoice):
        return  # whoever means both may choose both
    texts = [(option.id, _plain(option.text.ru or option.text.en)) for option in options]
    for number, words in texts:
        if len(words) < SHORTEST_CONTAINED:
            continue
        whole = re.compile(rf"(?<!\w){re.escape(words)}(?!\w)")
        for holder, longer in texts:
            if words in longer and holder != number and longer != words and whole.search(longer):
                yield Finding("option_contained", f"{path}/options/{holder}/text", False, {"other": number})
                break
