import io
import json
import logging
import re
import time
from datetime import UTC, datetime, timedelta

import pydantic
import pytest
import structlog
from sqlalchemy.exc import IntegrityError

from voting.telemetry import TelemetryMiddleware, configure_logging, describe_exception, log_failure


@pytest.fixture
def printed_as():
    stream = io.StringIO()
    configure_logging(stream)
    yield stream.getvalue
    configure_logging()


@pytest.fixture
def printed(printed_as):
    return lambda: [json.loads(line) for line in printed_as().splitlines()]


def test_our_lines_and_the_libraries_are_json(printed):
    structlog.get_logger("voting").info("counted", poll="skver", n=3)
    logging.getLogger("somebody.else").warning("slow %s", "disk")
    ours, theirs = printed()
    assert (ours["event"], ours["poll"], ours["level"]) == ("counted", "skver", "info")
    assert (theirs["event"], theirs["logger"], theirs["level"]) == ("slow disk", "somebody.else", "warning")


def test_times_are_in_utc_wherever_the_machine_stands(printed, monkeypatch):
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Asia/Vladivostok")
        time.tzset()
        structlog.get_logger("voting").info("counted")
        logging.getLogger("somebody.else").warning("slow disk")
    time.tzset()
    ours, theirs = (datetime.fromisoformat(line["timestamp"]) for line in printed())
    assert ours.utcoffset() == timedelta(0)
    assert theirs.utcoffset() is not None, "a library's line names its offset"
    for moment in (ours, theirs):
        assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)


NASTY = 'x\n{"event":"forged"}\r\n\u2028\u2029\x85\x1b[31m\x1b]0;t\x07\x00\x7f"\\\',}'


def test_nothing_that_is_logged_makes_a_line_or_a_field_of_its_own(printed_as):
    structlog.get_logger("voting").info(NASTY, poll=NASTY, **{NASTY: 1})
    logging.getLogger("somebody.else").warning("said %s", NASTY)
    log_failure({"type": "http", "method": NASTY, "path_template": NASTY, "state": {}}, RuntimeError(NASTY))
    written = printed_as()
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", written), "no control character reaches a terminal"
    lines = written.removesuffix("\n").split("\n")
    ours, theirs, failure = (json.loads(line) for line in lines)
    assert (ours["event"], ours["poll"], ours[NASTY]) == (NASTY, NASTY, 1)
    assert theirs["event"] == f"said {NASTY}"
    assert (failure["method"], failure["route"], failure["exception"]["chain"][0]["text"]) == (NASTY, NASTY, NASTY)


async def test_nothing_that_is_asked_for_makes_a_line_of_its_own(printed_as):
    """The layer that writes a line for each request, with what servers would never let through."""

    async def answer(scope, receive, send):
        await send({"type": "http.response.start", "status": 404, "headers": []})

    scope = {"type": "http", "method": NASTY, "path": f"/{NASTY}", "query_string": NASTY.encode(), "state": {},
             "headers": [(b"user-agent", NASTY.encode()), (b"referer", NASTY.encode())]}  # fmt: skip

    async def ignore(_message):
        return None

    await TelemetryMiddleware().handle(scope, None, ignore, answer)
    line = json.loads(printed_as().removesuffix("\n"))
    assert (line["event"], line["method"], line["route"]) == ("request", NASTY, "unmatched")
    assert set(line) == {"event", "request_id", "method", "route", "status", "ms", "timestamp"}
    assert datetime.fromisoformat(line["timestamp"]).utcoffset() == timedelta(0)


def test_our_own_exceptions_are_described_too(printed):
    try:
        raise IntegrityError("INSERT 'secret answer'", {}, ValueError("secret answer"))
    except IntegrityError:
        structlog.get_logger("voting").exception("count_failed", poll="skver")
    (line,) = printed()
    assert "secret" not in json.dumps(line)
    assert line["exception"]["chain"][0]["class"] == "sqlalchemy.exc.IntegrityError"


def test_libraries_report_exceptions_without_the_values_in_them(printed):
    try:
        raise IntegrityError("INSERT 'secret answer'", {"answers": "secret answer"}, ValueError("Key=(secret answer)"))
    except IntegrityError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    (line,) = printed()
    assert "secret" not in json.dumps(line)
    assert line["exception"]["chain"][0]["class"] == "sqlalchemy.exc.IntegrityError"


def test_a_validators_text_is_not_kept_and_others_are():
    class Ballot(pydantic.BaseModel):
        option: int

    with pytest.raises(pydantic.ValidationError) as invalid:
        Ballot.model_validate({"option": "secret answer"})
    assert "secret" not in json.dumps(describe_exception(invalid.value))
    told = describe_exception(RuntimeError("the disk is full"))
    assert told["chain"][0]["text"] == "the disk is full"
    assert "text" not in describe_exception(RuntimeError("answer 7"), keep_text=False)["chain"][0]


def test_standard_error_is_looked_up_when_a_line_is_written(capsys):
    configure_logging()
    structlog.get_logger().info("hello")
    assert "hello" in capsys.readouterr().err
