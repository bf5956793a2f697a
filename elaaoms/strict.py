"""One converter for everything from outside: no coercion, every problem at once, each with its path."""

from __future__ import annotations

from typing import Any, Literal, TypeVar, get_args, get_origin

from attrs import Attribute, fields
from cattrs import BaseValidationError, Converter, transform_error
from cattrs.gen import make_dict_structure_fn, override

from elaaoms.errors import Unreadable

T = TypeVar("T")


def _bool(value: Any, _: type) -> bool:
    if type(value) is not bool:
        raise TypeError(f"expected true or false, got {named(value)}")
    return value


def _int(value: Any, _: type) -> int:
    if type(value) is float and value.is_integer():  # JSON Schema counts 2.0 as an integer
        return int(value)
    if type(value) is not int:
        raise TypeError(f"expected an integer, got {named(value)}")
    return value


def _float(value: Any, _: type) -> float:
    if type(value) is not float and type(value) is not int:
        raise TypeError(f"expected a number, got {named(value)}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError("the number is too large") from None


def _str(value: Any, cls: type) -> Any:
    if type(value) is not str:
        raise TypeError(f"expected a string, got {named(value)}")
    return value if cls is str else cls(value)


def named(value: Any) -> str:
    """What kind of value this is, for a sentence: `a string`, `the number 3`."""
    names = {dict: "an object", list: "an array", str: "a string", bool: "true or false", type(None): "null"}
    if type(value) in names:
        return names[type(value)]
    return f"the number {value}"[:40] if isinstance(value, int | float) else f"a {type(value).__name__}"


def _made_of(cls: Any, origin: Any) -> bool:
    return get_origin(cls) is origin


def converter(*, forbid_extra_keys: bool) -> Converter:
    """Build a strict converter; `forbid_extra_keys` for our own files, not for what others send us.

    Validators of attrs fields run on the field's value alone, without an instance.
    """
    conv = Converter(forbid_extra_keys=forbid_extra_keys)
    conv.register_structure_hook(bool, _bool)
    conv.register_structure_hook(int, _int)
    conv.register_structure_hook(float, _float)
    conv.register_structure_hook(str, _str)

    def validated(attribute: Attribute[Any]) -> Any:
        def checked(value: Any, cls: Any) -> Any:
            structured = conv.structure(value, cls)
            attribute.validator(None, attribute, structured)  # type: ignore[misc]
            return structured

        return checked

    def attrs_factory(cls: type) -> Any:
        # Run inside __init__, a validator would hide the other fields' problems and lose its path.
        overrides: dict[str, Any] = {
            a.name: override(struct_hook=validated(a)) for a in fields(cls) if a.validator
        }
        structure: Any = make_dict_structure_fn(
            cls,
            conv,
            _cattrs_forbid_extra_keys=forbid_extra_keys,
            _cattrs_detailed_validation=True,
            **overrides,
        )

        def checked(value: Any, target: Any) -> Any:
            if not isinstance(value, dict):
                raise TypeError(f"expected an object, got {named(value)}")
            return structure(value, target)

        return checked

    def tuple_factory(cls: Any) -> Any:
        as_list_of: Any = list[get_args(cls)[0]]  # type: ignore[misc]
        as_list = conv.get_structure_hook(as_list_of)

        def checked(value: Any, _: Any) -> Any:
            if not isinstance(value, list):
                raise TypeError(f"expected an array, got {named(value)}")
            return tuple(as_list(value, as_list_of))

        return checked

    def dict_factory(cls: Any) -> Any:
        structure = conv.gen_structure_mapping(cls)

        def checked(value: Any, target: Any) -> Any:
            if not isinstance(value, dict):
                raise TypeError(f"expected an object, got {named(value)}")
            return structure(value, target)

        return checked

    def literal(value: Any, cls: Any) -> Any:
        known = get_args(cls)
        if not any(type(value) is type(one) and value == one for one in known):
            raise ValueError(f"expected {' or '.join(map(repr, known))}, got {named(value)}")
        return value

    conv.register_structure_hook_factory(lambda cls: hasattr(cls, "__attrs_attrs__"), attrs_factory)
    conv.register_structure_hook_factory(lambda cls: _made_of(cls, dict), dict_factory)
    conv.register_structure_hook_func(lambda cls: _made_of(cls, Literal), literal)
    conv.register_structure_hook_factory(
        lambda cls: getattr(cls, "__origin__", None) is tuple and get_args(cls)[-1] is Ellipsis, tuple_factory
    )
    return conv


def problems(error: BaseException, root: str = "$") -> list[str]:
    """Every problem of a failed conversion as one line, `what is wrong @ root.path`."""

    def described(exc: BaseException, expected: type | None) -> str:
        if isinstance(exc, KeyError):
            return "required field missing"
        if isinstance(exc, TypeError | ValueError) and not hasattr(exc, "extra_fields"):
            return str(exc).split(":", 1)[0] if "<class" in str(exc) else str(exc)
        extra = getattr(exc, "extra_fields", None)
        if extra is not None:
            return f"unknown key{'s' if len(extra) > 1 else ''} {', '.join(sorted(map(repr, extra)))}"
        return f"not valid here ({type(exc).__name__})"

    return transform_error(error, path=root, format_exception=described)


def structure(conv: Converter, value: Any, cls: type[T], root: str = "$") -> T:
    """Structure `value` as `cls`, or raise `Unreadable` naming every problem with its path."""
    try:
        return conv.structure(value, cls)
    except (BaseValidationError, TypeError, ValueError, KeyError) as error:
        found = problems(error, root)
        more = [f"and {len(found) - 20} more"] if len(found) > 20 else []
        raise Unreadable("; ".join([*found[:20], *more])) from error
