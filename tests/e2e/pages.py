# SPDX-License-Identifier: LGPL-2.1-or-later
"""What README and the man pages show literally: configurations, commands, and other things."""

import re

from daemons import TOP

PAGES = ["README", *sorted(f"man/{page.name}" for page in (TOP / "man").glob("*.[1-8]"))]


def unescape(text):
    """Of man pages."""
    for escape, character in (("\\e", "\\"), ("\\(dq", '"'), ("\\-", "-"), ("\\&", "")):
        text = text.replace(escape, character)
    return text


def blocks(page):
    """The literal parts of a page, as they are shown."""
    text = (TOP / page).read_text()
    if page == "README":
        indented = re.findall(r"(?:^ {4}(?! *[┌│└]).*\n|^\n(?= {4}))+", text, re.M)
        return [re.sub(r"^ {4}", "", block, flags=re.M).strip("\n") for block in indented if block.strip()]
    shown = re.findall(r"^\.Dl (.*)$|^\.Bd -literal.*\n((?:.*\n)*?)^\.Ed$", text, re.M)
    return [unescape(line or block).rstrip("\n") for line, block in shown]


def commands(block):
    """One after the other: with the lines that are continued, or a file that is written."""
    found, lines = [], iter(block.splitlines())
    for line in lines:
        end = re.search(r"<<'(\w+)'$", line)
        while (line.endswith("\\") or end) and not (end and line.endswith(f"\n{end[1]}")):
            line += "\n" + next(lines)
        if line.strip():
            found.append(line)
    return found


def key(command):
    """By which a test knows it: its first line, without a comment."""
    return re.sub(r"\s+#( .*)?$", "", command.splitlines()[0]).rstrip(" &")
