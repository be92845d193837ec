"""The columns of every published file: names, types and what they mean, in both languages.

Order and names are stable: a column is never renamed, removed or given another meaning within a major version of the
format; new columns come at the end (see docs/data-formats.md). The codebook and the writers read the same lists.
"""

from __future__ import annotations

from dataclasses import dataclass

FORMAT_VERSION = "1.2"
"""Major: something was dropped or means something else. Minor: columns, files or values came in addition."""


@dataclass(frozen=True)
class ColumnDoc:
    """One column. `datatype` is a CSVW (XML Schema) type; `empty` says what an empty cell means."""

    name: str
    datatype: str
    ru: str
    en: str
    empty: str = ""


_HIDDEN = "hidden or not applicable; see suppressed"
_NOT_APPLICABLE = "not applicable"

RESULTS = (
    ColumnDoc("poll_id", "string", "Идентификатор голосования", "Id of the poll, 32 hex digits"),
    ColumnDoc("poll_slug", "string", "Короткое имя голосования в адресе", "Short name of the poll in addresses"),
    ColumnDoc("question_id", "integer", "Номер вопроса", "Id of the question"),
    ColumnDoc("question_kind", "string", "Вид вопроса: single_choice, multiple_choice, rating, ranking, points, "
              "budget, text",
              "Kind of the question: single_choice, multiple_choice, rating, ranking, points, budget, text"),
    ColumnDoc("question_ru", "string", "Вопрос по-русски", "The question in Russian"),
    ColumnDoc("question_en", "string", "Вопрос по-английски (если нет — по-русски)",
              "The question in English (Russian when missing)"),
    ColumnDoc("class", "string", "Класс ответа: option — вариант, neutral — нейтральный вариант, own — свой вариант "
              "или текст, blank — без ответа, level — уровень шкалы (в таблицах двух вопросов)",
              "Class of the answer: option, neutral, own (own answers, texts), blank, or level of a scale "
              "(in tables of two questions)"),
    ColumnDoc("option_id", "integer", "Номер варианта (или уровня: class = level); 0 — свой вариант или без ответа",
              "Id of the option (of level, the level); 0 for own and for blank answers"),
    ColumnDoc("option_ru", "string", "Вариант по-русски", "The option in Russian"),
    ColumnDoc("option_en", "string", "Вариант по-английски (если нет — по-русски)",
              "The option in English (Russian when missing)"),
    ColumnDoc("dimension", "string", "Разрез: all — всё голосование, okrug, district, age_band, sex; два: okrug+sex; "
              "question:1 — по ответам на вопрос 1",
              "Breakdown: all for the whole poll, okrug, district, age_band, sex; two at once: okrug+sex; question:1: "
              "by the answers to question 1"),
    ColumnDoc("group_code", "string", "Код группы; rest — без разбивки (объединено при подсчёте), unknown — нет данных",
              "Code of the group; rest: not broken down (merged at counting), unknown: the register does not say"),
    ColumnDoc("group_ru", "string", "Группа по-русски", "The group in Russian"),
    ColumnDoc("group_en", "string", "Группа по-английски", "The group in English"),
    ColumnDoc("suppressed", "boolean", "true — число скрыто, чтобы не раскрывать выбор людей",
              "true: the figure is hidden to protect people"),
    ColumnDoc("votes", "integer", "Число бюллетеней с этим ответом (оценка: оценивших вариант; ранжирование: с "
              "вариантом на первом месте; баллы: давших вариант хоть один)", "Ballots with this answer (ratings: that "
              "rated the option; rankings: with it in first place; points: that gave it any)", _HIDDEN),
    ColumnDoc("share", "decimal", "Доля: votes ÷ denominator_n, от 0 до 1", "votes ÷ denominator_n, from 0 to 1",
              "hidden, or the denominator is not known or zero"),
    ColumnDoc("denominator", "string", "От чего доля: valid — действительных ответов, cast — бюллетеней, "
              "entitled — имеющих право", "What share is of: valid answers, ballots cast, or residents entitled"),
    ColumnDoc("denominator_n", "integer", "Число в знаменателе", "The number share is of", "hidden or not known"),
    ColumnDoc("rating_mean", "decimal", "Средняя оценка", "Mean rating",
              "no rating, nobody rated, hidden, or all in the group gave one level"),
    ColumnDoc("rating_median", "decimal", "Медиана оценок (только всё голосование)",
              "Median rating (whole poll only)", _NOT_APPLICABLE),
    *(ColumnDoc(f"rating_{level}", "integer", f"Сколько поставили {level} (только всё голосование)",
                f"How many rated {level} (whole poll only)", _NOT_APPLICABLE) for level in range(1, 6)),
    ColumnDoc("place", "integer", "Место варианта (только всё голосование); равные места равны",
              "Place of the option (whole poll only); equal places are equal", _NOT_APPLICABLE),
    ColumnDoc("status", "string", "Итог варианта (всё голосование): winner, tied, funded, not_funded, not_winner",
              "What became of the option (whole poll only): winner, tied, funded, not_funded, not_winner",
              _NOT_APPLICABLE),
    ColumnDoc("cost", "decimal", "Стоимость проекта в единицах валюты", "Cost of the project, in currency units",
              _NOT_APPLICABLE),
    ColumnDoc("currency", "string", "Валюта (ISO 4217)", "Currency (ISO 4217)", _NOT_APPLICABLE),
    ColumnDoc("points", "integer", "Сумма баллов варианта", "Points given to the option",
              "not applicable, hidden, or all in the group gave the same"),
    ColumnDoc("score", "decimal", "По чему упорядочило правило ранжирования: баллы Борда или голоса (всё голосование)",
              "What a ranked rule ordered by: Borda points or votes (whole poll only)", _NOT_APPLICABLE),
    ColumnDoc("rating_trimmed_mean", "decimal", "Усечённое среднее оценок (только всё голосование)",
              "Trimmed mean rating (whole poll only)", _NOT_APPLICABLE),
    ColumnDoc("grade", "integer", "Оценка большинства (только всё голосование)", "Majority grade (whole poll only)",
              _NOT_APPLICABLE),
    ColumnDoc("grade_above", "integer", "Сколько оценок лучше неё", "How many grades are better", _NOT_APPLICABLE),
    ColumnDoc("grade_below", "integer", "Сколько оценок хуже неё", "How many grades are worse", _NOT_APPLICABLE),
)  # fmt: skip

