"""The table: what was measured beside what design section 7 asks for."""

from statistics import median


def text(rows):
    """Returns rows of words as aligned columns, the first row above a line."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def seconds(values):
    """Returns the median, and the range when there is one."""
    if not values:
        return "–"
    middle = f"{median(values):.2f} s"
    return middle if len(values) == 1 else f"{middle} ({min(values):.2f}–{max(values):.2f})"


def milliseconds(values):
    """Returns the median and the maximum."""
    if not values:
        return "–"
    return f"{median(values) * 1000:.1f} / {max(values) * 1000:.1f} ms"


def count(values):
    """Returns one number, or the range."""
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low}–{high}"


def megabytes(values):
    return f"{max(values):.1f} MB"


def ratio(ours, theirs):
    """Returns how many times as long they took."""
    return f"{median(theirs) / median(ours):.1f}×" if ours and theirs else "–"
