"""A slow network between a browser and a server that are on one machine."""

import asyncio
import queue
import threading
from contextlib import contextmanager


@contextmanager
def slow_line(port, seconds):
    """Another port, which leads to `port`; all bytes take `seconds`, in either direction.

    The browser's own network emulation does not hold up WebSockets, which widgets talk through.
    """
    ready = queue.Queue()

    async def carry(reader, writer):
        loop = asyncio.get_running_loop()
        while data := await reader.read(2**16):
            loop.call_later(seconds, writer.write, data)  # the same for all: they stay in order
        loop.call_later(seconds, writer.close)

    async def connect(reader, writer):
        answers, requests = await asyncio.open_connection("127.0.0.1", port)
        ways = carry(reader, requests), carry(answers, writer)
        await asyncio.gather(*ways, return_exceptions=True)

    async def serve():
        server, stop = await asyncio.start_server(connect, "127.0.0.1", 0), asyncio.Event()
        loop = asyncio.get_running_loop()
        ready.put((server.sockets[0].getsockname()[1], loop, stop))
        await stop.wait()
        server.close()
        if left := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(left, timeout=5)  # connections that the browser is closing

    thread = threading.Thread(target=asyncio.run, args=[serve()], daemon=True)
    thread.start()
    address, loop, stop = ready.get(timeout=10)
    yield address
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
