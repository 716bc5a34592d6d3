"""A first start of `make lab`: nothing covers the notebook, and opening it does not change it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from lab import TOKEN, wait_for_server
from scrubbing import Scrubber

ROOT = Path(__file__).resolve().parents[2]
PATHS = sorted((ROOT / "notebooks").glob("0*.ipynb"))


@pytest.fixture(scope="module")
def first_start(chromium, tmp_path_factory):
    """The page that `make lab` opens for somebody who never had a JupyterLab."""
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url, log = f"http://127.0.0.1:{port}", home / "server.log"
    arguments = f"--no-browser --ip=127.0.0.1 --port={port} --IdentityProvider.token={TOKEN}"
    arguments += f" --expose-app-in-browser --ServerApp.root_dir={folder}"
    # With the environment that runs this test, as it is.
    command = ["make", "lab", f"VENV={sys.prefix}", f"--old-file={sys.prefix}/.lab"]
    own = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
    with log.open("w") as out:
        server = subprocess.Popen(
            [*command, f"LAB_ARGS={arguments}"],
            cwd=ROOT,
            env=own | {"HOME": str(home)},
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        wait_for_server(server, url, log)
        page = chromium.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{url}?token={TOKEN}")
        page.get_by_role("main").locator(".jp-Notebook").wait_for(timeout=60_000)
        yield page
        page.close()
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)


def test_nothing_pops_up(first_start):
    first_start.wait_for_timeout(6000)  # what pops up does so late
    assert first_start.locator(".jp-Dialog, .Toastify__toast").all_inner_texts() == []


def test_the_figure_on_the_first_screen_moves_before_anything_is_run(first_start):
    scrubber = Scrubber(first_start.locator(".jp-Notebook .scrubber").first)
    scrubber.check()
    at = scrubber.canvas.first.bounding_box()
    assert at["y"] + at["height"] < 900


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_just_opened_is_unmodified(first_start, path):
    dirty = first_start.evaluate(
        """async path => {
             const widget = await jupyterapp.commands.execute('docmanager:open', { path });
             const { context, sessionContext } = widget;
             await Promise.all([context.ready, sessionContext.ready]);
             const { kernel } = sessionContext.session;
             await Promise.all([kernel.info, kernel.spec]);
             while (kernel.status !== 'idle') await new Promise(done => setTimeout(done, 100));
             const { dirty } = context.model;
             await sessionContext.shutdown();
             widget.dispose();
             return dirty }""",
        f"notebooks/{path.name}",
    )
    assert not dirty


def test_binder_starts_it_with_the_same_configuration():
    command = [ROOT / "binder" / "start", "bash", "-c", "echo $JUPYTER_CONFIG_PATH"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert Path(run.stdout.strip()) == ROOT / "tools" / "lab"
