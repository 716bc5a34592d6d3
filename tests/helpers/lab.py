"""A JupyterLab and a Chromium, for browser tests and benchmarks; they reach only this machine."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from scrubbing import listen

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "browser-tests"
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
SETTINGS = {"docmanager-extension/plugin": {"autosave": False}}
# Complaints about no output of a notebook: Lab's, and ipywidgets' where a notebook has no kernel.
NOISE = (
    *("favicon", "ResizeObserver loop", "/api/me", "/workspaces/", "/lsp/status", "translation"),
    "Cannot read properties of null (reading 'kernel')",
)


def find_chromium(playwright):
    """A Chromium on the path or Playwright's own, or None."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


@pytest.fixture(scope="session")
def playwright():
    """What drives the browsers."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        yield playwright
    # Playwright leaves its event loop behind, at which other tests' asyncio.run would stumble.
    asyncio.set_event_loop(None)


@pytest.fixture(scope="session")
def chromium(playwright):
    """The browser; skips where there is none."""
    path = find_chromium(playwright)
    if path is None:
        pytest.skip("no Chromium: install one, or run `playwright install chromium`")
    browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_OPTIONS)
    yield browser
    browser.close()


class Lab:
    """A running JupyterLab: `open` shows a notebook in a new page, `page`; `run_all` runs it."""

    def __init__(self, browser, url, folder, environment):
        self.browser, self.url, self.folder, self.environment = browser, url, folder, environment
        self.page, self.errors, self.name = None, [], None

    def open(
        self, path, *, trusted=True, at="lab/tree", url=None, width=1200, height=900, **options
    ):
        """Show a copy of the notebook, beside copies of what else is in its folder.

        at: "lab/tree"; "lab" for a notebook without a kernel; "notebooks" for Notebook 7, which has
        Lab's commands and cells.
        url: another way to the same server, such as a slow one.
        """
        self.close()
        path = Path(path)
        if path.parent != self.folder:
            ignored = shutil.ignore_patterns("*.ipynb", ".*", "__pycache__")
            shutil.copytree(path.parent, self.folder, ignore=ignored, dirs_exist_ok=True)
            shutil.copy(path, self.folder)
        self.name = path.name
        if trusted:
            self.trust()
        viewport = {"width": width, "height": height}
        self.page = self.browser.new_context(viewport=viewport, **options).new_page()
        self.errors = listen(self.page)
        where = "lab" if at == "lab" else f"{at}/{self.name}"
        self.page.goto(f"{url or self.url}/{where}?token={TOKEN}&reset")
        if at == "lab":
            self.page.wait_for_function("window.jupyterapp")
            self.page.evaluate(
                """async path => { await jupyterapp.restored;
                     await jupyterapp.serviceManager.sessions.shutdownAll();
                     await jupyterapp.commands.execute(
                       'docmanager:open', { path, kernelPreference: { shouldStart: false } }) }""",
                self.name,
            )
        self.page.wait_for_function(
            """name => window.jupyterapp?.shell.currentWidget?.context?.path === name
                 && jupyterapp.shell.currentWidget.context.isReady""",
            arg=self.name,
            timeout=60_000,
        )
        return self.page

    def close(self):
        if self.page:
            self.page.context.close()
            self.page = None

    def trust(self):
        command = [sys.executable, "-m", "jupyter", "trust", self.name]
        subprocess.run(
            command, cwd=self.folder, env=self.environment, check=True, capture_output=True
        )

    def wait_for_kernel(self, timeout=60):
        """Idle and connected: before that, running a cell silently does nothing."""
        self.page.wait_for_function(
            """() => { const kernel = jupyterapp.shell.currentWidget.sessionContext.session?.kernel;
                 return kernel?.status === 'idle' && kernel.connectionStatus === 'connected' }""",
            timeout=1000 * timeout,
        )

    def run_all(self, timeout=300):
        """Run every cell; an error in a cell is an error here."""
        self.wait_for_kernel()
        self.page.evaluate(
            """() => { window.ranAll = false;
                 jupyterapp.commands.execute('notebook:run-all-cells')
                   .finally(() => { window.ranAll = true }) }"""
        )
        self.page.wait_for_function("window.ranAll", timeout=1000 * timeout)
        self.wait_for_kernel(timeout)
        failed = [
            f"cell {k}: {output['ename']}: {output['evalue']}"
            for k, cell in enumerate(self.content()["cells"])
            for output in cell.get("outputs", [])
            if output["output_type"] == "error"
        ]
        assert not failed, failed

    def execute(self, code):
        """Run code in the kernel, outside of the notebook; returns what it printed."""
        printed = self.page.evaluate(
            """async code => { let text = '';
                 const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
                 const future = kernel.requestExecute({ code });
                 future.onIOPub = ({ header, content }) => {
                   if (header.msg_type === 'stream') text += content.text;
                   if (header.msg_type === 'error') text += content.ename + ': ' + content.evalue;
                 };
                 await future.done; return text }""",
            code,
        )
        return printed.strip()

    def content(self):
        """The notebook as Lab holds it now."""
        return self.page.evaluate("jupyterapp.shell.currentWidget.context.model.toJSON()")

    def save(self):
        self.page.evaluate("jupyterapp.shell.currentWidget.context.save()")
        return self.folder / self.name

    def shut_kernel_down(self):
        self.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.shutdown()")

    def scrubbers(self):
        """All scrubbers of the notebook, each scrolled into the page once."""
        count = self.page.evaluate("jupyterapp.shell.currentWidget.content.widgets.length")
        for cell in range(count):  # Lab may keep cells out of the page until they are looked at
            self.page.evaluate(
                "cell => jupyterapp.shell.currentWidget.content.scrollToItem(cell)", cell
            )
        self.page.wait_for_timeout(300)
        return self.page.locator(".jp-Notebook .scrubber")

    def complaints(self):
        """The errors in the console that a notebook could have caused."""
        return [error for error in self.errors if not any(part in error for part in NOISE)]


@pytest.fixture(scope="session")
def lab(chromium, tmp_path_factory):
    """The server, with a home of its own, and the browser."""
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("notebooks")
    for plugin, values in SETTINGS.items():
        file = home / "settings" / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    environment = os.environ | {
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_CONFIG_PATH": str(ROOT / "tools" / "lab"),  # as `make lab` starts it
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",  # threads that wait for each other on a busy machine take minutes
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url, log = f"http://127.0.0.1:{port}", home / "server.log"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--expose-app-in-browser"]
    command += ["--JupyterNotebookApp.expose_app_in_browser=True"]
    command += ["--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0", "--allow-root"]
    command += [f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}"]
    with log.open("w") as out:
        server = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
    try:
        wait_for_server(server, url, log)
        lab = Lab(chromium, url, folder, environment)
        yield lab
        lab.close()
    finally:
        server.terminate()
        server.wait(20)


def wait_for_server(server, url, log, seconds=60):
    for _ in range(4 * seconds):
        time.sleep(0.25)
        if server.poll() is not None:
            break
        try:
            urllib.request.urlopen(f"{url}/api/status?token={TOKEN}", timeout=5).close()
            return
        except OSError:
            continue
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")
