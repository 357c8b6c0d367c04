"""Whether KServe's own classes have every key of its manifests. usage: check_kserve.py FILE, inside the runtime's image"""

import re
import sys

import kserve
import kubernetes.client
import yaml

KINDS = {"InferenceService": "V1beta1InferenceService", "ServingRuntime": "V1alpha1ServingRuntime"}


def class_of(name):
    return getattr(kserve, name, None) or getattr(kserve.models, name, None) or getattr(kubernetes.client, name, None)


def check(value, kind, path):
    """The keys that `kind` does not have."""
    inner = re.fullmatch(r"(?:list\[|dict[\[(]str, ?)(.*)[\])]", kind, re.IGNORECASE)
    if isinstance(value, list):
        if inner is None:
            return [f"{path}: {kind} is no list"]
        return [fault for at, one in enumerate(value) for fault in check(one, inner[1], f"{path}[{at}]")]
    if not isinstance(value, dict):
        return []
    if inner:
        return [fault for key, one in value.items() for fault in check(one, inner[1], f"{path}.{key}")]
    model = class_of(kind)
    if model is None or not hasattr(model, "attribute_map"):
        return []
    names = {there: here for here, there in model.attribute_map.items()}
    faults = [f"{path}.{key}: {kind} has no such key" for key in value if key not in names]
    return faults + [fault for key, one in value.items() if key in names
                     for fault in check(one, model.openapi_types[names[key]], f"{path}.{key}")]


found = [document for document in yaml.safe_load_all(open(sys.argv[1])) if document["kind"] in KINDS]
faults = [fault for document in found for fault in check(document, KINDS[document["kind"]], document["kind"])]
print(f"{len(found)} checked", *faults, sep="\n")
sys.exit(bool(faults) or len(found) != len(KINDS))
