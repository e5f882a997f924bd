"""Reads what settings/base.py says of each environment variable, for the reference page."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT / "platform" / "imprimatur" / "config" / "settings" / "base.py"

KINDS = {
    "env_str": "text",
    "env_list": "comma-separated texts",
    "env_int": "whole number",
    "env_decimal": "amount",
    "env_bool": "True or False",
    "env_path": "path",
    "env_secret": "secret",
    "env_database": "database URL, secret",
}
# These may also come from a file, named by NAME_FILE.
SECRET = {"env_secret", "env_database"}


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable: how it is read, when it must be there, and its comment."""

    name: str
    kind: str
    default: str | None
    only_if: str
    is_secret: bool
    says: str

    @property
    def is_required(self) -> bool:
        """Tell whether no process starts without it."""
        return self.default is None and not self.only_if


def variables(source: str | None = None) -> tuple[Variable, ...]:
    r"""Return every variable that the settings read, in their order, each once.

    >>> [found] = variables("# Seconds of rest.\nREST_S = env_int('REST_S', 5)")
    >>> found.name, found.kind, found.default, found.says
    ('REST_S', 'whole number', '5', 'Seconds of rest.')
    """
    text = BASE.read_text(encoding="utf-8") if source is None else source
    lines = text.splitlines()
    found: dict[str, Variable] = {}
    for statement, call, only_if in _calls(ast.parse(text)):
        reader = call.func.id if isinstance(call.func, ast.Name) else ""
        name = ast.literal_eval(call.args[0])
        if name in found:
            continue
        found[name] = Variable(
            name=name,
            kind=KINDS[reader],
            default=_default(call),
            only_if=only_if,
            is_secret=reader in SECRET,
            says=_comment(lines, call.lineno) or _comment(lines, statement.lineno),
        )
    return tuple(found.values())


def names() -> frozenset[str]:
    """Return every name under which the settings accept a value, NAME_FILE of secrets included."""
    return frozenset(
        name
        for variable in variables()
        for name in (variable.name, f"{variable.name}_FILE")
        if name == variable.name or variable.is_secret
    )


def page() -> str:
    """Return the reference page."""
    rows = [
        f"| `{v.name}` | {v.kind} | {_default_in_words(v)} | {v.says.replace('|', '/')} |"
        for v in variables()
    ]
    return "\n".join(
        [
            "# Settings",
            "",
            "Made from the comments in `platform/imprimatur/config/settings/base.py` by",
            "`python -m tests.architecture.printed`; a test compares the two.",
            "",
            "Every value comes from the environment, or from the file `.env` at the root of the",
            "checkout; the environment wins. A secret may also lie in a file that `NAME_FILE`",
            "names. A required value that is missing, or one that is malformed, is no start, and",
            "the message names the variable. The embedded mode (`manage.py`, `make demo`) fills in",
            "every required one.",
            "",
            "| variable | kind | default | what it changes |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _calls(tree: ast.Module) -> Iterator[tuple[ast.stmt, ast.Call, str]]:
    for top in tree.body:
        only_if = ""
        statements: list[ast.stmt] = [top]
        if isinstance(top, ast.If):
            yield from _reads(top, top.test, "")
            only_if = ast.unparse(top.test)
            statements = top.body
        for statement in statements:
            yield from _reads(statement, statement, only_if)


def _reads(
    statement: ast.stmt, within: ast.AST, only_if: str
) -> Iterator[tuple[ast.stmt, ast.Call, str]]:
    calls = [
        node
        for node in ast.walk(within)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS
    ]
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        yield statement, call, only_if


def _default(call: ast.Call) -> str | None:
    given = [*call.args[1:], *(k.value for k in call.keywords if k.arg == "default")]
    return ast.unparse(given[0]) if given else None


def _default_in_words(variable: Variable) -> str:
    if variable.default is None:
        return f"required with `{variable.only_if}`" if variable.only_if else "**required**"
    words = _words(ast.parse(variable.default, mode="eval").body)
    return f"`{words}`" if words else "empty"


def _words(node: ast.expr) -> str:  # noqa: PLR0911  one for each kind of default
    """Return a default as a person would write it into the environment."""
    match node:
        case ast.Constant(value=value):
            return str(value)
        case ast.List(elts=elements):
            return ",".join(_words(element) for element in elements)
        case ast.Call(func=ast.Name(id="str"), args=[path]):
            return _words(path)
        case ast.BinOp(left=ast.Name(id=folder), op=ast.Div(), right=below):
            return f"{'IMPRIMATUR_VAR/' if folder == 'VAR' else ''}{_words(below)}"
        case ast.BinOp(left=ast.BinOp() as inner, op=ast.Div(), right=below):
            return f"{_words(inner)}/{_words(below)}"
        case ast.BinOp(
            left=ast.Constant(value=int(a)), op=ast.Mult(), right=ast.Constant(value=int(b))
        ):
            return str(a * b)
        case _:
            return ast.unparse(node)


def _comment(lines: list[str], lineno: int) -> str:
    above: list[str] = []
    for line in reversed(lines[: lineno - 1]):
        if not line.strip().startswith("# "):
            break
        above.insert(0, line.strip().removeprefix("# "))
    return " ".join(above)
