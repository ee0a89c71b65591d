"""The phases of a run, in their order."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """What a run is doing. The progress display shows the text."""

    PLANNING = "planning"
    """The job is read and planned; the run has not begun yet."""
    STARTING = "starting"
    LOOKING_UP = "looking up sources"
    SENDING = "sending"
    SETTLING = "settling"
    """Finding out whether unanswered requests created a batch; sending may follow again."""
    SETTING_UP = "setting up"
    FOLLOWING = "following setups"
    """Waiting until the API shows that the batches are set up."""
    FINISHING = "finishing"
    ENDED = "ended"
