"""What letters say, in Russian and English: by its key a subject and the paragraphs. Pure.

A fact stands in braces and comes from the caller: a short text of one line. `{link}` is the address drawn when the
letter is sent, and makes the paragraph it stands in a button of the HTML form. No letter names a poll, a choice or a
person: the owner of a mailbox and its reader need not be one.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass

LONGEST_FACT = 300


@dataclass(frozen=True, slots=True)
class Words:
    """One letter in one language."""

    subject: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """One letter in every language; `purpose` is what its link is for, None where it has none."""

    ru: Words
    en: Words
    purpose: str | None = None

    def words(self, language: str) -> Words:
        """The letter in a language; Russian for any unknown one."""
        return self.en if language == "en" else self.ru


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter ready to be sent: its subject, and its text in two forms."""

    subject: str
    plain: str
    html: str


_NOT_YOU_RU = "Если это были не вы, смените пароль и завершите чужие сеансы на странице «Учётная запись»."
_NOT_YOU_EN = "If it was not you, change the password and end the sessions you do not know on the page “Your account”."

MESSAGES: Mapping[str, Message] = {
    "verify_email": Message(
        Words("Подтвердите адрес почты", (
            "Кто-то указал этот адрес для учётной записи на сайте {site}. Если это вы, подтвердите его:", "{link}",
            "Ссылка действует сутки и только один раз. Если это не вы, ничего не делайте: без подтверждения по этому "
            "адресу нельзя восстановить доступ.",
        )),
        Words("Confirm your e-mail", (
            "Somebody gave this address for an account at {site}. If it was you, confirm it:", "{link}",
            "The link works for 24 hours and only once. If it was not you, do nothing: an address that is not "
            "confirmed recovers no account.",
        )),
        "verify",
    ),
    "password_reset": Message(
        Words("Новый пароль", (
            "Кто-то попросил задать новый пароль для вашей учётной записи на сайте {site}:", "{link}",
            "Ссылка действует 30 минут и только один раз. Если это не вы, ничего не делайте: прежний пароль остаётся.",
        )),
        Words("A new password", (
            "Somebody asked to set a new password for your account at {site}:", "{link}",
            "The link works for 30 minutes and only once. If it was not you, do nothing: the old password stays.",
        )),
        "reset",
    ),
    "sign_in": Message(
        Words("Вход с нового устройства", (
            "На сайте {site} на новом устройстве ввели пароль вашей учётной записи. Одного пароля сейчас мало. Если "
            "это вы, откройте ссылку в том браузере, в котором хотите войти:", "{link}",
            "Ссылка действует 30 минут и только один раз. Если это не вы, ваш пароль знает кто-то ещё. Войти ему не "
            "удалось, но задайте новый пароль: на странице «Войти» есть ссылка для этого.",
        )),
        Words("Sign in from a new device", (
            "Somebody gave the password of your account at {site} on a new device. The password alone will not do now. "
            "If it was you, open the link in the browser you want to sign in with:", "{link}",
            "The link works for 30 minutes and only once. If it was not you, somebody else knows your password. It has "
            "not let them in, but set a new one: there is a link for that on the page “Sign in”.",
        )),
        "sign_in",
    ),
    "invitation": Message(
        Words("Приглашение в рабочую учётную запись", (
            "Для вас создана рабочая учётная запись на сайте {site}. Откройте страницу", "{link}",
            "введите код {code} и придумайте пароль. Код действует три дня и только один раз. Никому его не "
            "сообщайте: те, кто создал учётную запись, его не знают. Если вы этого не ждали, ничего не делайте.",
        )),
        Words("An invitation to your work account", (
            "A work account was made for you at {site}. Open the page", "{link}",
            "enter the code {code} and choose a password. The code works for three days and only once. Tell it to "
            "nobody: those who made the account do not know it. If you did not expect this, do nothing.",
        )),
        "invitation",
    ),
    "confirm_new_email": Message(
        Words("Подтвердите новый адрес почты", (
            "Этот адрес хотят сделать адресом учётной записи на сайте {site}. Если это вы, подтвердите его:", "{link}",
            "Ссылка действует сутки. Адрес сменится, когда его подтвердят и с прежней почты.",
        )),
        Words("Confirm your new e-mail", (
            "This address is to become that of an account at {site}. If it was you, confirm it:", "{link}",
            "The link works for 24 hours. The address changes once the old one has confirmed it too.",
        )),
        "email_new",
    ),
    "confirm_old_email": Message(
        Words("Смена адреса почты", (
            "Для вашей учётной записи на сайте {site} попросили указать другой адрес почты. Если это вы, согласитесь:",
            "{link}",
            f"Ссылка действует сутки. Без вашего согласия адрес не сменится. {_NOT_YOU_RU}",
        )),
        Words("A change of your e-mail", (
            "Another e-mail was asked for your account at {site}. If it was you, agree:", "{link}",
            f"The link works for 24 hours. Without your consent the address stays. {_NOT_YOU_EN}",
        )),
        "email_old",
    ),
    "email_changed": Message(
        Words("Адрес почты сменён", (
            "У вашей учётной записи на сайте {site} теперь другой адрес почты. На этот адрес писем больше не будет.",
        )),
        Words("Your e-mail was changed", (
            "Your account at {site} has another e-mail now. No more letters will come to this one.",
        )),
    ),
    "password_changed": Message(
        Words("Пароль изменён", (f"Пароль вашей учётной записи на сайте {{site}} изменён. {_NOT_YOU_RU}",)),
        Words("Your password was changed", (f"The password of your account at {{site}} was changed. {_NOT_YOU_EN}",)),
    ),
    "passkey_added": Message(
        Words("Добавлен ключ входа", (f"К вашей учётной записи на сайте {{site}} добавлен ключ входа. {_NOT_YOU_RU}",)),
        Words("A passkey was registered", (f"Your account at {{site}} has a new passkey. {_NOT_YOU_EN}",)),
    ),
    "passkey_removed": Message(
        Words("Удалён ключ входа", (f"У вашей учётной записи на сайте {{site}} удалён ключ входа. {_NOT_YOU_RU}",)),
        Words("A passkey was removed", (f"A passkey of your account at {{site}} was removed. {_NOT_YOU_EN}",)),
    ),
    "codes_on": Message(
        Words("Включены одноразовые коды", (f"Вход по паролю на сайте {{site}} теперь спрашивает код. {_NOT_YOU_RU}",)),
        Words("One-time codes are on", (f"Signing in to {{site}} with the password now takes a code. {_NOT_YOU_EN}",)),
    ),
    "codes_off": Message(
        Words("Выключены одноразовые коды", (f"Вход на сайт {{site}} больше не спрашивает код. {_NOT_YOU_RU}",)),
        Words("One-time codes are off", (f"Signing in to {{site}} takes no code any more. {_NOT_YOU_EN}",)),
    ),
    "recovery_code_used": Message(
        Words("Использован запасной код", (f"Вход на сайт {{site}} выполнен с запасным кодом. {_NOT_YOU_RU}",)),
        Words("A recovery code was used", (f"Somebody signed in to {{site}} with a recovery code. {_NOT_YOU_EN}",)),
    ),
    "keys_forgotten": Message(
        Words("Ключи входа и коды удалены", (f"На сайте {{site}} удалены все ваши ключи и коды. {_NOT_YOU_RU}",)),
        Words("Passkeys and codes removed", (f"All your keys and codes at {{site}} were removed. {_NOT_YOU_EN}",)),
    ),
    "sign_on_linked": Message(
        Words("Добавлен вход через сервис города", (
            "Теперь в вашу учётную запись на сайте {site} можно войти и через сервис входа города.",
            "Если это были не вы, обратитесь в администрацию сайта.",
        )),
        Words("The city's sign-on was linked", (
            "Your account at {site} can now be signed in to through the city's sign-on, too.",
            "If it was not you, tell the administration of the site.",
        )),
    ),
    "sign_on_case_decided": Message(
        Words("Решение по вопросу о вашем входе", (
            "Сотрудники сайта {site} приняли решение по обращению {reference}, которое касается вашей учётной записи.",
            "Чтобы узнать решение, войдите через сервис города. Если вы с ним не согласны, обратитесь в администрацию.",
        )),
        Words("A decision about how you sign in", (
            "The staff of {site} have decided case {reference}, which is about your account.",
            "To see the decision, sign in through the city's sign-on. If you disagree, tell the administration.",
        )),
    ),
    "assisted_opened": Message(
        Words("Голосование с помощью оператора", (
            "В центре «{centre}» по вашему документу открыт сеанс голосования с помощью оператора на 10 минут.",
            "Если вас там не было, сообщите об этом администрации сайта {site}: каждый такой сеанс записан в журнале.",
        )),
        Words("Assisted voting", (
            "At the centre “{centre}” a session of assisted voting was opened by your document for 10 minutes.",
            "If you were not there, tell the administration of {site}: every such session is in the audit log.",
        )),
    ),
    "erasure_asked": Message(
        Words("Удаление учётной записи", (
            "Попросили удалить вашу учётную запись на сайте {site}. Она будет удалена {day}.",
            f"До этого дня удаление можно отменить на странице «Мои данные». {_NOT_YOU_RU}",
        )),
        Words("Your account will be erased", (
            "Your account at {site} was asked to be erased. It will be erased on {day}.",
            f"Until then this can be cancelled on the page “My data”. {_NOT_YOU_EN}",
        )),
    ),
    "erased": Message(
        Words("Учётная запись удалена", ("Ваша учётная запись на сайте {site} удалена. Больше писем не будет.",)),
        Words("Your account is erased", ("Your account at {site} is erased. No more letters will come.",)),
    ),
}  # fmt: skip
"""Every letter there is, by its key. Another module's notices are listed here too."""

