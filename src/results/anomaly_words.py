"""What each check looks at, and what its verdict can and cannot mean, in both languages. Pure.

Page, API, PDF and protocol say the same words, so they stand here and not in a template.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from results.anomaly_shapes import Anomalies, CheckName, Lack, Verdict


@dataclass(frozen=True)
class Both:
    """A text in both languages."""

    ru: str
    en: str

    def label(self, language: str) -> str:
        """The text in `language`."""
        return self.en if language == "en" else self.ru


@dataclass(frozen=True)
class CheckWords:
    """Of one check: its title, what it looks at, what its statistic is, what `unusual` can mean, and what it cannot."""

    title: Both
    looks_at: Both
    statistic: Both
    may_mean: Both
    cannot_mean: Both


WORDS: Mapping[CheckName, CheckWords] = {
    CheckName.BURST: CheckWords(
        Both("Всплески по времени", "Bursts in time"),
        Both(
            "Голоса за каждые десять минут: есть ли всплеск, который идёт ровно и обрывается сразу, а не затухает, как "
            "ответ людей на сообщение.",
            "Votes in every ten minutes: whether some burst runs evenly and ends at once, and does not die down as "
            "people's answers to a message do.",
        ),
        Both("на сколько отклонений ровный всплеск вероятнее затухающего",
             "by how many deviations an even burst fits better than one that dies down"),
        Both(
            "Голоса могла добавлять программа. Так же выглядят перемена в школе, голосование в зале или сбой, после "
            "которого приняты отложенные голоса.",
            "A program may have added votes. A break at a school, a vote in a hall, or a fault after which waiting "
            "votes were taken look the same.",
        ),
        Both(
            "Это не говорит, чьи это голоса и за что они. Вброс, который повторяет ответ на рассылку, здесь не виден.",
            "It does not say whose votes these are or what they are for. Stuffing in the form of an answer to a "
            "message is not seen here.",
        ),
    ),
    CheckName.NIGHT: CheckWords(
        Both("Ночные голоса", "Votes at night"),
        Both("Доля голосов с часу до пяти ночи, кроме первых шести часов после открытия.",
             "The share of votes cast between one and five at night, the first six hours after opening left out."),
        Both("доля всех голосов, нижняя граница с надёжностью 99,9 %", "share of all votes, the lower 99.9 % bound"),
        Both(
            "Голоса могли добавлять, пока никто не смотрит. Ночью голосуют и те, кто работает в смену, и те, кто в "
            "другом часовом поясе; ночная передача или срок в полночь тоже прибавляют голосов.",
            "Votes may have been added while nobody was watching. People on night shifts and in other time zones vote "
            "then too, and a night broadcast or a deadline at midnight adds votes.",
        ),
        Both("Это не значит, что ночные голоса поддельны. Вброс днём здесь не виден.",
             "It does not mean that votes at night are false. Stuffing by day is not seen here."),
    ),
    CheckName.PLACES: CheckWords(
        Both("Округа по часам", "Okrugs by hour"),
        Both(
            "Не растёт ли на время доля одного округа среди голосов города. То, что движет всем городом, долей не "
            "меняет.",
            "Whether one okrug's share of the city's votes jumps for a while. What moves the whole city leaves shares "
            "as they are.",
        ),
        Both("отклонение от обычной доли, в устойчивых отклонениях",
             "distance from the usual share, in robust deviations"),
        Both(
            "Голоса могли добавлять от имени жителей одного округа. Так же выглядят местное сообщение, встреча с "
            "жителями, праздник во дворе или отключение связи у соседей.",
            "Votes may have been added in the name of one okrug's residents. A local message, a meeting, a street "
            "festival, or an outage elsewhere look the same.",
        ),
        Both(
            "Это не говорит, что в округе голосовали иначе. Вброс, разложенный по округам как обычные голоса, здесь не "
            "виден.",
            "It does not say that the okrug voted otherwise. Stuffing spread over okrugs as usual votes are is not "
            "seen here.",
        ),
    ),
    CheckName.TURNOUT: CheckWords(
        Both("Явка округов", "Turnout of okrugs"),
        Both("Не выбивается ли вверх явка одного округа из явки остальных, если судить по списку участников.",
             "Whether one okrug's turnout stands out above the others', by the roll."),
        Both("отклонение от остальных округов, по критерию Граббса", "distance from the other okrugs, by Grubbs' test"),
        Both("Голоса могли добавлять весь срок. Или вопрос касался этого округа больше, чем других.",
             "Votes may have been added all the time. Or the question concerned this okrug more than others."),
        Both("Высокая явка сама по себе ничего не доказывает. Меньше чем двукратный рост здесь обычно не виден.",
             "A high turnout proves nothing by itself. Less than a doubling is usually not seen here."),
    ),
    CheckName.YOUNG: CheckWords(
        Both("Новые учётные записи", "Young accounts"),
        Both(
            "Доля голосов тех, кто попал в реестр после публикации опроса, рядом с их долей в реестре.",
            "The share of votes by those who entered the register after the poll was published, beside their share of "
            "the register.",
        ),
        Both("доля всех голосов, нижняя граница с надёжностью 99,9 %", "share of all votes, the lower 99.9 % bound"),
        Both(
            "Записи могли заводить ради вброса. Или люди регистрировались, чтобы проголосовать, или реестр пополнили "
            "списком.",
            "Accounts may have been made for stuffing. Or people registered in order to vote, or a list was added to "
            "the register.",
        ),
        Both("Это не говорит ни об одном человеке. Вброс от имени давних записей здесь не виден.",
             "It says nothing about any person. Stuffing in the name of old accounts is not seen here."),
    ),
    CheckName.STEPS: CheckWords(
        Both("Доли между промежуточными итогами", "Shares between live steps"),
        Both(
            "В опросах с промежуточными итогами: не скачут ли доли от шага к шагу и не стоят ли они ровнее, чем "
            "допускает случай.",
            "In polls shown live: whether shares jump from step to step, or stand more still than chance allows.",
        ),
        Both("в долях порога", "in units of the threshold"),
        Both(
            "Голоса могли добавлять пачкой или по правилу. Скачок даёт и призыв голосовать за один вариант.",
            "Votes may have been added in a lump or by a rule. A call to vote for one option makes a jump too.",
        ),
        Both("Доли, которые плавно меняются, — обычное дело. Без промежуточных итогов проверки нет.",
             "Shares that move smoothly are usual. Without live steps there is no such check."),
    ),
}  # fmt: skip

VERDICTS: Mapping[Verdict, Both] = {
    Verdict.USUAL: Both("ничего необычного", "nothing unusual"),
    Verdict.UNUSUAL: Both("необычно", "unusual"),
    Verdict.CANNOT_SAY: Both("сказать нельзя", "cannot say"),
}

LACKS: Mapping[Lack, Both] = {
    Lack.FEW_VOTES: Both("слишком мало голосов", "too few votes"),
    Lack.SHORT: Both("слишком короткий срок", "too short a time"),
    Lack.FEW_PLACES: Both("слишком мало округов", "too few okrugs"),
    Lack.NO_ROLL: Both("список участников не известен", "the roll is not known"),
    Lack.NOT_RECORDED: Both("при подсчёте это не записано", "not recorded at the count"),
    Lack.NEW_REGISTER: Both("сам реестр новый", "the register itself is new"),
    Lack.FEW_STEPS: Both("слишком мало промежуточных итогов", "too few live steps"),
    Lack.NOT_LIVE: Both("опрос шёл без промежуточных итогов", "the poll was not shown live"),
}

WHAT_IT_IS = Both(
    "Проверки смотрят только на то, когда и в каких округах голосовали, и не на выбор "
    "(кроме уже опубликованных промежуточных итогов). «Необычно» — повод "
    "разобраться, а не вывод о подлоге; «ничего необычного» не доказывает, что вмешательства не было. Честный опрос "
    "получает отметку «необычно» реже чем в одном случае из ста. Вброс, разложенный тонко по всем часам и округам, не "
    "увидит ни одна из них.",
    "The checks look only at when and in which okrugs votes were cast, not at choices (but "
    "for live steps already published). “Unusual” is a reason to look "
    "closer, not a finding of fraud; “nothing unusual” does not prove that nobody interfered. An honest poll is called "
    "unusual in fewer than one case in a hundred. Stuffing spread thinly over all hours and okrugs is seen by none of "
    "them.",
)


def summary(found: Anomalies) -> Both:
    """One sentence over all checks."""
    unusual, unknown = len(found.unusual), sum(check.verdict is Verdict.CANNOT_SAY for check in found.checks)
    done = len(found.checks) - unknown
    if not done:
        return Both("Проверить нечего: слишком мало данных.", "There is nothing to check: too little data.")
    if not unusual:
        return Both(f"Необычного не найдено: проверок {done} из {len(found.checks)}.",
                    f"Nothing unusual was found: {done} of {len(found.checks)} checks were possible.")  # fmt: skip
    return Both(f"Необычное нашли проверки: {unusual} из {done}.", f"Unusual by {unusual} of {done} checks.")
