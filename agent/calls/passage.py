"""What a search in the documents of an AI brings to light."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Passage:
    """Something that a document says."""

    document: str
    text: str
    """Begins with the headings under which it stands, if there are any."""
    score: float
    """The higher the better; of the passages of one search only."""
