"""One C++ file as the rules see it: its lines, the same lines without comments and strings, and what they allow."""
import re

ALLOW = re.compile(r"//\s*tidy:\s*allow\s+([\w-]+)(?::\s*(\S.*))?")
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)')
TOKENS = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"([^()\\\s]{0,16})\(.*?\)\1"'
    r'|"(?:\\.|[^"\\\n])*"|(?<![0-9a-zA-Z_])\'(?:\\.|[^\'\\\n])+\'',
    re.DOTALL,
)


def blank(match):
    """Spaces instead of text, so that lines and columns stay where they are."""
    return re.sub(r"[^\n]", " ", match.group(0))


def unit_of(path):
    """The unit of the layer rules that a path belongs to: "runtime/core", "actors", "storage", "storage/dataset", ..."""
    parts = path.split("/")
    two = parts[0] in ("runtime", "client") or (parts[:2] in (["storage", "dataset"], ["gpu", "comm"], ["gpu", "topology"]) and len(parts) > 2)
    return "/".join(parts[:2]) if two else parts[0]


class Source:
    def __init__(self, path, text):
        self.path = path  # relative to the root, "/" between parts
        self.text = text
        self.lines = text.splitlines()
        self.code = TOKENS.sub(blank, text).splitlines()
        self.is_header = path.endswith(".hpp")
        self.is_test = path.startswith("tests/")

    def folder(self):
        return unit_of(self.path)

    def includes(self):
        """(line number, name, in quotes) of each include."""
        for number, line in enumerate(self.lines, 1):
            found = INCLUDE.match(line)
            if found:
                yield number, found.group(1) or found.group(2), found.group(1) is not None

    def allows(self, number, rule):
        """Whether the line, or a comment alone on the line above, allows the rule and says why."""
        here = self.lines[number - 1 : number]
        above = [line for line in self.lines[max(number - 2, 0) : number - 1] if line.strip().startswith("//")]
        return any(found and found.group(1) == rule and found.group(2) for found in map(ALLOW.search, here + above))

    def allows_anywhere(self, rule):
        return any(found and found.group(1) == rule and found.group(2) for found in map(ALLOW.search, self.lines))
