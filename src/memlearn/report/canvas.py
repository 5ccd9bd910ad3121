"""Two canvases for static figures, an SVG and a PDF of one page, with the same few verbs; nothing else is needed.

Lengths are points, the origin is the top left corner. Texts of the PDF stand in Helvetica, one of the fonts that every
reader has, in the letters of Windows-1252.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from typing import Literal, Protocol
from xml.sax.saxutils import escape

import numpy as np

Points = Sequence[tuple[float, float]]
Anchor = Literal["start", "middle", "end"]
_WIDTH_OF_LETTER = 0.52
"""Of Helvetica, over the size, on average: enough to place a text by its middle or end."""
_DASHES = {"dot": (1.5, 2.5), "dash": (5.0, 3.0), "dashdot": (5.0, 2.5, 1.5, 2.5)}


class Canvas(Protocol):
    """What a figure is drawn on."""

    def line(self, points: Points, colour: str, width: float, *, dash: str = "solid", alpha: float = 1.0) -> None:
        """A line through points."""
        ...

    def area(self, points: Points, colour: str, *, alpha: float = 1.0) -> None:
        """A filled polygon."""
        ...

    def text(
        self, x: float, y: float, text: str, size: float, *,
        colour: str = "#1b2128", anchor: Anchor = "start", bold: bool = False, up: bool = False,
    ) -> None:
        """A line of text whose base line begins, is centred or ends at a point; `up` turns it a quarter to the left."""
        ...

    def image(self, x: float, y: float, width: float, height: float, pixels: np.ndarray) -> None:
        """Pixels (rows, columns, 3) of bytes, each a sharp rectangle."""
        ...

    def finish(self) -> bytes:
        """The file."""
        ...


class Svg:
    """An SVG; arguments: width and height in points, and what it shows in words."""

    def __init__(self, width: float, height: float, title: str) -> None:
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}pt" '
            f'height="{height:g}pt" role="img" font-family="Helvetica, Arial, sans-serif">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>',
        ]

    def line(self, points: Points, colour: str, width: float, *, dash: str = "solid", alpha: float = 1.0) -> None:
        """See `Canvas`."""
        pattern = f' stroke-dasharray="{" ".join(f"{d:g}" for d in _DASHES[dash])}"' if dash in _DASHES else ""
        self._parts.append(
            f'<polyline points="{_joined(points)}" fill="none" stroke="{colour}" stroke-width="{width:g}" '
            f'stroke-linejoin="round" opacity="{alpha:g}"{pattern}/>'
        )

    def area(self, points: Points, colour: str, *, alpha: float = 1.0) -> None:
        """See `Canvas`."""
        self._parts.append(f'<polygon points="{_joined(points)}" fill="{colour}" opacity="{alpha:g}"/>')

    def text(
        self, x: float, y: float, text: str, size: float, *,
        colour: str = "#1b2128", anchor: Anchor = "start", bold: bool = False, up: bool = False,
    ) -> None:
        """See `Canvas`."""
        turned = f' transform="rotate(-90 {x:.2f} {y:.2f})"' if up else ""
        weight = ' font-weight="bold"' if bold else ""
        self._parts.append(
            f'<text x="{x:.2f}" y="{y:.2f}" font-size="{size:g}" fill="{colour}" text-anchor="{anchor}"'
            f"{weight}{turned}>{escape(text)}</text>"
        )

    def image(self, x: float, y: float, width: float, height: float, pixels: np.ndarray) -> None:
        """See `Canvas`."""
        data = base64.b64encode(_png(pixels)).decode()
        self._parts.append(
            f'<image x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" preserveAspectRatio="none" '
            f'style="image-rendering:pixelated" href="data:image/png;base64,{data}"/>'
        )

    def finish(self) -> bytes:
        """See `Canvas`."""
        return "\n".join([*self._parts, "</svg>", ""]).encode()


class Pdf:
    """A PDF of one page; arguments as of `Svg`."""

    def __init__(self, width: float, height: float, title: str) -> None:
        self._size, self._title = (width, height), title
        self._content: list[bytes] = []
        self._alphas: dict[str, float] = {}
        self._images: list[bytes] = []

    def line(self, points: Points, colour: str, width: float, *, dash: str = "solid", alpha: float = 1.0) -> None:
        """See `Canvas`."""
        pattern = " ".join(f"{d:g}" for d in _DASHES.get(dash, ()))
        drawn = f"{_rgb(colour)} RG {width:g} w 1 j [{pattern}] 0 d {self._path(points)} S"
        self._put(f"q {self._seen(alpha)} {drawn} Q")

    def area(self, points: Points, colour: str, *, alpha: float = 1.0) -> None:
        """See `Canvas`."""
        self._put(f"q {self._seen(alpha)} {_rgb(colour)} rg {self._path(points)} f Q")

    def text(
        self, x: float, y: float, text: str, size: float, *,
        colour: str = "#1b2128", anchor: Anchor = "start", bold: bool = False, up: bool = False,
    ) -> None:
        """See `Canvas`."""
        back = {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor] * _WIDTH_OF_LETTER * size * len(text)
        x, y = (x, y + back) if up else (x - back, y)
        matrix = "0 1 -1 0" if up else "1 0 0 1"
        written = text.replace("\N{MINUS SIGN}", "\N{EN DASH}").encode("cp1252", "replace")
        for special in (b"\\", b"(", b")"):
            written = written.replace(special, b"\\" + special)
        font = "F2" if bold else "F1"
        place = f"BT {_rgb(colour)} rg /{font} {size:g} Tf {matrix} {x:.2f} {self._size[1] - y:.2f} Tm ("
        self._content.append(place.encode() + written + b") Tj ET")

    def image(self, x: float, y: float, width: float, height: float, pixels: np.ndarray) -> None:
        """See `Canvas`."""
        rows, columns = pixels.shape[:2]
        head = (f"/Type /XObject /Subtype /Image /Width {columns} /Height {rows} /ColorSpace /DeviceRGB "
                "/BitsPerComponent 8 /Interpolate false /Filter /FlateDecode")
        self._images.append(_stream(head, zlib.compress(pixels.astype(np.uint8).tobytes(), 9)))
        low = self._size[1] - y - height
        self._put(f"q {width:.2f} 0 0 {height:.2f} {x:.2f} {low:.2f} cm /I{len(self._images)} Do Q")

    def finish(self) -> bytes:
        """See `Canvas`."""
        first = 7 + len(self._alphas)
        states = " ".join(f"/{name} {7 + i} 0 R" for i, name in enumerate(self._alphas))
        images = " ".join(f"/I{i + 1} {first + i} 0 R" for i in range(len(self._images)))
        fonts = "/F1 5 0 R /F2 6 0 R"
        size = f"{self._size[0]:g} {self._size[1]:g}"
        title = "feff" + self._title.encode("utf-16-be").hex()
        page = (f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {size}] /Contents 4 0 R /Resources << "
                f"/Font << {fonts} >> /ExtGState << {states} >> /XObject << {images} >> >> >>")
        font = "<< /Type /Font /Subtype /Type1 /BaseFont /{} /Encoding /WinAnsiEncoding >>"
        objects = [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            page.encode(),
            _stream("/Filter /FlateDecode", zlib.compress(b"\n".join(self._content), 9)),
            font.format("Helvetica").encode(),
            font.format("Helvetica-Bold").encode(),
            *(f"<< /Type /ExtGState /ca {a:g} /CA {a:g} >>".encode() for a in self._alphas.values()),
            *self._images,
            f"<< /Title <{title}> /Producer (memlearn) >>".encode(),
        ]
        return _file(objects)

    def _put(self, text: str) -> None:
        self._content.append(text.encode())

    def _path(self, points: Points) -> str:
        height = self._size[1]
        return " ".join(f"{x:.2f} {height - y:.2f} {'l' if i else 'm'}" for i, (x, y) in enumerate(points))

    def _seen(self, alpha: float) -> str:
        """The graphics state of a transparency."""
        if alpha >= 1:
            return ""
        name = f"A{round(100 * alpha)}"
        self._alphas[name] = alpha
        return f"/{name} gs"


def _joined(points: Points) -> str:
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in points)


def _rgb(colour: str) -> str:
    return " ".join(f"{int(colour[i : i + 2], 16) / 255:.3g}" for i in (1, 3, 5))


def _stream(head: str, data: bytes) -> bytes:
    return f"<< {head} /Length {len(data)} >>\nstream\n".encode() + data + b"\nendstream"


def _file(objects: Sequence[bytes]) -> bytes:
    """Objects numbered from 1, the catalogue first, the document's information last."""
    out, places = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), []
    for i, content in enumerate(objects, start=1):
        places.append(len(out))
        out += f"{i} 0 obj\n".encode() + content + b"\nendobj\n"
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{place:010d} 00000 n \n".encode() for place in places)
    tail = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R /Info {len(objects)} 0 R >>\nstartxref\n{start}\n%%EOF\n"
    return bytes(out + tail.encode())


def _png(pixels: np.ndarray) -> bytes:
    """Pixels (rows, columns, 3) of bytes as a PNG."""
    rows, columns = pixels.shape[:2]
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), pixels.astype(np.uint8).reshape(rows, -1)], axis=1)
    parts = ((b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)),
             (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    out = b"\x89PNG\r\n\x1a\n"
    for name, data in parts:
        out += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return out
