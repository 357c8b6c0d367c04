"""What a script prints: kept in order, bounded, head and tail. Never imports Gimp."""

import collections
import io


class Output(io.TextIOBase):
    """Stands in for stdout and stderr both. Keeps `limit` characters: the first half and the last."""

    def __init__(self, limit):
        self._head, self._head_room = [], limit - limit // 2
        self._tail, self._tail_limit, self._tail_size = collections.deque(), limit // 2, 0
        self._written = 0

    def writable(self):
        return True

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        size = len(text)
        self._written += size
        if self._head_room:
            piece = text[: self._head_room]
            self._head.append(piece)
            self._head_room -= len(piece)
            text = text[len(piece) :]
        if text and self._tail_limit:
            text = text[-self._tail_limit :]
            self._tail.append(text)
            self._tail_size += len(text)
            while self._tail_size - len(self._tail[0]) >= self._tail_limit:
                self._tail_size -= len(self._tail.popleft())
        return size

    def result(self):
        """(text, count of characters that were cut from its middle)."""
        head, tail = "".join(self._head), "".join(self._tail)
        tail = tail[len(tail) - min(len(tail), self._tail_limit) :]
        cut = self._written - len(head) - len(tail)
        if cut <= 0:
            return head + tail, 0
        return f"{head}\n[{cut} characters cut]\n{tail}", cut
