"""What every test may ask for: see tests/helpers/common.py, and lab.py for the browser."""

pytest_plugins = ["common", "lab"]
