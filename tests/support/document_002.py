"""Document 002, and its examples as they are written, but for their import lines."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TEXT = Path(__file__).with_name("document_002.txt").read_text()
EXAMPLES: list[str] = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
CLASSES: list[ast.ClassDef] = [
    node for example in EXAMPLES for node in ast.parse(example).body if isinstance(node, ast.ClassDef)
]
USES = [example for example in EXAMPLES if not re.match(r"class ", example)]


def adopted(example: str) -> str:
    """Return an example with its imports from `fillstream.trading`."""
    return re.sub(r"^from src\.[\w.]+ import ", "from fillstream.trading import ", example, flags=re.MULTILINE)


def example_with(words: str) -> str:
    """Return the one example with these words, adopted."""
    [found] = [example for example in USES if words in example]
    return adopted(found)
