import io
import json
import logging

import pydantic
import pytest
import structlog
from sqlalchemy.exc import IntegrityError

from voting.telemetry import configure_logging, describe_exception


@pytest.fixture
def printed():
    stream = io.StringIO()
    configure_logging(stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    configure_logging()


def test_our_lines_and_the_libraries_are_json(printed):
    structlog.get_logger("voting").info("counted", poll="skver", n=3)
    logging.getLogger("somebody.else").warning("slow %s", "disk")
    ours, theirs = printed()
    assert (ours["event"], ours["poll"], ours["level"]) == ("counted", "skver", "info")
    assert (theirs["event"], theirs["logger"], theirs["level"]) == ("slow disk", "somebody.else", "warning")


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
