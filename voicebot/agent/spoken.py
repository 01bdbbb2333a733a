"""Finds out which text in the stream of a graph is the answer, and yields it as soon as that is known.

A graph may ask models for other things than the answer: what the user wants, a search query, a summary. LangGraph
streams all of it alike. What sets an answer apart is that its node adds it to the messages, and that no other node
answers after it. Whether a node does so is known only when it has ended, so its text is held back until then, the first
time; later it is spoken while it is written. If a graph has only one node beside its tools, as `create_agent` makes
them, that node answers, and so do the nodes that the setting AGENT_NODE names.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import uuid4

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, convert_to_messages
from langgraph.constants import END, START
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode

logger = logging.getLogger(__name__)

AnyGraph: TypeAlias = CompiledStateGraph[Any, Any, Any, Any]
Path: TypeAlias = tuple[str, ...]
"""The names of a node and of the nodes around it, from the outside to the inside."""


@dataclass(frozen=True, slots=True)
class Writer:
    """What writes text: the models that a node asks, or the node itself, which returns a whole message."""

    path: Path
    streams: bool

    @property
    def node(self) -> str:
        """The node of the outermost graph."""
        return self.path[0]


@dataclass(slots=True)
class LearnedNodes:
    """What replies have shown about the nodes of a graph."""

    answering: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    """Nodes that took part in a reply and did not answer."""
    answers: dict[Writer, bool] = field(default_factory=dict)
    """Whether what a writer wrote was the answer of its node, the last time."""
    has_told: bool = False
    """The log says that there was text but no answer."""


class AnsweringNodes:
    """Knows which nodes of a graph answer the user.

    `named` are the nodes whose text is spoken; if there are none, the rule above finds them. `learned` is shared by
    the graphs of one factory, which differ in the prompt only.
    """

    def __init__(self, graph: AnyGraph, named: Collection[str] = (), learned: LearnedNodes | None = None) -> None:
        self._next = successors(graph)
        self._tools = {name for name, node in graph.builder.nodes.items() if isinstance(node.runnable, ToolNode)}
        others = graph.builder.nodes.keys() - self._tools
        self.named = frozenset(named)
        """The nodes whose text is spoken, if that is known from the start."""
        if not named and len(others) == 1 and not [*graph.get_subgraphs()]:
            self.named = frozenset(others)
        self._learned = LearnedNodes() if learned is None else learned

    def speaks(self, writer: Writer) -> bool | None:
        """Returns whether the writer's text is spoken; None if that is not known yet."""
        if self.named:
            return writer.node in self.named or (writer.node not in self._tools and bool({*writer.path} & self.named))
        answers = self._learned.answers.get(writer)
        if writer.node in (START, *self._tools) or answers is False:
            return False
        return True if answers and self.is_last(writer.node) else None

    def is_last(self, node: str) -> bool:
        """Returns True if the graph can end after the node without passing through another one that may answer."""
        silent = self._learned.silent | self._tools
        reached, left = {node}, [node]
        while left:
            for following in self._next[left.pop()]:
                if following == END:
                    return True
                if following in silent and following not in reached:
                    reached.add(following)
                    left.append(following)
        return False

    def learn(self, node: str, wrote: Mapping[Writer, bool]) -> None:
        """Notes what the node has done: for each writer in it, whether its text is the node's answer."""
        learned = self._learned
        learned.answers.update(wrote)
        if any(wrote.values()):
            learned.answering.add(node)
            learned.silent.discard(node)
        elif wrote and node not in learned.answering:
            learned.silent.add(node)

    def tell_no_answer(self, nodes: Iterable[str]) -> None:
        """Logs, once, that text of these nodes was not spoken and nothing else was: that may be a mistake."""
        if not self._learned.has_told:
            self._learned.has_told = True
            logger.info(
                "a graph has not answered; AGENT_NODE could name nodes that wrote: %s", ", ".join(sorted(nodes))
            )

    def learn_silent(self, nodes: Iterable[str]) -> None:
        """Notes that these nodes took part in a whole reply and wrote nothing."""
        self._learned.silent.update(node for node in nodes if node not in self._learned.answering)


def successors(graph: AnyGraph) -> Mapping[str, frozenset[str]]:
    """Returns the nodes that may follow each node. A node for which nothing is known may end the graph."""
    builder = graph.builder
    following: defaultdict[str, set[str]] = defaultdict(set)
    for source, target in builder.edges:
        following[source].add(target)
    for sources, target in builder.waiting_edges:
        for source in sources:
            following[source].add(target)
    for source, branches in builder.branches.items():
        for branch in branches.values():
            following[source].update({*builder.nodes, END} if branch.ends is None else branch.ends.values())
    for name, node in builder.nodes.items():
        following[name].update(node.ends or ())
    return defaultdict(lambda: frozenset({END}), {name: frozenset(ends or {END}) for name, ends in following.items()})


@dataclass(slots=True)
class _Task:
    """One run of a node of the outermost graph."""

    node: str
    ids: dict[Writer, set[str]] = field(default_factory=dict)
    """The identifiers of the messages that each writer wrote."""
    held: list[tuple[Writer, Piece]] = field(default_factory=list)
    messages: int = 0
    """How many messages have been streamed to their end."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Text to be spoken. Pieces with the same `message` belong together without a space."""

    text: str
    message: str


