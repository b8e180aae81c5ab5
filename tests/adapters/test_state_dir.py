"""The state folder belongs to one process, and keeps its id."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.adapters.state_dir import hold_state_dir
from gateway.core.errors import ConfigError

HOLDER = """
import sys, pathlib
from gateway.adapters.state_dir import hold_state_dir
with hold_state_dir(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_with_the_folder_named_until_the_first_is_killed(
    tmp_path: Path,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError, match=re.escape(str(tmp_path))), hold_state_dir(tmp_path):
            pass
        os.kill(holder.pid, signal.SIGKILL)

    with hold_state_dir(tmp_path) as state_dir:
        assert state_dir.path == tmp_path


def test_the_instance_id_outlives_restarts(tmp_path: Path) -> None:
    with hold_state_dir(tmp_path) as first:
        pass
    with hold_state_dir(tmp_path) as second:
        pass

    assert second.instance_id == first.instance_id


def test_two_folders_are_two_instances(tmp_path: Path) -> None:
    with hold_state_dir(tmp_path / "a") as one, hold_state_dir(tmp_path / "b") as two:
        assert one.instance_id != two.instance_id


@pytest.mark.parametrize("content", ["", "x", "é" * 32])
def test_an_instance_file_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "instance").write_text(content)

    with pytest.raises(ConfigError, match="instance"), hold_state_dir(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with (
        pytest.raises(ConfigError, match=re.escape(str(tmp_path))),
        hold_state_dir(tmp_path / "file" / "state"),
    ):
        pass
