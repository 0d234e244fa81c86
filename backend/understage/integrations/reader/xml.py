"""XML in answers of object stores."""

from urllib.parse import urlsplit
from xml.etree import ElementTree

from understage.errors import ForeignError
from understage.platform.http import Answer


def parse_xml(answer: Answer) -> ElementTree.Element:
    """The XML of an answer. Raises ForeignError for what is none, and for one that declares types of its own."""
    if b"<!" in answer.body:
        raise ForeignError(f"{urlsplit(answer.url).netloc} answered with XML that declares types of its own")
    try:
        return ElementTree.fromstring(answer.body)
    except ElementTree.ParseError as error:
        raise ForeignError(f"{urlsplit(answer.url).netloc} answered with a body that is not XML") from error
