"""What the docs print from the code: `python -m tests.architecture.printed` writes it anew.

A picture that is drawn by hand drifts; these are compared with the code in every run of the suite.
"""

import sys
import tomllib
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

from imprimatur.publishing.states import PUBLICATION

from generation.jobs.states import ITEM
from governance.kernel.lifecycle import Lifecycle
from governance.policy import table
from governance.quota.states import REQUEST
from governance.refusals.states import APPEAL
from governance.review import outcomes
from governance.review.states import BREAK_GLASS, REVIEW_CASE
from governance.rights.states import RIGHTS
from templates.prompts.states import TEMPLATE_VERSION
from tests.architecture import settings_reference

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
LIFECYCLES: Mapping[str, Lifecycle] = {
    "job-item": ITEM,
    "review-case": REVIEW_CASE,
    "break-glass": BREAK_GLASS,
    "publication": PUBLICATION,
    "template-version": TEMPLATE_VERSION,
    "appeal": APPEAL,
    "quota-request": REQUEST,
    "rights-record": RIGHTS,
}
SOURCES = {
    "imprimatur": ROOT / "platform" / "imprimatur",
    "generation": ROOT / "generation",
    "templates": ROOT / "templates",
    "governance": ROOT / "governance",
}


def pages() -> Iterator[tuple[Path, str]]:
    """Yield each page that is printed, whole or in part, with the text that it must have."""
    yield DOCS / "settings.md", settings_reference.page()
    yield DOCS / "permissions.md", permissions()
    yield DOCS / "review.md", review()
    page = DOCS / "architecture.md"
    text = page.read_text(encoding="utf-8")
    for name, block in {"rooms": rooms(), **_diagrams()}.items():
        text = _with_block(text, name, block)
    yield page, text


def rooms() -> str:
    """Draw the rooms and the directions of imports, from the contracts that prove them.

    A folder without code yet (an optional layer) is left out.
    """
    contracts = _contracts()
    roots: list[str] = contracts["roots"]
    lines = ["flowchart TB"]
    for root in roots:
        rows = [_present(root, layer) for layer in contracts.get(root, [])]
        rows = [row for row in rows if row]
        lines.append(f"    subgraph {root}")
        lines += [f"        {root}_{room}[{room}]" for row in rows for room in row]
        lines += [
            f"        {root}_{upper} --> {root}_{lower}"
            for above, below in pairwise(rows)
            for upper in above
            for lower in below
        ]
        lines.append("    end")
    lines += [f"    {above} ==> {below}" for above, below in pairwise(roots)]
    return "\n".join(lines)


def permissions() -> str:
    """Return the permission table as a page that can be read aloud."""
    rows = [
        f"| `{permission}` | {clauses.strip()} |"
        for permission, clauses in (
            line.rsplit(": ", maxsplit=1) for line in table.read_aloud().splitlines()
        )
    ]
    return "\n".join(
        [
            "# Permissions",
            "",
            "Printed from `governance/policy/table.py` by",
            "`python -m tests.architecture.printed`; a test compares the two. Any of the clauses",
            "between semicolons grants; all that a clause names must hold. What stands in no",
            "clause is refused.",
            "",
            "| permission | is granted to an actor who |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def review() -> str:
    """Return the page on reviews with the decision table as the code has it."""
    text = (DOCS / "review.md").read_text(encoding="utf-8")
    return _between(text, "decision-table", outcomes.decision_table())


def main() -> int:
    """Write every page that differs, and name it."""
    for path, text in pages():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")
    return 0


def _diagrams() -> dict[str, str]:
    return {name: lifecycle.diagram() for name, lifecycle in LIFECYCLES.items()}


def _contracts() -> dict[str, list[str]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {
        contract["id"]: contract.get("layers", [])
        for contract in settings["tool"]["importlinter"]["contracts"]
    }


def _present(root: str, layer: str) -> list[str]:
    names = [name.strip(" ()\n") for name in layer.replace(":", "|").split("|")]
    return [name for name in names if (SOURCES[root] / name).is_dir()]


def _with_block(text: str, name: str, block: str) -> str:
    """Put a diagram between the marks of that name. Raises: ValueError if the page has none."""
    return _between(text, name, f"```mermaid\n{block}\n```")


def _between(text: str, name: str, block: str) -> str:
    """Put `block` between the marks of that name. Raises: ValueError if the page has none."""
    begin, end = f"<!-- printed: {name} -->", f"<!-- end: {name} -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"the page must hold {begin} and {end} once")
    head, rest = text.split(begin)
    _old, tail = rest.split(end)
    return f"{head}{begin}\n{block}\n{end}{tail}"


if __name__ == "__main__":
    sys.exit(main())
