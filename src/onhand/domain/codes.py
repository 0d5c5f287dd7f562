"""The forms of names and texts that config as code is written in, for every part of the network alike."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

CODE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z"
CODE_FORM = "a code of letters, digits, '.', '_' and '-', at most 64, that starts with a letter or digit"

Code = Annotated[str, Meta(title=CODE_FORM, pattern=CODE_PATTERN)]
NO_CONTROLS = r"[^\u0000-\u001f\u007f-\u009f\ud800-\udfff]"
Text = Annotated[str, Meta(title="a line of up to 200 characters", max_length=200, pattern=rf"^{NO_CONTROLS}*\Z")]
PartnerCode = Annotated[
    str,
    Meta(title="a line of 1 to 200 characters", min_length=1, max_length=200, pattern=rf"^{NO_CONTROLS}+\Z"),
]
Source = Annotated[
    str,
    Meta(title="a line of 1 to 500 characters", min_length=1, max_length=500, pattern=rf"^{NO_CONTROLS}+\Z"),
]
Seconds = Annotated[int, Meta(ge=1, le=366 * 86_400)]
