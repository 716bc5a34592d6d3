"""Texts that mean harm, or that careless code would stumble over."""

RUN = "window.hacked = 1"
TEXTS = {
    "script": f"<script>{RUN}</script>",
    "end of script": f"</script><script>{RUN}</script>",
    "end of script, odd case": f"</ScRiPt ><svg/onload={RUN!r}>",
    "image": f"<img src=x onerror={RUN!r}>",
    "end of attribute": f"\" onload='{RUN}' x=\"' onload=\"{RUN}\" x='",
    "end of paragraph": f"</p></div><iframe srcdoc='<script>{RUN}</script>'></iframe>",
    "comment": f"<!-- <script> --> <script>{RUN}</script>",
    "open comment": "<!--<script>",
    "CDATA": f"]]><![CDATA[<script>{RUN}</script>",
    "entities": f"&lt;script&gt;{RUN}&lt;/script&gt; &#60;b&#62; &amp;amp;",
    "template": "${" + RUN + "} `" + RUN + "` {{" + RUN + "}} {data} {0} %s",
    "end of string": f"\\\"); {RUN}; (\"\\'); {RUN}; ('",
    "line separators": f"\u2028{RUN}\u2029{RUN}\u0085{RUN}\n{RUN}\r{RUN}",
    "link": f"javascript:{RUN} [a](javascript:{RUN}) data:text/html,<script>{RUN}</script>",
    "style": f"</style><script>{RUN}</script><style>@import 'http://example.org'",
    "null": f"\0<\0script>{RUN}</script>\x1b[31m\x07\x7f",
    "wide letters": f"\uff1cscript\uff1e{RUN}\uff1c/script\uff1e \ufeff\ufffe\uffff",
    "half a formula": "$\\frac{ 5$ $$ $ \\ ^_{ }$x_",
    "right to left": "\u05d0\u05d1\u05d2 \u200fabc\u200e \u0627\u0644",
    "beyond the first plane": "\U0001f469\u200d\U0001f52c \U000e0001 e\u0301\u0301\u0301",
    "long": "<" * 3000,
    "spaces": " \t\u00a0\u200b\u3000",
    "nothing": "",
}
TURNING = "".join(map(chr, [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]))
