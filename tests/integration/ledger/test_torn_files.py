"""The log's file writers under a fault at each system call: the old file or the new, never half.

`strace` injects an error, or kills the process, at a chosen call of another interpreter.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")

OLD, NEW = b"old " * 5000, b"new " * 7000
WRITERS = {
    "memory and checkpoint": "keys.write_whole(folder / 'a', new)",
    "tiles": "stores.FolderStore(folder).write('a', new)",
    "anchors and events": "stores.FolderStore(folder).create('b', new)",
}
CHILD = """
import sys
from pathlib import Path
from governance.ledger import keys, stores
folder, new = Path(sys.argv[1]), b"new " * 7000
{act}
"""
# Every call by which the writers change a disk, and the second of those that come twice.
CALLS = ["write:when=1", "fsync:when=1", "fsync:when=2", "rename:when=1", "link:when=1"]
FAULTS = {"error": "error=EIO", "kill": "signal=KILL"}


def run(folder: Path, act: str, inject: str = "") -> int:
    child = [sys.executable, "-B", "-c", CHILD.format(act=act), str(folder)]
    calls = "write,fsync,rename,link,unlink"
    strace = ["strace", "-f", "-o", str(folder.parent / "trace"), "-e", f"trace={calls}"]
    more = ["-e", f"inject={inject}"] if inject else []
    done = subprocess.run([*strace, *more, *child], capture_output=True, check=False)
    return done.returncode


def found(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")
    }


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("writer", WRITERS)
def test_a_fault_leaves_the_old_file_or_the_new_one(
    tmp_path: Path, writer: str, call: str, fault: str
) -> None:
    folder = tmp_path / "place"
    folder.mkdir()
    (folder / "a").write_bytes(OLD)
    name, _, when = call.partition(":")
    code = run(folder, WRITERS[writer], f"{name}:{FAULTS[fault]}:{when}")
    files = found(folder)
    if writer == "anchors and events":
        assert files.pop("b", NEW) == NEW
        assert files == {"a": OLD}
    else:
        assert files in ({"a": OLD}, {"a": NEW})
    if name not in (folder.parent / "trace").read_text():
        assert code == 0
        pytest.skip("this writer makes no such call")
    assert code != 0 or files.get("a") == NEW or writer == "anchors and events"
    # Afterwards the same act goes through: nothing that a fault left is in the way.
    assert run(folder, WRITERS[writer]) == 0
    assert NEW in found(folder).values()


def test_a_writer_without_care_is_caught(tmp_path: Path) -> None:
    """Show that the faults are real: written in place, the same kill leaves an empty file."""
    folder = tmp_path / "place"
    folder.mkdir()
    (folder / "a").write_bytes(OLD)
    run(folder, "(folder / 'a').write_bytes(new)", "write:signal=KILL:when=1")
    assert found(folder)["a"] not in (OLD, NEW)
