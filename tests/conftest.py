"""What every test may ask for: see tests/helpers/common.py, and lab.py and firefox.py there."""

pytest_plugins = ["common", "lab", "firefox"]
