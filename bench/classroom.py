"""A class on one JupyterHub: does it hold, what does a student cost, and how long do they wait?

    pip install jupyterhub                 # this and the proxy are not among the project's own
    npm install configurable-http-proxy    # requirements
    python bench/classroom.py --students 4 --proxy node_modules/.bin/configurable-http-proxy

Starts JupyterHub on this machine's loopback, with a throw-away home for each student that holds the
notebooks without solutions. All students do the same at the same moment: log in; open notebook 02,
run all of it; then, with that kernel still there, open notebook 04 and run all of it. The first
student works in a real browser, if there is one, and scrubs; the others go through the server's
REST and WebSocket API. Servers start through binder/start with one core each, as on Binder. Prints
waiting times, memory and processor time. Exits with 1 if anything went wrong for anybody.
"""

import argparse
import asyncio
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp
import psutil
from playwright.sync_api import sync_playwright
from yarl import URL

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]

from lab import CHROMIUM_OPTIONS, Lab, find_chromium  # noqa: E402
from scrubbing import Scrubber  # noqa: E402

from tools import student  # noqa: E402

FIRST, SECOND = "02_forward_diffusion.ipynb", "04_training.ipynb"
CONFIG = """
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_port = {hub_port}
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie_secret"
c.ConfigurableHTTPProxy.command = ["{proxy}"]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy_port}"
c.ConfigurableHTTPProxy.pid_file = "{folder}/proxy.pid"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "{folder}/homes/{{username}}"
c.Spawner.cmd = ["{root}/binder/start", "{python}", "-m", "jupyterhub.singleuser"]
c.Spawner.args = {arguments}
c.Spawner.cpu_limit = 1
c.Spawner.environment = {{"PYTHONPATH": "{path}"}}
c.Spawner.start_timeout = c.Spawner.http_timeout = {timeout}
"""


class Student:
    """Works through the API of the hub and of a server of their own."""

    def __init__(self, hub: str, name: str):
        self.hub, self.name = URL(hub), name
        self.server = self.hub / "user" / name
        self.first_figure: dict[str, float] = {}

    async def log_in(self):
        # Cookies of 127.0.0.1 count as unsafe; they are all that a browser would have, too.
        jar = aiohttp.CookieJar(unsafe=True)
        self.http = aiohttp.ClientSession(cookie_jar=jar, raise_for_status=True)
        page = self.hub / "hub" / "login"
        await self.http.get(page)
        form = {"username": self.name, "password": "", "_xsrf": self._xsrf(page)}
        await self.http.post(page, data=form)
        while True:  # the page of a server that is not up yet is the hub's
            answer = await self.http.get(self.server / "lab", raise_for_status=False)
            if answer.ok and answer.url.path.startswith(self.server.path):
                return
            await asyncio.sleep(0.5)

    async def work_through(self, name: str):
        start = time.perf_counter()
        content = await self._json("GET", f"api/contents/{name}")
        session = {"path": name, "type": "notebook", "name": name, "kernel": {"name": "python3"}}
        kernel = (await self._json("POST", "api/sessions", session))["kernel"]["id"]
        address = self.server / "api" / "kernels" / kernel / "channels"
        async with self.http.ws_connect(address, max_msg_size=0) as channel:
            for cell in content["content"]["cells"]:
                if cell["cell_type"] == "code":
                    figure = await self._execute(channel, cell["source"])
                    if figure:
                        self.first_figure.setdefault(name, figure - start)

    async def log_out(self):
        await self.http.close()

    async def _json(self, method: str, path: str, body=None):
        address = self.server.joinpath(*path.split("/"))
        headers = {"X-XSRFToken": self._xsrf(address)}
        async with self.http.request(method, address, json=body, headers=headers) as answer:
            return await answer.json()

    def _xsrf(self, address: URL) -> str:
        return self.http.cookie_jar.filter_cookies(address)["_xsrf"].value

    async def _execute(self, channel, code: str) -> float | None:
        """Run code in the kernel and wait for its end; returns when the first figure came."""
        message, figure = uuid.uuid4().hex, None
        header = {"msg_id": message, "msg_type": "execute_request", "version": "5.3"}
        header |= {"username": self.name, "session": self.name}
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        await channel.send_json(
            {
                "channel": "shell",
                "header": header,
                "parent_header": {},
                "metadata": {},
                "content": content,
            }
        )
        while True:
            received = await channel.receive(timeout=120)
            if received.type is aiohttp.WSMsgType.BINARY:  # a widget's frames, for a page to draw
                continue
            if received.type is not aiohttp.WSMsgType.TEXT:
                reason = channel.exception() or channel.close_code
                raise RuntimeError(f"the kernel's channel ended: {reason!r}")
            answer = received.json()
            if answer["parent_header"].get("msg_id") != message:
                continue
            kind, content = answer["header"]["msg_type"], answer["content"]
            if kind == "error":
                raise RuntimeError(f"{content['ename']}: {content['evalue']}")
            if kind == "display_data" and "image/png" in content["data"]:
                figure = figure or time.perf_counter()
            if kind == "status" and content["execution_state"] == "idle":
                return figure