class SpokenText:
    """The text of one reply that is spoken, out of the parts of a graph's stream."""

    def __init__(self, nodes: AnsweringNodes) -> None:
        self._nodes = nodes
        self._tasks: dict[str, _Task] = {}
        """The tasks that have not ended."""
        self._answered: list[_Task] = []
        """Tasks that have answered, but whose text is held back, as other nodes may answer after them."""
        self._ended_silently: set[str] = set()
        self._unanswered: set[str] = set()
        """The nodes that have written text which is no answer."""
        self.has_spoken = False
        self.length = 0
        """How many characters were spoken or held back."""

    def take(self, namespace: Sequence[str], kind: str, part: Any) -> Iterator[Piece]:
        """Takes a part of the stream; yields the text that is spoken now.

        The graph must be streamed with the modes "messages" and "updates", and with its subgraphs.
        """
        if kind == "messages":
            message, metadata = part
            if isinstance(message, AIMessage):
                path = (*(each.partition(":")[0] for each in namespace), metadata["langgraph_node"])
                root = namespace[0] if namespace else metadata["langgraph_checkpoint_ns"].partition("|")[0]
                yield from self._write(root, Writer(path, isinstance(message, AIMessageChunk)), message)
        elif kind == "updates" and not namespace:
            for node, update in part.items():
                yield from self._end(node, update)

    def end(self) -> Iterator[Piece]:
        """Takes the end of the graph; yields what was held back, if it turns out to be the answer."""
        self._nodes.learn_silent(self._ended_silently)
        yield from self._release()
        if self.has_spoken:
            return
        if self._answered:
            yield from self._say(self._answered[-1])
        elif self._unanswered:
            self._nodes.tell_no_answer(self._unanswered)

    def _write(self, root: str, writer: Writer, message: AIMessage) -> Iterator[Piece]:
        task = self._tasks.setdefault(root, _Task(writer.node))
        key = f"{root} {'/'.join(writer.path)} {task.messages}"
        if not isinstance(message, AIMessageChunk) or message.chunk_position == "last":
            task.messages += 1
        if not message.text:
            return
        was_streamed = Writer(writer.path, streams=True) in task.ids
        task.ids.setdefault(writer, set()).add(message.id or "")
        if self._nodes.named and was_streamed and not writer.streams:
            return  # the node returns another message than its model wrote, whose text was spoken already
        piece, is_spoken = Piece(message.text, key), self._nodes.speaks(writer)
        if is_spoken is not False:
            self.length += len(message.text)
        if is_spoken is None:
            task.held.append((writer, piece))
        elif is_spoken:
            self.has_spoken = True
            yield piece

    def _end(self, node: str, update: Any) -> Iterator[Piece]:
        """Takes the end of a node's task, and what it has added to the state."""
        added = [message for message in _messages(update) if isinstance(message, AIMessage)]
        root = self._task_of(node, {message.id for message in added})
        for message in added:
            if message.id is None:  # it was returned as a mapping or a pair, which LangGraph does not stream
                message.id = str(uuid4())
                yield from self._write(root, Writer((node,), streams=False), message)
        if self._nodes.named:
            return
        task = self._tasks.pop(root, _Task(node))
        ids = {message.id for message in added}
        wrote = {writer: bool(written & ids) for writer, written in task.ids.items()}
        self._nodes.learn(node, wrote)
        if not wrote:
            self._ended_silently.add(node)
        elif not any(wrote.values()):
            self._unanswered.add(node)
        task.held = [(writer, piece) for writer, piece in task.held if wrote.get(writer)]
        if task.held:
            self._answered.append(task)
        yield from self._release()

    def _release(self) -> Iterator[Piece]:
        """Yields the answers of tasks after whose nodes no other node can answer any more, as far as is known."""
        for task in [task for task in self._answered if self._nodes.is_last(task.node)]:
            self._answered.remove(task)
            yield from self._say(task)

    def _task_of(self, node: str, ids: Collection[str | None]) -> str:
        """Returns the key of the task of the node that ended: of several, the one that wrote these messages."""
        own = [root for root, task in self._tasks.items() if task.node == node]
        wrote = [root for root in own if any(written & {*ids} for written in self._tasks[root].ids.values())]
        return (wrote or own or [f"{node}:"])[0]

    def _say(self, task: _Task) -> Iterator[Piece]:
        """Yields what was held back of a task."""
        self.has_spoken = True
        yield from (piece for _, piece in task.held)


def _messages(update: Any) -> Iterator[BaseMessage]:
    """Yields the messages in what a node has added to the state."""
    for each in update if isinstance(update, list | tuple) else (update,):
        given = each.get("messages") if isinstance(each, Mapping) else getattr(each, "messages", None)
        if given is None:
            continue
        for message in given if isinstance(given, list) else [given]:
            if isinstance(message, BaseMessage):
                yield message
            else:
                yield from convert_to_messages([message])
