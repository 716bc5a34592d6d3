"""The scrubber as a widget that Python can drive, observe and refill."""

import anywidget
import traitlets

from .encode import pack
from .player import MODULE, nearest, specify


class ScrubberWidget(anywidget.AnyWidget):
    """The player of `scrub` with a trait `t`: the value shown now.

    Setting `t` moves the slider, to the nearest frame; moving the slider sets `t`.
    """

    _esm = MODULE
    t = traitlets.Union([traitlets.Int(), traitlets.Float()]).tag(sync=True)
    _data = traitlets.Bytes().tag(sync=True)

    def __init__(self, panels, *, start=None, **options):
        self._options = options
        spec = specify(panels, start=start, **options)
        self._values = spec["t"]
        data = pack(spec, [panel.tracks for panel in panels])
        super().__init__(t=self._values[spec["start"]], _data=data)

    @traitlets.validate("t")
    def _nearest(self, proposal):
        low, high = sorted((self._values[0], self._values[-1]))
        if not low <= proposal["value"] <= high:
            raise traitlets.TraitError(f"t is {proposal['value']!r}; allowed: {low} to {high}")
        return self._values[nearest(proposal["value"], self._values)]

    def refill(self, *panels, t=None, describe=None):
        """Show other data in the same view; `t` is needed if the number of frames changes."""
        options = self._options | {"describe": describe}
        if t is not None:
            options["t"] = t
        spec = specify(panels, start=None, **options)
        now = int(nearest(self.t, spec["t"]))
        data = pack(spec | {"start": now}, [panel.tracks for panel in panels])
        self._options, self._values = options, spec["t"]
        with self.hold_sync():
            self._data, self.t = data, spec["t"][now]
