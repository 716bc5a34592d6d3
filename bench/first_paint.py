"""When a page of the site is first painted, on a slow line: `python bench/first_paint.py [pages]`.

Serves _site/ compressed, as hosts do, at 400 kbit/s and with 0.15 s from request to answer. Prints,
for each page, the seconds to the first paint of text, its size and that of all that it loads.
"""

import gzip
import shutil
import sys
import threading
from functools import cache
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import sync_playwright

SITE = Path(__file__).resolve().parent.parent / "_site"
LINE = {"offline": False, "latency": 150, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
PAINT = """() => new Promise((done) => new PerformanceObserver((list) => {
  const paint = list.getEntriesByName("first-contentful-paint");
  if (paint.length) done(paint[0].startTime / 1000);
}).observe({ type: "paint", buffered: true }))"""


@cache
def packed(path):
    return gzip.compress(Path(path).read_bytes(), 6)


class Host(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *args):
        super().__init__(*args, directory=SITE)

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            return self.send_error(404)
        content, kind = packed(path), self.guess_type(path)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


def measure(browser, address, name):
    """Seconds to the first paint, and the compressed bytes of the page and of all that it loads."""
    page, asked = browser.new_page(viewport={"width": 1200, "height": 800}), set()
    page.on("request", lambda request: asked.add(request.url))
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", LINE)
    page.goto(f"{address}/{name}.html", wait_until="commit")
    seconds = page.evaluate(PAINT)
    page.wait_for_load_state("networkidle", timeout=120_000)
    page.close()
    names = {
        url.removeprefix(address).partition("?")[0] for url in asked if url.startswith(address)
    }
    everything = sum(len(packed(f"{SITE}{name}")) for name in names)
    return seconds, len(packed(f"{SITE}/{name}.html")), everything


def main(names):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        for name in names:
            seconds, page, everything = measure(browser, address, name)
            sizes = f"page {page / 1e3:.0f} kB, all {everything / 1e3:.0f} kB"
            print(f"{name}: {seconds:.1f} s, {sizes}", flush=True)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:] or ["index", "notebooks/02_forward_diffusion"])