class BrowserStudent(Student):
    """Does the same in a browser, and also scrubs. Playwright wants one thread for all it does."""

    def __init__(self, hub: str, name: str, home: Path, chromium: str):
        super().__init__(hub, name)
        self.home, self.chromium, self.thread = home, chromium, ThreadPoolExecutor(1)

    async def _run(self, function: Callable, *arguments):
        await asyncio.get_running_loop().run_in_executor(self.thread, function, *arguments)

    async def log_in(self):
        await self._run(self._log_in)

    async def work_through(self, name: str):
        await self._run(self._work_through, name)

    async def log_out(self):
        await self._run(self._log_out)

    def _log_in(self):
        self.playwright = sync_playwright().start()
        chromium = self.playwright.chromium
        self.browser = chromium.launch(executable_path=self.chromium, args=CHROMIUM_OPTIONS)
        page = self.browser.new_context().new_page()
        page.set_default_timeout(120_000)
        page.goto(f"{self.hub}/hub/login")
        page.fill("[name=username]", self.name)
        page.click("[type=submit]")
        page.wait_for_url(re.compile(f"{re.escape(self.server.path)}/lab"))
        self.login = page.context.storage_state()
        page.context.close()

    def _work_through(self, name: str):
        start = time.perf_counter()
        lab = Lab(self.browser, str(self.server), self.home, None)
        lab.open(self.home / name, trusted=False, storage_state=self.login)
        opened = time.perf_counter() - start
        lab.page.evaluate(
            """() => { const start = performance.now(); const seen = setInterval(() => {
                 const cells = jupyterapp.shell.currentWidget.context.model.toJSON().cells;
                 if (cells.some(({ outputs }) => outputs?.some(o => o.data?.['image/png']))) {
                   window.firstFigure = (performance.now() - start) / 1000; clearInterval(seen);
                 } }, 100) }"""
        )
        lab.run_all()
        self.first_figure[name] = opened + lab.page.evaluate("window.firstFigure")
        scrubbers = lab.scrubbers()
        for k in range(scrubbers.count()):
            Scrubber(scrubbers.nth(k)).check()
        lab.close()

    def _log_out(self):
        self.browser.close()
        self.playwright.stop()


class Usage:
    """The largest sums over each student's processes, server and kernels, so far."""

    def __init__(self, hub: psutil.Process):
        self.hub = hub
        self.shared_once: dict[str, float] = {}  # MB of PSS: a page that k share counts 1/k
        self.resident: dict[str, float] = {}  # MB of RSS: it counts in full
        self.seconds: dict[str, float] = {}  # of processor time, which other work does not lengthen

    async def watch(self):
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(2)

    def look(self):
        sums = {}
        for process in self.hub.children(recursive=True):
            try:
                name = process.environ().get("JUPYTERHUB_USER")
                memory, times = process.memory_full_info(), process.cpu_times()
            except psutil.Error:  # gone meanwhile
                continue
            if name:
                values = memory.pss / 1e6, memory.rss / 1e6, times.user + times.system
                sums[name] = [a + b for a, b in zip(sums.get(name, (0, 0, 0)), values)]
        for k, most in enumerate((self.shared_once, self.resident, self.seconds)):
            for name, values in sums.items():
                most[name] = max(most.get(name, 0), values[k])


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start_hub(folder: Path, proxy: str, timeout: float) -> tuple[subprocess.Popen, str]:
    port, hub_port, proxy_port = free_ports(3)
    arguments = ["--LabApp.expose_app_in_browser=True"]  # for the browser's run-all
    if os.geteuid() == 0:
        arguments.append("--allow-root")
    config = CONFIG.format(
        port=port,
        hub_port=hub_port,
        proxy_port=proxy_port,
        folder=folder,
        proxy=proxy,
        root=ROOT,
        python=sys.executable,
        arguments=arguments,
        path=os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        timeout=int(timeout),
    )
    (folder / "jupyterhub_config.py").write_text(config)
    with (folder / "hub.log").open("w") as log:
        hub = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", "jupyterhub_config.py"],
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    return hub, f"http://127.0.0.1:{port}"


