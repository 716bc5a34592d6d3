"""The scrubber as a widget that Python can drive, observe and refill."""

import anywidget
import traitlets

from .player import MODULE, specify
from .tracks import pack


class ScrubberWidget(anywidget.AnyWidget):
    """The player of `scrub` with a trait `t`: the value shown now.

    Setting `t` moves the slider, to the nearest frame; moving the slider sets `t`.
    """

    _esm = MODULE
    t = traitlets.Union([traitlets.Int(), traitlets.Float()]).tag(sync=True)
    _data = traitlets.Bytes().tag(sync=True)

    def __init__(self, panels, t, start):
        spec = specify(panels, t, start=start)
        self._times = spec["t"]
        data = pack(spec, [panel.tracks for panel in panels])
        super().__init__(t=self._times[spec["start"]], _data=data)

    @traitlets.validate("t")
    def _nearest(self, proposal):
        low, high = sorted((self._times[0], self._times[-1]))
        if not low <= proposal["value"] <= high:
            raise traitlets.TraitError(f"t is {proposal['value']!r}; allowed: {low} to {high}")
        return min(self._times, key=lambda t: abs(t - proposal["value"]))

    def refill(self, *panels):
        """Show other data of as many frames in the same view, at the same t."""
        spec = specify(panels, self._times, start=self.t)
        self._data = pack(spec, [panel.tracks for panel in panels])