_GREETING = {"ru": "Здравствуйте!", "en": "Hello,"}
_ENDING = {"ru": "Это письмо отправлено автоматически, отвечать на него не нужно.",
           "en": "This letter was sent by a program; nobody reads answers to it."}  # fmt: skip
_BUTTON = {"ru": "Открыть страницу", "en": "Open the page"}


def written(key: str, language: str, facts: Mapping[str, str], link: str = "") -> Letter:
    """The letter of a key. Raises KeyError for an unknown key or a fact that is missing.

    Facts are brought to one short line each, so that nothing in them makes a line or a header of its own.
    """
    language = language if language in _GREETING else "ru"
    words = MESSAGES[key].words(language)
    values = {name: _one_line(value) for name, value in facts.items()}
    subject = f"{words.subject} — {values['site']}"
    paragraphs = [_GREETING[language], *words.paragraphs, _ENDING[language]]
    plain = "\n\n".join(link if part == "{link}" else part.format_map(values) for part in paragraphs) + "\n"
    safe = {name: html.escape(value) for name, value in values.items()}
    blocks = [
        f'<p><a href="{html.escape(link)}">{_BUTTON[language]}</a><br>{html.escape(link)}</p>'
        if part == "{link}"
        else f"<p>{html.escape(part, quote=False).format_map(safe)}</p>"
        for part in paragraphs
    ]
    page = f'<!doctype html><html lang="{language}"><meta charset="utf-8"><title>{html.escape(subject)}</title>'
    return Letter(subject, plain, page + "\n".join(blocks) + "</html>\n")


def _one_line(value: str) -> str:
    printable = "".join(ch if ch.isprintable() else " " for ch in value)
    return " ".join(printable.split())[:LONGEST_FACT]