async def wait_for_hub(hub: subprocess.Popen, url: str):
    async with aiohttp.ClientSession() as http, asyncio.timeout(60):
        while hub.poll() is None:
            try:
                await http.get(f"{url}/hub/api", raise_for_status=True)
                return
            except aiohttp.ClientError:
                await asyncio.sleep(0.5)
    raise RuntimeError("JupyterHub ended at once")


def stop_hub(hub: subprocess.Popen):
    """The hub ends its servers and its proxy; what is left after that is ended here, by its id."""
    started = psutil.Process(hub.pid).children(recursive=True) if hub.poll() is None else []
    hub.terminate()
    try:
        hub.wait(30)
    except subprocess.TimeoutExpired:
        hub.kill()
    _, left = psutil.wait_procs(started, timeout=10)
    for process in left:
        process.kill()


def show(what: str, values, unit: str):
    values = list(values)
    if values:
        median, most = statistics.median(values), max(values)
        print(f"{what:48} median {median:6.1f} {unit}, max {most:6.1f} {unit}", flush=True)


async def together(what: str, students: list, action: Callable, timeout: float, errors: list):
    """All do it at once. Returns those for whom it went well."""

    async def one(each):
        start = time.perf_counter()
        try:
            async with asyncio.timeout(timeout):
                await action(each)
            return time.perf_counter() - start
        except Exception as error:  # whatever it is, it is what that student saw
            errors.append(f"{each.name}, {what}: {repr(error)[:500]}")

    seconds = await asyncio.gather(*(one(each) for each in students))
    well = [each for each, taken in zip(students, seconds) if taken is not None]
    print(f"{what}: {len(well)} of {len(students)}")
    show("  time", [taken for taken in seconds if taken is not None], "s")
    return well


async def lesson(hub: subprocess.Popen, url: str, students: list, timeout: float) -> list[str]:
    errors: list[str] = []
    await wait_for_hub(hub, url)
    usage = Usage(psutil.Process(hub.pid))
    watching = asyncio.create_task(usage.watch())
    there = await together("log in", students, lambda s: s.log_in(), timeout, errors)
    for name in (FIRST, SECOND):
        there = await together(
            f"run all of {name}", there, lambda s, name=name: s.work_through(name), timeout, errors
        )
        show("  to the first figure", [s.first_figure[name] for s in there], "s")
        await asyncio.to_thread(usage.look)
        show("  so far, memory, shared parts counted once", usage.shared_once.values(), "MB")
        show("  so far, memory, all that is resident", usage.resident.values(), "MB")
        show("  so far, processor time", usage.seconds.values(), "s")
    watching.cancel()
    print(f"students with a server and two kernels at once: {len(there)}")
    for each in students:
        try:
            await each.log_out()
        except Exception as error:
            errors.append(f"{each.name}, log out: {repr(error)[:500]}")
    return errors


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--students", type=int, default=4)
    parser.add_argument("--timeout", type=float, default=240, help="seconds for each of 3 phases")
    parser.add_argument("--proxy", default="configurable-http-proxy", help="where its program is")
    options = parser.parse_args()
    if not 1 <= options.students <= 50:
        parser.error(f"--students must be from 1 to 50, got {options.students}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))  # not without stop_hub
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        names = [f"student{k:02}" for k in range(options.students)]
        for name in names:
            student.main(folder / "homes" / name)
        hub, url = start_hub(folder, str(Path(options.proxy).resolve()), options.timeout)
        try:
            students = [Student(url, name) for name in names]
            with sync_playwright() as playwright:
                chromium = find_chromium(playwright)
            if chromium:
                home = folder / "homes" / names[0]
                students[0] = BrowserStudent(url, names[0], home, chromium)
            print(f"{len(students)} students, {'one' if chromium else 'none'} in a browser")
            errors = asyncio.run(lesson(hub, url, students, options.timeout))
        finally:
            stop_hub(hub)
            log = (folder / "hub.log").read_text()
        print(f"errors: {len(errors)}", *errors, sep="\n  ")
        if errors:
            print(re.sub(r"^\[I .*\n", "", log, flags=re.M)[-5000:])  # warnings and errors
            sys.exit(1)


if __name__ == "__main__":
    main()
