"""The fields of a form in the order of the page, and kept by nobody.

The framework's own reading of forms groups them by name, in no order; but the order of repeated and of different names
means something: it is the order of a ranking, of questions in a draft, of answers carried through sign-in. It also
keeps the last thousand bodies it has parsed in memory: passwords, answers, keys of ballots. So it reads no form here.
"""

from collections.abc import AsyncGenerator, Generator
from typing import Any
from urllib.parse import parse_qsl

from litestar import Request
from litestar.datastructures import FormMultiDict
from litestar.enums import RequestEncodingType
from litestar.exceptions import InternalServerException

from polls.errors import Invalid
from voting.problems import ClientGone, Malformed

MOST_FIELDS = 20_000


async def form_pairs(request: Request[Any, Any, Any]) -> list[tuple[str, str]]:
    """Give the names and values of a URL-encoded form in their order, blank ones too; [] for other bodies.

    Raises Invalid for a form of more than 20,000 fields.
    """
    if request.content_type[0] != RequestEncodingType.URL_ENCODED:
        return []
    body = (await request.body()).decode("ascii", "replace")
    try:
        return parse_qsl(body, keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise Invalid([], fields=MOST_FIELDS) from None


class OrderedForm(FormMultiDict):
    """A form whose `multi_items()` keeps the order too: the framework's goes through a set, in a random one."""

    def multi_items(self) -> Generator[tuple[str, Any], None, None]:
        """Give every name and value, in the order of the page."""
        yield from self.items()


class OrderedRequest(Request[Any, Any, Any]):
    """The application's request: `form()` keeps the order of the page, and a body cut off is no failure of ours."""

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Give the body in parts. Raises ClientGone where its sender went away before it was whole.

        The framework calls that an internal error.
        """
        try:
            async for part in super().stream():
                yield part
        except InternalServerException as error:
            raise ClientGone from error

    async def form(self) -> FormMultiDict:
        """Give the form's fields in their order. Files come with multipart forms alone, in the framework's order."""
        if self.content_type[0] != RequestEncodingType.URL_ENCODED:
            try:
                return await super().form()
            except (LookupError, ValueError) as error:  # a charset there is none of, or bytes that are not in it
                raise Malformed from error
        return OrderedForm(await form_pairs(self))
