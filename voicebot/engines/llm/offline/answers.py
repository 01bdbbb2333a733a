"""The words of an answer: for each request one or two spoken sentences."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, assert_never

from langchain_core.messages import ToolCall, ToolMessage

from voicebot.engines.llm.offline.clock_answers import difference, reading
from voicebot.engines.llm.offline.clock_questions import Asked, ClockQuestion
from voicebot.engines.llm.offline.conversation import Conversation
from voicebot.engines.llm.offline.dates import greeting
from voicebot.engines.llm.offline.numerals import spoken
from voicebot.engines.llm.offline.passages import Kind, next_passage
from voicebot.engines.llm.offline.requests import Request
from voicebot.engines.llm.offline.sums import Sum
from voicebot.engines.llm.offline.talk import REFUSALS, SAID, STORIES_ALL_TOLD, STORY_GOES_ON, UNKNOWN
from voicebot.engines.llm.offline.topics import Mention, Topic
from voicebot.engines.llm.offline.words import capitalized
