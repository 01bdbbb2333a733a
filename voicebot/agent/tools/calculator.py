"""A tool that evaluates arithmetic expressions with decimal numbers."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow, localcontext
from typing import Annotated

from langchain_core.tools import BaseTool, ToolException, tool
from pydantic import Field

DIGITS = 28
SHOWN_DIGITS = 15
"""Inexact results are rounded to this many digits, so that 1 / 3 * 3 is 1."""
LARGEST_EXPONENT = 60
"""Results from 10 ** 61 on are refused, as they would take long to compute and to say."""

ARITHMETIC = Context(
    prec=DIGITS, Emax=LARGEST_EXPONENT, Emin=-LARGEST_EXPONENT, traps=[DivisionByZero, InvalidOperation, Overflow]
)

OPERATORS: Mapping[type[ast.operator], Callable[[Decimal, Decimal], Decimal]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    # Decimal's own remainder takes the sign of the dividend; in Python, and for people, -7 mod 3 is 2.
    ast.Mod: lambda left, right: (left % right + right) % right,
}
FUNCTIONS: Mapping[str, Callable[[Decimal], Decimal]] = {
    "sqrt": Decimal.sqrt,
    "abs": abs,
    "round": Decimal.to_integral_value,
}
NAMES: Mapping[str, Decimal] = {"pi": Decimal("3.141592653589793238462643383")}

THOUSANDS_COMMA = re.compile(r"(?<=\d),(?=\d{3}\b)")

Expression = Annotated[
    str, Field(max_length=200, description="numbers with + - * / % **, parentheses, sqrt(), abs(), round() and pi")
]


def calculator_tool() -> BaseTool:
    """Creates the tool `calculator`."""

    @tool
    async def calculator(expression: Expression) -> str:
        """Work out an arithmetic expression, such as "(3 + 4) * 12.5"."""
        return calculated(expression)

    return calculator


def calculated(expression: str) -> str:
    """Returns the value of `expression` in decimal digits. Raises ToolException, with a text for the model."""
    written = expression.replace("^", "**").replace("×", "*").replace("÷", "/").strip()
    written = THOUSANDS_COMMA.sub("", written)
    try:
        tree = ast.parse(written, mode="eval")
        with localcontext(ARITHMETIC) as context:
            context.clear_flags()
            value = _value(tree.body)
            if not value.is_finite():
                raise ToolException("The result is infinite.")
            if context.flags[Inexact]:
                value = Context(prec=SHOWN_DIGITS).plus(value)
            return f"{value.normalize(Context(prec=DIGITS)):f}" if value else "0"
    except (SyntaxError, ValueError) as error:
        raise ToolException(f"This is not an arithmetic expression: {expression!r}") from error
    except DivisionByZero as error:
        raise ToolException("Division by zero has no result.") from error
    except Overflow as error:
        raise ToolException("The result is too large.") from error
    except InvalidOperation as error:
        raise ToolException("This has no real number as its result.") from error


def _value(node: ast.expr) -> Decimal:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return ARITHMETIC.create_decimal(repr(number))
        case ast.Name(id=name) if name in NAMES:
            return NAMES[name]
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return OPERATORS[type(op)](_value(left), _value(right))
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in FUNCTIONS:
            return FUNCTIONS[name](_value(argument))
        case _:
            raise ToolException(f"The calculator does not support {type(node).__name__}.")
