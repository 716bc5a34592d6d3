"""One sheet to print, both sides: each notebook's idea, its symbols and its recap.

`make slides` writes it beside the slides, whose MathJax sets its formulas.
"""

import re

from nbconvert.filters import markdown2html

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Notation and recaps</title>
<link rel="icon" href="data:,">
<style>
@page {{ size: A4; margin: 10mm }}
body {{ margin: 0; font: 8.2pt/1.25 system-ui, sans-serif; columns: 2; column-gap: 7mm }}
section {{ break-inside: avoid }}
h2 {{ font-size: 10pt; margin: 0 0 1mm; border-bottom: 0.3mm solid }}
p, ul, table {{ margin: 0 0 1.2mm }}
ul {{ padding-left: 4mm }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; vertical-align: top; padding: 0 1.5mm 0 0 }}
code {{ font-size: 0.9em }}
.anchor-link {{ display: none }}
</style>
<script>
MathJax = {{ tex: {{ inlineMath: [["$", "$"]] }}, options: {{ enableMenu: false }} }};
</script>
<script src="mathjax.js" defer></script>
</head>
<body>
{}
</body>
</html>
"""


def sheet(notebooks):
    """The page, as HTML."""
    sections = (f"<section>\n{markdown2html(summary(one))}\n</section>" for one in notebooks)
    return PAGE.format("\n".join(sections))


def summary(notebook):
    """A notebook's title, idea, symbols and recap, as Markdown."""
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    title, idea = re.search(r"^# (.+)\n\n(.+)", texts[0]).groups()
    symbols = re.search(r"(?m)^\| symbol .*\n(\|.*\n)+", "\n\n".join(texts))[0]
    recap = next(text for text in texts if text.startswith("## Recap"))
    points = "\n".join(re.findall(r"(?m)^- .+$", recap))
    return f"## {title}\n\n{idea}\n\n{symbols}\n{points}"
