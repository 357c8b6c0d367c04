"""The one error that operations raise on purpose. Never imports Gimp."""

import json
import os

from gimp_bridge.core.folders import PROTOCOL_DIR

with open(os.path.join(PROTOCOL_DIR, "errors.json"), encoding="utf-8") as _file:
    CODES = {row["kind"]: row["code"] for row in json.load(_file)["kinds"]}


class OperationError(Exception):
    """`kind` is one of errors.json; `message` gives value and limit; `hint` says what to do; `details` is for programs."""

    def __init__(self, kind, message, hint=None, **details):
        super().__init__(message)
        self.kind, self.message, self.hint, self.details = kind, message, hint, details
        self.code = CODES[kind]

    def to_json_rpc(self):
        """The JSON-RPC `error` object."""
        data = {"kind": self.kind}
        if self.hint:
            data["hint"] = self.hint
        if self.details:
            data["details"] = self.details
        return {"code": self.code, "message": self.message, "data": data}
