"""Settings that a registered class accepts, by the signature of its constructor: names and types."""

import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

from torch import Tensor

# Kinds of value that a config can be written with; others, such as tensors, are left to their class.
PLAIN = (bool, Real, str, list, tuple, dict, type(None))


class Settings(NamedTuple):
    """Settings of a class or function.

    Attributes:
        parameters: Parameters by name.
        modules: For each, the module that declares it.
        complete: Whether it accepts no others.
    """

    parameters: dict[str, inspect.Parameter]
    modules: dict[str, str]
    complete: bool


def settings_of(target: Callable[..., Any]) -> Settings:
    """Return what a class or function accepts as keyword arguments.

    The ``**kwargs`` of a constructor are taken to be passed on to the next class in the method resolution order.
    """
    found: dict[str, inspect.Parameter] = {}
    modules: dict[str, str] = {}
    functions = (
        [vars(base)['__init__'] for base in target.__mro__ if '__init__' in vars(base)]
        if isinstance(target, type)
        else [target]
    )
    for function in functions:
        try:
            parameters = list(_signature(function).parameters.values())[isinstance(target, type) :]
        except (TypeError, ValueError):
            return Settings(found, modules, False)
        for parameter in parameters:
            if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                found.setdefault(parameter.name, parameter)
                modules.setdefault(parameter.name, getattr(function, '__module__', ''))
        if not any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters):
            return Settings(found, modules, True)
    return Settings(found, modules, False)


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of a function, with its annotations as objects where they can be evaluated."""
    try:
        return inspect.signature(function, eval_str=True)
    except (NameError, AttributeError, TypeError, SyntaxError):
        return inspect.signature(function)


def accepts(parameter: inspect.Parameter, value: Any, strict: bool) -> bool:
    """Return whether a value of a config can be meant for a parameter, by its annotation and default.

    Args:
        parameter: The parameter.
        value: The value.
        strict: Whether the annotation is exact. Those of MMDetection's models and transforms often are not: lists of
            dicts are passed for a dict, floats for integers and tuples for numbers. Without, only a value of another
            kind is refused, such as a text in place of a number.
    """
    if parameter.annotation is parameter.empty or (value is None and parameter.default is None):
        return True
    if fits(value, parameter.annotation):
        return True
    if strict:
        return False
    number = (0, 0.5)
    unlike: dict[type, tuple[Any, ...]] = {
        str: (*number, {}, []),
        dict: (*number, ''),
        list: ({}, ''),
        tuple: ({}, ''),
    }
    unlike |= dict.fromkeys((float, int, bool), ('', {}))
    others = unlike.get(type(value), ())
    if isinstance(value, (list, tuple)) and any(isinstance(item, dict) for item in value):
        others = ()
    kinds = ('', {}, [], 0, 0.5)
    taken = [example for example in kinds if fits(example, parameter.annotation)]
    return not others or not taken or any(example not in others for example in taken)


def fits(value: Any, kind: Any) -> bool:
    """Return whether a value of a config is of an annotated type; true for what cannot be decided.

    As MMEngine's classes do, a list passes for a tuple of any length, and an integer for a float.
    """
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, arg) for arg in args)
    if origin is typing.Literal:
        return value in args
    if kind is None or kind is type(None):
        return value is None
    if not isinstance(value, PLAIN) or not isinstance(origin or kind, type):
        return True
    kind = origin or kind
    if issubclass(kind, Tensor):
        return False
    if kind is bool:
        return isinstance(value, bool) or value in (0, 1)
    if kind is int:
        return isinstance(value, Integral) or (isinstance(value, Real) and float(value).is_integer())
    if kind is float:
        return isinstance(value, Real)
    if kind is str:
        return isinstance(value, str)
    if issubclass(kind, Mapping):
        return isinstance(value, dict)
    if issubclass(kind, Sequence):
        items = [arg for arg in args if arg is not ...]
        return isinstance(value, (list, tuple)) and all(
            any(fits(item, arg) for arg in items) for item in value if items
        )
    return True


def wanted(parameter: inspect.Parameter) -> str:
    """Return the annotation of a parameter as a user would write it."""
    text = inspect.formatannotation(parameter.annotation)
    return (
        text.replace('mmengine.config.config.ConfigDict', 'dict').replace('collections.abc.', '').replace('typing.', '')
    )