WIDE = (
    ColumnDoc("poll_id", "string", "Идентификатор голосования", "Id of the poll, 32 hex digits"),
    ColumnDoc("poll_slug", "string", "Короткое имя голосования в адресе", "Short name of the poll in addresses"),
    ColumnDoc("dimension", "string", "Разрез, как в results.csv", "Breakdown, as in results.csv"),
    ColumnDoc("group_code", "string", "Код группы", "Code of the group"),
    ColumnDoc("group_ru", "string", "Группа по-русски", "The group in Russian"),
    ColumnDoc("group_en", "string", "Группа по-английски", "The group in English"),
    ColumnDoc("hidden", "string", "Имена столбцов этой строки, числа которых скрыты, через пробел; их доли скрыты тоже",
              "Names of this line's columns whose figures are hidden, separated by spaces; so are their shares",
              "nothing in the line is hidden"),
)  # fmt: skip
"""The first columns of the wide file; those of the poll's options follow (`results.exports.wide`)."""

DETAILS = (
    ColumnDoc("poll_id", "string", "Идентификатор голосования", "Id of the poll, 32 hex digits"),
    ColumnDoc("poll_slug", "string", "Короткое имя голосования в адресе", "Short name of the poll in addresses"),
    ColumnDoc("question_id", "integer", "Номер вопроса", "Id of the question"),
    ColumnDoc("figure", "string", "Что за число: level — поставили оценку number; place — на месте number; pair — выше "
              "варианта other_id; round — голоса в туре number", "What the number is: level, ballots that gave the "
              "level number; place, ballots with the option at place number; pair, ballots with it above other_id; "
              "round, votes in round number"),
    ColumnDoc("option_id", "integer", "Номер варианта; 0 — бюллетени, которые больше ни за кого не считаются",
              "Id of the option; 0 for the ballots that count for nobody any more"),
    ColumnDoc("option_ru", "string", "Вариант по-русски", "The option in Russian", "option_id is 0"),
    ColumnDoc("option_en", "string", "Вариант по-английски (если нет — по-русски)",
              "The option in English (Russian when missing)", "option_id is 0"),
    ColumnDoc("other_id", "integer", "Номер второго варианта пары", "Id of the other option of a pair",
              _NOT_APPLICABLE),
    ColumnDoc("number", "integer", "Оценка, место или тур", "The level, place or round", _NOT_APPLICABLE),
    ColumnDoc("votes", "decimal", "Число бюллетеней или голосов (в турах бывают доли голоса)",
              "Ballots, or votes (which rounds may divide)"),
)  # fmt: skip

