"""The desk where an agent meets a customer and the tools: it passes everything on and writes it down."""

from __future__ import annotations

from typing import Any

from induction.helpdesk.customers import Cue, Customer, Message
from induction.helpdesk.tools import Toolbox, ToolReply
from induction.helpdesk.trace import AgentCalled, AgentSaid, CustomerSaid, Event, ToolCall
from induction.helpdesk.voice import Voice

MAX_TURNS = 25
"""Agent actions after which the conversation is cut off."""


class ConversationOver(Exception):
    """The desk closed; the agent has no further action. No error, hence the name."""


class Desk:
    """One conversation in progress."""

    def __init__(self, toolbox: Toolbox, customer: Customer, voice: Voice, serial: str) -> None:
        self._toolbox, self._customer, self.voice, self._serial = toolbox, customer, voice, serial
        self.events: list[Event] = []
        self.turns = 0
        self.opening = customer.opening()
        self.events.append(CustomerSaid(self.opening.text))

    @property
    def stated_postcode(self) -> str:
        """The postcode that the customer has given or will give when asked."""
        return self._customer.postcode()

    def say(self, cue: Cue, text: str) -> Message:
        """The customer's answer to the agent's message.

        Raises ConversationOver when no turn is left.
        """
        self._take_turns(1)
        self.events.append(AgentSaid(text, self.voice.thought("say")))
        message = self._customer.reply(cue)
        self.events.append(CustomerSaid(message.text))
        return message

    def say_last(self, text: str) -> None:
        """A message that nobody answers."""
        self._take_turns(1)
        self.events.append(AgentSaid(text, self.voice.thought("say")))

    def call(self, *requests: tuple[str, dict[str, Any]]) -> list[ToolReply]:
        """The replies to calls made at once, in order.

        Raises ConversationOver when no turn is left.
        """
        self._take_turns(len(requests))
        replies = [self._toolbox.call(name, args) for name, args in requests]
        first = self.turns - len(requests)
        calls = tuple(
            ToolCall(
                f"call_{self._serial}_{first + n}", name, args, reply.result, reply.error, self.voice.thought(name)
            )
            for n, ((name, args), reply) in enumerate(zip(requests, replies, strict=True))
        )
        self.events.append(AgentCalled(calls))
        return replies

    def _take_turns(self, count: int) -> None:
        if self.turns + count > MAX_TURNS:
            raise ConversationOver
        self.turns += count
