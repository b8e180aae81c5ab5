"""No file of the project says where it was made: no download hosts, no machine's paths."""

import re

from tests.architecture.source import ROOT, tracked_files

# In parts, since this file is tracked too.
HOSTS = ("pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".org", "npmjs" + ".com")
FOLDERS = ("work", "opt/wheels", "opt/pypi", "root")
TRACES = re.compile(
    rb"(?:%b)|(?<![\w./}])/(?:%b)/"
    % ("|".join(map(re.escape, HOSTS)).encode(), "|".join(FOLDERS).encode())
)
# Prompts of other people's data sets say what they say.
QUOTED = ("data/", "tests/data/")


def test_no_file_names_a_download_host_or_a_machine() -> None:
    texts = {name: (ROOT / name).read_bytes() for name in tracked_files()}

    traces = {
        name: match[0]
        for name, text in texts.items()
        if not name.startswith(QUOTED) and (match := TRACES.search(text))
    }

    assert not traces


def test_the_node_lock_records_no_address_and_pins_every_package() -> None:
    lock = (ROOT / "tests/e2e/node/package-lock.json").read_text()

    assert "://" not in lock
    assert lock.count('"integrity"') == lock.count('"node_modules/')
