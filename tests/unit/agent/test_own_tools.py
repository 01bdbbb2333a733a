"""A builder's own tools: the decorators, and how the setting TOOLS finds them and names what is wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import StructuredTool, tool

from voicebot.agent.loading import LoadingError
from voicebot.agent.tools import Toolbox, ToolError, ToolPolicy, ToolTag, built_in_tools, confirm, effects, pure
from voicebot.agent.tools.own_tools import load_own_tools
from voicebot.agent.tools.policy import DEFAULT_LIMIT_S

SHOP = '''
from langchain_core.tools import tool
from voicebot.agent.tools import confirm, effects, pure

@pure
def price(what: str) -> str:
    """Look a price up."""
    return f"{what} costs 2 euros"

@effects(limit_s=20)
async def order(what: str, count: int = 1) -> str:
    """Order something.

    Args:
        what: a drink
        count: how many
    """
    return "ordered"

@confirm("Shall I pay {euros} euros?")
async def pay(euros: int) -> str:
    """Pay."""
    return "paid"

@tool
def plain(text: str) -> str:
    """A LangChain tool."""
    return text

def undecorated(text: str) -> str:
    """A function."""
    return text
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory. What is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


def write(file: Path, code: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(code, encoding="utf-8")


def policies(*entries: str) -> dict[str, ToolPolicy]:
    return {each.name: each.policy for each in Toolbox(load_own_tools(entries)).tools}


# Decorators -------------------------------------------------------------------------------------------------------


def test_a_decorated_function_is_a_tool_with_its_name_docstring_and_typed_arguments() -> None:
    @effects(limit_s=20)
    async def order(what: str, count: int = 1) -> str:
        """Order something.

        Args:
            what: a drink
        """
        return f"{count} {what}"

    assert (order.name, order.description) == ("order", "Order something.")
    assert order.args == {
        "what": {"title": "What", "type": "string", "description": "a drink"},
        "count": {"title": "Count", "type": "integer", "default": 1},
    }
    assert ToolPolicy.of(order) == ToolPolicy(ToolTag.EFFECTS, 20.0)


@pytest.mark.parametrize(("decorator", "tag"), [(pure, ToolTag.PURE), (effects, ToolTag.EFFECTS)])
def test_a_decorator_without_arguments_gives_the_usual_time_limit(
    decorator: Callable[[Any], Any], tag: ToolTag
) -> None:
    @decorator
    def look() -> str:
        """Look."""
        return ""

    assert ToolPolicy.of(look) == ToolPolicy(tag, DEFAULT_LIMIT_S)


def test_a_decorator_tags_a_langchain_tool_and_leaves_the_original_as_it_is() -> None:
    @tool
    async def look() -> str:
        """Look."""
        return ""

    assert ToolPolicy.of(pure(look)).tag is ToolTag.PURE
    assert ToolPolicy.of(look).tag is ToolTag.EFFECTS


def test_a_langchain_tool_says_the_same_with_tags_and_metadata() -> None:
    def pay(euros: int) -> str:
        """Pay."""
        return ""

    made = StructuredTool.from_function(
        pay, tags=["confirm", "money"], metadata={"limit_s": 5, "question": {"de": "Soll ich {euros} Euro zahlen?"}}
    )
    assert ToolPolicy.of(made) == ToolPolicy(ToolTag.CONFIRM, 5.0, {"de": "Soll ich {euros} Euro zahlen?"})


class Size(Enum):
    BIG = "big"


def test_a_question_reads_lists_and_choices_aloud_and_formats_numbers() -> None:
    policy = ToolPolicy(ToolTag.CONFIRM, questions={"en": "{size} with {toppings} for {price:.2f}?"})
    arguments = {"size": Size.BIG, "toppings": ["ham", "corn"], "price": 9.5}
    assert policy.question("en", arguments) == "big with ham, corn for 9.50?"


def test_braces_in_an_argument_are_read_as_they_are() -> None:
    assert ToolPolicy(ToolTag.CONFIRM, questions={"en": "Say {it}?"}).question("en", {"it": "{x}"}) == "Say {x}?"


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: effects(lambda x: x), "<lambda>: it has no docstring; the model reads there when to call it"),
        (lambda: effects(untyped), "untyped: its argument 'what' has no type"),
        (lambda: effects(variadic), "variadic: the model cannot give its argument 'what'"),
        (lambda: effects(Size), "Size: it is no function and no LangChain tool"),
        (lambda: effects(unresolved), "unresolved: its arguments cannot be described to a model: "),
        (lambda: effects(limit_s=0)(typed), "typed: its time limit is 0; it must be a number of seconds up to 3600"),
        (lambda: confirm("")(typed), "typed: it has the tag confirm, but no question"),
        (lambda: confirm(typed), "@confirm needs the question: "),  # type: ignore[arg-type]
        (lambda: effects(strange), "strange: its arguments cannot be described to a model: "),
        (lambda: confirm({})(typed), "typed: it has the tag confirm, but no question"),
        (
            lambda: confirm("Order {much}?")(typed),
            "typed: its question names {much}, which is no argument; the arguments are what",
        ),
        (lambda: confirm("Order {what.__class__}?")(typed), "typed: its question names {what.__class__}, which is no"),
        (lambda: confirm("Order {}?")(typed), "typed: its question names {}, which is no argument"),
        (lambda: confirm("Order {what?")(typed), "typed: its question 'Order {what?' is no template: "),
        (
            lambda: confirm({"en": "Order {what}?", "de": "{was} bestellen?"})(typed),
            "typed: its question names {was}, which is no argument",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_tool_that_cannot_be_used_says_why(make: Callable[[], object], problem: str) -> None:
    with pytest.raises(ToolError) as caught:
        make()
    assert str(caught.value).startswith(problem)


class Order:
    pass


def strange(order: Order) -> str:
    """Order something."""
    return str(order)


def typed(what: str) -> str:
    """Order something."""
    return what


def untyped(what) -> str:  # type: ignore[no-untyped-def]
    """Order something."""
    return str(what)


def variadic(*what: str) -> str:
    """Order something."""
    return str(what)


def unresolved(what: Nowhere) -> str:  # type: ignore[name-defined]  # noqa: F821 - as a builder may write it
    """Order something."""
    return str(what)


@pytest.mark.parametrize(
    ("tags", "metadata", "problem"),
    [
        (["pure", "effects"], {}, "look: it has the tags pure and effects, of which only one can hold"),
        (["confirm"], {}, "look: it has the tag confirm, but no question"),
        (["pure"], {"question": "Really?"}, "look: it has a question, but not the tag confirm"),
        (["confirm"], {"question": 3}, "look: its question must be a text, or a mapping from languages to texts"),
        ([], {"limit_s": "long"}, "look: its time limit is 'long'; it must be a number of seconds up to 3600"),
        ([], {"limit_s": True}, "look: its time limit is True; it must be a number of seconds up to 3600"),
    ],
)
def test_wrong_tags_and_metadata_are_named(tags: list[str], metadata: dict[str, Any], problem: str) -> None:
    def look() -> str:
        """Look."""
        return ""

    with pytest.raises(ToolError) as caught:
        Toolbox([StructuredTool.from_function(look, tags=tags, metadata=metadata)])
    assert str(caught.value) == problem


# TOOLS ------------------------------------------------------------------------------------------------------------


def test_tools_are_found_in_files_modules_and_folders(folder: Path) -> None:
    write(folder / "shop.py", SHOP)
    write(folder / "kit" / "shop.py", SHOP)
    write(folder / "kit" / "_private.py", "raise SystemExit")
    write(folder / "kit" / "more.py", "from shop import price\nhidden = 1")
    every = {"price": "pure", "order": "effects", "pay": "confirm", "plain": "effects"}
    assert {name: policy.tag for name, policy in policies("shop.py:order", "shop:pay").items()} == {
        "order": "effects",
        "pay": "confirm",
    }
    for place in ("shop.py", "./shop.py", "shop", str(folder / "shop.py")):
        assert {name: policy.tag for name, policy in policies(place).items()} == every
    assert policies("shop.py:order")["order"].limit_s == 20.0


def test_a_folder_has_the_tools_of_all_its_files_each_once(folder: Path) -> None:
    write(folder / "kit" / "shop.py", SHOP)
    write(folder / "kit" / "_private.py", "raise SystemExit")
    write(folder / "kit" / "bar.py", SHOP.replace("def ", "def bar_"))
    assert (
        list(policies("kit"))
        == list(policies("./kit"))
        == [
            "bar_price",
            "bar_order",
            "bar_pay",
            "bar_plain",
            "price",
            "order",
            "pay",
            "plain",
        ]
    )
    assert policies("kit/") == policies(str(folder / "kit"))


def test_a_function_that_is_not_decorated_counts_as_one_with_effects(folder: Path) -> None:
    write(folder / "shop.py", SHOP)
    assert policies("shop.py:undecorated") == {"undecorated": ToolPolicy(ToolTag.EFFECTS)}


def test_the_same_tool_may_be_named_twice(folder: Path) -> None:
    write(folder / "shop.py", SHOP)
    assert list(policies("shop.py:pay", "shop.py", "shop.py:pay")) == ["pay", "price", "order", "plain"]


def test_an_own_tool_takes_the_place_of_a_built_in_one(folder: Path) -> None:
    write(folder / "mine.py", SHOP.replace("def price(", "def clock("))
    own = load_own_tools(["mine.py:clock"])
    assert [each.description for each in Toolbox((*built_in_tools(), *own)).tools] == [
        "Look a price up.",
        'Work out an arithmetic expression, such as "(3 + 4) * 12.5".',
    ]


@pytest.mark.parametrize(
    ("code", "entry", "problem"),
    [
        ("", "no/such.py:order", "TOOLS: There is no file 'no/such.py'"),
        ("", "nowhere:order", "TOOLS: There is no module 'nowhere'"),
        ("", "no/such/folder", "TOOLS: There is no file 'no/such/folder'"),
        ("", "my-tools", "TOOLS: 'my-tools' is neither the name of a module nor the path of a .py file"),
        ("order = 1", "mine.py:ordr", "TOOLS: mine.py has no 'ordr'; did you mean 'order'?"),
        ("order = 1", "mine.py:order", "TOOLS: mine.py:order is no function and no LangChain tool"),
        ("order = 1", "mine.py", "TOOLS: mine.py has no tool: decorate a function with @pure, @effects or @confirm"),
        ("def f(x: int): pass", "mine.py:f", "TOOLS: mine.py:f: f: it has no docstring; the model reads there when to"),
        ("def f(x):\n 'Do it.'", "mine.py:f", "TOOLS: mine.py:f: f: its argument 'x' has no type"),
        (
            "from langchain_core.tools import tool\n@tool\ndef f(x):\n 'Do it.'",
            "mine.py:f",
            "TOOLS: mine.py:f: f: its argument 'x' has no type",
        ),
        (
            "from langchain_core.tools import tool\n@tool('order it')\ndef f(x: int):\n 'Do it.'",
            "mine.py:f",
            "TOOLS: mine.py:f: order it: its name must be of at most 64 letters, digits, underscores and hyphens",
        ),
        ("\n\n1 / 0", "mine.py:f", "TOOLS: mine.py cannot be imported: ZeroDivisionError at {folder}/mine.py:3"),
        ("def f(:", "mine.py:f", "TOOLS: mine.py cannot be imported: SyntaxError: "),
        (
            "import no_such_package",
            "mine.py:f",
            "TOOLS: mine.py cannot be imported: ModuleNotFoundError: No module named 'no_such_package' at "
            "{folder}/mine.py:1",
        ),
        (
            "from voicebot.agent.tools import confirm\n@confirm('Pay {much}?')\ndef f(x: int):\n 'Do it.'",
            "mine.py",
            "TOOLS: mine.py cannot be imported: ToolError: f: its question names {{much}}, which is no argument; the "
            "arguments are x at {folder}/mine.py:2",
        ),
    ],
    ids=str,
)
def test_what_is_wrong_with_an_entry_is_named(folder: Path, code: str, entry: str, problem: str) -> None:
    write(folder / "mine.py", code)
    with pytest.raises(LoadingError) as caught:
        load_own_tools([entry])
    assert str(caught.value).startswith(problem.format(folder=folder) if "{folder}" in problem else problem)


def test_a_name_that_is_taken_is_named_with_both_entries_and_every_wrong_entry_is_told(folder: Path) -> None:
    write(folder / "one.py", SHOP)
    write(folder / "two.py", SHOP)
    with pytest.raises(LoadingError) as caught:
        load_own_tools(["one.py:order", "two.py:order", "three.py:order", "one.py:pay"])
    assert str(caught.value).splitlines() == [
        "TOOLS: two.py:order: the name order of a tool is taken: one.py:order has one, too",
        "TOOLS: There is no file 'three.py'",
    ]


def test_two_tools_of_one_name_in_a_folder_are_named(folder: Path) -> None:
    write(folder / "kit" / "one.py", SHOP)
    write(folder / "kit" / "two.py", SHOP)
    with pytest.raises(LoadingError, match=r"^TOOLS: \./kit: the name price of a tool is taken: there are two$"):
        load_own_tools(["./kit"])
