"""The scrubber in JupyterLab, as a reader meets it: keys, mouse, playing, reopened, kernel gone."""

import nbformat
import numpy as np
import pytest
from scrubbing import Scrubber

SAMPLES = """
import numpy as np
t = np.arange(60, -1, -1)
rng = np.random.default_rng(3)
signs, noise = np.sign(rng.normal(size=4000)), rng.normal(size=(61, 4000))
samples = np.sqrt(1 - t[:, None] / 60) * signs + 0.2 * noise
"""
CELLS = [
    SAMPLES + "from tutorial_lib import scrubber\npanel = scrubber.bars(samples, bins=40)",
    "scrubber.scrub(panel, t=t, title='first')",
    "scrubber.scrub(panel, t=t, title='first')",
    "w = scrubber.widget(panel, t=t)\nw",
    "1 + 1",
]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    cells = [nbformat.v4.new_code_cell(cell, id=f"cell{k}") for k, cell in enumerate(CELLS)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    path = tmp_path_factory.mktemp("made") / "scrubbing.ipynb"
    nbformat.write(notebook, path)
    return path


@pytest.fixture(scope="module")
def saved(lab, path):
    """The notebook as Lab ran and saved it, still open."""
    lab.open(path)
    lab.run_all()
    return lab.save()


@pytest.fixture
def scrubbers(lab, saved):
    """Two fragments and a widget, at their first frame; afterwards the console must be clean."""
    found = lab.scrubbers()
    assert found.count() == 3
    found = [Scrubber(found.nth(k)) for k in range(3)]
    for scrubber in found:
        scrubber.press("Home")
        assert scrubber.frame == 0
    yield found
    assert not lab.complaints()


def expected_heights(t):
    names = {}
    exec(SAMPLES, names)
    row = names["samples"][60 - t]
    return np.histogram(row, 40, (-3, 3))[0] / (len(row) * 6 / 40)


def test_keys_move_the_frame(scrubbers):
    for scrubber in scrubbers:
        before = scrubber.pixels()
        for key, t in [("ArrowRight", 59), ("ArrowUp", 58), ("ArrowLeft", 59), ("End", 0)]:
            scrubber.press(key)
            assert scrubber.t == t, key
        scrubber.press("PageDown")
        assert 1 <= scrubber.t <= 12
        scrubber.press("PageUp")
        assert scrubber.t == 0
        assert scrubber.pixels() != before
        scrubber.press("Home")
        assert scrubber.t == 60
        assert scrubber.pixels() == before


def test_space_plays_and_pauses(scrubbers):
    for scrubber in scrubbers:
        before = scrubber.pixels()
        scrubber.root.get_by_label("speed").select_option("0.25")  # 6 seconds, to pause within
        scrubber.press(" ")
        scrubber.wait_for("player.playing && player.frame > 1")
        scrubber.press(" ")
        frame = scrubber.frame
        assert 0 < frame < 60
        assert scrubber.pixels() != before
        scrubber.page.wait_for_timeout(200)
        assert scrubber.frame == frame
        scrubber.root.get_by_label("speed").select_option("1")


def test_play_button_runs_to_the_end_and_loops(scrubbers):
    for scrubber in scrubbers[1:]:
        scrubber.root.get_by_label("speed").select_option("2")
        scrubber.play.click()
        assert scrubber.play.inner_text().endswith("Pause")
        scrubber.wait_for("!player.playing")
        assert scrubber.t == 0
        assert scrubber.play.inner_text().endswith("Play")
        scrubber.root.get_by_label("loop").check()
        scrubber.play.click()  # from the start
        scrubber.wait_for("player.frame > 40")
        scrubber.wait_for("player.frame < 20")  # and again
        assert scrubber.read("player.playing")
        scrubber.play.click()
        scrubber.root.get_by_label("loop").uncheck()
        scrubber.root.get_by_label("speed").select_option("1")


def test_mouse_drags_the_slider(scrubbers):
    for scrubber in scrubbers:
        before = scrubber.pixels()
        scrubber.slider.scroll_into_view_if_needed()
        box = scrubber.slider.bounding_box()
        middle = box["y"] + box["height"] / 2
        mouse = scrubber.page.mouse
        mouse.move(box["x"] + 10, middle)
        mouse.down()
        mouse.move(box["x"] + box["width"] / 2, middle, steps=8)
        mouse.up()
        assert abs(scrubber.t - 30) <= 1
        assert scrubber.pixels() != before
        scrubber.page.keyboard.press("ArrowRight")  # the slider kept the focus
        assert abs(scrubber.t - 29) <= 1


@pytest.mark.parametrize("t", [60, 47, 20, 0])
def test_bars_on_the_canvas_are_the_histogram(scrubbers, t):
    for scrubber in scrubbers:
        scrubber.press(*["ArrowRight"] * (60 - t))
        heights, pixel = scrubber.bar_heights()
        np.testing.assert_allclose(heights, expected_heights(t), atol=1.6 * pixel)


def settles(lab, t):
    """The kernel comes to know the widget's `t`, and keeps to it."""
    for _ in range(100):
        if lab.execute("print(w.t)") == t:
            break
        lab.page.wait_for_timeout(100)
    lab.page.wait_for_timeout(300)
    assert lab.execute("print(w.t)") == t


def test_python_moves_the_slider_and_back(lab, scrubbers):
    scrubber = scrubbers[2]
    lab.execute("w.t = 42")
    scrubber.wait_for("player.t === 42")
    assert scrubber.slider.input_value() == "0.3"
    heights, pixel = scrubber.bar_heights()
    np.testing.assert_allclose(heights, expected_heights(42), atol=1.6 * pixel)
    scrubber.press("ArrowRight", "ArrowRight")
    settles(lab, "40")
    assert "TraitError" in lab.execute("w.t = 99")


def refill(lab, scrubber, code):
    """Run code that refills the widget; waits, however long it takes, until the page shows it."""
    scrubber.read("player.spec.old = true")
    lab.execute(code)
    scrubber.wait_for("!player.spec.old")


def test_refill_keeps_the_view_and_t(lab, scrubbers):
    scrubber = scrubbers[2]
    scrubber.press("ArrowRight", "ArrowRight", "ArrowRight")
    before = scrubber.pixels()
    scrubber.root.evaluate(
        "root => { root.scrubber.mark = 1; window.slider = root.querySelector('[type=range]') }"
    )
    refill(lab, scrubber, "w.refill(scrubber.bars(samples + 1, bins=40))")
    assert scrubber.t == 57
    assert scrubber.pixels() != before
    assert scrubber.read("player.mark === 1 && document.activeElement === window.slider")
    refill(lab, scrubber, "w.refill(panel)")
    assert scrubber.t == 57
    assert scrubber.pixels() == before


def test_moved_while_refilled_it_stays_there(lab, scrubbers):
    """Unpacking takes the page a moment, in which Python and the reader may set another t."""
    scrubber = scrubbers[2]
    refill(lab, scrubber, "w.refill(panel); w.t = 42")
    scrubber.wait_for("player.t === 42")
    settles(lab, "42")


def test_shown_twice_both_work(lab, scrubbers):
    one, two = scrubbers[:2]
    same = [lab.content()["cells"][k]["outputs"][0]["data"]["text/html"] for k in (1, 2)]
    assert same[0] == same[1]
    one.press("ArrowRight")
    two.press("End")
    assert (one.t, two.t) == (59, 0)
    assert one.pixels() != two.pixels()


def test_typing_on_the_controls_does_not_edit_the_notebook(lab, scrubbers):
    before = lab.content()["cells"]
    active = "jupyterapp.shell.currentWidget.content.activeCellIndex"
    for scrubber in scrubbers:
        for control in (scrubber.slider, scrubber.play, scrubber.root.get_by_label("speed")):
            control.click()
            cell = scrubber.page.evaluate(active)
            for key in ("b", "a", "ArrowDown", "ArrowUp", "x", "d", "d", "m", "Escape"):
                scrubber.page.keyboard.press(key)
            assert scrubber.page.evaluate(active) == cell
            if control is scrubber.play:
                control.click()
        scrubber.root.get_by_label("speed").select_option("1")
    strip = [{k: v for k, v in cell.items() if k != "outputs"} for cell in lab.content()["cells"]]
    assert strip == [{k: v for k, v in cell.items() if k != "outputs"} for cell in before]


def test_the_strip_is_hidden_beside_a_player(lab, scrubbers):
    rows = lab.page.locator(".jp-OutputArea-child:has(img)")
    assert rows.count() == 2
    for row in rows.all():
        row.wait_for(state="hidden")


def test_a_new_view_of_the_output_scrubs_and_shows_no_strip(lab, scrubbers):
    lab.page.evaluate("jupyterapp.shell.currentWidget.content.activeCellIndex = 1")
    lab.page.evaluate("jupyterapp.commands.execute('notebook:create-output-view')")
    view = lab.page.locator(".jp-LinkedOutputView")
    copy = Scrubber(view.locator(".scrubber"))
    copy.check()
    view.locator("img").wait_for(state="hidden")
    title = (
        "[...jupyterapp.shell.widgets('main')].find((one) => one.title.label.includes('Output'))"
    )
    lab.page.evaluate(f"{title}.close()")
    view.wait_for(state="detached")
    lab.page.evaluate("jupyterapp.shell.activateById([...jupyterapp.shell.widgets('main')][0].id)")


def test_scrubbing_sends_nothing_to_the_kernel(lab, scrubbers):
    cdp = lab.page.context.new_cdp_session(lab.page)
    sent = []
    cdp.on("Network.webSocketFrameSent", lambda frame: sent.append(frame))
    cdp.send("Network.enable")
    scrubbers[0].press(*["ArrowRight"] * 20)
    scrubbers[0].play.click()
    lab.page.wait_for_timeout(500)
    scrubbers[0].play.click()
    assert not sent
    cdp.detach()


def test_follows_the_theme_in_sight_and_out_of_it(lab, scrubbers):
    change = "theme => jupyterapp.commands.execute('apputils:change-theme', { theme })"
    for theme, dark in [("JupyterLab Dark", "true"), ("JupyterLab Light", "false")]:
        scrubbers[0].slider.scroll_into_view_if_needed()
        lab.page.evaluate(change, theme)
        for scrubber in scrubbers:
            scrubber.slider.scroll_into_view_if_needed()
            scrubber.wait_for(f"player.panels[0].dark === {dark}")
            assert scrubber.read("player.panels[0].ink === getComputedStyle(root).color")


def test_follows_the_theme_while_nobody_scrolls(lab, scrubbers):
    """The track, too: Lab hides the notebook while it changes the theme."""
    scrubbers[0].slider.scroll_into_view_if_needed()
    brightest = """(() => { let most = 0;
      const canvas = root.querySelector('.scrubber-track canvas'), { width, height } = canvas;
      const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
      for (let i = 0; i < data.length; i += 4)
        if (data[i + 3] > 200 && data[i] === data[i + 2]) most = Math.max(most, data[i]);
      return most })()"""
    change = "theme => jupyterapp.commands.execute('apputils:change-theme', { theme })"
    for theme, wanted in [("JupyterLab Dark", "> 200"), ("JupyterLab Light", "< 160")]:
        lab.page.evaluate(change, theme)
        scrubbers[0].wait_for(f"{brightest} {wanted}")
        lab.page.wait_for_timeout(1000)  # until Lab has put the old theme away


def test_works_with_the_kernel_shut_down(lab, scrubbers):
    lab.shut_kernel_down()
    for scrubber in scrubbers[:2]:
        before = scrubber.pixels()
        scrubber.press("End")
        assert scrubber.t == 0
        assert scrubber.pixels() != before


def test_reopened_trusted_it_works_without_a_kernel(lab, saved):
    lab.open(saved)
    found = lab.scrubbers()
    assert found.count() == 2  # a widget needs its kernel
    for k in range(2):
        scrubber = Scrubber(found.nth(k))
        before = scrubber.pixels()
        scrubber.press("End")
        assert scrubber.t == 0
        assert scrubber.pixels() != before


def test_reopened_untrusted_it_shows_the_strip_and_no_code(lab, saved, tmp_path):
    notebook = nbformat.read(saved, 4)
    notebook.cells[0].source += "\n# never signed"
    nbformat.write(notebook, tmp_path / "untrusted.ipynb")
    lab.open(tmp_path / "untrusted.ipynb", trusted=False)
    assert lab.scrubbers().count() == 0
    outputs = lab.page.locator(".jp-Cell-outputArea").nth(1)
    assert outputs.locator("input, button, select, canvas").count() == 0
    text = outputs.inner_text()
    assert "first. Five frames from t = 60" in text
    for code in ("atob", "DecompressionStream", "=>", "import("):
        assert code not in text
    image = outputs.locator("img")
    assert image.evaluate("image => image.naturalWidth > 100 && image.complete")