TEXTS = (
    ColumnDoc("poll_id", "string", "Идентификатор голосования", "Id of the poll, 32 hex digits"),
    ColumnDoc("poll_slug", "string", "Короткое имя голосования в адресе", "Short name of the poll in addresses"),
    ColumnDoc("question_id", "integer", "Номер вопроса", "Id of the question"),
    ColumnDoc("text", "string", "Проверенный текст", "The reviewed text"),
    ColumnDoc("shown_beside", "integer", "Вариант, рядом с которым показан текст; в подсчёт он не входит",
              "Option the text is shown beside; it is not counted for it", "shown by itself"),
)  # fmt: skip

TURNOUT = (
    ColumnDoc("poll_id", "string", "Идентификатор голосования", "Id of the poll, 32 hex digits"),
    ColumnDoc("poll_slug", "string", "Короткое имя голосования в адресе", "Short name of the poll in addresses"),
    ColumnDoc("dimension", "string", "Разрез: all, okrug, district, age_band, sex или day — день по городскому времени",
              "Breakdown: all, okrug, district, age_band, sex, or day in city time"),
    ColumnDoc("group_code", "string", "Код группы; для day — дата", "Code of the group; the date for day"),
    ColumnDoc("group_ru", "string", "Группа по-русски", "The group in Russian"),
    ColumnDoc("group_en", "string", "Группа по-английски", "The group in English"),
    ColumnDoc("suppressed", "boolean", "true — число скрыто", "true: the figure is hidden"),
    ColumnDoc("votes", "integer", "Сколько проголосовало", "How many voted", "hidden"),
    ColumnDoc("entitled", "integer", "Сколько имело право (список на момент открытия)",
              "How many were entitled (the roll)", "not known, or not applicable to a day"),
    ColumnDoc("turnout", "decimal", "Явка: votes ÷ entitled", "votes ÷ entitled", "hidden or not known"),
)  # fmt: skip

HOURS = (
    ColumnDoc("poll_id", "string", "Идентификатор голосования", "Id of the poll, 32 hex digits"),
    ColumnDoc("slug", "string", "Короткое имя голосования в адресе", "Short name of the poll in addresses"),
    ColumnDoc("table", "string", "city — весь город по десять минут и больше; okrugs — целые часы по округам. Каждый "
              "голос есть в каждой из двух таблиц по одному разу",
              "city: the whole city by ten minutes or more; okrugs: whole hours by okrug. Every vote is in each of the "
              "two once"),
    ColumnDoc("begins", "dateTime", "Начало по времени города, с часовым поясом", "Begin in city time, with offset"),
    ColumnDoc("ends", "dateTime", "Конец по времени города, с часовым поясом", "End in city time, with the offset"),
    ColumnDoc("okrugs", "string", "Коды округов через пробел", "Codes of okrugs, separated by a space",
              "the whole city, or residents of no okrug"),
    ColumnDoc("label_ru", "string", "Где, по-русски", "Where, in Russian"),
    ColumnDoc("label_en", "string", "Где, по-английски", "Where, in English"),
    ColumnDoc("votes", "integer", "Сколько проголосовало: не меньше десяти", "How many voted: ten at least"),
)  # fmt: skip

ANSWERS = (
    ColumnDoc("poll_hash", "string", "SHA-256 зафиксированных правил голосования", "SHA-256 of the sealed definition"),
    ColumnDoc("question_id", "integer", "Номер вопроса", "Id of the question"),
    ColumnDoc("style", "integer", "Вид бюллетеня: какие вопросы и варианты были показаны; 0 — все",
              "Ballot style: which questions and options were shown; 0 for all"),
    ColumnDoc("answer", "string", "Ответ: JSON-массив вариантов, [] — без ответа, 0 — свои слова; оценки и баллы — "
              "пары [вариант, число]; ранжирование — места по порядку, каждое — массив вариантов",
              "The answer: a JSON array of option ids, [] for blank, 0 for own words; ratings and points are pairs "
              "[option, number]; a ranking is its places in order, each an array of options"),
    ColumnDoc("nonce", "string", "16 байт в шестнадцатеричной записи, делающие записи разными",
              "16 bytes in hex that make equal answers different entries"),
)  # fmt: skip
